"""Athena's and Trino's statements: parsed as their SQL, of documented functions, and run by DuckDB.

No Trino can be had here. What its functions give is taken from its documentation
(https://trino.io/docs/current/functions.html, read 2026-11) and given to DuckDB as macros, and its
rounding of timestamps to the millisecond is done while the rows are read, as its reader does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import duckdb
import portable_lake as lake
import portable_rows as spec
import pytest
import sqlglot
from lines import NULL_DAY, Line
from portable_rows import KINDS, NASTY, Row
from sqlglot import exp
from test_portable import columns_of

from compactor.portable.engines import ENGINES
from compactor.portable.statement import Rows, statement

DOCUMENTED = {
    # aggregate.html, string.html, binary.html, math.html, datetime.html; the rest is SQL's syntax
    *("COUNT", "SUM", "CONCAT", "LENGTH", "LOWER", "SUBSTR", "TO_UTF8", "TRIM", "SHA256"),
    *("TO_HEX", "FROM_BASE", "DATE_DIFF", "COALESCE", "CAST"),
}
MACROS = (
    "to_utf8(x) AS encode(x)",
    "sha256(x) AS unhex(sha256(x))",
    "to_hex(x) AS hex(x)",
    "length(x) AS octet_length(x)",
    "from_base(x, radix) AS CASE WHEN radix = 16 THEN ('0x' || x)::UBIGINT::BIGINT END",
    "date_diff(unit, a, b) AS CASE unit WHEN 'day' THEN epoch_us(b) // 86400000000 "
    "WHEN 'millisecond' THEN epoch_ms(b) END",
)


@pytest.fixture(scope="module")
def trino() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for macro in MACROS:
            connection.execute(f"CREATE MACRO trino_{macro}")
        yield connection


def as_duckdb(sql: str) -> str:
    """Let a Trino statement call the macros; no literal of it looks like a call."""
    for macro in MACROS:
        name = macro.partition("(")[0]
        sql = re.sub(rf"\b{name}\(", f"trino_{name}(", sql, flags=re.IGNORECASE)
    return sql.replace("VARBINARY", "BLOB")


def rounded(row: Row) -> Row:
    """Return a row as Trino's Parquet reader gives it: `Timestamps.roundDiv`, half up."""

    def one(value: object) -> object:
        if not isinstance(value, datetime):
            return value
        start = datetime(1970, 1, 1, tzinfo=value.tzinfo)
        micros = (value - start) // timedelta(microseconds=1)
        return start + timedelta(milliseconds=(micros + 500) // 1000)

    return {name: one(value) for name, value in row.items()}


@pytest.mark.parametrize("options", [{}, {"by_partition": True}, {"partition": NULL_DAY}])
@pytest.mark.parametrize("dialect", ["athena", "trino"])
def test_the_statement_is_theirs_and_calls_documented_functions_only(
    dialect, options, made: Line
) -> None:
    sql = lake.ask(made, dialect, **options).sql
    for reader in ("athena", "trino"):
        (parsed,) = sqlglot.parse(sql, dialect=reader)
        assert isinstance(parsed, exp.Select)
    called = set(re.findall(r"\b([A-Z_0-9]+)\(", sql))
    assert called - {"DECIMAL", "TIMESTAMP"} <= DOCUMENTED
    assert '"files"."nasty_data"' in sql
    assert '"snapshot" = \'' in sql
    assert ('"dt" IS NULL' in sql) == ("partition" in options)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Line:
    line, _ = lake.made(tmp_path_factory.mktemp("trino_lake"))
    return line


def test_the_documents_vectors(trino: duckdb.DuckDBPyConnection) -> None:
    for one in spec.vectors():
        (column,) = columns_of({"x": one.kind})
        if column.scale and column.scale == column.precision:
            continue  # see below
        value = rounded({"x": one.value})["x"]
        if one.kind == "TIMESTAMPTZ":  # which Hive's type reads as UTC's wall clock
            value = value.replace(tzinfo=None) - value.utcoffset()
        literal = spec.literal(value, one.kind.removesuffix("TZ"), "duckdb")
        text = ENGINES["trino"].canonical(column, exp.column("x"))
        inner = exp.select(exp.alias_(literal, "x")).sql(dialect="duckdb")
        sql = as_duckdb(exp.select(text).sql(dialect="trino"))
        assert trino.execute(f"{sql} FROM ({inner})").fetchone() == (one.canonical,), one.id


def test_the_reference_of_nasty_rows(trino: duckdb.DuckDBPyConnection) -> None:
    kinds = {name: kind for name, kind in KINDS.items() if name != "ratio"}
    # DuckDB prints a DECIMAL(4,4) as `.05`, Trino as `0.05` (Decimals.toString)
    place = spec.rows_of([rounded(row) for row in NASTY], kinds, "duckdb")
    view = exp.Create(
        this=exp.to_table("nasty"), kind="VIEW", expression=exp.select("*").from_(place)
    )
    trino.execute(view.sql(dialect="duckdb"))
    select = statement(columns_of(kinds), Rows(place=exp.to_table("nasty")), "athena")
    sql = as_duckdb(select.sql(dialect="athena"))
    assert trino.execute(sql).fetchone() == spec.fingerprint(NASTY, kinds)


def test_a_wide_table_calls_no_function_with_more_arguments_than_trino_takes() -> None:
    kinds = {f"c{no:03}": "BIGINT" for no in range(130)}
    select = statement(columns_of(kinds), Rows(place=exp.to_table("t")), "trino")
    most = max(len(call.expressions) for call in select.find_all(exp.Anonymous))
    assert most <= 50
    row = {name: no for no, name in enumerate(kinds)}
    place = spec.rows_of([row], kinds, "duckdb")
    sql = statement(columns_of(kinds), Rows(place=place), "duckdb").sql(dialect="duckdb")
    with duckdb.connect() as connection:
        assert connection.execute(sql).fetchone() == spec.fingerprint([row])
