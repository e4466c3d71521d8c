"""Both engines, and both sides of a run, must come to the same numbers for every kind of column."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_tables import Taken, columns, failed

from compactor import verify
from compactor.profile import ColumnProfile, family
from compactor.second_engine import Profiled, Profiler, source_columns
from compactor.types import FileColumn, rules

INT64 = 2**63
DIGITS38 = "9" * 38

# name -> (Arrow values, type in the source, expected: values, low, high, total)
FAMILIES: dict[str, tuple[pa.Array, str, tuple[int, Any, Any, int]]] = {
    "boolean": (pa.array([True, None, False, True]), "boolean", (3, 0, 1, 2)),
    "int8": (pa.array([-128, 127, None], pa.int8()), "tinyint", (2, -128, 127, -1)),
    "int32": (pa.array([-(2**31), 2**31 - 1, 7], pa.int32()), "int", (3, -(2**31), 2**31 - 1, 6)),
    "int64 extremes": (
        pa.array([-INT64, -INT64, -INT64, INT64 - 1, None], pa.int64()),
        "bigint",
        (4, -INT64, INT64 - 1, -2 * INT64 - 1),
    ),
    "uint64 extremes": (
        pa.array([2 * INT64 - 1, 2 * INT64 - 1, 0], pa.uint64()),
        "bigint unsigned",
        (3, 0, 2 * INT64 - 1, 4 * INT64 - 2),
    ),
    "decimal": (
        pa.array([Decimal("-1.50"), Decimal("2.25"), None], pa.decimal128(9, 2)),
        "decimal",
        (2, -150, 225, 75),
    ),
    "decimal of 38 digits": (
        pa.array([Decimal(DIGITS38), Decimal("-" + DIGITS38), Decimal(1)], pa.decimal128(38, 0)),
        "decimal",
        (3, -int(DIGITS38), int(DIGITS38), 1),
    ),
    "decimals whose sum needs more than 128 bits": (
        pa.array([Decimal(DIGITS38)] * 5 + [Decimal(-7), None], pa.decimal128(38, 0)),
        "decimal",
        (6, -7, int(DIGITS38), 5 * int(DIGITS38) - 7),
    ),
    "negative decimals whose sum needs more than 128 bits": (
        pa.array([Decimal(f"-0.{DIGITS38}")] * 3, pa.decimal128(38, 38)),
        "decimal",
        (3, -int(DIGITS38), -int(DIGITS38), -3 * int(DIGITS38)),
    ),
    "decimal text": (
        pa.array(["1.5", "-0.125", "1", "0", None]),
        "numeric",
        (4, -125, 1500, 2375),
    ),
    "decimal text of 38 digits": (
        pa.array([DIGITS38, DIGITS38, "-" + DIGITS38, DIGITS38]),
        "numeric",
        (4, -int(DIGITS38), int(DIGITS38), 2 * int(DIGITS38)),
    ),
    "date": (
        pa.array([date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 2)]),
        "date",
        (3, -719162, 2932896, -719162 + 2932896 + 1),
    ),
    "date text": (
        pa.array(["0001-01-01", "9999-12-31", None, "1969-12-31"]),
        "date",
        (3, -719162, 2932896, -719162 + 2932896 - 1),
    ),
    "timestamp": (
        pa.array([datetime(1969, 12, 31, 23, 59, 59, 999999), None], pa.timestamp("us")),  # noqa: DTZ001
        "datetime",
        (1, -1, -1, -1),
    ),
    "timestamp text": (
        pa.array(["1970-01-01 00:00:00.000001", "1969-12-31 23:59:59.5", None]),
        "timestamp without time zone",
        (2, -500_000, 1, -499_999),
    ),
    "timestamp with time zone": (
        pa.array([datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        "timestamp",
        (1, 2_000_000, 2_000_000, 2_000_000),
    ),
    "timestamptz text": (
        pa.array(["1970-01-01 05:30:00+05:30", "1970-01-01 00:00:00.5+00"]),
        "timestamp with time zone",
        (2, 0, 500_000, 500_000),
    ),
    "text": (
        pa.array(["", "Größe 🎁", "z", None, "a\x00b", "\U0010ffff"]),
        "text",
        (5, b"", "\U0010ffff".encode(), 0 + 12 + 1 + 3 + 4),
    ),
    "time": (
        pa.array([1, 43_200_120_000, 0, 86_399_000_000, None], pa.time64("us")),
        "",
        (4, b"00:00:00", b"23:59:59", 8 + 11 + 8 + 15),
    ),
    "time of nanoseconds": (
        pa.array([1, 1_000_000_000], pa.time64("ns")),
        "",
        (2, b"00:00:00.000000001", b"00:00:01", 18 + 8),
    ),
    "time of seconds": (
        pa.array([3600, 0], pa.time32("s")),
        "",
        (2, b"00:00:00", b"01:00:00", 16),
    ),
    "nanoseconds without any": (
        pa.array([1_000, None, -1_000_000], pa.timestamp("ns")),
        "",
        (2, -1_000, 1, -999),
    ),
    "nanoseconds with a zone, without any": (
        pa.array([2_000_000_000], pa.timestamp("ns", "UTC")),
        "",
        (1, 2_000_000, 2_000_000, 2_000_000),
    ),
    "uuid": (
        pa.array([bytes(16), None, bytes(range(16))], pa.uuid()),
        "uuid",
        (2, b"00000000-0000-0000-0000-000000000000", b"00010203-0405-0607-0809-0a0b0c0d0e0f", 72),
    ),
    "bytes": (pa.array([b"", b"\xff\x00", None]), "bytea", (2, None, None, 2)),
    "bytes that are text": (
        pa.array([b"DE", "Größe".encode(), None]),
        "char",
        (2, b"DE", "Größe".encode(), 2 + 7),
    ),
    "float": (
        pa.array([math.nan, -0.0, 1.5, None, math.inf, -math.inf], pa.float32()),
        "real",
        (5, -math.inf, math.inf, 1),
    ),
    "double": (
        pa.array([math.nan, math.nan, 5e-324, -1.7976931348623157e308]),
        "double precision",
        (4, -1.7976931348623157e308, 5e-324, 2),
    ),
    "only NaN": (pa.array([math.nan, None]), "double precision", (1, None, None, 1)),
    "negative zero": (pa.array([-0.0, 0.0]), "double precision", (2, 0.0, 0.0, 0)),
    "list": (pa.array([[1], None, []], pa.list_(pa.int32())), "array", (2, None, None, 0)),
}


def sides(taken: Taken) -> list[ColumnProfile]:
    """Return the profile of the last column by source, written files and stored bytes."""
    evidence = taken.evidence
    no = taken.loaded.rules[-1].no
    return [
        side[no]
        for side in (
            evidence.source_profiles,
            evidence.written_profiles,
            evidence.stored_profiles,
        )
    ]


@pytest.mark.parametrize("kind", FAMILIES)
def test_duckdb_polars_and_arrow_count_the_same_numbers(kind: str, tmp_path: Path) -> None:
    values, source_type, expected = FAMILIES[kind]
    table = pa.table({"x": values})
    with Taken(tmp_path, [table], columns(x=source_type)) as taken:
        checks = taken.finish()
        assert not taken.loaded.rules[0].kept_text
        for side in sides(taken):
            assert (side.values, side.low, side.high, side.total) == expected
            assert side.unparsed == 0
        assert failed(checks) == set()
        assert {c.status for c in checks if c.name == "profile"} == {"pass"}


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_column_without_any_value_is_counted_as_such(kind: str, tmp_path: Path) -> None:
    values, source_type, _ = FAMILIES[kind]
    for name, rows in (("nulls", 3), ("no rows", 0)):
        table = pa.table({"x": pa.nulls(rows, values.type)})
        with Taken(tmp_path / name, [table], columns(x=source_type)) as taken:
            checks = taken.finish()
            for side in sides(taken):
                assert (side.values, side.low, side.high, side.total) == (0, None, None, 0)
            assert failed(checks) == set()


def test_an_undivided_table_without_rows_still_gets_a_file_with_its_columns(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([], pa.int64()), "at": pa.array([], pa.string())})
    with Taken(tmp_path, [table], columns(at="date")) as taken:
        assert failed(taken.finish()) == set()
        (part,) = taken.parts
        assert pq.read_schema(part.path).names == ["id", "at"]
        assert pq.read_schema(part.path).field("at").type == pa.date32()


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (pa.array([1, 2], pa.int32()), pa.array([2**40, None], pa.int64()), 3 + 2**40),
        (pa.array([2**40], pa.int64()), pa.array([-1], pa.int16()), 2**40 - 1),
        (
            pa.array([Decimal("1.5")], pa.decimal128(9, 1)),
            pa.array([Decimal("0.125")], pa.decimal128(12, 3)),
            1625,
        ),
        (pa.array([1.5], pa.float32()), pa.array([0.1], pa.float64()), 0),
    ],
    ids=["int32 and int64", "int64 and int16", "decimal scales", "float and double"],
)
def test_files_with_different_types_are_profiled_as_one_column(
    first: pa.Array, second: pa.Array, total: int, tmp_path: Path
) -> None:
    tables = [pa.table({"x": first}), pa.table({"x": second})]
    with Taken(tmp_path, tables) as taken:
        checks = taken.finish()
        assert [side.total for side in sides(taken)] == [total] * 3
        assert failed(checks) == set()
        assert all(check.status == "pass" for check in checks if check.name == "profile")


def test_a_column_that_some_files_lack_is_counted_where_it_is(tmp_path: Path) -> None:
    tables = [pa.table({"id": [1, 2]}), pa.table({"id": [3], "x": ["a"]})]
    with Taken(tmp_path, tables) as taken:
        assert failed(taken.finish()) == set()
        assert [side.values for side in sides(taken)] == [1, 1, 1]


def test_a_spelling_that_only_duckdb_reads_is_never_called_verified(tmp_path: Path) -> None:
    spellings = ["1800-01-01 00:00:00.25+00:53:28", "2024-03-05 12:34:56+00"]
    table = pa.table({"at": pa.array([*spellings, None])})
    with Taken(tmp_path, [table], columns(at="timestamp with time zone")) as taken:
        (rule,) = taken.loaded.rules
        source = taken.evidence.source_profiles[rule.no]
        assert not rule.kept_text
        assert source.unparsed > 0
        assert source.unparsed + source.values == 2
        (check,) = [check for check in taken.finish() if check.name == "profile"]
        assert check.status == "not_verified"


def test_a_value_lost_among_spellings_that_only_duckdb_reads_still_fails(tmp_path: Path) -> None:
    table = pa.table({"at": pa.array(["1800-01-01 00:00:00.25+00:53:28"] * 2)})
    with Taken(tmp_path, [table], columns(at="timestamp with time zone")) as taken:
        written = pq.read_table(taken.parts[0].path)
        pq.write_table(written.slice(0, 1), taken.parts[0].path)
        assert ("profile", "at") in failed(taken.finish())


def test_values_that_the_second_engine_cannot_type_are_counted_not_dropped() -> None:
    """The type comes from the first file; another file may hold something else."""
    (rule,), _ = rules(
        [FileColumn(read_name="x", source_name="x", read_type="VARCHAR")], columns(x="date")
    )
    profiler = Profiler(source_columns([rule]))
    profiler.add(pa.table({"x": ["2024-01-01", "infinity", "0044-03-15 BC", None]}))
    profiler.add(pa.table({"x": pa.array([1, 2], pa.int64())}))
    found = profiler.result()[rule.no]
    assert profiler.rows == 6
    assert (found.values + found.unparsed, found.unparsed) == (5, 4)


@pytest.mark.parametrize("batch_bytes", [1, 1 << 10, 48 << 20])
def test_the_size_of_batches_does_not_change_a_profile(batch_bytes: int) -> None:
    column = Profiled(no=0, name="x", type_name="BIGINT")
    profiler = Profiler([column], batch_bytes=batch_bytes)
    for start in range(0, 1000, 10):
        profiler.add(pa.table({"x": pa.array(range(start, start + 10), pa.int64())}))
    found = profiler.result()[0]
    assert (found.values, found.low, found.high, found.total) == (1000, 0, 999, 499_500)


def test_names_that_look_like_patterns_are_profiled_as_plain_names(tmp_path: Path) -> None:
    names = ["^.*$", "", "*", "a,b", 'q"', "Größe", "select"]
    table = pa.table([pa.array([number]) for number in range(len(names))], names=names)
    with Taken(tmp_path, [table]) as taken:
        assert failed(taken.finish()) == set()
        totals = [profile.total for profile in taken.evidence.stored_profiles.values()]
        assert totals == list(range(len(names)))


def test_profiles_show_no_text_of_the_rows() -> None:
    secret = ColumnProfile(values=1, low=b"anna@example.com", high=b"anna@example.com", total=16)
    assert "anna" not in secret.text()
    other = ColumnProfile(values=1, low=b"bert@example.com", high=b"anna@example.com", total=16)
    assert secret.text() != other.text()


@pytest.mark.parametrize("field", ["values", "low", "high", "total"])
def test_a_difference_in_any_number_of_a_profile_is_seen(field: str) -> None:
    def made() -> ColumnProfile:
        return ColumnProfile(values=3, low=1, high=9, total=12)

    changed = made()
    setattr(changed, field, getattr(changed, field) + 1)
    assert changed.text() != made().text()
    assert made().text() == made().text()


def test_every_type_that_is_written_has_a_family() -> None:
    for name in ("HUGEINT", "BOOLEAN", "DECIMAL(38,10)", "DATE", "VARCHAR", "BLOB", "FLOAT"):
        assert family(name) != "other"
    assert family("INTEGER[]") == "other"


def test_evidence_of_several_chunks_adds_up() -> None:
    evidence = verify.Evidence(grain="none")
    evidence.merge_profiles("source", {0: ColumnProfile(values=2, low=1, high=5, total=6)})
    evidence.merge_profiles("source", {0: ColumnProfile(values=1, low=-1, high=-1, total=-1)})
    evidence.merge_profiles("source", {0: ColumnProfile(unparsed=4)})
    found = evidence.source_profiles[0]
    assert (found.values, found.low, found.high, found.total, found.unparsed) == (3, -1, 5, 5, 4)


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_nanoseconds_become_text_where_there_are_any(zone: str | None, tmp_path: Path) -> None:
    values = pa.array([1, -1, 1_500_000_000, 0, None], pa.timestamp("ns", zone))
    with Taken(tmp_path, [pa.table({"x": values})], columns(x="")) as taken:
        checks = taken.finish()
        (rule,) = taken.loaded.rules
        assert (rule.target, rule.kept_text, rule.kept_values) == ("VARCHAR", True, 2)
        offset = "+00" if zone else ""
        spelled = [
            "1970-01-01 00:00:00.000000001",
            "1969-12-31 23:59:59.999999999",
            "1970-01-01 00:00:01.5",
            "1970-01-01 00:00:00",
        ]
        low, *_, high = sorted(f"{text}{offset}".encode() for text in spelled)
        for side in sides(taken):
            assert (side.values, side.low, side.high) == (4, low, high)
        assert failed(checks) == set()
