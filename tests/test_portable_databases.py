"""PostgreSQL and MariaDB recompute the fingerprint of what was exported from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import databases
import make_exports as make
import portable_rows as spec
import psycopg
import pyarrow as pa
import pymysql
import pytest
from lines import NULL_DAY, Line, assert_good
from portable_rows import KINDS, NASTY
from sqlglot import exp
from test_portable import columns_of

from compactor.model import TableResult
from compactor.portable.asked import Fingerprint, Options, fingerprint
from compactor.portable.engines import ENGINES
from compactor.portable.statement import Rows, statement
from compactor.report.fingerprint import fingerprint_text
from compactor.sample_exports import Column, Layout, RdsExport
from compactor.sample_exports.rds import Engine


@pytest.fixture(scope="module")
def postgres() -> Iterator[databases.Server]:
    with databases.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[databases.Server]:
    with databases.mariadb() as server:
        yield server


class Postgres:
    """Sessions whose settings differ from what is usual."""

    dialect = "postgres"
    settings = (
        "SET TIME ZONE 'America/New_York'",
        "SET DateStyle = 'German'",
        "SET IntervalStyle = 'sql_standard'",
        "SET bytea_output = 'escape'",
    )

    def __init__(self, server: databases.Server) -> None:
        self.connection = psycopg.connect(server.dsn("postgres"), autocommit=True)

    def row(self, sql: str, *, odd: bool = False) -> tuple[Any, ...]:
        return self.rows(sql, odd=odd)[0]

    def rows(self, sql: str, *, odd: bool = False) -> list[tuple[Any, ...]]:
        for setting in self.settings if odd else ():
            self.connection.execute(setting)
        try:
            found = self.connection.execute(sql.encode())
            return found.fetchall() if found.description else []
        finally:
            if odd:
                self.connection.execute("RESET ALL")


class MySQL:
    dialect = "mysql"
    settings = (
        "SET time_zone = '-05:00'",
        "SET NAMES latin1",
        "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,PAD_CHAR_TO_FULL_LENGTH'",
        "SET div_precision_increment = 0",
    )

    def __init__(self, server: databases.Server) -> None:
        self.connection = pymysql.connect(
            host="127.0.0.1",
            port=server.port,
            user=server.user,
            password=databases.PASSWORD,
            charset="utf8mb4",
            init_command="SET time_zone = '+00:00'",
            autocommit=True,
        )

    def row(self, sql: str, *, odd: bool = False) -> tuple[Any, ...]:
        return self.rows(sql, odd=odd)[0]

    def rows(self, sql: str, *, odd: bool = False) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            for setting in self.settings if odd else ():
                cursor.execute(setting)
            try:
                cursor.execute(sql)
                return list(cursor.fetchall())
            finally:
                if odd:
                    self.connection.rollback()
                    cursor.execute("SET time_zone = DEFAULT, sql_mode = DEFAULT")
                    cursor.execute("SET div_precision_increment = DEFAULT")
                    cursor.execute("SET NAMES utf8mb4")


@pytest.fixture(scope="module")
def postgres_session(postgres: databases.Server) -> Iterator[Postgres]:
    session = Postgres(postgres)
    with closing(session.connection):
        yield session


@pytest.fixture(scope="module")
def mysql_session(mariadb: databases.Server) -> Iterator[MySQL]:
    session = MySQL(mariadb)
    with closing(session.connection):
        yield session


@pytest.fixture(params=["postgres", "mysql"])
def session(request: pytest.FixtureRequest) -> Postgres | MySQL:
    return request.getfixturevalue(f"{request.param}_session")


def test_it_gives_the_documents_vectors(session: Postgres | MySQL) -> None:
    wrong = []
    for one in spec.vectors():
        if session.dialect == "postgres" and "\0" in one.canonical:
            continue  # no PostgreSQL has such a text
        if session.dialect == "mysql" and one.kind == "TIMESTAMPTZ":
            continue  # its TIMESTAMP is a type of columns only: see below
        (column,) = columns_of({"x": one.kind})
        value = spec.literal(one.value, one.kind, session.dialect)
        text = ENGINES[session.dialect].canonical(column, value)
        select = exp.select(exp.alias_(text, "made")).sql(dialect=session.dialect)
        for odd in (False, True):
            (found,) = session.row(select, odd=odd)
            if found != one.canonical:
                wrong.append((one.id, found, one.canonical, odd))
    assert wrong == []


def test_it_gives_the_documents_example(session: Postgres | MySQL) -> None:
    found = spec.example()
    place = spec.rows_of(found.rows, found.kinds, session.dialect)
    select = statement(columns_of(found.kinds), Rows(place=place), session.dialect)
    assert session.row(select.sql(dialect=session.dialect)) == found.result


def test_it_gives_the_reference_of_nasty_rows(session: Postgres | MySQL) -> None:
    place = spec.rows_of(NASTY, KINDS, session.dialect)
    select = statement(columns_of(KINDS), Rows(place=place), session.dialect)
    assert session.row(select.sql(dialect=session.dialect)) == spec.fingerprint(NASTY)


# --- from a table of the database to the lake, and back -------------------------------------------


def export(line: Line, table: str, columns: list[Column], rows: list[Any], engine: Engine) -> None:
    """Write what the exporter would, of rows as the database gave them."""
    database = "shop"
    schema = pa.schema([(column.name, column.arrow_type(engine)) for column in columns])
    arrays = [
        pa.array([row[place] for row in rows], type=field.type)
        for place, field in enumerate(schema)
    ]
    made = RdsExport(line.source, "shop-1", make.SNAPSHOT, engine=engine, database=database)
    made.table(table, columns, pa.Table.from_arrays(arrays, schema=schema), Layout(files=2))
    made.finish()


@dataclass(frozen=True)
class Exported:
    """A table of a database, exported and in the lake."""

    session: Postgres | MySQL
    line: Line
    name: str
    sections: dict[str, Any]

    def run(self) -> TableResult:
        done = self.line.run(verify={"portable": True}, **self.sections)
        assert_good(done)
        (table,) = done.result.tables
        return table

    def ask(self, **options: Any) -> Fingerprint:
        wanted = Options(table=self.name, dialect=self.session.dialect, **options)
        return fingerprint(self.line.config(**self.sections), wanted)

    def agrees_by_day(self) -> int:
        """The database gives the manifest's numbers, day by day; return the number of days."""
        found = self.ask(by_partition=True)
        expected = {one.partition: (one.rows, one.digest) for one in found.expected}
        given = {day or NULL_DAY: (rows, text) for day, rows, text in self.session.rows(found.sql)}
        assert given == expected
        for day in (min(expected), max(expected)):
            one = self.ask(partition=day)
            assert self.session.rows(one.sql, odd=True) == [expected[day]]
        return len(expected)

    def given(self) -> tuple[int, str]:
        count, digest = self.session.row(fingerprint_text(self.ask()), odd=True)
        return count, digest


POSTGRES = (
    (Column("id", "bigint"), "bigint", ("1", "2", "3", "4")),
    (Column("Small", "smallint"), "smallint", ("-32768", "0", None, "7")),
    (Column("paid", "boolean"), "boolean", ("true", "false", None, "true")),
    (Column("amount", "numeric", precision=12), "numeric(12,2)", ("-0.05", "0", None, "9.50")),
    (Column("free", "numeric"), "numeric", ("1.500", "100", "-0.0000000012", "0.000")),
    (Column("day", "date"), "date", ("0001-01-01", "9999-12-31", None, "1582-10-10")),
    (
        Column("made", "timestamp without time zone"),
        "timestamp",
        ("2026-09-01 23:59:59.9995", "1969-12-31 23:59:59.9995", "0001-01-01", "9999-12-31 00:00"),
    ),
    (
        Column("at", "timestamp with time zone"),
        "timestamptz",
        (
            "2026-09-01 23:30:00.000499-05",
            "1800-01-01 00:00:00.25+00:53:28",
            None,
            "2026-09-02 03:00+03",
        ),
    ),
    (Column('we"ird; -- `x', "text"), "text", ("", None, "Größe 🎁 e\u0301", "a\nb\t'\\")),
    (Column("code", "character", char_length=5), "character(5)", ("DE", "", None, "  x")),
    (Column("name", "character varying"), "varchar(20)", (" a ", "N", "1:a", None)),
    (Column("ref", "uuid"), "uuid", ("00000000-0000-0000-0000-00000000000A", None, None, None)),
    (Column("doc", "jsonb"), "jsonb", ('{"b": 1.50, "a":[null, "\\u00e9"]}', "null", None, "[]")),
    (Column("net", "inet"), "inet", ("10.0.0.1/8", "::1", None, None)),
    (Column("mood", "USER-DEFINED"), "mood", ("sad", "happy", None, "sad")),
    (Column("clock", "time without time zone"), "time", ("24:00", "12:34:56.70", None, None)),
    (Column("bits", "bit varying"), "varbit", ("0101", "", None, "1")),
    (Column("data", "bytea"), "bytea", ("\\x00ff27", "\\x", None, "\\x5c78")),
    (Column("ratio", "double precision"), "double precision", ("0.1", "1e300", None, "2")),
    (Column("span", "interval"), "interval", ("1 day 2 hours", None, None, None)),
    (Column("tags", "ARRAY"), "text[]", ("{a,b}", None, None, "{}")),
)


def postgres_rows(session: Postgres, table: str) -> list[tuple[Any, ...]]:
    """Make the table, and return its rows as the exporter writes them: text by output functions."""
    made = ", ".join(f"{quoted(column.name)} {kind}" for column, kind, _ in POSTGRES)
    session.rows(f"CREATE TABLE {table} ({made})")
    places = ", ".join(["%s"] * len(POSTGRES))
    insert = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608
    for values in zip(*[values for *_, values in POSTGRES], strict=True):
        session.connection.execute(insert.encode(), values)
    native = {"bigint", "smallint", "boolean", "bytea", "double precision"}
    picked = ", ".join(
        quoted(column.name)
        if kind in native
        else f"CASE WHEN {quoted(column.name)} IS NOT NULL THEN concat({quoted(column.name)}) END"
        for column, kind, _ in POSTGRES
    )
    session.rows("SET TIME ZONE 'UTC'")
    try:
        return session.rows(f"SELECT {picked} FROM {table}")  # noqa: S608
    finally:
        session.rows("RESET ALL")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("column", "zone", "grain"),
    [("made", "UTC", "month"), ("at", "Europe/Berlin", "day"), ("day", "UTC", "year")],
)
def test_postgresql_gives_what_the_manifest_says_of_its_export(
    postgres_session: Postgres, tmp_path: Path, column: str, zone: str, grain: str
) -> None:
    session = postgres_session
    session.rows("DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop")
    session.rows("DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('happy', 'sad')")
    rows = postgres_rows(session, 'shop."my.Table"')
    line = Line(tmp_path)
    export(line, "shop.my.Table", [column for column, *_ in POSTGRES], rows, "postgres")
    table = {"date_column": column, "grain": grain}
    sections = {"tables": {"shop.shop.my.Table": table}, "compact": {"timezone": zone}}
    exported = Exported(session, line, "shop.shop.my.Table", sections)
    result = exported.run()
    assert result.portable is not None
    assert set(result.portable.left_out) == {"at", "made", "ratio", "span", "tags"}
    assert exported.given() == (4, result.portable.digest)
    assert exported.agrees_by_day() in (3, 4)
    session.rows("""UPDATE shop."my.Table" SET code = 'DF' WHERE id = 1""")
    assert exported.given() != (4, result.portable.digest)


MYSQL = (
    (Column("id", "bigint unsigned"), "bigint unsigned zerofill", (1, 2**64 - 1, 3, 0)),
    (Column("tiny", "tinyint"), "tinyint", (-128, 0, None, 1)),
    (Column("Padded", "int unsigned"), "int(8) unsigned zerofill", (42, 0, None, 2**32 - 1)),
    (Column("year", "year"), "year", (1901, 0, None, 2155)),
    (Column("amount", "decimal", 12, 4), "decimal(12,4)", ("-0.0500", "0", None, "9.5")),
    (Column("filled", "decimal", 6, 2), "decimal(6,2) zerofill", ("1.5", "0", None, "9")),
    (Column("whole", "decimal", 30, 0), "decimal(30,0)", ("9" * 30, "-100", None, "0")),
    (Column("day", "date"), "date", ("1000-01-01", "9999-12-31", None, "1969-12-31")),
    (
        Column("made", "datetime"),
        "datetime(6)",
        ("2026-09-01 23:59:59.999500", "1969-12-31 23:59:59.999500", None, "9999-12-31 00:00:00"),
    ),
    (
        Column("at", "timestamp"),
        "timestamp(6) null",
        ("2026-09-01 23:30:00.000499", "1970-01-01 00:00:01", None, "2038-01-19 03:14:07.999"),
    ),
    (Column("sec", "timestamp"), "timestamp null", ("2026-09-01 23:30:00", None, None, None)),
    (Column('we`ird"; -- x', "text"), "text", ("", None, "Größe 🎁 é", "a\nb\0\t'\\")),
    (Column("code", "char"), "char(5) character set latin1", ("Äé", "", None, " x")),
    (Column("name", "varchar"), "varchar(20) character set utf16", (" a ", "N", "🎁", None)),
    (Column("mood", "enum"), "enum('sad','glücklich')", ("sad", "glücklich", None, "sad")),
    (Column("tags", "set"), "set('a','b')", ("a,b", "", None, "b")),
    (Column("fixed", "binary"), "binary(3)", (b"a", b"\x00\xff'", None, b"abc")),
    (Column("data", "longblob"), "longblob", (b"", b"\x00\xff'\\", None, b"x")),
    (Column("ratio", "double"), "double", (0.1, 1e300, None, 2.0)),
    (Column("doc", "json"), "json", ('{"a": 1}', None, None, "[]")),
    (Column("clock", "time"), "time", ("838:59:59", None, None, "-01:00:00")),
)


def mysql_rows(session: MySQL, table: str) -> list[tuple[Any, ...]]:
    """Make the table, and return its rows as the exporter writes them."""
    made = ", ".join(f"{ticked(column.name)} {kind}" for column, kind, _ in MYSQL)
    session.rows("SET time_zone = '+00:00'")
    session.rows(f"CREATE TABLE {table} ({made}) CHARACTER SET utf8mb4")
    with session.connection.cursor() as cursor:
        for values in zip(*[values for *_, values in MYSQL], strict=True):
            places = ", ".join(["%s"] * len(values))
            cursor.execute(f"INSERT INTO {table} VALUES ({places})", values)  # noqa: S608
    as_text = {"date", "time"}
    picked = ", ".join(
        f"CAST({ticked(column.name)} AS CHAR)" if kind in as_text else ticked(column.name)
        for column, kind, _ in MYSQL
    )
    found = session.rows(f"SELECT {picked} FROM {table}")  # noqa: S608
    bare = [column.source_type in {"char", "binary", "longblob"} for column, *_ in MYSQL]
    return [
        tuple(
            one.encode() if is_bare and isinstance(one, str) else one
            for is_bare, one in zip(bare, row, strict=True)
        )
        for row in found
    ]


def ticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


@pytest.mark.parametrize(("column", "grain"), [("made", "day"), ("at", "month"), ("day", "year")])
def test_mariadb_gives_what_the_manifest_says_of_its_export(
    mysql_session: MySQL, tmp_path: Path, column: str, grain: str
) -> None:
    session = mysql_session
    session.rows("DROP DATABASE IF EXISTS shop")
    session.rows("CREATE DATABASE shop")
    rows = mysql_rows(session, "shop.`my.Table`")
    line = Line(tmp_path)
    export(line, "shop.my.Table", [column for column, *_ in MYSQL], rows, "mysql")
    sections = {"tables": {"shop.shop.my.Table": {"date_column": column, "grain": grain}}}
    exported = Exported(session, line, "shop.shop.my.Table", sections)
    result = exported.run()
    assert result.portable is not None
    assert set(result.portable.left_out) == {"at", "made", "sec", "ratio", "doc", "clock"}
    assert exported.given() == (4, result.portable.digest)
    assert exported.agrees_by_day() in (3, 4)
    session.rows("UPDATE shop.`my.Table` SET filled = 1.51 WHERE id = 1")
    assert exported.given() != (4, result.portable.digest)
