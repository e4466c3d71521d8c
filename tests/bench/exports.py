"""Generate the exports that are measured: RDS PostgreSQL snapshot exports, with their sidecars.

Dates, timestamps and numerics are text and pages are gzip, as RDS writes them. The same numbers
give the same data. A finished export is marked and used again by the next run.

The harness calls this as a child process, `python -m tests.bench.exports`: generating takes
gigabytes, and a parent's memory counts into `ru_maxrss` of the processes it starts.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

GENERATION = 2
"""Raise it when the data changes, so that no old folder is used again."""

DATABASE = "shop"
DAYS = 90

WORDS = (
    "leave parcel at the door ring twice neighbour gift wrap fragile call before delivery customer "
    "asked for refund wrong size colour blue green red late courier address changed paid by card "
    "voucher applied second attempt office hours only garden gate dog please do not bend keep cold "
    "return label sent"
)

ORDER_COLUMNS = (
    ("id", "bigint", "int64"),
    ("customer_id", "integer", "int32"),
    ("status", "text", "binary (UTF8)"),
    ("amount", "numeric", "binary (UTF8)"),
    ("created_at", "timestamp without time zone", "binary (UTF8)"),
    ("paid_on", "date", "binary (UTF8)"),
    ("note", "text", "binary (UTF8)"),
    ("quantity", "integer", "int32"),
)

# $first, $rows: the ids of this slice. $ids: how many ids are spread over the days.
# Rows are stored in id order; created_at follows it, up to a day earlier or later.
ORDER_ROWS = """
SELECT i AS id,
       (hash(i, 0) % 200000)::INTEGER AS customer_id,
       ['new', 'paid', 'packed', 'shipped', 'delivered', 'returned'][1 + (hash(i, 1) % 6)::INTEGER]
           AS status,
       ((hash(i, 2) % 1000000)::DECIMAL(12, 2) / 100)::DECIMAL(12, 2)::VARCHAR AS amount,
       made_at::VARCHAR AS created_at,
       CASE WHEN hash(i, 3) % 10 < 7
            THEN (made_at::DATE + (hash(i, 4) % 14)::INTEGER)::VARCHAR END AS paid_on,
       CASE WHEN hash(i, 5) % 5 > 0
            THEN concat_ws(' ', list_aggregate(
                     list_transform(range(11, 17), lambda n: word[1 + (hash(i, n) % 50)::BIGINT]),
                     'string_agg', ' '), hash(i, 17) % 1000000) ELSE '' END AS note,
       (1 + hash(i, 7) % 9)::INTEGER AS quantity
FROM (SELECT i, string_split($words, ' ') AS word,
             TIMESTAMP '2026-07-02'
             + to_microseconds(i % $ids * ($day * ($days - 2) // $ids)
                               + (hash(i, 8) % (2 * $day))::BIGINT - $day) AS made_at
      FROM (SELECT $first + range AS i FROM range($rows)))
"""


@dataclass(frozen=True)
class Shape:
    """One export: which case it is for, and how many tables, batch folders, files and rows."""

    name: str
    tables: tuple[str, ...]
    batches: int
    files_per_batch: int
    rows_per_file: int
    days: int = field(default=DAYS, repr=False)
    """Not in the mark of a finished export: it came later, and `name` tells the shapes apart."""

    @property
    def files(self) -> int:
        return len(self.tables) * self.batches * self.files_per_batch

    @property
    def rows(self) -> int:
        return self.files * self.rows_per_file

    @property
    def export_id(self) -> str:
        return f"bench-{self.name}"


TINY = Shape("tiny", ("orders",), batches=500, files_per_batch=40, rows_per_file=100)
BIG = Shape("big", ("orders",), batches=1, files_per_batch=16, rows_per_file=250_000)
MONTH = Shape("month", ("orders",), batches=1, files_per_batch=16, rows_per_file=83_000, days=30)
"""As many rows a day as BIG."""
HUGE = Shape("huge", ("orders",), batches=1, files_per_batch=160, rows_per_file=250_000)
FIXED = Shape(
    "fixed",
    tuple(f"orders_of_shop_{number}" for number in "abcdefghij"),
    batches=1,
    files_per_batch=1,
    rows_per_file=1_000,
)
SHAPES = {shape.name: shape for shape in (TINY, BIG, MONTH, HUGE, FIXED)}


def generate(shape: Shape, data: Path) -> Path:
    """Return the folder that holds the export `shape`, generated unless an earlier run did."""
    folder = data / f"{shape.name}-{GENERATION}"
    done = folder / ".done"
    wanted = repr(shape)
    if done.exists() and done.read_text() == wanted:
        return folder / "exports"
    shutil.rmtree(folder, ignore_errors=True)
    root = folder / "exports" / shape.export_id
    root.mkdir(parents=True)
    jobs = [(table, batch) for table in range(len(shape.tables)) for batch in range(shape.batches)]
    if shape.batches == 1:
        write = partial(_write_large_files, shape, root)
        jobs = [(t, f) for t in range(len(shape.tables)) for f in range(shape.files_per_batch)]
    else:
        write = partial(_write_small_files, shape, root)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        list(pool.map(write, jobs, chunksize=max(1, len(jobs) // 64)))
    _write_sidecars(shape, root)
    done.write_text(wanted)
    return folder / "exports"


def _rows(first: int, rows: int, ids: int, days: int) -> pyarrow.Table:
    """Return one slice of the orders."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    values = {
        "first": first,
        "rows": rows,
        "ids": ids,
        "days": days,
        "day": 86_400_000_000,
        "words": WORDS,
    }
    return connection.sql(ORDER_ROWS, params=values).to_arrow_table()


def _write_large_files(shape: Shape, root: Path, job: tuple[int, int]) -> None:
    """Write file number `job[1]` of table `job[0]`; ids go on from file to file."""
    table, number = job
    total = shape.files_per_batch * shape.rows_per_file
    rows = _rows(number * shape.rows_per_file, shape.rows_per_file, total, shape.days)
    _write(rows, _part(shape, root, table, batch=1, number=number))


def _write_small_files(shape: Shape, root: Path, job: tuple[int, int]) -> None:
    """Write all files of one batch folder: one tenant, with rows from all the days."""
    table, batch = job
    per_batch = shape.files_per_batch * shape.rows_per_file
    rows = _rows(batch * per_batch, per_batch, per_batch, shape.days)
    for number in range(shape.files_per_batch):
        piece = rows.slice(number * shape.rows_per_file, shape.rows_per_file)
        _write(piece, _part(shape, root, table, batch + 1, number))


def _write(rows: pyarrow.Table, path: Path) -> None:
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"compression": "gzip", "compression_level": 6, "version": "1.0"}
    spark = {"org.apache.spark.sql.parquet.row.metadata": json.dumps(_spark_schema())}
    rows = rows.replace_schema_metadata(spark)
    pyarrow.parquet.write_table(rows, path, store_schema=False, row_group_size=1 << 20, **options)


def _spark_schema() -> dict[str, object]:
    """Return what the exporter, a Spark job, leaves in every footer."""
    spark = {"int64": "long", "int32": "integer", "binary (UTF8)": "string"}
    return {
        "type": "struct",
        "fields": [
            {"name": name, "type": spark[exported], "nullable": True, "metadata": {}}
            for name, _original, exported in ORDER_COLUMNS
        ],
    }


def _part(shape: Shape, root: Path, table: int, batch: int, number: int) -> Path:
    folder = root / DATABASE / f"public.{shape.tables[table]}" / str(batch)
    unique = uuid.uuid5(uuid.NAMESPACE_URL, f"{shape.name}/{table}/{batch}")
    return folder / f"part-{number:05d}-{unique}-c000.gz.parquet"


def _write_sidecars(shape: Shape, root: Path) -> None:
    """Write the two JSON files that AWS writes beside the tables."""
    size_gb = sum(path.stat().st_size for path in root.rglob("*.parquet")) / 2**30
    info = {
        "exportTaskIdentifier": shape.export_id,
        "sourceArn": f"arn:aws:rds:us-east-1:111122223333:snapshot:rds:{shape.name}-2026-10-06",
        "exportOnly": [],
        "snapshotTime": "Oct 6, 2026, 3:47:12 AM",
        "taskStartTime": "Oct 6, 2026, 7:35:27 PM",
        "taskEndTime": "Oct 6, 2026, 7:58:27 PM",
        "s3Bucket": "exports",
        "s3Prefix": "",
        "exportedFilesPath": shape.export_id,
        "iamRoleArn": "arn:aws:iam::111122223333:role/service-role/export",
        "kmsKeyId": "arn:aws:kms:us-east-1:111122223333:key/00000000-0000-0000-0000-000000000000",
        "status": "COMPLETE",
        "percentProgress": 100,
        "totalExportedDataInGB": size_gb,
    }
    (root / f"export_info_{shape.export_id}.json").write_text(json.dumps(info))
    status = [_table_status(shape, table, size_gb / len(shape.tables)) for table in shape.tables]
    name = f"export_tables_info_{shape.export_id}_from_1_to_{len(status)}.json"
    (root / name).write_text(json.dumps({"perTableStatus": status}))


def _table_status(shape: Shape, table: str, size_gb: float) -> dict[str, object]:
    precision = {"bigint": 64, "integer": 32, "numeric": 12}
    return {
        "target": f"{DATABASE}.public.{table}",
        "tableStatistics": {
            "extractionStartTime": "Oct 6, 2026, 7:37:40 PM",
            "extractionEndTime": "Oct 6, 2026, 7:56:20 PM",
            "partitioningInfo": {
                "numberOfPartitions": shape.batches * shape.files_per_batch,
                "numberOfCompletedPartitions": shape.batches * shape.files_per_batch,
            },
        },
        "schemaMetadata": {
            "originalTypeMappings": [
                {
                    "columnName": name,
                    "originalType": original,
                    "expectedExportedType": exported,
                    "originalCharMaxLength": 0,
                    "originalNumPrecision": precision.get(original, 0),
                    "originalDateTimePrecision": 0,
                    "ordinalPosition": position,
                }
                for position, (name, original, exported) in enumerate(ORDER_COLUMNS, 1)
            ]
        },
        "status": "COMPLETE",
        "sizeGB": size_gb,
    }


def main(arguments: Sequence[str]) -> None:
    shape, data = arguments
    print(generate(SHAPES[shape], Path(data)))


if __name__ == "__main__":
    main(sys.argv[1:])
