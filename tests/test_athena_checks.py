"""What Athena counts is held against the manifests; what it did not count is never green."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlglot
from commands import Command
from conftest import S3Server
from glue_catalog import (
    WatchedAws,
    aws_of_its_own,
    days,
    run_result,
    table_result,
    tables_of,
    watched_aws,
)
from moto.athena.models import QueryResults, athena_backends
from moto.core import DEFAULT_ACCOUNT_ID
from s3_line import rows, write_shop
from sqlglot import exp

from compactor import prices
from compactor.catalog import athena_rows
from compactor.catalog.athena import Athena
from compactor.catalog.athena_rows import Counts
from compactor.model import HIVE_NULL, Check

SNAPSHOT = "20261006T034712Z"
DATED = run_result(0, table_result(0, {"2026-10-05": 12, HIVE_NULL: 3}))
Rows = Sequence[Sequence[str | None]]


@pytest.fixture
def aws() -> Iterator[WatchedAws]:
    with aws_of_its_own() as watch:
        yield watch


def backend() -> Any:
    return athena_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]


def will_answer(rows: Rows, columns: Sequence[str] = ("snapshot", "dt", "rows")) -> None:
    """Queue what the next query brings: heading and rows; NULL has no value."""
    values = [
        [{} if value is None else {"VarCharValue": value} for value in row]
        for row in (columns, *rows)
    ]
    backend().query_results_queue.append(QueryResults([{"Data": row} for row in values], []))


def athena(pauses: list[float] | None = None, output: str = "s3://answers/a/") -> Athena:
    client = boto3.client("athena", region_name="us-east-1")
    wait = pauses.append if pauses is not None else pytest.fail
    return Athena(client, workgroup="primary", output=output, wait=wait)


def count(*runs: Any) -> Counts:
    return athena_rows.count(tables_of(runs), athena())


def statuses(checks: Sequence[Check]) -> dict[str, str]:
    return {check.subject: check.status for check in checks}


# --- the question ---------------------------------------------------------------------------------


def test_one_statement_for_each_external_table_asks_for_the_current_snapshot() -> None:
    other = {"id": "VARCHAR"}
    runs = [DATED, run_result(1, table_result(1, days(2), columns=other))]
    runs.append(run_result(2, table_result(2, days(3), columns=other)))

    (asked,) = athena_rows.questions(*tables_of(runs))

    query = sqlglot.parse_one(asked.sql, dialect="trino")
    assert query.find(exp.Table).sql(dialect="trino") == '"shop"."public_orders_data_2"'
    assert [one.name for one in query.find(exp.In).expressions] == ["20261008T034712Z"]
    assert query.find(exp.Count) is not None
    assert sum(asked.expected.values()) == 10 + 11 + 12


def test_of_events_all_windows_are_counted() -> None:
    windows = [table_result(no, {"2026-10-05": no + 1}) for no in range(2)]
    events = [
        run_result(
            no, one.model_copy(update={"database": "dynamodb_changes", "system": "dynamodb"})
        )
        for no, one in enumerate(windows)
    ]

    (asked,) = athena_rows.questions(*tables_of(events))

    assert asked.expected == {
        ("20261006T034712Z", "2026-10-05"): 1,
        ("20261007T034712Z", "2026-10-05"): 2,
    }


def test_hostile_names_are_quoted() -> None:
    table = 'x"; DROP TABLE y; --'
    (asked,) = athena_rows.questions(
        *tables_of([run_result(0, table_result(0, days(1), table=table))])
    )
    assert len(sqlglot.parse(asked.sql, dialect="trino")) == 1


# --- the answer -----------------------------------------------------------------------------------


def test_each_partition_is_compared_and_the_query_is_named(aws: WatchedAws) -> None:
    will_answer([[SNAPSHOT, None, "3"], [SNAPSHOT, "2026-10-05", "12"]])
    aws.answers["GetQueryExecution"] = with_scan(4096)

    found = count(DATED)

    assert statuses(found.checks) == {
        f"shop.public.orders/snapshot={SNAPSHOT}/dt=2026-10-05": "pass",
        f"shop.public.orders/snapshot={SNAPSHOT}/dt={HIVE_NULL}": "pass",
    }
    (query_id,) = backend().executions
    for check in found.checks:
        assert check.name == "athena_rows"
        assert f"Athena's query {query_id}, 4096 bytes scanned" in check.source
    assert (found.queries, found.bytes_scanned) == (1, 4096)
    assert found.cost_usd == prices.athena_scan_usd(4096) > 0


def with_scan(size_bytes: int) -> Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]:
    def change(_: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        answer["QueryExecution"]["Statistics"]["DataScannedInBytes"] = size_bytes
        return answer

    return change


@pytest.mark.parametrize(
    ("rows", "failed", "actual"),
    [
        ([[SNAPSHOT, None, "3"], [SNAPSHOT, "2026-10-05", "11"]], "2026-10-05", "11"),
        ([[SNAPSHOT, None, "3"]], "2026-10-05", "0"),
        ([[SNAPSHOT, "2026-10-05", "12"]], HIVE_NULL, "0"),
        (
            [[SNAPSHOT, None, "3"], [SNAPSHOT, "2026-10-05", "12"], [SNAPSHOT, "2026-10-04", "0"]],
            "2026-10-04",
            "0",
        ),
    ],
    ids=["fewer rows", "no such partition", "rows without a date missing", "one too many"],
)
def test_another_count_fails(aws: WatchedAws, rows: Rows, failed: str, actual: str) -> None:
    will_answer(rows)

    (bad,) = (check for check in count(DATED).checks if check.status != "pass")

    assert (bad.status, bad.actual) == ("fail", actual)
    assert bad.subject.endswith(f"/dt={failed}")


def test_a_table_without_any_partition_is_counted_too(aws: WatchedAws) -> None:
    will_answer([], ("snapshot", "rows"))
    empty = run_result(0, table_result(0, {}))

    (check,) = count(empty).checks

    assert (check.subject, check.expected, check.status) == ("shop.public.orders", "0", "pass")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_query_that_did_not_succeed_is_not_verified_in_the_words_of_athena(
    aws: WatchedAws, state: str
) -> None:
    def failed(_: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        reason = "HIVE_BAD_DATA: not Parquet"
        answer["QueryExecution"]["Status"] |= {"State": state, "StateChangeReason": reason}
        return answer

    aws.answers["GetQueryExecution"] = failed

    (check,) = count(DATED).checks

    assert (check.status, check.expected, check.actual) == ("not_verified", "15", None)
    assert f"{state}: HIVE_BAD_DATA: not Parquet" in check.source
    assert "GetQueryResults" not in aws.names()


@pytest.mark.parametrize(
    "operation", ["StartQueryExecution", "GetQueryExecution", "GetQueryResults"]
)
def test_what_may_not_be_asked_is_not_verified_and_the_permission_is_named(
    aws: WatchedAws, operation: str
) -> None:
    aws.refuse[operation] = "AccessDeniedException"

    (check,) = count(DATED).checks

    assert check.status == "not_verified"
    assert f"allow athena:{operation} on " in check.source


def test_an_answer_without_its_heading_is_not_verified(aws: WatchedAws) -> None:
    will_answer([], ("something", "else"))

    (check,) = count(DATED).checks

    assert check.status == "not_verified"
    assert "should begin with the heading snapshot, dt, rows" in check.source


# --- waiting, pages, where answers go -------------------------------------------------------------


def test_it_waits_longer_and_longer_until_the_query_has_ended(aws: WatchedAws) -> None:
    looks = iter(["QUEUED", *["RUNNING"] * 6, "SUCCEEDED"])

    def next_state(_: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        answer["QueryExecution"]["Status"]["State"] = next(looks)
        return answer

    aws.answers["GetQueryExecution"] = next_state
    will_answer([["1"]], ("n",))
    pauses: list[float] = []
    asked = athena(pauses)

    answer = asked.finish(asked.start("SELECT 1 AS n", "shop"), ("n",))

    assert answer.rows == (("1",),)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_an_answer_of_several_pages_is_read_to_its_end(aws: WatchedAws) -> None:
    will_answer([[str(number)] for number in range(2_500)], ("n",))

    def page(arguments: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        start = int(arguments.get("NextToken", 0))
        rows = answer["ResultSet"]["Rows"]
        more = {"NextToken": str(start + 1000)} if start + 1000 < len(rows) else {}
        return {"ResultSet": {"Rows": rows[start : start + 1000]}, **more}

    aws.answers["GetQueryResults"] = page
    asked = athena()

    answer = asked.finish(asked.start("SELECT n FROM t", "shop"), ("n",))

    assert aws.names().count("GetQueryResults") == 3
    assert [row[0] for row in answer.rows] == [str(number) for number in range(2_500)]


@pytest.mark.parametrize(
    ("output", "sent"),
    [("s3://answers/a/", {"OutputLocation": "s3://answers/a/"}), ("", None)],
)
def test_answers_go_where_the_configuration_or_the_workgroup_says(
    aws: WatchedAws, output: str, sent: dict[str, str] | None
) -> None:
    athena(output=output).start("SELECT 1", "shop")

    ((_, arguments),) = aws.calls
    assert arguments.get("ResultConfiguration") == sent
    assert arguments["WorkGroup"] == "primary"
    assert arguments["QueryExecutionContext"] == {"Database": "shop"}


def test_a_few_queries_are_under_way_at_once(
    aws: WatchedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(athena_rows, "AT_ONCE", 2)
    several = [table_result(0, {"": no}, table=f"t{no}") for no in range(3)]
    for no in range(3):
        will_answer([[SNAPSHOT, str(no)]], ("snapshot", "rows"))

    found = count(run_result(0, *several))

    started = [name for name in aws.names() if name != "GetQueryResults"]
    start, look = "StartQueryExecution", "GetQueryExecution"
    assert started == [start, start, look, look, start, look]
    assert [check.status for check in found.checks] == ["pass"] * 3


# --- the command ----------------------------------------------------------------------------------


def test_the_command_counts_and_its_exit_code_tells(
    s3_env: S3Server,
    bucket: Callable[[], str],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_env.endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    (tmp_path / "exports").mkdir()
    write_shop(tmp_path / "exports", {"public.customers": rows(1, 1)})
    file = tmp_path / "compactor.toml"
    file.write_text(
        f"[source]\nurls = [{json.dumps(str(tmp_path / 'exports'))}]\n"
        f'[lake]\nurl = "s3://{bucket()}/tables/"\n[catalog]\noutput = "s3://answers/"\n'
        f"[limits]\nscratch_dir = {json.dumps(str(tmp_path / 'scratch'))}\n"
        '[tables."shop.public.customers"]\ngrain = "none"\n'
    )
    assert command("-q", "-c", file, "run").code == 0

    with watched_aws():
        will_answer([[SNAPSHOT, "1"]], ("snapshot", "rows"))
        good = command("-q", "-c", file, "catalog", "--count")
        assert good.code == 0
        assert "COUNTED BY ATHENA\n  1 passed, 0 failed, 0 not verified" in good.out
        assert "1 query, 0 B scanned, under $0.0001" in good.out

        will_answer([[SNAPSHOT, "2"]], ("snapshot", "rows"))
        bad = command("-q", "-c", file, "catalog", "--count", "--json")
        assert (bad.code, bad.json["status"]) == (5, "nothing_to_do")
        assert [check["status"] for check in bad.json["checks"]] == ["fail"]

        unknown = command("-q", "-c", file, "catalog", "--count")
        assert unknown.code == 4
        assert "0 passed, 0 failed, 1 not verified" in unknown.out
