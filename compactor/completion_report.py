"""Read the completion report of an S3 Batch Operations job.

In:  a `manifest.json` and the files it names. Out: `Task`s. IO: reads them.

Every file must have the MD5 that the manifest states. A line begins `bucket, key, version, status`;
the two columns that follow are HTTP status and error code in the documented lines, and the other
way round in the report's own schema, so they are told apart by shape. Keys are as in the job's
manifest: URL-encoded.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-examples-reports.html (read 2026-11)
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from .errors import SourceError, VerificationFailed

FORMAT = "Report_CSV_20180820"
_COLUMNS = 7
_HTTP = re.compile(r"[1-5][0-9]{2}")

Get = Callable[[str, str], bytes]
"""(bucket, key) -> the bytes of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What became of one object."""

    bucket: str
    key: str
    version_id: str | None
    status: str
    """`succeeded` or `failed`."""
    http_status: int | None
    error_code: str
    message: str

    @property
    def is_done(self) -> bool:
        return self.status == "succeeded"

    def __str__(self) -> str:
        facts = (self.status, str(self.http_status or ""), self.error_code, self.message[:300])
        return " ".join(fact for fact in facts if fact)


def read(manifest: bytes, get: Get, *, where: str) -> Iterator[Task]:
    """Yield the tasks of one job.

    Raises: SourceError if manifest or a line is not as documented; VerificationFailed if a file has
            another MD5 than the manifest states; StoreError.
    """
    for bucket, key, md5 in _files(manifest, where):
        body = get(bucket, key)
        found = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if found != md5:
            raise VerificationFailed(
                f"s3://{bucket}/{key} is not what {where} names: expected MD5 {md5}, found {found}",
                key=key,
                hint="read it again; if it stays so, the report cannot be trusted",
            )
        yield from lines(body, f"s3://{bucket}/{key}")


def _files(manifest: bytes, where: str) -> list[tuple[str, str, str]]:
    try:
        document: Any = json.loads(manifest)
        kind = document["Format"]
        files = [(one["Bucket"], one["Key"], one["MD5Checksum"]) for one in document["Results"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{where} is not the manifest of a completion report: {error}") from error
    if kind != FORMAT:
        raise SourceError(f"{where}: expected the format {FORMAT}, found {kind!r}")
    return files


def lines(body: bytes, where: str) -> Iterator[Task]:
    """Yield the tasks of one file of a report."""
    try:
        rows = list(csv.reader(io.StringIO(body.decode()), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{where} is not CSV in UTF-8: {error}") from error
    for number, row in enumerate(rows, 1):
        if len(row) != _COLUMNS:
            raise SourceError(
                f"{where}, line {number}: expected {_COLUMNS} columns, found {len(row)}"
            )
        bucket, key, version, status, fifth, sixth, message = row
        http, code = (fifth, sixth) if _HTTP.fullmatch(fifth) else (sixth, fifth)
        if not _HTTP.fullmatch(http):
            if http and code:
                raise SourceError(
                    f"{where}, line {number}: neither {fifth!r} nor {sixth!r} is an HTTP status"
                )
            http, code = "", http or code
        yield Task(
            bucket=bucket,
            key=unquote(key),
            version_id=version or None,
            status=status.lower(),
            http_status=int(http) if http else None,
            error_code=code,
            message=message,
        )
