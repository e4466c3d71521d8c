"""What numbers of rows mean, whoever counted them; with a local lake, and a locked archive."""

from __future__ import annotations

import json
import os
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import make_exports as make
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import Line, assert_good
from s3_line import Place, write_shop

from compactor import agree, database_profile, reconcile, recount
from compactor.agree import Asked
from compactor.counts import Counted, parse_counts, read_counts
from compactor.database import DatabaseTable, parse_predicate, table_expression
from compactor.dsn import parse_dsn
from compactor.errors import ConfigError
from compactor.model import Check, OutputColumn, PartitionResult, StoredObject, TableResult
from compactor.pipeline import utc_now
from compactor.profile import ColumnProfile
from compactor.reconcile import ReconcileOptions
from compactor.reconciliation import (
    ColumnCheck,
    Number,
    OnlyCounted,
    Reconciled,
    Reconciliation,
    worst,
)
from compactor.recount import Held, Recount
from compactor.report import reconcile_text
from compactor.store import open_store

GOLDEN = Path(__file__).parent / "golden"
SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
LATER = SNAPSHOT + timedelta(hours=3, minutes=12, seconds=40)
BASIS = reconcile.AT_SNAPSHOT


def held(rows: int = 100, **changed: Any) -> Held:
    objects = (
        StoredObject(key="shop/t/snapshot=x/a.parquet", size_bytes=9, sha256="0", rows=rows),
    )
    archived = objects if changed.pop("is_archived", False) else ()
    part = PartitionResult(value="", rows=rows, fingerprint="", objects=objects, archived=archived)
    footers = Check(
        name="footer_rows", subject="table", expected=str(rows), actual=str(rows),
        status="pass", source="",
    )  # fmt: skip
    values: dict[str, Any] = {
        "task_id": "1", "export_id": "shop-1", "database": "shop", "table": "public.orders",
        "snapshot": SNAPSHOT, "status": "done", "source_files": 3, "source_rows": rows,
        "output_rows": rows, "partitions": (part,), "checks": (footers,),
    }  # fmt: skip
    url = "s3://vault/" if archived else None
    return Held(run_id="run-1", archive_url=url, result=TableResult(**(values | changed)))


def asked(rows: int | None, *, at: datetime | None = LATER, **changed: Any) -> Asked:
    return Asked(who="database", number=Number(rows=rows, origin="db", at=at), **changed)


def together(one: Held, counted: Recount, said: Asked) -> Reconciled:
    archive = agree.archive_found(one, None, "nobody looked", LATER)
    return agree.reconciled(one, agree.lake_found(one, counted, LATER), archive, said)


whole = st.integers(min_value=0, max_value=10**15)


# --- the rule -------------------------------------------------------------------------------------


@given(whole, whole)
def test_a_database_at_the_snapshot_passes_only_with_the_same_number(export: int, now: int) -> None:
    check, words = agree.database_check(export, SNAPSHOT, asked(now, basis=BASIS))
    assert check.status == ("pass" if now == export else "fail")
    assert (check.expected, check.actual) == (str(export), str(now))
    assert BASIS in words


@given(whole, whole, st.one_of(st.none(), st.datetimes(timezones=st.just(UTC))))
def test_a_database_that_may_have_gone_on_never_passes_and_never_fails(
    export: int, now: int, at: datetime | None
) -> None:
    check, words = agree.database_check(export, SNAPSHOT, asked(now, at=at))
    assert check.status == "not_verified"
    difference = f"{abs(export - now):,} row" if export != now else f"{export:,} rows, as the"
    assert difference in words
    assert "--at-snapshot" in words


@given(whole, st.booleans(), st.booleans())
def test_a_table_that_could_not_be_counted_never_passes(
    export: int, is_sure: bool, is_asserted: bool
) -> None:
    basis = BASIS if is_asserted else ""
    check, _ = agree.database_check(export, SNAPSHOT, asked(None, basis=basis, is_missing=is_sure))
    assert check.status == ("fail" if is_sure and is_asserted else "not_verified")
    failed = asked(None, basis=BASIS, error="permission denied")
    check, words = agree.database_check(export, SNAPSHOT, failed)
    assert check.status == "not_verified"
    assert "permission denied" in words


@given(whole, whole)
def test_other_rows_in_the_lake_fail_whatever_the_database_says(export: int, lake: int) -> None:
    row = together(held(export), Recount(rows=lake, objects=1), asked(export, basis=BASIS))
    assert row.status == ("pass" if lake == export else "fail")
    assert row.lake.rows == lake


def test_a_missing_object_fails_though_the_number_is_right() -> None:
    counted = Recount(rows=100, objects=1, problems=["a.parquet has 8 bytes, not 9"])
    row = together(held(100), counted, asked(100, basis=BASIS))
    assert row.status == "fail"
    assert "a.parquet has 8 bytes, not 9" in row.explanation


def test_an_archive_that_nobody_looked_at_is_not_verified() -> None:
    row = together(held(is_archived=True), Recount(rows=100, objects=1), asked(100, basis=BASIS))
    assert (row.status, row.archive.rows) == ("not_verified", 100)
    assert "nobody looked" in row.explanation


def test_a_column_that_differs_fails_only_where_a_row_would() -> None:
    column = ColumnCheck(
        name="amount", database_type="numeric", lake_type="DECIMAL(12,2)", compared=("nulls",),
        expected="nulls 0", actual="nulls 1", status="fail",
    )  # fmt: skip
    for basis, status in ((BASIS, "fail"), ("", "not_verified")):
        said = agree.column_checks([column], asked(100, basis=basis))
        row = together(held(), Recount(rows=100, objects=1), said)
        assert (row.status, row.columns[0].status) == (status, status)
        assert "1 column with another profile: 'amount'" in row.explanation


@pytest.mark.parametrize(
    ("rows", "at", "words"),
    [
        (1303, LATER, "1,203 rows more than the export, counted 3 h 12 min after the snapshot: "
         "rows written since would explain it"),
        (99, LATER, "1 row fewer than the export, counted 3 h 12 min after the snapshot: rows "
         "deleted since would explain it"),
        (99, SNAPSHOT - timedelta(seconds=5), "1 row fewer than the export, counted 5 s before the "
         "snapshot: rows written between the two moments would explain it"),
        (101, SNAPSHOT - timedelta(days=9), "counted 9 days before the snapshot: rows deleted "
         "between the two moments"),
        (100, None, "100 rows, as the export, counted at a moment that nobody stated: as many rows "
         "may have been added as deleted"),
    ],
)  # fmt: skip
def test_a_difference_is_explained(rows: int, at: datetime | None, words: str) -> None:
    _, told = agree.database_check(100, SNAPSHOT, asked(rows, at=at))
    assert words in told


def test_the_worst_check_decides() -> None:
    assert worst([]) == "not_verified"
    assert worst(["pass", "pass"]) == "pass"
    assert worst(["pass", "not_verified"]) == "not_verified"
    assert worst(["not_verified", "fail", "pass"]) == "fail"


# --- counts files ---------------------------------------------------------------------------------

names = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), min_size=1)
moments = st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)))
entries = st.lists(
    st.builds(
        Counted,
        database=names,
        table=names,
        rows=st.integers(min_value=0, max_value=10**18 - 1),
        at=moments,
    ),
    min_size=1,
    unique_by=lambda one: (one.database, one.table),
)


@given(entries, st.booleans())
def test_a_counts_file_is_read_as_it_was_written(written: list[Counted], is_json: bool) -> None:
    import csv
    import io

    rows = [
        (one.database, one.table, one.rows, one.at.isoformat() if one.at else "") for one in written
    ]
    if is_json:
        keys = ("database", "table", "rows", "at")
        text = json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=1)
    else:
        out = io.StringIO(newline="")
        csv.writer(out).writerows([("database", "table", "rows", "at"), *rows])
        text = out.getvalue()
    assert list(parse_counts(text, is_json=is_json, where="x")) == written


@given(st.text(string.printable), st.booleans())
def test_any_text_is_read_or_refused_with_a_line(text: str, is_json: bool) -> None:
    told = "\n  line 1: "
    try:
        read = parse_counts(text, is_json=is_json, where="x")
    except ConfigError as error:
        told, read = error.message, ()
    assert read or "\n  line " in told


HEADER = "database,table,rows,at\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ["line 1: the header is ''"]),
        ("database,table\na,b\n", ["line 1: the header is 'database,table'"]),
        ("table,database,rows\n", ["line 1: the header is"]),
        (HEADER, ["line 1: no table is counted"]),
        (HEADER + "a,b,3\n", ["line 2: 3 values under 4 headings"]),
        (HEADER + "a,b,-1,\na,c,1_0,\na,d,٣,\na,,1,\n", [
            "line 2: rows is '-1'", "line 3: rows is '1_0'", "line 4: rows is '٣'",
            "line 5: table is '', not a name"]),
        (HEADER + 'a,"b\nc",1,\n\na,b,1e3,\n', ["line 5: rows is '1e3'"]),
        (HEADER + "a,b,1,\na,b,2,\n", ["line 3: a b is counted already in line 2"]),
        (HEADER + "a,b,1,2026-10-06T03:47\n", ["line 2: at is '2026-10-06T03:47', not a moment"]),
        (HEADER + "a,b,1,soon\n", ["line 2: at is 'soon'"]),
        (HEADER + 'a,"b,1,\n', ["or before: unexpected end of data"]),
        ("{}", ["line 1: a list of objects is expected"]),
        ('[\n{"database": "a", "table": "b", "rows": 1},\n{"database": "a"}]', [
            "line 3: 'table' is missing, 'rows' is missing"]),
        ('[\n{"database": "a", "table": "b", "rows": 1, "when": 1}]', [
            "line 2: unknown key 'when'"]),
        ('[\n{"database": "a", "table": "b", "rows": true}]', ["line 2: rows is True"]),
        ('[{"database": "a", "table": "b", "rows": 1.0}]', ["line 1: rows is 1.0"]),
        ('[{"database": "a", "table": "b", "rows": 1, "rows": 2}]', [
            "line 1: a key is there twice"]),
        ('[1,\n\n"x"]', ["line 1: not an object", "line 3: not an object"]),
        ('[{"database": "a", "table": "b", "rows": 1}\n{}]', ["line 2: ',' or ']' is expected"]),
        ('[{"database": "a", "table": "b", "rows": 1}]\n[]', ["line 1: nothing is expected after"]),
        ("[" * 100_000, ["line 1: "]),
    ],
)  # fmt: skip
def test_every_mistake_of_a_counts_file_is_told_with_its_line(text: str, told: list[str]) -> None:
    is_json = text.startswith(("[", "{"))
    with pytest.raises(ConfigError) as caught:
        parse_counts(text, is_json=is_json, where="counts.csv")
    for part in told:
        assert part in caught.value.message
    assert caught.value.message.count("\n  line ") == len(told)


def test_a_counts_file_with_many_mistakes_shows_some_and_says_how_many() -> None:
    with pytest.raises(ConfigError, match=r"\.\.\. and 30 more"):
        parse_counts(HEADER + "a,b,x,\n" * 50, is_json=False, where="x")


def test_a_counts_file_is_found_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.csv"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_counts(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_counts(path)
    path.write_bytes(b"\xef\xbb\xbfdatabase,table,rows\nshop,public.orders,7\n")
    assert read_counts(path) == (Counted(database="shop", table="public.orders", rows=7, at=None),)


# --- database URLs --------------------------------------------------------------------------------


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=4))
def test_no_password_is_shown_whatever_its_characters(password: str) -> None:
    from urllib.parse import quote

    dsn = parse_dsn(f"postgresql://me:{quote(password, safe='')}@host:1/db?sslpassword=hush-hush")
    assert dsn.password == password
    for text in (dsn.url, repr(dsn), str(dsn)):
        assert text.count(password) == "postgresql://me@host:1/db Dsn".count(password)
    message = dsn.hide(f"failed for {password!s} and {quote(password)} and hush-hush")
    assert "hush-hush" not in message
    assert password not in message.replace("***", "").replace("failed for", "").replace(" and ", "")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:pa/ss-word@host/db",
        "postgresql://me:pa#ss-word@host/db",
        "postgresql:me:ss-word@host",
        "oracle://me:ss-word@host/db",
        "me:ss-word@host/db",
        "mysql://me:ss-word@host/db?sslmode=x",
        "mysql://me:ss-word@host:port/db",
        "mysql://me:ss-word@[host/db",
        "mysql://me:ss-word@host/db?x",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_dsn(text)
    assert "ss-word" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres://h/db", "postgresql://h/db"),
        ("mariadb://me:x@h:3307/", "mysql://me@h:3307/"),
        ("postgresql:///db?host=/run/pg", "postgresql:///run/pg/db"),
        ("postgresql://me@[::1]:5/a%2Fb", "postgresql://me@[::1]:5/a/b"),
    ],
)
def test_a_url_is_shown_in_one_form(text: str, url: str) -> None:
    assert parse_dsn(text).url == url


# --- statements -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "created_at < '2026-10-06'",
        "(a = 1 OR b) AND NOT c",
        "id IN (SELECT id FROM kept)",
        "EXISTS (SELECT 1 FROM kept WHERE kept.id = id)",
        "a IS NULL",
        "is_there",
        "coalesce(a, b)",
        "a BETWEEN 1 AND 2",
    ],
)
def test_a_condition_is_taken(text: str) -> None:
    for dialect in ("postgres", "mysql"):
        assert parse_predicate(text, dialect).sql(dialect)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "'text'",
        "a + 1",
        "a, b",
        "a AS b",
        "a = 1; DROP TABLE orders",
        "a = 1) OR (1 = 1",
        "SELECT 1",
        "(SELECT true)",
        "DELETE FROM orders",
        "a = 1 LIMIT 1",
        "a = 1 FOR UPDATE",
        "a = 1 UNION SELECT 2",
        "id IN (DELETE FROM orders RETURNING id)",
        "id IN (WITH gone AS (DELETE FROM orders RETURNING id) SELECT id FROM gone)",
        "EXISTS (SELECT 1 INTO copied FROM orders)",
        "id IN (SELECT id FROM orders FOR UPDATE)",
        "a = %s",
        "a = :name",
    ],
)
def test_what_is_no_condition_or_does_more_is_refused(text: str) -> None:
    for dialect in ("postgres", "mysql"):
        with pytest.raises(ConfigError, match=r"is not a condition|does more than compare"):
            parse_predicate(text, dialect)  # type: ignore[arg-type]


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(["postgres", "mysql"]))
def test_no_name_can_leave_its_quotes(schema: str, name: str, dialect: str) -> None:
    table = DatabaseTable(database="d", schema=schema, name=name, kind="table")
    quote = '"' if dialect == "postgres" else "`"
    parts = [f"{quote}{text.replace(quote, quote * 2)}{quote}" for text in (schema, name)]
    assert table_expression(table).sql(dialect=dialect) == ".".join(parts)


# --- profiles -------------------------------------------------------------------------------------


class _Utf8:
    dialect = "postgres"
    is_utf8 = True


def pair(source: str, lake: str, database: Any = _Utf8) -> database_profile.Pair:
    column = OutputColumn(name="c", source_name="C", source_type=source, type=lake)
    described = database_profile.DatabaseColumn("C", source)
    (found,), notes = database_profile.pairs(database, [described], [column])
    assert notes == ()
    return found


@given(st.lists(st.decimals(allow_nan=False, places=4, min_value=-(10**20), max_value=10**20)))
def test_decimals_are_spelled_alike_whoever_adds_them_up(values: list[Decimal]) -> None:
    one = pair("numeric", "DECIMAL(38,4)")
    unscaled = [int(value.scaleb(4)) for value in values]
    lake = ColumnProfile(
        values=len(values),
        low=min(unscaled, default=None),
        high=max(unscaled, default=None),
        total=sum(unscaled),
    )
    exact = Decimal(sum(unscaled)).scaleb(-4) if values else None
    row = [len(values), min(values, default=None), max(values, default=None), exact]
    assert database_profile._database_text(one, len(values), iter(row)) == (
        database_profile.lake_text(one, len(values), lake)
    )


def test_text_is_compared_only_where_both_sides_have_the_same_bytes() -> None:
    class Latin(_Utf8):
        is_utf8 = False

    assert pair("text", "VARCHAR").shape == "length"
    assert "collation" in pair("text", "VARCHAR").left_out
    assert pair("text", "VARCHAR", Latin).shape == "nulls"
    assert "not UTF-8" in pair("text", "VARCHAR", Latin).left_out
    kept = pair("numeric", "VARCHAR")  # a column with NaN keeps its text
    assert (kept.shape, kept.left_out) == ("nulls", "values: numeric is VARCHAR in the lake")


def test_columns_of_one_side_are_told() -> None:
    column = OutputColumn(name="c", source_name="C", source_type="text", type="VARCHAR")
    described = database_profile.DatabaseColumn("c", "text")
    found, notes = database_profile.pairs(_Utf8, [described], [column])  # type: ignore[arg-type]
    assert found == ()
    assert notes == ("column 'C' is in the lake only", "column 'c' is in the database only")


# --- with a lake ----------------------------------------------------------------------------------


def reconciled(line: Line, **options: Any) -> Reconciliation:
    return reconcile.reconcile(line.config(), ReconcileOptions(**options), clock=utc_now)


@pytest.fixture
def small(tmp_path: Path) -> Line:
    line = Line(tmp_path)
    make.old_export(line.source)
    assert_good(line.run())
    return line


def counts(line: Line, body: str) -> Path:
    path = line.lake.parent / "counts.csv"
    path.write_text(HEADER + body, encoding="utf-8")
    return path


def test_a_counts_file_of_the_snapshots_moment_decides(small: Line) -> None:
    (row,) = reconciled(small).tables
    name, rows = f"{row.database},{row.table}", row.export.rows
    at = row.snapshot.isoformat()
    assert (row.status, row.counted.rows, rows) == ("not_verified", None, 30)
    for number, moment, status in (
        (rows, at, "pass"),
        (31, at, "fail"),
        (rows, "", "not_verified"),
        (31, "2026-12-01T00:00:00+02:00", "not_verified"),
    ):
        found = reconciled(small, counts=counts(small, f"{name},{number},{moment}\n"))
        assert (found.status, found.tables[0].counted.rows) == (status, number)
        assert found.exit_code == (5 if status == "fail" else 0)
    path = counts(small, f"{name},31,\nshop,public.other,2,\n")
    found = reconciled(small, counts=path, at_snapshot=True)
    assert found.exit_code == 5
    assert [(one.table, one.rows) for one in found.only_counted] == [("public.other", 2)]


def test_the_lake_alone_is_held_against_the_manifest(small: Line) -> None:
    before = small.state()
    found = reconciled(small)
    (row,) = found.tables
    assert [(check.name, check.status) for check in row.checks] == [
        ("lake_rows", "pass"),
        ("database_rows", "not_verified"),
    ]
    assert found.exit_code == 0
    assert small.state() == before
    key = next(key for key in small.data_files())
    (small.lake / key).write_bytes(b"damaged")
    found = reconciled(small)
    assert (found.status, found.exit_code) == ("fail", 5)
    assert "7 bytes" in found.tables[0].explanation


def test_the_latest_snapshot_of_a_table_is_taken_unless_a_run_is_named(small: Line) -> None:
    from compactor.sample_exports import Column, Layout, RdsExport

    first = reconciled(small).tables[0]
    later = first.snapshot + timedelta(days=1)
    export = RdsExport(small.source, "later", later, database=first.database)
    columns = [Column("id", "bigint"), Column("note", "text")]
    rows = make.pa.table({"id": [1, 2], "note": ["a", "b"]})
    export.table(first.table, columns, rows, Layout())
    export.finish()
    assert_good(small.run())
    (row,) = reconciled(small).tables
    assert (row.snapshot, row.export.rows, row.lake.rows) == (later, 2, 2)
    (row,) = reconciled(small, run_id=first.run_id).tables
    assert (row.snapshot, row.export.rows) == (first.snapshot, 30)
    with pytest.raises(ConfigError, match="no run 'x'"):
        reconciled(small, run_id="x")


def test_a_lake_without_a_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no manifest") as caught:
        reconciled(Line(tmp_path))
    assert "compactor run" in caught.value.hint


def test_a_table_that_is_nowhere_is_refused_with_the_nearest_name(small: Line) -> None:
    with pytest.raises(ConfigError, match=r"no table 'public\.flatt'") as caught:
        reconciled(small, tables=("public.flatt",))
    assert "public.flat'" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"where": "a = 1"}, "--where needs a database"),
        ({"profile": True}, "--profile needs a database"),
        ({"at_snapshot": True}, "--at-snapshot says something of"),
        ({"counts": Path("x"), "dsn": parse_dsn("mysql://h/")}, "two sources"),
        ({"dsn": parse_dsn("mysql://h/"), "where": "a", "at_snapshot": True}, "went on"),
        ({"dsn": parse_dsn("mysql://h/"), "timeout_s": -1.0}, "--timeout is negative"),
        ({"dsn": parse_dsn("mysql://h/"), "where": "SELECT 1"}, "is not a condition"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_is_asked(
    options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        reconciled(Line(tmp_path), **options)


def test_versions_of_the_archive_are_counted_where_they_are(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().exit_code == 0
    options, archive = ReconcileOptions(), place.config.archive
    assert archive is not None
    found = reconcile.reconcile(place.config, options, clock=utc_now)
    own = {row.table: row for row in found.tables if row.export.rows}
    assert len(own) == len(found.tables) - 1
    (empty,) = [row for row in found.tables if row.table not in own]
    assert (empty.archive.rows, empty.archive.note) == (None, "nothing to archive")
    for row in own.values():
        states = {check.name: check.status for check in row.checks}
        assert (states.pop("archive_rows"), states.pop("lake_rows")) == ("pass", "pass")
        assert row.archive.rows == row.lake.rows == row.export.rows
    other = archive.model_copy(update={"url": "s3://elsewhere/"})
    for change, told in ((None, "no [archive]"), (other, "configuration names s3://elsewhere/")):
        config = place.config.model_copy(update={"archive": change})
        rows = reconcile.reconcile(config, options, clock=utc_now).tables
        for row in [row for row in rows if row.table in own]:
            states = {check.name: check.status for check in row.checks}
            assert states["archive_rows"] == "not_verified"
            assert told in row.archive.note


def test_a_version_that_is_gone_from_the_archive_fails(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().exit_code == 0
    archive = place.config.archive
    assert archive is not None
    lake, vault = open_store(place.config.lake.url), open_store(archive.url)
    own = [one for one in recount.held_tables(lake, None) if one.objects]
    assert own
    for one in own:
        whole = recount.look_at_versions(vault, one)
        assert (whole.rows, whole.problems) == (one.result.source_rows, [])
        parts = []
        for part in one.result.partitions:
            lost = [item.model_copy(update={"key": f"{item.key}.x"}) for item in part.archived]
            parts.append(part.model_copy(update={"archived": tuple(lost)}))
        result = one.result.model_copy(update={"partitions": tuple(parts)})
        gone = replace(one, result=result)
        counted = recount.look_at_versions(vault, gone)
        assert (counted.rows, len(counted.problems)) == (0, len(gone.archived))
        row = agree.archive_found(gone, counted, "", utc_now())
        assert row.check is not None
        assert row.check.status == "fail"
        assert "is gone" in row.words


# --- what is printed ------------------------------------------------------------------------------


def example() -> Reconciliation:
    column = ColumnCheck(
        name="amount", database_type="numeric", lake_type="DECIMAL(12,2)",
        compared=("nulls", "min", "max", "sum"), status="fail",
        expected="nulls 0, min 1, max 9, sum 45", actual="nulls 0, min 1, max 10, sum 55",
    )  # fmt: skip
    text = column.model_copy(
        update={
            "name": "note",
            "actual": column.expected,
            "status": "pass",
            "left_out": "min, max: the order of text depends on the collation",
        }
    )
    good, bad = Recount(rows=100, objects=3), Recount(rows=90, objects=2, problems=["x is gone"])
    rows = [
        together(held(), good, asked(1303)),
        together(
            held(table="public.events"),
            good,
            agree.column_checks([column, text], asked(101, basis=BASIS)),
        ),
        together(held(table="public.\x1b[31mred"), bad, asked(100, basis=BASIS)),
        together(held(table="public.good"), good, asked(100, basis=BASIS)),
        together(
            held(
                table="public.events_1", status="covered", covered_by="public.events", partitions=()
            ),
            Recount(),
            asked(None, error="permission denied for table events_1"),
        ),
    ]
    return Reconciliation(
        status="fail",
        counted_from="postgresql://reader@db:5432/shop",
        server="PostgreSQL 18.1",
        counted_at=LATER,
        recounted_at=LATER + timedelta(minutes=1),
        lake="s3://lake/tables/",
        tables=tuple(rows),
        only_counted=(
            OnlyCounted(database="shop", table="public.new", reason="no manifest names it"),
        ),
        notes=("--at-snapshot: predicates of the configuration were not used",),
    )


def test_the_text_reads_as_it_did() -> None:
    golden = GOLDEN / "report_reconcile.txt"
    text = reconcile_text(example())
    if os.environ.get("COMPACTOR_WRITE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
    assert "\x1b" not in text


def test_the_json_says_all_and_reads_back() -> None:
    found = example()
    assert Reconciliation.model_validate_json(found.model_dump_json()) == found
    assert found.exit_code == 5
    (good,) = [row for row in found.tables if row.table == "public.good"]
    assert found.model_copy(update={"tables": (good,)}).exit_code == 0
    (denied,) = [row for row in found.tables if row.error]
    assert found.model_copy(update={"tables": (good, denied)}).exit_code == 3
