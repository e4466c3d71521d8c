"""One suite that every way into the line passes, and one prefix that holds them all.

`ways_in` writes the exports and reads them back without the product; what the lake holds is read by
pyarrow. Local folders, but for the archive.
"""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import S3Server
from lines import Line, assert_good
from ways_in import (
    COLUMNS,
    FIRST,
    NOW,
    SYSTEMS,
    Columns,
    Delivered,
    Objects,
    Row,
    System,
    canonical,
    merged,
    written,
)

from compactor import pipeline
from compactor.model import TableResult
from compactor.sample_exports import DynamoDbExport
from compactor.sample_exports.dms import touch

LATER = NOW + timedelta(days=1, hours=1)
"""When what was open at NOW is not any more, if it was completed."""


def rows(first: int, count: int) -> list[Row]:
    """Return rows with every kind of trouble in the text, two of them equal."""
    notes = ["plain note", 'said "hi", twice', "two\nlines", "", None, "größe 表 🎁", " x ", "\\N"]
    made: list[Row] = [
        (
            number,
            f"plain note {number}" if number % 3 == 0 else notes[number % len(notes)],
            None if number % 7 == 6 else date(2026, 7, 1) + timedelta(days=number % 3),
            None if number % 5 == 4 else Decimal(number * 7919 % 10_000) / 100,
        )
        for number in range(first, first + count)
    ]
    return [*made, made[0]]


ORDERS: Objects = (rows(1, 12), rows(100, 9))
USERS: Objects = (rows(1000, 10),)
SHOP: Mapping[str, Objects] = {"orders": ORDERS, "users": USERS}


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


@pytest.fixture(params=SYSTEMS.values(), ids=SYSTEMS.keys())
def system(request: pytest.FixtureRequest, line: Line) -> System:
    return request.param(line.source)


def cases(name: str) -> pytest.MarkDecorator:
    """Parametrize by a list of what each system can do."""
    pairs = [(kind, case) for kind in SYSTEMS.values() for case in getattr(kind, name)]
    return pytest.mark.parametrize(
        ("kind", "case"), pairs, ids=[f"{kind.name}-{case}" for kind, case in pairs]
    )


def settings(line: Line, systems: Sequence[System], **sections: Any) -> dict[str, Any]:
    found = merged(systems)
    return found | sections | {"source": {"urls": [str(line.source)]} | found["source"]}


def run(line: Line, *systems: System, now: datetime = NOW, **sections: Any) -> pipeline.Done:
    config = line.config(**settings(line, systems, **sections))
    return pipeline.run(config, clock=lambda: now)


def names(done: pipeline.Done) -> list[tuple[str, str, str]]:
    return sorted((one.export_id, one.database, one.table) for one in done.result.tables)


def taken(done: pipeline.Done) -> dict[tuple[str, str, str], TableResult]:
    return {(one.export_id, one.database, one.table): one for one in done.result.tables}


def expected(*exports: Mapping[str, Delivered]) -> list[tuple[str, str, str]]:
    return sorted(table.name for export in exports for table in export.values())


def lake_rows(line: Line, table: TableResult, columns: Columns) -> Counter[tuple[Any, ...]]:
    """Return what the lake's files hold of a table, by the names that its export has."""
    found: Counter[tuple[Any, ...]] = Counter()
    for path in line.files(table):
        found.update(parquet_rows(path, table, columns))
    return found


def parquet_rows(
    file: Path | io.BytesIO, table: TableResult, columns: Columns
) -> Iterator[tuple[Any, ...]]:
    outputs = {column.source_name: column.name for column in table.columns}
    assert len(outputs) == len(table.columns)
    with pq.ParquetFile(file, page_checksum_verification=True) as opened:
        content = opened.read()
    values = [content.column(outputs[name]).to_pylist() for name in columns]
    yield from (canonical(row) for row in zip(*values, strict=True))


def declared(table: TableResult) -> set[str]:
    return {one.status for one in table.checks if one.name == "declared_rows"}


def check(
    line: Line, done: pipeline.Done, system: System, *exports: tuple[Any, Mapping[str, Objects]]
) -> None:
    """Exactly these exports were taken, and each of their rows is in the lake exactly once."""
    assert done.exit_code == 0, done.result.findings
    assert names(done) == expected(*(delivered for delivered, _ in exports))
    for delivered, tables in exports:
        every_row(line, done, system, delivered, tables)


def every_row(
    line: Line,
    done: pipeline.Done,
    system: System,
    delivered: Mapping[str, Delivered],
    tables: Mapping[str, Objects],
) -> None:
    """Each row of an export is in the lake exactly once, and no check failed."""
    found = taken(done)
    for name, table in delivered.items():
        result, wanted = found[table.name], written(tables[name])
        assert result.status in ("done", "adopted")
        assert [one for one in result.checks if one.status == "fail"] == []
        assert system.read(table) == wanted, "the export does not hold what was asked for"
        assert lake_rows(line, result, table.columns) == wanted, name
        assert result.output_rows == result.source_rows == wanted.total()
        assert declared(result) == {"pass" if system.declares_rows else "not_verified"}


def only_named_files(line: Line, *runs: pipeline.Done) -> None:
    """The lake holds no data but what results name: nothing twice, nothing left over."""
    named = [
        item.key
        for done in runs
        for table in done.result.tables
        if table.status != "failed"
        for part in table.partitions
        for item in part.objects
    ]
    assert len(named) == len(set(named))
    assert line.data_files() == set(named)


# --- complete, and once more ----------------------------------------------------------------------


def test_every_row_of_a_complete_export_is_in_the_lake_exactly_once_and_a_second_run_writes_nothing(
    line: Line, system: System
) -> None:
    delivered = system.deliver(1, SHOP)

    done = run(line, system)

    check(line, done, system, (delivered, SHOP))
    only_named_files(line, done)
    before = line.state()
    again = run(line, system, now=LATER)
    assert (again.exit_code, again.result.status) == (0, "nothing_to_do")
    assert again.result.tables == ()
    assert line.state() == before


# --- not complete ---------------------------------------------------------------------------------


@cases("holds")
def test_an_export_that_is_not_complete_waits_and_is_all_that_the_next_run_takes(
    line: Line, kind: type[System], case: str
) -> None:
    system = kind(line.source)
    beside = system.deliver(1, SHOP)
    late = {"orders": (rows(5000, 6),)}
    held, finish = system.hold(case, 2, late)
    is_open = case in ("not settled", "the day is not over")

    first = run(line, system)

    assert first.exit_code == (0 if is_open else 3)
    assert names(first) == expected(beside)
    assert {table.status for table in first.result.tables} == {"done"}
    (export_id,) = {table.export_id for table in held.values()}
    told = {finding.kind for finding in first.result.findings if finding.export_id == export_id}
    assert told & {"incomplete_export", "missing_table"}
    finish()
    second = run(line, system, now=LATER)
    check(line, second, system, (held, late))
    only_named_files(line, first, second)


# --- no rows --------------------------------------------------------------------------------------


def empties() -> list[Any]:
    return [
        pytest.param(kind, objects, id=f"{kind.name}-{len(objects)} objects")
        for kind in SYSTEMS.values()
        for objects in kind.empty
    ]


@pytest.mark.parametrize(("kind", "objects"), empties())
def test_a_table_without_rows_is_done_with_none(
    line: Line, kind: type[System], objects: Objects
) -> None:
    system = kind(line.source)
    tables = {"nothing": objects, "users": USERS}
    delivered = system.deliver(1, tables)

    done = run(line, system, tables={})

    assert_good(done)
    assert names(done) == expected(delivered)
    nothing = taken(done)[delivered["nothing"].name]
    assert (nothing.status, nothing.source_rows, nothing.output_rows) == ("done", 0, 0)
    assert nothing.source_files == len(delivered["nothing"].objects)
    assert run(line, system, tables={}).result.status == "nothing_to_do"


# --- names ----------------------------------------------------------------------------------------


def test_tables_and_columns_with_odd_names_lose_nothing(line: Line, system: System) -> None:
    tables = {
        name: (rows(100 * number, 4), rows(100 * number + 50, 3))
        for number, name in enumerate(system.odd_tables, 1)
    }
    delivered: dict[str, Delivered] = {}
    exports = []
    for number, columns in enumerate(system.odd_columns, 1):
        some = dict(list(tables.items())[number - 1 :: len(system.odd_columns)])
        delivered = system.deliver(number, some, columns)
        exports.append((delivered, some))
    assert sum(len(some) for _, some in exports) == len(system.odd_tables)
    all_columns = {table.columns for found, _ in exports for table in found.values()}
    assert all_columns == set(system.odd_columns)

    done = run(line, system)

    check(line, done, system, *exports)
    only_named_files(line, done)
    for table in done.result.tables:
        outputs = [column.name for column in table.columns]
        assert len({name.lower() for name in outputs}) == len(outputs)
        assert not {"dt", "snapshot"} & set(outputs)
    assert run(line, system).result.status == "nothing_to_do"


# --- what nobody knows ----------------------------------------------------------------------------


def test_objects_of_no_known_layout_are_told_left_alone_and_stop_nothing(
    line: Line, system: System
) -> None:
    delivered = system.deliver(1, SHOP)
    stray = [
        line.source / "README.txt",
        line.source / "backup" / "dump.sql.gz",
        line.source / "backup" / "orders" / "data.parquet",
        delivered["orders"].objects[0].parent / "notes.doc",
    ]
    for path in stray:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not of any export")

    done = run(line, system)

    check(line, done, system, (delivered, SHOP))
    told = [one for one in done.result.findings if one.kind == "unrecognised_objects"]
    keys = {key for one in told for key in one.model_dump()["keys"]}
    assert keys == {path.relative_to(line.source).as_posix() for path in stray}
    assert {path.read_bytes() for path in stray} == {b"not of any export"}
    assert run(line, system).result.status == "nothing_to_do"


# --- damage ---------------------------------------------------------------------------------------


@cases("damages")
def test_a_damaged_object_fails_its_table_by_name_and_nothing_else(
    line: Line, kind: type[System], case: str
) -> None:
    system = kind(line.source)
    delivered = system.deliver(1, SHOP)
    broken = delivered["orders"].objects[-1]
    key = broken.relative_to(line.source).as_posix()
    restore = system.damage(broken, case)

    first = run(line, system)

    assert first.exit_code == 3
    status = {name: table.status for name, table in taken(first).items()}
    assert status == {delivered["orders"].name: "failed", delivered["users"].name: "done"}
    found = taken(first)
    users = found[delivered["users"].name]
    assert lake_rows(line, users, COLUMNS) == written(USERS)
    orders = found[delivered["orders"].name]
    if case in kind.counted:
        assert "the export tool declares" in str(orders.error)
    else:
        assert key in str(orders.error)
        told = [one for one in first.result.findings if one.kind == "unreadable_object"]
        assert [one.model_dump()["key"] for one in told] == [key]
    assert not [key for key in line.data_files() if "orders" in key]
    restore()
    second = run(line, system)
    check(line, second, system, ({"orders": delivered["orders"]}, SHOP))
    only_named_files(line, second, first)


# --- killed ---------------------------------------------------------------------------------------

KILLED = """
import json, os, signal, sys
from datetime import datetime
from compactor import ledger, pipeline
from compactor.config import parse_config
put, noted = ledger.Ledger._put, []
def dying(self, key, body):
    noted.append(key)
    if sum("/verified/" in one for one in noted) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    put(self, key, body)
ledger.Ledger._put = dying
now = datetime.fromisoformat(sys.argv[2])
pipeline.run(parse_config(json.loads(sys.argv[1])), clock=lambda: now)
"""


def test_a_run_killed_with_data_written_and_no_manifest_is_finished_by_the_next_one(
    line: Line, system: System
) -> None:
    """The first table is written and noted as verified, the second one is only written."""
    delivered = system.deliver(1, SHOP)
    config = line.config(**settings(line, [system])).model_dump_json()
    command = [sys.executable, "-c", KILLED, config, NOW.isoformat()]

    killed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = line.state()
    folders = {tuple(key.split("/snapshot=")[0].split("/")) for key in line.data_files()}
    assert len(folders) == len(SHOP)
    assert not [key for key in before if key.endswith("manifest.json")]
    done = run(line, system)
    check(line, done, system, (delivered, SHOP))
    assert sorted(table.status for table in done.result.tables) == ["adopted", "done"]
    only_named_files(line, done)
    after = line.state()
    assert {key: after[key] for key in before} == before, "finished files were written again"
    assert run(line, system).result.status == "nothing_to_do"


# --- in chunks ------------------------------------------------------------------------------------

FINE = Decimal("0.000000001")


def holds(system: System, path: Path, row: Row) -> bool:
    return any(canonical(one) == canonical(row) for one in system.rows_of(path, COLUMNS))


def test_a_table_in_chunks_gets_its_types_from_all_of_them(tmp_path: Path, system: System) -> None:
    """Only the last object has a price with nine decimals; Parquet declares them everywhere."""
    dated = [row for row in rows(1, 60) if row[2] is not None]
    for attempt in range(50):  # names of DynamoDB's objects follow from their contents
        line = Line(tmp_path / str(attempt))
        system = type(system)(line.source)
        late: Row = (999, f"late {attempt}", date(2026, 7, 3), FINE)
        objects = (dated[:20], dated[20:40], dated[40:], [late])
        delivered = system.deliver(1, {"orders": objects})
        paths = delivered["orders"].objects
        if [path for path in paths if holds(system, path, late)] == [max(paths)]:
            break
    else:
        raise AssertionError("the late value is never in the last object")

    done = run(line, system, limits={"scratch": "2KiB"})

    check(line, done, system, (delivered, {"orders": objects}))
    (table,) = done.result.tables
    assert table.output_files >= 3
    prices = {column.type for column in table.columns if column.source_name == "price"}
    (price,) = prices
    assert price.startswith("DECIMAL(")
    assert price.endswith(",9)")
    only_named_files(line, done)
    assert run(line, system).result.status == "nothing_to_do"


# --- a real S3 server, and an archive -------------------------------------------------------------


@pytest.mark.parametrize("name", ["dynamodb changes", "dms csv", "plain json lines"])
def test_an_export_in_s3_is_locked_with_its_sidecars_byte_for_byte(
    line: Line,
    s3_env: S3Server,
    bucket: Callable[[], str],
    lock_bucket: Callable[[], str],
    name: str,
) -> None:
    system = SYSTEMS[name](line.source)
    delivered = system.deliver(1, SHOP)
    source, lake, vault = bucket(), bucket(), lock_bucket()
    client = s3_env.client()
    for path in (path for path in line.source.rglob("*") if path.is_file()):
        key = path.relative_to(line.source).as_posix()
        client.put_object(Bucket=source, Key=key, Body=path.read_bytes())
    told = json.dumps(settings(line, [system])).replace(str(line.source), f"s3://{source}")
    config = line.config(
        **json.loads(told) | {"lake": {"url": f"s3://{lake}/"}},
        archive={
            "url": f"s3://{vault}/",
            "retain": "30y",
            "max_retain": "40y",
            "mode": "GOVERNANCE",
        },
    )
    later = datetime.now(UTC) + timedelta(hours=1)

    done = pipeline.run(config, clock=lambda: later)

    assert done.exit_code == 0, done.result.findings
    assert names(done) == expected(delivered)
    versions = client.list_object_versions(Bucket=vault)
    held = {(one["Key"], one["VersionId"]) for one in versions["Versions"]}
    locked = []
    for short, table in delivered.items():
        result = taken(done)[table.name]
        assert system.declares_rows == ("pass" in declared(result))
        archived = [item for part in result.partitions for item in part.archived]
        found: Counter[tuple[Any, ...]] = Counter()
        for item in archived:
            body = client.get_object(Bucket=vault, Key=item.key, VersionId=item.version_id)["Body"]
            found.update(parquet_rows(io.BytesIO(body.read()), result, table.columns))
        assert found == written(SHOP[short])
        sidecars = Counter(path.read_bytes() for path in table.control)
        kept = [client.get_object(Bucket=vault, Key=item.key)["Body"] for item in result.control]
        assert Counter(body.read() for body in kept) == sidecars
        locked += [*archived, *result.control]
    assert {(item.key, item.version_id) for item in locked} == held
    assert len(locked) == len(held)
    for key, version in held:
        retention = client.get_object_retention(Bucket=vault, Key=key, VersionId=version)
        assert retention["Retention"]["Mode"] == "GOVERNANCE"
        assert retention["Retention"]["RetainUntilDate"].year >= 2056
    again = pipeline.run(config, clock=lambda: later)
    assert (again.exit_code, again.result.status) == (0, "nothing_to_do")


# --- the same twice -------------------------------------------------------------------------------


def test_a_snapshot_that_was_delivered_in_two_formats_is_taken_once_and_stops_no_other_table(
    line: Line,
) -> None:
    first, again = (SYSTEMS[name](line.source) for name in ("dynamodb json", "dynamodb ion"))
    delivered = first.deliver(1, SHOP)
    twice = again.deliver(1, {"orders": ORDERS})

    done = run(line, first)

    assert done.exit_code == 3
    found = taken(done)
    statuses = [found[one["orders"].name].status for one in (delivered, twice)]
    assert sorted(statuses) == ["done", "failed"]
    assert found[delivered["users"].name].status == "done"
    told = [one for one in done.result.findings if one.kind == "duplicate_export"]
    assert [one.severity for one in told] == ["warning", "error"]
    assert "delivered as dynamodb_" in told[-1].message
    (kept,) = [one for one in found.values() if one.table == "orders" and one.status == "done"]
    assert lake_rows(line, kept, COLUMNS) == written(ORDERS)


@pytest.mark.parametrize("name", ["dms csv", "plain csv", "plain json lines", "plain parquet"])
def test_a_table_that_was_delivered_again_for_the_same_moment_is_covered(
    line: Line, name: str
) -> None:
    system = SYSTEMS[name](line.source)
    (table,) = system.deliver(1, {"orders": ORDERS}).values()
    top = table.objects[0].relative_to(line.source).parts[: 2 if system.system == "files" else 1]
    again = line.source.joinpath(*top[:-1], "zz-again")
    shutil.copytree(line.source.joinpath(*top), again, copy_function=shutil.copy2)
    if system.system == "files":
        system.settings["files"].append(str(again))

    done = run(line, system)

    assert_good(done)
    assert sorted(one.status for one in done.result.tables) == ["covered", "done"]
    (kept,) = [one for one in done.result.tables if one.status == "done"]
    assert lake_rows(line, kept, COLUMNS) == written(ORDERS)
    assert run(line, system).result.status == "nothing_to_do"


ANOTHER_COLUMN = {
    "csv": (".csv", b"a,b\n1,2\n", b"a,b,c\n1,2,3\n"),
    "csv, fewer": (".csv", b"a,b,c\n1,2,3\n", b"a,b\n1,2\n"),
    "csv, swapped": (".csv", b"a,b\n1,2\n", b"b,a\n1,2\n"),
    "json lines": (".jsonl", b'{"a": 1}\n', b'{"a": 1, "c": 2}\n'),
    "json lines, another type": (".jsonl", b'{"a": 1}\n', b'{"a": "1"}\n'),
    "json lines, no number": (".jsonl", b'{"a": true}\n', b'{"a": {"b": 1}}\n'),
}


@pytest.mark.parametrize(
    ("suffix", "first", "other"), ANOTHER_COLUMN.values(), ids=ANOTHER_COLUMN.keys()
)
def test_a_text_delivered_again_with_other_columns_is_not_covered_and_stops_nothing(
    line: Line, suffix: str, first: bytes, other: bytes
) -> None:
    """Without the item's own text, nothing but the columns shows the difference."""
    for key, body in (("a/t", first), ("b/t", other), ("b/users", first)):
        path = line.source / f"{key}/0{suffix}"
        path.parent.mkdir(parents=True)
        path.write_bytes(body)
        touch(path, FIRST)
    files = {"urls": [str(line.source)], "files": [str(line.source / one) for one in "ab"]}
    config = line.config(source=files, formats={"item_column": ""})

    done = pipeline.run(config, clock=lambda: NOW)

    assert done.exit_code == 3
    status = {one.export_id: one.status for one in done.result.tables}
    assert status == {"a/t": "done", "b/t": "failed", "b/users": "done"}
    told = [one for one in done.result.findings if one.kind == "duplicate_export"]
    assert [one.severity for one in told] == ["warning", "error"]


def test_items_delivered_again_with_another_attribute_are_not_covered(line: Line) -> None:
    for region, more in (("eu-west-1", {}), ("eu-west-2", {"x": {"S": "2"}})):
        export = DynamoDbExport(table="orders", moment=FIRST, region=region, prefix=region)
        export.write(line.source, [[{"id": {"S": "1"}} | more]])

    done = pipeline.run(line.config(formats={"item_column": ""}), clock=lambda: NOW)

    assert done.exit_code == 3
    assert sorted(one.status for one in done.result.tables) == ["done", "failed"]


# --- all of them ----------------------------------------------------------------------------------


def test_one_prefix_holds_every_system(line: Line) -> None:
    """Each system has an old export, a new one, and one that is not complete yet."""
    systems = [kind(line.source) for kind in SYSTEMS.values()]
    early, fresh, late, finishes = [], [], [], []
    for number, system in enumerate(systems):
        for exports, first in ((early, 1), (fresh, 200)):
            tables = {f"orders-{number}": (rows(first, 5),), f"users-{number}": USERS}
            exports.append((system, system.deliver(1 + (first > 1), tables), tables))
        tables = {f"orders-{number}": (rows(400, 4),)}
        delivered, finish = system.hold(system.holds[0], 3, tables)
        late.append((system, delivered, tables))
        finishes.append(finish)
    config = line.config(**settings(line, systems))

    scan = pipeline.take_stock(config, clock=lambda: NOW)

    seen = {
        (export.system, export.export_id, export.database, table.table): export.status
        for export in scan.exports
        for table in export.tables
    }
    wanted = {
        (system.system, *table.name): "complete"
        for system, delivered, _ in (*early, *fresh)
        for table in delivered.values()
    }
    assert seen.items() >= wanted.items()
    waiting = {table.export_id for _, delivered, _ in late for table in delivered.values()}
    listed = {export.export_id: export.status for export in scan.exports}
    assert {listed[export_id] for export_id in waiting} == {"in_progress"}
    assert {name[1] for name in seen.keys() - wanted.keys()} <= waiting
    assert {name[0] for name in wanted} == {"rds", "dynamodb", "dms", "files"}

    first = run(line, *systems)
    assert first.exit_code == 3  # of RDS and DynamoDB: nothing says that they will ever be complete
    assert names(first) == expected(*(delivered for _, delivered, _ in (*early, *fresh)))
    for system, delivered, tables in (*early, *fresh):
        every_row(line, first, system, delivered, tables)
    told = {one.export_id for one in first.result.findings if one.kind == "incomplete_export"}
    assert told == waiting
    before = line.state()
    waited = run(line, *systems)
    assert waited.result.status == "nothing_to_do"
    assert line.state() == before

    for finish in finishes:
        finish()
    second = run(line, *systems, now=LATER)
    assert second.exit_code == 0, second.result.findings
    assert names(second) == expected(*(delivered for _, delivered, _ in late))
    for system, delivered, tables in late:
        every_row(line, second, system, delivered, tables)
    only_named_files(line, first, second)
    after = line.state()
    assert {key: after[key] for key in before} == before
    assert run(line, *systems, now=LATER).result.status == "nothing_to_do"
