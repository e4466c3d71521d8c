"""Let S3 Batch Operations copy verified tables from the lake to the archive.

In:  tables whose checks have all passed. Out: documents in the lake, and jobs where asked.
IO:  per date of retention, one manifest and one request; one CreateJob each.

    _compactor/batch/<run>/<until>.csv             manifest: bucket, key[, version id], no header
    _compactor/batch/<run>/<until>.request.json    what CreateJob is asked
    _compactor/batch/<run>/<until>.submitted.json  the job, once it is
    _compactor/batch/<run>/report/job-<id>/...     the completion report, by S3

A job has one date for all of its objects, so tables of different snapshots need several. The copy
puts the source's whole key below a prefix; so the archive's keys are right only if its prefix ends
with the lake's. What a job copied is believed only when `batch_report` has looked at it.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-create-job.html (read 2026-11-25)
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from . import lake
from .archive import metadata, retain_until
from .config import ArchiveConfig, Config
from .errors import ConfigError
from .model import Check, Finding, Model, StoredObject, TableResult, snapshot_text, utc_text
from .places import Stores
from .quantities import parse_retain
from .store import open_store
from .store.interface import CopySource, Retention, Store

MANIFEST_FORMAT = "S3BatchOperations_CSV_20180820"
REPORT_FORMAT = "Report_CSV_20180820"
LARGEST_BYTES = 5 << 30
"""One copy of S3 Batch Operations takes no more; larger objects are copied in parts by the run."""
_PRIORITY = 10


class Job(Model):
    """One job of a run, as the lake tells it."""

    name: str
    """Its date of retention, as in the names of its documents."""
    objects: int
    bytes: int
    until: datetime
    job_id: str | None = None
    """None: not submitted."""


class Jobs(Model):
    run_id: str
    jobs: tuple[Job, ...]


def folder(run_id: str) -> str:
    return f"{lake.BATCH}{run_id}/"


def bucket_and_prefix(store: Store) -> tuple[str, str]:
    """Return where a store lies in S3.

    Raises: ConfigError for a local folder.
    """
    if not store.url.startswith("s3://"):
        raise ConfigError(
            f"S3 Batch Operations cannot read {store.url}",
            hint='the lake must lie in S3; or set archive.method = "copy"',
        )
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    return bucket, prefix


def is_for_batch(item: StoredObject) -> bool:
    """Tell whether a job can copy an object; what it cannot, the run copies in parts."""
    return item.size_bytes <= LARGEST_BYTES


def copy_large(
    lake_store: Store, vault: Store, table: TableResult, retention: Retention
) -> list[Check]:
    """Copy the objects of a table that are too large for a job, locked; read each one back.

    Above 5 GiB S3 keeps no SHA-256 of the whole, so the copy's bytes are read once.

    Raises: Changed, AlreadyExists, LockUnsupported, StoreError.
    """
    bucket, prefix = bucket_and_prefix(lake_store)
    checks = []
    for item in (item for part in table.partitions for item in part.objects):
        if is_for_batch(item):
            continue
        seen = lake_store.stat(item.key, item.version_id)
        source = CopySource(
            bucket=bucket,
            key=prefix + item.key,
            version_id=item.version_id,
            etag=seen.etag,
            size_bytes=item.size_bytes,
            sha256=item.sha256,
            metadata=metadata(item, table),
        )
        copied = vault.copy(item.key, source, retention=retention)
        found = copied.sha256 or vault.digest(item.key, copied.version_id)
        checks.append(
            Check(
                name="copied_sha256",
                subject=item.key,
                expected=item.sha256,
                actual=found,
                status="pass" if found == item.sha256 else "fail",
                source="SHA-256 computed before the upload; that of the archive's bytes",
            )
        )
    return checks


def target_prefix(stores: Stores) -> str:
    """Return the prefix that turns a key in the lake into the archive's.

    Raises: ConfigError if there is none.
    """
    assert stores.archive is not None  # asked only with one
    _, below_lake = bucket_and_prefix(stores.lake)
    _, below_archive = bucket_and_prefix(stores.archive)
    before = below_archive.removesuffix(below_lake)
    if not below_archive.endswith(below_lake) or (before and not before.endswith("/")):
        raise ConfigError(
            f"S3 Batch Operations keeps the whole key: {stores.archive.url} must end with "
            f"{below_lake!r}, the prefix of the lake {stores.lake.url}",
            hint="choose archive.url accordingly, such as s3://bucket/tables/ for both; or set "
            'archive.method = "copy"',
        )
    return before.rstrip("/")


def prepare(
    archive: ArchiveConfig, stores: Stores, run_id: str, tables: Sequence[TableResult]
) -> Finding:
    """Write manifests and requests for the tables; return what the user should do next.

    Raises: StoreError if one cannot be written.
    """
    period = parse_retain(archive.retain)
    by_date: dict[datetime, list[StoredObject]] = {}
    for table in tables:
        objects = [item for part in table.partitions for item in part.objects if is_for_batch(item)]
        by_date.setdefault(retain_until(table.snapshot, period), []).extend(objects)
    count = size = 0
    for until, objects in sorted(by_date.items()):
        if not objects:
            continue
        name = snapshot_text(until)
        fields, body = manifest(bucket_and_prefix(stores.lake), objects)
        key = f"{folder(run_id)}{name}.csv"
        written = stores.lake.put(key, body, sha256=hashlib.sha256(body).hexdigest())
        job = Job(
            name=name,
            objects=len(objects),
            bytes=sum(item.size_bytes for item in objects),
            until=until,
        )
        asked = request(archive, stores, run_id, job, (key, written.etag, fields))
        _put(stores.lake, f"{folder(run_id)}{name}.request.json", {"job": _json(job), **asked})
        count, size = count + job.objects, size + job.bytes
    return Finding.model_validate(
        {
            "kind": "awaits_batch",
            "severity": "info",
            "message": f"{count} verified objects with {size} bytes wait for S3 Batch Operations, "
            f"and are not locked yet: compactor batch submit {run_id}, and when its jobs have "
            f"ended, compactor batch report {run_id}",
            "objects": count,
        }
    )


def manifest(
    place: tuple[str, str], objects: Iterable[StoredObject]
) -> tuple[tuple[str, ...], bytes]:
    """Return the fields and the lines of a manifest; with version ids if every object has one."""
    bucket, prefix = place
    wanted = list(objects)
    is_versioned = all(item.version_id for item in wanted)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for item in wanted:
        row = [bucket, quote(prefix + item.key)]
        lines.writerow([*row, item.version_id] if is_versioned else row)
    fields = ("Bucket", "Key", "VersionId") if is_versioned else ("Bucket", "Key")
    return fields, text.getvalue().encode()


def request(
    archive: ArchiveConfig,
    stores: Stores,
    run_id: str,
    job: Job,
    written: tuple[str, str, tuple[str, ...]],
) -> dict[str, Any]:
    """Return what CreateJob is asked; `written` is the manifest's key, ETag and fields."""
    assert stores.archive is not None  # asked only with one
    partition, account = archive.batch_account()
    bucket, prefix = bucket_and_prefix(stores.lake)
    vault, _ = bucket_and_prefix(stores.archive)
    key, etag, fields = written
    copy: dict[str, Any] = {
        "TargetResource": f"arn:{partition}:s3:::{vault}",
        "MetadataDirective": "COPY",
        "StorageClass": archive.storage_class,
        "ObjectLockMode": archive.mode,
        "ObjectLockRetainUntilDate": utc_text(job.until),
        # a copy in one request: S3 computes the digest of the whole object, which is compared
        "ChecksumAlgorithm": "SHA256",
    }
    if archive.legal_hold:
        copy["ObjectLockLegalHoldStatus"] = "ON"
    if before := target_prefix(stores):
        copy["TargetKeyPrefix"] = before
    token = hashlib.sha256(f"{run_id} {job.name} {etag}".encode()).hexdigest()
    return {
        "AccountId": account,
        "ConfirmationRequired": False,
        "Operation": {"S3PutObjectCopy": copy},
        "Manifest": {
            "Spec": {"Format": MANIFEST_FORMAT, "Fields": list(fields)},
            "Location": {"ObjectArn": f"arn:{partition}:s3:::{bucket}/{prefix}{key}", "ETag": etag},
        },
        "Report": {
            "Bucket": f"arn:{partition}:s3:::{bucket}",
            "Format": REPORT_FORMAT,
            "Enabled": True,
            "Prefix": f"{prefix}{folder(run_id)}report",
            "ReportScope": "AllTasks",
        },
        "Priority": _PRIORITY,
        "RoleArn": archive.batch_role_arn,
        # the same request is the same job: saying it twice copies nothing twice
        "ClientRequestToken": token,
        "Description": f"compactor {run_id}, {job.objects} objects until {utc_text(job.until)}",
    }


def submit(config: Config, run_id: str, *, again: bool = False) -> Jobs:
    """Create the jobs of a run that were not created yet; with `again`, all of them once more.

    Raises: ConfigError if the run has none; StoreError, Denied.
    """
    from .store.s3_batch import create_job

    if config.archive is None:
        raise ConfigError("there is no [archive] in the configuration, so there are no batch jobs")
    store = open_store(config.lake.url, concurrency=config.limits.concurrency)
    vault = open_store(config.archive.url, concurrency=config.limits.concurrency)
    found = []
    for job, asked in requests(store, run_id):
        if job.job_id is None or again:
            if job.job_id is not None:
                token = f"{asked['ClientRequestToken']} after {job.job_id}"
                asked["ClientRequestToken"] = hashlib.sha256(token.encode()).hexdigest()
            job_id = create_job(vault, asked)
            job = job.model_copy(update={"job_id": job_id})
            _put(store, f"{folder(run_id)}{job.name}.submitted.json", _json(job))
        found.append(job)
    return Jobs(run_id=run_id, jobs=tuple(found))


def requests(store: Store, run_id: str) -> list[tuple[Job, dict[str, Any]]]:
    """Return the jobs of a run with what CreateJob is asked.

    Raises: ConfigError if the run has none, or has not ended.
    """
    keys = sorted(
        key for page in store.list(folder(run_id)) for key in page.column("key").to_pylist()
    )
    wanted = [key for key in keys if key.endswith(".request.json")]
    ended = lake.run_key(run_id, "manifest.json")
    if not wanted or ended not in {
        key for page in store.list(ended) for key in page.column("key").to_pylist()
    }:
        raise ConfigError(
            f"no finished run {run_id!r} has written batch jobs to {store.url}",
            hint='run compactor run with archive.method = "batch"; its last finding names the run',
        )
    found = []
    for key in wanted:
        asked = json.loads(store.get(key))
        job = Job.model_validate(asked.pop("job"))
        submitted = f"{folder(run_id)}{job.name}.submitted.json"
        if submitted in keys:
            job = Job.model_validate_json(store.get(submitted))
        found.append((job, asked))
    return found


def _json(job: Job) -> dict[str, Any]:
    return job.model_dump(mode="json")


def _put(store: Store, key: str, document: dict[str, Any]) -> None:
    body = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    store.put(key, body, sha256=hashlib.sha256(body).hexdigest())
