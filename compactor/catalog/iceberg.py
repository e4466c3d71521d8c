"""The lake's files as Iceberg tables: one Iceberg snapshot per export snapshot.

In:  the configuration, names of tables. Out: `Registered`. IO: reads manifests and footers; writes
to the Iceberg catalog and its warehouse, and nothing else. No file of the lake is rewritten.

A table of the lake is `<name>_iceberg` in the catalog, with the names of `layout.py`. Each snapshot
is one commit with schema, partitioning, files and tag, so a reader sees it whole or not at all, and
a run that was killed is finished by the next one: what is there is told by the snapshots' own
properties. No state is kept elsewhere.

* A table of states: the commit replaces the content. The files of two snapshots are never mixed.
* A table of events (`<database>_changes`): the window is appended.
* A snapshot older than the newest one that is registered does not become the current state: it is
  there under its tag alone, outside of the table's history. A late window is appended all the same.

Tags are called like the snapshot's folder: `FOR VERSION AS OF '20261006T034712Z'`.
https://iceberg.apache.org/spec/ (format version 2; read 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..config import Config, Place
from ..errors import Changed, CompactorError, ConfigError
from ..lake_tables import (
    LakeSnapshot,
    LakeTable,
    LakeTables,
    lying_in,
    read_tables,
    url_of,
)
from ..model import Model
from ..progress import Progress, Quiet
from ..store import open_store
from .iceberg_catalog import load, open_catalog, refuse_inside, translated
from .layout import catalog_names

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from ..store.interface import Store
    from .iceberg_types import Generation

Status = Literal["registered", "up_to_date", "to_register", "empty", "failed"]


class IcebergSnapshot(Model):
    snapshot: str
    """The export's snapshot, as its folder and its tag are called."""
    status: Status
    iceberg_snapshot_id: str = ""
    """Text, because many readers of JSON round numbers of 64 bits."""
    is_current: bool = True
    """False: it came late, and is there under its tag alone."""
    rows: int
    files: int
    added_files: int = 0
    removed_files: int = 0
    partitioned_by: str = ""
    """Such as `day(created_at)`; empty where the files keep no such partitioning."""
    error: str | None = None
    exit_code: int = 0
    """That of the error."""


class IcebergTable(Model):
    database: str
    table: str
    name: str
    """In the catalog: `shop.public_orders_iceberg`."""
    status: Status
    """`empty`: no column has a type yet, because no snapshot has a row."""
    known_snapshots: int = 0
    """Registered by earlier runs."""
    snapshots: tuple[IcebergSnapshot, ...] = ()
    """Registered by this run, or to be."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """Of the whole table; those of single snapshots are with them."""
    exit_code: int = 0
    """The highest one of its errors."""


class Registered(Model):
    status: Literal["done", "nothing_to_do", "failed"]
    exit_code: int
    catalog: str
    place: Place
    url: str
    """Of the place whose objects tables read."""
    dry_run: bool
    tables: tuple[IcebergTable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    tables: tuple[str, ...] = ()
    """`database.table`; none: all."""
    place: Place | None = None
    """None: as configured."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    catalog: Catalog
    store: Store
    places: tuple[str, ...]
    """URLs of lake and archive."""
    dry_run: bool
    show: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """One Iceberg table: what it is called, and what belongs into it."""

    source: LakeTable
    identifier: tuple[str, str]
    generation: Generation
    latest_in: str
    """The table that holds the latest snapshot: this one, or that of another generation."""

    @property
    def name(self) -> str:
        return ".".join(self.identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    one: LakeSnapshot
    is_current: bool


def register(config: Config, options: Options, *, show: Progress | None = None) -> Registered:
    """Register every complete snapshot that the Iceberg tables do not have yet, the oldest first.

    A table or snapshot that fails is told in the result; the others are done.

    Raises: ConfigError; StoreError if lake or catalog cannot be opened.
    """
    place = options.place or config.catalog.place
    url = url_of(config, place)
    places = [config.lake.url, *([config.archive.url] if config.archive else [])]
    catalog = open_catalog(config.catalog.iceberg, places)
    store = open_store(config.lake.url, concurrency=config.limits.concurrency)
    found = read_tables(store)
    wanted = lying_in(config, place, found)
    if url != config.lake.url:
        store = open_store(url, concurrency=config.limits.concurrency)
    work = _Work(
        catalog=catalog,
        store=store,
        places=tuple(places),
        dry_run=options.dry_run,
        show=show or Quiet(),
    )
    called = catalog_names(found, config.catalog.database_prefix)
    targets = _targets(found, wanted.choose(options.tables), called)
    tables = tuple(_guarded(work, target) for target in targets)
    code = max((table.exit_code for table in tables), default=0)
    does_something = any(table.snapshots for table in tables)
    return Registered(
        status="failed" if code else "done" if does_something else "nothing_to_do",
        exit_code=code,
        catalog=catalog.name,
        place=place,
        url=store.url,
        dry_run=options.dry_run,
        tables=tables,
    )


def _targets(
    found: LakeTables,
    chosen: Sequence[LakeTable],
    called: Mapping[tuple[str, str], tuple[str, str]],
) -> Iterator[_Target]:
    from .iceberg_types import generations

    whole = {one.name: one.snapshots for one in found.tables}
    for table in chosen:
        database, name = called[table.database, table.table]
        members = generations(whole[table.name], table.snapshots)
        names = [f"{name}_iceberg", *(f"{name}_iceberg_{no}" for no in range(2, len(members) + 1))]
        pairs = list(zip(names, members, strict=True))
        latest = next(own for own, one in pairs if table.latest in one.snapshots)
        for own, generation in pairs:
            if generation.snapshots:
                yield _Target(
                    source=table,
                    identifier=(database, own),
                    generation=generation,
                    latest_in=f"{database}.{latest}",
                )


# --- one table ------------------------------------------------------------------------------------


def _guarded(work: _Work, target: _Target) -> IcebergTable:
    try:
        return _one_table(work, target)
    except CompactorError as error:  # the other tables go on
        return _told(target, "failed", error=str(error), exit_code=error.exit_code)


def _told(target: _Target, status: Status, **facts: Any) -> IcebergTable:
    source = target.source
    return IcebergTable(
        database=source.database, table=source.table, name=target.name, status=status, **facts
    )


def _one_table(work: _Work, target: _Target) -> IcebergTable:
    table = load(work.catalog, target.identifier)
    if table is not None:
        _refuse_foreign(work, target, table)
    known = _known(table)
    steps = _decide(target, known)
    warnings = _warnings(target, steps)
    facts: dict[str, Any] = {"known_snapshots": len(known), "warnings": warnings}
    if not steps:
        return _told(target, "up_to_date", **facts)
    if table is None and not target.generation.types:
        return _told(target, "empty", **facts)
    made = []
    for step in steps:
        if work.dry_run:
            made.append(_snapshot(step, "to_register"))
            continue
        work.show.table(target.name, "registering", snapshot=step.one.label)
        try:
            made.append(_register(work, target, table, step))
        except CompactorError as error:  # a later snapshot may be whole all the same
            code = error.exit_code
            made.append(_snapshot(step, "failed", error=str(error), exit_code=code))
        table = load(work.catalog, target.identifier)
    code = max(one.exit_code for one in made)
    status: Status = "failed" if code else made[0].status
    return _told(target, status, snapshots=made, exit_code=code, **facts)


def _refuse_foreign(work: _Work, target: _Target, table: Table) -> None:
    """Refuse a table that is not ours, or reads the objects of another place."""
    from .iceberg_commit import TABLE, URL

    refuse_inside(table.location(), work.places, f"location of {target.name}")
    hint = "drop it in the catalog (the lake's files stay), or set another database_prefix"
    if table.properties.get(TABLE) != target.source.name:
        raise ConfigError(
            f"{target.name} is there already, and not the table of {target.source.name}", hint=hint
        )
    if table.properties.get(URL) != work.store.url:
        raise ConfigError(
            f"{target.name} reads {table.properties.get(URL)}, not {work.store.url}", hint=hint
        )


def _known(table: Table | None) -> dict[str, str]:
    """Return the export snapshots that are registered: label -> fingerprint."""
    from .iceberg_commit import FINGERPRINT, SNAPSHOT

    found: dict[str, str] = {}
    for each in table.metadata.snapshots if table is not None else ():
        facts = each.summary.additional_properties if each.summary else {}
        if SNAPSHOT in facts:
            found[facts[SNAPSHOT]] = facts.get(FINGERPRINT, "")
    return found


def _decide(target: _Target, known: Mapping[str, str]) -> tuple[_Step, ...]:
    """Return what is to be registered, the oldest first.

    Raises: Changed if a registered snapshot is not what the manifest names now.
    """
    newest = max(known, default="")
    steps = []
    for one in target.generation.snapshots:
        if one.label not in known:
            is_late = one.label < newest and not target.source.holds_changes
            steps.append(_Step(one=one, is_current=not is_late))
        elif known[one.label] != one.result.fingerprint:
            raise Changed(
                f"{target.name} has snapshot {one.label} with fingerprint {known[one.label]}; the "
                f"manifest of run {one.run_id} names {one.result.fingerprint}",
                hint="drop the table in the catalog (the lake's files stay), and run again",
            )
    return tuple(steps)


def _warnings(target: _Target, steps: Sequence[_Step]) -> tuple[str, ...]:
    told = [
        f"snapshot {step.one.label} is older than the newest one there: it can be read by its tag, "
        "and is not in the table's history"
        for step in steps
        if not step.is_current
    ]
    for one in target.generation.snapshots:
        told += target.generation.schema(one)[1]
    if target.name != target.latest_in:
        told.append(f"types of columns have changed: the latest snapshot is in {target.latest_in}")
    return tuple(dict.fromkeys(told))


def _snapshot(step: _Step, status: Status, **facts: Any) -> IcebergSnapshot:
    return IcebergSnapshot(
        snapshot=step.one.label,
        status=status,
        is_current=step.is_current,
        rows=step.one.result.output_rows,
        files=len(step.one.objects),
        **facts,
    )


def _register(work: _Work, target: _Target, table: Table | None, step: _Step) -> IcebergSnapshot:
    from . import iceberg_commit, iceberg_files

    schema, _ = target.generation.schema(step.one)
    files = iceberg_files.read(work.store, step.one, schema)
    has_warehouse = "warehouse" in work.catalog.properties
    hint = "" if has_warehouse else "name a warehouse among the properties in [catalog] iceberg"
    with translated(f"register snapshot {step.one.label} in {target.name}", hint=hint):
        if table is not None:
            transaction = table.transaction()
        else:
            work.catalog.create_namespace_if_not_exists(target.identifier[0])
            transaction = work.catalog.create_table_transaction(
                target.identifier,
                schema=schema,
                properties=iceberg_commit.table_properties(target.source.name, work.store.url),
            )
            location = transaction.table_metadata.location
            refuse_inside(location, work.places, f"location of {target.name}")
        done = iceberg_commit.commit(
            transaction,
            step.one,
            schema,
            files,
            there=iceberg_commit.current_files(table),
            appends=target.source.holds_changes,
            is_current=step.is_current,
        )
    return _snapshot(
        step,
        "registered",
        iceberg_snapshot_id=str(done.snapshot_id),
        added_files=done.added_files,
        removed_files=done.removed_files,
        partitioned_by=str(done.partitioning or ""),
    )
