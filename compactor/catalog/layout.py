"""What a catalog holds of each table of the lake. Pure.

In:  `LakeTables`, the URL of the place whose objects are to be read (lake or archive).
Out: `CatalogTable`s: external tables, their partitions, views.

Names, for a table `public.orders` of the database `shop`, in the catalog's database `shop`:

* `public_orders_data`: external table over the files, partitioned by `snapshot` (and `dt`). Its
  partitions are registered one by one, and readers may see a snapshot half registered.
* `public_orders`: view, the latest complete snapshot; of events, all windows.
* `public_orders_asof`: view, all complete snapshots, each row with the time it was valid from and
  until: `WHERE TIMESTAMP '2026-10-06 12:00:00' >= snapshot_from AND ... < snapshot_until`.
* `public_orders_snapshots`: view, one row a complete snapshot: moment, rows, files, proof.

**Generations.** Hive wants one type for a column of a table. Where a later run found another type
(a column that could not be restored any more, say), or days where there were none, its snapshots go
to an external table of their own, `public_orders_data_2`; views read both, with columns that differ
as text. Generations are numbered in the order of runs, so they never move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .. import lake
from ..errors import NoSuchType
from ..lake_tables import LakeSnapshot, LakeTable, LakeTables, folder_of
from ..model import OutputColumn
from . import names, types

COMMENT_CHARACTERS = 255
"""Of a column, in Glue: https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html"""
SNAPSHOT_KEY = "snapshot"
DAY_KEY = "dt"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogColumn:
    name: str
    duckdb_type: str
    hive_type: str
    trino_type: str
    """The type under which Athena sees it."""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogPartition:
    """One partition: values of the table's partition keys, and where its objects are."""

    values: tuple[str, ...]
    location: str
    """URL of a folder, with the trailing slash; it holds the manifest's objects and no others."""
    rows: int
    bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalTable:
    database: str
    name: str
    columns: tuple[CatalogColumn, ...]
    keys: tuple[CatalogColumn, ...]
    """Partition keys, all of them strings: `snapshot`, and `dt` where there are days."""
    location: str
    partitions: tuple[CatalogPartition, ...]
    """Sorted by snapshot, then day."""
    comment: str
    snapshots: tuple[LakeSnapshot, ...]

    @property
    def has_days(self) -> bool:
        return len(self.keys) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogTable:
    """Everything that a catalog holds of one table of the lake."""

    source: LakeTable
    database: str
    name: str
    """Of the view over the latest snapshot; other names begin with it."""
    externals: tuple[ExternalTable, ...]
    """One for each generation, the oldest first."""
    warnings: tuple[str, ...] = field(default=())


def layout(
    tables: LakeTables, chosen: Sequence[LakeTable], url: str, database_prefix: str = ""
) -> tuple[CatalogTable, ...]:
    """Return what a catalog holds of the chosen tables.

    `url` is that of the lake, or of an archive whose snapshots are to be read there. Names depend
    on all tables of the lake and on all their snapshots, chosen or not.

    Raises: StoreError if the objects of a partition lie in several folders.
    """
    called = catalog_names(tables, database_prefix)
    whole = {one.name: one for one in tables.tables}
    return tuple(
        _catalog_table(
            one,
            generations(whole[one.name].snapshots),
            *called[one.database, one.table],
            url,
        )
        for one in chosen
    )


def catalog_names(
    tables: LakeTables, database_prefix: str = ""
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the catalog's names, (database, table), of every table by the lake's names."""
    seen = sorted(tables.tables, key=lambda one: (one.first_run, one.name))
    databases = names.unique(
        [f"{database_prefix}{name}" for name in dict.fromkeys(one.database for one in seen)],
        reserved=(names.TABLES_OF_OURS,),
    )
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for database in dict.fromkeys(one.database for one in seen):
        inside = [one.table for one in seen if one.database == database]
        for table, name in names.unique(inside).items():
            found[database, table] = databases[f"{database_prefix}{database}"], name
    return found


def _catalog_table(
    source: LakeTable,
    born: Sequence[Sequence[LakeSnapshot]],
    database: str,
    name: str,
    url: str,
) -> CatalogTable:
    """Return what a catalog holds of a table. `born`: the generations of all its snapshots."""
    warnings: list[str] = []
    externals = []
    chosen = {one.moment: one for one in source.snapshots}
    for number, generation in enumerate(born, start=1):
        members = [chosen[one.moment] for one in generation if one.moment in chosen]
        if members:
            suffix = "_data" if number == 1 else f"_data_{number}"
            externals.append(_external(source, members, database, f"{name}{suffix}", url, warnings))
    return CatalogTable(
        source=source,
        database=database,
        name=name,
        externals=tuple(externals),
        warnings=tuple(dict.fromkeys(warnings)),
    )


# --- generations ----------------------------------------------------------------------------------


def generations(snapshots: Sequence[LakeSnapshot]) -> tuple[tuple[LakeSnapshot, ...], ...]:
    """Divide snapshots into those that one external table can hold, in the order of runs.

    A snapshot joins the latest generation, or begins the next: an earlier one is never taken up
    again, so a run that comes later cannot move what is registered.
    """
    made: list[list[LakeSnapshot]] = []
    types_now: dict[str, str] = {}
    days_now: bool | None = None
    for one in sorted(snapshots, key=lambda each: (each.first_run, each.moment)):
        own = {column.name: column.type for column in one.result.columns if column.type}
        days = one.is_partitioned if one.objects else None
        fits = all(types_now.get(name, kind) == kind for name, kind in own.items())
        if days is not None and days_now is not None and days != days_now:
            fits = False
        if not made or not fits:
            made.append([])
            types_now, days_now = {}, None
        made[-1].append(one)
        types_now |= own
        days_now = days if days is not None else days_now
    return tuple(tuple(sorted(members, key=lambda each: each.moment)) for members in made)


# --- external tables ------------------------------------------------------------------------------


def _external(
    source: LakeTable,
    members: Sequence[LakeSnapshot],
    database: str,
    name: str,
    url: str,
    warnings: list[str],
) -> ExternalTable:
    has_days = any(one.is_partitioned for one in members)
    base = f"{url.rstrip('/')}/"
    partitions = [
        CatalogPartition(
            values=(one.label, part.value) if has_days else (one.label,),
            location=f"{base}{folder_of(part)}",
            rows=part.rows,
            bytes=sum(item.size_bytes for item in part.objects),
            files=len(part.objects),
        )
        for one in members
        for part in one.result.partitions
        if part.objects  # no folder without objects
    ]
    keys = [_key(SNAPSHOT_KEY, "moment that the export describes, UTC")]
    if has_days:
        keys.append(_key(DAY_KEY, _day_comment(members)))
    top = lake.table_prefix(source.database, source.table, source.latest.moment)
    return ExternalTable(
        database=database,
        name=name,
        columns=_columns(source, members, warnings),
        keys=tuple(keys),
        location=f"{base}{top.rsplit('snapshot=', 1)[0]}",
        partitions=tuple(sorted(partitions, key=lambda part: part.values)),
        comment=_short(f"files of {source.name}; query the views, which name complete snapshots"),
        snapshots=tuple(members),
    )


def _key(name: str, comment: str) -> CatalogColumn:
    return CatalogColumn(
        name=name,
        duckdb_type="VARCHAR",
        hive_type="string",
        trino_type="varchar",
        comment=_short(comment),
    )


def _day_comment(members: Sequence[LakeSnapshot]) -> str:
    newest = members[-1].result
    grain = newest.grain if newest.grain != "none" else "day"
    what = "day" if grain == "day" else f"first day of the {grain}"
    return f"{what} of {newest.partition_column or 'the row'}, yyyy-MM-dd; NULL where it has none"


def _columns(
    source: LakeTable, members: Sequence[LakeSnapshot], warnings: list[str]
) -> tuple[CatalogColumn, ...]:
    """Return the columns of the newest snapshot, then those that only earlier ones have."""
    merged: dict[str, OutputColumn] = {}
    for one in sorted(members, key=lambda each: each.moment, reverse=True):
        for column in one.result.columns:
            known = merged.get(column.name)
            if known is None or not known.type:
                merged[column.name] = column
    made = []
    for column in merged.values():
        if not names.fits(column.name):
            warnings.append(
                f"{source.name}: column {column.name[:60]!r} is left out: a name in Glue is one "
                f"line of at most {names.LONGEST} characters"
            )
            continue
        try:
            made.append(_column(column))
        except NoSuchType as error:
            warnings.append(f"{source.name}: column {column.name!r} is left out: {error.message}")
            continue
        if names.plain(column.name) != column.name:
            warnings.append(
                f"{source.name}: column {column.name!r} must be quoted in queries: Athena's own "
                "letters are a to z, 0 to 9 and _"
            )
    return tuple(made)


def _column(column: OutputColumn) -> CatalogColumn:
    kind = column.type or "VARCHAR"  # of a table without any object nothing more is known
    told = [f"source: {column.source_type}" if column.source_type else ""]
    if column.source_name != column.name:
        told.append(f"named {column.source_name!r} there")
    if column.kept_text:
        told.append("kept as text")
    if kind == "TIMESTAMP WITH TIME ZONE":
        told.append("UTC")
    return CatalogColumn(
        name=column.name,
        duckdb_type=kind,
        hive_type=types.hive(kind),
        trino_type=types.trino(kind),
        comment=_short("; ".join(part for part in told if part)),
    )


def _short(comment: str) -> str:
    """Return a comment as Glue takes it: one line, at most 255 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in comment).split())
    return line if len(line) <= COMMENT_CHARACTERS else f"{line[: COMMENT_CHARACTERS - 3]}..."
