"""DMS targets and plain folders through the whole line: each full load and closed day once."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lines import Line, assert_good

from compactor import pipeline
from compactor.model import TableResult
from compactor.sample_exports.dms import DmsTarget, touch, write_dms_shop

LOADED = datetime(2026, 10, 1, 3, 47, 12, tzinfo=UTC)
LATER = LOADED + timedelta(days=30)


def run(line: Line, now: datetime = LATER, **source: Any) -> pipeline.Done:
    places = {"urls": [str(line.source)]} | source
    return pipeline.run(line.config(source=places), clock=lambda: now)


def taken(done: pipeline.Done) -> dict[tuple[str, str], TableResult]:
    return {(one.export_id, one.table): one for one in done.result.tables}


def column(line: Line, table: TableResult, name: str) -> list[Any]:
    names = [one.name for one in table.columns]
    return [row[names.index(name)] for row in line.rows(table)]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def test_a_target_is_taken_whole_and_once(line: Line) -> None:
    shop = write_dms_shop(DmsTarget(line.source, bucket_folder="dms/"), LOADED)
    done = run(line)
    assert_good(done)
    found = taken(done)
    assert {name: one.output_rows for name, one in found.items()} == {
        ("dms/ control", "awsdms_status"): 1,
        ("dms/ load public.customers", "public.customers"): shop.rows["public.customers"],
        ("dms/ load public.orders", "public.orders"): shop.rows["public.orders"],
        **{
            (f"dms/ changes-{day}", "public.orders"): counts["public.orders"]
            for day, counts in shop.changes.items()
        },
    }
    assert len(shop.changes) == 3
    assert run(line).result.status == "nothing_to_do"


def test_a_full_load_gets_the_operation_it_lacks_and_changes_keep_theirs(line: Line) -> None:
    shop = write_dms_shop(DmsTarget(line.source), LOADED)
    found = taken(run(line))
    load = found["dms load public.orders", "public.orders"]
    assert Counter(column(line, load, "op")) == {"I": shop.rows["public.orders"]}
    change = found["dms changes-2026-10-02", "public.orders"]
    assert Counter(column(line, change, "op")) == {"I": 60, "U": 60, "D": 6}
    assert {one.database for one in (load, change)} == {"public", "public_changes"}


def test_a_full_load_with_an_operation_of_its_own_keeps_it(line: Line) -> None:
    target = DmsTarget(line.source, timestamp_column="", op_in_full_load=True)
    target.full_load("s", "t", pa.table({"id": [1, 2, 3]}), LOADED, files=2)
    done = run(line)
    assert_good(done)
    (table,) = done.result.tables
    assert [one.name for one in table.columns] == ["op", "id"]
    assert column(line, table, "op") == ["I", "I", "I"]


def test_a_table_that_is_loaded_again_leaves_the_others_alone(line: Line) -> None:
    target = DmsTarget(line.source)
    write_dms_shop(target, LOADED)
    before = taken(run(line))
    again = LOADED + timedelta(days=20)
    target.full_load("public", "customers", pa.table({"id": [1, 2]}), again)
    second = run(line)
    assert_good(second)
    assert [(one.table, one.snapshot, one.output_rows) for one in second.result.tables] == [
        ("public.customers", again, 2)
    ]
    assert before["dms load public.customers", "public.customers"].snapshot == LOADED


def test_a_day_that_is_not_over_waits_for_the_run_after_it(line: Line) -> None:
    target = DmsTarget(line.source)
    rows = pa.table({"id": [1]})
    midnight = datetime(2026, 10, 3, tzinfo=UTC)
    target.changes("s", "t", rows, ["I"], midnight - timedelta(hours=30))
    target.changes("s", "t", rows, ["I"], midnight - timedelta(hours=3))
    first = run(line, midnight - timedelta(hours=2))
    assert first.exit_code == 0
    assert [one.export_id for one in first.result.tables] == ["dms changes-2026-10-01"]
    target.changes("s", "t", rows, ["U"], midnight - timedelta(hours=1))
    assert run(line, midnight + timedelta(minutes=14)).result.status == "nothing_to_do"
    second = run(line, midnight + timedelta(minutes=15))
    assert_good(second)
    (table,) = second.result.tables
    assert (table.export_id, table.output_rows) == ("dms changes-2026-10-02", 2)
    assert table.snapshot == midnight


def test_rows_are_compared_with_what_dms_has_counted(line: Line, tmp_path: Path) -> None:
    target = DmsTarget(line.source)
    shop = write_dms_shop(target, LOADED)
    path = tmp_path / "statistics.json"
    counted = json.loads(target.statistics())
    for entry in counted["TableStatistics"]:
        entry["FullLoadRows"] += entry["TableName"] == "customers"
    path.write_text(json.dumps(counted))
    done = run(line, dms={"statistics": [str(path)]})
    checks = {
        name: check
        for name, one in taken(done).items()
        for check in one.checks
        if check.name == "declared_rows"
    }
    orders = checks["dms load public.orders", "public.orders"]
    assert (orders.status, str(orders.expected)) == ("pass", str(shop.rows["public.orders"]))
    assert checks["dms changes-2026-10-02", "public.orders"].status == "not_verified"
    customers = taken(done)["dms load public.customers", "public.customers"]
    assert "declares 101 rows, its 1 objects hold 100" in str(customers.error)
    assert done.exit_code == 3
    assert not [key for key in line.data_files() if "customers" in key]  # nothing is in the way


def test_mixed_transactions_are_reported_and_left(line: Line) -> None:
    path = line.source / "CdcPath/CDC_TXN-20201117153046033.csv"
    path.parent.mkdir(parents=True)
    path.write_text("I,orders,public,1\n")
    touch(path, LOADED)
    done = run(line)
    assert done.result.tables == ()
    assert [finding.kind for finding in done.result.findings] == ["unrecognised_objects"]


# --- plain folders --------------------------------------------------------------------------------


def plain(line: Line, key: str, rows: pa.Table, at: datetime = LOADED) -> None:
    path = line.source / "landing" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)
    touch(path, at)


def test_a_partitioned_folder_becomes_a_table_with_the_columns_of_its_path(line: Line) -> None:
    plain(line, "orders/country=de/at=10%3A30/a.parquet", pa.table({"id": [1, 2]}))
    plain(line, "orders/country=__HIVE_DEFAULT_PARTITION__/at=x/a.parquet", pa.table({"id": [3]}))
    plain(line, "customers/a.parquet", pa.table({"id": [7]}), LOADED + timedelta(days=1))
    plain(line, "customers/_SUCCESS", pa.table({"id": [7]}))
    done = run(line, files=[str(line.source / "landing")])
    assert_good(done)
    found = {one.table: one for one in done.result.tables}
    assert sorted(found) == ["customers", "orders"]
    orders = found["orders"]
    assert (orders.database, orders.snapshot) == ("files", LOADED)
    named = zip(*(column(line, orders, name) for name in ("id", "country", "at")), strict=True)
    assert Counter(named) == Counter([(1, "de", "10:30"), (2, "de", "10:30"), (3, None, "x")])
    assert found["customers"].snapshot == LOADED + timedelta(days=1)
    assert run(line, files=[str(line.source / "landing")]).result.status == "nothing_to_do"


def test_a_folder_that_nobody_named_is_left(line: Line) -> None:
    plain(line, "orders/a.parquet", pa.table({"id": [1]}))
    done = run(line)
    assert done.result.tables == ()
    assert [finding.kind for finding in done.result.findings] == ["unrecognised_objects"]


def test_a_full_load_of_which_some_objects_have_the_operation_has_it_everywhere(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path)
    rows = pa.table({"id": pa.array(range(40), pa.int64())})
    DmsTarget(line.source).full_load("s", "t", rows, LOADED, files=4)
    with_op = DmsTarget(line.source, op_in_full_load=True)
    with_op.full_load("s", "t", rows, LOADED, files=4, partition="P1")

    done = line.run()

    assert_good(done)
    (table,) = done.result.tables
    place = [column.name for column in table.columns].index("op")
    assert [row[place] for row in line.rows(table)] == ["I"] * 80


def test_csv_has_null_where_dms_wrote_its_word_for_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    rows = pa.table({"id": ["1", "2", "3"], "note": ["said", None, ""]})
    DmsTarget(line.source, format="csv", timestamp_column="").full_load("s", "t", rows, LOADED)

    done = line.run(tables={"s.s.t": {"csv_columns": ["id", "note"]}})

    assert_good(done)
    (table,) = done.result.tables
    assert [column.name for column in table.columns] == ["id", "note", "op"]
    assert sorted(line.rows(table)) == [("1", "said", "I"), ("2", None, "I"), ("3", "", "I")]
