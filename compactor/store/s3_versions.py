"""Look at many versions: list them all, and describe (HEAD) thousands of them a second.

Out: `VERSIONS_SCHEMA` tables; `Object`s with digest and lock. IO: reads only.

Descriptions come from `s3_http`, which is ten times as quick as boto3. Every answer but a plain 200
is asked for once more through boto3, which knows redirects, repeats what may pass, and says what an
error means.

API: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html (read 2026-11-25)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_plus
from xml.etree import ElementTree

import pyarrow as pa

from ..errors import Denied, NotFound, StoreError
from .interface import VERSIONS_SCHEMA, Object, Version
from .parallel import in_parallel
from .s3_bulk import is_awkward
from .s3_client import Connection, boto_translated
from .s3_http import HeadClient
from .s3_list import Kind, Page, Token, folder_names
from .s3_lock import describe, full_sha256

_THREADS = 24
"""One process cannot use more: it is the processor that limits."""
_FAILED_IN_A_ROW = 16
_METADATA = "x-amz-meta-"


def _page(root: ElementTree.Element, space: str) -> Page:
    is_encoded = root.findtext(f"{space}EncodingType") == "url"

    def text(name: str) -> str:
        found = root.findtext(space + name) or ""
        return unquote_plus(found) if is_encoded and "Key" in name else found

    versions, markers = (root.findall(space + name) for name in ("Version", "DeleteMarker"))
    items = [*versions, *markers]

    def column(name: str) -> list[str]:
        tag = space + name
        return [item.findtext(tag) or "" for item in items]

    keys = column("Key")
    token: Token | None = None
    if text("IsTruncated") == "true":
        token = (text("NextKeyMarker"), text("NextVersionIdMarker"))
        if not token[0]:
            raise StoreError("cannot list: the server says there is more, but not how to get it")
    sizes = [item.findtext(f"{space}Size") for item in versions]
    table = pa.table(
        [
            pa.array([unquote_plus(key) for key in keys] if is_encoded else keys, pa.string()),
            pa.array(column("VersionId"), pa.string()),
            pa.array([latest == "true" for latest in column("IsLatest")], pa.bool_()),
            pa.array([False] * len(versions) + [True] * len(markers), pa.bool_()),
            pa.array([*sizes, *[None] * len(markers)], pa.string()).cast(pa.int64()),
            pa.array(column("LastModified"), pa.string()).cast(pa.timestamp("us", tz="UTC")),
        ],
        schema=VERSIONS_SCHEMA,
    )
    return Page(objects=table, folders=folder_names(root, space), token=token)


def _resume(token: Token) -> dict[str, str]:
    key, version = token
    return {"KeyMarker": key, **({"VersionIdMarker": version} if version else {})}


VERSIONS = Kind(
    operation="ListObjectVersions",
    method="list_object_versions",
    root="ListVersionsResult",
    resume=_resume,
    page=_page,
)


class Heads:
    """Describes versions in one bucket. `prefix` goes before every key."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = prefix
        self._failed = 0

    def stats(self, wanted: Sequence[Version]) -> Iterator[tuple[int, Object | StoreError]]:
        """Yield (index, description or error), in order of completion."""
        client = self._connection.head_client()

        def one(index: int, stop: threading.Event) -> tuple[int, Object | StoreError]:
            item = wanted[index]
            try:
                found = self._quick(client, item) or describe(
                    self._connection, self._prefix, item.key, item.version_id
                )
            except (NotFound, Denied) as error:
                self._failed = 0
                return index, error
            except StoreError as error:
                self._failed += 1
                if self._failed >= _FAILED_IN_A_ROW:
                    raise  # it is not this object
                return index, error
            self._failed = 0
            return index, found

        try:
            yield from in_parallel(len(wanted), one, min(_THREADS, self._connection.concurrency))
        finally:
            if client is not None:
                client.close()

    def _quick(self, client: HeadClient | None, item: Version) -> Object | None:
        """Describe one version; None where boto3 must ask."""
        key = self._prefix + item.key
        credentials = self._connection.session.get_credentials()
        if client is None or credentials is None or is_awkward(key):
            return None
        query = f"versionId={quote(item.version_id, safe='-_.~')}" if item.version_id else ""
        frozen = credentials.get_frozen_credentials()
        headers = client.head(self._connection.place.path(key), query, frozen)
        return None if headers is None else _object(item, headers)


def _object(item: Version, lower: Mapping[str, str]) -> Object:
    until = lower.get("x-amz-object-lock-retain-until-date")
    return Object(
        key=item.key,
        size_bytes=int(lower["content-length"]),
        etag=lower.get("etag", "").strip('"'),
        modified_at=parsedate_to_datetime(lower["last-modified"]).astimezone(UTC),
        version_id=lower.get("x-amz-version-id") or item.version_id,
        sha256=full_sha256(
            lower.get("x-amz-checksum-sha256", ""), lower.get("x-amz-checksum-type", "")
        ),
        metadata={
            name[len(_METADATA) :]: value
            for name, value in lower.items()
            if name.startswith(_METADATA)
        },
        lock_mode=lower.get("x-amz-object-lock-mode"),
        retain_until=datetime.fromisoformat(until).astimezone(UTC) if until else None,
        legal_hold=lower.get("x-amz-object-lock-legal-hold") == "ON",
        storage_class=lower.get("x-amz-storage-class"),
    )


def check_lock_readable(
    connection: Connection, prefix: str, key: str, version_id: str | None
) -> None:
    """Raise Denied where the retention or the legal hold of a version may not be read."""
    where = f"s3://{connection.bucket}/{prefix}{key}"
    target = {"Bucket": connection.bucket, "Key": prefix + key}
    if version_id is not None:
        target["VersionId"] = version_id
    for ask in (connection.client.get_object_retention, connection.client.get_object_legal_hold):
        try:
            with boto_translated("read the lock of", where, key):
                ask(**target)
        except Denied:
            raise
        except StoreError:
            continue  # it has none, or this server has no such call: then its description counts
