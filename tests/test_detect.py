"""Exports, tables, roles and suspicions, from listings alone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import make_exports
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listings import (
    COLUMNS,
    NOW,
    WRITTEN,
    assigned,
    detected,
    entry,
    inventory,
    is_sidecar,
    kinds,
    part,
    sidecars,
    statuses,
)

from compactor import scan
from compactor.detect import detect
from compactor.inventory import Detected
from compactor.model import SIZE_EDGES, Finding
from compactor.nominate import nominate
from compactor.store import open_store


def data(table: str, files: int = 1, root: str = "exp/", database: str = "shop") -> list[str]:
    return [f"{root}{database}/{table}/1/{part(number)}" for number in range(files)]


def look(folder: Path, keys: Iterable[str] | dict[str, int], control: dict[str, bytes]) -> Detected:
    return detected(folder, inventory(folder, keys, control))


def simple(folder: Path, tables: Sequence[str], **changes: Any) -> Detected:
    """Detect one complete export of tables `public.<name>` with one file each."""
    keys = [key for name in tables for key in data(f"public.{name}")]
    entries = [entry(f"shop.public.{name}") for name in tables]
    return look(folder, keys, sidecars("exp", entries, **changes))


def on_disk(folder: Path) -> Detected:
    """Detect what a writer of sample exports has put into a folder."""
    scratch = folder / "scratch"
    scratch.mkdir()
    found = scan.scan([open_store(str(folder / "source"))], scratch)
    return detect(found, scratch, NOW)


def source(folder: Path) -> Path:
    path = folder / "source"
    path.mkdir()
    return path


def only(found: Detected, kind: str) -> Finding:
    (finding,) = [finding for finding in found.findings if finding.kind == kind]
    return finding


def numbers(found: Detected) -> dict[str, int]:
    return {table.table: table.table_no for export in found.exports for table in export.tables}


def parents(found: Detected) -> dict[str, str]:
    """Return child -> parent by table name."""
    names = {number: name for name, number in numbers(found).items()}
    return {names[child]: names[link.parent] for child, link in found.nominations.links.items()}


def roles(found: Detected) -> dict[str, str]:
    return {row["key"]: row["role"] for row in assigned(found)}


# --- every object ---------------------------------------------------------------------------------

SEGMENTS = st.sampled_from(
    [
        "exp",
        "shop",
        "public.orders",
        "public.orders_1",
        "1",
        "a",
        "_temporary",
        "x.y",
        "é\n%",
        "",
        "snapshot=1",
        "_committed_1",
        "export",
        "..",
        "0",
        "́x",
    ]
)
NAMES = st.sampled_from(
    [
        part(0),
        part(1),
        "_SUCCESS",
        "",
        "a.parquet",
        "1_$folder$",
        "_started_9",
        "note.txt",
        "export_info_exp.json",
        "export_info_x.json",
        "export_tables_info_exp_from_1_to_1.json",
        "part-00000",
        "part-x.parquet",
        ".part.crc",
        "_metadata",
        "́.parquet",
    ]
)
KEYS = st.builds(
    lambda folders, name: "/".join([*folders, name]), st.lists(SEGMENTS, max_size=5), NAMES
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=st.sets(KEYS.filter(bool), max_size=12), sizes=st.integers(0, 2), complete=st.booleans()
)
def test_every_object_gets_exactly_one_row_and_taken_or_a_reason(
    tmp_path: Path, keys: set[str], sizes: int, complete: bool
) -> None:
    control = sidecars("exp", [entry("shop.public.orders")]) if complete else {}
    control |= {key: b"{}" for key in keys if is_sidecar(key) and key not in control}
    listed = dict.fromkeys(sorted(keys - control.keys()), sizes)
    found = look(tmp_path, listed, control)
    rows = assigned(found)
    assert sorted(row["key"] for row in rows) == sorted([*listed, *control])
    known = {table.table_no: table for export in found.exports for table in export.tables}
    for row in rows:
        assert (row["role"] == "data") == (row["table_no"] is not None)
        taken = row["role"] == "data" and known[row["table_no"]].can_be_taken
        assert taken == (row["reason"] is None)
        assert row["key"].startswith(row["place"])
        if row["table_no"] is not None:
            assert row["key"].startswith(known[row["table_no"]].folder)
    for number, table in known.items():
        own = [row for row in rows if row["table_no"] == number]
        assert (len(own), sum(row["size_bytes"] for row in own)) == (table.files, table.bytes)
    assert [row["table_no"] for row in rows if row["table_no"]] == sorted(
        row["table_no"] for row in rows if row["table_no"]
    )


def test_roles_are_told_by_name_and_place(tmp_path: Path) -> None:
    table = "exp/shop/public.orders"
    expected = {
        f"{table}/1/{part()}": "data",
        f"{table}/{part(1)}": "data",
        f"{table}/a/{part(2)}": "data",
        f"{table}/abcdefghijkl/{part(3)}": "data",
        f"{table}/1/2/{part(4)}": "data",
        f"{table}/1/part-00000-plain.snappy.parquet": "data",
        f"{table}/1/_SUCCESS": "marker",
        f"{table}/_SUCCESS": "marker",
        f"{table}/1/": "marker",
        f"{table}_$folder$": "marker",
        f"{table}/_temporary/0/task/{part()}": "leftover",
        f"{table}/1/_committed_123": "leftover",
        f"{table}/1/_started_123": "leftover",
        f"{table}/1/_metadata": "leftover",
        f"{table}/1/.part-00000.parquet.crc": "leftover",
        f"{table}/1/data.parquet": "unrecognised",
        f"{table}/1/part-00000.csv": "unrecognised",
        f"exp/shop/{part()}": "unrecognised",
        f"exp/{part()}": "unrecognised",
        "exp/_started": "unrecognised",
        "readme.txt": "unrecognised",
    }
    sizes = {key: 0 if key.endswith("/") else 10 for key in expected}
    control = sidecars("exp", [entry("shop.public.orders")])
    found = look(tmp_path, sizes, control)
    assert roles(found) == expected | dict.fromkeys(control, "control")


def test_a_key_that_ends_in_a_slash_but_holds_bytes_is_no_placeholder(tmp_path: Path) -> None:
    found = look(tmp_path, {"exp/shop/public.orders/1/": 5}, sidecars("exp", []))
    assert roles(found)["exp/shop/public.orders/1/"] == "unrecognised"


def test_a_folder_is_found_by_code_points_not_by_what_looks_like_one_character(
    tmp_path: Path,
) -> None:
    key = f"exp/shop/public.orders/\u0301/{part()}"
    found = look(tmp_path, [key], sidecars("exp", [entry("shop.public.orders")]))
    assert roles(found)[key] == "data"


def test_line_breaks_in_keys_are_characters_like_any_other(tmp_path: Path) -> None:
    root = "ex\np/a\nb/"
    keys = [f"{root}shop/public.a\nb/1\n/{part()}", f"{root}shop/public.a\nb/1\n/x\ny"]
    control = sidecars("exp", [entry("shop.public.a\nb")], root=root)
    found = look(tmp_path, keys, control)
    assert roles(found) == {keys[0]: "data", keys[1]: "unrecognised"} | dict.fromkeys(
        control, "control"
    )
    assert statuses(found) == {"public.a\nb": "complete"}


def test_unrecognised_objects_are_counted_with_five_examples(tmp_path: Path) -> None:
    keys = [f"other/file-{n:02d}.bin" for n in range(30)] + ["exp/notes.md", *data("public.orders")]
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    inside, outside = [f for f in found.findings if f.kind == "unrecognised_objects"]
    if inside.export_id is None:
        inside, outside = outside, inside
    assert (inside.export_id, inside.model_extra["objects"]) == ("exp", 1)
    assert outside.model_extra["objects"] == 30
    assert outside.model_extra["keys"] == [f"other/file-{n:02d}.bin" for n in range(5)]
    assert inside.severity == outside.severity == "warning"


def test_strange_parquet_in_a_tables_folder_is_told_with_the_table(tmp_path: Path) -> None:
    keys = [*data("public.orders"), "exp/shop/public.orders/1/compacted.parquet"]
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    finding = only(found, "unrecognised_objects")
    assert finding.table == "public.orders"
    assert "may" in finding.message or "if they hold rows" in finding.message


def test_objects_of_a_hundred_thousand_folders_need_no_row_each_in_findings(tmp_path: Path) -> None:
    found = look(tmp_path, [f"tenant-{n}/a/b.bin" for n in range(5000)], {})
    assert len(found.findings) == 1


def test_what_samples_call_left_over_and_unknown_is_understood_so(tmp_path: Path) -> None:
    _, known, unknown = make_exports.stray_objects(source(tmp_path))
    told = roles(on_disk(tmp_path))
    assert {key for key, role in told.items() if role == "unrecognised"} == unknown
    assert {told[key] for key in known} <= {"marker", "leftover"}


# --- states ---------------------------------------------------------------------------------------


def test_a_complete_export_has_its_tables_sizes_and_no_findings(tmp_path: Path) -> None:
    keys = dict.fromkeys(data("public.orders", 3), 100) | {"exp/shop/public.orders/1/_SUCCESS": 0}
    keys |= {f"exp/shop/public.orders/2/{part()}": 500}
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    (export,) = found.exports
    assert (export.status, export.database, export.system) == ("complete", "shop", "rds")
    (table,) = export.tables
    assert (table.files, table.bytes, table.median_file_bytes, table.folders) == (4, 800, 100, 2)
    assert (table.status, table.folder, table.rows) == ("complete", "exp/shop/public.orders/", None)
    assert found.findings == ()


@pytest.mark.parametrize(
    ("sizes", "median"), [([5], 5), ([1, 9], 1), ([1, 5, 9], 5), ([7] * 10, 7), ([1, 1, 1, 9], 1)]
)
def test_the_median_is_exact_and_the_lower_one_of_two(
    tmp_path: Path, sizes: list[int], median: int
) -> None:
    keys = dict(zip(data("public.orders", len(sizes)), sizes, strict=True))
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    assert found.exports[0].tables[0].median_file_bytes == median


def test_an_export_of_two_databases_is_two_exports(tmp_path: Path) -> None:
    keys = [*data("public.orders"), *data("public.users", database="crm")]
    entries = [entry("shop.public.orders"), entry("crm.public.users")]
    found = look(tmp_path, keys, sidecars("exp", entries))
    assert [(e.export_id, e.database, [t.table for t in e.tables]) for e in found.exports] == [
        ("exp", "crm", ["public.users"]),
        ("exp", "shop", ["public.orders"]),
    ]


def test_mysql_names_repeat_the_database(tmp_path: Path) -> None:
    keys = [*data("shop.orders"), *data("shop.users")]
    entries = [entry("shop.orders"), entry("shop.shop.users")]
    found = look(tmp_path, keys, sidecars("exp", entries))
    assert statuses(found) == {"shop.orders": "complete", "shop.users": "complete"}
    assert found.exports[0].database == "shop"


def test_names_with_dots_find_their_folder(tmp_path: Path) -> None:
    keys = [*data("my.schema.t"), *data("public.x", database="my.db")]
    entries = [entry("shop.my.schema.t"), entry("my.db.public.x")]
    found = look(tmp_path, keys, sidecars("exp", entries))
    assert {(e.database, t.table, t.status) for e in found.exports for t in e.tables} == {
        ("shop", "my.schema.t", "complete"),
        ("my.db", "public.x", "complete"),
    }


def test_a_changed_name_is_found_by_its_folder_and_keeps_its_own_spelling(tmp_path: Path) -> None:
    found = look(
        tmp_path, data("public.my_table"), sidecars("exp", [entry("shop.public.my table")])
    )
    assert statuses(found) == {"public.my table": "complete"}
    assert found.findings == ()


def test_two_tables_in_one_folder_are_both_left_out_by_name(tmp_path: Path) -> None:
    make_exports.colliding_folders(source(tmp_path))
    found = on_disk(tmp_path)
    assert statuses(found) == {"public.a b": "ambiguous", "public.a_b": "ambiguous"}
    told = [finding for finding in found.findings if finding.kind == "name_changed"]
    assert {finding.table for finding in told} == {"public.a b", "public.a_b"}
    assert all(finding.severity == "error" for finding in told)
    assert all(row["reason"] for row in assigned(found))


def test_an_empty_table_is_complete_if_its_folder_holds_the_marker(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        ["exp/shop/public.orders/1/_SUCCESS"],
        sidecars("exp", [entry("shop.public.orders")]),
    )
    (table,) = found.exports[0].tables
    assert (table.status, table.files) == ("complete", 0)


@pytest.mark.parametrize(("size", "severity"), [(0, "warning"), (0.25, "error"), (None, "error")])
def test_a_listed_table_without_folder_is_missing(
    tmp_path: Path, size: float | None, severity: str
) -> None:
    entries = [entry("shop.public.orders"), entry("shop.public.gone", sizeGB=size)]
    found = look(tmp_path, data("public.orders"), sidecars("exp", entries))
    finding = only(found, "missing_table")
    assert (finding.table, finding.severity) == ("public.gone", severity)
    assert statuses(found)["public.gone"] == "missing"


def test_a_folder_placeholder_or_a_job_left_over_is_no_table(tmp_path: Path) -> None:
    keys = {"exp/shop/public.orders/": 0, f"exp/shop/public.orders/_temporary/0/{part()}": 9}
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    assert statuses(found) == {"public.orders": "missing"}


def test_a_folder_that_no_sidecar_names_is_taken_with_a_warning(tmp_path: Path) -> None:
    keys = [*data("public.orders"), *data("public.extra", 2)]
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    finding = only(found, "unlisted_table")
    assert (finding.table, finding.severity) == ("public.extra", "warning")
    assert statuses(found)["public.extra"] == "unlisted"
    assert all(row["reason"] is None for row in assigned(found) if row["role"] == "data")


def test_a_folder_is_not_taken_where_the_sidecar_that_may_name_it_is_lost(tmp_path: Path) -> None:
    entries = [entry(f"shop.public.{name}") for name in "abcd"]
    control = sidecars("exp", entries, per_file=2)
    del control["exp/export_tables_info_exp_from_1_to_2.json"]
    found = look(tmp_path, [key for name in "abcd" for key in data(f"public.{name}")], control)
    assert statuses(found) == {
        **dict.fromkeys(["public.a", "public.b"], "incomplete"),
        **dict.fromkeys(["public.c", "public.d"], "complete"),
    }
    assert kinds(found)["incomplete_export"] == 3


def test_an_inconsistent_export_gives_what_is_fine_and_names_the_rest(tmp_path: Path) -> None:
    make_exports.inconsistent(source(tmp_path))
    found = on_disk(tmp_path)
    assert statuses(found) == {
        "public.failed": "failed",
        "public.fine": "complete",
        "public.missing": "missing",
        "public.short": "incomplete",
        "public.skipped": "skipped",
        "public.unlisted": "unlisted",
    }
    about = {(finding.kind, finding.table) for finding in found.findings}
    assert about >= {
        ("incomplete_export", "public.failed"),
        ("incomplete_export", "public.short"),
        ("missing_table", "public.missing"),
        ("unlisted_table", "public.unlisted"),
    }


def test_data_without_sidecars_is_an_export_in_progress(tmp_path: Path) -> None:
    make_exports.in_progress(source(tmp_path))
    found = on_disk(tmp_path)
    (export,) = found.exports
    assert (export.export_id, export.status, export.database) == ("running", "in_progress", "shop")
    assert statuses(found) == dict.fromkeys(["public.done", "public.started"], "incomplete")
    assert only(found, "incomplete_export").severity == "error"
    assert not any(row["reason"] is None for row in assigned(found))


def test_data_without_sidecars_is_seen_beside_an_export_at_the_top(tmp_path: Path) -> None:
    keys = [*data("public.orders", root=""), *data("public.orders", root="later/")]
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")], root=""))
    assert [(e.root, e.status) for e in found.exports] == [
        ("", "complete"),
        ("later/", "in_progress"),
    ]


def test_an_export_below_another_one_is_its_own(tmp_path: Path) -> None:
    keys = [*data("public.a", root="out/"), *data("public.b", root="out/in/")]
    control = sidecars("outer", [entry("shop.public.a")], root="out/")
    control |= sidecars("inner", [entry("shop.public.b")], root="out/in/")
    found = look(tmp_path, keys, control)
    assert {(e.export_id, t.table, t.files) for e in found.exports for t in e.tables} == {
        ("outer", "public.a", 1),
        ("inner", "public.b", 1),
    }


@pytest.mark.parametrize(("age", "words"), [(1, "wait until"), (30, "probably dead")])
def test_a_running_export_is_told_from_a_dead_one(tmp_path: Path, age: int, words: str) -> None:
    found = inventory(tmp_path, data("public.orders"))
    told = detect(found, tmp_path, WRITTEN + timedelta(hours=age))
    assert words in only(told, "incomplete_export").message


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
def test_nothing_of_a_failed_export_is_taken(tmp_path: Path, status: str) -> None:
    make_exports.failed(source(tmp_path), status=status)
    found = on_disk(tmp_path)
    assert set(statuses(found).values()) == {"failed"}
    assert status in only(found, "failed_export").message
    assert not any(row["reason"] is None for row in assigned(found))


def test_an_export_whose_moment_is_unknown_is_not_taken(tmp_path: Path) -> None:
    found = simple(tmp_path, ["orders"], snapshotTime="soon")
    assert statuses(found) == {"public.orders": "incomplete"}
    assert kinds(found) == {"unreadable_object": 1, "incomplete_export": 1}


def test_old_exports_and_every_layout_are_complete(tmp_path: Path) -> None:
    place = source(tmp_path)
    make_exports.mixed_layouts(place)
    make_exports.old_export(place)
    found = on_disk(tmp_path)
    assert set(statuses(found).values()) == {"complete"}
    assert {finding.severity for finding in found.findings} <= {"info", "warning"}


def test_hostile_names_are_tables_like_any_other(tmp_path: Path) -> None:
    written = make_exports.hostile_names(source(tmp_path))
    found = on_disk(tmp_path)
    assert statuses(found) == dict.fromkeys(written.tables, "complete")


def test_small_exports_keep_all_sidecars_with_each_table_and_large_ones_its_own(
    tmp_path: Path,
) -> None:
    names = [f"t{n:02d}" for n in range(20)]
    keys = [key for name in names for key in data(f"public.{name}")]
    entries = [entry(f"shop.public.{name}") for name in names]
    few = look(tmp_path, keys, sidecars("exp", entries, per_file=10))
    assert {len(table.control) for table in few.exports[0].tables} == {3}
    many = look(tmp_path, keys, sidecars("exp", entries, per_file=1))
    first = many.exports[0].tables[0]
    assert first.control == (
        "exp/export_info_exp.json",
        "exp/export_tables_info_exp_from_1_to_1.json",
    )


# --- tiny files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "size", "expected"),
    [
        (19, 1000, False),
        (20, 1000, True),
        (20, 128 << 10, False),
        (100, 1 << 20, False),
        (101, 1 << 20, True),
        (101, 16 << 20, False),
        (101, (16 << 20) - 1, True),
    ],
)
def test_many_small_files_are_tiny_files(
    tmp_path: Path, files: int, size: int, expected: bool
) -> None:
    keys = dict.fromkeys(data("public.orders", files), size)
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    assert ("tiny_files" in kinds(found)) == expected


def test_tiny_files_are_told_with_histogram_and_cost(tmp_path: Path) -> None:
    sizes = [500] * 60 + [2000] * 30 + [SIZE_EDGES[0]] * 10 + [2 << 30]
    keys = dict(zip(data("public.orders", len(sizes)), sizes, strict=True))
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    facts = only(found, "tiny_files").model_extra
    assert facts["files"] == facts["get_requests_per_scan"] == 101
    assert facts["histogram"] == [70, 30, 0, 0, 0, 0, 0, 0, 1]
    assert facts["median_file_bytes"] == 500
    assert facts["get_cost_usd_per_scan"] == pytest.approx(101 * 0.0004 / 1000, abs=1e-6)
    assert facts["folders"] == 1


# --- partitions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "suffix",
    [
        "_1",
        "_0",
        "_20000",
        "_default",
        "_p2026_09",
        "_p20260901",
        "_y2026m09",
        "_2026_09",
        "_202609",
        "_2026_q3",
        "_2026q3",
        "_2026_09_30",
        "_2026",
        "_p0",
        "_part_3",
        "_2026w05",
        "_p2026w05",
        "_h12",
        "_p_default",
        "_2026_01_to_2026_06",
        "_P2026_09",
        "2026",
        "202609",
        "_max",
        "__1",
    ],
)
def test_names_that_people_give_partitions_are_strong(tmp_path: Path, suffix: str) -> None:
    found = simple(tmp_path, ["orders", f"orders{suffix}"])
    assert parents(found) == {f"public.orders{suffix}": "public.orders"}
    assert found.nominations.links[numbers(found)[f"public.orders{suffix}"]].is_strong


@pytest.mark.parametrize("suffix", ["_acme", "_eu_west", "_archive", "_p"])
def test_any_suffix_is_suspected_if_the_columns_are_the_same(tmp_path: Path, suffix: str) -> None:
    found = simple(tmp_path, ["orders", f"orders{suffix}"])
    assert parents(found) == {f"public.orders{suffix}": "public.orders"}
    other = entry(f"shop.public.orders{suffix}", [("id", "bigint"), ("note", "text")])
    keys = [*data("public.orders"), *data(f"public.orders{suffix}")]
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders"), other]))
    assert parents(found) == {}
    assert kinds(found) == {}


@pytest.mark.parametrize("names", [("sha", "sha256"), ("orders", "ordersx_1"), ("ab", "a"), ("x",)])
def test_names_that_only_begin_alike_are_nothing(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert parents(simple(tmp_path, names)) == {}


def test_columns_in_another_order_are_the_same_columns(tmp_path: Path) -> None:
    keys = [*data("public.orders"), *data("public.orders_acme")]
    entries = [entry("shop.public.orders"), entry("shop.public.orders_acme", COLUMNS[::-1])]
    found = look(tmp_path, keys, sidecars("exp", entries))
    assert parents(found) == {"public.orders_acme": "public.orders"}


@pytest.mark.parametrize(
    ("columns", "difference"),
    [
        ((*COLUMNS, ("serial", "text")), "has columns that the parent lacks: serial"),
        (COLUMNS[:2], "lacks columns of the parent: created_at"),
        (
            (("id", "integer"), *COLUMNS[1:]),
            "column id is 'integer', in the parent 'bigint'",
        ),
    ],
)
def test_a_partition_by_name_with_other_columns_is_a_conflict(
    tmp_path: Path, columns: Sequence[tuple[str, str]], difference: str
) -> None:
    keys = [*data("public.orders"), *data("public.orders_1")]
    entries = [entry("shop.public.orders"), entry("shop.public.orders_1", columns)]
    found = look(tmp_path, keys, sidecars("exp", entries))
    finding = only(found, "partition_conflict")
    assert (finding.table, finding.severity) == ("public.orders_1", "warning")
    assert finding.model_extra["difference"] == difference
    assert parents(found) == {}


def test_partitions_of_partitions_form_a_tree(tmp_path: Path) -> None:
    names = ["sales", "sales_2026_08", "sales_2026_08_eu", "sales_2026_09", "sales_2026_09_1"]
    found = simple(tmp_path, names)
    assert parents(found) == {
        "public.sales_2026_08": "public.sales",
        "public.sales_2026_08_eu": "public.sales_2026_08",
        "public.sales_2026_09": "public.sales",
        "public.sales_2026_09_1": "public.sales_2026_09",
    }
    numbered = numbers(found)
    members = list(found.nominations.members(numbered["public.sales"]))
    assert sorted(members) == sorted(numbered[f"public.{name}"] for name in names[1:])
    told = only(found, "duplicate_partitions")
    assert len(told.model_extra["children"]) == 4


def test_a_partition_in_another_schema_is_found_by_a_strong_name(tmp_path: Path) -> None:
    tables = ["public.tickets", "archive.tickets_2025", "archive.tickets_old", "other.tickets"]
    keys = [key for name in tables for key in data(name)]
    found = look(tmp_path, keys, sidecars("exp", [entry(f"shop.{name}") for name in tables]))
    assert parents(found) == {"archive.tickets_2025": "public.tickets"} or parents(found) == {
        "archive.tickets_2025": "other.tickets"
    }


def test_of_parents_in_several_schemas_the_own_one_wins_then_the_largest(tmp_path: Path) -> None:
    tables = ["a.orders", "b.orders", "b.orders_1", "c.orders_1"]
    keys = {key: 10 if name == "a.orders" else 5 for name in tables for key in data(name)}
    found = look(tmp_path, keys, sidecars("exp", [entry(f"shop.{name}") for name in tables]))
    assert parents(found) == {"b.orders_1": "b.orders", "c.orders_1": "a.orders"}


def test_mysql_tables_are_no_partitions_whatever_their_names(tmp_path: Path) -> None:
    columns = [("id", "int"), ("at", "datetime")]
    keys = [*data("shop.log"), *data("shop.log_202609")]
    entries = [entry("shop.log", columns), entry("shop.log_202609", columns)]
    assert parents(look(tmp_path, keys, sidecars("exp", entries))) == {}


def test_tables_that_cannot_be_taken_take_no_part(tmp_path: Path) -> None:
    entries = [entry("shop.public.orders", status="FAILED"), entry("shop.public.orders_1")]
    found = look(
        tmp_path, [*data("public.orders"), *data("public.orders_1")], sidecars("exp", entries)
    )
    assert parents(found) == {}


def test_an_empty_parent_holds_nobody_elses_rows_but_an_empty_child_is_a_child(
    tmp_path: Path,
) -> None:
    entries = [entry("shop.public.orders"), entry("shop.public.orders_1")]
    control = sidecars("exp", entries)
    empty = "exp/shop/public.orders{}/1/_SUCCESS"
    found = look(tmp_path, [empty.format(""), *data("public.orders_1")], control)
    assert parents(found) == {}
    found = look(tmp_path, [*data("public.orders"), empty.format("_1")], control)
    assert parents(found) == {"public.orders_1": "public.orders"}


def test_duplicate_partitions_say_what_is_redundant(tmp_path: Path) -> None:
    keys = dict.fromkeys(data("public.orders", 2), 100)
    keys |= dict.fromkeys(data("public.orders_1", 3), 7) | dict.fromkeys(data("public.orders_2"), 5)
    entries = [entry(f"shop.public.orders{end}") for end in ("", "_1", "_2")]
    told = only(look(tmp_path, keys, sidecars("exp", entries)), "duplicate_partitions")
    assert told.severity == "warning"
    assert told.model_extra == {
        "database": "shop",
        "parent": "public.orders",
        "children": ["public.orders_1", "public.orders_2"],
        "proof": "suspected",
        "redundant_files": 4,
        "redundant_bytes": 26,
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [((10, 4, 6), "add up: 10"), ((10, 4, 5), "do not add up: 10 in"), (None, "")],
)
def test_row_counts_are_compared_where_they_are_known(
    tmp_path: Path, rows: tuple[int, int, int] | None, words: str
) -> None:
    keys = [key for end in ("", "_1", "_2") for key in data(f"public.orders{end}")]
    entries = [entry(f"shop.public.orders{end}") for end in ("", "_1", "_2")]
    found = inventory(tmp_path, keys, sidecars("exp", entries))
    first = detect(found, tmp_path, NOW)
    (export,) = first.exports
    counted = export.model_copy(
        update={
            "tables": tuple(
                table.model_copy(update={"rows": rows[n] if rows else None})
                for n, table in enumerate(export.tables)
            )
        }
    )
    again = detect(found, tmp_path, NOW, counted=[counted])
    told = only(again, "duplicate_partitions")
    assert words in told.message
    assert told.model_extra["proof"] == "suspected"
    assert ("row counts" in told.message) == (rows is not None)


def test_every_family_of_the_sample_catalogue_is_nominated(tmp_path: Path) -> None:
    families = make_exports.partitioned_twice(source(tmp_path), children=5)
    found = on_disk(tmp_path)
    names = {number: name for name, number in numbers(found).items()}
    conflicts = {f.table for f in found.findings if f.kind == "partition_conflict"}
    for family in families.families:
        if not family.covered:
            continue
        members = found.nominations.members(numbers(found)[family.parent])
        assert {names[number] for number in members} >= set(family.covered), family.why
    assert conflicts == {"public.meters_2026"}


def test_twenty_thousand_children_take_seconds(tmp_path: Path) -> None:
    names = ["orders", *(f"orders_{n}" for n in range(20_000))]
    shared = entry("x")
    entries = [{**shared, "target": f"shop.public.{name}"} for name in names]
    keys = [key for name in names for key in data(f"public.{name}")]
    found = inventory(tmp_path, keys, sidecars("exp", entries))
    start = time.perf_counter()
    told = detect(found, tmp_path, NOW)
    print(f"20,000 children: detected in {time.perf_counter() - start:.1f} s")
    assert len(only(told, "duplicate_partitions").model_extra["children"]) == 20_000
    assert len(told.members) == 20_000


def test_names_made_to_be_slow_are_not(tmp_path: Path) -> None:
    long = "orders" + "_1" * 2000
    found = simple(tmp_path, ["orders", long + "x", "a" * 5000, "_" * 3000, "1" * 5000])
    assert "public.orders" in statuses(found)


# --- the same snapshot twice ----------------------------------------------------------------------


def test_a_snapshot_delivered_twice_is_told_and_the_first_by_id_is_the_reference(
    tmp_path: Path,
) -> None:
    make_exports.twice_delivered(source(tmp_path))
    found = on_disk(tmp_path)
    told = only(found, "duplicate_export")
    assert (told.export_id, told.model_extra["reference"]) == ("daily-2", "daily-1")
    assert told.model_extra["tables"] == ["public.a", "public.b"]
    first, second = found.exports
    links = found.nominations.links
    assert {
        (table.table, links[table.table_no].relation, links[table.table_no].parent)
        for table in second.tables
    } == {(table.table, "same_snapshot", table.table_no) for table in first.tables}
    assert not any(table.table_no in links for table in first.tables)


def test_another_moment_or_another_database_is_no_repeat(tmp_path: Path) -> None:
    keys: list[str] = []
    control: dict[str, bytes] = {}
    for export_id, database, moment in [
        ("a", "shop", "2026-10-06T00:00:00Z"),
        ("b", "shop", "2026-10-06T00:00:01Z"),
        ("c", "crm", "2026-10-06T00:00:00Z"),
    ]:
        keys += data("public.orders", root=f"{export_id}/", database=database)
        control |= sidecars(export_id, [entry(f"{database}.public.orders")], snapshotTime=moment)
    found = look(tmp_path, keys, control)
    assert found.nominations.links == {}
    assert kinds(found) == {}


def test_an_export_copied_to_a_second_source_is_a_repeat_of_the_first(tmp_path: Path) -> None:
    control = sidecars("exp", [entry("shop.public.orders")])
    found = inventory(
        *(tmp_path, data("public.orders"), control),
        more_sources=[(data("public.orders"), control)],
    )
    told = detected(tmp_path, found)
    assert [(export.source, export.status) for export in told.exports] == [
        (0, "complete"),
        (1, "complete"),
    ]
    assert only(told, "duplicate_export").model_extra["redundant_files"] == 1


def test_partitions_of_a_repeated_export_stay_with_their_own_parent(tmp_path: Path) -> None:
    keys: list[str] = []
    control: dict[str, bytes] = {}
    for export_id in ("a", "b"):
        names = ["orders", "orders_1"]
        keys += [key for name in names for key in data(f"public.{name}", root=f"{export_id}/")]
        control |= sidecars(export_id, [entry(f"shop.public.{name}") for name in names])
    found = look(tmp_path, keys, control)
    first, second = found.exports
    parent, child = (table.table_no for table in first.tables)
    other_parent, other_child = (table.table_no for table in second.tables)
    links = found.nominations.links
    assert {no: (link.parent, link.relation) for no, link in links.items()} == {
        child: (parent, "partition"),
        other_parent: (parent, "same_snapshot"),
        other_child: (other_parent, "partition"),
    }
    assert list(found.nominations.members(parent)) == [child, other_parent, other_child]


# --- determinism ----------------------------------------------------------------------------------


def test_the_order_of_the_listing_changes_nothing(tmp_path: Path) -> None:
    names = ["orders", "orders_1", "orders_2", "users"]
    keys = [key for name in names for key in data(f"public.{name}", 3)] + ["x/y.txt", "exp/z"]
    control = sidecars("exp", [entry(f"shop.public.{name}") for name in names])
    expected = look(tmp_path, keys, control)
    for seed in range(3):
        random.Random(seed).shuffle(keys)
        again = look(tmp_path, keys, control)
        assert replace(again, assigned=expected.assigned) == expected
        assert assigned(again) == assigned(expected)


def test_now_is_only_in_words(tmp_path: Path) -> None:
    found = inventory(tmp_path, [*data("public.orders"), *data("public.x", root="late/")])
    early = detect(found, tmp_path, WRITTEN)
    late = detect(found, tmp_path, datetime(2036, 1, 1, tzinfo=UTC))
    assert early.exports == late.exports
    assert nominate(early.exports, frozenset()) == nominate(late.exports, frozenset())
