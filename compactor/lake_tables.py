"""The tables that can be queried: what manifests name, as snapshots of tables.

In:  the lake. Out: `LakeTable`s. IO: reads manifests.

Only complete, verified snapshots are here: a manifest is written last. Of a snapshot that several
runs name, the latest one that knows most is taken: the table itself and not its duplicate, then the
later run, which knows of an archive that was added since.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from . import manifests
from .errors import ConfigError, StoreError
from .model import PartitionResult, RunResult, StoredObject, TableResult, snapshot_text

if TYPE_CHECKING:
    from .config import Config, Place
    from .store.interface import Store

CHANGES = "_changes"
"""Databases whose tables hold events: each snapshot is one more window of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeSnapshot:
    """One table as of one moment, as a manifest names it."""

    run_id: str
    result: TableResult
    archive_url: str | None
    """The archive that holds it, too; None if that manifest names none."""
    first_run: str = ""
    """The first run whose manifest names it: what is registered in this order never moves, whatever
    later runs name it again (a new archive, say)."""

    @property
    def moment(self) -> datetime:
        return self.result.snapshot

    @property
    def label(self) -> str:
        """The folder form, `20261006T034712Z`: sorts by time."""
        return snapshot_text(self.result.snapshot)

    @property
    def is_partitioned(self) -> bool:
        """Whether its objects lie in `dt=` folders."""
        return any(part.value for part in self.result.partitions)

    @property
    def objects(self) -> tuple[StoredObject, ...]:
        return tuple(item for part in self.result.partitions for item in part.objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeTable:
    """All snapshots of one table, the oldest first."""

    database: str
    table: str
    snapshots: tuple[LakeSnapshot, ...]
    first_run: str
    """The first run whose manifest names it: names in catalogs are given in this order."""

    @property
    def name(self) -> str:
        return f"{self.database}.{self.table}"

    @property
    def latest(self) -> LakeSnapshot:
        return self.snapshots[-1]

    @property
    def holds_changes(self) -> bool:
        """Whether snapshots are windows of events, which belong together, and not states."""
        system = self.latest.result.system
        return self.database.endswith(CHANGES) and system in ("", "dynamodb", "dms")

    def asof(self, moment: datetime) -> tuple[LakeSnapshot, ...]:
        """Return what was known at a moment: the latest snapshot, or all windows of events."""
        known = tuple(one for one in self.snapshots if one.moment <= moment)
        return known if self.holds_changes else known[-1:]

    @property
    def current(self) -> tuple[LakeSnapshot, ...]:
        """The latest snapshot, or all windows of events."""
        return self.snapshots if self.holds_changes else self.snapshots[-1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeTables:
    tables: tuple[LakeTable, ...]
    """By name."""
    covered: Mapping[str, str]
    """Tables that are not stored -> which other one holds all their rows, and why that is so."""

    def choose(self, names: Sequence[str]) -> tuple[LakeTable, ...]:
        """Return the tables of these names, `database.table`, or all if there are none.

        Raises: ConfigError for a name that is not there.
        """
        if not names:
            return self.tables
        known = {one.name: one for one in self.tables}
        for name in names:
            if name in known:
                continue
            if name in self.covered:
                raise ConfigError(
                    f"{name} is not stored by itself: its rows are in {self.covered[name]}",
                    hint="ask for that table",
                )
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"no manifest names a table {name!r}",
                hint=f"did you mean {near[0]}?" if near else "write database.table",
            )
        return tuple(known[name] for name in sorted(set(names)))


def read_tables(lake: Store) -> LakeTables:
    """Read every manifest of a lake.

    Raises: ConfigError if there is none; StoreError.
    """
    return collect(manifests.read(lake))


def collect(runs: Iterable[RunResult]) -> LakeTables:
    """Return the tables that manifests name; pure."""
    found: dict[tuple[str, str], dict[datetime, LakeSnapshot]] = {}
    first: dict[tuple[str, str], str] = {}
    covered: dict[str, str] = {}
    for run in runs:
        for result in run.tables:
            if result.status == "covered":
                covered[f"{result.database}.{result.table}"] = result.covered_by or ""
            if result.status not in ("done", "adopted"):
                continue
            moments = found.setdefault((result.database, result.table), {})
            first.setdefault((result.database, result.table), run.run_id)
            before = moments.get(result.snapshot)
            one = LakeSnapshot(
                run_id=run.run_id,
                result=result,
                archive_url=run.archive,
                first_run=before.first_run if before else run.run_id,
            )
            if before is None or _rank(one) >= _rank(before):
                moments[one.moment] = one
    tables = tuple(
        LakeTable(
            database=database,
            table=table,
            snapshots=tuple(moments[moment] for moment in sorted(moments)),
            first_run=first[database, table],
        )
        for (database, table), moments in sorted(found.items())
    )
    named = {one.name for one in tables}
    return LakeTables(
        tables=tables,
        covered={name: by for name, by in covered.items() if name not in named},
    )


def _rank(one: LakeSnapshot) -> tuple[bool, str]:
    is_archived = any(part.archived for part in one.result.partitions)
    return is_archived, one.run_id


def url_of(config: Config, place: Place) -> str:
    """Return the URL of the lake or of the archive. Raises: ConfigError if there is none."""
    if place == "lake":
        return config.lake.url
    if config.archive is None:
        raise ConfigError("no archive is configured", hint="add [archive], or say --place lake")
    return config.archive.url


def lying_in(config: Config, place: Place, tables: LakeTables) -> LakeTables:
    """Return the tables and snapshots that lie in a place as a whole, with their objects there.

    Raises: ConfigError if there is no such place.
    """
    return tables if place == "lake" else only_archived(tables, url_of(config, place))


def only_archived(tables: LakeTables, archive_url: str) -> LakeTables:
    """Return the tables and snapshots that lie in an archive, with the objects that lie there."""
    made = []
    for table in tables.tables:
        kept = tuple(
            _archived(one)
            for one in table.snapshots
            if one.archive_url == archive_url and _is_in(one)
        )
        if kept:
            made.append(replace(table, snapshots=kept))
    return replace(tables, tables=tuple(made))


def _is_in(one: LakeSnapshot) -> bool:
    """Tell whether every object of a snapshot was archived: a batch job may still be under way."""
    return all(len(part.archived) == len(part.objects) for part in one.result.partitions)


def _archived(one: LakeSnapshot) -> LakeSnapshot:
    parts = tuple(
        part.model_copy(update={"objects": part.archived}) for part in one.result.partitions
    )
    return replace(one, result=one.result.model_copy(update={"partitions": parts}))


def folder_of(partition: PartitionResult) -> str:
    """Return the key prefix, with the trailing slash, that holds the objects of a partition.

    Raises: StoreError if they lie in several, or if there are none.
    """
    folders = {item.key.rpartition("/")[0] for item in partition.objects}
    if len(folders) != 1:
        raise StoreError(
            f"the objects of partition {partition.value or '(whole table)'!r} lie in "
            f"{len(folders)} folders: {', '.join(sorted(folders))}"
        )
    return f"{folders.pop()}/"
