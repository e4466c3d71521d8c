"""Glue as moto plays it, watched; and manifests to register there, without files behind them.

moto lacks what this module adds, as AWS documents it: pages of GetTables and GetPartitions,
ExcludeColumnSchema, VersionId of UpdateTable, names of columns in lower case.
"""

from __future__ import annotations

import base64
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import sqlglot
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto import mock_aws
from sqlglot import exp

from compactor import __version__, lake_tables
from compactor.catalog.glue import Glue
from compactor.catalog.glue_diff import Difference, diff
from compactor.catalog.layout import CatalogTable, layout
from compactor.model import OutputColumn, PartitionResult, RunResult, StoredObject, TableResult

LAKE = "s3://acme-lake/tables/"
START = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
READS = {"GetDatabase", "GetTables", "GetPartitions", "BatchGetPartition"}
WRITES = {
    "CreateDatabase",
    "CreateTable",
    "UpdateTable",
    "BatchCreatePartition",
    "BatchUpdatePartition",
}
Columns = Mapping[str, str]
COLUMNS: Columns = {"id": "BIGINT", "note": "VARCHAR"}


class Killed(BaseException):
    """The process ends here."""


class WatchedAws:
    """Remembers calls, changes answers, ends the process at one of them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {}
        self.refuse: dict[str, str] = {}
        """Operation -> error code."""
        self.kill_at: int | None = None
        """Number of the write, from 0, at which the process ends."""
        self.kill_before = True
        self.real: Callable[..., Any] = BaseClient._make_api_call
        self._listed: dict[str, Any] = {}
        """The whole answer whose pages are being read."""

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def writes(self) -> list[tuple[str, dict[str, Any]]]:
        return [call for call in self.calls if call[0] in WRITES]

    def forget(self) -> None:
        self.calls.clear()

    def call(self, client: Any, name: str, arguments: dict[str, Any]) -> Any:
        self.calls.append((name, arguments))
        is_due = name in WRITES and len(self.writes()) - 1 == self.kill_at
        if is_due and self.kill_before:
            raise Killed
        if name in self.refuse:
            raise refusal(name, self.refuse[name])
        answer = self._answered(client, name, arguments)
        if is_due:
            raise Killed
        return self.answers[name](arguments, answer) if name in self.answers else answer

    def _answered(self, client: Any, name: str, arguments: dict[str, Any]) -> Any:
        if name == "UpdateTable":
            table = self.real(
                client,
                "GetTable",
                {
                    "DatabaseName": arguments["DatabaseName"],
                    "Name": arguments["TableInput"]["Name"],
                },
            )["Table"]
            if arguments["VersionId"] != table["VersionId"]:
                raise refusal(name, "ConcurrentModificationException")
        if name not in ("GetTables", "GetPartitions"):
            return self.real(client, name, arguments)
        if "NextToken" not in arguments:
            self._listed = self.real(client, name, arguments)
        if name == "GetTables":
            return _page(self._listed, "TableList", arguments, 100)
        page = _page(self._listed, "Partitions", arguments, 1000)
        if arguments.get("ExcludeColumnSchema"):
            for one in page["Partitions"]:
                one["StorageDescriptor"].pop("Columns")
        return page


def _page(
    answer: dict[str, Any], items: str, arguments: dict[str, Any], most: int
) -> dict[str, Any]:
    start = int(arguments.get("NextToken", 0))
    end = start + min(arguments.get("MaxResults", most), most)
    following = {"NextToken": str(end)} if end < len(answer[items]) else {}
    return {items: answer[items][start:end], **following}


def refusal(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code} was asked for"}}, operation)


@contextmanager
def watched_aws(*, only: Sequence[str] = ("glue", "athena")) -> Iterator[WatchedAws]:
    """Let boto3 talk to moto; S3 stays where it is."""
    watch = WatchedAws()

    def call(client: Any, name: str, arguments: dict[str, Any]) -> Any:
        if client is reader() or client.meta.service_model.service_name not in only:
            return watch.real(client, name, arguments)
        return watch.call(client, name, arguments)

    settings = {"core": {"mock_credentials": False, "passthrough": {"services": ["s3"]}}}
    with pytest.MonkeyPatch.context() as patch, mock_aws(config=settings):
        patch.setattr(BaseClient, "_make_api_call", call)
        yield watch


@contextmanager
def aws_of_its_own() -> Iterator[WatchedAws]:
    """The same, with credentials and region of nobody."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_REGION", "us-east-1")
        with watched_aws() as watch:
            yield watch


# --- manifests ------------------------------------------------------------------------------------


def table_result(
    number: int,
    days: Mapping[str, int],
    *,
    table: str = "public.orders",
    columns: Columns = COLUMNS,
    lost: bool = False,
) -> TableResult:
    """Return a table as of a day, its rows by day (`""`: a table without days).

    `lost`: it failed, so nothing of it may be registered.
    """
    moment = START + timedelta(days=number)
    folder = f"shop/{table}/snapshot={moment:%Y%m%dT%H%M%SZ}/"
    parts = tuple(
        PartitionResult(
            value=day,
            rows=rows,
            fingerprint="",
            objects=(
                StoredObject(
                    key=f"{folder}{f'dt={day}/' if day else ''}part-00000-{number}.parquet",
                    size_bytes=100 + rows,
                    sha256="0" * 64,
                    rows=rows,
                ),
            ),
        )
        for day, rows in sorted(days.items())
    )
    return TableResult(
        task_id=f"{table}-{number}",
        export_id=f"shop-{number}",
        system="rds",
        database="shop",
        table=table,
        snapshot=moment,
        status="failed" if lost else "done",
        output_rows=sum(days.values()),
        partition_column="created_at",
        grain="day",
        partitions=parts,
        columns=tuple(
            OutputColumn(name=name, source_name=name, source_type="", type=kind)
            for name, kind in columns.items()
        ),
    )


def run_result(number: int, *tables: TableResult) -> RunResult:
    at = START + timedelta(days=number, hours=1)
    return RunResult(
        run_id=f"{at:%Y%m%dT%H%M%SZ}-run-{number}",
        plan_id="",
        status="done",
        started_at=at,
        finished_at=at,
        lake=LAKE,
        tables=tables,
        versions={"compactor": __version__},
    )


def days(count: int, first: int = 0) -> dict[str, int]:
    """Return that many days with rows."""
    return {f"{START + timedelta(days=first + no):%Y-%m-%d}": 10 + no for no in range(count)}


def tables_of(runs: Sequence[RunResult], url: str = LAKE, prefix: str = "") -> list[CatalogTable]:
    found = lake_tables.collect(runs)
    return list(layout(found, found.tables, url, prefix))


# --- what register.py does, without a lake --------------------------------------------------------


@functools.cache
def reader() -> Any:
    """What tests look with: nobody watches it."""
    return boto3.client("glue", region_name="us-east-1")


@functools.cache
def glue_client() -> Any:
    """Making a client takes longer than all that a test does with it."""
    return boto3.client("glue", region_name="us-east-1")


def compare(tables: Sequence[CatalogTable], lake: str = LAKE) -> Difference:
    glue = Glue(glue_client())
    externals = [(one.database, each.name) for one in tables for each in one.externals]
    state = glue.state({one.database for one in tables}, externals)
    return diff(tables, state, lake, is_whole=True)


def sync(tables: Sequence[CatalogTable], lake: str = LAKE) -> Difference:
    """Compare, and make every call."""
    found = compare(tables, lake)
    glue = Glue(glue_client())
    for call in found.calls:
        glue.apply(call)
    return found


# --- what readers see -----------------------------------------------------------------------------


def glue_table(name: str, database: str = "shop") -> dict[str, Any]:
    return reader().get_table(DatabaseName=database, Name=name)["Table"]


def glue_tables(database: str = "shop") -> dict[str, dict[str, Any]]:
    pages = reader().get_paginator("get_tables").paginate(DatabaseName=database)
    return {one["Name"]: one for page in pages for one in page["TableList"]}


def glue_partitions(name: str, database: str = "shop") -> dict[tuple[str, ...], dict[str, Any]]:
    pages = reader().get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
    return {tuple(one["Values"]): one for page in pages for one in page["Partitions"]}


def view_definition(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of a view, as Trino decodes it."""
    text = table["ViewOriginalText"]
    assert text.startswith("/* Presto View: ")
    assert text.endswith(" */")
    return json.loads(base64.b64decode(text[len("/* Presto View: ") : -len(" */")]))


def shown(table: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return external table -> the snapshots of it that a view shows."""
    query = sqlglot.parse_one(view_definition(table)["originalSql"], dialect="trino")
    found: dict[str, set[str]] = {}
    for select in query.find_all(exp.Select):
        for asked in select.find_all(exp.In):
            name = select.find(exp.Table).name
            found.setdefault(name, set()).update(one.name for one in asked.expressions)
    return found


def assert_views_show_whole_snapshots(tables: Sequence[CatalogTable]) -> None:
    """Whatever a view shows is there: each partition that a manifest names, at its place."""
    there = glue_tables() if _has_database() else {}
    for table in tables:
        for name in (table.name, f"{table.name}_asof"):
            if name not in there:
                continue
            for external in table.externals:
                labels = shown(there[name]).get(external.name, set())
                found = glue_partitions(external.name) if labels else {}
                for one in external.partitions:
                    if one.values[0] in labels:
                        assert one.values in found, (name, one.values)
                        descriptor = found[one.values]["StorageDescriptor"]
                        assert descriptor["Location"] == one.location


def _has_database() -> bool:
    return bool(reader().get_databases()["DatabaseList"])
