"""Copy verified objects under Object Lock, and read the lock back for every version.

In:  a table whose checks have all passed, its objects (on scratch, else in the lake).
Out: the locked objects with version ids, and one `lock` check per partition.
IO:  archive writes, lake reads.

Order per object: (1) PUT with the lock headers, the SHA-256 and create-only, so that repeating it
adds no version; (2) the store reads mode, date and legal hold back for that version, sets them
again if the server ignored the headers (SeaweedFS and Ceph do so for copies), and reads back
again; (3) the check compares what was read back with what was asked.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html (read 2026-11)
"""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from .errors import LockUnsupported, VerificationFailed
from .model import Check, CheckStatus, PartitionResult, StoredObject, TableResult, utc_text
from .store.interface import LockMode, Object, Retention, Store

UNKNOWN_DIGEST = "unknown"
"""Where a server keeps no digest of its own: never taken for equal."""
_ARCHIVED = "archive, "
"""Begins the subject of checks on the archive's objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    mode: LockMode
    retain: tuple[int, Literal["d", "mo", "y"]]
    legal_hold: bool
    method: Literal["copy", "batch"] = "copy"
    """`batch`: the objects are copied by S3 Batch Operations, only the sidecars from here."""


def retain_until(moment: datetime, period: tuple[int, Literal["d", "mo", "y"]]) -> datetime:
    """Return `moment` plus a period; the last day of the month where the day does not exist."""
    number, unit = period
    start = moment.astimezone(UTC).replace(microsecond=0)
    if unit == "d":
        return start + timedelta(days=number)
    months = start.year * 12 + start.month - 1 + number * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day)


def preflight(store: Store) -> None:
    """Raise LockUnsupported unless the archive can lock. Nothing is written before this."""
    store.check_lock_support()


def archive(
    result: TableResult,
    store: Store,
    options: ArchiveOptions,
    control: Mapping[str, bytes],
    bring: Callable[[StoredObject], Path],
    *,
    now: datetime,
    workers: int = 8,
) -> TableResult:
    """Lock one table's objects and sidecars; return the table with what was read back.

    `bring` gives the local path of an object of the lake. `control` maps archive keys to bytes.

    Raises: VerificationFailed if a check of the table did not pass, or nothing was checked;
            LockUnsupported if the retention would already be over; StoreError.
    """
    refuse_unverified(result)
    retention = retention_of(result, options, now)

    def put(item: StoredObject) -> StoredObject:
        path = bring(item)
        found = store.put(
            item.key,
            path,
            sha256=item.sha256,
            metadata=metadata(item, result),
            only_if_absent=True,
            retention=retention,
        )
        return locked(store, found, item, retention)

    def put_control(item: StoredObject) -> StoredObject:
        found = store.put(
            item.key,
            control[item.key],
            sha256=item.sha256,
            only_if_absent=True,
            retention=retention,
        )
        return locked(store, found, item, retention)

    with ThreadPoolExecutor(workers, thread_name_prefix="archive") as pool:
        partitions = []
        checks: list[Check] = []
        for partition in result.partitions:
            archived = tuple(pool.map(put, partition.objects))
            partitions.append(partition.model_copy(update={"archived": archived}))
            checks += compare(partition, archived, retention)
        wanted = tuple(
            StoredObject(key=key, size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
            for key, body in sorted(control.items())
        )
        sidecars = tuple(pool.map(put_control, wanted))
    checks += _compare("sidecars", wanted, sidecars, retention)
    return result.model_copy(
        update={
            "partitions": tuple(partitions),
            "control": sidecars,
            "checks": (*result.checks, *checks),
        }
    )


def retention_of(result: TableResult, options: ArchiveOptions, now: datetime) -> Retention:
    """Return how a table is to be locked.

    Raises: LockUnsupported if the retention would already be over.
    """
    until = retain_until(result.snapshot, options.retain)
    if until <= now:
        raise LockUnsupported(
            f"{result.database}.{result.table}: the snapshot of {result.snapshot.isoformat()} kept "
            f"for {options.retain[0]}{options.retain[1]} would have expired on {until.isoformat()}",
            hint="set a longer archive.retain, or take this export out of the source",
        )
    return Retention(mode=options.mode, until=until, legal_hold=options.legal_hold)


def refuse_unverified(result: TableResult) -> None:
    """No checks is not "ok", and neither is a failed one."""
    failed = [check for check in result.checks if check.status == "fail"]
    if failed or not result.checks:
        raise VerificationFailed(
            f"{result.database}.{result.table} is not archived: "
            + (f"{len(failed)} checks failed" if failed else "nothing was checked")
        )


def unlocked(result: TableResult) -> TableResult:
    """Return a table without what another archive said of it."""
    parts = tuple(part.model_copy(update={"archived": ()}) for part in result.partitions)
    checks = tuple(
        check
        for check in result.checks
        if check.name != "lock" and not check.subject.startswith(_ARCHIVED)
    )
    return result.model_copy(update={"partitions": parts, "control": (), "checks": checks})


def metadata(item: StoredObject, result: TableResult) -> dict[str, str]:
    return {
        "compactor-rows": str(item.rows),
        "compactor-task": result.task_id,
    }


def locked(store: Store, found: Object, item: StoredObject, retention: Retention) -> StoredObject:
    """Return the object as the archive describes it, locked at least as asked."""
    if found.version_id is None:
        raise LockUnsupported(
            f"{store.url}{item.key}: the store gave no version id, so nothing can be locked",
            hint="switch versioning on and enable Object Lock for this bucket",
        )
    if not _holds(found, retention):
        found = store.lock(item.key, found.version_id, retention)
    return StoredObject(
        key=item.key,
        size_bytes=found.size_bytes,
        sha256=found.sha256 or UNKNOWN_DIGEST,
        rows=item.rows,
        version_id=found.version_id,
        lock_mode=found.lock_mode,
        retain_until=found.retain_until,
        legal_hold=found.legal_hold,
    )


def _holds(found: Object | StoredObject, retention: Retention) -> bool:
    return (
        (found.lock_mode == retention.mode or found.lock_mode == "COMPLIANCE")
        and found.retain_until is not None
        and found.retain_until >= retention.until
        and (found.legal_hold or not retention.legal_hold)
    )


def compare(
    partition: PartitionResult, archived: Iterable[StoredObject], retention: Retention
) -> list[Check]:
    name = f"dt={partition.value}" if partition.value else "table"
    return _compare(name, partition.objects, tuple(archived), retention)


def _compare(
    subject: str,
    wanted: tuple[StoredObject, ...],
    archived: tuple[StoredObject, ...],
    retention: Retention,
) -> list[Check]:
    """Compare what was asked with what was read back for those versions."""
    if not wanted:
        return []
    held = sum(1 for item in archived if _holds(item, retention))
    pairs = list(zip(wanted, archived, strict=True))
    same = sum(
        1
        for item, copy in pairs
        if (item.sha256, item.size_bytes) == (copy.sha256, copy.size_bytes)
    )
    unknown = sum(1 for _, copy in pairs if copy.sha256 == UNKNOWN_DIGEST)
    digests: CheckStatus = "pass" if same == len(wanted) else "fail"
    if unknown and same + unknown == len(wanted):
        digests = "not_verified"
    hold = " and legal hold" if retention.legal_hold else ""
    asked = f"{retention.mode} until {utc_text(retention.until)}{hold}"
    return [
        Check(
            name="lock",
            subject=subject,
            expected=f"{len(wanted)} objects {asked}",
            actual=f"{held} objects {asked}",
            status="pass" if held == len(wanted) else "fail",
            source="configuration; read back for each version from the archive",
        ),
        Check(
            name="stored_sha256",
            subject=f"{_ARCHIVED}{subject}",
            expected=f"{len(wanted)} objects",
            actual=f"{same} objects",
            status=digests,
            source="SHA-256 computed before the upload; digest the archive keeps",
        ),
    ]
