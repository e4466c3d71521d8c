"""Run the line between two local folders, and read source and lake back without its help."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from compactor import pipeline
from compactor.config import Config, parse_config
from compactor.model import Finding, Plan, RunResult, TableResult

NULL_DAY = "__HIVE_DEFAULT_PARTITION__"


class Line:
    """A source folder, a lake folder, a scratch folder, and runs from one to the other."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "source"
        self.lake = folder / "lake"
        self.scratch = folder / "scratch"
        self.source.mkdir(parents=True)

    def config(self, **sections: Any) -> Config:
        """Return the configuration; `limits` are added to the scratch folder."""
        limits = {"scratch_dir": str(self.scratch)} | sections.pop("limits", {})
        places = {"source": {"urls": [str(self.source)]}, "lake": {"url": str(self.lake)}}
        return parse_config(places | {"limits": limits} | sections)

    def run(self, *, fixed: Plan | None = None, **sections: Any) -> pipeline.Done:
        return pipeline.run(self.config(**sections), fixed=fixed)

    def plan(self, **sections: Any) -> Plan:
        return pipeline.preview(self.config(**sections))

    def state(self) -> dict[str, tuple[int, int]]:
        """Return size and time of every file in the lake: nothing can be written unnoticed."""
        found = {}
        for path in sorted(path for path in self.lake.rglob("*") if path.is_file()):
            status = path.stat()
            found[path.relative_to(self.lake).as_posix()] = (status.st_size, status.st_mtime_ns)
        return found

    def data_files(self) -> set[str]:
        """Return the keys of all data in the lake, named by a manifest or not."""
        return {key for key in self.state() if not key.startswith("_compactor/")}

    def files(self, table: TableResult) -> list[Path]:
        """Return the lake's files of one table, as the result names them, in their order."""
        keys = [item.key for partition in table.partitions for item in partition.objects]
        return [self.lake / key for key in keys]

    def manifest(self, result: RunResult) -> dict[str, Any]:
        assert result.manifest is not None
        return json.loads(Path(result.manifest.url).read_bytes())

    def rows(self, table: TableResult) -> list[tuple[Any, ...]]:
        """Return the rows that the lake holds of a table, columns in the result's order."""
        names = [column.name for column in table.columns]
        return [row for path in self.files(table) for row in read_pyarrow(path, names)]

    def delivered(self, table: TableResult) -> list[tuple[Any, ...]]:
        """Return the rows of the export's own files, with the types that the lake has."""
        return list(_delivered(self.source / table.source_folder, table))


def by_name(result: RunResult, export_id: str | None = None) -> dict[str, TableResult]:
    """Return the tables of a result by name; of one export, if there are several."""
    return {table.table: table for table in result.tables if export_id in (None, table.export_id)}


def told(result: RunResult | Plan, kind: str, table: str | None = None) -> list[Finding]:
    """Return the findings of one kind, about one table if that is given."""
    return [
        finding
        for finding in result.findings
        if finding.kind == kind and table in (None, finding.table)
    ]


def assert_good(done: pipeline.Done) -> None:
    """Every check of every table passed, or says that it has nothing to compare with."""
    assert done.exit_code == 0, done.result.findings
    for table in done.result.tables:
        assert table.status in ("done", "covered"), (table.table, table.error)
        assert [check for check in table.checks if check.status == "fail"] == []


def assert_same_rows(line: Line, table: TableResult) -> None:
    """The lake holds each row of the table's own files, as often as they do."""
    assert Counter(line.rows(table)) == Counter(line.delivered(table)), table.table
    assert table.output_rows == table.source_rows == len(line.rows(table))


# --- three readers that share nothing -------------------------------------------------------------


def read_duckdb(path: Path, names: list[str]) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
        sql = f"SELECT {columns} FROM read_parquet($1, hive_partitioning = false)"  # noqa: S608
        return _tuples(connection.sql(sql, params=[str(path)]).to_arrow_table(), names)


def read_pyarrow(path: Path, names: list[str]) -> list[tuple[Any, ...]]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return _tuples(file.read(columns=None), names)


def read_polars(path: Path, names: list[str]) -> list[tuple[Any, ...]]:
    return pl.read_parquet(path, hive_partitioning=False, glob=False).select(names).rows()


READERS: Mapping[str, Callable[[Path, list[str]], list[tuple[Any, ...]]]] = {
    "duckdb": read_duckdb,
    "pyarrow": read_pyarrow,
    "polars": read_polars,
}


def _tuples(table: pa.Table, names: list[str]) -> list[tuple[Any, ...]]:
    columns = [table.column(table.schema.names.index(name)).to_pylist() for name in names]
    return list(zip(*columns, strict=True))


# --- what the export holds ------------------------------------------------------------------------


def _delivered(folder: Path, table: TableResult) -> Iterator[tuple[Any, ...]]:
    for path in sorted(folder.rglob("part-*.parquet")):
        with pq.ParquetFile(path) as file:
            content = file.read()
        places = {name: number for number, name in enumerate(content.schema.names)}
        columns = [
            content.column(places[column.source_name]).to_pylist()
            if column.source_name in places
            else [None] * content.num_rows
            for column in table.columns
        ]
        kinds = [column.type for column in table.columns]
        for row in zip(*columns, strict=True):
            yield tuple(restored(value, kind) for value, kind in zip(row, kinds, strict=True))


def restored(value: Any, kind: str) -> Any:
    """Return what a delivered value is in a DuckDB type; worked out by the standard library."""
    if isinstance(value, bytes):
        return value.decode() if kind == "VARCHAR" else value
    if not isinstance(value, str):
        return value
    match kind.split("(")[0]:
        case "DATE":
            return date.fromisoformat(value)
        case "TIMESTAMP":
            return datetime.fromisoformat(value)
        case "TIMESTAMP WITH TIME ZONE":
            moment = datetime.fromisoformat(value)
            # not astimezone(): it cannot pass the ends of the calendar
            offset = moment.utcoffset()
            return moment.replace(tzinfo=UTC) - offset if offset else moment.replace(tzinfo=UTC)
        case "DECIMAL":
            return Decimal(value)
    return value


def touch_new(path: Path, content: bytes) -> None:
    """Write a file in place of another one, and make sure that its time differs."""
    before = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(before + 1_000_000_000, before + 1_000_000_000))
