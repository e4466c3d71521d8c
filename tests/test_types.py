"""Rules, names, widening and partition days; the round trip itself is in test_properties.py."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from compactor import probe, staged_rows, types
from compactor.model import Grain, SourceColumn
from compactor.sql import connect
from compactor.types import FileColumn, Rule, decimal_type, widens


def chosen(read_type: str, source_type: str = "", precision: int = 0) -> Rule:
    column = FileColumn(read_name="x", source_name="x", read_type=read_type)
    known = SourceColumn(name="x", source_type=source_type, precision=precision)
    (rule,), _ = types.rules([column], [known])
    return rule


@pytest.mark.parametrize(
    ("read_type", "source_type", "precision", "how", "target"),
    [
        ("VARCHAR", "date", 0, "date", "DATE"),
        ("VARCHAR", "DATE", 0, "date", "DATE"),
        ("VARCHAR", "timestamp without time zone", 0, "timestamp", "TIMESTAMP"),
        ("VARCHAR", "timestamp with time zone", 0, "timestamptz", "TIMESTAMP WITH TIME ZONE"),
        ("VARCHAR", "numeric", 12, "decimal", "DECIMAL(12,0)"),
        ("VARCHAR", "numeric", 0, "decimal", "DECIMAL(38,0)"),
        ("VARCHAR", "numeric", 1000, "decimal", "DECIMAL(38,0)"),
        ("VARCHAR", "text", 0, "as_is", "VARCHAR"),
        ("VARCHAR", "interval", 0, "as_is", "VARCHAR"),
        ("VARCHAR", "", 0, "as_is", "VARCHAR"),
        ("BIGINT", "numeric", 0, "as_is", "BIGINT"),
        ("DATE", "date", 0, "as_is", "DATE"),
        ("BLOB", "char", 0, "utf8", "VARCHAR"),
        ("BLOB", "blob", 0, "as_is", "BLOB"),
        ("BLOB", "", 0, "as_is", "BLOB"),
        ("SMALLINT", "smallint", 0, "cast", "INTEGER"),
        ("UBIGINT", "bigint unsigned", 0, "cast", "DECIMAL(20,0)"),
        ("TIME", "time", 0, "cast", "VARCHAR"),
        ("ENUM('a', 'b')", "enum", 0, "cast", "VARCHAR"),
    ],
)
def test_the_source_type_is_restored_only_where_the_file_and_the_export_agree(
    read_type: str, source_type: str, precision: int, how: str, target: str
) -> None:
    rule = chosen(read_type, source_type, precision)
    assert (rule.how, rule.target) == (how, target)


def test_a_column_that_keeps_its_text_is_no_longer_typed_and_shows_five_examples() -> None:
    rule = chosen("VARCHAR", "date").keep_text(7, [str(number) for number in range(7)])
    assert (rule.how, rule.target, rule.parsed) == ("as_is", "VARCHAR", False)
    assert (rule.kept_text, rule.kept_values, len(rule.examples)) == (True, 7, 5)


def names(*given: str) -> tuple[list[str], tuple[str, ...]]:
    columns = [FileColumn(read_name=n, source_name=n, read_type="INTEGER") for n in given]
    made, notes = types.rules(columns, ())
    return [rule.output_name for rule in made], notes


def test_output_names_are_unique_without_regard_to_case_and_hide_no_partition_folder() -> None:
    made, notes = names("id", "ID", "Id", "dt", "snapshot", "dt_1", "", "Größe")
    assert made == ["id", "id_1", "id_2", "dt_1", "snapshot_1", "dt_1_1", "unnamed", "größe"]
    assert len(notes) == 6
    assert "column 'dt' is written as 'dt_1'" in notes


def test_a_name_that_is_only_written_in_other_case_is_no_news() -> None:
    assert names("CustomerId") == (["customerid"], ())


def test_columns_are_described_by_name_in_any_case_but_an_exact_name_wins() -> None:
    columns = [
        FileColumn(read_name=name, source_name=name, read_type="VARCHAR")
        for name in ("at", "AT", "Born")
    ]
    described = [
        SourceColumn(name="AT", source_type="date"),
        SourceColumn(name="at", source_type="numeric"),
        SourceColumn(name="born", source_type="date"),
    ]
    made, _ = types.rules(columns, described)
    assert [rule.how for rule in made] == ["decimal", "date", "date"]


@pytest.mark.parametrize(
    ("narrow", "wide", "fits"),
    [
        ("INTEGER", "INTEGER", True),
        ("INTEGER", "BIGINT", True),
        ("BIGINT", "INTEGER", False),
        ("UINTEGER", "INTEGER", False),
        ("UINTEGER", "BIGINT", True),
        ("UBIGINT", "BIGINT", False),
        ("INTEGER", "FLOAT", False),
        ("SMALLINT", "FLOAT", True),
        ("INTEGER", "DOUBLE", True),
        ("BIGINT", "DOUBLE", False),
        ("FLOAT", "DOUBLE", True),
        ("DOUBLE", "FLOAT", False),
        ("DECIMAL(9,2)", "DECIMAL(12,4)", True),
        ("DECIMAL(9,2)", "DECIMAL(10,4)", False),
        ("DECIMAL(9,2)", "DECIMAL(12,1)", False),
        ("INTEGER", "DECIMAL(10,0)", True),
        ("INTEGER", "DECIMAL(9,0)", False),
        ("BIGINT", "DECIMAL(19,0)", True),
        ("BIGINT", "DECIMAL(18,0)", False),
        ("BIGINT", "VARCHAR", False),
        ("VARCHAR", "BIGINT", False),
        ("DATE", "TIMESTAMP", False),
    ],
)
def test_a_type_is_only_widened_where_every_value_fits(narrow: str, wide: str, fits: bool) -> None:
    assert widens(narrow, wide) is fits


@pytest.mark.parametrize("wide", ["DECIMAL(19,0)", "DOUBLE", "BIGINT", "UBIGINT", "FLOAT"])
@pytest.mark.parametrize(
    ("narrow", "extremes"),
    [
        ("TINYINT", (-(2**7), 2**7 - 1)),
        ("USMALLINT", (0, 2**16 - 1)),
        ("INTEGER", (-(2**31), 2**31 - 1)),
        ("UINTEGER", (0, 2**32 - 1)),
        ("BIGINT", (-(2**63), 2**63 - 1)),
    ],
)
def test_what_is_said_to_widen_does_so_in_duckdb_too(
    narrow: str, extremes: tuple[int, int], wide: str
) -> None:
    if not widens(narrow, wide):
        return
    with connect() as connection:
        cast = types.exp.cast(types.exp.column("x"), wide, dialect="duckdb")
        back = types.exp.cast(cast, "HUGEINT", dialect="duckdb")
        values = "(SELECT unnest($1::HUGEINT[]) AS x)"
        select = " ".join(("SELECT", back.sql(dialect="duckdb"), "FROM", values))
        assert connection.execute(select, [list(extremes)]).fetchall() == [(n,) for n in extremes]


def test_a_decimal_has_the_declared_width_only_where_that_can_hold_it() -> None:
    assert decimal_type(12, 2) == "DECIMAL(12,2)"
    assert decimal_type(3, 5) == "DECIMAL(38,5)"
    assert decimal_type(0, 4) == "DECIMAL(38,4)"
    assert decimal_type(39, 4) == "DECIMAL(38,4)"
    facts = probe.ColumnFacts(lossy=0, examples=(), digits=11, scale=2)
    (rule,) = probe.tune([chosen("VARCHAR", "numeric", 12)], {0: facts})
    assert rule.target == "DECIMAL(38,2)"


def days(rule: Rule | None, grain: Grain, zone: str, values: list[Any]) -> list[date | None]:
    with connect() as connection:
        typed = types.value(rule).sql(dialect="duckdb") if rule else "NULL"
        select = " ".join(
            (
                *("SELECT", types.day(rule, grain, zone).sql(dialect="duckdb")),
                *("FROM (SELECT s0,", typed, "AS c0 FROM (SELECT unnest($1)"),
                *("::", rule.read_type if rule else "VARCHAR", "AS s0))"),
            )
        )
        return [row[0] for row in connection.execute(select, [values]).fetchall()]


def test_rows_are_filed_under_the_first_day_of_their_month_or_year() -> None:
    rule = chosen("VARCHAR", "date")
    values: list[str | None] = ["2024-02-29", None, "0001-12-31", "9999-12-31"]
    found = {grain: days(rule, grain, "UTC", values) for grain in ("day", "month", "year", "none")}
    assert found == {
        "day": [date(2024, 2, 29), None, date(1, 12, 31), date(9999, 12, 31)],
        "month": [date(2024, 2, 1), None, date(1, 12, 1), date(9999, 12, 1)],
        "year": [date(2024, 1, 1), None, date(1, 1, 1), date(9999, 1, 1)],
        "none": [None] * 4,
    }


def test_an_instant_is_filed_under_the_day_of_the_configured_zone() -> None:
    rule = chosen("VARCHAR", "timestamp with time zone")
    values: list[str | None] = ["2024-03-05 23:30:00+00", "2024-07-05 22:30:00+00"]
    assert days(rule, "day", "UTC", values) == [date(2024, 3, 5), date(2024, 7, 5)]
    assert days(rule, "day", "Europe/Berlin", values) == [date(2024, 3, 6), date(2024, 7, 6)]
    plain = chosen("VARCHAR", "timestamp without time zone")
    assert days(plain, "day", "Europe/Berlin", ["2024-03-05 23:30:00"]) == [date(2024, 3, 5)]


def test_a_text_is_filed_under_its_own_day_unless_it_has_an_offset() -> None:
    rule = chosen("VARCHAR", "")
    values: list[str | None] = [
        *("2024-03-05T23:30:00-05:00", "2024-03-05T23:30:00Z", "2024-03-05 00:10:00.5+01"),
        *("2024-03-05T23:30:00", "2024-03-05", "2024-03", "0044-03-15 01:00:00 BC", None),
    ]
    plain = [date(2024, 3, 5), date(2024, 3, 5), None, None, None]
    utc = [date(2024, 3, 6), date(2024, 3, 5), date(2024, 3, 4)]
    berlin = [date(2024, 3, 6), date(2024, 3, 6), date(2024, 3, 5)]
    assert days(rule, "day", "UTC", values) == [*utc, *plain]
    assert days(rule, "day", "Europe/Berlin", values) == [*berlin, *plain]


_MOMENT = 1_709_681_400  # 2024-03-05 23:30:00 UTC


@pytest.mark.parametrize(
    ("read_type", "source_type", "values"),
    [
        ("BIGINT", "", [_MOMENT, _MOMENT * 10**3, _MOMENT * 10**6, None, 0, -1]),
        ("DECIMAL(38,0)", "numeric", [_MOMENT, _MOMENT * 10**3, _MOMENT * 10**6, None, 0, -1]),
        (
            "DECIMAL(38,3)",
            "",
            [
                Decimal(f"{_MOMENT}.999"),
                Decimal(_MOMENT * 10**3),
                Decimal(_MOMENT * 10**6),
                None,
                Decimal("0.5"),
                Decimal("-0.5"),
            ],
        ),
    ],
)
def test_a_number_is_filed_as_a_moment_of_the_unit_that_its_size_tells(
    read_type: str, source_type: str, values: list[Any]
) -> None:
    rule = chosen(read_type, source_type)
    shown = [date(2024, 3, 5)] * 3
    assert days(rule, "day", "UTC", values) == [*shown, None, date(1970, 1, 1), date(1969, 12, 31)]
    assert days(rule, "day", "Europe/Berlin", values)[:3] == [date(2024, 3, 6)] * 3
    assert days(rule, "month", "UTC", values)[:4] == [date(2024, 3, 1)] * 3 + [None]


def test_numbers_become_moments_up_to_the_last_one_of_each_unit() -> None:
    last = [10**11 - 1, 10**14 - 1, 10**17 - 1]
    first = [10**11, 10**14]
    rule = chosen("BIGINT")
    assert days(rule, "day", "UTC", last) == [date(5138, 11, 16)] * 3
    assert days(rule, "day", "UTC", first) == [date(1973, 3, 3)] * 2
    assert days(rule, "day", "UTC", [-one for one in last]) == [None] * 3


def test_a_number_that_is_no_moment_has_no_day() -> None:
    most = (1 << 63) - 1
    assert days(chosen("BIGINT"), "day", "UTC", [10**17, most, -most - 1]) == [None] * 3
    huge = [Decimal("9" * 38), Decimal("-" + "9" * 38)]
    assert days(chosen("DECIMAL(38,0)"), "day", "UTC", huge) == [None] * 2
    odd = [float("nan"), float("inf"), 1e300, float(_MOMENT)]
    assert days(chosen("DOUBLE"), "day", "UTC", odd) == [None] * 3 + [date(2024, 3, 5)]


def test_numbers_that_kept_their_text_are_filed_all_the_same() -> None:
    rule = chosen("VARCHAR", "numeric").keep_text(1, ["1E+2"])
    values = [str(_MOMENT), f"{_MOMENT}000", f"{_MOMENT}.5", "1.7E9", "x", None, "9" * 40]
    assert days(rule, "day", "UTC", values) == [
        *[date(2024, 3, 5)] * 3,
        date(2023, 11, 14),
        *[None] * 3,
    ]
    plain = chosen("VARCHAR", "text")
    assert days(plain, "day", "UTC", values) == [None] * len(values)


@pytest.mark.parametrize("source_type", ["date", "timestamp without time zone"])
def test_kept_text_is_filed_by_the_dates_it_holds_and_never_by_a_wrong_one(
    source_type: str,
) -> None:
    rule = chosen("VARCHAR", source_type).keep_text(1, ["infinity"])
    tail = " 01:00:00" if source_type != "date" else ""
    values: list[str | None] = [
        f"2024-03-05{tail}",
        *("infinity", "-infinity", f"0044-03-15{tail} BC", f"10000-01-01{tail}", "junk", "", None),
    ]
    assert days(rule, "day", "UTC", values) == [date(2024, 3, 5), *[None] * 7]


def test_a_column_name_can_hold_sql_and_is_still_only_a_name() -> None:
    hostile = 'x"); DROP TABLE sorted; --'
    column = FileColumn(read_name=hostile, source_name=hostile, read_type="VARCHAR")
    (rule,), _ = types.rules([column], ())
    assert (rule.staged_name, rule.scratch_name) == ("s0", "c0")
    sql = staged_rows.hashed_rows([rule], types.day(None, "none", "UTC")).sql(dialect="duckdb")
    assert '"x""); DROP TABLE sorted; --"' in sql
