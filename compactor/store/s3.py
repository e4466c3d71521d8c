"""A bucket, or a folder in one, as a `Store`.

Comes in: `s3://bucket/prefix/`. IO: HTTPS to S3 (or whatever AWS_ENDPOINT_URL names). This module
only puts the parts together: `s3_client` connects and translates errors, `s3_list` lists, `s3_bulk`
reads many objects, `s3_write` writes one, `s3_lock` describes and locks one, `s3_versions` lists
versions and describes many.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError, StoreError
from .interface import CopySource, Fetched, Object, Retention, Version, Wanted
from .s3_bulk import Bulk
from .s3_client import Connection, Patience, boto_translated
from .s3_copy import Target, copy, digest
from .s3_list import Lister
from .s3_lock import check_lock_support, describe, hold
from .s3_versions import VERSIONS, Heads, check_lock_readable
from .s3_write import Writer

_ROWS_PER_TABLE = 20_000


class S3Store:
    """Implements `Store`; safe to use from several threads, not to be sent to another process."""

    def __init__(
        self,
        url: str,
        *,
        concurrency: int = 128,
        storage_class: str | None = None,
        session: boto3.Session | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._bucket, self._prefix = _parse_url(url)
        self.url = f"s3://{self._bucket}/{self._prefix}"
        self._connection = Connection(
            self._bucket,
            session=session,
            concurrency=max(1, concurrency),
            patience=patience or Patience(),
        )
        self._lister = Lister(self._connection)
        self._bulk = Bulk(self._connection, self._prefix)
        self._heads = Heads(self._connection, self._prefix)
        self._storage_class = storage_class
        self._writer = Writer(self._connection, self._prefix, storage_class)

    def list(self, prefix: str = "") -> Iterator[pa.Table]:
        """Yield every object whose key starts with `prefix`, in tables of some 20,000 rows."""
        return self._together(self._lister, prefix)

    def list_versions(self, prefix: str = "") -> Iterator[pa.Table]:
        """Yield every version and delete marker, in tables of some 20,000 rows."""
        return self._together(Lister(self._connection, VERSIONS), prefix)

    def _together(self, lister: Lister, prefix: str) -> Iterator[pa.Table]:
        pages: builtins.list[pa.Table] = []
        rows = 0
        for page in lister.list(self._prefix + prefix):
            if len(page):
                pages.append(page)
                rows += len(page)
            if rows >= _ROWS_PER_TABLE:
                yield self._relative(pages)
                pages, rows = [], 0
        if pages:
            yield self._relative(pages)

    def _relative(self, pages: Sequence[pa.Table]) -> pa.Table:
        table = pa.concat_tables(pages).combine_chunks()
        keys = pc.utf8_slice_codeunits(table["key"], len(self._prefix))
        return table.set_column(0, table.schema.field("key"), keys)

    def get(self, key: str) -> bytes:
        """Return a small object whole; its checksum is verified where the store has one."""
        return self._bulk.get(key)

    def tails(self, wanted: Sequence[Wanted], length: int) -> Iterator[tuple[int, bytes]]:
        """Yield (index, last `length` bytes), in order of completion."""
        return self._bulk.tails(wanted, length)

    def head(self, wanted: Wanted, length: int) -> bytes:
        """Return an object's first bytes."""
        return self._bulk.part(wanted, 0, length)

    def part(self, wanted: Wanted, start: int, length: int) -> bytes:
        """Return some of an object's bytes: one ranged GET."""
        return self._bulk.part(wanted, start, length)

    def fetch(
        self, wanted: Sequence[Wanted], folder: Path, *, in_memory_below: int = 0
    ) -> Iterator[Fetched]:
        """Bring whole objects to `folder`, as `<index>.parquet`; it must exist."""
        return self._bulk.fetch(wanted, folder, in_memory_below)

    def stat(self, key: str, version_id: str | None = None) -> Object:
        """Describe one object (HEAD), the current version unless another is named."""
        return describe(self._connection, self._prefix, key, version_id)

    def stats(self, wanted: Sequence[Version]) -> Iterator[tuple[int, Object | StoreError]]:
        """Describe many versions (HEAD), in order of completion."""
        return self._heads.stats(wanted)

    def check_lock_readable(self, key: str, version_id: str | None) -> None:
        """Raise Denied where the lock of a version may not be read."""
        check_lock_readable(self._connection, self._prefix, key, version_id)

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
        """Write one object, locked if asked, and return it as the store describes it."""
        return self._writer.put(
            key,
            body,
            sha256=sha256,
            metadata=metadata or {},
            only_if_absent=only_if_absent,
            retention=retention,
        )

    def copy(self, key: str, source: CopySource, *, retention: Retention | None = None) -> Object:
        """Copy an object inside S3, of any size; see `s3_copy`."""
        if retention is not None:
            self._writer.require_locks()
        return copy(
            source,
            Target(
                connection=self._connection,
                prefix=self._prefix,
                key=key,
                storage_class=self._storage_class,
                retention=retention,
            ),
        )

    def digest(self, key: str, version_id: str | None = None) -> str:
        """Return the SHA-256 (hex) of an object's bytes, read once."""
        return digest(self._connection, self._prefix, key, version_id)

    def check_lock_support(self) -> None:
        """Raise LockUnsupported unless the bucket has Object Lock and versioning on."""
        check_lock_support(self._connection)

    def lock(self, key: str, version_id: str, retention: Retention) -> Object:
        """Lock one version and return it as read back."""
        return self._writer.lock(key, version_id, retention)

    def hold(self, key: str, version_id: str, *, on: bool) -> Object:
        """Put a legal hold on one version, or take it off, and return it as read back."""
        return hold(self._connection, self._prefix, key, version_id, on=on)

    def control_client(self) -> Any:
        """Return a boto3 client of S3 Control, in this bucket's region."""
        return self._connection.control_client()

    def versions(self, key: str) -> Sequence[str]:
        """Return the version ids of one key, newest first, without delete markers."""
        full = self._prefix + key
        where = f"s3://{self._bucket}/{full}"
        found: builtins.list[str] = []
        with boto_translated("list versions", where, key):
            pages = self._connection.client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self._bucket, Prefix=full):
                found += [v["VersionId"] for v in page.get("Versions", ()) if v["Key"] == full]
        return found


def _parse_url(url: str) -> tuple[str, str]:
    """Return (bucket, prefix); the prefix is empty or ends in `/`."""
    parts = urlsplit(url)
    # not parts.path: `?` and `#` are ordinary characters in a key
    bucket, _, prefix = url.removeprefix(f"{parts.scheme}://").partition("/")
    if parts.scheme != "s3" or not bucket:
        raise ConfigError(f"{url!r} is no S3 URL", hint="write s3://bucket/prefix/")
    return bucket, prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
