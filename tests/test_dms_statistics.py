"""DMS's own row counts: what is read of them, and what is said where they cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from compactor.config import Config, parse_config
from compactor.dms_statistics import Statistics, ask, parse_table_statistics
from compactor.errors import ConfigError, Denied, StoreError
from compactor.read_options import read_options
from compactor.readers.interface import ReadOptions
from compactor.readers.sidecar import Unusable

ARN = "arn:aws:dms:eu-central-1:111122223333:task:EXAMPLE"
NOW = datetime(2026, 10, 7, tzinfo=UTC)


def entry(table: str = "orders", rows: Any = 5, **more: Any) -> dict[str, Any]:
    found = {"SchemaName": "public", "TableName": table, "FullLoadRows": rows}
    return found | {"TableState": "Table completed", "FullLoadErrorRows": 0} | more


def page(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"ReplicationTaskArn": ARN, "TableStatistics": list(entries), **more}


def read(value: Any) -> Statistics:
    return parse_table_statistics(json.dumps(value).encode(), "stats.json")


# --- files ----------------------------------------------------------------------------------------


def test_one_answer_and_a_list_of_them_are_read() -> None:
    one, two = page(entry("a", 1), entry("b", 0), Marker="x"), page(entry("c", 1 << 40))
    assert read([one, two]).rows == {
        ("public", "a"): 1,
        ("public", "b"): 0,
        ("public", "c"): 1 << 40,
    }
    assert read([one, two]).findings == ()
    assert read(two).rows == {("public", "c"): 1 << 40}
    assert read(page()) == Statistics()


@pytest.mark.parametrize(
    "state",
    ["Full load", "Before load", "Table error", "Table cancelled", "Table is being reloaded", None],
)
def test_a_table_in_any_other_state_is_not_counted_but_told(state: str | None) -> None:
    found = read(page(entry(TableState=state), entry("b")))
    assert found.rows == {("public", "b"): 5}
    (finding,) = found.findings
    assert (finding.kind, finding.table) == ("uncounted_objects", "public.orders")
    assert finding.message.startswith("stats.json: public.orders: its state is")


@pytest.mark.parametrize("rows", [None, -1, 1.5])
def test_a_count_that_is_none_is_told(rows: Any) -> None:
    found = read(page(entry(rows=rows)))
    assert (found.rows, len(found.findings)) == ({}, 1)


def test_rows_that_dms_could_not_load_are_told() -> None:
    found = read(page(entry(FullLoadErrorRows=2)))
    assert found.rows == {("public", "orders"): 5}
    assert "2 of its rows" in found.findings[0].message


def test_a_missing_page_is_told() -> None:
    (finding,) = read(page(entry(), Marker="next")).findings
    assert "more pages follow" in finding.message


def test_two_tasks_that_disagree_on_a_table_say_nothing_of_it() -> None:
    found = read([page(entry("a", 5), entry("b", 5)), page(entry("a", 6), entry("b", 5))])
    assert found.rows == {("public", "b"): 5}
    assert "different numbers of rows (5, 6)" in found.findings[0].message


def test_a_task_for_changes_only_does_not_contradict_the_full_load() -> None:
    for pages in ([page(entry(rows=5)), page(entry(rows=0))],
                  [page(entry(rows=0)), page(entry(rows=5))]):  # fmt: skip
        assert read(pages) == Statistics(rows={("public", "orders"): 5})


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"{}", b"null", b"[1]", b"\xff", b'{"TableStatistics": {}}'),
        *(b'{"TableStatistics": [1]}', b'{"TableStatistics": [{}]}', b"[" * 100_000),
        b'{"TableStatistics": [{"TableName": 5}]}',
    ],
)
def test_what_is_no_answer_of_dms_is_refused_in_words(content: bytes) -> None:
    with pytest.raises(Unusable):
        parse_table_statistics(content)


# --- the API --------------------------------------------------------------------------------------


@pytest.fixture
def dms() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(
        "dms", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        yield client, stub


def test_all_pages_of_a_task_are_asked_for(dms: tuple[Any, Stubber]) -> None:
    client, stub = dms
    method, asked = "describe_table_statistics", {"ReplicationTaskArn": ARN}
    stub.add_response(method, page(entry("a", 1), Marker="next"), asked)
    stub.add_response(
        method, page(entry("b", 2), entry("c", TableState="Full load")), asked | {"Marker": "next"}
    )
    found = ask(ARN, client)
    stub.assert_no_pending_responses()
    assert found.rows == {("public", "a"): 1, ("public", "b"): 2}
    assert [finding.table for finding in found.findings] == ["public.c"]


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("AccessDeniedException", 403, Denied), ("ResourceNotFoundFault", 400, StoreError)],
)
def test_what_aws_refuses_is_one_of_our_errors(
    dms: tuple[Any, Stubber], code: str, status: int, expected: type[Exception]
) -> None:
    client, stub = dms
    stub.add_client_error("describe_table_statistics", code, "no", status)
    with pytest.raises(expected, match=r"task:EXAMPLE|table statistics"):
        ask(ARN, client)


# --- options --------------------------------------------------------------------------------------


def config(**source: Any) -> Config:
    return parse_config(
        {"source": {"urls": ["s3://a/in", "exports"]} | source, "lake": {"url": "x"}}
    )


def test_the_defaults_ask_nobody() -> None:
    def asked(arn: str) -> Statistics:
        raise AssertionError(arn)

    assert read_options(config(), NOW, asked) == (ReadOptions(now=NOW), ())


def test_everything_that_is_configured_arrives(tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    path.write_text(json.dumps(page(entry("a", 1), entry("x", TableState="Full load"))))
    asked = {ARN: Statistics(rows={("crm", "b"): 2, ("public", "a"): 0})}
    files = ["s3://a/in/landing", "exports/", "exports"]
    dms = {
        "folders": ["s3://a/in/dms/", "exports/dms"],
        "statistics": [str(path), path.as_uri()],
        "task_arns": [ARN],
    }
    found, findings = read_options(
        config(settle="90s", files=files, dms=dms), NOW, asked.__getitem__
    )
    assert found == ReadOptions(
        now=NOW,
        settle=timedelta(seconds=90),
        plain=((0, "landing/"), (1, "")),
        dms_folders=("dms/",),
        dms_rows={("public", "a"): 1, ("crm", "b"): 2},
    )
    assert [finding.table for finding in findings] == ["public.x", "public.x"]


@pytest.mark.parametrize("content", [None, b"{}"])
def test_a_file_that_holds_no_statistics_is_a_configuration_error(
    content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "stats.json"
    if content is not None:
        path.write_bytes(content)
    for place in (str(path), path.as_uri()):
        with pytest.raises(ConfigError, match=r"source\.dms\.statistics: .*stats\.json cannot be"):
            read_options(config(dms={"statistics": [place]}), NOW)
