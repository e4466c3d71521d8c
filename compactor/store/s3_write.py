"""Write objects, lock them, and prove both by asking the store.

A write is one PutObject with its SHA-256 sent along, so that the store refuses other bytes and
keeps the digest. Whether a PUT whose answer was lost has been carried out is not known. botocore
would repeat it blindly, and a versioned bucket then holds two versions; here

1. HEAD first: an object with this digest is the one that was sent; done.
2. Else repeat on condition that the key still is as that HEAD saw it (If-None-Match, If-Match): if
   the first PUT arrives late, the second one fails instead of doubling it.

Locks are asked for on the PUT and read back; where the server ignored them, `s3_lock` sets them.

API: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html (read 2026-11-21)
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.exceptions as boto_errors

from ..errors import AlreadyExists, Denied, LockUnsupported, NotFound, StoreError
from .interface import Object, Retention
from .s3_client import (
    Connection,
    boto_translated,
    client_error_code,
    client_error_status,
)
from .s3_lock import check_lock_support, describe, is_locked, lock

MAX_PUT_BYTES = 5 << 30
_REPEATABLE = {
    "RequestTimeout",
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "OperationAborted",
    "ConditionalRequestConflict",
    "IncompleteBody",
}
_FAILURES = (boto_errors.ClientError, boto_errors.HTTPClientError, boto_errors.ConnectionError)
_DAMAGED = {"BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest"}
"""The store refused bytes that do not match their digest: damaged on the way, or changed here."""


class Writer:
    """Writes to one bucket. `prefix` goes before every key; objects get `storage_class`, else the
    bucket's default."""

    def __init__(self, connection: Connection, prefix: str, storage_class: str | None) -> None:
        self._connection = connection
        self._prefix = prefix
        self._storage_class = storage_class
        self._can_lock = False

    def put(
        self,
        key: str,
        body: Path | bytes,
        *,
        sha256: str,
        metadata: Mapping[str, str],
        only_if_absent: bool,
        retention: Retention | None,
    ) -> Object:
        """Write one object in one request, read it back, lock it if asked."""
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        request = self._request(key, size, sha256, metadata)
        if retention is not None:
            self.require_locks()
            request |= {
                "ObjectLockMode": retention.mode,
                "ObjectLockRetainUntilDate": retention.until,
                **({"ObjectLockLegalHoldStatus": "ON"} if retention.legal_hold else {}),
            }
        if self._storage_class is not None:
            request["StorageClass"] = self._storage_class
        written = self._put_once(key, body, request, only_if_absent=only_if_absent)
        found = written.sha256 or written.metadata.get("sha256")
        if written.size_bytes != size or found != sha256:
            raise StoreError(
                f"{self._where(key)} is not what was written: expected {size} bytes with SHA-256 "
                f"{sha256}, the store has {written.size_bytes} bytes with {found}",
                key=key,
                hint="did another process write the same key?",
            )
        if retention is None or is_locked(written, retention):
            return written
        if written.version_id is None:
            raise LockUnsupported(
                f"{self._where(key)} cannot be locked: the bucket keeps no versions", key=key
            )
        return self.lock(key, written.version_id, retention)

    def require_locks(self) -> None:
        """Ask once. Some servers take lock headers for a bucket that cannot lock (LocalStack)."""
        if not self._can_lock:
            with contextlib.suppress(Denied):  # not a permission that writing needs; read back
                check_lock_support(self._connection)
                self._can_lock = True

    def _request(
        self, key: str, size: int, sha256: str, metadata: Mapping[str, str]
    ) -> dict[str, Any]:
        if size > MAX_PUT_BYTES:
            raise StoreError(
                f"{self._where(key)} would have {size} bytes; one PUT takes {MAX_PUT_BYTES}",
                key=key,
                hint="choose a smaller target_file_size",
            )
        for name, value in metadata.items():
            text = name + value
            if not (text.isascii() and text.isprintable()) or value != value.strip():
                raise StoreError(
                    f"metadata of {self._where(key)} cannot be sent: {name}={value!r}",
                    key=key,
                    hint="only printable ASCII without outer spaces: percent-encode the value",
                )
        return {
            "Bucket": self._connection.bucket,
            "Key": self._prefix + key,
            # some servers take a locked write only if the algorithm is named as well
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "ContentLength": size,
            "Metadata": {**{k.lower(): v for k, v in metadata.items()}, "sha256": sha256},
        }

    def _put_once(
        self, key: str, body: Path | bytes, request: dict[str, Any], *, only_if_absent: bool
    ) -> Object:
        """Send until there is an answer, and never leave two objects."""
        patience = self._connection.patience
        condition = {"IfNoneMatch": "*"} if only_if_absent else {}
        for attempt in range(1, patience.attempts + 1):
            try:
                with _opened(body) as stream:
                    answer = self._connection.write_client.put_object(
                        Body=stream, **request, **condition
                    )
                return describe(self._connection, self._prefix, key, answer.get("VersionId"))
            except _FAILURES as error:
                self._check_digest(error, key, body, request)
                refused = _is_refused_condition(error)
                if not refused and not _is_repeatable(error):
                    with boto_translated("write", self._where(key), key):
                        raise
                present = self._present(key)
                if present is not None and _is_same(present, request):
                    return present
                if refused and only_if_absent:
                    raise self._exists(key, request, present) from error
                if attempt == patience.attempts:
                    with boto_translated(f"write, {attempt} times", self._where(key), key):
                        raise
                if not only_if_absent:
                    # a refused condition of our own: another writer, or a server without conditions
                    condition = {} if refused else _condition(present)
                limit = min(patience.backoff_max_s, patience.backoff_s * 2 ** (attempt - 1))
                time.sleep(limit * random.uniform(0.5, 1.0))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _check_digest(
        self, error: Exception, key: str, body: Path | bytes, request: Mapping[str, Any]
    ) -> None:
        """Raise if it was not the way that changed the bytes."""
        if _code(error) not in _DAMAGED:
            return
        with _opened(body) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != request["Metadata"]["sha256"]:
            raise StoreError(
                f"{self._where(key)} was not written: its bytes have SHA-256 {found}, "
                f"announced was {request['Metadata']['sha256']}",
                key=key,
                hint="has the file changed since it was hashed?",
            ) from error

    def _present(self, key: str) -> Object | None:
        try:
            return describe(self._connection, self._prefix, key)
        except NotFound:
            return None

    def _exists(self, key: str, request: dict[str, Any], present: Object | None) -> AlreadyExists:
        found = (
            "an object"
            if present is None
            else f"{present.size_bytes} bytes with SHA-256 "
            + (present.sha256 or present.metadata.get("sha256") or "unknown")
        )
        return AlreadyExists(
            f"{self._where(key)} exists: expected nothing, or SHA-256 "
            f"{request['Metadata']['sha256']}, found {found}",
            key=key,
            hint="another run has written it; compare before anything is replaced",
        )

    def lock(self, key: str, version_id: str, retention: Retention) -> Object:
        """Lock one version and return it as read back."""
        return lock(self._connection, self._prefix, key, version_id, retention)

    def _where(self, key: str) -> str:
        return f"s3://{self._connection.bucket}/{self._prefix}{key}"


def _is_same(present: Object, request: Mapping[str, Any]) -> bool:
    """Tell whether this is the object that was sent."""
    expected = request["Metadata"]["sha256"]
    found = present.sha256 or present.metadata.get("sha256")
    return found == expected and present.size_bytes == int(request["ContentLength"])


def _condition(present: Object | None) -> dict[str, str]:
    return {"IfNoneMatch": "*"} if present is None else {"IfMatch": f'"{present.etag}"'}


def _code(error: Exception) -> str:
    return client_error_code(error) if isinstance(error, boto_errors.ClientError) else ""


def _is_refused_condition(error: Exception) -> bool:
    return _code(error) in ("PreconditionFailed", "412", "NotImplemented")


def _is_repeatable(error: Exception) -> bool:
    if not isinstance(error, boto_errors.ClientError):
        return True
    return client_error_status(error) >= 500 or _code(error) in _REPEATABLE | _DAMAGED


def _opened(body: Path | bytes) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(body) if isinstance(body, bytes) else body.open("rb")
