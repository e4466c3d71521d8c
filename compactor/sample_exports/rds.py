"""Write RDS and Aurora snapshot exports as AWS lays them out: a local folder to try things on.

In:  PyArrow tables and the database's own column types. Out: gzip Parquet files, `_SUCCESS` markers
and the two kinds of sidecar, below `<folder>/<export id>/`. The only IO is writing that folder.

1. A file's Parquet types follow from the *database* types, as the exporter maps them: PostgreSQL
   dates and numbers are text, MySQL CHAR is bare bytes, BIGINT UNSIGNED is a 9-byte decimal.
2. The same calls write the same bytes: identifiers follow from names, nothing reads a clock.
3. Nothing is checked for sense. A test that needs a broken export calls this and breaks it.

    export = RdsExport(Path("exports"), "shop-2026-10-06", snapshot=snapshot)
    export.table("public.orders", [Column("id", "bigint")], rows, Layout(folders=3, files=4))
    export.finish()

Sources (read on 2026-11-21), all below docs.aws.amazon.com/AmazonRDS/latest/UserGuide/:
  USER_ExportSnapshot.FileNames.html   folders and file names
  USER_ExportSnapshot.data-types.html  database types to Parquet types
The sidecars follow a real export of 2026; AWS does not document them.
"""

from __future__ import annotations

import itertools
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

Engine = Literal["postgres", "mysql"]
DateStyle = Literal["java", "java20", "iso"]
"""How sidecars spell a moment. Since JDK 20 the blank before AM/PM is U+202F (CLDR 42)."""

_NAMES = uuid.UUID("6f1f9b0e-4c0e-5d5c-8f3a-7a5d0c1b2e3f")
_MANGLED = str.maketrans({"\\": "_", "`": "_", '"': "_", " ": "_"})
_CLUSTER_FOLDERS = "123456789abcdefghijklmnopqrstuvwxyz"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PAGE_BYTES = 8192

_POSTGRES: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "bytea": pa.binary(),
}
_MYSQL: dict[str, pa.DataType] = {
    "bigint": pa.int64(),
    "bigint unsigned": pa.decimal128(20, 0),
    "int": pa.int32(),
    "int unsigned": pa.int64(),
    "mediumint": pa.int32(),
    "mediumint unsigned": pa.int64(),
    "smallint": pa.int32(),
    "smallint unsigned": pa.int32(),
    "tinyint": pa.int32(),
    "tinyint unsigned": pa.int16(),
    "year": pa.int32(),
    "float": pa.float64(),
    "double": pa.float64(),
    "datetime": pa.timestamp("us"),
    "timestamp": pa.timestamp("us"),
}
_MYSQL_GEOMETRIES = {
    *("geometry", "point", "linestring", "polygon"),
    *("multipoint", "multilinestring", "multipolygon", "geometrycollection"),
}
_MYSQL_BYTES = _MYSQL_GEOMETRIES | {
    *("bit", "char", "binary", "varbinary"),
    *("tinyblob", "blob", "mediumblob", "longblob"),
}
_NUMBER_BITS = {
    "bigint": 64,
    "integer": 32,
    "smallint": 16,
    "double precision": 53,
    "real": 24,
}
"""PostgreSQL's information_schema.columns.numeric_precision, which the sidecars repeat."""


@dataclass(frozen=True)
class Column:
    """One column as the database declares it.

    `source_type` is PostgreSQL's `information_schema` spelling (`character varying`, `ARRAY`) or
    MySQL's type with ` unsigned` where it applies. `written` overrides the exporter's mapping, for
    exports that differ from the documentation.
    """

    name: str
    source_type: str
    precision: int = 0
    scale: int = 0
    char_length: int = 0
    written: pa.DataType | None = None

    def arrow_type(self, engine: Engine) -> pa.DataType:
        """Return the type that makes PyArrow write what the exporter writes."""
        if self.written is not None:
            return self.written
        if engine == "postgres":
            return _POSTGRES.get(self.source_type, pa.string())
        if self.source_type in {"decimal", "numeric"} and self.precision <= 38:
            return pa.decimal128(self.precision, self.scale)
        if self.source_type in _MYSQL_BYTES:
            return pa.binary()
        return _MYSQL.get(self.source_type, pa.string())

    def sidecar(self, engine: Engine, position: int) -> dict[str, Any]:
        """Return this column's entry of `originalTypeMappings`."""
        bits = _NUMBER_BITS.get(self.source_type, 0) if engine == "postgres" else 0
        return {
            "columnName": self.name,
            "originalType": self.source_type.removesuffix(" unsigned"),
            "expectedExportedType": _expected(self.arrow_type(engine)),
            "originalCharMaxLength": self.char_length,
            "originalNumPrecision": self.precision or bits,
            "originalDateTimePrecision": 0,
            "ordinalPosition": position,
        }


@dataclass(frozen=True)
class Layout:
    """How a table's rows are cut into files.

    `batch`: folders `1`, `2`, ... (current snapshot exports); `cluster`: `1` ... `9`, `a`, `b`, ...
    (Aurora cluster exports); `flat`: files directly in the table's folder (2020 and 2021).
    `files` counts per folder, `rows_per_file` overrides it. No files: the folder of an empty table
    that holds nothing but its marker.
    """

    folders: int = 1
    files: int = 1
    style: Literal["batch", "cluster", "flat"] = "batch"
    success: bool = True
    rows_per_file: int | None = None

    def names(self) -> Iterator[str]:
        """Yield the folder names below the table's folder; the flat layout has one, empty."""
        if self.style == "flat":
            yield ""
        elif self.style == "batch":
            yield from (str(number) for number in range(1, self.folders + 1))
        else:
            longer = itertools.product(_CLUSTER_FOLDERS, repeat=2)
            names = itertools.chain(_CLUSTER_FOLDERS, map("".join, longer))
            yield from itertools.islice(names, self.folders)

    def cut(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Cut one folder's rows into files. The exporter writes no file for an empty range."""
        files = self.files
        if self.rows_per_file is not None:
            files = -(-rows.num_rows // self.rows_per_file)
        if files == 0 and rows.num_rows:
            raise ValueError(f"a layout without files cannot hold {rows.num_rows} rows")
        if rows.num_rows == 0:
            yield from [rows] * min(files, 1)
            return
        for first, last in itertools.pairwise(rows.num_rows * n // files for n in range(files + 1)):
            if last > first:
                yield rows.slice(first, last - first)


@dataclass
class RdsExport:
    """One snapshot export task and what it has written so far."""

    folder: Path
    export_id: str
    snapshot: datetime
    database: str = "shop"
    engine: Engine = "postgres"
    status: str = "COMPLETE"
    date_style: DateStyle = "java"
    entries_per_sidecar: int = 100
    source: str = ""
    """Name of the exported snapshot; the default follows from the database and the moment."""
    export_only: Sequence[str] = ()
    prefix: str = ""
    """`s3Prefix` of the task: folders between the bucket and the export."""
    bucket: str = "acme-exports"
    _entries: list[dict[str, Any]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        if self.engine == "postgres":
            self.skip("postgres", "DATABASE_IS_EMPTY")

    @property
    def root(self) -> Path:
        """The export's folder: `exportedFilesPath` below the bucket."""
        return self.folder / self.prefix / self.export_id

    def table_folder(self, name: str) -> Path:
        """Return the folder of a table. Characters that the exporter cannot keep become `_`."""
        return self.root / self.database.translate(_MANGLED) / name.translate(_MANGLED)

    def table(
        self,
        name: str,
        columns: Sequence[Column],
        data: pa.Table | Sequence[pa.Table] | Mapping[str, pa.Table],
        layout: Layout = Layout(),
        *,
        status: str | None = "COMPLETE",
        size_gb: float | None = None,
    ) -> Path:
        """Write one table (`public.orders`, MySQL `shop.orders`) and return its folder.

        `data` is the rows in order, spread evenly over the layout's folders; or one table per
        folder, as a partitioned parent has one folder per partition; or rows by folder name.
        A table without `status` is missing from the sidecars.
        """
        schema = pa.schema([(c.name, c.arrow_type(self.engine)) for c in columns])
        folder = self.table_folder(name)
        parts: list[tuple[Path, pa.Table]] = []
        nbytes = 0
        for batch, rows in _by_folder(data, layout):
            below = folder / batch
            below.mkdir(parents=True, exist_ok=True)
            if layout.success:
                (below / "_SUCCESS").touch()
            nbytes += rows.nbytes
            job = self.job_id(f"{name}/{batch}")
            for index, part in enumerate(layout.cut(_typed(rows, schema))):
                parts.append((below / part_name(index + index // 7, job), part))
        _write_parts(parts)
        if status is not None:
            pages = -(-nbytes // _PAGE_BYTES) * _PAGE_BYTES / (1 << 30)
            size = pages if size_gb is None else size_gb
            self.list_table(name, columns, ranges=max(len(parts), 1), status=status, size_gb=size)
        return folder

    def list_table(
        self,
        name: str,
        columns: Sequence[Column],
        *,
        ranges: int = 1,
        done: int | None = None,
        status: str = "COMPLETE",
        size_gb: float = 0.0,
    ) -> None:
        """Add a table's entry to the sidecars; `done` of its `ranges` have been read."""
        start = self.snapshot + timedelta(hours=3, minutes=48, seconds=3 * len(self._entries))
        partitioning: dict[str, Any] = {
            "numberOfPartitions": ranges,
            "numberOfCompletedPartitions": ranges if done is None else done,
        }
        if ranges > 1 and self.engine == "postgres":
            partitioning["constraintType"] = "CTID"
            last = max(int(size_gb * (1 << 30)) // _PAGE_BYTES, 1)
            bounds = {"min": "(0,1)", "max": f"({last},1)"}
            partitioning["partitionColumns"] = [
                {"columnType": "TID", "columnName": "ctid", **bounds}
            ]
        mappings = [c.sidecar(self.engine, i) for i, c in enumerate(columns, start=1)]
        target = f"{self.database}.{name}" if self.engine == "postgres" else name
        entry = {
            "target": target,
            "tableStatistics": {
                "extractionStartTime": self._moment(start),
                "extractionEndTime": self._moment(start + timedelta(seconds=2 + ranges)),
                "partitioningInfo": partitioning,
            },
            "schemaMetadata": {"originalTypeMappings": mappings},
            "status": status,
            "sizeGB": size_gb,
        }
        self._entries.append(entry)

    def skip(self, target: str, reason: str, what: str = "skippedDatabase") -> None:
        """Add the entry of a database or table that the exporter left out."""
        self._entries.append({"target": target, "warningMessage": {what: [{"reason": reason}]}})

    def job_id(self, place: str) -> str:
        """Return the UUID in the file names of one folder: Spark draws one per write job."""
        return str(uuid.uuid5(_NAMES, f"{self.export_id}/{self.database}/{place}"))

    def finish(self) -> Path:
        """Write the sidecars and return the export's folder."""
        for start in range(0, len(self._entries), self.entries_per_sidecar):
            part = self._entries[start : start + self.entries_per_sidecar]
            span = f"from_{start + 1}_to_{start + len(part)}"
            path = self.root / f"export_tables_info_{self.export_id}_{span}.json"
            _write_json(path, {"perTableStatus": part})
        _write_json(self.root / f"export_info_{self.export_id}.json", self._info())
        return self.root

    def _info(self) -> dict[str, Any]:
        taken = self.snapshot.astimezone(UTC)
        source = self.source or f"rds:{self.database}-prod-{taken:%Y-%m-%d-%H-%M}"
        path = f"{self.prefix}/{self.export_id}".lstrip("/")
        size = sum(entry.get("sizeGB", 0.0) for entry in self._entries)
        key = "00000000-0000-0000-0000-000000000000"
        info = {
            "exportTaskIdentifier": self.export_id,
            "sourceArn": f"arn:aws:rds:us-east-1:111122223333:snapshot:{source}",
            "exportOnly": list(self.export_only),
            "snapshotTime": self._moment(self.snapshot),
            "taskStartTime": self._moment(self.snapshot + timedelta(hours=3, minutes=45)),
            "taskEndTime": self._moment(self.snapshot + timedelta(hours=4, minutes=11)),
            "s3Bucket": self.bucket,
            "s3Prefix": self.prefix,
            "exportedFilesPath": path,
            "iamRoleArn": "arn:aws:iam::111122223333:role/service-role/rds-export",
            "kmsKeyId": f"arn:aws:kms:us-east-1:111122223333:key/{key}",
            "status": self.status,
            "percentProgress": 100 if self.status == "COMPLETE" else 41,
            "totalExportedDataInGB": size,
        }
        if self.status == "FAILED":
            info["failureCause"] = "The export task failed with an internal error."
        return info

    def _moment(self, moment: datetime) -> str:
        """Spell a moment as the sidecars do: `Oct 6, 2026, 3:47:12 AM`."""
        utc = moment.astimezone(UTC)
        if self.date_style == "iso":
            return f"{utc:%Y-%m-%dT%H:%M:%S}Z"
        blank = " " if self.date_style == "java" else "\u202f"
        hour, half = utc.hour % 12 or 12, "AM" if utc.hour < 12 else "PM"
        day = f"{_MONTHS[utc.month - 1]} {utc.day}, {utc.year}"
        return f"{day}, {hour}:{utc:%M:%S}{blank}{half}"


def part_name(index: int, job: str) -> str:
    """Return the file name of one part; numbers may have gaps, the exporter's do."""
    return f"part-{index:05d}-{job}-c000.gz.parquet"


def write_part(path: Path, rows: pa.Table) -> None:
    """Write one file with the exporter's encoding: gzip, page checksums, no Arrow schema inside."""
    pq.write_table(
        rows,
        path,
        compression="gzip",
        compression_level=1,
        version="1.0",
        write_page_checksum=True,
        store_schema=False,
        store_decimal_as_integer=True,
    )


def _write_parts(parts: list[tuple[Path, pa.Table]]) -> None:
    """Write many files at once: PyArrow leaves the interpreter lock while it encodes."""
    if len(parts) < 4:
        for path, rows in parts:
            write_part(path, rows)
        return
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        list(pool.map(lambda part: write_part(*part), parts))


def _by_folder(
    data: pa.Table | Sequence[pa.Table] | Mapping[str, pa.Table], layout: Layout
) -> Iterable[tuple[str, pa.Table]]:
    if isinstance(data, Mapping):
        return data.items()
    if isinstance(data, pa.Table):
        names = list(layout.names())
        edges = [data.num_rows * n // len(names) for n in range(len(names) + 1)]
        cuts = [data.slice(a, b - a) for a, b in itertools.pairwise(edges)]
        return zip(names, cuts, strict=True)
    return zip(Layout(folders=len(data), style=layout.style).names(), data, strict=True)


def _typed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    return rows.select(schema.names).cast(schema)


def _expected(written: pa.DataType) -> str:
    """Spell a type as `expectedExportedType` does.

    Seen in real sidecars: `int32`, `int64`, `double`, `boolean`, `binary (UTF8)` and
    `int64 (TIMESTAMP_MICRO)`. The others follow parquet-mr's own spelling.
    """
    if pa.types.is_string(written):
        return "binary (UTF8)"
    if pa.types.is_decimal(written):
        kind = f"DECIMAL({written.precision},{written.scale})"
        if written.precision > 18:
            width = next(n for n in range(1, 17) if 10**written.precision <= 1 << (8 * n - 1))
            return f"fixed_len_byte_array({width}) ({kind})"
        return f"int{32 if written.precision <= 9 else 64} ({kind})"
    if pa.types.is_timestamp(written):
        return "int64 (TIMESTAMP_MICROS)"
    return {"bool": "boolean", "int16": "int32 (INT_16)"}.get(str(written), str(written))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
