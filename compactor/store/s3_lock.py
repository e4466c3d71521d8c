"""Describe and lock single objects, and tell whether a bucket can lock.

Nothing is taken on trust: a lock counts when HEAD of that version shows it. Some servers ignore
lock headers (Ceph RGW, SeaweedFS, on some calls), so a missing lock is set by PutObjectRetention.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html (read 2026-11-21)
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from ..errors import LockUnsupported, StoreError
from .interface import Object, Retention
from .s3_client import Connection, boto_translated


def describe(
    connection: Connection, prefix: str, key: str, version_id: str | None = None
) -> Object:
    """HEAD one object."""
    version = {"VersionId": version_id} if version_id else {}
    where = f"s3://{connection.bucket}/{prefix}{key}" + (
        f" version {version_id}" if version else ""
    )
    with boto_translated("describe", where, key):
        head = connection.client.head_object(
            Bucket=connection.bucket, Key=prefix + key, ChecksumMode="ENABLED", **version
        )
    return Object(
        key=key,
        size_bytes=head["ContentLength"],
        etag=head.get("ETag", "").strip('"'),
        modified_at=head["LastModified"].astimezone(UTC),
        version_id=head.get("VersionId") or version_id,
        sha256=full_sha256(head.get("ChecksumSHA256", ""), head.get("ChecksumType", "")),
        crc64nvme=head.get("ChecksumCRC64NVME"),  # never one of parts: S3 has none
        metadata=head.get("Metadata", {}),
        lock_mode=head.get("ObjectLockMode"),
        retain_until=_utc(head.get("ObjectLockRetainUntilDate")),
        legal_hold=head.get("ObjectLockLegalHoldStatus") == "ON",
        storage_class=head.get("StorageClass"),
    )


def full_sha256(text: str, kind: str) -> str | None:
    """Return the store's digest (hex) of the whole object; one of parts (`...-3`) is none."""
    if not text or "-" in text or (kind or "FULL_OBJECT") != "FULL_OBJECT":
        return None
    return base64.b64decode(text).hex()


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def check_lock_support(connection: Connection) -> None:
    """Raise LockUnsupported unless the bucket has Object Lock and versioning on."""
    where = f"s3://{connection.bucket}"
    hint = (
        "create a bucket with Object Lock (aws s3api create-bucket "
        "--object-lock-enabled-for-bucket), or turn versioning, then Object Lock, on for this one"
    )
    try:
        with boto_translated("read the Object Lock configuration", where):
            answer = connection.client.get_object_lock_configuration(Bucket=connection.bucket)
    except LockUnsupported as error:
        raise LockUnsupported(
            f"{where} cannot lock objects: expected Object Lock Enabled, found no configuration",
            hint=hint,
        ) from error
    lock = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled", "off")
    with boto_translated("read the versioning of the bucket", where):
        status = connection.client.get_bucket_versioning(Bucket=connection.bucket)
    versioning = status.get("Status", "off")
    if lock != "Enabled" or versioning != "Enabled":
        raise LockUnsupported(
            f"{where} cannot lock objects: expected Object Lock and versioning Enabled, "
            f"found Object Lock {lock}, versioning {versioning}",
            hint=hint,
        )


def lock(
    connection: Connection, prefix: str, key: str, version_id: str, retention: Retention
) -> Object:
    """Lock one version. Its present lock is kept where it is longer or stronger."""
    found = describe(connection, prefix, key, version_id)
    bucket, where = connection.bucket, _where(connection, prefix, key, version_id)
    target = {"Bucket": bucket, "Key": prefix + key, "VersionId": version_id}
    client = connection.client
    if not _is_retained(found, retention):
        is_stronger = found.lock_mode == "COMPLIANCE"
        until = max(filter(None, (found.retain_until, retention.until)))
        with boto_translated("lock", where, key):
            client.put_object_retention(
                **target,
                Retention={
                    "Mode": "COMPLIANCE" if is_stronger else retention.mode,
                    "RetainUntilDate": until,
                },
            )
    if retention.legal_hold and not found.legal_hold:
        with boto_translated("put a legal hold on", where, key):
            client.put_object_legal_hold(**target, LegalHold={"Status": "ON"})
    locked = describe(connection, prefix, key, version_id)
    if not is_locked(locked, retention):
        raise StoreError(
            f"{where} is not locked as asked: expected {retention.mode} until "
            f"{retention.until.isoformat()}, legal hold {retention.legal_hold}; found "
            f"{locked.lock_mode} until {locked.retain_until}, legal hold {locked.legal_hold}",
            key=key,
            hint="either reading the lock is not permitted (s3:GetObjectRetention, "
            "s3:GetObjectLegalHold), or this store takes locks and does not keep them: then do not "
            "use it as an archive",
        )
    return locked


def hold(connection: Connection, prefix: str, key: str, version_id: str, *, on: bool) -> Object:
    """Put a legal hold on one version, or take it off, and return it as read back."""
    found = describe(connection, prefix, key, version_id)
    if found.legal_hold == on:
        return found
    status, where = "ON" if on else "OFF", _where(connection, prefix, key, version_id)
    with boto_translated(f"turn the legal hold {status}", where, key):
        connection.client.put_object_legal_hold(
            Bucket=connection.bucket,
            Key=prefix + key,
            VersionId=version_id,
            LegalHold={"Status": status},
        )
    held = describe(connection, prefix, key, version_id)
    if held.legal_hold != on:
        raise StoreError(
            f"{where} has not the legal hold that was asked for: expected {status}, read back "
            f"{'ON' if held.legal_hold else 'OFF'}",
            key=key,
            hint="is reading it permitted (s3:GetObjectLegalHold)?",
        )
    return held


def _is_retained(found: Object, asked: Retention) -> bool:
    """Tell whether the lock is at least as strong and as long as asked."""
    if found.lock_mode is None or found.retain_until is None:
        return False
    return found.lock_mode in (asked.mode, "COMPLIANCE") and found.retain_until >= asked.until


def is_locked(found: Object, asked: Retention) -> bool:
    """Tell whether retention and legal hold are at least as asked."""
    return _is_retained(found, asked) and (found.legal_hold or not asked.legal_hold)


def _where(connection: Connection, prefix: str, key: str, version_id: str | None) -> str:
    version = f" version {version_id}" if version_id else ""
    return f"s3://{connection.bucket}/{prefix}{key}{version}"
