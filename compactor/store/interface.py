"""What a store is: a place with keys and bytes, on S3 or in a local folder.

Contract, tested by one suite for every store (`tests/test_store.py`):

* Keys are relative to the store's URL, use `/`, and never start with it. Any key that can be listed
  can be read.
* Listings are Arrow tables (`LISTING_SCHEMA`), in no particular order; one object is one row and is
  never a Python object.
* A read names what it expects (ETag, size) and raises `Changed` if the store holds something else.
* A write is a whole object or nothing, in a single request, with its SHA-256 computed beforehand;
  repeating it after a lost answer leaves one object.
* Errors are those of `errors.py`; nothing is swallowed: `NotFound`, `Denied`, `AlreadyExists`,
  `Changed`, `LockUnsupported`, else `StoreError`.
* There is no `delete`: a tool that guards an archive cannot remove what it has no method to remove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from ..errors import StoreError

LISTING_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("size_bytes", pa.int64()),
        ("etag", pa.string()),
        ("modified_at", pa.timestamp("us", tz="UTC")),
        ("version_id", pa.string()),
    ]
)

VERSIONS_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("is_latest", pa.bool_()),
        ("is_delete_marker", pa.bool_()),
        ("size_bytes", pa.int64()),
        ("modified_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""`version_id` is NULL where a store keeps no versions; S3 itself says `null` for objects that were
written before versioning was on. A delete marker has no size."""

LockMode = Literal["COMPLIANCE", "GOVERNANCE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    mode: LockMode
    until: datetime
    """Aware, UTC, whole seconds."""
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one key; None for the current one."""

    key: str
    version_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object to fetch, as the listing saw it."""

    key: str
    size_bytes: int
    etag: str
    keyed: tuple[tuple[str, str | None], ...] = ()
    """Columns whose value follows from the key, for rows that lack them (hive partitions)."""
    declared: Declared | None = None
    version_id: str | None = None
    """This version and no other; None for the current one."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the export tool says of one object; None where it does not say."""

    rows: int | None
    md5: str | None
    """Of the stored bytes, hex."""
    etag: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One object on local disk. `index` is its place in the sequence that was asked for.

    `error` is set where this one object could not be had (gone, changed, truncated, denied); the
    others still come.
    """

    index: int
    path: Path | None
    error: Exception | None = None
    body: Any = None
    """The bytes (a buffer), where they were asked for in memory; then `path` is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """One stored object as the store describes it (HEAD)."""

    key: str
    size_bytes: int
    etag: str
    modified_at: datetime
    version_id: str | None = None
    sha256: str | None = None
    """Full-object digest (hex) that the store computed or checked itself; None if it has none."""
    crc64nvme: str | None = None
    """Full-object checksum (base64) of a copy in parts; None if the store has none."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    lock_mode: str | None = None
    retain_until: datetime | None = None
    legal_hold: bool = False
    storage_class: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    """An object in S3 that is to be copied there, as it was seen."""

    bucket: str
    key: str
    """Whole, with every prefix."""
    version_id: str | None
    etag: str
    size_bytes: int
    sha256: str
    """Of its bytes, computed before it was written."""
    metadata: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    url: str

    def list(self, prefix: str = "") -> Iterator[pa.Table]:
        """Yield tables of LISTING_SCHEMA: every object whose key starts with `prefix`.

        Listing is parallel over folders. Folder placeholders (zero-byte keys ending in `/`) are
        listed like any object.
        """
        ...

    def list_versions(self, prefix: str = "") -> Iterator[pa.Table]:
        """Yield tables of VERSIONS_SCHEMA: every version and delete marker whose key starts with
        `prefix`. A folder has one version of each file, the latest.
        """
        ...

    def get(self, key: str) -> bytes:
        """Return a small object whole. Raises NotFound, Denied."""
        ...

    def tails(self, wanted: Sequence[Wanted], length: int) -> Iterator[tuple[int, bytes]]:
        """Yield (index, last `length` bytes) of many objects, many at a time: Parquet footers.

        One ranged GET per object. Raises on the first object that cannot be read.
        """
        ...

    def head(self, wanted: Wanted, length: int) -> bytes:
        """Return the first `length` bytes of one object. Raises NotFound, Denied, Changed."""
        ...

    def part(self, wanted: Wanted, start: int, length: int) -> bytes:
        """Return `length` bytes of one object from `start`, fewer where it ends before: one GET.

        Raises NotFound, Denied, Changed.
        """
        ...

    def fetch(
        self, wanted: Sequence[Wanted], folder: Path, *, in_memory_below: int = 0
    ) -> Iterator[Fetched]:
        """Bring whole objects to local disk, many at a time, in order of completion.

        Objects smaller than `in_memory_below` come as bytes and not as files: for thousands of tiny
        ones, files cost more than their content. A local store gives paths all the same.

        One GET per object unless it must be repeated. A local store gives the file's own path and
        copies nothing.
        """
        ...

    def stat(self, key: str, version_id: str | None = None) -> Object:
        """Describe one object, with its digest and lock. Raises NotFound, Denied."""
        ...

    def stats(self, wanted: Sequence[Version]) -> Iterator[tuple[int, Object | StoreError]]:
        """Describe many versions, many at a time: (index, what it is, or why that is not known).

        In order of completion. Raises StoreError where the store does not answer at all.
        """
        ...

    def check_lock_readable(self, key: str, version_id: str | None) -> None:
        """Raise Denied where the lock of a version may not be read.

        S3 then leaves the lock out of its description, and a locked version looks unlocked.
        """
        ...

    def put(
        self,
        key: str,
        body: Path | bytes,
        *,
        sha256: str,
        metadata: Mapping[str, str] | None = None,
        only_if_absent: bool = False,
        retention: Retention | None = None,
    ) -> Object:
        """Write one object in a single request and return it as the store describes it.

        Raises: AlreadyExists with `only_if_absent` where another object is there (an object with
                the same SHA-256 counts as written: the answer to an earlier try was lost).
                LockUnsupported if a retention is asked of a store that cannot lock.
        """
        ...

    def copy(self, key: str, source: CopySource, *, retention: Retention | None = None) -> Object:
        """Copy an object inside S3, of any size, and return the copy as read back, locked if asked.

        Create-only, as `put`: the same object counts as copied. Above 5 GiB the copy has no SHA-256
        but a full-object CRC64NVME; `digest` reads it.

        Raises: AlreadyExists, Changed (the source), LockUnsupported; StoreError for a folder.
        """
        ...

    def digest(self, key: str, version_id: str | None = None) -> str:
        """Return the SHA-256 (hex) of an object's bytes, read once. Raises NotFound, Denied."""
        ...

    def check_lock_support(self) -> None:
        """Raise LockUnsupported unless the bucket has Object Lock and versioning on."""
        ...

    def lock(self, key: str, version_id: str, retention: Retention) -> Object:
        """Lock one version and return it as read back. Never shortens a lock."""
        ...

    def hold(self, key: str, version_id: str, *, on: bool) -> Object:
        """Put a legal hold on one version, or take it off, and return it as read back.

        The retention stays as it is. Raises: NotFound, Denied, LockUnsupported; StoreError if the
        store did not do as told.
        """
        ...

    def versions(self, key: str) -> Sequence[str]:
        """Return the version ids of one key, newest first, without delete markers."""
        ...
