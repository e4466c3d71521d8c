"""After S3 Batch Operations: read its completion reports, look at every version, and finish the
tables that are whole.

In:  what a run handed over, the completion reports. Out: `Reported`.
IO:  reads reports; one HEAD an object, and a lock where the job left one without; then, for tables
     that passed, the records and the manifest of a run of its own, the manifest last.

A report is only what S3 says of itself: a table is archived when each of its objects is named as
succeeded *and* HEAD shows mode, date, size and digest. What is not whole stays as it was; a run
with `archive.method = "copy"` takes it up, and sends nothing that is there already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import field_serializer

from . import archive, lake, ledger
from .archive import ArchiveOptions
from .batch_copy import bucket_and_prefix, folder, is_for_batch, requests
from .completion_report import Task, read
from .config import Config
from .errors import CompactorError, ConfigError, NotFound, SourceError
from .model import (
    Check,
    ManifestRef,
    Model,
    PartitionResult,
    RunResult,
    StoredObject,
    TableResult,
    to_json,
    utc_text,
)
from .places import Stores
from .quantities import parse_retain
from .store import open_store
from .store.interface import Retention, Store

if TYPE_CHECKING:
    from .evidence.notary import Notary

_THREADS = 32
_FAILED_SHOWN = 20
_SOURCE = "completion reports of S3 Batch Operations; the run's record of the table"


class ReportedTable(Model):
    database: str
    table: str
    snapshot: datetime
    status: Literal["archived", "failed"]
    objects: int
    checks: tuple[Check, ...]

    @field_serializer("snapshot")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)


class Reported(Model):
    run_id: str
    """The run that handed the tables over."""
    status: Literal["done", "nothing_to_do", "failed"]
    at: datetime
    reports: tuple[str, ...] = ()
    """URLs of the reports' manifests."""
    tasks: int = 0
    tables: tuple[ReportedTable, ...] = ()
    manifest: ManifestRef | None = None
    """Of the run that names what is now archived; None if nothing is."""

    @field_serializer("at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)

    @property
    def exit_code(self) -> int:
        return 5 if self.status == "failed" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    lake: Store
    vault: Store
    options: ArchiveOptions
    archive_url: str
    run_id: str
    notary: Notary | None
    """Signs what is published, where `[evidence]` is configured."""


def report(
    config: Config, run_id: str, *, url: str | None = None, clock: Callable[[], datetime]
) -> Reported:
    """Turn completion reports into checks, and finish the tables that passed.

    `url` is a report's `manifest.json`, or a folder of reports; else they are where the request
    asked for them.

    Raises: ConfigError if the run handed nothing over; NotFound if there is no report yet;
            SourceError, VerificationFailed for a report that cannot be used; StoreError.
    """
    place = _place(config, run_id, clock)
    now = clock()
    tables = _open_tables(place)
    if not tables:
        return Reported(run_id=run_id, status="nothing_to_do", at=now)
    urls, tasks = list[str](), dict[str, Task]()
    if any(is_for_batch(item) for t in tables for part in t.partitions for item in part.objects):
        requests(place.lake, run_id)  # refuses a run that has not ended
        urls, tasks = _tasks(place, url)
    done = [_table(place, table, tasks, now) for table in tables]
    good = [table for table, told in done if told.status == "archived"]
    return Reported(
        run_id=run_id,
        status="done" if len(good) == len(done) else "failed",
        at=now,
        reports=tuple(urls),
        tasks=len(tasks),
        tables=tuple(told for _, told in done),
        manifest=_publish(place, good, now, clock) if good else None,
    )


def _place(config: Config, run_id: str, clock: Callable[[], datetime]) -> _Place:
    if config.archive is None:
        raise ConfigError("there is no [archive] in the configuration, so nothing was handed over")
    many = config.limits.concurrency
    vault = open_store(config.archive.url, concurrency=many)
    archive.preflight(vault)
    tables = open_store(config.lake.url, concurrency=many)
    notary = None
    if config.evidence is not None:
        from .evidence.notary import open_notary  # what signs takes a while to import

        notary = open_notary(config, Stores((), tables, vault, chain=vault), clock)
    return _Place(
        lake=tables,
        vault=vault,
        notary=notary,
        options=ArchiveOptions(
            mode=config.archive.mode,
            retain=parse_retain(config.archive.retain),
            legal_hold=config.archive.legal_hold,
        ),
        archive_url=config.archive.url,
        run_id=run_id,
    )


def _open_tables(place: _Place) -> list[TableResult]:
    """Return the tables that were handed over and are not archived by now."""
    keys = [key for page in place.lake.list(lake.RUNS) for key in page.column("key").to_pylist()]
    done = lake.progress(keys, place.archive_url).done
    start = lake.batched_key(place.run_id, "", place.archive_url).removesuffix(".json")
    handed_over = sorted(key for key in keys if key.startswith(start))
    if not handed_over:
        raise ConfigError(
            f"run {place.run_id!r} handed nothing over for {place.archive_url}",
            hint="name a run that was made with this archive",
        )
    tables = [TableResult.model_validate_json(place.lake.get(key)) for key in handed_over]
    return [table for table in tables if table.task_id not in done]


# --- the reports ----------------------------------------------------------------------------------


def _tasks(place: _Place, url: str | None) -> tuple[list[str], dict[str, Task]]:
    """Return the reports, and the tasks by key in the lake; a success wins over a failure."""
    bucket, prefix = bucket_and_prefix(place.lake)
    where = url or f"{place.lake.url}{folder(place.run_id)}report/"
    base, _, name = where.rpartition("/")
    store = open_store(f"{base}/")
    wanted = [name] if name else _manifests(store)
    if not wanted:
        raise NotFound(
            f"no completion report lies in {where}",
            hint="have the jobs ended? compactor batch submit tells their ids; a job whose report "
            "went elsewhere: name its manifest.json with --at",
        )
    stores: dict[str, Store] = {}

    def get(in_bucket: str, key: str) -> bytes:
        if in_bucket not in stores:
            stores[in_bucket] = open_store(f"s3://{in_bucket}/")
        return stores[in_bucket].get(key)

    found: dict[str, Task] = {}
    for key in wanted:
        for task in read(store.get(key), get, where=f"{store.url}{key}"):
            if task.bucket != bucket or not task.key.startswith(prefix):
                raise SourceError(
                    f"{store.url}{key} is about s3://{task.bucket}/{task.key}, which is not in the "
                    f"lake {place.lake.url}",
                    hint="is it the report of another job?",
                )
            own = task.key.removeprefix(prefix)
            if own not in found or task.is_done:
                found[own] = task
    return [f"{store.url}{key}" for key in wanted], found


def _manifests(store: Store) -> list[str]:
    keys = (key for page in store.list() for key in page.column("key").to_pylist())
    return sorted(key for key in keys if key.rpartition("/")[2] == "manifest.json")


# --- tables ---------------------------------------------------------------------------------------


def _table(
    place: _Place, table: TableResult, tasks: Mapping[str, Task], now: datetime
) -> tuple[TableResult, ReportedTable]:
    """Look at every object of a table in the archive."""
    retention = archive.retention_of(table, place.options, now)
    checks: list[Check] = []
    partitions = []
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="batch") as pool:
        for part in table.partitions:
            told = _told(part, tasks)
            seen = list(pool.map(lambda item: _look(place.vault, item, retention), part.objects))
            archived = tuple(item for item, _ in seen)
            checks += [*told, *(check for _, found in seen for check in found)]
            checks += archive.compare(part, archived, retention)
            partitions.append(part.model_copy(update={"archived": archived}))
    is_bad = any(check.status == "fail" for check in checks)
    result = table.model_copy(
        update={"partitions": tuple(partitions), "checks": (*table.checks, *checks)}
    )
    return result, ReportedTable(
        database=table.database,
        table=table.table,
        snapshot=table.snapshot,
        status="failed" if is_bad else "archived",
        objects=sum(len(part.objects) for part in table.partitions),
        checks=tuple(checks),
    )


def _told(part: PartitionResult, tasks: Mapping[str, Task]) -> list[Check]:
    """Hold what the reports say against what was handed over; failed objects one by one."""
    name = f"dt={part.value}" if part.value else "table"
    asked = [item for item in part.objects if is_for_batch(item)]
    done = [item for item in asked if item.key in tasks and tasks[item.key].is_done]
    checks = []
    if asked:
        checks.append(
            Check(
                name="batch_tasks",
                subject=name,
                expected=f"{len(asked)} objects succeeded",
                actual=f"{len(done)} objects succeeded",
                status="pass" if len(done) == len(asked) else "fail",
                source=_SOURCE,
            )
        )
    bad = [item for item in asked if item not in done]
    checks += [
        Check(
            name="batch_task",
            subject=item.key,
            expected="succeeded",
            actual=str(tasks[item.key]) if item.key in tasks else "no report names it",
            status="fail",
            source=_SOURCE,
        )
        for item in bad[:_FAILED_SHOWN]
    ]
    return checks


def _look(
    vault: Store, item: StoredObject, retention: Retention
) -> tuple[StoredObject, list[Check]]:
    """Return the object as it is in the archive, locked; and why not, where it is not."""
    try:
        found = vault.stat(item.key)
        if found.size_bytes == item.size_bytes and found.sha256 in (None, item.sha256):
            return archive.locked(vault, found, item, retention), []
        # other bytes are not locked: nobody could remove them for years
        told = f"{found.size_bytes} bytes with SHA-256 {found.sha256 or 'unknown'}"
    except CompactorError as error:
        told = str(error)
    check = Check(
        name="archived_object",
        subject=item.key,
        expected=f"{item.size_bytes} bytes with SHA-256 {item.sha256}, locked",
        actual=told,
        status="fail",
        source="the run's record of the table; HEAD in the archive",
    )
    missing = item.model_copy(
        update={"size_bytes": 0, "sha256": "", "lock_mode": None, "retain_until": None}
    )
    return missing, [check]


# --- documents ------------------------------------------------------------------------------------


def _publish(
    place: _Place, tables: Sequence[TableResult], started: datetime, clock: Callable[[], datetime]
) -> ManifestRef:
    """Write down what is archived now, as a run of its own; the manifest last."""
    first = RunResult.model_validate_json(
        place.lake.get(lake.run_key(place.run_id, "manifest.json"))
    )
    run_id = f"{started.strftime('%Y%m%dT%H%M%SZ')}-{first.plan_id[:8]}"
    result = first.model_copy(
        update={
            "run_id": run_id,
            "status": "done",
            "started_at": started,
            "finished_at": clock(),
            "archive": place.vault.url,
            "tables": tuple(tables),
            "skipped": (),
            "findings": (),
            "manifest": None,
            "report": None,
            "versions": ledger.versions(),
        }
    )
    for table in tables:
        key = lake.record_key(run_id, table.task_id, place.archive_url)
        _put(place.lake, key, to_json(table).encode())
    body = to_json(result).encode()
    key = lake.run_key(run_id, "manifest.json")
    ref = ManifestRef(url=place.lake.url + key, sha256=hashlib.sha256(body).hexdigest())
    whole = to_json(result.model_copy(update={"manifest": ref})).encode()
    draft = place.notary.prepare(result, ref, None) if place.notary else None
    _put(place.lake, lake.run_key(run_id, "report.json"), whole)
    _put(place.lake, key, body)
    if place.notary is not None and draft is not None:
        place.notary.seal(result, draft)  # else the next run does
    return ref


def _put(store: Store, key: str, body: bytes) -> None:
    store.put(key, body, sha256=hashlib.sha256(body).hexdigest())
