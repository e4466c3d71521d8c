"""Every row of both type-mapping tables goes through the line and comes back, value by value.

What each column must become is in `make_types`, worked out by the standard library alone. Here it
is compared with what three readers, which share no code, find in the lake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import make_exports as make
import make_types
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lines import READERS, Line, assert_good, by_name, told

from compactor.model import RunResult, TableResult
from compactor.sample_exports import Column, Layout, RdsExport

_TABLES = {
    ("postgres", "public.all_types"): make_types.POSTGRES_NORMAL,
    ("postgres", "public.nasty_types"): make_types.POSTGRES_NASTY,
    ("mysql", "shop.all_types"): make_types.MYSQL_NORMAL,
    ("mysql", "shop.nasty_types"): make_types.MYSQL_NASTY,
    ("mysql", "shop.adjusted_times"): make_types.MYSQL_ADJUSTED,
}
_COLUMNS = [
    pytest.param(engine, table, spec.column.name, id=f"{table}-{spec.column.name}")
    for (engine, table), specs in _TABLES.items()
    for spec in specs
]


@dataclass(frozen=True)
class Compacted:
    export: make.TypesExport
    result: RunResult
    rows: dict[str, dict[str, list[tuple[Any, ...]]]]
    """Reader -> table -> rows, columns in the result's order."""
    duckdb_types: dict[str, dict[str, str]]
    arrow_types: dict[str, dict[str, pa.DataType]]

    def table(self, name: str) -> TableResult:
        return by_name(self.result)[name]

    def values(self, reader: str, table: str, column: str) -> dict[int, Any]:
        """Return the values of a column by id."""
        names = [found.name for found in self.table(table).columns]
        place, key = names.index(column), names.index("id")
        return {row[key]: row[place] for row in self.rows[reader][table]}


@pytest.fixture(scope="module")
def compacted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compacted]:
    found = {}
    for engine, write in (
        ("postgres", make.all_types_postgres),
        ("mysql", make.all_types_mysql),
    ):
        line = Line(tmp_path_factory.mktemp(engine))
        export = write(line.source)
        done = line.run()
        assert_good(done)
        found[engine] = _read(line, export, done.result)
    return found


def _read(line: Line, export: make.TypesExport, result: RunResult) -> Compacted:
    rows: dict[str, dict[str, list[tuple[Any, ...]]]] = {reader: {} for reader in READERS}
    duckdb_types, arrow_types = {}, {}
    for name, table in by_name(result).items():
        (path,) = line.files(table)
        names = [column.name for column in table.columns]
        for reader, read in READERS.items():
            rows[reader][name] = read(path, names)
        with duckdb.connect() as connection:
            described = connection.execute(
                "DESCRIBE FROM read_parquet($1, hive_partitioning = false)", [str(path)]
            ).fetchall()
        duckdb_types[name] = {row[0]: row[1] for row in described}
        arrow_types[name] = {field.name: field.type for field in pq.read_schema(path)}
    return Compacted(export, result, rows, duckdb_types, arrow_types)


def _arrow(type_name: str) -> pa.DataType:
    if type_name.startswith("DECIMAL"):
        precision, scale = type_name[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "VARCHAR": pa.string(),
        "BLOB": pa.binary(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us"),
        "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    }[type_name]


@pytest.mark.parametrize(("engine", "table", "column"), _COLUMNS)
def test_a_column_of_this_type_has_its_type_and_every_value(
    compacted: dict[str, Compacted], engine: str, table: str, column: str
) -> None:
    found = compacted[engine]
    expected = found.export[table][column]
    told_of = next(one for one in found.table(table).columns if one.source_name == column)
    assert told_of.type == expected.output
    assert told_of.kept_text == expected.kept_text
    assert found.duckdb_types[table][column] == expected.output
    assert found.arrow_types[table][column] == _arrow(expected.output)
    by_id = dict(enumerate(expected.typed, start=1))
    for reader in READERS:
        assert found.values(reader, table, column) == by_id, reader


def test_no_column_of_the_mapping_is_missing_from_the_lake(
    compacted: dict[str, Compacted],
) -> None:
    for (engine, table), specs in _TABLES.items():
        names = ["id", *(spec.column.name for spec in specs)]
        assert [column.source_name for column in compacted[engine].table(table).columns] == names
        assert list(compacted[engine].duckdb_types[table]) == names


def test_columns_that_stay_text_are_told_with_count_and_examples(
    compacted: dict[str, Compacted],
) -> None:
    findings = {
        finding.model_extra["column"]: finding.model_extra
        for engine in compacted.values()
        for finding in told(engine.result, "kept_text")
    }
    expected = {
        column.name: column
        for engine in compacted.values()
        for table in engine.export.tables
        for column in table.columns
        if column.kept_text
    }
    assert findings.keys() == expected.keys()
    for name, facts in findings.items():
        assert facts["values"] >= 1, name
        assert 1 <= len(facts["examples"]) <= 5, name
        if expected[name].output == "VARCHAR":
            assert set(facts["examples"]) <= set(expected[name].delivered), name
    assert findings["c_date_infinity"]["values"] == 2
    assert findings["c_date_infinity"]["examples"] == ["-infinity", "infinity"]
    # one of the two has no room beside the scale that the other needs
    assert findings["c_numeric_39"]["values"] == 1
    assert findings["c_numeric_39"]["examples"] == ["9" * 38]


# --- single columns: what decides, and what is said -----------------------------------------------


def _one_column(
    folder: Path, kind: str, values: Sequence[str | None], files: int = 2, **config: Any
) -> tuple[TableResult, list[Any], RunResult]:
    """Run one PostgreSQL column through the line; return its table and its values by id."""
    line = Line(folder)
    export = RdsExport(line.source, "one", make_types.SNAPSHOT)
    columns = (Column("id", "bigint"), Column("value", kind))
    rows = pa.table({"id": range(len(values)), "value": pa.array(values, pa.string())})
    export.table("public.t", columns, rows, Layout(files=files))
    export.finish()
    done = line.run(**config)
    (table,) = done.result.tables
    return table, [row[1] for row in sorted(line.rows(table))], done.result


def test_one_bad_value_far_behind_the_sample_keeps_the_whole_column_as_text(
    tmp_path: Path,
) -> None:
    values = [f"2026-09-{n % 30 + 1:02d}" for n in range(30_000)]
    values[29_000] = "infinity"
    table, found, result = _one_column(tmp_path, "date", values, files=1)
    assert (table.columns[1].type, table.columns[1].kept_text) == ("VARCHAR", True)
    assert found == values
    (finding,) = told(result, "kept_text")
    assert finding.model_extra["values"] == 1
    assert finding.model_extra["examples"] == ["infinity"]


def test_a_larger_scale_far_behind_the_sample_widens_the_decimal(tmp_path: Path) -> None:
    values = [f"{n}.5" for n in range(30_000)]
    values[29_000] = "0.12345"
    table, found, _ = _one_column(tmp_path, "numeric", values, files=1)
    assert table.columns[1].type == "DECIMAL(38,5)"
    assert found == [Decimal(value) for value in values]


def test_never_more_than_five_examples_are_kept(tmp_path: Path) -> None:
    values = [f"{n:05d}-01-01" for n in range(10_000, 10_020)]
    table, _, result = _one_column(tmp_path, "date", values)
    assert table.columns[1].kept_values == 20
    assert table.columns[1].examples == tuple(values[:5])
    (finding,) = told(result, "kept_text")
    assert finding.model_extra["values"] == 20
    assert finding.model_extra["examples"] == values[:5]


def test_a_column_without_any_value_gets_its_declared_type(tmp_path: Path) -> None:
    table, found, _ = _one_column(tmp_path, "timestamp with time zone", [None] * 6)
    assert table.columns[1].type == "TIMESTAMP WITH TIME ZONE"
    assert found == [None] * 6


def test_on_lossy_fail_refuses_the_table_and_names_the_column(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.all_types_postgres(line.source)
    done = line.run(tables={"shop.public.nasty_types": {"on_lossy": "fail"}})
    tables = by_name(done.result)
    assert done.exit_code == 5
    assert tables["public.nasty_types"].status == "failed"
    assert "c_date_bc (1 values)" in tables["public.nasty_types"].error
    assert tables["public.all_types"].status == "done"
    assert not any("nasty_types" in key for key in line.data_files())


def test_an_instant_survives_whatever_offset_it_was_written_with(tmp_path: Path) -> None:
    same = ["2026-03-01 12:00:00+00", "2026-03-01 13:00:00+01", "2026-03-01 02:30:00-09:30"]
    _, found, _ = _one_column(tmp_path, "timestamp with time zone", same)
    assert found == [datetime(2026, 3, 1, 12, tzinfo=UTC)] * 3
