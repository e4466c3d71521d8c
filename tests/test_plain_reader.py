"""Plain folders are tables only where a person says so; what lies in the path becomes columns."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keys import NOW, OLD, claimed, exports, options

from compactor.readers.interface import any_of
from compactor.readers.plain import FILES

PLAIN = options(plain=((0, "landing/"),))
TOP = options(plain=((0, ""),))


def tables(keys: list[str], how: Any = PLAIN) -> dict[str, str]:
    return {row["key"]: row["table"] for row in claimed(FILES, keys, how)}


def test_nothing_is_claimed_where_nobody_asked() -> None:
    keys = ["landing/orders/a.parquet", "elsewhere/a.parquet", "landingorders/a.parquet"]
    assert tables(keys, options()) == {}
    assert tables(keys, options(plain=((1, ""), (1, "landing/")))) == {}
    assert tables(keys) == {"landing/orders/a.parquet": "orders"}


@pytest.mark.parametrize(
    ("folder", "table", "keyed"),
    [
        ("orders/", "orders", {}),
        ("crm/2026/orders/", "crm/2026/orders", {}),
        ("orders/day=2026-10-06/", "orders", {"day": "2026-10-06"}),
        ("orders/y=2026/m=10/", "orders", {"y": "2026", "m": "10"}),
        ("orders/at=10%3A30%2F/", "orders", {"at": "10:30/"}),
        ("orders/na%20me=x/", "orders", {"na me": "x"}),
        ("orders/day=__HIVE_DEFAULT_PARTITION__/", "orders", {"day": None}),
        ("orders/day=/", "orders", {"day": ""}),
        ("orders/day=a=b/", "orders", {"day": "a=b"}),
        ("orders/day=%FF%zz%/", "orders", {"day": "%FF%zz%"}),
        ("orders/a+b=c+d/", "orders", {"a+b": "c+d"}),
        ("a=1/orders/b=2/", "a=1/orders", {"b": "2"}),
        ("orders/_day=1/", "orders", {"_day": "1"}),
        ("a=1/", "landing", {"a": "1"}),
        ("", "landing", {}),
    ],
)
def test_a_table_is_its_path_without_the_values_at_its_end(
    folder: str, table: str, keyed: dict[str, str | None]
) -> None:
    (row,) = claimed(FILES, [f"landing/{folder}a.parquet"], PLAIN)
    assert (row["system"], row["root"], row["database"]) == ("files", "landing/", "files")
    assert (row["table"], row["unit"], row["keyed"]) == (table, table, keyed)
    path = "" if table == "landing" else f"{table}/"
    assert row["folder"] == f"landing/{path}"


def test_flat_and_partitioned_objects_of_one_folder_are_one_table() -> None:
    keys = ["landing/orders/a.parquet", "landing/orders/day=1/a.parquet"]
    assert set(tables(keys).values()) == {"orders"}


@pytest.mark.parametrize(
    ("name", "format"),
    [
        *(("a.parquet", "parquet"), ("a.snappy.parquet", "parquet"), ("a.gz.parquet", "parquet")),
        *(("a.csv", "csv"), ("a.csv.gz", "csv"), ("A.CSV", "csv"), ("part-00000", None)),
        *(("a.json", "json_lines"), ("a.jsonl", "json_lines"), ("a.ndjson.gz", "json_lines")),
        *(("a.json.gz", "json_lines"), ("a.tsv", None), ("a.orc", None), ("a.csv.zip", None)),
        *(("_SUCCESS", None), ("_metadata", None), ("_common_metadata", None)),
        *((".a.parquet", None), ("_a.parquet", None), (".a.parquet.crc", None)),
        *(("parquet", None), ("a.parquet.tmp", None), ("a.gz", None)),
    ],
)
def test_formats_are_told_by_extension_and_hidden_names_are_left(
    name: str, format: str | None
) -> None:
    rows = claimed(FILES, [f"landing/orders/{name}"], PLAIN)
    assert [row["format"] for row in rows] == ([format] if format else [])


def test_markers_and_left_overs_of_spark_are_known() -> None:
    known = any_of((*FILES.markers, *FILES.leftovers))
    for name in ("_SUCCESS", "_metadata", "_common_metadata", "x_$folder$", "", ".a.parquet.crc"):
        assert re.search(known, f"landing/orders/{name}")
    assert not re.search(known, "landing/orders/a.parquet")


@pytest.mark.parametrize("hidden", ["_temporary/0/", ".hidden/", "_delta_log/", "x/_spark/"])
def test_hidden_folders_hold_no_data(hidden: str) -> None:
    keys = [f"landing/orders/{hidden}a.parquet", "landing/customers/a.parquet"]
    assert tables(keys) == {keys[1]: "customers"}


@pytest.mark.parametrize(
    "log",
    [
        "_delta_log/00000000000000000000.json",
        ".hoodie/hoodie.properties",
        "metadata/v1.metadata.json",
    ],
)
def test_tables_with_a_log_are_left_because_their_folders_hold_deleted_rows(log: str) -> None:
    keys = [
        "landing/orders/a.parquet",
        "landing/orders/data/day=1/a.parquet",
        f"landing/orders/{log}",
        "landing/orders2/a.parquet",
    ]
    assert tables(keys) == {"landing/orders2/a.parquet": "orders2"}


def test_a_folder_that_names_a_column_twice_is_left() -> None:
    assert tables(["landing/orders/a=1/A=2/x.csv", "landing/orders/a=1/x.csv"]) == {
        "landing/orders/a=1/x.csv": "orders"
    }


def test_the_innermost_prefix_owns_a_folder() -> None:
    how = options(plain=((0, "landing/"), (0, "landing/crm/"), (0, "landing/c/")))
    rows = claimed(FILES, ["landing/crm/orders/a.csv", "landing/orders/a.csv"], how)
    assert [(row["root"], row["table"]) for row in rows] == [
        ("landing/crm/", "orders"),
        ("landing/", "orders"),
    ]


def test_objects_in_the_prefix_itself_have_a_name_of_their_own() -> None:
    assert tables(["a.csv"], TOP) == {"a.csv": "top"}
    assert tables(["landing/a.csv"]) == {"landing/a.csv": "landing"}
    both = ["landing/a.csv", "landing/landing/a.csv"]
    assert tables(both) == {both[0]: "landing (top)", both[1]: "landing"}
    assert len(exports(FILES, both, how=PLAIN)) == 2


_NAMES = st.text(
    st.characters(blacklist_characters="/=", blacklist_categories=["Cs"]), min_size=1, max_size=10
).filter(lambda name: name[0] not in "._" and name not in ("metadata",))
_VALUES = st.none() | st.text(st.characters(blacklist_categories=["Cs"]), max_size=10)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.lists(_NAMES, min_size=1, max_size=4),
                       st.dictionaries(st.sampled_from("abc"), _VALUES)), min_size=1)
)  # fmt: skip
def test_path_and_values_come_back_from_any_folder(
    drawn: list[tuple[list[str], dict[str, str | None]]],
) -> None:
    def written(value: str | None) -> str:
        return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(value, safe="")

    keys = {}
    for source, (path, values) in enumerate(drawn):
        hive = "".join(f"{name}={written(value)}/" for name, value in values.items())
        keys[source] = [f"{'/'.join(path)}/{hive}a.parquet"]
    how = options(plain=tuple((source, "") for source in keys))
    rows = claimed(FILES, keys, how)
    assert len(rows) == len(drawn)
    for (path, values), row in zip(drawn, rows, strict=True):
        assert (row["table"], row["keyed"]) == ("/".join(path), values)


# --- exports --------------------------------------------------------------------------------------


def test_each_table_settles_by_itself_and_shows_its_newest_object() -> None:
    later = OLD + timedelta(hours=1)
    keys = {
        "landing/orders/a.parquet": OLD,
        "landing/orders/b.parquet": later,
        "landing/crm/leads/a.csv": NOW - timedelta(minutes=1),
    }
    found = exports(FILES, keys, how=PLAIN)
    assert list(found) == ["landing/crm/leads", "landing/orders"]
    orders, leads = found["landing/orders"], found["landing/crm/leads"]
    assert (orders.status, orders.snapshot, orders.unit) == ("complete", later, "orders")
    assert (leads.status, leads.is_open) == ("in_progress", True)
    assert "15 minutes" in leads.reason
    (table,) = orders.tables
    assert (table.target, table.places[0].folder, table.format) == ("orders", "orders/", "parquet")
    assert table.places[0].database == "files"


@pytest.mark.parametrize(
    ("age", "status"),
    [(timedelta(minutes=15), "complete"), (timedelta(minutes=15, microseconds=-1), "in_progress")],
)
def test_a_table_settles_to_the_microsecond(age: timedelta, status: str) -> None:
    (facts,) = exports(FILES, {"landing/orders/a.csv": NOW - age}, how=PLAIN).values()
    assert (facts.status, facts.is_open) == (status, status != "complete")


def test_a_table_with_several_formats_is_left_with_the_reason() -> None:
    keys = ["landing/orders/a.csv", "landing/orders/a.parquet", "landing/orders/a.json"]
    (facts,) = exports(FILES, keys, how=PLAIN).values()
    (table,) = facts.tables
    assert (facts.status, table.status) == ("complete", "incomplete")
    assert "csv, json_lines, parquet" in table.reason
