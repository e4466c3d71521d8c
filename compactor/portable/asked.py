"""The statement that recomputes a fingerprint elsewhere, with what it should give.

In:  the lake's manifests, which table, snapshot, days and dialect.
Out: `Fingerprint`. IO: reads manifests; the statement is run by whoever asked.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ..catalog.layout import layout
from ..config import Config
from ..errors import ConfigError
from ..lake_tables import LakeSnapshot, LakeTable, LakeTables, lying_in, read_tables, url_of
from ..model import Model, PartitionResult, Portable
from ..store import open_store
from . import canonical
from .engines import ENGINES, SOURCES, Dialect
from .places import Wanted, rows_of
from .statement import statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    table: str
    """As `database.table`."""
    dialect: Dialect
    snapshot: str | None = None
    """As folders are named, `20261006T034712Z`; None for the latest."""
    partition: str | None = None
    """Folder value of `dt`; None for all."""
    by_partition: bool = False


class Expected(Model):
    """What the statement should give."""

    partition: str | None
    """Folder value of `dt`; None for all that was asked for."""
    rows: int
    digest: str


class Fingerprint(Model):
    database: str
    table: str
    snapshot: str
    run_id: str
    """The run whose manifest says what is expected."""
    dialect: str
    partition: str | None
    by_partition: bool
    sql: str
    columns: tuple[str, ...]
    left_out: dict[str, str]
    expected: tuple[Expected, ...]
    """One, or one a partition; empty where the manifest does not have them."""
    notes: tuple[str, ...]


def fingerprint(config: Config, options: Options) -> Fingerprint:
    """Return the statement, and what it should give.

    Raises: ConfigError if table, snapshot or partition is not there, or the dialect cannot tell;
            StoreError.
    """
    if options.partition is not None and options.by_partition:
        raise ConfigError("--partition and --by-partition contradict each other: give one")
    tables, url = _tables(config)
    (table,) = tables.choose([options.table])
    snapshot = _snapshot(table, options.snapshot)
    (catalog,) = layout(tables, [table], url, config.catalog.database_prefix)
    partition = _partition(snapshot, options)
    wanted = Wanted(
        snapshot=snapshot,
        catalog=catalog,
        partition=partition,
        by_day=options.by_partition,
        url=url,
        timezone=config.compact.timezone,
    )
    found = canonical.covered(snapshot.result.columns)
    known = snapshot.result.portable
    if known is not None and known.version == canonical.VERSION:
        chosen = [column for column in found.columns if column.name in known.columns]
        left_out = known.left_out
    else:
        chosen, left_out, known = list(found.columns), dict(found.left_out), None
    select = statement(chosen, rows_of(wanted, options.dialect), options.dialect)
    return Fingerprint(
        database=table.database,
        table=table.table,
        snapshot=snapshot.label,
        run_id=snapshot.run_id,
        dialect=options.dialect,
        partition=partition.value if partition else None,
        by_partition=options.by_partition,
        sql=select.sql(dialect=ENGINES[options.dialect].printed, pretty=True),
        columns=tuple(column.name for column in chosen),
        left_out=left_out,
        expected=_expected(snapshot, known, partition, options),
        notes=tuple(_notes(snapshot, known, options)),
    )


def _tables(config: Config) -> tuple[LakeTables, str]:
    """Return the tables of the lake, or those of them that lie in the archive; and where."""
    tables = read_tables(open_store(config.lake.url, concurrency=config.limits.concurrency))
    place = config.catalog.place
    return lying_in(config, place, tables), f"{url_of(config, place).rstrip('/')}/"


def _snapshot(table: LakeTable, label: str | None) -> LakeSnapshot:
    if label is None:
        return table.latest
    known = {one.label: one for one in table.snapshots}
    if label in known:
        return known[label]
    near = difflib.get_close_matches(label, known, 1)
    raise ConfigError(
        f"no manifest names a snapshot {label!r} of {table.name}; there are {len(known)}",
        hint=f"did you mean {near[0]}?" if near else f"the latest is {table.latest.label}",
    )


def _partition(snapshot: LakeSnapshot, options: Options) -> PartitionResult | None:
    if options.partition is None and not options.by_partition:
        return None
    known = {part.value: part for part in snapshot.result.partitions if part.value}
    if not known:
        raise ConfigError(
            f"{options.table} as of {snapshot.label} is not divided by days",
            hint="leave out --partition and --by-partition",
        )
    if options.partition is None:
        return None
    if options.partition in known:
        return known[options.partition]
    near = difflib.get_close_matches(options.partition, known, 1)
    raise ConfigError(
        f"{options.table} as of {snapshot.label} has no partition {options.partition!r}; it has "
        f"{len(known)}, from {min(known)} to {max(known)}",
        hint=f"did you mean {near[0]}?" if near else "write one as its folder is named",
    )


def _expected(
    snapshot: LakeSnapshot,
    known: Portable | None,
    partition: PartitionResult | None,
    options: Options,
) -> tuple[Expected, ...]:
    if known is None:
        return ()
    if partition is None and not options.by_partition:
        return (Expected(partition=None, rows=known.rows, digest=known.digest),)
    parts = [partition] if partition else list(snapshot.result.partitions)
    return tuple(
        Expected(partition=part.value, rows=part.rows, digest=part.portable)
        for part in parts
        if part.portable is not None and (part.rows or partition)
    )


def _notes(snapshot: LakeSnapshot, known: Portable | None, options: Options) -> list[str]:
    notes = []
    if known is None:
        notes.append(
            "the manifest has no portable fingerprint of this snapshot: set portable = true in "
            "[verify] for later runs; until then, what this gives over the lake (--dialect duckdb) "
            "can be compared with what it gives elsewhere"
        )
    if options.dialect in SOURCES:
        notes.append(
            f"run it in the database as it was at {snapshot.label}, such as the restored snapshot"
        )
    match options.dialect:
        case "postgres":
            notes.append("PostgreSQL 11 or newer")
        case "mysql":
            notes.append("max_allowed_packet must exceed the text of the longest row")
        case "spark":
            notes.append("SET TIME ZONE 'UTC' first where timestamps are TIMESTAMP_NTZ")
        case _:
            pass
    return notes
