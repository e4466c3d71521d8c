"""Decide what will be done with every object: a `Plan`, which is a value.

In:  what was detected, samples of dates, options, what earlier runs have finished. Out: a `Plan`.
Reads the assigned listing, nothing else: no store, no clock.

Invariants:
* Each object is in exactly one task, or in what is skipped, with a reason: the numbers add up to
  the listing.
* Same listing (in any order), options and history: same `plan_id`. Findings and commitment
  have no part in it.
* A task's id follows from its source objects and the options that are configured for its table, not
  from samples or the tool's version, so that a later run knows it again without reading anything.
  FORMAT_VERSION is raised when the same options would give other bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from . import choose, lake, prices
from .config import Config
from .inventory import Detected
from .model import (
    Action,
    DateStats,
    Estimate,
    Export,
    FormatOptions,
    Member,
    Plan,
    PlanTable,
    Skipped,
    Table,
    digest,
    snapshot_text,
)
from .quantities import parse_retain, parse_size, retain_months
from .sql import rows, workspace

if TYPE_CHECKING:
    import duckdb

FORMAT_VERSION = 1
"""Part of every task's id."""
_MOST_SKIPPED = 50_000
"""More entries than that are told by coarser folders."""
_DEPTHS = (1 << 30, 3, 2, 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    date_column: str = "auto"
    grain: choose.GrainSetting = "auto"
    sort_by: tuple[str, ...] | None = None
    on_lossy: str = "keep_text"
    is_own_date_column: bool = False
    """The date column was given for this table, so it must exist."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Source types by column, where the export does not say them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """What shapes a plan. `tables` holds overrides by `database.table`."""

    target_bytes: int = 256 << 20
    timezone: str = "UTC"
    compression_level: int = 3
    default: TableOptions = TableOptions()
    tables: Mapping[str, TableOptions] = field(default_factory=dict)
    retain_months: float | None = None
    """None without an archive."""
    storage_class: str = "STANDARD"
    read_as: Callable[[str, str, str, str], FormatOptions] = lambda *of_table: FormatOptions()
    """(system, database, table, view) -> how objects are read that are no Parquet."""

    @classmethod
    def from_config(
        cls, config: Config, retain: tuple[int, Literal["d", "mo", "y"]] | None = None
    ) -> PlanOptions:
        """Take what a plan needs from the configuration; `retain` overrides the archive's."""
        if retain is None and config.archive is not None:
            retain = parse_retain(config.archive.retain)
        months = None
        if config.archive is not None and retain is not None:
            months = retain_months(retain)
        compact = config.compact
        return cls(
            target_bytes=parse_size(compact.target_file_size),
            timezone=compact.timezone,
            compression_level=compact.compression_level,
            default=TableOptions(
                date_column=compact.date_column, grain=compact.grain, on_lossy=compact.on_lossy
            ),
            tables={
                name: TableOptions(
                    date_column=own.date_column or compact.date_column,
                    grain=own.grain or compact.grain,
                    sort_by=own.sort_by,
                    on_lossy=own.on_lossy or compact.on_lossy,
                    is_own_date_column=own.date_column is not None,
                    types=own.types,
                )
                for name, own in config.tables.items()
            },
            retain_months=months,
            storage_class=config.archive.storage_class if config.archive else "STANDARD",
            read_as=config.read_as,
        )

    def of(self, database: str, table: str) -> TableOptions:
        return self.tables.get(f"{database}.{table}", self.default)

    def format_of(self, export: Export, table: Table) -> FormatOptions | None:
        """Return how a table's objects are read; None for Parquet."""
        if table.format == "parquet":
            return None
        return self.read_as(export.system, export.database, table.table, table.view)


def plan(
    detected: Detected,
    samples: Mapping[int, Sequence[DateStats]],
    options: PlanOptions,
    done: Collection[str] = frozenset(),
    adopted: Collection[str] = frozenset(),
    *,
    memory_bytes: int | None = None,
) -> Plan:
    """Make one task per table that can be taken, and account for every other object.

    Tables that may repeat another one are to be decided during the run, and listed with that one.
    `samples` may be empty (no footers read); then dates are chosen by name and type alone.

    Shape:  tables by `table_no`, skipped by source and key.
    Units:  bytes are compressed bytes as the store lists them.
    Raises: ConfigError if a configured column does not exist in its table.
    """
    spill = detected.assigned.parent
    with workspace(spill, memory_bytes) as connection:
        assigned = {"assigned": str(detected.assigned)}
        digests = {
            row["table_no"]: f"{row['objects']}-{row['lanes']}"
            for row in rows(connection, "plan/digests", assigned)
        }
        skipped = _skipped(connection, assigned)
    owners = {
        table.table_no: (export, table)
        for export in detected.exports
        for table in export.tables
        if table.can_be_taken and export.snapshot is not None
    }
    objects = {
        number: hashlib.sha256(digests.get(number, "0").encode()).hexdigest() for number in owners
    }
    tasks = _task_ids(owners, objects, options)
    drawn = _Draft(detected, samples, options, owners, objects, tasks)
    tables = tuple(
        drawn.table(number, _action(tasks[number], drawn.parent(number), done, adopted))
        for number in sorted(owners)
    )
    draft = Plan(
        tables=tables,
        skipped=skipped,
        estimate=_estimate(tables, skipped, options),
        findings=detected.findings,
    )
    content = draft.model_dump(mode="json", exclude={"plan_id", "findings", "commitment"})
    return draft.model_copy(update={"plan_id": digest(content)})


def _task_ids(
    owners: Mapping[int, tuple[Export, Table]], objects: Mapping[int, str], options: PlanOptions
) -> dict[int, str]:
    """Return a different id per table, though one export may lie in two sources, byte for byte."""
    tasks: dict[int, str] = {}
    taken: set[str] = set()
    for number in sorted(owners):
        export, table = owners[number]
        task = task_id(export, table, objects[number], options)
        while task in taken:
            task = hashlib.sha256(f"again {task}".encode()).hexdigest()[:16]
        taken.add(task)
        tasks[number] = task
    return tasks


def task_id(export: Export, table: Table, objects_sha256: str, options: PlanOptions) -> str:
    """Return 16 hex digits that follow from the source and from what shapes the output's bytes."""
    own = options.of(export.database, table.table)
    shape = {
        "format": FORMAT_VERSION,
        "system": export.system,
        "export_id": export.export_id,
        "database": export.database,
        "table": table.table,
        "snapshot": snapshot_text(export.snapshot) if export.snapshot else None,
        "objects": objects_sha256,
        "columns": [[c.name, c.source_type, c.precision, c.char_length] for c in table.columns],
        "target_bytes": options.target_bytes,
        "timezone": options.timezone,
        "compression_level": options.compression_level,
        "date_column": own.date_column,
        "grain": own.grain,
        "sort_by": own.sort_by,
        "on_lossy": own.on_lossy,
    }
    # added later, so only where they differ: ids of finished tasks must stay what they are
    read_as = options.format_of(export, table)
    if read_as is not None:
        shape["format"] = [FORMAT_VERSION, table.format, read_as.model_dump(mode="json")]
    if own.types and not table.columns:
        shape["types"] = sorted(own.types.items())
    if table.date_column is not None:
        shape["own_date_column"] = table.date_column
    text = json.dumps(shape, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What all tables of a plan are drawn up from; mappings are by `table_no`."""

    detected: Detected
    samples: Mapping[int, Sequence[DateStats]]
    options: PlanOptions
    owners: Mapping[int, tuple[Export, Table]]
    objects: Mapping[int, str]
    tasks: Mapping[int, str]

    def parent(self, number: int) -> str | None:
        """Return the task of the table that may cover this one."""
        link = self.detected.nominations.links.get(number)
        return self.tasks.get(link.parent) if link else None

    def table(self, number: int, action: Action) -> PlanTable:
        export, table = self.owners[number]
        assert export.snapshot is not None  # owners have one
        own = self.options.of(export.database, table.table)
        where = f"{export.database}.{table.table}"
        choice = self._date_choice(number, export.snapshot, own, where)
        grain = choose.grain(choice, table.bytes, self.options.target_bytes, own.grain)
        return PlanTable(
            task_id=self.tasks[number],
            table_no=number,
            source=export.source,
            system=export.system,
            export_id=export.export_id,
            database=export.database,
            table=table.table,
            snapshot=export.snapshot,
            action=action,
            source_files=table.files,
            source_bytes=table.bytes,
            objects_sha256=self.objects[number],
            partition_column=choice.column,
            partition_reason=choice.reason,
            grain=grain.grain,
            grain_reason=grain.reason,
            sort_by=choose.sort_key(table.columns, own.sort_by, choice.column, where=where),
            estimated_output_files=grain.files,
            estimated_output_bytes=int(table.bytes * choose.SHRINK),
            format=table.format,
            read_as=self.options.format_of(export, table),
            types=dict(own.types) if own.types and not table.columns else None,
            declared_rows=table.declared_rows,
            columns=table.columns,
            members=self._members(number),
            member_of=self.parent(number),
            folder=table.folder,
            target=lake.table_prefix(export.database, table.table, export.snapshot),
            control=table.control,
        )

    def _date_choice(
        self, number: int, snapshot: datetime, own: TableOptions, where: str
    ) -> choose.Choice:
        table = self.owners[number][1]
        stats = self.samples.get(number, ())
        if table.date_column is not None and own.date_column == "auto":
            known = {one.column: one for one in stats}
            return choose.Choice(
                column=table.date_column,
                reason="the export's own time of each row",
                stats=known.get(table.date_column),
            )
        return choose.column(
            table.columns,
            stats,
            snapshot,
            own.date_column,
            where=where,
            must_exist=own.is_own_date_column and table.format == "parquet",
        )

    def _members(self, parent: int) -> tuple[Member, ...]:
        """Return all tables that this one may cover, each with the member directly above it."""
        found = []
        for number in self.detected.nominations.members(parent):
            export, table = self.owners[number]
            link = self.detected.nominations.links[number]
            found.append(
                Member(
                    task_id=self.tasks[number],
                    table_no=number,
                    table=table.table,
                    export_id=export.export_id,
                    relation=link.relation,
                    above=None if link.parent == parent else self.tasks[link.parent],
                )
            )
        return tuple(found)


def _action(
    task: str, parent: str | None, done: Collection[str], adopted: Collection[str]
) -> Action:
    if task in done:
        return "done"
    if task in adopted:
        return "adopt"
    return "decide" if parent is not None else "compact"


def _skipped(
    connection: duckdb.DuckDBPyConnection, assigned: Mapping[str, Any]
) -> tuple[Skipped, ...]:
    """Return what no task takes; by coarser folders where there are too many."""
    found: list[dict[str, Any]] = []
    for depth in _DEPTHS:
        limits = {"depth": depth, "most": _MOST_SKIPPED + 1}
        found = rows(connection, "plan/skipped", {**assigned, **limits})
        if len(found) <= _MOST_SKIPPED:
            break
    return tuple(Skipped.model_validate(row) for row in found)


def _estimate(
    tables: Sequence[PlanTable], skipped: Sequence[Skipped], options: PlanOptions
) -> Estimate:
    """Return what a run will probably need. Tables to be decided are read, and not written again.

    Per source object one GET; each output is written once and read back once, and once more each
    in the archive; a LIST for every thousand objects.
    """
    open_tables = [table for table in tables if table.action in ("compact", "decide")]
    written = [table for table in open_tables if table.action == "compact"]
    source_files = sum(table.source_files for table in open_tables)
    files = sum(table.estimated_output_files for table in written)
    size = sum(table.estimated_output_bytes for table in written)
    listed = sum(table.source_files for table in tables) + sum(one.objects for one in skipped)
    copies = 2 if options.retain_months is not None else 1
    gets, puts, lists = source_files + files * copies, files * copies, -(-listed // 1000)
    archive = None
    if options.retain_months is not None:
        month = prices.storage_usd_month(size, files, options.storage_class)
        archive = None if month is None else round(month * options.retain_months, 6)
    return Estimate(
        source_files=source_files,
        source_bytes=sum(table.source_bytes for table in open_tables),
        output_files=files,
        output_bytes=size,
        get_requests=gets,
        put_requests=puts,
        list_requests=lists,
        request_cost_usd=round(prices.requests_usd(reads=gets, writes=puts + lists), 6),
        storage_cost_usd_month=round(prices.storage_usd_month(size, files) or 0.0, 6),
        archive_cost_usd_retention=archive,
        prices=prices.SOURCE,
    )
