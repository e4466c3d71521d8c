"""Tables, partitions and views in Glue: whole snapshots, nothing twice, nothing taken away."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from conftest import S3Server
from glue_catalog import (
    COLUMNS,
    LAKE,
    READS,
    START,
    WRITES,
    Killed,
    WatchedAws,
    assert_views_show_whole_snapshots,
    aws_of_its_own,
    compare,
    days,
    glue_client,
    glue_partitions,
    glue_table,
    glue_tables,
    run_result,
    shown,
    sync,
    table_result,
    tables_of,
    view_definition,
    watched_aws,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from s3_line import write_shop

from compactor import lake_tables
from compactor.catalog import layout
from compactor.catalog.changes import Change
from compactor.catalog.glue import Glue
from compactor.errors import Changed, Denied, StoreError
from compactor.model import HIVE_NULL

FIRST = run_result(0, table_result(0, days(3)))
SECOND = run_result(1, table_result(1, days(4)))


@pytest.fixture
def aws() -> Iterator[WatchedAws]:
    with aws_of_its_own() as watch:
        yield watch


def change_of(changes: tuple[Change, ...], name: str) -> Change:
    return next(change for change in changes if change.name == name)


# --- what is registered ---------------------------------------------------------------------------


def test_an_external_table_is_what_athena_reads(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))

    table = glue_table("public_orders_data")
    assert table["TableType"] == "EXTERNAL_TABLE"
    assert table["Parameters"]["EXTERNAL"] == "TRUE"
    assert table["Parameters"]["classification"] == "parquet"
    assert [(key["Name"], key["Type"]) for key in table["PartitionKeys"]] == [
        ("snapshot", "string"),
        ("dt", "string"),
    ]
    descriptor = table["StorageDescriptor"]
    assert descriptor["Location"] == f"{LAKE}shop/public.orders/"
    assert [(one["Name"], one["Type"]) for one in descriptor["Columns"]] == [
        ("id", "bigint"),
        ("note", "string"),
    ]
    library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    assert descriptor["SerdeInfo"]["SerializationLibrary"] == library


def test_partitions_have_the_columns_of_their_table_their_place_and_their_numbers(
    aws: WatchedAws,
) -> None:
    sync(tables_of([run_result(0, table_result(0, {"2026-10-05": 12, HIVE_NULL: 3}))]))

    found = glue_partitions("public_orders_data")
    assert set(found) == {("20261006T034712Z", "2026-10-05"), ("20261006T034712Z", HIVE_NULL)}
    undated = found["20261006T034712Z", HIVE_NULL]
    place = f"{LAKE}shop/public.orders/snapshot=20261006T034712Z/dt={HIVE_NULL}/"
    assert undated["StorageDescriptor"]["Location"] == place
    numbers = {name: undated["Parameters"][name] for name in ("numRows", "totalSize", "numFiles")}
    assert numbers == {"numRows": "3", "totalSize": "103", "numFiles": "1"}
    shown_types = [(one["Name"], one["Type"]) for one in undated["StorageDescriptor"]["Columns"]]
    assert shown_types == [("id", "bigint"), ("note", "string")]


def test_a_view_is_stored_as_trino_decodes_it(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))

    table = glue_table("public_orders")
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert table["Parameters"]["presto_view"] == "true"
    assert table["Parameters"]["comment"] == "Presto View"
    assert table["ViewExpandedText"] == "/* Presto View */"
    view = view_definition(table)
    assert (view["catalog"], view["schema"]) == ("awsdatacatalog", "shop")
    assert view["columns"][:2] == [
        {"name": "id", "type": "bigint"},
        {"name": "note", "type": "varchar"},
    ]
    named = [column["name"] for column in view["columns"]]
    assert named == [column["Name"] for column in table["StorageDescriptor"]["Columns"]]
    assert shown(table) == {"public_orders_data": {"20261006T034712Z"}}


def test_nothing_is_registered_that_no_manifest_names(aws: WatchedAws) -> None:
    failed = run_result(
        1, table_result(1, days(2), lost=True), table_result(1, {}, table="t", lost=True)
    )

    sync(tables_of([FIRST, failed]))

    assert {values[0] for values in glue_partitions("public_orders_data")} == {"20261006T034712Z"}
    assert set(glue_tables()) == {
        "public_orders_data",
        "public_orders",
        "public_orders_asof",
        "public_orders_snapshots",
    }


def test_hostile_names_are_registered_quoted(aws: WatchedAws) -> None:
    table = 'pub.x"; DROP TABLE y; --\n*/ \u202e'
    columns = {'a"b': "BIGINT", "select": "VARCHAR", "l" * 300: "VARCHAR", "*/": "DATE"}
    run = run_result(0, table_result(0, days(1), table=table, columns=columns))

    tables = tables_of([run])
    sync(tables)

    assert not compare(tables).calls
    (name,) = (one.name for one in tables)
    found = [one["Name"] for one in glue_table(f"{name}_data")["StorageDescriptor"]["Columns"]]
    assert found == ['a"b', "select", "*/"]
    assert "is left out: a name in Glue is one line of at most 255" in tables[0].warnings[1]
    assert shown(glue_table(name)) == {f"{name}_data": {"20261006T034712Z"}}
    assert glue_table(name)["Description"].isprintable()


# --- a second time --------------------------------------------------------------------------------


def test_a_second_time_reads_a_little_and_writes_nothing(aws: WatchedAws) -> None:
    tables = tables_of([FIRST, SECOND])
    sync(tables)
    aws.forget()

    found = sync(tables)

    assert aws.names() == ["GetDatabase", "GetTables", "GetPartitions"]
    assert {change.action for change in found.changes} == {"nothing"}


def test_a_new_snapshot_adds_its_partitions_and_then_changes_the_views(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    aws.forget()

    found = sync(tables_of([FIRST, SECOND]))

    assert [
        (name, arguments.get("TableName") or arguments["TableInput"]["Name"])
        for name, arguments in aws.writes()
    ] == [
        ("BatchCreatePartition", "public_orders_data"),
        ("UpdateTable", "public_orders_asof"),
        ("UpdateTable", "public_orders_snapshots"),
        ("UpdateTable", "public_orders"),
    ]
    assert change_of(found.changes, "public_orders_data").partitions_to_add == 4
    assert shown(glue_table("public_orders")) == {"public_orders_data": {"20261007T034712Z"}}


def test_partitions_are_written_and_listed_in_as_large_batches_as_there_can_be(
    aws: WatchedAws,
) -> None:
    tables = tables_of([run_result(0, table_result(0, days(1_150)))])

    sync(tables)

    sizes = [len(arguments["PartitionInputList"]) for _, arguments in aws.writes()[2:-3]]
    assert sizes == [100] * 11 + [50]
    assert len(glue_partitions("public_orders_data")) == 1_150
    aws.forget()
    assert not compare(tables).calls
    assert aws.names().count("GetPartitions") == 2


# --- what has changed -----------------------------------------------------------------------------


def test_a_new_column_reaches_the_table_and_the_partitions_that_were_there(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    aws.forget()
    wider = run_result(1, table_result(1, days(1), columns={**COLUMNS, "price": "DECIMAL(10,2)"}))

    found = sync(tables_of([FIRST, wider]))

    assert [name for name, _ in aws.writes()][:3] == [
        "UpdateTable",
        "BatchUpdatePartition",
        "BatchCreatePartition",
    ]
    change = change_of(found.changes, "public_orders_data")
    assert change.what == ("columns", "partitions")
    assert change.details == ("column price decimal(10,2) is new",)
    assert (change.partitions_to_add, change.partitions_to_update) == (1, 3)
    names = [
        [column["Name"] for column in one["StorageDescriptor"]["Columns"]]
        for one in (
            glue_table("public_orders_data"),
            *glue_partitions("public_orders_data").values(),
        )
    ]
    assert names == [["id", "note", "price"]] * 5


def test_another_type_begins_another_table_and_the_first_one_stays(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    before = glue_table("public_orders_data")
    other = run_result(1, table_result(1, days(2), columns={"id": "VARCHAR", "note": "VARCHAR"}))

    sync(tables_of([FIRST, other]))

    assert glue_table("public_orders_data") == before
    assert len(glue_partitions("public_orders_data_2")) == 2
    assert set(shown(glue_table("public_orders_asof"))) == {
        "public_orders_data",
        "public_orders_data_2",
    }


def test_generations_keep_their_numbers_where_only_some_snapshots_are_archived() -> None:
    later = table_result(1, days(1), columns={"id": "VARCHAR"})
    archived = later.model_copy(
        update={
            "partitions": tuple(
                part.model_copy(update={"archived": part.objects}) for part in later.partitions
            )
        }
    )
    runs = [FIRST, run_result(1, archived).model_copy(update={"archive": "s3://vault/"})]
    known = lake_tables.collect(runs)

    (table,) = layout.layout(
        known, lake_tables.only_archived(known, "s3://vault/").tables, "s3://vault/"
    )

    assert [one.name for one in table.externals] == ["public_orders_data_2"]


def test_a_table_that_had_no_rows_gets_days_with_its_first_rows(aws: WatchedAws) -> None:
    empty = run_result(0, table_result(0, {}, columns={"id": ""}))
    sync(tables_of([empty]))
    assert len(glue_table("public_orders_data")["PartitionKeys"]) == 1

    tables = tables_of([empty, SECOND])
    found = sync(tables)

    assert "keys" in change_of(found.changes, "public_orders_data").what
    assert len(glue_table("public_orders_data")["PartitionKeys"]) == 2
    assert not compare(tables).calls


def test_other_files_of_the_same_snapshot_are_taken_over(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    moved = tables_of([FIRST], url="s3://acme-archive/tables/")

    found = sync(moved)

    change = change_of(found.changes, "public_orders_data")
    assert change.what == ("location", "partitions")
    assert change.partitions_to_update == 3
    places = {
        one["StorageDescriptor"]["Location"][:25]
        for one in glue_partitions("public_orders_data").values()
    }
    assert places == {"s3://acme-archive/tables/"}
    assert not compare(moved).calls


def test_what_others_have_added_stays(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    table = glue_table("public_orders_data")
    theirs = {
        "Name": table["Name"],
        "Owner": "data-team",
        "TableType": table["TableType"],
        "PartitionKeys": table["PartitionKeys"],
        "Description": "somebody wrote something else here",
        "Parameters": {**table["Parameters"], "team": "finance"},
        "StorageDescriptor": {
            **table["StorageDescriptor"],
            "Columns": [*table["StorageDescriptor"]["Columns"], {"Name": "x", "Type": "int"}],
        },
    }
    glue_client().update_table(DatabaseName="shop", TableInput=theirs, VersionId=table["VersionId"])

    found = sync(tables_of([FIRST]))

    assert change_of(found.changes, "public_orders_data").what == ("comment", "partitions")
    after = glue_table("public_orders_data")
    assert after["Owner"] == "data-team"
    assert after["Parameters"]["team"] == "finance"
    assert [one["Name"] for one in after["StorageDescriptor"]["Columns"]] == ["id", "note", "x"]
    assert after["Description"] == table["Description"]
    assert not compare(tables_of([FIRST])).calls


def test_another_version_of_compactor_alone_is_no_reason_to_write(
    aws: WatchedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(tables_of([FIRST]))
    monkeypatch.setattr("compactor.catalog.glue_forms.__version__", "99.0.0")
    assert not compare(tables_of([FIRST])).calls


# --- never taken away, never taken over -----------------------------------------------------------


def test_what_only_glue_has_is_left_alone_and_told(aws: WatchedAws) -> None:
    customers = table_result(0, {"": 5}, table="public.customers")
    sync(tables_of([run_result(0, table_result(0, days(3)), customers)]))
    glue_client().create_table(DatabaseName="shop", TableInput={"Name": "of_others"})
    aws.forget()

    found = sync(tables_of([FIRST]))

    alone = {
        change.name: change.message for change in found.changes if change.action == "left_alone"
    }
    assert alone == {
        "of_others": "not made by compactor",
        "public_customers": "of shop.public.customers, which is not registered",
        "public_customers_asof": "of shop.public.customers, which is not registered",
        "public_customers_data": "of shop.public.customers, which is not registered",
        "public_customers_snapshots": "of shop.public.customers, which is not registered",
    }
    assert not aws.writes()


def test_partitions_that_no_manifest_names_are_left_alone_and_counted(aws: WatchedAws) -> None:
    sync(tables_of([FIRST, SECOND]))

    found = sync(tables_of([FIRST]))

    assert change_of(found.changes, "public_orders_data").partitions_left_alone == 4
    assert len(glue_partitions("public_orders_data")) == 7
    assert shown(glue_table("public_orders")) == {"public_orders_data": {"20261006T034712Z"}}


@pytest.mark.parametrize("name", ["public_orders", "public_orders_data"])
def test_a_table_of_others_is_refused_and_the_other_tables_go_on(
    aws: WatchedAws, name: str
) -> None:
    client = glue_client()
    client.create_database(DatabaseInput={"Name": "shop"})
    client.create_table(DatabaseName="shop", TableInput={"Name": name, "Description": "theirs"})
    customers = table_result(0, {"": 5}, table="public.customers")

    found = sync(tables_of([run_result(0, table_result(0, days(1)), customers)]))

    (refused,) = (change for change in found.changes if change.action == "refused")
    assert (refused.name, refused.source) == (name, "shop.public.orders")
    assert "set catalog.database_prefix" in refused.message
    assert glue_table(name)["Description"] == "theirs"
    assert {"public_customers", "public_customers_data"} < set(glue_tables())
    assert sum("orders" in one for one in glue_tables()) == 1


def test_the_same_table_of_another_lake_is_refused(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    before = glue_tables()
    aws.forget()

    found = sync(tables_of([FIRST], url="s3://staging/"), lake="s3://staging/")

    refused = [change for change in found.changes if change.action == "refused"]
    assert len(refused) == 4
    assert f"for shop.public.orders of the lake {LAKE}" in refused[0].message
    assert not aws.writes()
    assert glue_tables() == before


def test_with_a_prefix_two_lakes_share_a_catalog(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))

    sync(tables_of([FIRST], url="s3://staging/", prefix="staging_"), lake="s3://staging/")

    assert set(glue_tables("staging_shop")) == set(glue_tables("shop"))


def test_a_view_that_glue_could_not_hold_is_refused_with_its_table(
    aws: WatchedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compactor.catalog.glue_forms.VIEW_TEXT_CHARACTERS", 1_000)

    found = sync(tables_of([FIRST]))

    messages = {change.name: change.message for change in found.changes}
    assert "its text would have 1," in messages["public_orders_snapshots"]
    assert "Glue takes 1,000" in messages["public_orders_snapshots"]
    assert not aws.writes()


# --- at the same time -----------------------------------------------------------------------------


def test_a_table_that_somebody_changed_meanwhile_is_not_overwritten(aws: WatchedAws) -> None:
    sync(tables_of([FIRST]))
    found = compare(tables_of([FIRST, SECOND]))
    sync(tables_of([FIRST, SECOND]))  # somebody else was quicker

    glue = Glue(glue_client())
    update = next(call for call in found.calls if call.operation == "update_table")
    with pytest.raises(Changed, match=r"glue:UpdateTable \(shop.public_orders_asof\).*Concurrent"):
        glue.apply(update)


def test_partitions_that_are_there_already_are_read_back(aws: WatchedAws) -> None:
    found = compare(tables_of([FIRST]))
    sync(tables_of([FIRST]))
    batch = next(call for call in found.calls if call.operation == "batch_create_partition")
    aws.forget()

    Glue(glue_client()).apply(batch)

    assert aws.names() == ["BatchCreatePartition", "BatchGetPartition"]


def test_partitions_that_glue_does_not_look_up_at_once_are_asked_for_again(
    aws: WatchedAws,
) -> None:
    found = compare(tables_of([FIRST]))
    sync(tables_of([FIRST]))
    batch = next(call for call in found.calls if call.operation == "batch_create_partition")

    def only_one(arguments: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return {
            "Partitions": answer["Partitions"][:1],
            "UnprocessedKeys": arguments["PartitionsToGet"][1:],
        }

    aws.answers["BatchGetPartition"] = only_one
    aws.forget()
    Glue(glue_client()).apply(batch)
    assert aws.names().count("BatchGetPartition") == 3

    aws.answers["BatchGetPartition"] = lambda arguments, _: {
        "Partitions": [],
        "UnprocessedKeys": arguments["PartitionsToGet"],
    }
    with pytest.raises(StoreError, match="does not answer about 3 partitions"):
        Glue(glue_client()).apply(batch)


def test_partitions_that_somebody_else_put_elsewhere_are_an_error(aws: WatchedAws) -> None:
    found = compare(tables_of([FIRST]))
    sync(tables_of([FIRST], url="s3://elsewhere/"))
    batch = next(call for call in found.calls if call.operation == "batch_create_partition")

    with pytest.raises(Changed, match="somebody else registered the partition 20261006T034712Z/"):
        Glue(glue_client()).apply(batch)


def test_partitions_that_glue_refuses_are_named(aws: WatchedAws) -> None:
    def refuse_all(arguments: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
        return {
            "Errors": [
                {
                    "PartitionValues": one["Values"],
                    "ErrorDetail": {"ErrorCode": "InvalidInputException", "ErrorMessage": "no"},
                }
                for one in arguments["PartitionInputList"]
            ]
        }

    aws.answers["BatchCreatePartition"] = refuse_all
    with pytest.raises(StoreError) as failed:
        sync(tables_of([run_result(0, table_result(0, days(8)))]))
    assert "Glue refused 8 partitions of shop.public_orders_data" in failed.value.message
    assert "20261006T034712Z/2026-10-06: InvalidInputException: no" in failed.value.message
    assert failed.value.message.endswith("; and 3 more")
    assert "public_orders" not in glue_tables()


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "code", "kind", "said"),
    [
        ("GetTables", "AccessDeniedException", Denied, "allow glue:GetTables on database shop"),
        (
            "BatchCreatePartition",
            "AccessDeniedException",
            Denied,
            "allow glue:BatchCreatePartition on shop.public_orders_data",
        ),
        ("CreateTable", "ThrottlingException", StoreError, "run again later: what was done stays"),
        ("CreateTable", "ResourceNumberLimitExceededException", StoreError, "higher quota"),
        ("GetDatabase", "ExpiredTokenException", Denied, "check the credentials"),
        ("CreateTable", "AlreadyExistsException", StoreError, "somebody made it meanwhile"),
    ],
)
def test_a_refusal_names_the_call_and_what_to_do(
    aws: WatchedAws, operation: str, code: str, kind: type[StoreError], said: str
) -> None:
    glue_client().create_database(DatabaseInput={"Name": "shop"})
    aws.refuse[operation] = code
    with pytest.raises(kind) as refused:
        sync(tables_of([FIRST]))
    assert f"glue:{operation}" in refused.value.message
    assert said in refused.value.hint


# --- killed anywhere ------------------------------------------------------------------------------


def assert_can_be_killed_anywhere(before: list[Any], after: list[Any], *, heard: bool) -> int:
    """Kill at every write in turn; return how many there were."""
    number = 0
    while True:
        with aws_of_its_own() as inner:
            sync(before)
            inner.forget()
            inner.kill_at, inner.kill_before = number, not heard
            try:
                sync(after)
            except Killed:
                inner.kill_at = None
                assert_views_show_whole_snapshots(after)
                if before:
                    assert shown(glue_table("public_orders"))["public_orders_data"]
                sync(after)
                assert_views_show_whole_snapshots(after)
                assert not compare(after).calls
                assert set(inner.names()) <= READS | WRITES
            else:
                assert_views_show_whole_snapshots(after)
                return number
        number += 1


@pytest.mark.parametrize("heard", [False, True])
def test_killed_at_any_call_the_views_show_whole_snapshots_and_a_rerun_finishes(
    heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compactor.catalog.glue_diff.BATCH", 2)
    wider = run_result(1, table_result(1, days(3), columns={**COLUMNS, "price": "DOUBLE"}))
    # a new column, 3 old partitions in two batches, 3 new ones in two, three views
    before, after = tables_of([FIRST]), tables_of([FIRST, wider])
    assert assert_can_be_killed_anywhere(before, after, heard=heard) == 8
    # the first time: a database, a table, two batches, three views
    assert assert_can_be_killed_anywhere([], before, heard=heard) == 7


def test_the_check_of_views_sees_a_snapshot_that_is_not_whole(aws: WatchedAws) -> None:
    tables = tables_of([FIRST])
    sync(tables)
    glue_client().delete_partition(
        DatabaseName="shop",
        TableName="public_orders_data",
        PartitionValues=["20261006T034712Z", "2026-10-06"],
    )
    with pytest.raises(AssertionError):
        assert_views_show_whole_snapshots(tables)


_TYPES = st.sampled_from(["BIGINT", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "BIGINT[]"])
_SNAPSHOTS = st.tuples(
    st.dictionaries(st.sampled_from(["id", "note", "x"]), _TYPES, min_size=1),
    st.sampled_from([{}, {"": 4}, days(2), days(3, first=1), {HIVE_NULL: 1}]),
)


@settings(max_examples=12, deadline=None)
@given(
    history=st.lists(_SNAPSHOTS, min_size=1, max_size=4),
    known=st.integers(0, 3),
    at=st.integers(0, 9),
)
def test_whatever_was_there_after_registering_there_is_no_difference(
    history: list[tuple[dict[str, str], dict[str, int]]], known: int, at: int
) -> None:
    runs = [
        run_result(no, table_result(no, rows, columns=columns))
        for no, (columns, rows) in enumerate(history)
    ]
    with aws_of_its_own() as inner:
        sync(tables_of(runs[:known]))
        inner.forget()
        inner.kill_at = at
        with suppress(Killed):
            sync(tables_of(runs))
        inner.kill_at = None
        assert_views_show_whole_snapshots(tables_of(runs))
        sync(tables_of(runs))
        assert not compare(tables_of(runs)).calls
        assert_views_show_whole_snapshots(tables_of(runs))
        assert set(inner.names()) <= READS | WRITES


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def lake_in_s3(
    s3_env: S3Server,
    bucket: Callable[[], str],
    lock_bucket: Callable[[], str],
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Run the line into a lake on a real S3 server; return the configuration."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_env.endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    (tmp_path / "exports").mkdir()
    write_shop(tmp_path / "exports")
    file = tmp_path / "compactor.toml"
    file.write_text(
        f"[source]\nurls = [{json.dumps(str(tmp_path / 'exports'))}]\n"
        f'[lake]\nurl = "s3://{bucket()}/tables"\n'
        f'[archive]\nurl = "s3://{lock_bucket()}/t/"\nmode = "GOVERNANCE"\n'
        'retain = "30y"\nmax_retain = "40y"\n'
        f"[limits]\nscratch_dir = {json.dumps(str(tmp_path / 'scratch'))}\n"
        '[tables."shop.public.orders"]\ngrain = "month"\n'
    )
    assert command("-q", "-c", file, "run").code == 0
    return file


def test_the_command_shows_registers_and_then_has_nothing_to_do(
    lake_in_s3: Path, command: Command, tmp_path: Path
) -> None:
    with watched_aws() as aws:
        dry = command("-q", "-c", lake_in_s3, "catalog", "--dry-run")
        assert (dry.code, dry.err) == (0, "")
        assert dry.out.startswith("WOULD BE DONE\n  reads from  s3://")
        assert "create  table     shop.public_orders_data" in dry.out
        assert not aws.writes()

        one = command("-q", "-c", lake_in_s3, "catalog", "shop.public.orders")
        assert (one.code, one.err) == (0, "")
        assert set(glue_tables()) == {
            f"public_orders{end}" for end in ("", "_asof", "_snapshots", "_data")
        }

        file = tmp_path / "out.json"
        done = command("-c", lake_in_s3, "catalog", "--json", "-o", file)
        assert done.code == 0
        assert done.json == json.loads(file.read_text())
        assert done.json["status"] == "done"
        assert done.json["write_calls"] == 9
        assert "create_table" in done.err
        places = {
            one["StorageDescriptor"]["Location"]
            for one in glue_partitions("public_orders_data").values()
        }
        assert {place[: len(done.json["url"])] for place in places} == {done.json["url"]}

        aws.forget()
        again = command("-q", "-c", lake_in_s3, "catalog")
        assert again.code == 0
        assert again.out.startswith("NOTHING TO DO\n")
        assert not aws.writes()

        moved = command("-q", "-c", lake_in_s3, "catalog", "--place", "archive", "--json")
        assert moved.code == 0
        assert moved.json["url"].endswith("/t/")
        for table in ("public_orders_data", "public_customers_data"):
            for found in (glue_table(table), *glue_partitions(table).values()):
                assert found["StorageDescriptor"]["Location"].startswith(moved.json["url"])


def test_what_the_command_cannot_do_is_told(lake_in_s3: Path, command: Command) -> None:
    with watched_aws() as aws:
        glue_client().create_database(DatabaseInput={"Name": "shop"})
        glue_client().create_table(DatabaseName="shop", TableInput={"Name": "public_empty"})
        refused = command("-q", "-c", lake_in_s3, "catalog")
        assert refused.code == 2
        assert "REFUSED\n" in refused.out
        assert "view  shop.public_empty\n      Glue has one of this name" in refused.out

        for arguments, said in (
            (("--place", "moon"), "'--place'"),
            (("--dry-run", "--count"), "--dry-run registers nothing"),
            (("shop.public.oders",), "did you mean shop.public.orders?"),
        ):
            wrong = command("-q", "-c", lake_in_s3, "catalog", *arguments)
            assert (wrong.code, wrong.out) == (2, "")
            assert said in wrong.err

        # manifests that were read before a run ended which somebody else has registered
        view = glue_table("public_orders")
        parameters = {**view["Parameters"], "compactor.run": "29991231T000000Z-of-somebody-else"}
        glue_client().update_table(
            DatabaseName="shop",
            TableInput={"Name": view["Name"], "Parameters": parameters},
            VersionId=view["VersionId"],
        )
        aws.forget()
        late = command("-q", "-c", lake_in_s3, "catalog")
        assert (late.code, late.out) == (4, "")
        assert "Glue shows the run 29991231T000000Z-of-somebody-else already" in late.err
        assert not aws.writes()


def test_without_an_archive_it_cannot_be_read(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "compactor.toml"
    file.write_text(f"[source]\nurls = ['{tmp_path}/a']\n[lake]\nurl = 's3://lake/'\n")
    said = command("-c", file, "catalog", "--place", "archive")
    assert (said.code, said.out) == (2, "")
    assert "no archive is configured" in said.err


def test_a_lake_in_a_local_folder_is_refused(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "compactor.toml"
    file.write_text(f"[source]\nurls = ['{tmp_path}/a']\n[lake]\nurl = '{tmp_path}/lake'\n")
    said = command("-c", file, "catalog")
    assert (said.code, said.out) == (2, "")
    assert "Athena reads from S3 alone" in said.err


def test_the_start_of_the_fixture_is_the_snapshot_in_the_names() -> None:
    assert f"{START:%Y%m%dT%H%M%SZ}" == "20261006T034712Z"
