"""Views of DuckDB over the objects that manifests name. Pure.

In:  a table, the snapshots that are asked for. Out: a SELECT, and the objects that it may read.

Every object is listed, under a path of ours (`remote_reads.py`); there is no wildcard. `snapshot`
and `dt` are text, as in Athena, and come from the path: DuckDB drops a file that a condition on one
of them excludes before it is opened. The newest day comes first, because DuckDB opens the first
file to learn the columns, and most questions are about the newest day.

Snapshots whose columns differ are read apart, and united as `catalog/views.py` does it: a column
that a snapshot lacks is NULL, one whose type differs is text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from sqlglot import exp

from .catalog.views import DAY_KEY, SNAPSHOT_KEY, snapshots_query
from .lake_tables import LakeSnapshot
from .model import HIVE_NULL, PartitionResult
from .query_names import Meant
from .remote_reads import PROTOCOL, Item

DIALECT = "duckdb"
_NESTED = ("STRUCT", "MAP", "UNION")


@dataclass(frozen=True, slots=True)
class Source:
    """What a view reads."""

    query: exp.Query
    items: dict[str, Item]
    """By path."""


def source(meant: Meant, shown: Sequence[LakeSnapshot], number: int) -> Source:
    """Return what a name shows of these snapshots, the oldest first; `number` is of this name."""
    if meant.kind == "snapshots":
        return Source(snapshots_query(shown), {})
    groups: dict[tuple[object, ...], list[LakeSnapshot]] = {}
    for one in reversed(shown):
        if one.objects:
            groups.setdefault(_shape(one), []).append(one)
    columns = columns_of(shown)
    has_days = any(one.is_partitioned for one in shown)
    items: dict[str, Item] = {}
    selects = []
    for members in groups.values():
        paths = dict(_paths(members, number, len(items)))
        items |= paths
        selects.append(_select(members[0], columns, list(paths), has_days=has_days))
    if not selects:
        return Source(_nothing(columns, has_days=has_days), {})
    return Source(exp.union(*selects, distinct=False) if selects[1:] else selects[0], items)


def _shape(one: LakeSnapshot) -> tuple[object, ...]:
    """Return what the files of one `read_parquet` must have in common."""
    columns = tuple((column.name, column.type) for column in one.result.columns)
    return (one.is_partitioned, columns)


def columns_of(shown: Sequence[LakeSnapshot]) -> dict[str, str]:
    """Return the type of every column: those of the newest snapshot, then those of older ones."""
    merged: dict[str, str] = {}
    for one in reversed(shown):
        for column in one.result.columns:
            known = merged.get(column.name)
            if not known:
                merged[column.name] = column.type
            elif column.type and column.type != known:
                merged[column.name] = "VARCHAR"
    return {name: kind or "VARCHAR" for name, kind in merged.items()}


def _paths(members: Sequence[LakeSnapshot], number: int, first: int) -> Iterator[tuple[str, Item]]:
    """Yield the path and the object of every file; the newest snapshot and day first."""
    for one in members:
        for part in sorted(one.result.partitions, key=_newest, reverse=True):
            day = f"{DAY_KEY}={quote(part.value, safe='')}/" if one.is_partitioned else ""
            for item in part.objects:
                path = f"{PROTOCOL}://{number}/{SNAPSHOT_KEY}={one.label}/{day}{first}.parquet"
                yield path, Item(item.key, item.version_id, item.size_bytes)
                first += 1


def _newest(part: PartitionResult) -> str:
    return "" if part.value == HIVE_NULL else part.value


def _select(
    one: LakeSnapshot, columns: dict[str, str], paths: Sequence[str], *, has_days: bool
) -> exp.Select:
    own = {column.name: column.type for column in one.result.columns}
    chosen: list[exp.Expr] = []
    for name, kind in columns.items():
        value: exp.Expression = exp.column(name, quoted=True)
        if name not in own:
            value = _null(kind)
        elif own[name] != kind:
            value = _as_text(value, own[name])
        chosen.append(exp.alias_(value, name, quoted=True))
    chosen.append(exp.column(SNAPSHOT_KEY, quoted=True))
    if has_days:
        day = exp.column(DAY_KEY, quoted=True) if one.is_partitioned else _null("VARCHAR")
        chosen.append(exp.alias_(day, DAY_KEY, quoted=True))
    keys = [SNAPSHOT_KEY, DAY_KEY] if one.is_partitioned else [SNAPSHOT_KEY]
    return exp.select(*chosen).from_(_read_parquet(paths, keys))


def _read_parquet(paths: Sequence[str], keys: Sequence[str]) -> exp.Expression:
    kinds = exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(key), expression=exp.Literal.string("VARCHAR"))
            for key in keys
        ]
    )
    return exp.Anonymous(
        this="read_parquet",
        expressions=[
            exp.Array(expressions=[exp.Literal.string(path) for path in paths]),
            exp.Kwarg(this=exp.var("hive_partitioning"), expression=exp.true()),
            exp.Kwarg(this=exp.var("hive_types"), expression=kinds),
        ],
    )


def _nothing(columns: dict[str, str], *, has_days: bool) -> exp.Select:
    """Return no row, of a table without any object."""
    keys = [SNAPSHOT_KEY, DAY_KEY] if has_days else [SNAPSHOT_KEY]
    kinds = columns | dict.fromkeys(keys, "VARCHAR")
    chosen = [exp.alias_(_null(kind), name, quoted=True) for name, kind in kinds.items()]
    return exp.select(*chosen).where(exp.false())


def _null(kind: str) -> exp.Expression:
    return exp.cast(exp.null(), exp.DataType.build(kind, dialect=DIALECT))


def _as_text(value: exp.Expression, kind: str) -> exp.Expression:
    if kind == "BLOB":
        value = exp.Anonymous(this="hex", expressions=[value])
    elif kind.startswith(_NESTED) or kind.endswith("]"):
        value = exp.Anonymous(this="to_json", expressions=[value])
    return exp.cast(value, exp.DataType.build(exp.DType.TEXT))
