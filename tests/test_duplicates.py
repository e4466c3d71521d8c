"""Rows that an export holds more than once are stored once; what only looks so is stored in full.

What is right for each table is in `make_partitions`: `covered` by its parent, or `separate`.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import make_exports as make
import pyarrow as pa
import pytest
from lines import Line, assert_good, assert_same_rows, by_name, told
from make_partitions import COLUMNS, PATTERNS, SNAPSHOT

from compactor import pipeline
from compactor.model import RunResult
from compactor.sample_exports import RdsExport

_FAMILIES = (
    *(f"public.{name}" for name in PATTERNS),
    *("public.many", "public.sales", "public.calls", "public.tickets", "public.visits"),
    *("public.alarms", "public.devices", "public.bills", "public.parcels", "public.stock"),
    *("public.pairs", "public.couples", "public.meters", "public.clicks", "public.taps"),
    *("public.letters", "public.trips", "public.order", "public.order_lines"),
)


@dataclass(frozen=True)
class Ran:
    line: Line
    families: make.Families
    done: pipeline.Done


@pytest.fixture(scope="module", params=["at once", "in many chunks"])
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Take every family through: with all room, and with 4 KiB of source at a time."""
    line = Line(tmp_path_factory.mktemp("families"))
    families = make.partitioned_twice(line.source)
    limits = {"scratch": "32KiB"} if request.param == "in many chunks" else {}
    return Ran(line, families, line.run(limits=limits))


def test_every_family_of_the_catalogue_is_looked_at(ran: Ran) -> None:
    assert {family.parent for family in ran.families.families} == set(_FAMILIES)


@pytest.mark.parametrize("parent", _FAMILIES)
def test_exactly_the_proven_children_are_covered(ran: Ran, parent: str) -> None:
    tables = by_name(ran.done.result)
    family = ran.families[parent]
    assert tables[parent].status == "done"
    assert sorted(tables[parent].covers) == sorted(family.covered), family.why
    for name in family.covered:
        assert tables[name].status == "covered", (name, family.why)
        assert tables[name].covered_by.startswith(f"{parent} of twice: ")
        assert tables[name].output_files == 0
    for name in family.separate:
        assert tables[name].status == "done", (name, family.why)
        assert tables[name].output_rows == ran.families.rows[name]


@pytest.mark.parametrize("parent", _FAMILIES)
def test_a_conflict_says_why_a_table_stays_one_of_its_own(ran: Ran, parent: str) -> None:
    family = ran.families[parent]
    for name in family.separate:
        found = told(ran.done.result, "partition_conflict", name)
        if name == "public.stock_notes":  # its columns alone say that it is no partition
            assert found == []
            continue
        (finding,) = [one for one in found if one.model_extra["parent"] == parent]
        assert finding.severity == "warning"
        assert finding.model_extra["difference"]
        assert "stays a table of its own" in finding.message
    proven = told(ran.done.result, "duplicate_partitions", parent)
    assert [one.model_extra["proof"] for one in proven] == ["proven"] * bool(family.covered)
    for finding in proven:
        assert finding.model_extra["children"] == sorted(family.covered)


def test_no_covered_table_is_said_to_stay_one_of_its_own(ran: Ran) -> None:
    tables = by_name(ran.done.result)
    for finding in told(ran.done.result, "partition_conflict"):
        assert tables[finding.table].status == "done", finding.message


def test_the_reasons_name_what_differs(ran: Ran) -> None:
    reasons = {
        finding.table: finding.model_extra["difference"]
        for finding in told(ran.done.result, "partition_conflict")
    }
    assert reasons["public.meters_2026"] == "has columns that the parent lacks: serial"
    assert reasons["public.bills_2025_12"].startswith("12 different rows of it are not in the")
    assert reasons["public.trips_2"].startswith("1 different rows of it are not in the parent")
    assert "hold 24 of the parent's 29 rows" in reasons["public.devices_1"]
    assert "make up the parent without it" in reasons["public.letters_3"]


def test_no_row_of_any_table_is_lost(ran: Ran) -> None:
    assert_good(ran.done)
    tables = by_name(ran.done.result)
    assert tables.keys() == ran.families.rows.keys()
    for table in tables.values():
        if table.status == "done":
            assert_same_rows(ran.line, table)
            assert table.source_rows == ran.families.rows[table.table]
    for family in ran.families.families:
        held = Counter(ran.line.rows(tables[family.parent]))
        for name in family.covered:
            child = tables[name].model_copy(update={"columns": tables[family.parent].columns})
            assert Counter(ran.line.delivered(child)) <= held, name


def test_nothing_of_a_covered_table_lies_in_the_lake(ran: Ran) -> None:
    folders = {key.split("/")[1] for key in ran.line.data_files()}
    assert folders == {table.table for table in ran.done.result.tables if table.status == "done"}


def test_a_second_run_over_covered_tables_does_nothing(ran: Ran) -> None:
    before = ran.line.state()
    again = ran.line.run()
    assert (again.result.status, again.exit_code) == ("nothing_to_do", 0)
    assert ran.line.state() == before


# --- many -----------------------------------------------------------------------------------------


def test_two_thousand_partitions_are_decided_together(tmp_path: Path) -> None:
    line = Line(tmp_path)
    export = RdsExport(line.source, "many", SNAPSHOT)
    parts = {f"public.many_{n}": make.partition_rows(n * 2, 2) for n in range(2000)}
    export.table("public.many", COLUMNS, pa.concat_tables(parts.values()))
    for name, rows in parts.items():
        export.table(name, COLUMNS, rows)
    export.finish()
    done = line.run()
    assert_good(done)
    tables = by_name(done.result)
    assert len(tables["public.many"].covers) == 2000
    assert {tables[name].status for name in parts} == {"covered"}
    assert tables["public.many"].output_rows == 4000
    assert len(line.data_files()) == 1


# --- tables above tables --------------------------------------------------------------------------


def _export(folder: Path, export_id: str, tables: dict[str, pa.Table | Sequence[pa.Table]]) -> None:
    export = RdsExport(folder, export_id, SNAPSHOT)
    for name, rows in tables.items():
        export.table(name, COLUMNS, rows)
    export.finish()


def test_a_partition_is_not_written_before_its_own_parent_is_decided(tmp_path: Path) -> None:
    """`order_lines` could itself be a partition of `order`, and its leaf comes first by name."""
    line = Line(tmp_path)
    first, second = make.partition_rows(1), make.partition_rows(100)
    tables = {
        "public.order": make.partition_rows(200),
        "public.order_lines": [first, second],
        "archive.order_lines_0": first,
        "public.order_lines_1": second,
    }
    _export(line.source, "shop", tables)
    done = line.run()
    assert_good(done)
    assert by_name(done.result)["archive.order_lines_0"].status == "covered"
    assert not any("archive" in key for key in line.data_files())


def test_a_child_of_a_broken_parent_is_stored_by_itself(tmp_path: Path) -> None:
    line = Line(tmp_path)
    first, second = make.partition_rows(1), make.partition_rows(100)
    _export(
        line.source,
        "shop",
        {"public.t": [first, second], "public.t_1": first, "public.t_2": second},
    )
    next((line.source / "shop/shop/public.t").rglob("*.parquet")).write_bytes(b"")
    done = line.run()
    tables = by_name(done.result)
    assert done.exit_code == 3
    assert tables["public.t"].status == "failed"
    for name in ("public.t_1", "public.t_2"):
        assert tables[name].status == "done"
        assert_same_rows(line, tables[name])


def test_a_broken_child_covers_nothing_and_fails_by_name(tmp_path: Path) -> None:
    line = Line(tmp_path)
    first, second = make.partition_rows(1), make.partition_rows(100)
    _export(
        line.source,
        "shop",
        {"public.t": [first, second], "public.t_1": first, "public.t_2": second},
    )
    (broken,) = (line.source / "shop/shop/public.t_2").rglob("*.parquet")
    broken.write_bytes(broken.read_bytes()[:-100])
    done = line.run()
    tables = by_name(done.result)
    assert done.exit_code == 3
    assert {name: table.status for name, table in tables.items()} == {
        "public.t": "done",
        "public.t_1": "done",
        "public.t_2": "failed",
    }
    assert broken.relative_to(line.source).as_posix() in tables["public.t_2"].error


# --- one snapshot, delivered twice ----------------------------------------------------------------


def test_a_snapshot_delivered_twice_is_stored_once(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.twice_delivered(line.source)
    done = line.run()
    assert_good(done)
    assert {table.status for table in by_name(done.result, "daily-1").values()} == {"done"}
    second = by_name(done.result, "daily-2")
    assert {table.status for table in second.values()} == {"covered"}
    assert (
        second["public.a"].covered_by == "public.a of daily-1: the same 40 rows, same fingerprint"
    )
    (finding,) = told(done.result, "duplicate_export")
    assert (finding.export_id, finding.model_extra["reference"]) == ("daily-2", "daily-1")
    assert len(line.data_files()) == 2
    for table in by_name(done.result, "daily-1").values():
        assert_same_rows(line, table)


def test_a_second_delivery_that_differs_is_an_error_and_not_mixed_in(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.twice_delivered(line.source, differing=True)
    done = line.run()
    assert done.exit_code == 3
    first, second = by_name(done.result, "daily-1"), by_name(done.result, "daily-2")
    assert {name: table.status for name, table in second.items()} == {
        "public.a": "covered",
        "public.b": "failed",
    }
    assert "with other contents" in second["public.b"].error
    told_of = [
        finding
        for finding in done.result.findings
        if finding.severity == "error" and finding.table == "public.b"
    ]
    assert [finding.kind for finding in told_of] == ["duplicate_export"]
    assert "public.b of daily-2" in told_of[0].message
    for table in first.values():
        assert_same_rows(line, table)
    named = {table["task_id"] for table in line.manifest(done.result)["tables"]}
    assert second["public.b"].task_id not in named


def test_a_partitioned_export_delivered_twice_is_stored_once(tmp_path: Path) -> None:
    line = Line(tmp_path)
    first, second = make.partition_rows(1), make.partition_rows(100)
    tables = {"public.t": [first, second], "public.t_1": first, "public.t_2": second}
    for export_id in ("daily-1", "daily-2"):
        _export(line.source, export_id, tables)
    done = line.run()
    assert_good(done)
    found = [(table.export_id, table.table, table.status) for table in done.result.tables]
    assert found == [
        ("daily-1", "public.t", "done"),
        ("daily-1", "public.t_1", "covered"),
        ("daily-1", "public.t_2", "covered"),
        ("daily-2", "public.t", "covered"),
        ("daily-2", "public.t_1", "covered"),
        ("daily-2", "public.t_2", "covered"),
    ]


def test_partitions_of_a_differing_second_delivery_are_left_out_with_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    first, second = make.partition_rows(1), make.partition_rows(100)
    _export(
        line.source,
        "daily-1",
        {"public.t": [first, second], "public.t_1": first, "public.t_2": second},
    )
    other = make.partition_rows(500)
    _export(
        line.source,
        "daily-2",
        {"public.t": [first, other], "public.t_1": first, "public.t_2": other},
    )
    done = line.run()
    assert done.exit_code == 3
    assert {table.status for table in by_name(done.result, "daily-2").values()} == {"failed"}
    (stored,) = [table for table in done.result.tables if table.status == "done"]
    assert (stored.export_id, stored.table) == ("daily-1", "public.t")
    assert_same_rows(line, stored)
    assert len(line.data_files()) == 1


def test_one_export_in_two_sources_byte_for_byte_is_stored_once(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.old_export(line.source)
    other = tmp_path / "copy"
    shutil.copytree(line.source, other)  # with times: every key, size and digest is the same
    urls = {"urls": [str(line.source), str(other)]}
    done = line.run(source=urls)
    assert_good(done)
    assert [table.status for table in done.result.tables] == ["done", "covered"]
    assert len({table.task_id for table in done.result.tables}) == 2
    assert_same_rows(line, done.result.tables[0])
    again = line.run(source=urls)
    assert again.result.status == "nothing_to_do"


def test_a_third_delivery_is_covered_by_what_an_earlier_run_has_stored(tmp_path: Path) -> None:
    line = Line(tmp_path)
    rows = make.partition_rows(1)
    _export(line.source, "daily-1", {"public.t": rows})
    assert_good(line.run())
    before = line.data_files()
    _export(line.source, "daily-2", {"public.t": rows})
    done = line.run()
    assert _statuses(done.result) == {("daily-2", "public.t"): "covered"}
    assert done.exit_code == 0
    assert line.data_files() == before
    assert line.run().result.status == "nothing_to_do"


def _statuses(result: RunResult) -> dict[tuple[str, str], str]:
    return {(table.export_id, table.table): table.status for table in result.tables}
