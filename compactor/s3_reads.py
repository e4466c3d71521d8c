"""Reads from one bucket through s3fs: what `compactor query` needs of S3, and nothing else.

In:  `s3://bucket/prefix/`. Out: keys, whole objects, ranges of versions. IO: HTTPS.

Endpoint, region, credentials and CA bundle come from where the AWS tools take them, as for the
other stores. Those load boto3 and obstore, which a question that is answered in a second does not
have the time for.

A range names the version, where there is one, and otherwise the ETag that the first range had: all
ranges are of one content. Each answer tells the size of the whole, so no HEAD is needed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import aiohttp
import botocore.exceptions as boto_errors
from fsspec.asyn import sync
from s3fs import S3FileSystem

from .errors import Changed, StoreError
from .remote_reads import Item

_CONNECT_TIMEOUT_S = 10
_READ_TIMEOUT_S = 60
_ATTEMPTS = 4
"""Of botocore, with pauses between them; s3fs repeats them up to five times if nobody answers."""


class S3Reads:
    """Implements `Ranges`; safe to use from several threads."""

    def __init__(self, url: str, *, concurrency: int) -> None:
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._bucket = bucket
        self._prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self.url = f"s3://{bucket}/{self._prefix}"
        self._etags: dict[Item, str] = {}
        self._lock = threading.Lock()
        # botocore knows AWS_DEFAULT_REGION only; where an endpoint is set, a region is only a name
        region = os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION")
        self._files = S3FileSystem(
            skip_instance_cache=True,
            client_kwargs={"region_name": region} if region else {},
            config_kwargs={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "read_timeout": _READ_TIMEOUT_S,
                "max_pool_connections": concurrency,
                "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
            },
        )

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield every key that begins so. Raises: StoreError"""
        more: dict[str, str] = {}
        while True:
            with _translated("list", f"{self.url}{prefix}", prefix):
                page = self._files.call_s3(
                    "list_objects_v2", Bucket=self._bucket, Prefix=self._prefix + prefix, **more
                )
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(self._prefix)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def get(self, key: str) -> bytes:
        """Return a small object whole. Raises: NotFound, Denied"""
        with _translated("read", f"{self.url}{key}", key):
            return self._asked(key)[1]

    def read(self, item: Item, start: int, stop: int) -> bytes:
        """Return a range of an object; see `Ranges`."""
        where = f"{self.url}{item.key}"
        if start >= stop:
            return b""
        which = {"Range": f"bytes={start}-{stop - 1}"}
        if item.version_id is not None:
            which["VersionId"] = item.version_id
        elif item in self._etags:
            which["IfMatch"] = self._etags[item]
        with _translated("read", where, item.key):
            try:
                answer, found = self._asked(item.key, **which)
            except OSError as error:
                if _code(error) == "InvalidRange":  # it begins after the object's end
                    raise _changed(where, item, "fewer") from error
                raise
        whole = str(answer.get("ContentRange", "")).rpartition("/")[2]
        if whole != str(item.size_bytes) or len(found) != stop - start:
            raise _changed(where, item, f"{whole or len(found)} bytes")
        self._etags.setdefault(item, answer["ETag"])
        return found

    def _asked(self, key: str, **which: str) -> tuple[dict[str, Any], bytes]:
        """Return an answer and its body; ask again where the connection breaks in its midst."""
        for left in reversed(range(_ATTEMPTS)):
            answer = self._files.call_s3(
                "get_object", Bucket=self._bucket, Key=self._prefix + key, **which
            )
            try:
                return answer, sync(self._files.loop, _read, answer["Body"])
            except (aiohttp.ClientError, TimeoutError):
                if not left:
                    raise
        raise AssertionError("unreachable")


async def _read(body: Any) -> bytes:
    async with body:  # gives the connection back
        found: bytes = await body.read()
    return found


def _changed(where: str, item: Item, found: str) -> Changed:
    return Changed(
        f"{where} is not what the manifest names: expected {item.size_bytes} bytes, found {found}",
        key=item.key,
        hint="see what compactor audit says of it",
    )


@contextmanager
def _translated(doing: str, where: str, key: str) -> Iterator[None]:
    """Turn what s3fs raises inside the block into our errors."""
    try:
        yield
    except (boto_errors.BotoCoreError, ValueError):
        with _boto_translated(doing, where, key):
            raise
    except (OSError, aiohttp.ClientError) as error:
        if isinstance(error.__cause__, boto_errors.ClientError):
            with _boto_translated(doing, where, key):
                raise error.__cause__ from error  # s3fs: an OSError in place of S3's answer
        raise StoreError(
            f"cannot {doing} {where}: {type(error).__name__} {error}",
            key=key,
            hint="check the endpoint (AWS_ENDPOINT_URL) and the network, then run again",
        ) from error


def _boto_translated(doing: str, where: str, key: str) -> AbstractContextManager[None]:
    from .store.s3_client import boto_translated  # loads boto3 and obstore

    return boto_translated(doing, where, key)


def _code(error: Exception) -> str:
    """Return S3's code for what s3fs raised, if it came from S3."""
    cause = error.__cause__
    response = cause.response if isinstance(cause, boto_errors.ClientError) else {}
    return str(response.get("Error", {}).get("Code", ""))
