"""The portable fingerprint is what docs/fingerprint.md says, in DuckDB and in the line."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import duckdb
import portable_rows as spec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portable_rows import KINDS, NASTY, Row
from sqlglot import exp

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
    sql = exp.select(text).sql(dialect="duckdb")
    assert connection.execute(sql).fetchone() == (vector.canonical,)


def test_duckdb_gives_the_reference_of_nasty_rows(connection):
    assert connection.execute(duckdb_sql(NASTY, KINDS)).fetchone() == spec.fingerprint(NASTY)


# --- properties -----------------------------------------------------------------------------------

VALUES = {
    "flag": st.booleans(),
    "n": st.integers(-(2**63), 2**63 - 1),
    "amount": st.decimals(min_value=-(10**27), max_value=10**27, places=10),
    "day": st.dates(),
    "local": st.datetimes(),
    "note": st.text(max_size=8),
    "data": st.binary(max_size=8),
}
SOME = {name: KINDS[name] for name in VALUES}
SCHEMA = pa.schema(
    {
        "flag": pa.bool_(),
        "n": pa.int64(),
        "amount": pa.decimal128(38, 10),
        "day": pa.date32(),
        "local": pa.timestamp("us"),
        "note": pa.string(),
        "data": pa.binary(),
    }
)
OF_TABLE = statement(columns_of(SOME), Rows(place=exp.to_table("made")), "duckdb").sql("duckdb")


def of_table(made: pa.Table) -> tuple[int, str]:
    with SHARED.cursor() as cursor:
        cursor.register("made", made)
        (found,) = cursor.execute(OF_TABLE).fetchall()
        return found


SHARED = duckdb.connect()
ROW = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


@given(rows=st.lists(ROW, min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_duckdb_gives_the_reference_of_any_rows(rows: list[Row]) -> None:
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    assert of_table(table) == spec.fingerprint(rows)


@given(rows=st.lists(ROW, min_size=2, max_size=6), random=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_rows_does_not_matter_and_parts_add_up(rows: list[Row], random) -> None:
    count, digest = spec.fingerprint(rows)
    cut = random.randrange(len(rows))
    mixed = random.sample(rows, len(rows))
    assert of_table(pa.Table.from_pylist(mixed, schema=SCHEMA)) == (count, digest)
    parts = [
        of_table(pa.Table.from_pylist(part, schema=SCHEMA)) for part in (rows[:cut], rows[cut:])
    ]
    lanes = zip(*[[int(lane) for lane in text.split("-")] for _, text in parts], strict=True)
    assert (sum(rows for rows, _ in parts), "-".join(str(sum(lane)) for lane in lanes)) == (
        count,
        digest,
    )


@given(rows=st.lists(ROW, min_size=1, max_size=4), other=ROW, place=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_any_change_shows(rows: list[Row], other: Row, place: int) -> None:
    before = of_table(pa.Table.from_pylist(rows, schema=SCHEMA))
    place %= len(rows)
    for changed in (rows[:place] + rows[place + 1 :], [*rows, rows[place]]):  # lost, doubled
        assert of_table(pa.Table.from_pylist(changed, schema=SCHEMA)) != before
    name = sorted(other)[len(str(other)) % len(other)]
    row = rows[place] | {name: other[name]}
    if spec.canonical(other[name]) != spec.canonical(rows[place][name]):
        count, digest = of_table(
            pa.Table.from_pylist([*rows[:place], row, *rows[place + 1 :]], schema=SCHEMA)
        )
        assert count == before[0]
        assert digest != before[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "", "b": None}, {"a": None, "b": None}),
        ({"a": "ab", "b": "c"}, {"a": "a", "b": "bc"}),
        ({"a": "x1:y", "b": ""}, {"a": "x", "b": "y"}),
        ({"a": "N", "b": None}, {"a": None, "b": "N"}),
        ({"a": "é", "b": ""}, {"a": "e\u0301", "b": ""}),
    ],
)
def test_rows_that_look_alike_differ(connection, one: Row, other: Row) -> None:
    kinds = {"a": "VARCHAR", "b": "VARCHAR"}
    found = {connection.execute(duckdb_sql([row], kinds)).fetchone() for row in (one, other)}
    assert len(found) == 2


def test_values_exchanged_between_two_rows_show(connection) -> None:
    kinds = {"a": "BIGINT", "b": "BIGINT"}
    rows = [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
    mixed = [{"a": 1, "b": 2}, {"a": 2, "b": 1}]
    found = [connection.execute(duckdb_sql(some, kinds)).fetchone() for some in (rows, mixed)]
    assert found[0] != found[1]


def test_no_rows_and_no_columns_have_a_fingerprint(connection) -> None:
    nothing = statement((), Rows(place=exp.to_table("range(3)", dialect="duckdb")), "duckdb")
    count, digest = connection.execute(nothing.sql(dialect="duckdb")).fetchone()
    assert (count, digest) == (3, spec.fingerprint([{}] * 3)[1])
    place = spec.rows_of([{"a": 1}], {"a": "BIGINT"}, "duckdb")
    none = statement(columns_of({"a": "BIGINT"}), Rows(place=place, where=exp.false()), "duckdb")
    assert connection.execute(none.sql(dialect="duckdb")).fetchone() == (0, "0-0")
