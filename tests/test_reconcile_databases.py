"""Rows of real databases, held against their export, the lake and the archive's place."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import databases
import make_exports as make
import psycopg
import pyarrow as pa
import pymysql
import pytest
from commands import Command
from lines import Line, assert_good, by_name
from psycopg import sql

from compactor import reconcile
from compactor.config import Config
from compactor.database import open_database
from compactor.dsn import parse_dsn
from compactor.errors import ConfigError, SourceError
from compactor.model import to_json
from compactor.pipeline import utc_now
from compactor.reconcile import ReconcileOptions
from compactor.reconciliation import Reconciled, Reconciliation
from compactor.report import reconcile_text
from compactor.sample_exports import Column, Layout, RdsExport

SNAPSHOT = make.SNAPSHOT
BEFORE = f"created_at <= '{SNAPSHOT:%Y-%m-%d %H:%M:%S}'"


@pytest.fixture(scope="module")
def postgres() -> Iterator[databases.Server]:
    with databases.postgres() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[databases.Server]:
    with databases.mariadb() as server:
        yield server


@dataclass(frozen=True)
class Shop:
    """A database, its export, and the lake that the line made of it."""

    server: databases.Server
    name: str
    line: Line
    do: Callable[..., Any]

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name)

    @property
    def config(self) -> Config:
        return self.line.config()

    def reconcile(self, config: Config | None = None, **options: Any) -> Reconciliation:
        given = ReconcileOptions(dsn=parse_dsn(self.dsn), **options)
        return reconcile.reconcile(config or self.config, given, clock=utc_now)


def one(found: Reconciliation, table: str) -> Reconciled:
    (wanted,) = [row for row in found.tables if row.table == table]
    return wanted


# --- a shop in PostgreSQL -------------------------------------------------------------------------

ORDERS = (
    *(Column("id", "bigint"), Column("small", "smallint"), Column("paid", "boolean")),
    *(Column("amount", "numeric", precision=12, scale=2), Column("free", "numeric")),
    *(Column("day", "date"), Column("created_at", "timestamp with time zone")),
    *(Column("local", "timestamp without time zone"), Column("note", "text")),
    *(Column("code", "character", char_length=5), Column("ref", "uuid")),
    *(Column("doc", "jsonb"), Column("data", "bytea"), Column("ratio", "double precision")),
    Column("tags", "ARRAY"),
)
ROWS = 40


def order(n: int) -> list[Any]:
    """Return the values of one row as PostgreSQL prints them."""
    if n % 10 == 9:
        return [n, *[None] * (len(ORDERS) - 1)]
    texts = ["", "Größe 🎁", "it's", "a\nb"]
    return [
        *(n, n - 20, n % 3 == 0, f"{n * 7 - 100}.{n:02}", f"{n}.5" if n % 2 else f"{n}"),
        *(f"2026-09-{n % 28 + 1:02}", f"2026-10-05 {n % 24:02}:00:00.5+00"),
        *(f"2026-10-05 {n % 24:02}:{n:02}:00.000001", texts[n % 4], f"{'DE' * (n % 2):5}"),
        *(f"00000000-0000-0000-0000-{n:012}", f'{{"n": {n}}}', bytes(range(n)), n / 4, f"{{{n}}}"),
    ]


def table_of(columns: Sequence[Column], rows: Sequence[Sequence[Any]], engine: Any) -> pa.Table:
    schema = pa.schema([(column.name, column.arrow_type(engine)) for column in columns])
    values = [[row[place] for row in rows] for place in range(len(columns))]
    arrays = [pa.array(v, type=field.type) for v, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def postgres_type(column: Column) -> str:
    lengths = {"numeric": f"numeric({column.precision},{column.scale})", "ARRAY": "integer[]"}
    if column.source_type == "numeric" and not column.precision:
        return "numeric"
    fixed = {"character": f"character({column.char_length})"}
    return (lengths | fixed).get(column.source_type, column.source_type)


def fill_postgres(
    connection: psycopg.Connection[Any],
    name: tuple[str, str],
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    suffix: str = "",
) -> None:
    connection.execute(
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name[0])), prepare=False
    )
    made = [
        sql.SQL("{} {}").format(sql.Identifier(c.name), sql.SQL(postgres_type(c)))  # type: ignore[arg-type]
        for c in columns
    ]
    table, body = sql.Identifier(*name), sql.SQL(", ").join(made)
    connection.execute(
        sql.SQL("CREATE TABLE {} ({}) {}").format(table, body, sql.SQL(suffix))  # type: ignore[arg-type]
    )
    insert_postgres(connection, name, rows)


def insert_postgres(
    connection: psycopg.Connection[Any], name: tuple[str, str], rows: Sequence[Sequence[Any]]
) -> None:
    for row in rows:
        values = sql.SQL(", ").join(map(sql.Literal, row))
        connection.execute(
            sql.SQL("INSERT INTO {} VALUES ({})").format(sql.Identifier(*name), values)
        )


@pytest.fixture(scope="module")
def filled_postgres(postgres: databases.Server, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Orders, a partitioned table with its partitions, hostile names; one never exported."""
    folder = tmp_path_factory.mktemp("postgres")
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE shop TEMPLATE template0")
    line = Line(folder)
    export = RdsExport(line.source, "shop-1", SNAPSHOT)
    rows = [order(n) for n in range(ROWS)]
    event = (Column("id", "bigint"), Column("created_at", "date"))
    events = [(n, f"2026-0{8 + n % 2}-11") for n in range(12)]
    export.table("public.orders", ORDERS, table_of(ORDERS, rows, "postgres"), Layout(files=3))
    parts = {f"public.events_{part}": events[part::2] for part in (0, 1)}
    whole = [table_of(event, part, "postgres") for part in parts.values()]
    export.table("public.events", event, whole)
    for name, part in parts.items():
        export.table(name, event, table_of(event, part, "postgres"))
    export.finish()
    hostile = make.hostile_names(line.source)
    with psycopg.connect(postgres.dsn("shop"), autocommit=True) as connection:
        fill_postgres(connection, ("public", "orders"), ORDERS, rows)
        fill_postgres(connection, ("public", "events"), event, [], "PARTITION BY LIST (created_at)")
        for part, month in ((0, 8), (1, 9)):
            connection.execute(
                sql.SQL("CREATE TABLE {} PARTITION OF events FOR VALUES IN ({})").format(
                    sql.Identifier(f"events_{part}"), sql.Literal(f"2026-0{month}-11")
                )
            )
        insert_postgres(connection, ("public", "events"), events)
        connection.execute("CREATE TABLE never_exported (id bigint)")
        connection.execute("CREATE VIEW seen AS SELECT 1 AS id")
        for name, content in hostile.tables.items():
            schema, table = ("my.schema", "with.dots") if "my.s" in name else ("public", name[7:])
            if max(len(text.encode()) for text in (table, *content.schema.names)) > 63:
                continue  # PostgreSQL cuts longer names
            kinds = {"id": "bigint", "created_at": "date"}
            columns = [Column(text, kinds.get(text, "text")) for text in content.schema.names]
            lists = zip(*[column.to_pylist() for column in content.columns], strict=True)
            fill_postgres(connection, (schema, table), columns, list(lists))
    assert_good(line.run())

    def do(statement: str) -> None:
        with psycopg.connect(postgres.dsn("shop"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    return Shop(postgres, "shop", line, do)


HOSTILE = [name for name in make.NAMES if name != "public.long_names"]


def test_a_restored_snapshot_agrees_in_every_table_with_export_and_lake(
    filled_postgres: Shop,
) -> None:
    found = filled_postgres.reconcile(at_snapshot=True)
    counted = {row.table: row.counted.rows for row in found.tables}
    expected = {"public.orders": ROWS, "public.events": 12}
    expected |= {"public.events_0": 6, "public.events_1": 6, "public.long_names": None}
    assert counted == expected | dict.fromkeys(HOSTILE, 3)
    states = {row.table: row.status for row in found.tables if row.status != "pass"}
    assert states == {"public.long_names": "fail"}  # it could not be made there
    row = one(found, "public.orders")
    assert [check.name for check in row.checks] == ["lake_rows", "database_rows"]
    assert (row.export.rows, row.lake.rows, row.counted.rows) == (ROWS, ROWS, ROWS)
    assert (row.export.at, row.export.note) == (SNAPSHOT, f"footers said {ROWS}")
    assert row.counted.at == found.counted_at
    assert abs((utc_now() - found.recounted_at).total_seconds()) < 60
    assert found.server.startswith("PostgreSQL 18")
    part = one(found, "public.events_0")
    assert part.covered_by
    assert part.lake.rows is None
    assert "covered by public.events" in part.lake.note


def test_a_database_that_went_on_is_not_verified_though_its_numbers_are_equal(
    filled_postgres: Shop,
) -> None:
    found = filled_postgres.reconcile(tables=("shop.public.orders",))
    (row,) = found.tables
    assert (row.status, found.status, found.exit_code) == ("not_verified", "not_verified", 0)
    assert f"{ROWS} rows, as the export, counted " in row.explanation
    assert "as many rows may have been added as deleted" in row.explanation


def test_names_are_those_of_the_catalogue(filled_postgres: Shop) -> None:
    found = filled_postgres.reconcile(at_snapshot=True, tables=tuple(HOSTILE), profile=True)
    assert [row.table for row in found.tables] == sorted(HOSTILE)
    for row in found.tables:
        assert (row.status, row.counted.rows) == ("pass", 3), row
        names = {column.name for column in row.columns}
        assert names == {"id", "created_at", *make.NAMES[row.table]}
        assert {column.status for column in row.columns} == {"pass"}


def test_only_tables_with_rows_are_told_to_be_in_the_database_alone(filled_postgres: Shop) -> None:
    only = filled_postgres.reconcile().only_counted
    assert {(row.database, row.table, row.rows) for row in only} == {
        ("shop", "public.never_exported", None)
    }
    assert "not exported" in only[0].reason


def test_every_column_is_profiled_by_both_sides(filled_postgres: Shop) -> None:
    (row,) = filled_postgres.reconcile(
        at_snapshot=True, profile=True, tables=("public.orders",)
    ).tables
    told = {column.name: column for column in row.columns}
    assert {name: column.expected for name, column in told.items() if column.status != "pass"} == {}
    values = [order(n) for n in range(ROWS)]
    ids = sum(range(ROWS))
    texts = [row[8] for row in values if row[8] is not None]
    assert told["id"].actual == f"nulls 0, min 0, max {ROWS - 1}, sum {ids}"
    assert told["paid"].actual == "nulls 4, min 0, max 1, sum 12"
    assert told["amount"].actual.startswith("nulls 4, min -100, max 166.38, sum ")
    assert told["day"].actual == "nulls 4, min 2026-09-01, max 2026-09-28"
    assert told["created_at"].actual.endswith("max 2026-10-05 23:00:00.500000")
    assert told["note"].actual == f"nulls 4, bytes {sum(len(text.encode()) for text in texts)}"
    assert told["code"].actual == f"nulls 4, bytes {36 * 5}"
    assert told["ref"].actual == f"nulls 4, bytes {36 * 36}"
    assert told["tags"].compared == told["ratio"].compared == ("nulls",)
    assert "ARRAY" not in told["note"].left_out
    assert "collation" in told["note"].left_out
    assert "integer[]" in told["tags"].left_out


# --- a database that went on ----------------------------------------------------------------------


@pytest.fixture
def went_on(filled_postgres: Shop) -> Iterator[Shop]:
    """Two orders came after the snapshot."""
    filled_postgres.do(
        "INSERT INTO orders (id, created_at) VALUES (1001, now()), (1002, '2026-10-07')"
    )
    yield filled_postgres
    filled_postgres.do("DELETE FROM orders WHERE id > 1000")


@pytest.fixture
def lost_one(filled_postgres: Shop) -> Iterator[Shop]:
    """An order has been deleted."""
    filled_postgres.do("UPDATE orders SET id = -1 WHERE id = 9")
    filled_postgres.do(
        "CREATE TABLE kept AS SELECT * FROM orders WHERE id = -1; DELETE FROM orders WHERE id = -1"
    )
    yield filled_postgres
    filled_postgres.do("INSERT INTO orders SELECT * FROM kept; DROP TABLE kept")
    filled_postgres.do("UPDATE orders SET id = 9 WHERE id = -1")


def test_rows_that_came_later_are_explained_and_not_hidden(went_on: Shop) -> None:
    row = one(went_on.reconcile(), "public.orders")
    assert (row.status, row.counted.rows) == ("not_verified", ROWS + 2)
    assert "2 rows more than the export, counted " in row.explanation
    assert "days after the snapshot: rows written since would explain it" in row.explanation
    assert "--where" in row.explanation


def test_a_deleted_row_is_not_verified_in_words(lost_one: Shop) -> None:
    row = one(lost_one.reconcile(), "public.orders")
    assert (row.status, row.counted.rows) == ("not_verified", ROWS - 1)
    assert "1 row fewer than the export" in row.explanation
    assert "rows deleted since would explain it" in row.explanation


def test_a_deleted_row_of_a_restored_snapshot_fails(lost_one: Shop) -> None:
    found = lost_one.reconcile(at_snapshot=True, tables=("public.orders",))
    assert (found.status, found.exit_code) == ("fail", 5)
    assert "1 row fewer than the export; it is at the snapshot" in found.tables[0].explanation


def test_a_predicate_counts_the_rows_that_were_there(went_on: Shop) -> None:
    where = f"{BEFORE} OR created_at IS NULL"
    found = went_on.reconcile(where=where, tables=("public.orders",))
    (row,) = found.tables
    assert (row.status, row.counted.rows, row.predicate) == ("pass", ROWS, where)
    assert where in row.explanation
    found = went_on.reconcile(where=BEFORE, tables=("public.orders",))
    assert (found.status, found.exit_code) == ("fail", 5)  # it forgets rows without a date


def test_a_predicate_of_the_configuration_is_for_its_own_table(went_on: Shop) -> None:
    own = {"reconcile_where": f"{BEFORE} OR created_at IS NULL"}
    foreign = {"reconcile_where": "`only` = MySQL"}
    config = went_on.line.config(tables={"shop.public.orders": own, "other.other.t": foreign})
    found = went_on.reconcile(config)
    assert one(found, "public.orders").status == "pass"
    assert one(found, "public.events").status == "not_verified"
    found = went_on.reconcile(config, at_snapshot=True)
    assert one(found, "public.orders").counted.rows == ROWS + 2
    assert any("not used" in note for note in found.notes)


def test_a_profile_differs_where_a_value_does(filled_postgres: Shop) -> None:
    filled_postgres.do("UPDATE orders SET amount = amount + 0.01, day = 'infinity' WHERE id = 3")
    try:
        options: dict[str, Any] = {"profile": True, "tables": ("public.orders",)}
        (row,) = filled_postgres.reconcile(at_snapshot=True, **options).tables
        differ = {column.name for column in row.columns if column.status == "fail"}
        assert (row.status, differ) == ("fail", {"amount", "day"})
        assert "2 columns with another profile: 'amount', 'day'" in row.explanation
        assert "max infinity" in next(c.actual for c in row.columns if c.name == "day")
        (row,) = filled_postgres.reconcile(**options).tables
        assert {column.status for column in row.columns} == {"not_verified"}
        assert "max infinity" in reconcile_text(filled_postgres.reconcile(**options))
    finally:
        filled_postgres.do(
            "UPDATE orders SET amount = amount - 0.01, day = '2026-09-04' WHERE id = 3"
        )


def test_a_table_that_cannot_be_counted_is_told_and_the_others_are_counted(
    filled_postgres: Shop,
) -> None:
    found = filled_postgres.reconcile(where="paid IS NULL OR paid OR NOT paid")
    assert one(found, "public.orders").status == "pass"
    row = one(found, "public.select")
    assert row.error is not None
    assert 'column "paid" does not exist' in row.error
    assert (row.status, row.counted.rows) == ("not_verified", None)
    assert found.exit_code == 3


def test_a_user_without_rights_is_told_so(filled_postgres: Shop) -> None:
    filled_postgres.do("CREATE USER clerk PASSWORD 'clerk'; GRANT SELECT ON orders TO clerk")
    dsn = parse_dsn(filled_postgres.server.dsn("shop", "clerk", "clerk"))
    options = ReconcileOptions(dsn=dsn, tables=("public.orders", "public.events"))
    found = reconcile.reconcile(filled_postgres.config, options, clock=utc_now)
    assert one(found, "public.orders").counted.rows == ROWS
    assert "permission denied" in (one(found, "public.events").error or "")
    assert found.exit_code == 3


def test_rows_that_a_policy_hides_are_an_error_and_not_a_smaller_count(
    filled_postgres: Shop,
) -> None:
    filled_postgres.do(
        "CREATE USER guest PASSWORD 'guest'; GRANT SELECT ON orders TO guest; "
        "CREATE POLICY few ON orders TO guest USING (id < 3); "
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY"
    )
    try:
        dsn = parse_dsn(filled_postgres.server.dsn("shop", "guest", "guest"))
        options = ReconcileOptions(dsn=dsn, tables=("public.orders",))
        (row,) = reconcile.reconcile(filled_postgres.config, options, clock=utc_now).tables
        assert row.counted.rows is None
        assert "row-level security" in (row.error or "")
    finally:
        filled_postgres.do("ALTER TABLE orders DISABLE ROW LEVEL SECURITY")


def test_all_tables_are_counted_at_one_moment(filled_postgres: Shop) -> None:
    with open_database(parse_dsn(filled_postgres.dsn), 60) as database:
        tables = {table.table: table for table in database.tables()}
        before = reconcile.count_rows(database, tables["public.orders"], None)
        filled_postgres.do("INSERT INTO orders (id) VALUES (5000)")
        try:
            assert reconcile.count_rows(database, tables["public.orders"], None) == before == ROWS
        finally:
            filled_postgres.do("DELETE FROM orders WHERE id = 5000")
        assert database.at < datetime.now(UTC)


def test_a_statement_that_writes_is_refused_by_the_transaction(filled_postgres: Shop) -> None:
    from sqlglot import exp

    with open_database(parse_dsn(filled_postgres.dsn), 60) as database:
        write = exp.select(exp.Anonymous(this="lo_create", expressions=[exp.Literal.number(0)]))
        with pytest.raises(SourceError, match="read-only transaction"):
            database.row(write)
        assert database.row(exp.select(exp.Literal.number(7))) == (7,)


def test_a_statement_may_not_take_longer_than_asked(filled_postgres: Shop) -> None:
    found = filled_postgres.reconcile(
        where="pg_sleep(20) IS NOT NULL", timeout_s=0.2, tables=("public.orders",)
    )
    assert "longer than --timeout" in (found.tables[0].error or "")
    assert found.exit_code == 3


def test_a_table_of_another_database_is_not_taken_for_missing(filled_postgres: Shop) -> None:
    dsn = parse_dsn(filled_postgres.server.dsn("postgres"))
    options = ReconcileOptions(dsn=dsn, at_snapshot=True)
    found = reconcile.reconcile(filled_postgres.config, options, clock=utc_now)
    assert found.tables
    assert {row.status for row in found.tables} == {"not_verified"}
    assert "sees the database 'postgres' alone" in found.tables[0].explanation


def test_a_connection_that_is_lost_ends_it_with_3(filled_postgres: Shop) -> None:
    with pytest.raises(SourceError, match="the connection is lost") as caught:
        filled_postgres.reconcile(where="pg_terminate_backend(pg_backend_pid())")
    assert caught.value.exit_code == 3
    assert databases.PASSWORD not in str(caught.value)


def test_a_count_that_includes_other_tables_is_told(filled_postgres: Shop) -> None:
    filled_postgres.do("CREATE TABLE more () INHERITS (orders); INSERT INTO more (id) VALUES (77)")
    try:
        row = one(filled_postgres.reconcile(at_snapshot=True), "public.orders")
        assert (row.status, row.counted.rows) == ("fail", ROWS + 1)
        assert row.notes == ("its count includes the rows of tables that inherit from it",)
    finally:
        filled_postgres.do("DROP TABLE more")


def test_a_partition_that_only_the_database_has_is_told_to_be_in_its_parent(
    filled_postgres: Shop,
) -> None:
    filled_postgres.do("CREATE TABLE events_2 PARTITION OF events FOR VALUES IN ('2026-10-11')")
    try:
        only = {row.table: row.reason for row in filled_postgres.reconcile().only_counted}
        assert only["public.events_2"] == (
            "a partition of public.events, which the lake holds with its rows"
        )
    finally:
        filled_postgres.do("DROP TABLE events_2")


def test_a_name_that_is_two_tables_is_compared_with_neither(filled_postgres: Shop) -> None:
    filled_postgres.do('CREATE SCHEMA my; CREATE TABLE my."schema.with.dots" (x text)')
    try:
        (row,) = filled_postgres.reconcile(at_snapshot=True, tables=("my.schema.with.dots",)).tables
        assert row.status == "not_verified"
        assert "cannot be told apart" in row.explanation
    finally:
        filled_postgres.do("DROP SCHEMA my CASCADE")


def test_a_table_dropped_from_a_restored_snapshot_fails(filled_postgres: Shop) -> None:
    filled_postgres.do("ALTER TABLE orders RENAME TO renamed")
    try:
        found = filled_postgres.reconcile(at_snapshot=True, tables=("public.orders",))
        assert (found.tables[0].status, found.exit_code) == ("fail", 5)
        assert "no table of this name" in found.tables[0].explanation
        found = filled_postgres.reconcile(tables=("public.orders",))
        assert (found.tables[0].status, found.exit_code) == ("not_verified", 0)
    finally:
        filled_postgres.do("ALTER TABLE renamed RENAME TO orders")


# --- the lake and its numbers ---------------------------------------------------------------------


def test_an_object_missing_from_the_lake_fails_whatever_the_database_says(
    filled_postgres: Shop,
) -> None:
    line = filled_postgres.line
    manifest = next((line.lake / "_compactor/runs").glob("*/manifest.json"))
    tables = json.loads(manifest.read_bytes())["tables"]
    (orders,) = [table for table in tables if table["table"] == "public.orders"]
    path = line.lake / orders["partitions"][0]["objects"][0]["key"]
    content = path.read_bytes()
    path.unlink()
    try:
        found = filled_postgres.reconcile(tables=("public.orders",), profile=True)
        (row,) = found.tables
        assert (row.status, found.exit_code) == ("fail", 5)
        assert "is gone" in row.explanation
        assert row.lake.rows is not None
        assert row.lake.rows < ROWS
        assert any("were not compared" in note for note in row.notes)
    finally:
        path.write_bytes(content)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def toml(filled_postgres: Shop, tmp_path: Path) -> Path:
    line = filled_postgres.line
    path = tmp_path / "shop.toml"
    path.write_text(
        f"[source]\nurls = [{json.dumps(str(line.source))}]\n"
        f"[lake]\nurl = {json.dumps(str(line.lake))}\n"
        f"[limits]\nscratch_dir = {json.dumps(str(line.scratch))}\n",
        encoding="utf-8",
    )
    return path


def test_the_command_exits_as_promised_and_never_says_the_password(
    lost_one: Shop,
    toml: Path,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMPACTOR_DSN", lost_one.dsn)
    only = ("reconcile", "--table", "shop.public.orders")
    kept = tmp_path / "kept.json"
    found = [
        command("-v", "-c", toml, *only, "-o", kept),
        command("-v", "-c", toml, *only, "--json"),
        command("-v", "-c", toml, *only, "--at-snapshot", "--json"),
        command("-v", "-c", toml, *only, "--where", "id <> 9"),
        command("-v", "-c", toml, *only, "--where", "nonsense = 1"),
        command("-v", "-c", toml, *only, "--where", "1; DROP TABLE orders"),
        command("-v", "-c", toml, *only, "--profile"),
    ]
    assert [said.code for said in found] == [0, 0, 5, 5, 3, 2, 0]
    for said in found:
        for secret in (databases.PASSWORD, databases.QUOTED):
            assert secret not in said.out + said.err + kept.read_text(encoding="utf-8")
    assert f"postgresql://admin@127.0.0.1:{lost_one.server.port}/shop" in found[0].out
    assert json.loads(kept.read_bytes())["tables"][0]["counted"]["rows"] == ROWS - 1
    assert found[2].json["tables"][0]["checks"][1]["status"] == "fail"
    assert Reconciliation.model_validate(found[2].json).status == "fail"


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_exits_with_3_in_clear_words(
    scheme: str, toml: Path, command: Command
) -> None:
    with socket.socket() as closed:  # bound, but nobody listens
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        said = command(
            "-c", toml, "reconcile", "--dsn", f"{scheme}://me:{databases.QUOTED}@{place}/shop"
        )
    assert (said.code, said.out) == (3, "")
    assert f"{scheme}://me@{place}/shop cannot be opened" in said.err
    assert "refused" in said.err
    assert "next: is the server running" in said.err
    assert databases.PASSWORD not in said.err


@pytest.mark.parametrize(("scheme", "extra"), [("postgresql", "postgres"), ("mysql", "mysql")])
def test_a_missing_driver_is_told_with_what_to_install(
    scheme: str, extra: str, toml: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, {"postgres": "psycopg", "mysql": "pymysql"}[extra], None)
    said = command("-c", toml, "reconcile", "--dsn", f"{scheme}://me@127.0.0.1:1/shop")
    assert (said.code, said.out) == (2, "")
    assert f"pip install 'compactor[{extra}]'" in said.err


def test_a_counts_file_that_is_named_wins_over_a_variable_that_is_set(
    toml: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPACTOR_DSN", "postgresql://me@127.0.0.1:1/shop")
    path = tmp_path / "counts.csv"
    path.write_text("database,table,rows\nshop,public.orders,40\n", encoding="utf-8")
    said = command("-q", "-c", toml, "reconcile", "--counts", path, "--json")
    assert said.code == 0
    assert said.json["counted_from"] == str(path)
    said = command("-c", toml, "reconcile", "--counts", path, "--dsn", "mysql://me@127.0.0.1:1/")
    assert said.code == 2
    assert "two sources" in said.err


def test_a_wrong_password_exits_with_3_and_is_not_repeated(
    filled_postgres: Shop, toml: Path, command: Command
) -> None:
    dsn = filled_postgres.server.dsn("shop", password="secret-of-mine")
    said = command("-c", toml, "reconcile", "--dsn", dsn)
    assert (said.code, said.out) == (3, "")
    assert "password authentication failed" in said.err
    assert "secret-of-mine" not in said.err


# --- MariaDB --------------------------------------------------------------------------------------

GOODS = (
    *(Column("id", "bigint"), Column("big", "bigint unsigned"), Column("small", "tinyint")),
    *(Column("price", "decimal", precision=12, scale=2), Column("made", "date")),
    *(Column("created_at", "datetime"), Column("seen", "timestamp"), Column("name", "varchar")),
    *(Column("code", "char"), Column("kind", "enum"), Column("data", "varbinary")),
    *(Column("ratio", "double"), Column("born", "year"), Column("latin", "varchar")),
)
GOODS_TYPES = (
    *("bigint", "bigint unsigned", "tinyint", "decimal(12,2)", "date", "datetime(6)"),
    *("timestamp NULL", "varchar(50) CHARACTER SET utf8mb4", "char(5) CHARACTER SET utf8mb4"),
    *("enum('a','b')", "varbinary(60)", "double", "year", "varchar(50) CHARACTER SET latin1"),
)
MYSQL_NAMES = ("Goods", "it's", 'a`b"c', "größe", "100%s", "dots.in.it", "select", "with space")


def good(n: int) -> list[Any]:
    if n % 10 == 9:
        return [n, *[None] * (len(GOODS) - 1)]
    moment = datetime(2026, 10, 5, n % 24, n, 0, 500_000)  # noqa: DTZ001 (a DATETIME has no zone)
    return [
        *(n, Decimal(2**64 - 1 - n), n - 20, Decimal(n * 7 - 100) + Decimal("0.25")),
        *(f"2026-09-{n % 28 + 1:02}", moment, moment.replace(microsecond=0)),
        *(["", "Größe 🎁", "it's"][n % 3], f"c{n}".encode(), "ab"[n % 2]),
        *(bytes(range(n)), n / 4, 1990 + n, "Größe"),
    ]


@pytest.fixture(scope="module")
def filled_mariadb(mariadb: databases.Server, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    line = Line(tmp_path_factory.mktemp("mariadb"))
    export = RdsExport(line.source, "goods-1", SNAPSHOT, database="Shop", engine="mysql")
    rows = [good(n) for n in range(ROWS)]
    content = table_of(GOODS, rows, "mysql")
    quoted = {name: "`" + name.replace("`", "``") + "`" for name in MYSQL_NAMES}
    login = {"host": "127.0.0.1", "user": "reader", "password": databases.PASSWORD}

    def do(statement: str, rows: Any = None) -> None:
        opened = pymysql.connect(port=mariadb.port, autocommit=True, **login)
        with closing(opened), opened.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.executemany(statement, rows) if rows else cursor.execute(statement)

    do("CREATE DATABASE `Shop`")
    do("CREATE DATABASE elsewhere")
    do("CREATE TABLE elsewhere.private (id bigint)")
    body = ", ".join(f"`{c.name}` {kind}" for c, kind in zip(GOODS, GOODS_TYPES, strict=True))
    for name, identifier in quoted.items():
        engine = "MyISAM" if name == "select" else "InnoDB"
        do(f"CREATE TABLE `Shop`.{identifier} ({body}) ENGINE={engine}")
        marks = ", ".join(["%s"] * len(GOODS))
        escaped = identifier.replace("%", "%%")
        do(f"INSERT INTO `Shop`.{escaped} VALUES ({marks})", rows)  # noqa: S608
        export.table(f"Shop.{name}", GOODS, content, Layout(files=2))
    do("CREATE TABLE `Shop`.never_exported (id bigint)")
    export.finish()
    done = line.run()
    assert_good(done)
    assert len(by_name(done.result)) == len(MYSQL_NAMES)
    return Shop(mariadb, "Shop", line, do)


def test_a_restored_mariadb_agrees_in_every_table_and_column(filled_mariadb: Shop) -> None:
    found = filled_mariadb.reconcile(at_snapshot=True, profile=True)
    assert sorted(row.table for row in found.tables) == sorted(f"Shop.{n}" for n in MYSQL_NAMES)
    for row in found.tables:
        differ = [(c.name, c.expected, c.actual) for c in row.columns if c.status != "pass"]
        assert (row.status, row.counted.rows, differ) == ("pass", ROWS, []), row.explanation
        assert {column.name for column in row.columns} == {column.name for column in GOODS}
    told = {column.name: column for column in one(found, "Shop.Goods").columns}
    top = 2**64 - 1
    assert told["big"].actual.startswith(f"nulls 4, min {top - 38}, max {top}, sum ")
    assert told["latin"].actual == f"nulls 4, bytes {36 * 7}"  # as UTF-8, whatever it is kept in
    assert told["created_at"].actual.endswith("max 2026-10-05 23:23:00.500000")
    assert found.server.startswith("MariaDB ")
    assert {row.table for row in found.only_counted} == {"Shop.never_exported"}
    assert any("no snapshots" in note for note in one(found, "Shop.select").notes)


def test_a_mariadb_that_went_on_is_explained_by_numbers_or_by_a_predicate(
    filled_mariadb: Shop,
) -> None:
    filled_mariadb.do("INSERT INTO `Shop`.`Goods` (id, created_at) VALUES (1001, '2026-10-07')")
    try:
        only: dict[str, Any] = {"tables": ("Shop.Goods",)}
        (row,) = filled_mariadb.reconcile(**only).tables
        assert row.status == "not_verified"
        assert "1 row more than the export" in row.explanation
        assert filled_mariadb.reconcile(at_snapshot=True, **only).exit_code == 5
        where = f"`created_at` <= TIMESTAMP'{SNAPSHOT:%Y-%m-%d %H:%M:%S}' OR created_at IS NULL"
        (row,) = filled_mariadb.reconcile(where=where, **only).tables
        assert (row.status, row.counted.rows) == ("pass", ROWS)
        (row,) = filled_mariadb.reconcile(where="sleep(9) = 0", timeout_s=0.2, **only).tables
        assert "longer than --timeout" in (row.error or "")
    finally:
        filled_mariadb.do("DELETE FROM `Shop`.`Goods` WHERE id = 1001")


def test_a_mariadb_transaction_sees_one_moment_and_writes_nothing(filled_mariadb: Shop) -> None:
    with open_database(parse_dsn(filled_mariadb.dsn), 60) as database:
        tables = {table.table: table for table in database.tables()}
        filled_mariadb.do("INSERT INTO `Shop`.`Goods` (id) VALUES (5000)")
        try:
            assert reconcile.count_rows(database, tables["Shop.Goods"], None) == ROWS
        finally:
            filled_mariadb.do("DELETE FROM `Shop`.`Goods` WHERE id = 5000")
        with pytest.raises(SourceError, match="READ ONLY transaction"):
            database._rows("UPDATE `Shop`.`Goods` SET id = 1")  # type: ignore[attr-defined]
        assert abs((database.at - utc_now()).total_seconds()) < 60


def test_a_mariadb_password_is_not_said(filled_mariadb: Shop) -> None:
    found = filled_mariadb.reconcile(profile=True)
    dsn = parse_dsn(filled_mariadb.dsn)
    for text in (to_json(found), reconcile_text(found), repr(dsn), str(dsn)):
        assert databases.PASSWORD not in text
        assert databases.QUOTED not in text
    wrong = parse_dsn(filled_mariadb.server.dsn("Shop", password="secret-of-mine"))
    with pytest.raises(SourceError, match="Access denied") as caught, open_database(wrong, 1):
        pass
    assert "secret-of-mine" not in str(caught.value)


def test_a_predicate_of_another_dialect_is_refused(filled_mariadb: Shop) -> None:
    with pytest.raises(ConfigError, match="not a condition"):
        filled_mariadb.reconcile(where="SELECT 1")
