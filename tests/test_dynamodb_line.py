"""DynamoDB exports through the whole line: what is taken, what is refused, a state rebuilt."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import S3Server
from lines import Line

from compactor import pipeline, sql
from compactor.pipeline import Done
from compactor.sample_exports import CartsSize, DynamoDbExport, change, write_carts
from compactor.sample_exports.carts import KEY_NAMES
from compactor.sample_exports.dynamodb import Damage

T0 = datetime(2026, 10, 6, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def items(*ids: str) -> list[dict[str, Any]]:
    return [{"id": {"S": name}} for name in ids]


def told(done: Done) -> list[tuple[str, str]]:
    """Return what was found, but for what every run without a key is told."""
    found = [(finding.kind, finding.severity) for finding in done.result.findings]
    return [one for one in found if one != ("unsigned_evidence", "info")]


@pytest.mark.parametrize("view", ["NEW_AND_OLD_IMAGES", "NEW_IMAGE"])
def test_the_lake_gives_the_true_state_at_the_end_of_every_window(line: Line, view: Any) -> None:
    template = DynamoDbExport(table="carts", moment=T0, prefix="nightly/eu", view=view)
    carts = write_carts(line.source, T0, CartsSize(carts=50, windows=2), template)
    done = line.run()
    assert (done.exit_code, told(done)) == (0, [])
    rows = {(one.database, one.export_id): one.output_rows for one in done.result.tables}
    expected = {("dynamodb_changes", name): count for name, count in carts.changes.items()}
    assert rows == expected | {("dynamodb", carts.full.export_id): 50}
    lake = {
        name: [str(path) for path in (line.lake / name / "carts").rglob("*.parquet")]
        for name in ("dynamodb", "dynamodb_changes")
    }
    parameters = {"full": lake["dynamodb"], "changes": lake["dynamodb_changes"]}
    assert len(carts.states) == 3
    for moment, state in carts.states.items():
        with sql.connect() as connection:
            found = sql.rows(
                connection,
                "dynamodb/as_of",
                parameters | {"keys": list(KEY_NAMES), "moment": moment},
            )
        carts_found = [json.loads(row["item"])["Item"] for row in found]
        by_key = {(one["customer_id"]["S"], one["cart_no"]["N"]): one for one in carts_found}
        assert by_key == dict(state)
        assert len(carts_found) == len(state)


@pytest.mark.parametrize(
    ("damage", "code", "status", "finding"),
    [
        (None, 0, "done", None),
        ("in_progress", 3, None, ("incomplete_export", "error")),
        ("missing_file", 3, None, ("incomplete_export", "error")),
        ("wrong_file", 3, "failed", ("unreadable_object", "error")),
        ("wrong_count", 3, "failed", ("unreadable_object", "error")),
        ("wrong_sum", 3, None, ("incomplete_export", "error")),
        ("wrong_manifest_md5", 3, None, ("incomplete_export", "error")),
        ("wrong_summary_md5", 0, "done", ("doubtful_sidecar", "warning")),
    ],
)
def test_a_damaged_export_is_refused_and_told_and_the_others_go_on(
    line: Line,
    damage: Damage | None,
    code: int,
    status: str | None,
    finding: tuple[str, str] | None,
) -> None:
    hurt = DynamoDbExport(table="carts", moment=T0, damage=damage)
    hurt.write(line.source, [[], items("a", "b"), items("c")])
    DynamoDbExport(table="users", moment=T0).write(line.source, [items("u"), []])
    done = line.run()
    statuses = {table.table: table.status for table in done.result.tables}
    assert done.exit_code == code
    assert statuses == {"users": "done"} | ({"carts": status} if status else {})
    if finding is None:
        assert told(done) == []
    else:
        assert finding in told(done)
        assert {one.export_id for one in done.result.findings if one.export_id} == {hurt.export_id}


def test_changes_of_two_tables_in_one_folder_are_not_mixed(line: Line) -> None:
    for table in ("carts", "users"):
        window = DynamoDbExport(table=table, moment=T0 + HOUR, since=T0)
        window.write(
            line.source, [[change(T0, one, new=one) for one in items(table, f"{table}2")], []]
        )
    done = line.run()
    assert (done.exit_code, told(done)) == (0, [])
    for table in done.result.tables:
        place = [column.name for column in table.columns].index("item")
        keys = {json.loads(row[place])["Keys"]["id"]["S"] for row in line.rows(table)}
        assert keys == {table.table, f"{table.table}2"}
    assert len(done.result.tables) == 2


def test_data_without_any_sidecar_is_an_export_in_progress(line: Line) -> None:
    root = DynamoDbExport(table="carts", moment=T0).write(line.source, [items("a")])
    sidecars = [path for path in root.iterdir() if path.is_file()]
    assert len(sidecars) == 5
    for path in sidecars:
        path.unlink()
    done = line.run()
    assert (done.exit_code, done.result.tables) == (3, ())
    assert told(done) == [("incomplete_export", "error")]


def test_a_gap_between_windows_is_told_and_stops_nothing(line: Line) -> None:
    for hours in (1, 3):
        until = T0 + hours * HOUR
        DynamoDbExport(table="carts", moment=until, since=until - HOUR).write(line.source, [[]])
    done = line.run()
    assert done.exit_code == 0
    assert told(done) == [("change_gap", "warning")]


@pytest.mark.parametrize("files", [3, 520])
def test_exports_in_s3_are_taken_as_those_in_a_folder(
    line: Line, s3_env: S3Server, bucket: Callable[[], str], files: int
) -> None:
    """Fetched objects have other names than their keys; many tiny ones are kept in memory."""
    carts = write_carts(line.source, T0, CartsSize(carts=600, files=files, windows=1))
    source, client = bucket(), s3_env.client()
    paths = [path for path in line.source.rglob("*") if path.is_file()]

    def upload(path: Path) -> None:
        key = path.relative_to(line.source).as_posix()
        client.put_object(Bucket=source, Key=key, Body=path.read_bytes())

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(upload, paths))
    done = pipeline.run(line.config(source={"urls": [f"s3://{source}/"]}))
    assert done.exit_code == 0
    rows = {table.database: table.output_rows for table in done.result.tables}
    (changes,) = carts.changes.values()
    assert rows == {"dynamodb": 600, "dynamodb_changes": changes}
    checks = [check for table in done.result.tables for check in table.checks]
    assert checks
    assert {check.status for check in checks} == {"pass"}


@pytest.mark.skipif(
    not os.environ.get("COMPACTOR_SAMPLES"),
    reason="COMPACTOR_SAMPLES does not name a folder of real exports",
)
def test_real_exports_go_through_the_whole_line_fully_verified(tmp_path: Path) -> None:
    line = Line(tmp_path)
    shutil.copytree(
        Path(os.environ["COMPACTOR_SAMPLES"]) / "dynamodb_ddb-pitr", line.source, dirs_exist_ok=True
    )

    done = line.run()

    assert done.exit_code == 0
    found = {(table.database, table.table): [] for table in done.result.tables}
    for table in done.result.tables:
        assert {check.status for check in table.checks} == {"pass"}
        found[table.database, table.table].append(table.output_rows)
    assert found == {("dynamodb", "test"): [3], ("dynamodb_changes", "test"): [6, 5]}
    assert line.run().result.status == "nothing_to_do"


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("created_at", [{"S": "2026-10-01T23:30:00-05:00"}, {"S": "2026-10-03T00:00:00Z"}]),
        ("created_at", [{"N": "1790914500"}, {"N": "1790985600"}]),
        ("createdAt", [{"N": "1790914500123"}, {"N": "1790985600000"}]),
    ],
)
def test_items_are_partitioned_by_a_recognised_time_attribute(
    line: Line, attribute: str, values: list[dict[str, str]]
) -> None:
    rows = [
        {"id": {"S": f"i{no}"}, "n": {"N": "1234567890"}, attribute: values[no % 2]}
        for no in range(6)
    ]
    DynamoDbExport(table="orders", moment=T0).write(line.source, [rows])

    done = line.run(compact={"grain": "day"})

    (table,) = done.result.tables
    assert table.partition_column == attribute
    assert {part.value: part.rows for part in table.partitions} == {
        "2026-10-02": 3,
        "2026-10-03": 3,
    }


def test_items_without_a_time_of_their_own_are_one_partition_of_the_exports_moment(
    line: Line,
) -> None:
    rows = [{"id": {"S": f"i{no}"}, "n": {"N": "1234567890"}} for no in range(6)]
    DynamoDbExport(table="orders", moment=T0).write(line.source, [rows])

    done = line.run(compact={"grain": "day"})

    (table,) = done.result.tables
    assert (table.partition_column, table.grain) == (None, "none")
    (path,) = line.files(table)
    assert "snapshot=20261006T030000Z" in str(path)
