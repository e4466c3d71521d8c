"""Write what AWS DMS (or Qlik Replicate) leaves in an S3 target: a local folder to try things on.

In:  PyArrow tables, and when DMS would have written them. Out: Parquet or CSV files below
`<folder>/<bucket folder>/<schema>/<table>/`, with those modification times. The only IO is writing
that folder.

1. Full loads have no column `Op` unless asked for, changes always have it; both have a timestamp
   column, text and REQUIRED. So their schemas differ, as in real targets.
2. The same calls write the same bytes and the same modification times; nothing reads a clock.
3. Nothing is checked for sense. A test that needs a broken target calls this and breaks it.

    target = DmsTarget(Path("exports"), bucket_folder="dms/")
    target.full_load("public", "orders", rows, at=loaded, files=18)
    target.changes("public", "orders", rows, ["I", "U", "D"], at=changed)

Sources (read on 2026-11-25):
  https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html   folders, names, columns
  https://docs.aws.amazon.com/dms/latest/APIReference/API_TableStatistics.html
The Parquet files follow a real one of the Parquet libraries' test data; `.dfm` files follow Qlik's
list of their fields, its sections' names are a guess.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Format = Literal["parquet", "csv", "csv.gz"]
_SEQUENCES = {
    "YYYYMMDD": "%Y %m %d",
    "YYYYMMDDHH": "%Y %m %d %H",
    "YYYYMM": "%Y %m",
    "MMYYYYDD": "%m %Y %d",
    "DDMMYYYY": "%d %m %Y",
}
_DELIMITERS = {"SLASH": "/", "DASH": "-", "UNDERSCORE": "_", "NONE": ""}
_ROW_GROUP_ROWS = 10_024
"""RowGroupLength's default."""


@dataclass
class DmsTarget:
    """One S3 endpoint of DMS and what was written through it. Fields are its settings."""

    folder: Path
    bucket_folder: str = ""
    format: Format = "parquet"
    timestamp_column: str = "dms_ts"
    """TimestampColumnName; empty: no such column."""
    op_in_full_load: bool = False
    """IncludeOpForFullLoad."""
    date_sequence: str | None = "YYYYMMDD"
    """DatePartitionSequence; None without DatePartitionEnabled."""
    date_delimiter: str = "SLASH"
    with_dfm: bool = False
    """Write Qlik's description beside each file."""
    _loaded: dict[tuple[str, str], int] = field(default_factory=dict, init=False)

    def full_load(
        self,
        schema: str,
        table: str,
        rows: pa.Table,
        at: datetime,
        *,
        files: int = 1,
        partition: str = "",
    ) -> list[Path]:
        """Write a full load, one file a second from `at` on; `partition` is a folder of its own."""
        below = self.table_folder(schema, table) / partition
        written = []
        edges = [rows.num_rows * number // files for number in range(files + 1)]
        for number, (first, last) in enumerate(itertools.pairwise(edges)):
            moment = at + timedelta(seconds=number)
            part = rows.slice(first, last - first)
            ops = ["I"] * part.num_rows if self.op_in_full_load else None
            path = below / f"LOAD{number + 1:08X}.{self.format}"
            self._write(path, self._with_columns(part, ops, [moment] * part.num_rows), moment)
            written.append(path)
        known = self._loaded.get((schema, table), 0)
        self._loaded[schema, table] = known + rows.num_rows
        return written

    def changes(
        self,
        schema: str,
        table: str,
        rows: pa.Table,
        ops: Sequence[str],
        at: datetime,
        *,
        commits: Sequence[datetime] | None = None,
    ) -> Path:
        """Write one file of changes, named after `at`; commits are at that moment unless given."""
        utc = at.astimezone(UTC)
        below = self.table_folder(schema, table)
        if self.date_sequence is not None:
            parts = utc.strftime(_SEQUENCES[self.date_sequence])
            below /= parts.replace(" ", _DELIMITERS[self.date_delimiter])
        path = below / f"{utc:%Y%m%d-%H%M%S}{utc.microsecond // 1000:03d}.{self.format}"
        moments = [at] * rows.num_rows if commits is None else list(commits)
        self._write(path, self._with_columns(rows, list(ops), moments), at)
        return path

    def control(self, table: str, rows: pa.Table, at: datetime) -> Path:
        """Write one of DMS's own tables, such as `awsdms_status`: beside the schemas."""
        path = self.folder / self.bucket_folder / table / f"LOAD00000001.{self.format}"
        self._write(path, rows, at)
        return path

    def table_folder(self, schema: str, table: str) -> Path:
        return self.folder / self.bucket_folder / schema / table

    def statistics(self) -> bytes:
        """Return what `aws dms describe-table-statistics` would answer."""
        tables = [
            {
                "SchemaName": schema,
                "TableName": table,
                "FullLoadRows": rows,
                "FullLoadErrorRows": 0,
                "TableState": "Table completed",
            }
            for (schema, table), rows in sorted(self._loaded.items())
        ]
        arn = "arn:aws:dms:us-east-1:111122223333:task:EXAMPLE"
        answer = {"ReplicationTaskArn": arn, "TableStatistics": tables}
        return json.dumps(answer, indent=2).encode()

    # --- files ---

    def _with_columns(
        self, rows: pa.Table, ops: Sequence[str] | None, moments: Sequence[datetime]
    ) -> pa.Table:
        """Return the rows with DMS's own columns before them."""
        columns: list[tuple[pa.Field, pa.Array]] = []
        if ops is not None:
            columns.append((pa.field("Op", pa.string()), pa.array(ops, pa.string())))
        if self.timestamp_column:
            said = pa.array([_said(moment) for moment in moments], pa.string())
            columns.append((pa.field(self.timestamp_column, pa.string(), nullable=False), said))
        schema = pa.schema([own for own, _ in columns] + list(rows.schema))
        return pa.Table.from_arrays([values for _, values in columns] + rows.columns, schema=schema)

    def _write(self, path: Path, rows: pa.Table, at: datetime) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.format == "parquet":
            _write_parquet(path, rows)
        else:
            _write_csv(path, rows)
        touch(path, at)
        if self.with_dfm:
            name = path.name.removesuffix(f".{self.format}")
            description = path.with_name(f"{name}.dfm")
            description.write_bytes(_dfm(name, self.format, rows, at))
            touch(description, at)


def touch(path: Path, at: datetime) -> None:
    """Set when a file was written."""
    os.utime(path, (at.timestamp(), at.timestamp()))


def _write_parquet(path: Path, rows: pa.Table) -> None:
    """Write one file as DMS does: not compressed, small row groups, no Arrow schema inside."""
    pq.write_table(
        rows,
        path,
        compression="none",
        version="2.6",
        row_group_size=_ROW_GROUP_ROWS,
        store_schema=False,
        coerce_timestamps="us",
    )


def _write_csv(path: Path, rows: pa.Table) -> None:
    """Write one file without header; NULL is the bare word, as CsvNullValue has it by default."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        writer.writerow(["NULL" if value is None else _plain(value) for value in row])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return _said(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.hex() if isinstance(value, bytes) else str(value)


def _said(moment: datetime) -> str:
    """Spell a moment as DMS does: `2026-10-06 03:47:12.000000`, UTC."""
    utc = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{utc:%Y-%m-%d %H:%M:%S.%f}"


def _dfm(name: str, extension: str, rows: pa.Table, at: datetime) -> bytes:
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000")
    columns = [
        {"ordinal": number, "name": column.name, "type": str(column.type).upper()}
        for number, column in enumerate(rows.schema, start=1)
    ]
    value = {
        "taskInfo": {"name": "shop-to-s3", "operation": "dataProduced"},
        "fileInfo": {
            "name": name,
            "extension": extension,
            "startWriteTimestamp": moment,
            "endWriteTimestamp": moment,
            "content": "data" if name.startswith("LOAD") else "changes",
            "recordCount": rows.num_rows,
            "errorCount": 0,
        },
        "dataInfo": {"columns": columns},
    }
    return json.dumps(value, indent=2).encode()


# --- a shop ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DmsShop:
    """What was written: rows of the full load by table, changes by day and table."""

    target: DmsTarget
    rows: dict[str, int]
    changes: dict[str, dict[str, int]]


def write_dms_shop(
    target: DmsTarget, loaded_at: datetime, *, days: int = 3, orders: int = 2_000
) -> DmsShop:
    """Write customers and orders of an invented shop: a full load, and the changes of some days.

    The counter of the orders' files goes beyond 0F. An order is first inserted, then paid; every
    tenth is deleted. `awsdms_status` is rewritten on the last day.
    """
    customers = _customers(max(orders // 20, 1))
    first = _orders(1, orders, loaded_at - timedelta(days=30))
    target.full_load("public", "customers", customers, loaded_at)
    target.full_load("public", "orders", first, loaded_at + timedelta(minutes=1), files=18)
    changes: dict[str, dict[str, int]] = {}
    for day in range(1, days + 1):
        start = (loaded_at + timedelta(days=day)).replace(hour=0, minute=5, second=0)
        for hour in (0, 9, 23):
            at = start + timedelta(hours=hour)
            events, ops = _events(_orders(orders + day * 100 + hour, 20, at))
            target.changes("public", "orders", events, ops, at)
            by_table = changes.setdefault(f"{at.astimezone(UTC):%Y-%m-%d}", {})
            by_table["public.orders"] = by_table.get("public.orders", 0) + events.num_rows
    status = pa.table({"task_name": ["shop-to-s3"], "task_status": ["RUNNING"]})
    target.control("awsdms_status", status, loaded_at + timedelta(days=days))
    rows = {"public.customers": customers.num_rows, "public.orders": first.num_rows}
    return DmsShop(target, rows, changes)


def _customers(count: int) -> pa.Table:
    ids = range(1, count + 1)
    return pa.table(
        {
            "id": pa.array(ids, pa.int32()),
            "name": [f"Customer {number}" for number in ids],
            "email": [f"c{number}@example.org" if number % 7 else None for number in ids],
            "is_business": [number % 5 == 0 for number in ids],
        }
    )


def _orders(first: int, count: int, at: datetime) -> pa.Table:
    ids = range(first, first + count)
    moments = [
        (at + timedelta(minutes=7 * (number - first))).astimezone(UTC).replace(tzinfo=None)
        for number in ids
    ]
    amounts = [Decimal(number * 7919 % 100_000) / 100 for number in ids]
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "customer_id": pa.array([number % 97 + 1 for number in ids], pa.int32()),
            "amount": pa.array(amounts, pa.decimal128(15, 2)),
            "status": ["open" if number % 3 else "paid" for number in ids],
            "note": [None if number % 4 else 'said "hello, world"' for number in ids],
            "created_at": pa.array(moments, pa.timestamp("us")),
        }
    )


def _events(rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """Return each row inserted, then updated, and every tenth deleted at last."""
    paid = rows.set_column(3, "status", pa.array(["paid"] * rows.num_rows))
    gone = paid.take(list(range(0, rows.num_rows, 10)))
    ops = ["I"] * rows.num_rows + ["U"] * rows.num_rows + ["D"] * gone.num_rows
    return pa.concat_tables([rows, paid, gone]), ops
