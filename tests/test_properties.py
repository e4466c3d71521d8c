"""What must hold for any table, any text, any moment; checked with hypothesis.

The examples are the same in every run, so that a failure is repeated by running the test again.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from small_tables import Taken, failed, options

from compactor import archive, lake, probe, staged_rows, types
from compactor.model import SIZE_EDGES, SourceColumn
from compactor.sql import connect
from compactor.stage import chunks
from compactor.store.interface import Wanted
from compactor.table_result import size_histogram
from compactor.types import FileColumn, Rule

settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("tests")

# --- tables ---------------------------------------------------------------------------------------

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("text", pa.string()),
        ("other", pa.string()),
        ("real", pa.float64()),
        ("day", pa.date32()),
        ("amount", pa.decimal128(38, 4)),
        ("flag", pa.bool_()),
        ("raw", pa.binary()),
    ]
)
Row = tuple[Any, ...]

_TEXT = st.one_of(
    st.sampled_from(["", " ", "0", "NULL", "null", "a", "a ", "Größe 🎁", "x" * 20]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
_VALUES: list[st.SearchStrategy[Any]] = [
    st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1),
    _TEXT,
    _TEXT,
    # adding 0.0 makes 0.0 of -0.0: both engines hold them for equal
    st.floats(allow_nan=False, allow_infinity=True).map(lambda real: real + 0.0),
    st.dates(),
    st.decimals(-(10**20), 10**20, places=4, allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.binary(max_size=20),
]
_ROW = st.tuples(*[st.none() | values for values in _VALUES])
_ROWS = st.lists(_ROW, max_size=8)
_SOME_ROWS = st.lists(_ROW, min_size=1, max_size=8)


def table(rows: Sequence[Row]) -> pa.Table:
    arrays = [
        pa.array([row[place] for row in rows], field.type) for place, field in enumerate(SCHEMA)
    ]
    return pa.table(arrays, schema=SCHEMA)


Print = tuple[int, int, int]


class Hashing:
    """Computes fingerprints as a run does: hashed rows of staged files, summed by DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = connect(threads=1)
        staged_rows.open_source(self.connection, by_name=False)
        files = self.files([[]])
        self.rules, _ = probe.propose(self.connection, files, SCHEMA.names, ())
        hashed = staged_rows.hashed_rows(self.rules, types.day(None, "none", "UTC"))
        sums = [f"sum({name})::VARCHAR" for name in ("h1", "h2")]
        summed = types.exp.select("count(*)", *sums, dialect="duckdb").from_(hashed.subquery("t"))
        self.sql = summed.sql(dialect="duckdb")

    def files(self, parts: Sequence[Sequence[Row]]) -> list[str]:
        paths = []
        for number, rows in enumerate(parts):
            path = self.folder / f"{number}.parquet"
            pq.write_table(table(rows), path)
            paths.append(str(path))
        return paths

    def of(self, *parts: Sequence[Row]) -> Print:
        found = self.connection.execute(self.sql, {"files": self.files(parts)}).fetchone()
        assert found is not None
        return found[0], int(found[1] or 0), int(found[2] or 0)


@pytest.fixture(scope="module")
def hashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hashing]:
    made = Hashing(tmp_path_factory.mktemp("hashing"))
    yield made
    made.connection.close()


@given(rows=_ROWS, data=st.data())
def test_order_and_cutting_into_files_do_not_change_a_fingerprint(
    hashing: Hashing, rows: list[Row], data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(rows))
    cut = data.draw(st.integers(0, len(rows)))
    assert hashing.of(rows) == hashing.of(mixed) == hashing.of(mixed[:cut], mixed[cut:])


@given(first=_ROWS, second=_ROWS)
def test_fingerprints_add_up(hashing: Hashing, first: list[Row], second: list[Row]) -> None:
    one, two = hashing.of(first), hashing.of(second)
    both = hashing.of(first, second)
    assert both == tuple(a + b for a, b in zip(one, two, strict=True))


@given(rows=_SOME_ROWS, data=st.data())
def test_a_lost_or_doubled_row_changes_the_sums_and_not_only_the_count(
    hashing: Hashing, rows: list[Row], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    before = hashing.of(rows)
    for changed in (rows[:place] + rows[place + 1 :], [*rows, rows[place]]):
        after = hashing.of(changed)
        assert after[1] != before[1]
        assert after[2] != before[2]


@given(rows=_SOME_ROWS, data=st.data())
def test_any_single_changed_value_changes_a_fingerprint(
    hashing: Hashing, rows: list[Row], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    column = data.draw(st.integers(0, len(SCHEMA) - 1))
    value = data.draw(st.none() | _VALUES[column])
    assume(value != rows[place][column])
    row = list(rows[place])
    row[column] = value
    before, after = hashing.of(rows), hashing.of([*rows[:place], tuple(row), *rows[place + 1 :]])
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert before[2] != after[2]


@given(rows=st.lists(_ROW, min_size=2, max_size=6), data=st.data())
def test_values_exchanged_between_rows_change_a_fingerprint(
    hashing: Hashing, rows: list[Row], data: st.DataObject
) -> None:
    one, two = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2))
    columns = data.draw(st.sets(st.integers(0, len(SCHEMA) - 1), min_size=1))
    first, second = list(rows[one]), list(rows[two])
    for column in columns:
        first[column], second[column] = second[column], first[column]
    changed = list(rows)
    changed[one], changed[two] = tuple(first), tuple(second)
    same = Counter(rows) == Counter(changed)
    assert (hashing.of(rows) == hashing.of(changed)) == same


@given(row=_ROW, data=st.data())
def test_values_exchanged_between_columns_change_a_fingerprint(
    hashing: Hashing, row: Row, data: st.DataObject
) -> None:
    """NULL and a text, too: (NULL, 'a') is not ('a', NULL)."""
    text = data.draw(st.none() | _TEXT)
    assume(text != row[1])
    there, back = (row[0], row[1], text, *row[3:]), (row[0], text, row[1], *row[3:])
    before, after = hashing.of([there]), hashing.of([back])
    assert (before[1] != after[1], before[2] != after[2]) == (True, True)


NOTHINGS: Row = (0, "", "", 0.0, date(1970, 1, 1), Decimal(0), False, b"")


def test_null_is_not_zero_not_empty_and_not_null_of_another_column(hashing: Hashing) -> None:
    prints = {hashing.of([NOTHINGS]), hashing.of([(None,) * len(SCHEMA)])}
    for place in range(len(SCHEMA)):
        prints.add(hashing.of([(*NOTHINGS[:place], None, *NOTHINGS[place + 1 :])]))
        only = [None] * len(SCHEMA)
        only[place] = NOTHINGS[place]
        prints.add(hashing.of([tuple(only)]))
    assert len(prints) == 2 + 2 * len(SCHEMA)


def test_equal_rows_do_not_cancel_each_other(hashing: Hashing) -> None:
    """A sum of exclusive-or would make two equal rows vanish."""
    assert len({hashing.of([NOTHINGS] * times) for times in range(6)}) == 6


# --- the real way: load, write, read back ---------------------------------------------------------


@settings(max_examples=20)
@given(rows=_ROWS, cut=st.integers(0, 8), grain=st.sampled_from(["day", "month", "none"]))
def test_any_table_passes_its_checks_and_comes_back_as_it_was(
    rows: list[Row], cut: int, grain: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tables = [table(rows[:cut]), table(rows[cut:])]
        chosen = options("day" if grain != "none" else None, grain)
        with Taken(
            Path(folder), tables, (), chosen, bytes_per_row=chosen.target_bytes / 3
        ) as taken:
            assert failed(taken.finish()) == set()
            back: Counter[Row] = Counter()
            for part in taken.parts:
                written = pq.read_table(part.path).to_pylist()
                assert len(written) <= 3
                for row in written:
                    assert part.value == _folder(row["day"], grain)
                    back[tuple(row.values())] += 1
            assert back == Counter(rows)


def _folder(day: date | None, grain: str) -> str:
    if grain == "none":
        return ""
    if day is None:
        return "__HIVE_DEFAULT_PARTITION__"
    return str(day if grain == "day" else day.replace(day=1))


@settings(max_examples=20)
@given(rows=_SOME_ROWS, data=st.data())
def test_any_single_change_in_a_written_file_fails_a_check_of_its_partition(
    rows: list[Row], data: st.DataObject
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Taken(Path(folder), [table(rows)], (), options("day")) as taken,
    ):
        part = data.draw(st.sampled_from(taken.parts))
        written = [tuple(row.values()) for row in pq.read_table(part.path).to_pylist()]
        place = data.draw(st.integers(0, len(written) - 1))
        what = data.draw(st.sampled_from(["lose", "double", "change"]))
        if what == "lose":
            changed = written[:place] + written[place + 1 :]
        elif what == "double":
            changed = [*written, written[place]]
        else:
            column = data.draw(st.integers(0, len(SCHEMA) - 1))
            value = data.draw(st.none() | _VALUES[column])
            assume(value != written[place][column])
            row = list(written[place])
            row[column] = value
            changed = [*written[:place], tuple(row), *written[place + 1 :]]
        pq.write_table(table(changed), part.path)
        assert ("fingerprint", f"dt={part.value}") in failed(taken.finish())


# --- round trip of types --------------------------------------------------------------------------


class Restoring:
    """Types texts as a run does; says of each whether its round trip failed."""

    def __init__(self) -> None:
        self.connection = connect(threads=1)

    def of(self, rule: Rule, texts: Sequence[str]) -> list[tuple[bool, str | None, int | None]]:
        """Return (flagged, typed value as text, its microseconds) of each text."""
        lossy = types.is_lossy(rule, types.exp.column("c0")).sql(dialect="duckdb")
        value = types.value(rule).sql(dialect="duckdb")
        moment = "NULL" if rule.how == "decimal" else "epoch_us(c0)"
        asked = ", ".join((lossy, "c0::VARCHAR", moment))
        statement = " ".join(
            ("SELECT", asked, "FROM (SELECT s0,", value, "AS c0 FROM (SELECT unnest($1) AS s0))")
        )
        return self.connection.execute(statement, [list(texts)]).fetchall()


@pytest.fixture(scope="module")
def restoring() -> Iterator[Restoring]:
    made = Restoring()
    yield made
    made.connection.close()


def rule_for(source_type: str, scale: int = 0) -> Rule:
    column = FileColumn(read_name="x", source_name="x", read_type="VARCHAR")
    (rule,), _ = types.rules([column], [SourceColumn(name="x", source_type=source_type)])
    return replace(rule, target=types.decimal_type(38, scale)) if rule.how == "decimal" else rule


DATE = rule_for("date")
TIMESTAMP = rule_for("timestamp without time zone")
TIMESTAMPTZ = rule_for("timestamp with time zone")

_days = st.dates().map(lambda day: (day, f"{day:%Y-%m-%d}".zfill(10)))
_clock = st.times()


def _time_text(moment: Any) -> str:
    """Write a time as PostgreSQL does: no trailing zeros of the fraction."""
    text = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    return text + (f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else "")


def _micros(day: date, moment: Any) -> int:
    seconds = (day.toordinal() - 719163) * 86400
    seconds += moment.hour * 3600 + moment.minute * 60 + moment.second
    return seconds * 1_000_000 + moment.microsecond


@given(days=st.lists(_days, min_size=1, max_size=30))
@example(days=[(date(1, 1, 1), "0001-01-01"), (date(9999, 12, 31), "9999-12-31")])
def test_every_date_of_our_era_is_restored(
    restoring: Restoring, days: list[tuple[date, str]]
) -> None:
    found = restoring.of(DATE, [text for _, text in days])
    midnight = datetime.min.time()
    assert found == [(False, text, _micros(day, midnight)) for day, text in days]


@given(
    moments=st.lists(st.tuples(_days, _clock), min_size=1, max_size=30),
    zeros=st.text("0", max_size=3),
)
def test_every_timestamp_of_our_era_is_restored(
    restoring: Restoring, moments: list[Any], zeros: str
) -> None:
    texts = [f"{day[1]} {_time_text(clock)}" for day, clock in moments]
    padded = [text + (zeros if "." in text else "") for text in texts]
    expected = [_micros(day[0], clock) for day, clock in moments]
    for found in (restoring.of(TIMESTAMP, texts), restoring.of(TIMESTAMP, padded)):
        assert [flagged for flagged, _, _ in found] == [False] * len(texts)
        assert [text for _, text, _ in found] == texts
        assert [micros for _, _, micros in found] == expected


_OFFSETS = st.one_of(
    st.just(0),
    st.integers(-15, 15).map(lambda hours: hours * 3600),
    st.integers(-15 * 3600 - 3599, 15 * 3600 + 3599),
)


def _offset_text(seconds: int) -> str:
    """Write an offset as PostgreSQL does: minutes and seconds only where there are some."""
    sign = "-" if seconds < 0 else "+"
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{sign}{minutes // 60:02d}"
    if minutes % 60 or rest:
        text += f":{minutes % 60:02d}"
    return text + (f":{rest:02d}" if rest else "")


@given(moments=st.lists(st.tuples(_days, _clock, _OFFSETS), min_size=1, max_size=30))
@example(moments=[((date(1, 1, 1), "0001-01-01"), datetime.min.time(), 3600)])
@example(moments=[((date(9999, 12, 31), "9999-12-31"), datetime.max.time(), -1)])
def test_every_instant_of_our_era_is_restored_and_others_are_flagged(
    restoring: Restoring, moments: list[Any]
) -> None:
    texts = [f"{d[1]} {_time_text(clock)}{_offset_text(off)}" for d, clock, off in moments]
    low, high = _micros(date(1, 1, 1), datetime.min.time()), 253402300800 * 1_000_000
    for (day, clock, offset), (flagged, _, micros) in zip(
        moments, restoring.of(TIMESTAMPTZ, texts), strict=True
    ):
        instant = _micros(day[0], clock) - offset * 1_000_000
        assert flagged == (not low <= instant < high)
        assert flagged or micros == instant


_FAR = st.integers(10_000, 294_275).map(str)


@given(day=_days, clock=_clock, offset=_OFFSETS, year=_FAR)
def test_dates_that_parquet_readers_cannot_show_are_flagged(
    restoring: Restoring, day: Any, clock: Any, offset: int, year: str
) -> None:
    """BC, the years after 9999, and the infinities: all of them valid in PostgreSQL."""
    far = year + day[1][4:]
    for rule, tail in (
        (DATE, ""),
        (TIMESTAMP, f" {_time_text(clock)}"),
        (TIMESTAMPTZ, f" {_time_text(clock)}{_offset_text(offset)}"),
    ):
        texts = [f"{day[1]}{tail} BC", far + tail, "infinity", "-infinity", f"{far}{tail} BC"]
        assert [flagged for flagged, _, _ in restoring.of(rule, texts)] == [True] * len(texts)


@given(
    numbers=st.lists(st.integers(-(10**38) + 1, 10**38 - 1), min_size=1, max_size=20),
    scale=st.integers(0, 37),
)
def test_decimals_of_up_to_38_digits_are_exact(
    restoring: Restoring, numbers: list[int], scale: int
) -> None:
    texts = [_decimal_text(number, scale) for number in numbers]
    found = restoring.of(rule_for("numeric", scale), texts)
    assert [(flagged, text) for flagged, text, _ in found] == [(False, text) for text in texts]


@given(
    numbers=st.lists(st.integers(-(10**20), 10**20), min_size=1, max_size=20),
    scale=st.integers(1, 17),
    fewer=st.integers(0, 17),
)
def test_decimals_with_fewer_or_more_places_are_restored_or_flagged(
    restoring: Restoring, numbers: list[int], scale: int, fewer: int
) -> None:
    places = min(fewer, scale)
    texts = [_decimal_text(number, places) for number in numbers]
    for flagged, text, _ in restoring.of(rule_for("numeric", scale), texts):
        assert not flagged
        assert text is not None
    texts = [_decimal_text(number, scale) for number in numbers]
    for source, (flagged, text, _) in zip(
        texts, restoring.of(rule_for("numeric", places), texts), strict=True
    ):
        fits = len((source.split(".")[1]).rstrip("0")) <= places
        assert flagged == (not fits)
        assert flagged or Decimal(text or "NaN") == Decimal(source)


def _decimal_text(number: int, scale: int) -> str:
    """Write an unscaled number as PostgreSQL does."""
    digits = str(abs(number)).rjust(scale + 1, "0")
    whole = digits[: len(digits) - scale]
    text = f"{whole}.{digits[len(digits) - scale :]}" if scale else whole
    return f"-{text}" if number < 0 else text


@given(digits=st.integers(10**38, 10**60), point=st.integers(0, 38))
def test_decimals_of_more_than_38_digits_are_flagged(
    restoring: Restoring, digits: int, point: int
) -> None:
    text = _decimal_text(digits, point)
    assume(len(text.replace(".", "").strip("0")) > 38)
    assert [f for f, _, _ in restoring.of(rule_for("numeric", point), [text, "NaN"])] == [True] * 2


_GRAMMAR = {
    "date": r"\d{4}-\d\d-\d\d",
    "timestamp": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6}0*)?",
    "timestamptz": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6}0*)?[+-]\d\d(:\d\d){0,2}",
    "decimal": r"-?(0|[1-9]\d*)(\.\d+)?",
}
_NEAR = st.text("0123456789-+:. TZBCe_,/adinfty\n", max_size=4)


@st.composite
def _junk(draw: st.DrawFn) -> str:
    """Any text, and valid values with something inserted, replaced or cut out."""
    if draw(st.booleans()):
        return draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    valid = draw(
        st.sampled_from(
            [
                *("2024-02-29", "0001-01-01", "9999-12-31", "2024-03-05 12:34:56.5"),
                *("2024-03-05 12:34:56.5+05:30", "2024-12-31 23:59:59-03:30:15", "-12.50", "0"),
            ]
        )
    )
    start = draw(st.integers(0, len(valid)))
    end = draw(st.integers(start, min(len(valid), start + 3)))
    return valid[:start] + draw(_NEAR) + valid[end:]


@pytest.mark.parametrize(
    "rule", [DATE, TIMESTAMP, TIMESTAMPTZ, rule_for("numeric", 2)], ids=lambda rule: rule.how
)
@settings(max_examples=40)
@given(texts=st.lists(_junk(), min_size=1, max_size=40))
@example(
    texts=[
        *("1.", "1e2", " 1", "1 ", "+1", "1_000", "01", ".5", "-0", "-0.00", "1,5", "0x10", "NaN"),
        *("2024-03-05 12:34:56.", "2024-03-05T12:34:56", "2024-03-05 12:34", "2024-3-5"),
        *("2024-02-30", "0000-00-00", "0000-01-01", "2024-03-05 24:00:00", "epoch", "now", "today"),
        *("2024-03-05 12:34:60", "2024-03-05 12:34:56.1234567", "2024-03-05 12:34:56 UTC"),
        *("2024-03-05 12:34:56Z", "2024-03-05 12:34:56+00 BC", "0044-03-15 (BC)", "10000-01-01"),
        *("2024-03-05 12:34:56+0530", "2024-03-05 12:34:56+5", "2024-03-05 12:34:56+", "1\n", ""),
    ]
)
def test_text_that_postgresql_would_not_print_is_flagged(
    restoring: Restoring, rule: Rule, texts: list[str]
) -> None:
    """Never silently changed: what is not flagged follows the grammar, and is the same value."""
    for source, (flagged, text, _) in zip(texts, restoring.of(rule, texts), strict=True):
        if flagged:
            continue
        assert text is not None
        assert re.fullmatch(_GRAMMAR[rule.how], source), source
        if rule.how == "decimal":
            assert Decimal(text) == Decimal(source)
        elif rule.how != "timestamptz":
            assert datetime.fromisoformat(text) == datetime.fromisoformat(source[:26])


# --- small pure functions -------------------------------------------------------------------------

_MOMENTS = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]),
)


@given(moment=_MOMENTS, number=st.integers(1, 1200))
def test_retention_counts_calendar_months_and_never_shortens(moment: datetime, number: int) -> None:
    start = moment.astimezone(UTC)
    until = archive.retain_until(moment, (number, "mo"))
    assert until.utcoffset() == timedelta(0)
    assert until.year * 12 + until.month == start.year * 12 + start.month + number
    assert (until.hour, until.minute, until.second) == (start.hour, start.minute, start.second)
    assert until.day == start.day or (until + timedelta(days=1)).day == 1
    assert until.day <= start.day
    assert archive.retain_until(moment, (number * 12, "mo")) == archive.retain_until(
        moment, (number, "y")
    )


@given(moment=_MOMENTS, number=st.integers(1, 36_500))
def test_retention_in_days_is_exact(moment: datetime, number: int) -> None:
    until = archive.retain_until(moment, (number, "d"))
    assert until == moment.replace(microsecond=0) + timedelta(days=number)
    assert until < archive.retain_until(moment, (number + 1, "d"))


_NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("%0125Fabc_./=\\\x00\x7f ", max_size=6),
)


@settings(max_examples=400)
@given(first=_NAMES, second=_NAMES)
@example(first="", second="\x00")
@example(first="_a", second="%5Fa")
@example(first=".", second="%2E")
@example(first="a/b", second="a%2Fb")
def test_two_names_never_share_a_folder(first: str, second: str) -> None:
    assert (lake.segment(first) == lake.segment(second)) == (first == second)


@settings(max_examples=400)
@given(name=_NAMES)
def test_a_folder_name_is_one_safe_segment(name: str) -> None:
    text = lake.segment(name)
    assert text
    assert text[0] not in "_."
    assert not re.search(r"""[\x00-\x1f\x7f/\\#?*"'<>|{}\[\]^~`=]""", text)
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    prefix = lake.table_prefix(name, name, moment)
    assert prefix.split("/") == [text, text, "snapshot=20240101T000000Z", ""]
    assert lake.part_key(prefix, "2024-01-01", 7, "t").count("/") == 4


@given(
    sizes=st.lists(st.integers(0, 1000), max_size=40),
    limit=st.integers(1, 2000),
)
def test_chunks_take_each_object_once_in_order_and_keep_the_limit(
    sizes: list[int], limit: int
) -> None:
    wanted = [Wanted(key=str(n), size_bytes=size, etag="") for n, size in enumerate(sizes)]
    made = chunks(wanted, limit)
    assert [item for piece in made for item in piece] == wanted
    for piece in made:
        assert len(piece) <= 1 or sum(item.size_bytes for item in piece) <= limit
    assert all(made) or made == [[]]


@given(
    sizes=st.lists(
        st.sampled_from([edge + near for edge in SIZE_EDGES for near in (-1, 0, 1)])
        | st.integers(0, 1 << 40)
    )
)
def test_a_size_histogram_counts_every_file_in_its_class(sizes: list[int]) -> None:
    counts = size_histogram(sizes)
    assert sum(counts) == len(sizes)
    edges = (-1, *SIZE_EDGES, 1 << 62)
    for place, count in enumerate(counts):
        assert count == sum(1 for size in sizes if edges[place] < size <= edges[place + 1])
