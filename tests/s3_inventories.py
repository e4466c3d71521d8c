"""S3 Inventories as AWS delivers them: CSV with encoded keys, ORC, Parquet; for tests."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

BUCKET = "acme-exports"
DATED = "2026-10-06T21-32Z"
CREATED = datetime(2026, 10, 6, 21, 32, tzinfo=UTC)
WRITTEN = datetime(2026, 10, 6, 20, 0, 1, 500_000, tzinfo=UTC)
CURRENT = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass")
ALL_VERSIONS = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", *CURRENT[2:])
TYPES = {
    "Bucket": ("bucket", pa.string()),
    "Key": ("key", pa.string()),
    "VersionId": ("version_id", pa.string()),
    "IsLatest": ("is_latest", pa.bool_()),
    "IsDeleteMarker": ("is_delete_marker", pa.bool_()),
    "Size": ("size", pa.int64()),
    "LastModifiedDate": ("last_modified_date", pa.timestamp("ms")),
    "ETag": ("e_tag", pa.string()),
    "StorageClass": ("storage_class", pa.string()),
}
ENDINGS = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}


def entry(key: str, size: int | None = 10, **changes: Any) -> dict[str, Any]:
    """Return one entry; fields are named as in a CSV's fileSchema."""
    return {
        "Bucket": BUCKET,
        "Key": key,
        "Size": size,
        "LastModifiedDate": WRITTEN,
        "ETag": hashlib.md5(key.encode()).hexdigest(),
        "StorageClass": "STANDARD",
    } | changes


def encoded(entries: Iterable[Mapping[str, Any]], kind: str, fields: Sequence[str]) -> bytes:
    """Return a data file of one of the three formats."""
    if kind == "CSV":
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([_csv(one, name) for name in fields] for one in entries)
        return gzip.compress(text.getvalue().encode())
    rows = list(entries)
    columns = {TYPES[f][0]: pa.array([_typed(r[f]) for r in rows], TYPES[f][1]) for f in fields}
    sink = io.BytesIO()
    if kind == "ORC":
        orc.write_table(pa.table(columns), sink, compression="zlib")
    else:
        pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def _csv(one: Mapping[str, Any], field: str) -> str:
    match one[field]:
        case None:
            return ""
        case bool(value):
            return str(value).lower()
        case datetime() as moment:
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        case value:
            return quote_plus(value, safe="/") if field == "Key" else str(value)


def _typed(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def write(
    folder: Path,
    entries: Iterable[Mapping[str, Any]],
    kind: str = "CSV",
    *,
    fields: Sequence[str] = CURRENT,
    dated: str = DATED,
    parts: int = 1,
    **changes: Any,
) -> Path:
    """Write one inventory below the configuration's folder; return its manifest.

    `changes` go into the manifest; one to None removes the field.
    """
    rows = list(entries)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    described = []
    for number in range(parts):
        content = encoded(rows[number::parts], kind, fields)
        path = data / f"{hashlib.md5(content).hexdigest()}-{number}.{ENDINGS[kind]}"
        path.write_bytes(content)
        described.append(
            {
                "key": f"inventories/{BUCKET}/daily/data/{path.name}",
                "size": len(content),
                "MD5checksum": hashlib.md5(content).hexdigest(),
            }
        )
    manifest: dict[str, Any] = {
        "sourceBucket": BUCKET,
        "destinationBucket": "arn:aws:s3:::acme-inventories",
        "version": "2016-11-30",
        "creationTimestamp": str(int(CREATED.timestamp() * 1000)),
        "fileFormat": kind,
        "fileSchema": ", ".join(fields) if kind == "CSV" else "struct<...>",
        "files": described,
    }
    kept = {name: value for name, value in (manifest | changes).items() if value is not None}
    return write_manifest(folder / dated, json.dumps(kept).encode())


def write_manifest(dated: Path, body: bytes) -> Path:
    """Write a manifest with its checksum."""
    dated.mkdir(parents=True, exist_ok=True)
    (dated / "manifest.json").write_bytes(body)
    (dated / "manifest.checksum").write_text(hashlib.md5(body).hexdigest())
    return dated / "manifest.json"
