"""The portable fingerprint is what docs/fingerprint.md says, in DuckDB and in the line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import duckdb
import portable_rows as spec
import pytest
from portable_rows import KINDS, NASTY, Row

from compactor.model import OutputColumn
from compactor.portable.canonical import covered
from compactor.portable.engines import ENGINES
from compactor.portable.statement import Rows, statement


def columns_of(kinds: dict[str, str]):
    return covered(
        OutputColumn(name=name, source_name=name, source_type="", type=kind)
        for name, kind in kinds.items()
    ).columns


def duckdb_sql(rows: Sequence[Row], kinds: dict[str, str]) -> str:
    place = spec.rows_of(rows, kinds, "duckdb")
    return statement(columns_of(kinds), Rows(place=place), "duckdb").sql(dialect="duckdb")


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'America/New_York'")
        yield opened


def test_the_documents_example_is_what_it_says():
    found = spec.example()
    texts = [spec.row_text(row.values()) for row in found.rows]
    assert texts == found.texts
    assert [hashlib.sha256(text.encode()).hexdigest() for text in texts] == found.digests
    assert spec.fingerprint(found.rows) == found.result
    assert list(found.kinds) == sorted(found.kinds)


def test_the_documents_vectors_are_what_the_reference_gives():
    assert [spec.canonical(one.value) for one in spec.vectors()] == [
        one.canonical for one in spec.vectors()
    ]
    assert len(spec.vectors()) > 30


def test_duckdb_gives_the_documents_example(connection):
    found = spec.example()
    assert connection.execute(duckdb_sql(found.rows, found.kinds)).fetchone() == found.result


@pytest.mark.parametrize("vector", spec.vectors(), ids=lambda one: one.id)
def test_duckdb_gives_the_documents_vectors(connection, vector):
    (column,) = columns_of({"x": vector.kind})
    value = spec.literal(vector.value, vector.kind, "duckdb")
    text = ENGINES["duckdb"].canonical(column, value)
    sql = duckdb_select(text)
    assert connection.execute(sql).fetchone() == (vector.canonical,)


def duckdb_select(text):
    from sqlglot import exp

    return exp.select(text).sql(dialect="duckdb")


def test_duckdb_gives_the_reference_of_nasty_rows(connection):
    assert connection.execute(duckdb_sql(NASTY, KINDS)).fetchone() == spec.fingerprint(NASTY)
