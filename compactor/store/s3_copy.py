"""Copy one object inside S3: no byte passes through this machine.

In:  where the object lies, what it is known to be. Out: the copy as the store describes it, locked
if asked. IO: requests to S3, HEADs.

Up to 5 GiB one CopyObject does it, and S3 computes the SHA-256 of the whole. Above, the parts of a
multipart upload are copied: S3 has no full-object SHA-256 for those, so they get a full-object
CRC64NVME, which S3 computes over the parts and checks at the end. That says that the parts were put
together rightly, not what the source's bytes were: `digest` reads the copy and tells.

Copying again finds the copy that is there (its SHA-256 travels as metadata) and adds no version. A
lock is asked for on the request, read back, and set where a server ignored it (SeaweedFS, Ceph).

https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html (limits; both read 2026-11-25)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import botocore.exceptions as boto_errors

from ..errors import AlreadyExists, CompactorError, LockUnsupported, NotFound, StoreError
from .interface import CopySource, Object, Retention
from .s3_client import Connection, boto_translated
from .s3_lock import describe, is_locked, lock

LARGEST_COPY_BYTES = 5 << 30
"""One CopyObject takes no more."""
MOST_PARTS = 10_000
SMALLEST_PART_BYTES = 256 << 20
"""As long as there are few enough: S3 takes parts of 5 MiB to 5 GiB."""
_PARTS_AT_ONCE = 16
_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a copy goes: key below the connection's prefix, storage class, lock."""

    connection: Connection
    prefix: str
    key: str
    storage_class: str | None
    retention: Retention | None

    @property
    def place(self) -> dict[str, str]:
        return {"Bucket": self.connection.bucket, "Key": self.prefix + self.key}

    @property
    def where(self) -> str:
        return f"s3://{self.connection.bucket}/{self.prefix}{self.key}"

    def options(self, source: CopySource) -> dict[str, Any]:
        """Return what a new object is to have."""
        found: dict[str, Any] = {"Metadata": {**source.metadata, "sha256": source.sha256}}
        if self.storage_class is not None:
            found["StorageClass"] = self.storage_class
        if self.retention is not None:
            found["ObjectLockMode"] = self.retention.mode
            found["ObjectLockRetainUntilDate"] = self.retention.until
            if self.retention.legal_hold:
                found["ObjectLockLegalHoldStatus"] = "ON"
        return found

    def stat(self, version_id: str | None = None) -> Object:
        return describe(self.connection, self.prefix, self.key, version_id)


def copy(source: CopySource, target: Target) -> Object:
    """Copy an object and return the copy as read back; see the module's docstring.

    Raises: AlreadyExists if another object has the key; Changed if the source is not the one that
            was seen; LockUnsupported; StoreError.
    """
    found = _present(source, target)
    if found is None:
        whole = source.size_bytes <= LARGEST_COPY_BYTES
        try:
            version = _in_one(source, target) if whole else _in_parts(source, target)
        except CompactorError:
            # perhaps only the answer was lost
            found = _present(source, target)
            if found is None:
                raise
        else:
            found = target.stat(version)
    if found.size_bytes != source.size_bytes or found.sha256 not in (None, source.sha256):
        raise StoreError(
            f"{target.where} is not what was copied: expected {source.size_bytes} bytes with "
            f"SHA-256 {source.sha256}, the store has {found.size_bytes} with {found.sha256}",
            key=target.key,
            hint="did another process write the same key?",
        )
    retention = target.retention
    if retention is None or is_locked(found, retention):
        return found
    if found.version_id is None:
        raise LockUnsupported(
            f"{target.where} cannot be locked: the bucket keeps no versions", key=target.key
        )
    return lock(target.connection, target.prefix, target.key, found.version_id, retention)


def _present(source: CopySource, target: Target) -> Object | None:
    """Return the copy that is there; None if the key is free."""
    try:
        found = target.stat()
    except NotFound:
        return None
    digest = found.sha256 or found.metadata.get("sha256")
    if (digest, found.size_bytes) == (source.sha256, source.size_bytes):
        return found
    raise AlreadyExists(
        f"{target.where} exists: expected nothing, or SHA-256 {source.sha256}, found "
        f"{found.size_bytes} bytes with SHA-256 {digest or 'unknown'}",
        key=target.key,
        hint="compare before anything is replaced",
    )


def _from(source: CopySource) -> dict[str, Any]:
    place = {"Bucket": source.bucket, "Key": source.key}
    if source.version_id is not None:
        place["VersionId"] = source.version_id
    return {"CopySource": place, "CopySourceIfMatch": f'"{source.etag}"'}


def _in_one(source: CopySource, target: Target) -> str | None:
    with boto_translated("copy", target.where, target.key):
        answer = target.connection.write_client.copy_object(
            **target.place,
            **_from(source),
            **target.options(source),
            MetadataDirective="REPLACE",
            ChecksumAlgorithm="SHA256",
            IfNoneMatch="*",
        )
    version = answer.get("VersionId")
    return str(version) if version else None


def part_ranges(size_bytes: int) -> list[tuple[int, int]]:
    """Return (first, last byte) of each part: at most 10,000 of them, all but the last equal."""
    least = -(-size_bytes // MOST_PARTS)
    part = max(SMALLEST_PART_BYTES, -(-least // (1 << 20)) << 20)
    return [(first, min(first + part, size_bytes) - 1) for first in range(0, size_bytes, part)]


def _in_parts(source: CopySource, target: Target) -> str | None:
    """Copy in parts, and put them together on condition that the key is still free."""
    client = target.connection.client
    with boto_translated("begin the copy of", target.where, target.key):
        upload = client.create_multipart_upload(
            **target.place,
            **target.options(source),
            ChecksumAlgorithm="CRC64NVME",
            ChecksumType="FULL_OBJECT",
        )["UploadId"]
    begun = {**target.place, "UploadId": upload}
    try:
        parts = _parts(source, target, begun)
        with boto_translated("complete the copy of", target.where, target.key):
            answer = target.connection.write_client.complete_multipart_upload(
                **begun,
                MultipartUpload={"Parts": parts},
                ChecksumType="FULL_OBJECT",
                MpuObjectSize=source.size_bytes,
                IfNoneMatch="*",
            )
    except CompactorError:
        _give_up(target, begun)
        raise
    version = answer.get("VersionId")
    return str(version) if version else None


def _parts(
    source: CopySource, target: Target, begun: Mapping[str, str]
) -> list[dict[str, str | int]]:
    ranges = part_ranges(source.size_bytes)

    def one(number: int) -> dict[str, str | int]:
        first, last = ranges[number - 1]
        doing = f"copy part {number} of {len(ranges)} to"
        with boto_translated(doing, target.where, target.key):
            # repeated by botocore: a part that is sent twice replaces itself
            answer = target.connection.client.upload_part_copy(
                **begun,
                **_from(source),
                PartNumber=number,
                CopySourceRange=f"bytes={first}-{last}",
            )["CopyPartResult"]
        part: dict[str, str | int] = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumCRC64NVME" in answer:
            part["ChecksumCRC64NVME"] = answer["ChecksumCRC64NVME"]
        return part

    with ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="copy") as pool:
        return list(pool.map(one, range(1, len(ranges) + 1)))


def _give_up(target: Target, begun: Mapping[str, str]) -> None:
    """Let S3 drop the parts, which would be billed and seen by nobody.

    It refuses for an upload that was completed though the answer was lost: then there is nothing
    to drop.
    """
    try:
        target.connection.client.abort_multipart_upload(**begun)
    except boto_errors.ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("NoSuchUpload", "404"):
            with boto_translated("give up the copy of", target.where, target.key):
                raise


def digest(connection: Connection, prefix: str, key: str, version_id: str | None) -> str:
    """Return the SHA-256 (hex) of a version's bytes, read once."""
    version = {"VersionId": version_id} if version_id else {}
    where = f"s3://{connection.bucket}/{prefix}{key}"
    found = hashlib.sha256()
    with boto_translated("read", where, key):
        body = connection.client.get_object(Bucket=connection.bucket, Key=prefix + key, **version)[
            "Body"
        ]
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            found.update(chunk)
    return found.hexdigest()
