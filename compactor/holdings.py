"""What lies in the archive, as the manifests in the lake say: snapshots of tables, their versions.

In:  the lake, the archive's URL, a selection. Out: `Snapshot`s. IO: reads manifests.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from . import manifests
from .errors import ConfigError
from .model import StoredObject, TableResult, snapshot_text
from .store.interface import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which snapshots; those that fit all that is given."""

    tables: tuple[str, ...] = ()
    """As `database.table`."""
    snapshots: tuple[str, ...] = ()
    """As folders are named, `20261006T034712Z`."""
    run_id: str | None = None

    @property
    def is_all(self) -> bool:
        return not self.tables and not self.snapshots and self.run_id is None


SnapshotKey = tuple[str, str, datetime]
"""Database, table, moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One table as of one moment: data and sidecars, each with the version that was locked."""

    database: str
    table: str
    moment: datetime
    run_id: str
    """The latest run whose manifest names it."""
    versions: tuple[StoredObject, ...]

    @property
    def key(self) -> SnapshotKey:
        return self.database, self.table, self.moment

    @property
    def name(self) -> str:
        return f"{self.database}.{self.table}"


def version_name(item: StoredObject) -> str:
    """Return how evidence names a version."""
    return f"{item.key}@{item.version_id}"


def parse_snapshot(text: str) -> str:
    """Return the folder form of `20261006T034712Z` or `2026-10-06T03:47:12Z`.

    Raises: ConfigError if it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is not the moment of a snapshot",
            hint="write it as its folder, 20261006T034712Z, or as 2026-10-06T03:47:12Z",
        ) from error
    return snapshot_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def find(
    lake: Store, archive_url: str, selection: Selection, destroyed: Collection[str]
) -> tuple[Snapshot, ...]:
    """Return the selected snapshots, by table and moment, without those that were destroyed.

    `destroyed` are names of versions of which a destruction was recorded.

    Raises: ConfigError if a part of the selection names nothing; StoreError.
    """
    found: dict[SnapshotKey, Snapshot] = {}
    for run in manifests.read(lake, selection.run_id):
        if run.archive != archive_url:
            continue
        for table in run.tables:
            versions = tuple(item for item in _locked(table) if item.version_id is not None)
            if versions:
                _add(found, _snapshot(run.run_id, table, versions))
    _refuse_unknown(selection, found.values(), lake.url, archive_url)
    chosen = [one for one in found.values() if _is_selected(one, selection)]
    left = [
        one for one in chosen if not all(version_name(item) in destroyed for item in one.versions)
    ]
    return tuple(sorted(left, key=lambda one: (one.database, one.table, one.moment)))


def _locked(table: TableResult) -> tuple[StoredObject, ...]:
    data = (item for part in table.partitions for item in part.archived)
    return (*data, *table.control)


def _snapshot(run_id: str, table: TableResult, versions: tuple[StoredObject, ...]) -> Snapshot:
    return Snapshot(
        database=table.database,
        table=table.table,
        moment=table.snapshot,
        run_id=run_id,
        versions=versions,
    )


def _add(found: dict[SnapshotKey, Snapshot], one: Snapshot) -> None:
    """Keep every version once: a table that was taken over is named by a later run, too."""
    before = found.get(one.key)
    if before is not None:
        versions = {version_name(item): item for item in (*before.versions, *one.versions)}
        one = replace(one, versions=tuple(versions.values()))
    found[one.key] = one


def _is_selected(one: Snapshot, selection: Selection) -> bool:
    if selection.tables and one.name not in selection.tables:
        return False
    return not selection.snapshots or snapshot_text(one.moment) in selection.snapshots


def _refuse_unknown(
    selection: Selection, found: Iterable[Snapshot], lake_url: str, archive_url: str
) -> None:
    """Say which part of a selection fits nothing: a slip of the pen must not hold less."""
    known = list(found)
    if not known:
        raise ConfigError(
            f"no manifest in {lake_url} names anything that was locked in {archive_url}",
            hint="run compactor run first, or name the configuration of that archive",
        )
    _refuse(selection.tables, {one.name for one in known}, "table")
    _refuse(selection.snapshots, {snapshot_text(one.moment) for one in known}, "snapshot")
    if not any(_is_selected(one, selection) for one in known):
        raise ConfigError(
            "no table that was asked for has a snapshot that was asked for",
            hint="see which there are: compactor hold list",
        )


def _refuse(asked: Sequence[str], known: Collection[str], what: str) -> None:
    for name in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise ConfigError(
                f"no {what} {name!r} lies in the archive",
                hint=f"did you mean {near[0]}?" if near else "see: compactor hold list",
            )
