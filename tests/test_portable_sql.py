"""The statements: those that readers can see, what they quote, what the command prints."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import portable_rows as spec
import pytest
from sqlglot import exp
from test_portable import columns_of

from compactor import sql
from compactor.portable.engines import ENGINES, Dialect
from compactor.portable.statement import Rows, statement

SHOWN: dict[str, Dialect] = {
    "fingerprint/duckdb": "duckdb",
    "fingerprint/athena": "athena",
    "fingerprint/spark": "spark",
    "fingerprint/postgres": "postgres",
    "fingerprint/mysql": "mysql",
}


def shown(name: str) -> str:
    dialect = SHOWN[name]
    place = exp.table_("orders", db="shop", quoted=True)
    select = statement(columns_of(spec.example().kinds), Rows(place=place), dialect)
    return (
        f"-- {name}: the fingerprint of the example in docs/fingerprint.md, a table shop.orders\n"
        "-- params:  none\n"
        "-- returns: row_count, digest. Written by tests/test_portable_sql.py\n"
        f"{select.sql(dialect=ENGINES[dialect].printed, pretty=True)}\n"
    )


@pytest.mark.parametrize("name", SHOWN)
def test_the_statements_that_readers_see_are_those_that_are_generated(name: str) -> None:
    if os.environ.get("COMPACTOR_WRITE_GOLDEN"):
        path = Path(__file__).parent.parent / "queries" / f"{name}.sql"
        path.write_text(shown(name), encoding="utf-8")
    assert sql.query(name) == shown(name)


def test_the_statement_that_readers_see_gives_the_documents_result() -> None:
    found = spec.example()
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA shop")
        select = exp.select("*").from_(spec.rows_of(found.rows, found.kinds, "duckdb"))
        table = exp.Create(this=exp.to_table("shop.orders"), kind="TABLE", expression=select)
        connection.execute(table.sql(dialect="duckdb"))
        assert connection.execute(sql.query("fingerprint/duckdb")).fetchone() == found.result
