"""Broken and unfinished exports: the bad part is named and left out, the rest is done."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import make_exports as make
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lines import Line, assert_good, assert_same_rows, by_name, read_duckdb, told, touch_new

from compactor.sample_exports import Column, Layout, RdsExport

# --- broken objects -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", make.DAMAGES)
def test_a_broken_object_fails_its_table_by_name_and_no_other_one(
    tmp_path: Path, kind: make.Damage
) -> None:
    line = Line(tmp_path)
    damage = make.damaged(line.source, kind)
    key = (damage.root / damage.broken).relative_to(line.source).as_posix()
    done = line.run()
    assert (done.result.status, done.exit_code) == ("failed", 3)
    tables = by_name(done.result)

    bad = tables[damage.bad]
    assert bad.status == "failed"
    assert key in bad.error
    assert "next: " in bad.error
    (finding,) = told(done.result, "unreadable_object")
    assert (finding.severity, finding.table) == ("error", damage.bad)
    assert finding.model_extra["key"] == key
    assert key in finding.message

    good = tables[damage.good]
    assert good.status == "done"
    assert not [check for check in good.checks if check.status == "fail"]
    assert_same_rows(line, good)

    named = {table["table"] for table in line.manifest(done.result)["tables"]}
    assert named == {damage.good}
    assert not any(damage.bad in key for key in line.data_files())


@pytest.mark.parametrize("kind", ["silent_page_bytes", "zero_bytes"])
def test_after_a_repair_only_the_repaired_table_is_done(tmp_path: Path, kind: make.Damage) -> None:
    line = Line(tmp_path)
    whole = Line(tmp_path / "whole")
    damage = make.damaged(line.source, kind)
    again = make.damaged(whole.source, "zero_bytes")
    # the same export, written once more: the object that is broken there is good in another table
    _write_good(again.root, again.broken)
    line.run()
    before = line.state()

    touch_new(damage.root / damage.broken, (again.root / again.broken).read_bytes())
    done = line.run()
    assert_good(done)
    (table,) = done.result.tables
    assert (table.table, table.status) == (damage.bad, "done")
    assert table.source_rows == 300
    assert_same_rows(line, table)
    after = line.state()
    assert {key: after[key] for key in before} == before
    assert line.run().result.status == "nothing_to_do"


def _write_good(root: Path, broken: str) -> None:
    """Write the rows that `make.damaged` had in the object it broke."""
    columns = (
        *(Column("id", "bigint"), Column("label", "text"), Column("amount", "numeric", 12)),
        Column("created_at", "timestamp without time zone"),
    )
    export = RdsExport(root.parent / "again", root.name, make.SNAPSHOT)
    export.table("public.bad", columns, make.partition_rows(1000, 300), Layout(files=3))
    shutil.copyfile(export.root / broken, root / broken)


def test_several_broken_objects_are_all_named(tmp_path: Path) -> None:
    line = Line(tmp_path)
    damage = make.damaged(line.source, "truncated")
    paths = sorted((damage.root / damage.broken).parent.glob("*.parquet"))
    paths[0].write_bytes(b"")
    (table,) = [table for table in line.run().result.tables if table.status == "failed"]
    assert "2 of 3 objects cannot be used" in table.error
    for path in paths[:2]:
        assert path.name in table.error
    assert paths[2].name not in table.error


def test_a_table_in_which_every_object_is_broken_is_named_too(tmp_path: Path) -> None:
    line = Line(tmp_path)
    damage = make.damaged(line.source, "zero_bytes")
    for path in (damage.root / damage.broken).parent.glob("*.parquet"):
        path.write_bytes(b"not a file of this kind")
    done = line.run()
    tables = by_name(done.result)
    assert done.exit_code == 3
    assert "3 of 3 objects cannot be used" in tables[damage.bad].error
    assert tables[damage.good].status == "done"


def test_an_object_broken_far_behind_the_first_chunk_leaves_no_part_of_the_table(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path)
    damage = make.damaged(line.source, "silent_page_bytes")
    done = line.run(limits={"scratch": "16KiB"})  # one object at a time
    assert done.exit_code == 3
    assert by_name(done.result)[damage.bad].status == "failed"
    assert not any(damage.bad in key for key in line.data_files())


def test_a_flipped_bit_in_a_page_without_compression_is_noticed_by_the_page_checksum(
    tmp_path: Path,
) -> None:
    """No gzip trailer guards such a page, and DuckDB reads it to another value without an error."""
    line = Line(tmp_path)
    make.old_export(line.source)
    path = min(line.source.rglob("part-*.parquet"))
    pq.write_table(pq.read_table(path), path, compression="none", write_page_checksum=True)
    true = read_duckdb(path, ["label"])
    path.write_bytes(path.read_bytes().replace(b"label 3", b"label 2", 1))
    assert read_duckdb(path, ["label"]) != true
    done = line.run()
    assert done.exit_code == 3
    assert path.relative_to(line.source).as_posix() in done.result.tables[0].error
    assert line.data_files() == set()


# --- schema drift ---------------------------------------------------------------------------------

_DRIFTS = (
    *("int_widths", "small_ints", "missing_first", "missing_last", "missing_date", "floats"),
    *("decimals", "column_order", "name_case", "number_or_text", "bytes_or_text"),
)


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, make.Exported, Any]:
    line = Line(tmp_path_factory.mktemp("drift"))
    export = make.schema_drift(line.source)
    return line, export, line.run()


def test_every_drift_of_the_catalogue_is_looked_at(
    drifted: tuple[Line, make.Exported, Any],
) -> None:
    assert drifted[1].outputs.keys() == {f"public.{name}" for name in _DRIFTS}
    assert drifted[2].exit_code == 3


@pytest.mark.parametrize("name", _DRIFTS)
def test_differing_schemas_become_one_type_that_keeps_every_value_or_are_refused(
    drifted: tuple[Line, make.Exported, Any], name: str
) -> None:
    line, export, done = drifted
    table = by_name(done.result)[f"public.{name}"]
    output = export.outputs[table.table]
    (finding,) = told(done.result, "schema_drift", table.table) or [None]
    if output is None:
        assert table.status == "failed"
        assert "export the table again" in table.error
        assert finding is not None
        assert finding.severity == "error"
        assert "value" in finding.message or "differ only in case" in finding.message
        assert not any(table.table in key for key in line.data_files())
        return
    assert table.status == "done"
    assert {column.source_name: column.type for column in table.columns}["value"] == output
    assert_same_rows(line, table)
    if name == "column_order":  # matched by name, nothing to tell
        assert finding is None
    else:
        assert finding.model_extra["columns"] == ["value"]


def test_differing_schemas_of_a_table_that_is_cut_into_chunks_are_refused_with_advice(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path)
    make.schema_drift(line.source)
    done = line.run(limits={"scratch": "1KiB"})
    table = by_name(done.result)["public.int_widths"]
    assert table.status == "failed"
    assert "give limits.scratch more room" in table.error
    assert by_name(done.result)["public.column_order"].status == "done"
    assert_same_rows(line, by_name(done.result)["public.column_order"])


# --- exports that are not as they should be -------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (make.in_progress, "incomplete_export"),
        (make.failed, "failed_export"),
        (lambda folder: make.failed(folder, status="CANCELED"), "failed_export"),
    ],
    ids=["in progress", "failed", "canceled"],
)
def test_an_export_that_is_not_complete_is_not_touched(
    tmp_path: Path, write: Callable[[Path], make.Exported], kind: str
) -> None:
    line = Line(tmp_path)
    export = write(line.source)
    done = line.run()
    assert (done.result.status, done.exit_code) == ("nothing_to_do", 3)
    assert done.result.tables == ()
    (finding,) = told(done.result, kind)
    assert (finding.severity, finding.export_id) == ("error", export.root.name)
    assert "none of its " in finding.message
    assert line.state() == {}


def test_an_export_that_becomes_complete_is_done_by_the_next_run(tmp_path: Path) -> None:
    line = Line(tmp_path)
    running = make.in_progress(line.source, "daily")
    assert line.run().result.tables == ()
    shutil.rmtree(running.root)
    make.old_export(line.source, "daily")
    done = line.run()
    assert_good(done)
    assert_same_rows(line, done.result.tables[0])


def test_a_bad_export_does_not_stop_a_good_one(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.failed(line.source)
    make.in_progress(line.source)
    make.old_export(line.source)
    done = line.run()
    assert (done.result.status, done.exit_code) == ("done", 3)
    (table,) = done.result.tables
    assert (table.export_id, table.status) == ("old-2020", "done")
    assert_same_rows(line, table)
    assert line.run().result.status == "nothing_to_do"


def test_sidecars_and_folders_that_do_not_fit_are_told_table_by_table(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.inconsistent(line.source)
    done = line.run()
    assert done.exit_code == 3
    tables = by_name(done.result)
    assert {name: table.status for name, table in tables.items()} == {
        "public.fine": "done",
        "public.unlisted": "done",
    }
    kinds = {
        (finding.table, finding.kind)
        for finding in done.result.findings
        if finding.table is not None
    }
    assert kinds == {
        ("public.failed", "incomplete_export"),
        ("public.short", "incomplete_export"),
        ("public.missing", "missing_table"),
        ("public.unlisted", "unlisted_table"),
        ("shop.public.skipped", "skipped_by_export"),
    }
    for table in tables.values():
        assert_same_rows(line, table)
    folders = {key.split("/")[1] for key in line.data_files()}
    assert folders == {"public.fine", "public.unlisted"}
    skipped = {one.key: one.reason for one in done.result.skipped}
    for name in ("failed", "short"):
        reasons = [reason for key, reason in skipped.items() if f"public.{name}/" in key]
        assert len(reasons) >= 1
        assert all(reasons)


def test_objects_that_belong_to_nothing_are_listed_and_not_taken(tmp_path: Path) -> None:
    line = Line(tmp_path)
    _, known, unknown = make.stray_objects(line.source)
    done = line.run()
    assert_good(done)
    (table,) = done.result.tables
    assert table.source_files == 2
    assert_same_rows(line, table)
    findings = told(done.result, "unrecognised_objects")
    url = f"{line.source}/"
    named = {key.removeprefix(url) for one in findings for key in one.model_extra["keys"]}
    assert named == unknown
    assert sum(one.model_extra["objects"] for one in findings) == len(unknown)
    skipped = {one.key for one in done.result.skipped}
    for key in unknown:
        assert any(key == one or (one.endswith("/") and key.startswith(one)) for one in skipped)
    assert known.isdisjoint(named)


def test_every_source_object_is_in_a_task_or_skipped_with_a_reason(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.stray_objects(line.source)
    make.inconsistent(line.source)
    make.twice_delivered(line.source)
    done = line.run()
    objects = sum(1 for path in line.source.rglob("*") if path.is_file())
    taken = sum(table.source_files for table in done.result.tables)
    skipped = sum(one.objects for one in done.result.skipped)
    assert taken + skipped == objects
    assert all(one.reason for one in done.result.skipped)


def test_two_tables_in_one_folder_are_both_left_alone(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.colliding_folders(line.source)
    done = line.run()
    assert (done.result.status, done.exit_code) == ("nothing_to_do", 3)
    findings = told(done.result, "name_changed")
    assert {finding.table for finding in findings} == {"public.a b", "public.a_b"}
    assert {finding.severity for finding in findings} == {"error"}
    assert line.state() == {}


def test_an_export_of_2020_with_its_short_sidecars_is_restored_as_well(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.old_export(line.source)
    done = line.run()
    assert_good(done)
    (table,) = done.result.tables
    assert {column.name: column.type for column in table.columns} == {
        "id": "BIGINT",
        "label": "VARCHAR",
        "amount": "DECIMAL(38,2)",  # these sidecars do not say the precision
        "created_at": "TIMESTAMP",
    }
    assert_same_rows(line, table)


def test_every_folder_layout_is_read_whole(tmp_path: Path) -> None:
    line = Line(tmp_path)
    export = make.mixed_layouts(line.source)
    done = line.run()
    assert_good(done)
    tables = by_name(done.result)
    assert tables.keys() == export.tables.keys()
    for name, rows in export.tables.items():
        assert tables[name].source_rows == rows.num_rows
        assert_same_rows(line, tables[name])
        ids = sorted(row[0] for row in line.rows(tables[name]))
        assert pa.array(ids) == rows["id"].combine_chunks().sort()


# --- what stays behind ----------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True], ids=["success", "failure"])
def test_nothing_stays_in_the_scratch_folder(tmp_path: Path, broken: bool) -> None:
    line = Line(tmp_path)
    if broken:
        make.damaged(line.source, "truncated")
    else:
        make.twice_delivered(line.source)
    done = line.run()
    assert done.exit_code == (3 if broken else 0)
    assert list(line.scratch.iterdir()) == []
