"""What lake and archive hold now of the tables that manifests name.

In:  the stores, manifests. Out: `Held` tables, counts from footers, versions that are still there,
profiles. IO: reads only: one LIST a table, one ranged GET an object of the lake, one HEAD a version
of the archive; profiles read the objects whole, through scratch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from sqlglot import exp

from . import footers, manifests
from .errors import NotFound, ObjectUnreadable, StoreError
from .model import OutputColumn, RunResult, StoredObject, TableResult
from .profile import ColumnProfile, from_sql, sql_metrics
from .scratch import Room
from .sql import query, workspace
from .store.interface import Fetched, Store, Wanted

_THREADS = 16
_BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A table as a manifest names it."""

    run_id: str
    archive_url: str | None
    result: TableResult

    @property
    def name(self) -> tuple[str, str]:
        return self.result.database, self.result.table

    @property
    def objects(self) -> tuple[StoredObject, ...]:
        return tuple(item for part in self.result.partitions for item in part.objects)

    @property
    def archived(self) -> tuple[StoredObject, ...]:
        return tuple(item for part in self.result.partitions for item in part.archived)


@dataclass(slots=True)
class Recount:
    """What is there of one table's objects; `rows` counts those that are."""

    rows: int = 0
    objects: int = 0
    problems: list[str] = field(default_factory=list)
    """Objects that are gone, or cannot be read."""
    others: int = 0
    """Parquet objects in the table's folders that its manifest does not name."""
    wanted: list[Wanted] = field(default_factory=list)


# --- manifests ------------------------------------------------------------------------------------


def held_tables(store: Store, run_id: str | None) -> tuple[Held, ...]:
    """Return the tables of one run's manifest, or the latest snapshot of each table of any.

    Raises: ConfigError if there is no such run, or none at all; StoreError if a manifest cannot be
            read.
    """
    latest: dict[tuple[str, str], Held] = {}
    for result in manifests.read(store, run_id):
        _keep_latest(latest, result)
    return tuple(latest[name] for name in sorted(latest))


def _keep_latest(latest: dict[tuple[str, str], Held], run: RunResult) -> None:
    """Keep the later snapshot; of one snapshot the table itself and not its duplicate, then the
    later run, which knows of an archive that was added since."""
    for result in run.tables:
        held = Held(run_id=run.run_id, archive_url=run.archive, result=result)
        other = latest.get(held.name)
        if other is None or _rank(held) > _rank(other):
            latest[held.name] = held


def _rank(held: Held) -> tuple[object, ...]:
    is_itself = held.result.status != "covered"
    return held.result.snapshot, is_itself, held.run_id


# --- the lake -------------------------------------------------------------------------------------


def recount(store: Store, tables: Sequence[Held]) -> dict[tuple[str, str], Recount]:
    """Count the rows of each table's objects from their footers, as they are in the lake now."""
    counted = {held.name: Recount() for held in tables}
    waiting: list[tuple[Recount, Wanted]] = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="list") as pool:
        for held, listed in zip(tables, pool.map(lambda h: _listed(store, h), tables), strict=True):
            found = counted[held.name]
            for item in held.objects:
                want = listed.pop(item.key, None)
                if want is None:
                    found.problems.append(f"{item.key} is gone")
                    continue
                if want.size_bytes != item.size_bytes:
                    told = f"{want.size_bytes} bytes, not {item.size_bytes}"
                    found.problems.append(f"{item.key} has {told}")
                found.wanted.append(want)
                waiting.append((found, want))
            found.others = sum(1 for key in listed if key.endswith(".parquet"))
    for start in range(0, len(waiting), _BATCH):
        batch = waiting[start : start + _BATCH]
        for index, footer in footers.read(store, [want for _, want in batch]):
            found = batch[index][0]
            if isinstance(footer, ObjectUnreadable):
                found.problems.append(footer.message)
            else:
                found.rows += footer.num_rows
                found.objects += 1
    return counted


def _listed(store: Store, held: Held) -> dict[str, Wanted]:
    """List the snapshot folders that a table's objects lie in, which may be earlier ones."""
    folders = {"/".join(item.key.split("/")[:3]) + "/" for item in held.objects}
    return {
        row["key"]: Wanted(key=row["key"], size_bytes=row["size_bytes"], etag=row["etag"] or "")
        for folder in sorted(folders)
        for page in store.list(folder)
        for row in page.select(["key", "size_bytes", "etag"]).to_pylist()
    }


# --- the archive ----------------------------------------------------------------------------------


def look_at_versions(store: Store, held: Held) -> Recount:
    """Ask for each archived version of a table; `rows` is what the manifest says of those there."""
    found = Recount()

    def look(item: StoredObject) -> str | None:
        try:
            there = store.stat(item.key, item.version_id)
        except NotFound:
            return f"{item.key}, version {item.version_id}, is gone"
        if there.size_bytes != item.size_bytes:
            return f"{item.key} has {there.size_bytes} bytes, not {item.size_bytes}"
        return None

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="versions") as pool:
        for item, problem in zip(held.archived, pool.map(look, held.archived), strict=True):
            if problem is None:
                found.rows += item.rows or 0
                found.objects += 1
            else:
                found.problems.append(problem)
    return found


# --- profiles -------------------------------------------------------------------------------------


def lake_profile(
    store: Store,
    wanted: Sequence[Wanted],
    columns: Sequence[OutputColumn],
    room: Room,
) -> tuple[int, list[ColumnProfile]]:
    """Profile columns of the lake's objects with DuckDB: rows, and one profile a column.

    About `room.chunk_bytes` are on scratch at a time.

    Raises: StoreError if an object cannot be read.
    """
    rows, profiles = 0, [ColumnProfile() for _ in columns]
    for batch in _batches(wanted, room.chunk_bytes):
        with tempfile.TemporaryDirectory(dir=room.folder) as place:
            paths = [_brought(item, batch) for item in store.fetch(batch, Path(place))]
            try:
                count, found = _profile_files(paths, columns, room)
            except duckdb.Error as error:
                raise StoreError(f"objects of {store.url} cannot be read: {error}") from error
        rows += count
        for profile, more in zip(profiles, found, strict=True):
            profile.merge(more)
    return rows, profiles


def _brought(fetched: Fetched, batch: Sequence[Wanted]) -> Path:
    if fetched.path is None:
        key = batch[fetched.index].key
        raise StoreError(f"{key} cannot be read: {fetched.error}", key=key)
    return fetched.path


def _batches(wanted: Sequence[Wanted], room_bytes: int) -> Iterator[list[Wanted]]:
    batch: list[Wanted] = []
    size = 0
    for want in wanted:
        if batch and size + want.size_bytes > room_bytes:
            yield batch
            batch, size = [], 0
        batch.append(want)
        size += want.size_bytes
    if batch:
        yield batch


def _profile_files(
    paths: Sequence[Path], columns: Sequence[OutputColumn], room: Room
) -> tuple[int, list[ColumnProfile]]:
    with workspace(room.folder, room.memory_bytes) as connection:
        connection.execute(query("compact/staged"))

        def profile(*, halves: bool) -> tuple[int, list[ColumnProfile]]:
            sql = _profile_sql(columns, halves=halves)
            row = connection.execute(sql, {"files": [str(path) for path in paths]}).fetchone()
            assert row is not None
            found = [
                from_sql(column.type, row[1 + 4 * no : 5 + 4 * no])
                for no, column in enumerate(columns)
            ]
            return int(row[0]), found

        try:
            return profile(halves=False)
        except duckdb.OutOfRangeException:  # a sum of decimals does not fit 128 bits
            return profile(halves=True)


def _profile_sql(columns: Sequence[OutputColumn], *, halves: bool) -> str:
    metrics = [
        metric
        for column in columns
        for metric in sql_metrics(exp.column(column.name, quoted=True), column.type, halves=halves)
    ]
    staged = exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")])
    return exp.select(exp.Count(this=exp.Star()), *metrics).from_(staged).sql(dialect="duckdb")
