"""Queries over manifests: they say what the runs said, in Athena's SQL and in DuckDB's.

There is no Athena here. So: every statement parses in Athena's and Trino's dialect and calls only
functions that are on a list; and each query runs, in DuckDB's words, over the manifests that real
runs left on a real S3 server. What it must answer is worked out in Python from what the runs
returned.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from athena_lake import (
    FIRST,
    HOSTILE,
    ORDERS,
    SECOND,
    THIRD,
    AthenaLake,
    _orders,
    make_lake,
)
from commands import Command
from conftest import S3Server
from sqlglot import exp
from sqlglot.generators.presto import PrestoGenerator

from compactor import sql
from compactor.catalog import audit_queries, manifests_ddl, to_duckdb
from compactor.catalog.layout import layout
from compactor.errors import ConfigError
from compactor.model import Finding, RunResult, TableResult

LAKE = "s3://acme-lake/tables/"
FUNCTIONS = {
    *("array_agg", "array_join", "cardinality", "coalesce", "concat", "count", "date_add"),
    *("date_diff", "date_trunc", "element_at", "from_iso8601_timestamp", "greatest", "lag"),
    *("length", "max", "min", "replace", "row_number", "substr", "sum", "transform"),
    *("abs", "cast", "json_parse", "row", "try_cast", "unnest", "array", "map", "timestamp"),
    *("filter", "over", "in", "values", "varchar", "decimal"),
}
"""Functions of Trino, and words of its grammar before a parenthesis:
https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html (read 2026-11)"""


@pytest.fixture(scope="module")
def lake(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AthenaLake]:
    with pytest.MonkeyPatch.context() as patch:
        for name, text in s3_server.env.items():
            patch.setenv(name, text)
        yield make_lake(s3_server, tmp_path_factory.mktemp("athena"))


@pytest.fixture(scope="module")
def config(lake: AthenaLake) -> Path:
    path = lake.copy.parent / "compactor.toml"
    urls = f'[source]\nurls = ["/nowhere"]\n[lake]\nurl = {json.dumps(str(lake.copy))}\n'
    path.write_text(urls, encoding="utf-8")
    return path


def ask(lake: AthenaLake, name: str, **values: str) -> list[dict[str, Any]]:
    """Run the script of a query over the copy of the lake, in a session far from UTC."""
    one = next(one for one in audit_queries.audit_queries() if one.name == name)
    query = audit_queries.filled(one, values).query
    return answer(to_duckdb.script(query, str(lake.copy)))


def answer(script: str) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Tokyo'")
        found = connection.execute(script)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def stored(lake: AthenaLake) -> Iterator[tuple[RunResult, TableResult]]:
    """Yield what manifests name: tables that did not fail."""
    for run in lake.runs:
        yield from ((run, table) for table in run.tables if table.status != "failed")


def counted(lake: AthenaLake) -> dict[tuple[str, str], tuple[RunResult, TableResult]]:
    """Return the run that counts for each snapshot: the one with an archive, then the later one."""
    found: dict[tuple[str, str], tuple[RunResult, TableResult]] = {}
    for run, table in stored(lake):
        if table.status != "covered":
            key = (name(table), label(table))
            if key in found and found[key][0].archive and not run.archive:
                continue
            found[key] = (run, table)
    return found


def name(table: TableResult) -> str:
    return f"{table.database}.{table.table}"


def label(table: TableResult) -> str:
    return f"{table.snapshot:%Y%m%dT%H%M%SZ}"


# --- the words of Athena --------------------------------------------------------------------------


def files() -> dict[str, str]:
    return {one: sql.query(one) for one in (*manifests_ddl.VIEWS, *audit_queries.QUERIES)}


@pytest.mark.parametrize("dialect", ["athena", "trino"])
@pytest.mark.parametrize("file", files())
def test_a_file_parses_in_the_dialect(file: str, dialect: str) -> None:
    (tree,) = sqlglot.parse(files()[file], read=dialect)
    assert isinstance(tree, exp.Select | exp.Union)


@pytest.mark.parametrize("file", files())
def test_a_file_calls_only_functions_that_athena_has(file: str) -> None:
    text = re.sub(r"--.*|'[^']*'", "", files()[file])
    called = {word.lower() for word in re.findall(r"(\w+)\s*\(", text)}
    # names of parts and of tables stand before a parenthesis, too
    words = {"as", "on", "or", "and", "where", "from", "join", "by"}
    assert called - words <= FUNCTIONS


def said(*where: str) -> list[str]:
    return [one.sql for one in manifests_ddl.statements(*where)]


def test_statements_call_only_functions_that_athena_has() -> None:
    for statement in said(LAKE)[2:]:
        called = {word.lower() for word in re.findall(r"(\w+)\(", statement)}
        assert called <= FUNCTIONS


@pytest.mark.parametrize("file", files())
def test_no_name_in_a_file_is_a_reserved_word(file: str) -> None:
    names = {
        one.name.upper()
        for one in sqlglot.parse_one(files()[file], read="trino").find_all(exp.Identifier)
        if not one.args.get("quoted")
    }
    assert names
    assert names & PrestoGenerator.RESERVED_KEYWORDS == set()
    assert "TABLE" in {word.upper() for word in PrestoGenerator.RESERVED_KEYWORDS}


# --- the table over the manifests -----------------------------------------------------------------


def test_statements_come_in_the_order_in_which_they_can_run() -> None:
    made = said("s3://acme-lake/tables", "compactor")
    assert made[0] == "CREATE DATABASE IF NOT EXISTS `compactor`"
    assert made[1].startswith("CREATE EXTERNAL TABLE IF NOT EXISTS `compactor`.`documents`")
    assert made[1].endswith("LOCATION 's3://acme-lake/tables/_compactor/runs/'")
    there = {"documents"}
    for view in made[2:]:
        head, _, body = view.partition(" AS\n")
        needed = set(re.findall(r'"compactor"\."(\w+)"', body))
        assert needed
        assert needed <= there
        there |= set(re.findall(r'VIEW "compactor"\."(\w+)"', head))
    assert there == {
        *("documents", "manifests", "runs", "tables", "partitions", "objects"),
        *("checks", "findings", "snapshots"),
    }
    assert all(len(one.encode()) < 262_144 for one in made)  # the most that Athena takes


def test_a_hostile_database_and_lake_are_quoted() -> None:
    made = said("s3://a/it's; DROP/", 'x"; DROP TABLE y; --')
    for statement in made[2:]:
        tree = sqlglot.parse_one(statement, read="trino")
        assert isinstance(tree, exp.Create)
        assert {one.db for one in tree.find_all(exp.Table) if one.db} == {'x"; DROP TABLE y; --'}
    (location,) = sqlglot.parse_one(made[1], read="hive").find_all(exp.LocationProperty)
    assert location.this.name == "s3://a/it's; DROP/_compactor/runs/"


def test_athena_is_not_told_of_a_local_lake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Athena reads S3 only"):
        manifests_ddl.statements(str(tmp_path))


def declared(kind: exp.DataType) -> Any:
    """Return a type as nested names: a dict for a row, a list for an array."""
    if kind.this == exp.DType.STRUCT:
        return {part.name: declared(part.kind) for part in kind.expressions}
    if kind.this == exp.DType.ARRAY:
        return [declared(kind.expressions[0])]
    return kind.sql(dialect="trino")


def fit(value: Any, kind: Any, place: str = "") -> Any:
    """Return what a reader by these types must give; keys that are not declared go to `extra`."""
    if isinstance(kind, dict) and isinstance(value, dict):
        for key in value.keys() - kind.keys():
            extra.add(f"{place}.{key}")
        return {key: fit(value.get(key), inner, f"{place}.{key}") for key, inner in kind.items()}
    if isinstance(kind, list) and isinstance(value, list):
        return [fit(one, kind[0], place) for one in value]
    return value


extra: set[str] = set()


def test_every_value_of_real_manifests_is_read_by_the_declared_types(lake: AthenaLake) -> None:
    types_of = {key: declared(kind) for key, kind in manifests_ddl.manifest_columns().items()}
    extra.clear()
    expected = [fit(json.loads(path.read_text()), types_of) for path in lake.manifests]
    # fields of a finding's own: the model lets them in without naming them
    assert extra <= {
        f".findings.{key}"
        for run in lake.runs
        for finding in run.findings
        for key in finding.model_dump().keys() - Finding.model_fields.keys()
    }
    assert extra
    columns = ", ".join(f'"{key}"' for key in types_of)
    script = to_duckdb.script(
        sqlglot.parse_one(f"SELECT {columns} FROM manifests ORDER BY url", read="trino"),  # noqa: S608
        str(lake.copy),
    )
    assert answer(script) == expected


def test_a_type_without_a_word_in_athena_is_refused() -> None:
    with pytest.raises(AssertionError, match="no type of Athena"):
        manifests_ddl._type(set[str])


def test_types_follow_the_model() -> None:
    assert manifests_ddl.manifest_columns().keys() == RunResult.model_fields.keys()
    tables = declared(manifests_ddl.manifest_columns()["tables"])[0]
    assert tables.keys() == TableResult.model_fields.keys()
    assert tables["snapshot"] == "VARCHAR"
    assert tables["seconds"] == "DOUBLE"
    assert tables["checks"] == [
        dict.fromkeys(("name", "subject", "expected", "actual", "status", "source"), "VARCHAR")
    ]
    versions = manifests_ddl.manifest_columns()["versions"]
    assert declared(versions) == "MAP(VARCHAR, VARCHAR)"


def test_only_manifests_are_parsed_and_every_document_is_one_line(lake: AthenaLake) -> None:
    """`documents` holds the lines of everything that lies there; HTML would not parse."""
    below = [path for path in sorted((lake.copy / "_compactor/runs").rglob("*")) if path.is_file()]
    assert {".html", ".json"} <= {path.suffix for path in below} or len(below) > 10
    lines = [(str(path), line) for path in below for line in path.read_text().split("\n") if line]
    assert {path for path, _ in lines} > {str(path) for path in lake.manifests}
    view = sqlglot.parse_one(said(LAKE)[2], read="trino").expression
    inner = view.find(exp.Subquery).this

    def as_json(node: exp.Expression) -> exp.Expression:
        return exp.cast(node.this, "json") if isinstance(node, exp.Cast) else node

    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA compactor")
        connection.execute('CREATE TABLE compactor.documents ("$path" VARCHAR, line VARCHAR)')
        connection.executemany("INSERT INTO compactor.documents VALUES (?, ?)", lines)
        connection.execute("INSERT INTO compactor.documents VALUES ('x/report.html', '<p>{')")
        found = connection.execute(inner.transform(as_json).sql(dialect="duckdb")).fetchall()
    assert sorted(url for url, _ in found) == [str(path) for path in lake.manifests]
    assert {json.loads(text)["run_id"] for _, text in found} == {run.run_id for run in lake.runs}


# --- the views ------------------------------------------------------------------------------------


def view(lake: AthenaLake, name: str) -> list[dict[str, Any]]:
    query = exp.select("*").from_(exp.table_(name))
    return answer(to_duckdb.script(query, str(lake.copy)))


def test_objects_are_those_that_the_runs_named(lake: AthenaLake) -> None:
    expected = Counter(
        (run.run_id, name(table), place, dt, one.key, one.version_id, one.sha256, one.size_bytes,
         one.rows, one.lock_mode, one.retain_until and one.retain_until.replace(tzinfo=None))
        for run, table in stored(lake)
        for place, dt, one in (
            *(("lake", part.value, one) for part in table.partitions for one in part.objects),
            *(("archive", part.value, one) for part in table.partitions for one in part.archived),
            *(("control", None, one) for one in table.control),
        )
    )  # fmt: skip
    keys = ("run_id", "name", "place", "dt", "key", "version_id", "sha256", "bytes", "rows",
            "lock_mode", "retain_until")  # fmt: skip
    assert Counter(tuple(row[key] for key in keys) for row in view(lake, "objects")) == expected
    assert len(expected) > 50


def test_runs_tables_partitions_and_findings_have_one_row_each(lake: AthenaLake) -> None:
    runs = {row["run_id"]: row for row in view(lake, "runs")}
    assert runs.keys() == {run.run_id for run in lake.runs}
    for run in lake.runs:
        row = runs[run.run_id]
        assert (row["status"], row["duckdb"]) == (run.status, run.versions["duckdb"])
        assert abs(row["started_at"] - utc(run.started_at)) <= timedelta(milliseconds=1)
    assert Counter((row["run_id"], row["task_id"]) for row in view(lake, "tables")) == Counter(
        (run.run_id, table.task_id) for run, table in stored(lake)
    )
    assert Counter(
        (row["run_id"], row["name"], row["dt"], row["rows"], row["fingerprint"], row["objects"])
        for row in view(lake, "partitions")
    ) == Counter(
        (run.run_id, name(table), part.value, part.rows, part.fingerprint, len(part.objects))
        for run, table in stored(lake)
        for part in table.partitions
    )
    # the manifest was written before the last finding could be; all of it is in the report
    told = {(run.run_id, one.kind, one.message) for run in lake.runs for one in run.findings}
    found = {(row["run_id"], row["kind"], row["message"]) for row in view(lake, "findings")}
    assert found
    assert found <= told


def utc(moment: datetime) -> datetime:
    """Return a moment as views have it: UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def test_a_snapshot_counts_once_as_the_run_that_archived_it_says(lake: AthenaLake) -> None:
    found = {(row["name"], row["snapshot"]): row for row in view(lake, "snapshots")}
    expected = counted(lake)
    assert {key: row["run_id"] for key, row in found.items()} == {
        key: run.run_id for key, (run, _) in expected.items()
    }
    assert found["shop.public.orders", FIRST]["run_id"] == lake.runs[1].run_id
    assert {key[1]: row["age"] for key, row in found.items() if "orders" in key[0]} == {
        FIRST: 2,
        SECOND: 1,
    }


# --- the queries ----------------------------------------------------------------------------------


def test_rows_per_day_shows_what_was_lost(lake: AthenaLake) -> None:
    rows = ask(lake, "rows_per_day", table_name="shop.public.orders")
    before, after = (
        Counter(str(row[2] or "__HIVE_DEFAULT_PARTITION__") for row in one) for one in ORDERS
    )
    days = sorted(before.keys() | after.keys())
    assert [row["dt"] for row in rows] == days
    for row, day in zip(rows, days, strict=True):
        assert row["rows"] == after[day]
        assert row["rows_before"] == (before[day] or None)
        assert row["change"] == (after[day] - before[day] if before[day] else None)
    assert {row["dt"]: row["flag"] for row in rows if row["flag"]} == {
        "2026-09-02": "fewer than before",
        "2026-09-05": "gone",
    }
    assert [row["rows_day_before"] for row in rows] == [None, 10, 4, 10, None, 11, 9, None]
    strict = ask(lake, "rows_per_day", table_name="shop.public.orders", loss="0.05")
    assert {row["dt"]: row["flag"] for row in strict if row["flag"]} == {
        "2026-09-02": "fewer than before",
        "2026-09-05": "gone",
        "2026-09-06": "fewer than before",
    }


def test_a_day_with_fewer_rows_than_the_day_before_is_flagged(lake: AthenaLake) -> None:
    """Asked the other way round, only the day before tells."""
    rows = ask(
        lake, "rows_per_day", table_name="shop.public.orders",
        from_snapshot=FIRST, to_snapshot=SECOND, loss="0.9",
    )  # fmt: skip
    assert {row["dt"]: row["flag"] for row in rows if row["flag"]} == {"2026-09-05": "gone"}
    turned = ask(
        lake, "rows_per_day", table_name="shop.public.orders",
        from_snapshot=SECOND, to_snapshot=FIRST,
    )  # fmt: skip
    assert {row["dt"]: row["flag"] for row in turned if row["flag"]} == {"2026-09-07": "gone"}
    assert sum(row["rows"] for row in turned) == len(ORDERS[0])


def test_changed_between_snapshots_says_which_days_differ(lake: AthenaLake) -> None:
    rows = ask(lake, "changed_between_snapshots")
    found = {(row["name"], row["dt"]): row["state"] for row in rows}
    by_day: list[dict[str, Counter[Any]]] = [{}, {}]
    for side, given in zip(by_day, ORDERS, strict=True):
        for row in given:
            side.setdefault(str(row[2] or "__HIVE_DEFAULT_PARTITION__"), Counter())[row] += 1
    before, after = by_day
    for day in before.keys() | after.keys():
        state = "same" if before.get(day) == after.get(day) else "changed"
        state = "added" if day not in before else "removed" if day not in after else state
        assert found["shop.public.orders", day] == state, day
    assert {state for (table, _), state in found.items() if table == "shop.public.orders"} == {
        *("same", "changed", "added", "removed")
    }
    assert found["shop.public.people", ""] == "cannot tell"
    assert found[f"shop.{HOSTILE}", ""] == "same"
    assert {row["why"] for row in rows if row["state"] == "cannot tell"} == {
        "columns are not the same"
    }
    assert "shop.public.late" not in {row["name"] for row in rows}


def test_not_verified_names_every_check_that_did_not_pass(lake: AthenaLake) -> None:
    latest: dict[str, tuple[RunResult, TableResult]] = {}
    for (table, _), both in sorted(counted(lake).items()):
        latest[table] = both
    expected = {
        (table, check.name, check.subject, check.status, check.source)
        for table, (_, result) in latest.items()
        for check in result.checks
        if check.status != "pass"
    }
    rows = ask(lake, "not_verified")
    keys = ("name", "check_name", "subject", "status", "why")
    assert {tuple(row[key] for key in keys) for row in rows} == expected
    assert len(expected) == 6
    assert len(ask(lake, "not_verified", snapshots="2")) == len(counted(lake))
    assert {row["name"] for row in ask(lake, "not_verified", table_name=f"shop.{HOSTILE}")} == {
        f"shop.{HOSTILE}"
    }


def test_integrity_counts_the_checks_of_each_table_in_each_run(lake: AthenaLake) -> None:
    expected = {}
    for run, table in stored(lake):
        objects = [one for part in table.partitions for one in (*part.objects, *part.archived)]
        statuses = Counter(check.status for check in table.checks)
        expected[run.run_id, name(table)] = (
            *(statuses["pass"], statuses["fail"], statuses["not_verified"]),
            len(objects) + len(table.control),
        )
    rows = ask(lake, "integrity")
    keys = ("passed", "failed", "not_verified", "objects")
    assert {
        (row["run_id"], row["name"]): tuple(row[key] for key in keys) for row in rows
    } == expected
    assert (
        {row["without_digest"] for row in rows} == {row["without_version"] for row in rows} == {0}
    )
    assert {row["fully_verified"] for row in rows if row["status"] == "covered"} == {None}
    # an RDS export ships no row counts
    assert {row["fully_verified"] for row in rows if row["status"] != "covered"} == {False}


def test_a_damaged_object_is_among_what_failed(lake: AthenaLake) -> None:
    (row,) = ask(lake, "failed")
    assert (row["run_id"], row["kind"]) == (lake.runs[3].run_id, "unreadable_object")
    assert "public.broken" in row["message"]
    assert ask(lake, "failed", table_name="shop.public.broken") == [row]
    assert ask(lake, "failed", table_name="shop.public.brokem") == []


def test_retention_tells_what_is_locked_until_when(lake: AthenaLake) -> None:
    expected = {}
    for key, (_, table) in counted(lake).items():
        archived = [one for part in table.partitions for one in part.archived]
        ends = [one.retain_until for one in (*archived, *table.control) if one.retain_until]
        expected[key] = (
            len(archived) + len(table.control),
            "locked" if ends else "not archived",
            utc(min(ends)) if ends else None,
            utc(max(ends)) if ends else None,
        )
    rows = ask(lake, "retention")
    assert {
        (row["name"], row["snapshot"]): (
            *(row["objects"], row["state"], row["first_end"], row["last_end"]),
        )
        for row in rows
    } == expected
    assert rows[0]["name"] == "shop.public.late"  # the most urgent first
    assert {row["not_locked"] for row in rows} == {0}
    orders = [row for row in rows if row["name"] == "shop.public.orders"]
    ends = [row["first_end"] for row in orders]
    assert {row["shortest_of_table"] for row in orders} == {min(ends)}
    assert {row["longest_of_table"] for row in orders} == {max(ends)}


def test_a_lock_that_ends_within_the_days_asked_for_ends_soon(lake: AthenaLake) -> None:
    end = min(row["first_end"] for row in ask(lake, "retention") if row["first_end"])
    days = (end - datetime.now(UTC).replace(tzinfo=None)) // timedelta(days=1)
    states = [Counter(), Counter()]
    for found, wanted in zip(states, (days - 2, days + 3), strict=True):
        found.update(row["state"] for row in ask(lake, "retention", days=str(wanted)))
    assert states[0] == {"locked": 10, "not archived": 1}
    assert states[1] == {"ends soon": 10, "not archived": 1}


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"lock_mode": None, "retain_until": None}, "not locked"),
        ({"retain_until": "2026-01-01T00:00:00Z"}, "ended"),
        (None, "not archived"),
    ],
)
def test_one_object_without_lock_or_copy_is_enough(
    change: dict[str, Any] | None, state: str, lake: AthenaLake, tmp_path: Path
) -> None:
    document = json.loads(lake.manifests[2].read_text())
    table = next(one for one in document["tables"] if one["table"] == "public.orders")
    archived = table["partitions"][3]["archived"]
    if change is None:
        archived.clear()
    else:
        archived[0] |= change
    rows = ask(_with(document, tmp_path), "retention", table_name="shop.public.orders")
    assert [row["state"] for row in rows] == [state]


def test_a_failed_check_a_missing_digest_and_no_check_at_all_are_seen(
    lake: AthenaLake, tmp_path: Path
) -> None:
    document = json.loads(lake.manifests[2].read_text())
    tables = {one["table"]: one for one in document["tables"]}
    broken, bare = tables["public.orders"], tables["public.people"]
    broken["checks"][3]["status"] = "fail"
    broken["partitions"][0]["objects"][0]["sha256"] = ""
    bare["checks"] = []
    changed = _with(document, tmp_path)
    first = ask(changed, "integrity")[0]
    assert (first["name"], first["failed"], first["without_digest"]) == ("shop.public.orders", 1, 1)
    assert first["failed_checks"] == broken["checks"][3]["name"]
    (failed,) = ask(changed, "failed")
    assert (failed["what"], failed["table_name"]) == ("check", "shop.public.orders")
    (row,) = ask(changed, "not_verified", table_name="shop.public.people")
    assert (row["check_name"], row["status"]) == (None, "not_verified")
    assert "no check" in row["why"]


def _with(document: dict[str, Any], folder: Path) -> AthenaLake:
    """Return a lake whose only manifest is this one."""
    path = folder / "_compactor" / "runs" / document["run_id"] / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return AthenaLake(runs=[], url="", copy=folder)


def test_an_older_manifest_lacks_fields_and_is_read_all_the_same(
    lake: AthenaLake, tmp_path: Path
) -> None:
    document = json.loads(lake.manifests[2].read_text())
    for table in document["tables"]:
        del table["system"], table["engine"], table["control"]
    del document["late_links"], document["evidence"]
    assert len(ask(_with(document, tmp_path), "integrity")) == len(document["tables"])


def test_duplicates_are_told_once_for_each_snapshot(lake: AthenaLake) -> None:
    expected = {
        (name(table), label(table), table.covered_by, table.source_rows)
        for _, table in stored(lake)
        if table.status == "covered"
    }
    rows = ask(lake, "duplicates")
    keys = ("name", "snapshot", "covered_by", "source_rows")
    assert Counter(tuple(row[key] for key in keys) for row in rows) == Counter(expected)
    assert len(expected) == 4


def test_growth_takes_the_last_snapshot_of_each_month(lake: AthenaLake, tmp_path: Path) -> None:
    (row,) = ask(lake, "growth", table_name="shop.public.orders")
    assert (row["snapshot"], row["rows"], row["rows_grown"]) == (SECOND, len(ORDERS[1]), None)
    changed = tmp_path / "changed"
    for path, moment in zip(lake.manifests[1:3], ("2026-08-31T23:59:59Z", None), strict=True):
        document = json.loads(path.read_text())
        for table in document["tables"]:
            table["snapshot"] = moment or table["snapshot"]
        _with(document, changed)
    rows = ask(AthenaLake(runs=[], url="", copy=changed), "growth", table_name="shop.public.orders")
    assert [str(row["month"]) for row in rows] == ["2026-08-01", "2026-10-01"]
    assert [row["rows_grown"] for row in rows] == [None, len(ORDERS[1]) - len(ORDERS[0])]


def test_storage_counts_each_object_once(lake: AthenaLake) -> None:
    objects: dict[str, dict[tuple[str, str, str | None], int]] = {}
    for _, table in stored(lake):
        for place, many in (
            *(("lake", part.objects) for part in table.partitions),
            *(("archive", part.archived) for part in table.partitions),
            ("archive", table.control),
        ):
            for one in many:
                key = (place, one.key, one.version_id)
                objects.setdefault(name(table), {})[key] = one.size_bytes
    rows = ask(lake, "storage_cost", lake_usd="1024", archive_usd="2048")
    assert {row["name"]: (row["lake_bytes"], row["archive_bytes"]) for row in rows} == {
        table: tuple(
            sum(size for (place, _, _), size in found.items() if place == wanted)
            for wanted in ("lake", "archive")
        )
        for table, found in objects.items()
    }
    for row in rows:
        assert row["lake_usd_month"] == pytest.approx(row["lake_bytes"] / 2**20)
        assert row["archive_usd_month"] == pytest.approx(row["archive_bytes"] / 2**19)
    orders = next(row for row in rows if row["name"] == "shop.public.orders")
    months = orders["archive_usd_to_end"] / orders["archive_usd_month"]
    years = (datetime(2056, 10, 6, tzinfo=UTC) - datetime.now(UTC)) / timedelta(days=365.25)
    assert months == pytest.approx(12 * years, abs=0.1)


# --- which rows differ ----------------------------------------------------------------------------


def differences(before: list[Any], after: list[Any]) -> Counter[Any]:
    old, new = Counter(before), Counter(after)
    return Counter(
        {("added", *row): times for row, times in (new - old).items()}
        | {("removed", *row): times for row, times in (old - new).items()}
    )


def found_rows(rows: list[dict[str, Any]]) -> Counter[Any]:
    made: Counter[Any] = Counter()
    for row in rows:
        change, times, *values = row.values()
        made[change, *values] = times
    return made


def test_changed_rows_are_found_with_how_often_they_changed(
    lake: AthenaLake, config: Path, command: Command
) -> None:
    said = command(
        "-c", config, "queries", "changed_rows", "--table", "shop.public.orders",
        "--dialect", "duckdb",
    )  # fmt: skip
    assert (said.code, said.err) == (0, f"from {FIRST} to {SECOND}\n")
    expected = differences(*ORDERS)
    assert found_rows(answer(said.out)) == expected
    assert len(expected) == 29
    assert ("added", *_orders(3, 1)[0]) in expected  # there once more than before


def test_changed_rows_are_found_in_a_lake_whose_path_looks_like_a_pattern(
    lake: AthenaLake, command: Command, tmp_path: Path
) -> None:
    odd = tmp_path / "la[k]e*?'s"
    shutil.copytree(lake.copy, odd)
    file = tmp_path / "compactor.toml"
    urls = f'[source]\nurls = ["/nowhere"]\n[lake]\nurl = {json.dumps(str(odd))}\n'
    file.write_text(urls, encoding="utf-8")
    table = ("--table", "shop.public.orders", "--dialect", "duckdb")
    said = command("-c", file, "queries", "changed_rows", *table)
    assert found_rows(answer(said.out)) == differences(*ORDERS)
    assert "la[[]k]e[*][?]''s/" in said.out  # DuckDB looks for such a name itself, but not in S3
    printed = command("-c", file, "fingerprint", "shop.public.orders", "--dialect", "duckdb")
    with duckdb.connect() as connection:
        assert connection.execute(printed.out).fetchall()
    assert "la[[]k]e[*][?]''s/" in printed.out


def test_changed_rows_say_the_same_over_the_tables_of_the_catalog(
    lake: AthenaLake, config: Path, command: Command
) -> None:
    """The external tables, as Athena sees them: partitions by snapshot and day."""
    said = command("-c", config, "queries", "changed_rows", "--table", "shop.public.orders")
    tree = sqlglot.parse_one(said.out, read="athena")
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA shop")
        folder = f"{lake.copy}/shop/public.orders/**/*.parquet"
        read = exp.select("*").from_(
            exp.Anonymous(
                this="read_parquet",
                expressions=[
                    exp.Literal.string(folder),
                    exp.EQ(this=exp.column("hive_types_autocast"), expression=exp.false()),
                ],
            )
        )
        made = exp.Create(
            this=exp.table_("public_orders_data", db="shop"), kind="VIEW", expression=read
        )
        connection.execute(made.sql(dialect="duckdb"))
        found = connection.execute(tree.sql(dialect="duckdb"))
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert found_rows(rows) == differences(*ORDERS)


def test_changed_rows_read_the_manifests_of_a_lake_on_s3(
    lake: AthenaLake, config: Path, command: Command, tmp_path: Path
) -> None:
    there = tmp_path / "there.toml"
    there.write_text(config.read_text().replace(str(lake.copy), lake.url), encoding="utf-8")
    asked = ("queries", "changed_rows", "--table", "shop.public.orders")
    assert command("-c", there, *asked) == command("-c", config, *asked)
    said = command("-c", there, *asked, "--dialect", "duckdb")
    assert said.code == 0
    assert said.out.count(f"'{lake.url}shop/public.orders/snapshot=") == 14


def test_columns_that_one_snapshot_lacks_are_not_compared_and_told(
    lake: AthenaLake, config: Path, command: Command
) -> None:
    said = command(
        "-c", config, "queries", "changed_rows", "--table", "shop.public.people",
        "--dialect", "duckdb",
    )  # fmt: skip
    assert said.code == 0
    assert "not compared: 'city': only one of the two snapshots has it" in said.err
    assert answer(said.out) == []


def test_names_in_changed_rows_are_quoted_and_do_not_collide() -> None:
    from compactor.catalog import changed_rows
    from compactor.lake_tables import collect

    nasty = ('we"ird; --', "change", "Times", "side_", "dt")
    runs = [_run(number, nasty) for number in (1, 2)]
    tables = collect(runs)
    (table,) = layout(tables, tables.tables, LAKE)
    pair = changed_rows.choose(table, None, None)
    made = changed_rows.for_athena(table, *pair)
    assert made.left_out == ()
    text = made.query.sql(dialect="trino")
    (tree,) = sqlglot.parse(text, read="athena")
    assert [one.alias_or_name for one in tree.selects] == ["change_", "times_", *nasty]
    assert {one.name for one in tree.find_all(exp.Table)} == {"t_1_x_y_data"}
    empty = changed_rows.for_duckdb(table, *pair, "/lake/it's").query.sql(dialect="duckdb")
    assert "'/lake/it''s/x.parquet'" in empty


def _run(number: int, columns: tuple[str, ...]) -> RunResult:
    moment = f"2026-10-0{number}T00:00:00Z"
    described = [
        {"name": one, "source_name": one, "source_type": "text", "type": "VARCHAR"}
        for one in columns
    ]
    objects = [{"key": "x.parquet", "size_bytes": 1, "sha256": "0", "rows": 1}]
    table = {
        **{"task_id": f"task{number}", "export_id": "e", "database": "d", "table": '1 x";y'},
        **{"snapshot": moment, "status": "done", "columns": described},
        "partitions": [{"value": "", "rows": 1, "fingerprint": "1", "objects": objects}],
    }
    return RunResult.model_validate(
        {
            **{"run_id": f"run{number}", "plan_id": "p", "status": "done", "tables": [table]},
            **{"started_at": moment, "finished_at": moment},
        }
    )


# --- the command ----------------------------------------------------------------------------------


def test_all_queries_are_listed_with_what_they_take(command: Command) -> None:
    said = command("queries")
    assert (said.code, said.err) == (0, "")
    names = [*(one.rpartition("/")[2] for one in audit_queries.QUERIES), "changed_rows"]
    assert [line.split()[0] for line in said.out.splitlines()[::2]] == names
    assert "loss=0.2" in said.out
    listed = command("queries", "--json").json["queries"]
    assert [one["name"] for one in listed] == names
    assert all(one["answers"].endswith("?") for one in listed)


@pytest.mark.parametrize("file", audit_queries.QUERIES)
def test_a_query_needs_no_configuration_for_athena_and_names_our_database(
    file: str, command: Command, tmp_path: Path
) -> None:
    said = command("-c", tmp_path / "none.toml", "queries", file.rpartition("/")[2])
    assert (said.code, said.err) == (0, "")
    tree = sqlglot.parse_one(said.out, read="athena")
    parts = {one.alias for one in tree.find_all(exp.CTE)}
    tables = [one for one in tree.find_all(exp.Table) if one.name not in parts]
    assert tables
    assert {one.db for one in tables} == {"compactor"}
    assert said.out.startswith(f"-- {file}: ")


def test_names_are_filled_in_as_texts(command: Command) -> None:
    nasty = "shop.x'; DROP TABLE y; --"
    said = command("queries", "retention", "--table", nasty, "--set", "days=30")
    tree = sqlglot.parse_one(said.out, read="trino")
    wanted = next(one for one in tree.find_all(exp.CTE) if one.alias == "wanted")
    values = {one.alias: one.find(exp.Literal).name for one in wanted.this.expressions}
    assert values == {"table_name": nasty, "days": "30"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("retentoin",), "did you mean retention?"),
        (("retention", "--set", "days=soon"), "takes a number as days"),
        (("retention", "--set", "days"), "--set takes NAME=VALUE"),
        (("retention", "--set", "day=3"), "it takes: days, table_name"),
        (("growth", "--from", FIRST, "--to", SECOND), "takes no from_snapshot"),
        (("rows_per_day", "--from", FIRST), "go together"),
        (("rows_per_day", "--from", "yesterday", "--to", SECOND), "is not a snapshot"),
        (("--table", "shop.x"), "values are for one query"),
        (("changed_rows",), "is about one table"),
        (("changed_rows", "--table", "shop.public.orders", "--set", "days=1"), "takes no days"),
        (("changed_rows", "--table", "shop.public.order"), "did you mean shop.public.orders"),
        (("changed_rows", "--table", "shop.public.items_p1"), "not stored by itself"),
        (("changed_rows", "--table", "shop.public.late"), "no two snapshots"),
        (("changed_rows", "--table", "shop.public.none", "--dialect", "duckdb"), "no row"),
        (
            ("changed_rows", "--table", "shop.public.orders", "--from", FIRST, "--to", THIRD),
            f"has no snapshot '{THIRD}'",
        ),
    ],
)
def test_what_cannot_be_asked_is_usage(
    arguments: tuple[str, ...], told: str, config: Path, command: Command
) -> None:
    said = command("-c", config, "queries", *arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_a_script_for_duckdb_runs_as_it_is(config: Path, command: Command) -> None:
    said = command("-c", config, "queries", "growth", "--dialect", "duckdb", "--json")
    assert said.json["name"] == "growth"
    assert {row["name"] for row in answer(said.json["sql"])} >= {"shop.public.orders"}


def test_a_lake_whose_path_looks_like_a_pattern_is_read(lake: AthenaLake, tmp_path: Path) -> None:
    odd = tmp_path / "la[k]e*?'s"
    _with(json.loads(lake.manifests[0].read_text()), odd)
    assert ask(AthenaLake(runs=[], url="", copy=odd), "growth")
