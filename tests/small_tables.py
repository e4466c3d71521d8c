"""Small tables taken through the real typing, sorting, writing and reading back, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from compactor import compact, probe, staged_rows, verify
from compactor.compact import CompactOptions, Loaded, Part
from compactor.model import Check, Grain, SourceColumn
from compactor.second_engine import Profiler, source_columns
from compactor.sql import connect

OPTIONS = CompactOptions(
    date_column=None,
    grain="none",
    sort_by=(),
    timezone="UTC",
    target_bytes=1 << 20,
    compression_level=1,
)


def options(date_column: str | None, grain: Grain = "day", **changed: Any) -> CompactOptions:
    """Return options that divide a table by one column."""
    values = {name: getattr(OPTIONS, name) for name in OPTIONS.__dataclass_fields__}
    return CompactOptions(**{**values, "date_column": date_column, "grain": grain, **changed})


def write_files(folder: Path, tables: Sequence[pa.Table]) -> list[str]:
    """Write one source file per table."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, table in enumerate(tables):
        path = folder / f"source-{number}.parquet"
        pq.write_table(table, path)
        paths.append(str(path))
    return paths


def columns(**types: str) -> tuple[SourceColumn, ...]:
    """Describe columns as an export does; a precision may follow the type, as in `numeric:12`."""
    found = []
    for name, text in types.items():
        kind, _, precision = text.partition(":")
        found.append(
            SourceColumn(name=name, source_type=kind, precision=int(precision) if precision else 0)
        )
    return tuple(found)


class Taken:
    """A table on its way: loaded and written; `finish` reads it back and compares."""

    def __init__(
        self,
        folder: Path,
        tables: Sequence[pa.Table],
        described: Sequence[SourceColumn] = (),
        chosen: CompactOptions = OPTIONS,
        bytes_per_row: float = 1.0,
    ) -> None:
        self.connection: duckdb.DuckDBPyConnection = connect(threads=1)
        self.options = chosen
        files = write_files(folder, tables)
        by_name = len({str(table.schema) for table in tables}) > 1
        staged_rows.open_source(self.connection, by_name=by_name)
        names = list(dict.fromkeys(name for table in tables for name in table.schema.names))
        plain, _ = probe.propose(self.connection, files, names, described)
        self.loaded: Loaded = compact.restore(self.connection, files, plain, files, chosen)
        parts_folder = folder / "parts"
        parts_folder.mkdir()
        self.parts: list[Part] = list(
            compact.write(
                self.connection,
                self.loaded,
                parts_folder,
                chosen,
                bytes_per_row=bytes_per_row,
                first_numbers={},
            )
        )
        self.evidence = verify.Evidence(grain=chosen.grain)
        self.evidence.footer_rows = sum(pq.read_metadata(path).num_rows for path in files)
        self.evidence.decoded_rows = sum(table.num_rows for table in tables)
        for no, count in self.loaded.lossy.items():
            self.evidence.lossy[no] = count
        for partition in self.loaded.partitions:
            value = verify.partition_of(partition.value, chosen.grain)
            self.evidence.source.add(value, partition.rows, partition.fingerprint)
        if not self.loaded.partitions:
            self.evidence.source.add("", 0, (0, 0))
        profiler = Profiler(source_columns(self.loaded.rules))
        for path in files:
            profiler.add(pq.read_table(path))
        self.evidence.merge_profiles("source", profiler.result())
        self.values = {str(part.path): part.value for part in self.parts}

    def __enter__(self) -> Taken:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def read_back(self) -> None:
        verify.read_back(self.connection, self.loaded.rules, self.values, self.evidence)

    def read_stored(self) -> None:
        stored = [(part.value, part.path, part.sha256, part.sha256) for part in self.parts]
        verify.read_stored(self.loaded.rules, stored, self.evidence)

    def finish(self) -> tuple[Check, ...]:
        self.read_back()
        self.read_stored()
        return verify.checks(self.evidence, self.loaded.rules)


def failed(checks: Sequence[Check]) -> set[tuple[str, str]]:
    """Return (name, subject) of the checks that failed."""
    return {(check.name, check.subject) for check in checks if check.status == "fail"}
