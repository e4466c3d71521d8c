"""`compactor query`: the right rows of the right snapshots, few bytes, and nothing but reading."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command, Said
from lines import Line
from s3_line import Place

from compactor import query
from compactor.errors import Changed, ConfigError, Denied, NotFound
from compactor.lake_tables import LakeTables
from compactor.query_commands import parse_moment
from compactor.query_model import Answered
from compactor.query_names import Names
from compactor.query_output import write_table
from compactor.remote_reads import Item, LakeFiles
from compactor.sample_exports import Column, Layout, RdsExport

FIRST = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
SECOND = FIRST + timedelta(days=1)
START = date(2026, 9, 1)
HOSTILE = "we*rd?[x]\"'%41=b; DROP.t ä"
ORDERS = (
    Column("id", "bigint"),
    Column("amount", "numeric"),
    Column("note", "text"),
    Column("created_at", "date"),
)


def orders(count: int, *, undated: int = 0) -> pa.Table:
    """Return rows of `ORDERS`, one a day, the last ones without a day."""
    days = [(START + timedelta(days=number)).isoformat() for number in range(count - undated)]
    return pa.table(
        {
            "id": pa.array(range(1, count + 1), pa.int64()),
            "amount": pa.array([f"{number}.50" for number in range(count)], pa.string()),
            "note": pa.array(["", None, 'a "b", c\nd'] * (count // 3), pa.string()),
            "created_at": pa.array([*days, *([None] * undated)], pa.string()),
        }
    )


def people(*, newer: bool) -> pa.Table:
    """Return two rows; the newer snapshot has one column more, and another type."""
    named: dict[str, Any] = {"id": [1, 2], "name": ["Ann", "Bob"], "level": [7, 8]}
    if newer:
        named |= {"level": ["seven", "eight"], "city": ["Bonn", None]}
    return pa.table(named)


def export(line: Line, name: str, moment: datetime, *, database: str = "shop") -> RdsExport:
    return RdsExport(line.source, name, moment, database=database)


@dataclass(frozen=True)
class Lake:
    """A lake with two snapshots of a shop, one of a CRM, and a configuration that names it."""

    line: Line
    toml: Path

    @property
    def folder(self) -> Path:
        return self.line.lake

    def without(self, copy: Path) -> Path:
        """Return a configuration of a copy of this lake, which a test may harm."""
        shutil.copytree(self.folder, copy / "lake")
        return configure(copy, copy / "lake")


def configure(folder: Path, lake: Path, memory: str = "1GiB") -> Path:
    path = folder / "compactor.toml"
    path.write_text(
        f"[source]\nurls = [{json.dumps(str(folder / 'source'))}]\n"
        f"[lake]\nurl = {json.dumps(str(lake))}\n"
        f"[limits]\nmemory = '{memory}'\nscratch_dir = {json.dumps(str(folder / 'scratch'))}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    line = Line(tmp_path_factory.mktemp("query"))
    daily = {f"shop.{name}": {"grain": "day"} for name in ("public.orders", HOSTILE)}
    level = [Column("id", "bigint"), Column("name", "text"), Column("level", "integer")]
    for name, moment, count in (("shop-1", FIRST, 27), ("shop-2", SECOND, 30)):
        shop = export(line, name, moment)
        shop.table("public.orders", ORDERS, orders(count, undated=3))
        newer = name == "shop-2"
        columns = [*level[:2], Column("level", "text"), Column("city", "text")] if newer else level
        shop.table("public.people", columns, people(newer=newer))
        shop.table(HOSTILE, ORDERS, orders(6))
        shop.table("public.empty", ORDERS, orders(0), Layout(files=0))
        shop.finish()
        assert line.run(tables=daily).exit_code == 0
    crm = export(line, "crm-1", FIRST, database="crm")
    crm.table("public.people", level, people(newer=False))
    crm.finish()
    assert line.run(tables=daily).exit_code == 0
    return Lake(line, configure(line.source.parent, line.lake))


Ask = Callable[..., Said]


@pytest.fixture
def ask(command: Command, lake: Lake) -> Ask:
    """Ask one question of the lake; say what follows `query`."""

    def call(*arguments: str | Path, toml: Path = lake.toml) -> Said:
        return command("-c", toml, "query", *arguments)

    return call


@pytest.fixture
def rows(ask: Ask) -> Callable[..., Any]:
    """Return the rows that an answer has, as JSON."""

    def call(*arguments: str | Path, **more: Any) -> Any:
        said = ask("--json", *arguments, **more)
        assert said.code == 0, said.err
        Answered.model_validate_json(said.out)  # what the published schema promises
        return said.json["rows"]

    return call


# --- which rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        'shop."public.orders"',
        "shop.public.orders",
        "shop.public_orders",
        '"shop.public.orders"',
        "shop.orders",
        "public.orders",
        '"public.orders"',
        "public_orders",
        "orders",
        "ORDERS",
    ],
)
def test_a_table_is_found_by_each_of_its_names(name: str, rows: Callable[..., Any]) -> None:
    assert rows(f"SELECT count(*) AS n FROM {name}") == [{"n": 30}]  # noqa: S608


def test_names_in_several_forms_can_stand_in_one_statement(rows: Callable[..., Any]) -> None:
    asked = (
        "WITH known AS (SELECT * FROM shop.public.people) SELECT count(*) AS n FROM known "
        "JOIN crm.public_people AS other USING (id) JOIN orders USING (id) "
        'WHERE EXISTS (SELECT 1 FROM shop."public.orders")'
    )
    assert rows(asked) == [{"n": 2}]


def test_a_name_of_two_tables_is_refused_and_both_are_named(ask: Ask) -> None:
    said = ask("SELECT * FROM people")
    assert (said.code, said.out) == (2, "")
    assert "crm.public_people, shop.public_people" in said.err


def test_a_name_that_is_not_there_is_told_with_the_nearest_one(ask: Ask) -> None:
    said = ask("SELECT * FROM shop.public.ordrs")
    assert (said.code, said.out) == (2, "")
    assert "did you mean shop.public.orders?" in said.err


def test_a_table_that_another_one_covers_is_told_where_its_rows_are() -> None:
    tables = LakeTables(tables=(), covered={"shop.public.orders_2026": "shop.public.orders"})
    for parts in (("shop.public.orders_2026",), ("shop", "public", "orders_2026")):
        with pytest.raises(ConfigError, match=r"its rows are in shop\.public\.orders"):
            Names(tables).find(parts)


def test_hostile_names_are_names_and_nothing_else(rows: Callable[..., Any]) -> None:
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    asked = f"SELECT dt, amount FROM shop.{quoted} WHERE dt > '2026-09-04' ORDER BY dt"  # noqa: S608
    assert rows(asked) == [
        {"dt": "2026-09-05", "amount": "4.50"},
        {"dt": "2026-09-06", "amount": "5.50"},
    ]


def test_rows_without_a_day_have_no_dt(rows: Callable[..., Any]) -> None:
    assert rows("SELECT id FROM orders WHERE dt IS NULL ORDER BY id") == [
        {"id": number} for number in (28, 29, 30)
    ]


def test_a_table_without_rows_has_its_columns(rows: Callable[..., Any]) -> None:
    assert rows("SELECT * FROM shop.public.empty") == []
    assert [row["column_name"] for row in rows("DESCRIBE shop.public.empty")][:2] == [
        "id",
        "amount",
    ]


# --- which snapshots ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asof", "count"),
    [
        ("2026-10-06T03:47:12Z", 27),
        ("2026-10-06", 27),
        ("20261007T034711Z", 27),
        ("2026-10-07T05:47:12+02:00", 30),
        ("2026-10-07", 30),
    ],
)
def test_asof_shows_what_was_known_then(asof: str, count: int, rows: Callable[..., Any]) -> None:
    assert rows("SELECT count(*) AS n FROM orders", "--asof", asof) == [{"n": count}]


def test_before_the_first_snapshot_there_is_nothing_to_show(ask: Ask) -> None:
    said = ask("SELECT * FROM orders", "--asof", "2026-10-05")
    assert (said.code, said.out) == (2, "")
    assert "its first one is of 2026-10-06T03:47:12Z" in said.err
    assert parse_moment("2026-10-05") < FIRST


def test_all_snapshots_are_united_whatever_their_columns(rows: Callable[..., Any]) -> None:
    assert rows("SELECT * FROM shop.public.people_all ORDER BY snapshot, id") == [
        {"id": 1, "name": "Ann", "level": "7", "city": None, "snapshot": "20261006T034712Z"},
        {"id": 2, "name": "Bob", "level": "8", "city": None, "snapshot": "20261006T034712Z"},
        {"id": 1, "name": "Ann", "level": "seven", "city": "Bonn", "snapshot": "20261007T034712Z"},
        {"id": 2, "name": "Bob", "level": "eight", "city": None, "snapshot": "20261007T034712Z"},
    ]


def test_snapshots_are_listed(rows: Callable[..., Any]) -> None:
    asked = "SELECT snapshot, rows, files FROM orders_snapshots ORDER BY 1"
    assert rows(asked) == [
        {"snapshot": "20261006T034712Z", "rows": 27, "files": 25},
        {"snapshot": "20261007T034712Z", "rows": 30, "files": 28},
    ]


def test_what_no_manifest_names_is_not_seen(
    lake: Lake, tmp_path: Path, rows: Callable[..., Any]
) -> None:
    toml = lake.without(tmp_path)
    manifests = (tmp_path / "lake" / "_compactor" / "runs").glob("*/manifest.json")
    (newest,) = (
        one for one in manifests if '"export_id":"shop-2","fingerprint"' in one.read_text()
    )
    newest.unlink()  # as if that run had been killed just before
    part = next((tmp_path / "lake").rglob("snapshot=20261006T034712Z/dt=2026-09-01/*.parquet"))
    shutil.copy(part, part.with_name("part-00009-left-behind.parquet"))
    assert rows("SELECT count(*) AS n FROM orders", toml=toml) == [{"n": 27}]


# --- how much is read -----------------------------------------------------------------------------


def test_a_condition_on_dt_spares_whole_files(ask: Ask) -> None:
    read = ask("--json", "SELECT sum(amount) FROM orders WHERE dt = '2026-09-05'").json["read"]
    assert read["of_files"] == 28
    assert read["files"] == 2  # DuckDB learns the columns from the newest one
    assert read["bytes"] < read["of_bytes"] / 10
    every = ask("--json", "SELECT sum(amount) FROM orders").json["read"]
    assert every["files"] == 28
    assert every["bytes"] > 10 * read["bytes"]


def test_what_was_read_is_told_on_stderr(ask: Ask) -> None:
    said = ask("SELECT count(*) FROM orders WHERE dt = '2026-09-27'")
    lines = said.err.splitlines()
    assert lines[0] == "shop.public.orders: snapshot 20261007T034712Z"
    assert lines[1].startswith("read 1 of 28 files, ")
    assert lines[1].endswith("; Athena would have billed $0.00005 (10 MB minimum)")
    assert ask("SELECT 1").err.startswith("read 0 of 0 files, 0 B of 0 B, 0 requests, ")


def test_logs_as_json_tell_what_was_read_and_quiet_tells_nothing(
    command: Command, lake: Lake
) -> None:
    asked = ("query", "SELECT count(*) FROM orders")
    (line,) = command("-c", lake.toml, "--log-format", "json", *asked).lines
    assert (line["event"], line["files"], line["of_files"]) == ("read", 28, 28)
    assert command("-q", "-c", lake.toml, *asked).err == ""


def test_threads_that_share_a_file_do_not_share_their_place_in_it() -> None:
    class Numbers:
        def read(self, item: Item, start: int, stop: int) -> bytes:
            return bytes(number % 251 for number in range(start, stop))

    files = LakeFiles(Numbers())
    files.add("lake://0/a.parquet", Item("a", None, 100_000))
    file = files.open("lake://0/a.parquet")
    both = threading.Barrier(2, timeout=30)
    found = {}

    def read(start: int) -> None:
        file.seek(start)
        both.wait()  # the other thread has placed itself elsewhere by now
        found[start] = file.read(3)

    threads = [threading.Thread(target=read, args=(start,)) for start in (10, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {start: bytes(n % 251 for n in range(start, start + 3)) for start in (10, 500)}


# --- only reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "COPY orders TO 'x.csv'",
        "ATTACH 'x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO orders VALUES (1)",
        "PRAGMA version",
        "CALL pragma_version()",
        "EXPORT DATABASE 'x'",
        "SELECT 1; SELECT 2",
        "SHOW TABLES",
        "",
        "SELEC 1",
        "SELECT nothing FROM orders",
        "SELECT CAST('x' AS INTEGER)",
        "EXPLAIN ANALYZE COPY orders TO 'x.csv'",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM glob('{secret}*')",
        "SELECT * FROM orders, read_text('{secret}')",
        "SELECT * FROM read_parquet('lake://0/other.parquet')",
        "SELECT * FROM command",
    ],
)
def test_what_is_no_question_about_tables_is_refused(
    statement: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("PASSWORD", encoding="utf-8")
    said = ask(statement.format(secret=secret))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("compactor: ")
    assert "PASSWORD" not in said.err
    assert os.listdir(tmp_path) == ["secret"]  # noqa: PTH208


def test_ctrl_c_ends_a_statement_that_is_running() -> None:
    with duckdb.connect() as connection:
        ended = threading.Event()

        def endless() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            try:
                connection.execute("SELECT max(md5(range::VARCHAR)) FROM range(100000000000)")
            finally:
                ended.set()

        with pytest.raises(KeyboardInterrupt):
            query._until_done(connection, endless)
        assert ended.wait(30)


# --- how it is written ----------------------------------------------------------------------------

VALUES = """
SELECT 1::TINYINT AS whole, 12345678901234567890123456789.10::DECIMAL(38,2) AS exact,
       NULL AS nothing, '' AS blank, 'a "b",' || chr(13) || chr(10) || 'c' AS text,
       TIMESTAMP '2026-10-06 03:47:12.5' AS local, TIMESTAMPTZ '2026-10-06 03:47:12+02' AS instant,
       DATE '2026-10-06' AS day, [1, NULL] AS list, {'x': 'ü', 'y': true} AS record,
       'nan'::DOUBLE AS odd, 0.1::DOUBLE AS near, true AS yes, sum(3) AS total
"""


def test_csv_is_read_back_with_null_and_empty_text_apart(ask: Ask) -> None:
    said = ask("--format", "csv", VALUES)
    header, row = csv.reader(io.StringIO(said.out, newline=""))
    assert dict(zip(header, row, strict=True)) == {
        "whole": "1",
        "exact": "12345678901234567890123456789.10",
        "nothing": "",
        "blank": "",
        "text": 'a "b",\r\nc',
        "local": "2026-10-06 03:47:12.5",
        "instant": "2026-10-06 01:47:12+00",
        "day": "2026-10-06",
        "list": "[1,null]",
        "record": '{"x":"ü","y":true}',
        "odd": "nan",
        "near": "0.1",
        "yes": "true",
        "total": "3",
    }
    assert ',,"",' in said.out


def test_json_is_read_back_exactly(ask: Ask) -> None:
    (row,) = ask("--format", "json", VALUES).json
    assert row == {
        "whole": 1,
        "exact": "12345678901234567890123456789.10",
        "nothing": None,
        "blank": "",
        "text": 'a "b",\r\nc',
        "local": "2026-10-06T03:47:12.5",
        "instant": "2026-10-06T01:47:12Z",
        "day": "2026-10-06",
        "list": [1, None],
        "record": {"x": "ü", "y": True},
        "odd": "nan",
        "near": 0.1,
        "yes": True,
        "total": 3,
    }


def test_parquet_is_read_back_by_another_library(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "answer.parquet"
    said = ask("--format", "parquet", "-o", path, VALUES)
    assert (said.code, said.out) == (0, "")
    (row,) = pq.read_table(path).to_pylist()
    assert row["exact"] == Decimal("12345678901234567890123456789.10")
    assert row["instant"] == datetime(2026, 10, 6, 1, 47, 12, tzinfo=UTC)
    assert (row["record"], row["total"]) == ({"x": "ü", "y": True}, Decimal(3))
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["answer.parquet"]


def test_a_parquet_answer_without_rows_has_its_columns(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    assert ask("--format", "parquet", "-o", path, "SELECT * FROM shop.public.empty").code == 0
    assert pq.read_table(path).schema.names[:2] == ["id", "amount"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--format", "xml", "SELECT 1"), "--format takes"),
        (("--place", "moon", "SELECT 1"), "'--place'"),
        (("--format", "parquet", "SELECT 1"), "name a file with -o"),
        (("--asof", "yesterday", "SELECT 1"), "'yesterday' is no moment"),
        (("--place", "archive", "SELECT * FROM orders"), "no archive is configured"),
        (("--format", "json", "SELECT 1 AS a, 2 AS a"), "two columns of the answer are called 'a'"),
        (("-o", "no/such/folder/x", "SELECT 1"), "cannot be written"),
        ((), "give one statement"),
        (("--tables", "SELECT 1"), "give one statement"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], told: str, ask: Ask) -> None:
    said = ask(*arguments)
    assert said.code == 2
    assert told in said.err


def test_a_table_aligns_numbers_and_shows_what_is_null(ask: Ask) -> None:
    asked = "SELECT * FROM (VALUES (1, NULL, 'a'), (10, '', 'NULL')) AS t(number, text, more)"
    assert ask(asked).out.splitlines() == [
        "number  text  more",
        "------  ----  ------",
        "     1  NULL  a",
        '    10  ""    "NULL"',
        "(2 rows)",
    ]


def test_a_narrow_terminal_is_told_what_it_does_not_show(lake: Lake) -> None:
    config = query_config(lake)
    with query.answer(config, "SELECT 'x' AS a, repeat('y', 30) AS b, 'z' AS c") as found:
        out = io.StringIO()
        write_table(found, out, 35)
    assert max(map(len, out.getvalue().splitlines())) <= 35
    assert "(1 row; 1 column not shown: c)" in out.getvalue()


def test_a_long_table_ends_with_a_note(ask: Ask) -> None:
    lines = ask("SELECT * FROM range(100000)").out.splitlines()
    assert len(lines) == 203
    assert lines[-1] == "(the first 200 rows; there are more)"


def test_a_terminal_does_not_act_on_values(ask: Ask) -> None:
    said = ask("SELECT chr(27) || '[2J' AS a")
    assert "\x1b" not in said.out
    assert "\\u001b[2J" in said.out


def test_a_plan_is_shown_as_duckdb_draws_it(ask: Ask) -> None:
    assert "Scanning Files: 1/28" in ask("EXPLAIN FROM orders WHERE dt = '2026-09-05'").out


def test_the_statement_may_come_from_stdin(
    rows: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1 AS a -- done\n;"))
    assert rows("-") == [{"a": 1}]


def test_tables_are_listed_with_the_names_to_write(ask: Ask) -> None:
    said = ask("--tables")
    assert said.code == 0
    assert "shop.public_orders  shop.public.orders  30 rows, 28 files, " in said.out
    assert "    id BIGINT, amount DECIMAL(" in said.out
    listed = {one["name"]: one for one in ask("--tables", "--json").json["tables"]}
    assert {"crm.public_people", "shop.public_people", "shop.public_empty"} <= listed.keys()
    assert listed["shop.public_people"]["latest"] == "20261007T034712Z"


def query_config(lake: Lake) -> Any:
    from compactor.config import load_config

    return load_config(lake.toml)


def test_an_answer_that_is_larger_than_memory_is_streamed(tmp_path: Path, lake: Lake) -> None:
    toml = configure(tmp_path, lake.folder, memory="128MiB")
    asked = "SELECT range AS id, repeat(md5(range::VARCHAR), 128) AS text FROM range(100000)"
    code = (
        "import re\n"
        "from compactor.query_commands import query_command\n"
        "from compactor.flags import settings\n"
        "from pathlib import Path\n"
        f"settings.config = Path({str(toml)!r})\n"
        f"query_command({asked!r}, form='csv', output=Path({str(tmp_path / 'out.csv')!r}))\n"
        # of this program alone: ru_maxrss would be that of pytest, which started it
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    size = (tmp_path / "out.csv").stat().st_size
    assert size > 400e6
    assert int(done.stdout) * 1024 < 0.8 * size


# --- what is not as the manifest says -------------------------------------------------------------


def test_an_object_that_changed_is_not_read(lake: Lake, tmp_path: Path, ask: Ask) -> None:
    toml = lake.without(tmp_path)
    part = next((tmp_path / "lake").rglob("snapshot=20261007T034712Z/dt=2026-09-05/*.parquet"))
    part.write_bytes(part.read_bytes() + b"more")
    asked = "SELECT count(*) FROM orders WHERE dt = '2026-09-05'"
    said = ask(asked, toml=toml)
    assert (said.code, said.out) == (4, "")
    assert str(part) in said.err
    part.unlink()
    said = ask(asked, toml=toml)
    assert (said.code, said.out) == (4, "")
    assert str(part) in said.err
    assert ask(asked.replace("09-05", "09-06"), toml=toml).code == 0


# --- S3 -------------------------------------------------------------------------------------------


@pytest.fixture
def s3(place: Place, tmp_path: Path) -> Place:
    from s3_line import write_shop

    place.deliver(write_shop(tmp_path / "exports"))
    assert place.run().exit_code == 0
    place.proxy.forget()
    return place


def test_on_s3_few_ranges_are_read_and_every_one_is_counted(s3: Place) -> None:
    one_day = "SELECT count(id) AS n FROM orders WHERE dt = '2026-07-01'"
    done = s3.cli("query", "--json", one_day)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["rows"] == [{"n": 31}]
    read = answer["read"]
    sent = s3.proxy.sent("GET", r".*\.parquet")
    assert (read["files"], read["of_files"], read["requests"]) == (2, 2, len(sent))
    assert read["usd"] > 0
    assert s3.proxy.sent("HEAD") == []
    assert s3.proxy.writes() == []

    s3.proxy.inject("truncate", method="GET", key=r".*\.parquet")
    assert answered(s3, one_day) == [("31",)]
    s3.proxy.inject("deny", method="GET", key=r".*\.parquet")
    with pytest.raises(Denied, match="S3 answered 403 AccessDenied"):
        answered(s3, one_day)


def test_other_content_is_an_error_and_locked_versions_stay_what_they_were(s3: Place) -> None:
    (key,) = (key for key in s3.keys(s3.lake) if "dt=2026-07-01" in key and "orders" in key)
    body = s3.body(s3.lake, key)
    one_day = "SELECT count(id) AS n FROM orders WHERE dt = '2026-07-01'"
    for other in (body + b"x", body[:100]):
        s3.client.put_object(Bucket=s3.lake, Key=key, Body=other)
        with pytest.raises(Changed, match=key):
            answered(s3, one_day)
    s3.client.delete_object(Bucket=s3.lake, Key=key)
    with pytest.raises(NotFound, match=key):
        answered(s3, one_day)

    keys = [key for key in s3.keys(s3.vault) if key.endswith(".parquet") and "orders" in key]
    assert len(keys) == 2
    s3.client.delete_object(Bucket=s3.vault, Key=keys[0])
    s3.client.put_object(Bucket=s3.vault, Key=keys[1], Body=b"something else")
    assert answered(s3, "SELECT count(*), sum(id) FROM orders", "archive") == [("60", "1830")]


def answered(s3: Place, statement: str, place: query.Place = "lake") -> list[Any]:
    with query.answer(s3.config, statement, place=place) as found:
        return [row for batch in found.texts() for row in batch]
