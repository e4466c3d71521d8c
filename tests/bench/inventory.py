"""Generate an S3 Inventory of ten million objects in all formats, and read it (for one case).

    python -m tests.bench.inventory generate FOLDER       what the case needs; kept, used again
    python -m tests.bench.inventory read FOLDER FORMAT    take stock from it, and print the number

The objects are those of RDS exports: forty exports of 25 tables, 10,000 part files a table, most
tables in one batch folder, each tenth in 500 with a job marker in each, and some objects that
belong to nothing. Only the exports' sidecars exist as files: taking stock fetches nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .contest import Result, Run, child, log_run
from .machine import REPOSITORY
from .process import measure

if TYPE_CHECKING:
    import pyarrow as pa

GENERATION = 2
"""Raise it when the data changes, so that no old folder is used again."""

READING, SCANNING = "reading", "scan, reading included,"
OBJECTS = 10_000_000
FORMATS = {"csv": "CSV", "parquet": "Parquet", "orc": "ORC"}
EXPORTS, TABLES, FILES = 40, 25, 10_000
ROWS_PER_FILE = 500_000
BUCKET = "acme-exports"
SCHEMA = "Bucket, Key, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded"
CREATED_AT = "2026-10-07T00-00Z"
CREATED_MS = 1_791_331_200_000
WRITTEN = datetime(2026, 10, 6, 20)  # noqa: DTZ001 (UTC without saying so, as in ORC and Parquet)

# $first, $rows: the objects of this slice, in the order of their keys. An object of each 500 is the
# marker of its batch folder, one of 100,000 is nothing that anybody knows.
OBJECT_ROWS = """
SELECT 'acme-exports' AS bucket,
       printf('prod-%02d/shop/public.orders_of_shop_%02d/', e, t) || CASE
           WHEN i % 100000 = 77777 THEN printf('notes %d+%d.txt', e, f)
           WHEN t % 10 = 0 AND f % 20 = 0 THEN printf('%d/_SUCCESS', f // 20 + 1)
           WHEN t % 10 = 0
               THEN printf('%d/part-%05d-', f // 20 + 1, f % 20) || uuid_of(e, t, f // 20)
           ELSE printf('1/part-%05d-', f) || uuid_of(e, t, 0)
       END AS key,
       CASE WHEN t % 10 = 0 AND f % 20 = 0 THEN 0 ELSE 5000 + (hash(i, 1) % 9000000)::BIGINT END
           AS size,
       TIMESTAMP '2026-10-06 03:00:00' + to_milliseconds((i * 7)::BIGINT) AS last_modified_date,
       md5(i::VARCHAR) AS e_tag,
       'STANDARD' AS storage_class,
       false AS is_multipart_uploaded
FROM (
    SELECT i, i // 250000 AS e, i // 10000 % 25 AS t, i % 10000 AS f
    FROM range($first::BIGINT, $first::BIGINT + $rows::BIGINT) AS numbers(i)
)
"""
_UUID = """
CREATE MACRO uuid_of(e, t, batch) AS
    md5(concat_ws('/', e, t, batch))::UUID::VARCHAR || '-c000.gz.parquet'
"""
_AS_CSV = """
COPY (
    SELECT bucket, replace(replace(url_encode(key), '%2F', '/'), '%20', '+'), size,
           strftime(last_modified_date, '%Y-%m-%dT%H:%M:%S.%gZ'), e_tag, storage_class,
           is_multipart_uploaded
    FROM slice
) TO $out (FORMAT csv, HEADER false, FORCE_QUOTE *, COMPRESSION gzip)
"""
_AS_PARQUET = "COPY (FROM slice) TO $out (FORMAT parquet, COMPRESSION snappy)"


def generate(folder: Path) -> Path:
    """Return the folder: `source` with sidecars, and one inventory per format, if not there yet."""
    import duckdb
    import pyarrow.orc as orc

    root = folder / f"inventory-{GENERATION}"
    done = root / ".done"
    if done.exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    for name in FORMATS:
        (root / name / "data").mkdir(parents=True)
    connection = duckdb.connect()
    connection.execute(_UUID)

    def write(entries: pa.Table, name: str) -> None:
        connection.register("slice", entries)
        paths = {kind: root / kind / "data" / f"{name}.{kind}" for kind in FORMATS}
        connection.execute(_AS_CSV, {"out": f"{paths['csv']}.gz"})
        connection.execute(_AS_PARQUET, {"out": str(paths["parquet"])})
        orc.write_table(entries, paths["orc"], compression="zlib")

    for number in range(OBJECTS // ROWS_PER_FILE):
        size = {"first": number * ROWS_PER_FILE, "rows": ROWS_PER_FILE}
        write(connection.sql(OBJECT_ROWS, params=size).to_arrow_table(), f"{number:05d}")
    for number in range(EXPORTS):
        _write_sidecars(root / "source", f"prod-{number:02d}")
    write(_sidecar_entries(root / "source"), "sidecars")
    for name in FORMATS:
        _write_manifest(root / name, name)
    done.touch()
    return root


def _sidecar_entries(source: Path) -> pa.Table:
    import pyarrow as pa

    paths = sorted(path for path in source.rglob("*") if path.is_file())
    many = len(paths)
    return pa.table(
        {
            "bucket": [BUCKET] * many,
            "key": [path.relative_to(source).as_posix() for path in paths],
            "size": pa.array([path.stat().st_size for path in paths], pa.int64()),
            "last_modified_date": pa.array([WRITTEN] * many, pa.timestamp("us")),
            "e_tag": [f"{number:032x}" for number in range(many)],
            "storage_class": ["STANDARD"] * many,
            "is_multipart_uploaded": [False] * many,
        }
    )


def _write_manifest(folder: Path, name: str) -> None:
    files = [
        {
            "key": f"inventories/{BUCKET}/daily/data/{path.name}",
            "size": path.stat().st_size,
            "MD5checksum": hashlib.md5(path.read_bytes()).hexdigest(),
        }
        for path in sorted((folder / "data").iterdir())
    ]
    manifest = {
        "sourceBucket": BUCKET,
        "destinationBucket": "arn:aws:s3:::acme-inventories",
        "version": "2016-11-30",
        "creationTimestamp": str(CREATED_MS),
        "fileFormat": FORMATS[name],
        "fileSchema": SCHEMA,
        "files": files,
    }
    dated = folder / CREATED_AT
    dated.mkdir()
    body = json.dumps(manifest).encode()
    (dated / "manifest.json").write_bytes(body)
    (dated / "manifest.checksum").write_text(hashlib.md5(body).hexdigest())


def _write_sidecars(source: Path, export_id: str) -> None:
    root = source / export_id
    root.mkdir(parents=True)
    info = {
        "exportTaskIdentifier": export_id,
        "sourceArn": f"arn:aws:rds:us-east-1:111122223333:snapshot:rds:{export_id}",
        "snapshotTime": f"Oct 6, 2026, 3:{export_id[-2:]}:12 AM",
        "status": "COMPLETE",
    }
    tables = [
        {
            "target": f"shop.public.orders_of_shop_{number:02d}",
            "status": "COMPLETE",
            "tableStatistics": {"partitioningInfo": {}},
            "schemaMetadata": {"originalTypeMappings": []},
        }
        for number in range(TABLES)
    ]
    (root / f"export_info_{export_id}.json").write_text(json.dumps(info))
    name = f"export_tables_info_{export_id}_from_1_to_{TABLES}.json"
    (root / name).write_text(json.dumps({"perTableStatus": tables}))


def read(root: Path, name: str) -> int:
    """Take stock of the source by one of the inventories; return the number of objects."""
    from datetime import UTC
    from tempfile import TemporaryDirectory

    from compactor import scan
    from compactor.s3_inventory import Inventories, open_place
    from compactor.store import open_store

    inventories = Inventories(
        places={0: open_place(str(root / name))}, now=datetime(2026, 10, 7, 20, tzinfo=UTC)
    )
    with TemporaryDirectory() as scratch:
        found = scan.scan([open_store(str(root / "source"))], Path(scratch), inventories)
    return found.objects


def contest(data: Path, work: Path, runs: int) -> list[Result]:
    """Measure reading each format, and the command `scan` on it, which reads it first."""
    root = Path(child("tests.bench.inventory", "generate", str(data)).strip())
    env = {"PYTHONPATH": os.pathsep.join(filter(None, (str(REPOSITORY), os.getenv("PYTHONPATH"))))}
    config = work / "inventory.toml"
    results = []
    for kind, name in FORMATS.items():
        reading = [sys.executable, "-m", "tests.bench.inventory", "read", str(root), kind]
        scanning = [sys.executable, "-m", "compactor", "-c", str(config), "scan", "--json"]
        for what, command in ((READING, reading), (SCANNING, scanning)):
            config.write_text(_config(root, kind, work))
            result = Result("inventory", f"{what} {name}", OBJECTS, OBJECTS // ROWS_PER_FILE + 1)
            results.append(result)
            for number in range(runs):
                folder = work / "process"
                folder.mkdir()
                measured = measure(command, env=env, folder=folder, cap_s=None)
                error = None if measured.exit_code else _wrong((folder / "stdout").read_text())
                if measured.exit_code:
                    tail = (folder / "stderr").read_text(errors="replace")[-3000:]
                    error = f"exit code {measured.exit_code}; stderr ends:\n{tail}"
                result.runs.append(Run(measured, error=error))
                log_run("inventory", result.contestant, number + 1, result.runs[-1])
                shutil.rmtree(folder)
                if error:
                    break
    return results


def _config(root: Path, kind: str, work: Path) -> str:
    source = json.dumps(str(root / "source"))
    lines = [
        "[source]", f"urls = [{source}]",
        f"inventory = {{{source} = {json.dumps(str(root / kind))}}}",
        "[lake]", f"url = {json.dumps(str(work / 'lake'))}",
        "[limits]", 'memory = "2GiB"',
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _wrong(stdout: str) -> str | None:
    """Say what is wrong with what a process that ended well has printed."""
    said = json.loads(stdout)
    expected = OBJECTS + 2 * EXPORTS
    if isinstance(said, int):
        return None if said == expected else f"read {said:,} objects instead of {expected:,}"
    files = sum(table["files"] for export in said["exports"] for table in export["tables"])
    strange = sum(f["objects"] for f in said["findings"] if f["kind"] == "unrecognised_objects")
    markers = EXPORTS * (TABLES // 10 + 1) * FILES // 20
    found = files + strange + markers + 2 * EXPORTS
    return None if found == expected else f"scan told of {found:,} objects instead of {expected:,}"


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["generate", folder]:
            print(generate(Path(folder)))
        case ["read", root, name]:
            print(read(Path(root), name))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
