"""Listings and sidecars by hand, for tests of stages that need no store."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from compactor.detect import detect
from compactor.inventory import INVENTORY_SCHEMA, Detected, Inventory
from compactor.readers import READERS
from compactor.readers.interface import any_of

NOW = datetime(2026, 10, 7, tzinfo=UTC)
WRITTEN = datetime(2026, 10, 6, 20, 0, tzinfo=UTC)
COLUMNS = (
    ("id", "bigint"),
    ("label", "text"),
    ("created_at", "timestamp without time zone"),
)
Columns = Sequence[tuple[str, str]]


def part(number: int = 0) -> str:
    """Return a file name as the exporter writes it."""
    return f"part-{number:05d}-{uuid.UUID(int=number + 1)}-c000.gz.parquet"


def entry(target: str, columns: Columns = COLUMNS, **changes: Any) -> dict[str, Any]:
    """Return a table's entry of `perTableStatus`; a change to None removes the field."""
    found: dict[str, Any] = {
        "target": target,
        "tableStatistics": {
            "partitioningInfo": {"numberOfPartitions": 1, "numberOfCompletedPartitions": 1}
        },
        "schemaMetadata": {
            "originalTypeMappings": [
                {"columnName": name, "originalType": kind, "expectedExportedType": "binary (UTF8)"}
                for name, kind in columns
            ]
        },
        "status": "COMPLETE",
        "sizeGB": 0.5,
    }
    return {key: value for key, value in (found | changes).items() if value is not None}


def info(export_id: str, **changes: Any) -> dict[str, Any]:
    """Return the content of an export_info; a change to None removes the field."""
    found: dict[str, Any] = {
        "exportTaskIdentifier": export_id,
        "sourceArn": "arn:aws:rds:us-east-1:111122223333:snapshot:rds:shop-prod",
        "snapshotTime": "Oct 6, 2026, 3:47:12 AM",
        "taskStartTime": "Oct 6, 2026, 7:35:27 PM",
        "status": "COMPLETE",
    }
    return {key: value for key, value in (found | changes).items() if value is not None}


def sidecars(
    export_id: str,
    entries: Sequence[Any],
    *,
    root: str | None = None,
    per_file: int = 100,
    **changes: Any,
) -> dict[str, bytes]:
    """Return the sidecars of one export by key; `changes` go into export_info."""
    root = f"{export_id}/" if root is None else root
    found = {f"{root}export_info_{export_id}.json": json.dumps(info(export_id, **changes)).encode()}
    for start in range(0, len(entries), per_file):
        some = list(entries[start : start + per_file])
        name = f"export_tables_info_{export_id}_from_{start + 1}_to_{start + len(some)}.json"
        found[root + name] = json.dumps({"perTableStatus": some}).encode()
    return found


def inventory(
    folder: Path,
    keys: Iterable[str] | Mapping[str, int],
    control: Mapping[str, bytes] | None = None,
    *,
    etags: Mapping[str, str] | None = None,
    more_sources: Sequence[tuple[Iterable[str], Mapping[str, bytes]]] = (),
) -> Inventory:
    """Write a listing of keys (with sizes, default 1000 bytes) and sidecars, in the order given."""
    rows: list[dict[str, Any]] = []
    all_control: dict[tuple[int, str], bytes] = {}
    sources = [(keys, control or {}), *more_sources]
    for source, (of_source, its_control) in enumerate(sources):
        sizes = (
            dict(of_source) if isinstance(of_source, Mapping) else dict.fromkeys(of_source, 1000)
        )
        sizes |= {key: len(content) for key, content in its_control.items()}
        all_control |= {(source, key): content for key, content in its_control.items()}
        for key, size in sizes.items():
            etag = (etags or {}).get(key) or hashlib.md5(key.encode()).hexdigest()
            rows.append(
                {"source": source, "key": key, "size_bytes": size, "etag": etag}
                | {"modified_at": WRITTEN, "version_id": None}
            )
    path = folder / f"listing-{uuid.uuid4().hex}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=INVENTORY_SCHEMA), path)
    urls = tuple(f"s3://source-{source}/" for source in range(len(sources)))
    return Inventory(listing=path, control=all_control, urls=urls, objects=len(rows))


def detected(folder: Path, found: Inventory) -> Detected:
    scratch = folder / uuid.uuid4().hex
    scratch.mkdir()
    return detect(found, scratch, NOW)


def assigned(found: Detected) -> list[dict[str, Any]]:
    """Return the rows of the assigned listing, without the moments."""
    with duckdb.connect() as connection:
        table = connection.sql(
            "SELECT * EXCLUDE (modified_at) FROM read_parquet($path)",
            params={"path": str(found.assigned)},
        )
        return table.to_arrow_table().to_pylist()


def is_sidecar(key: str) -> bool:
    """Whether scan would fetch this key: asked of the engine that scan asks."""
    pattern = any_of(tuple(pattern for reader in READERS for pattern in reader.control))
    with duckdb.connect() as connection:
        found = connection.execute("SELECT regexp_matches($1, $2)", [key, pattern]).fetchone()
    return bool(found and found[0])


def kinds(found: Detected) -> dict[str, int]:
    """Return how many findings there are of each kind."""
    counted: dict[str, int] = {}
    for finding in found.findings:
        counted[finding.kind] = counted.get(finding.kind, 0) + 1
    return counted


def statuses(found: Detected) -> dict[str, str]:
    return {table.table: table.status for export in found.exports for table in export.tables}
