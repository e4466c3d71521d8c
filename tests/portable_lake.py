"""A lake with the nasty rows of `portable_rows`, with columns that are left out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import portable_rows as spec
from lines import Line, assert_good
from portable_rows import KINDS, NASTY, Row
from sqlglot import exp

from compactor.model import TableResult
from compactor.portable.asked import Fingerprint, Options, fingerprint
from compactor.portable.engines import Dialect

TABLE = "files.nasty"
MORE = {"at": "TIMESTAMPTZ", "ratio8": "DOUBLE", "many": "INTEGER[]"}
ROWS: list[Row] = [
    row | {"at": at, "ratio8": None, "many": None}
    for row, at in zip(
        [*NASTY, dict.fromkeys(KINDS) | {"note": "a\0b", "local": datetime(2026, 3, 29)}],  # noqa: DTZ001
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999500, tzinfo=UTC),
            datetime(1883, 11, 18, 12, 3, 58, 499, tzinfo=UTC),
            *[None] * (len(NASTY) - 3),
        ],
        strict=True,
    )
]
COVERED = [name for name in {**KINDS, **MORE} if name not in ("ratio8", "many")]
SECTIONS: dict[str, Any] = {
    "tables": {TABLE: {"date_column": "local", "grain": "month"}},
    "compact": {"target_file_size": "1MiB"},
}


def write(line: Line) -> None:
    """Write the rows as plain files, one for each few rows."""
    folder = line.source / "nasty"
    folder.mkdir()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for start in range(0, len(ROWS), 7):
            place = spec.rows_of(ROWS[start : start + 7], KINDS | MORE, "duckdb")
            select = exp.select("*").from_(place).sql(dialect="duckdb")
            connection.execute(
                f"COPY ({select}) TO '{folder / f'{start:03}.parquet'}' (FORMAT parquet)"
            )


def sections(line: Line, **more: Any) -> dict[str, Any]:
    source = {"urls": [str(line.source)], "files": [str(line.source)], "settle": "0s"}
    return {"source": source, "verify": {"portable": True}, **SECTIONS, **more}


def run(line: Line, **more: Any) -> TableResult:
    done = line.run(**sections(line, **more))
    assert_good(done)
    (table,) = done.result.tables
    return table


def ask(line: Line, dialect: Dialect, **options: Any) -> Fingerprint:
    return fingerprint(
        line.config(**sections(line)), Options(table=TABLE, dialect=dialect, **options)
    )


def made(folder: Path) -> tuple[Line, TableResult]:
    line = Line(folder)
    write(line)
    return line, run(line)
