"""DMS keys are read from the right, whatever lies to the left; loads and changes stay apart."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keys import NOW, OLD, claimed, exports, options

from compactor.readers.dms import DMS
from compactor.readers.interface import any_of

LOAD = "LOAD00000001.parquet"
CHANGE = "20221023-013830913.parquet"
MINUTE = timedelta(minutes=1)


def places(keys: list[str], folders: tuple[str, ...] = ()) -> dict[str, tuple[str, str, str]]:
    """Return (root, unit, table) by key."""
    rows = claimed(DMS, keys, options(dms_folders=folders))
    return {row["key"]: (row["root"], row["unit"], row["table"]) for row in rows}


# --- every documented layout ----------------------------------------------------------------------

DATES = [
    "",
    *("2022/10/23/", "2022/10/23/01/", "2022/10/", "10/2022/23/", "23/10/2022/"),
    *("2022-10-23/", "2022-10-23-01/", "2022-10/", "10-2022-23/", "23-10-2022/"),
    *("2022_10_23/", "2022_10_23_01/", "2022_10/", "10_2022_23/", "23_10_2022/"),
    *("20221023/", "2022102301/", "202210/", "10202223/", "23102022/"),
]
"""Every DatePartitionSequence with every DatePartitionDelimiter, and none."""
ROOTS = ["", "dms/", "landing/crm/2022/", "a/b/c/d/e/", "2022/10/23/", "odd=1/x y/"]


LOADS = [
    *("LOAD00000001.parquet", "LOAD0000000A.csv", "LOAD000000FF.csv.gz", "LOAD0000A.csv"),
    *("SEGMENT1_LOAD00000001.csv", "SEGMENT12_LOAD0000000F.parquet", "LOAD_1_00000001.csv"),
]


def alone(keys: list[str]) -> list[dict[str, Any]]:
    """Return what is claimed of each key where nothing lies beside it, in their order."""
    return claimed(DMS, {source: [key] for source, key in enumerate(keys)})


def test_changes_are_found_below_every_date_folder_and_bucket_folder() -> None:
    layouts = [(root, dates) for root in ROOTS for dates in DATES]
    rows = alone([f"{root}public/orders/{dates}{CHANGE}" for root, dates in layouts])
    assert len(rows) == len(layouts) > 120
    for (root, _), row in zip(layouts, rows, strict=True):
        assert (row["root"], row["unit"]) == (root, "changes-2022-10-23"), row["key"]
        assert (row["database"], row["table"]) == ("public_changes", "public.orders")
        assert row["folder"] == f"{root}public/orders/"
        assert row["keyed"] == {}


def test_full_loads_are_found_in_every_bucket_folder_and_naming() -> None:
    layouts = [(root, name) for root in ROOTS for name in LOADS]
    rows = alone([f"{root}public/orders/{name}" for root, name in layouts])
    assert len(rows) == len(layouts) > 40
    for (root, name), row in zip(layouts, rows, strict=True):
        assert (row["root"], row["unit"]) == (root, "load public.orders"), row["key"]
        assert (row["database"], row["table"]) == ("public", "public.orders")
        assert row["folder"] == f"{root}public/orders/"
        assert row["format"] == ("parquet" if "parquet" in name else "csv")
        assert row["keyed"] == {"Op": "I"}


def test_other_names_are_left() -> None:
    """Lower-case hex, impossible days, mixed transactions, other extensions."""
    names = [
        *("LOAD0000000a.parquet", "LOAD1.csv", "LOAD00000001.json", "load00000001.csv"),
        *("20229923-013830913.csv", "2022-10-23.csv", "20221023-0138.csv", "part-00000.parquet"),
        *("LOAD00000001.parquet.tmp", "CDC_TXN-20201117153046033.csv", "xLOAD00000001.csv"),
    ]
    assert alone([f"public/orders/{name}" for name in names]) == []
    assert len(alone([f"public/orders/{LOAD}"])) == 1


def test_mixed_transactions_are_left_even_among_control_tables() -> None:
    keys = ["CdcPath/CDC_TXN-20201117153046033.csv", "awsdms_x/CDC_TXN-20201117153046033.csv"]
    assert claimed(DMS, keys) == []


def test_load_files_are_not_below_date_folders() -> None:
    """A folder named like a date that holds a full load is a table, or a partition."""
    assert places(["public/202210/" + LOAD]) == {
        "public/202210/" + LOAD: ("", "load public.202210", "public.202210")
    }


def test_what_has_no_schema_and_table_is_left() -> None:
    """A table at the top, with changes below dates that must not be taken for its name."""
    folders = ["", "orders/", "2022/10/23/", "orders/2022/10/23/", "orders/202210/"]
    assert alone([folder + CHANGE for folder in folders]) == []
    assert alone([f"orders/{LOAD}", LOAD]) == []


def test_nothing_is_claimed_of_nothing() -> None:
    assert claimed(DMS, []) == []


def test_sources_do_not_see_each_other() -> None:
    """The table's own objects in another source say nothing of a partition's folder here."""
    part = f"public/orders/p1/{LOAD}"
    rows = claimed(DMS, {0: [part], 1: [f"public/orders/{LOAD}"]})
    assert [(row["source"], row["table"]) for row in rows] == [
        (0, "orders.p1"),
        (1, "public.orders"),
    ]


# --- partitions and segments ----------------------------------------------------------------------


def beside(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return (root, table) of the first key of each pair."""
    rows = claimed(DMS, {source: list(pair) for source, pair in enumerate(pairs)})
    found = {(row["source"], row["key"]): (row["root"], row["table"]) for row in rows}
    assert len(found) == 2 * len(pairs)
    return [found[source, key] for source, (key, _) in enumerate(pairs)]


def test_a_partitions_folder_is_told_by_what_lies_beside_it() -> None:
    """Objects of the table itself, of another table of its schema, or the control tables."""
    others = [
        f"public/orders/{LOAD}",
        f"public/orders/{CHANGE}",
        f"public/orders/2022/10/23/{CHANGE}",
        f"public/orders/20221023/{CHANGE}",
        f"public/customers/{LOAD}",
        f"public/customers/2022/10/23/{CHANGE}",
        f"awsdms_status/{LOAD}",
    ]
    partitions = ["P2021", "custom_segment1", "2021", "202110"]
    roots = ["", "dms/", "a/b/"]
    pairs = [
        (f"{root}public/orders/{partition}/{LOAD}", f"{root}{other}")
        for root in roots
        for other in others
        for partition in partitions
    ]
    expected = [(root, "public.orders") for root in roots for _ in range(len(pairs) // 3)]
    assert beside(pairs) == expected


def test_a_table_is_not_taken_for_a_partition_of_its_schema() -> None:
    others = [
        f"public/orders/{CHANGE}",
        f"public/orders/2022/10/23/{CHANGE}",
        f"public/customers/{CHANGE}",
        f"awsdms_status/{LOAD}",
        f"public/customers/{LOAD}",
        f"crm/leads/{LOAD}",
    ]
    roots = ["", "dms/", "a/b/"]
    pairs = [(f"{root}public/orders/{LOAD}", root + other) for root in roots for other in others]
    assert beside(pairs) == [(root, "public.orders") for root in roots for _ in others]


@pytest.mark.parametrize("changes", ["orders", "customers"])
def test_changes_outweigh_a_full_load_that_lies_higher(changes: str) -> None:
    """One endpoint has the BucketFolder dms, another has none and a schema of that name."""
    key, other = f"dms/public/orders/{LOAD}", f"dms/misc/{LOAD}"
    assert places([key, other])[key][2] == "dms.public"
    more = places([key, other, f"dms/public/{changes}/{CHANGE}"])
    assert (more[key][0], more[key][2]) == ("dms/", "public.orders")
    assert (more[other][0], more[other][2]) == ("", "dms.misc")


def test_endpoints_with_bucket_folders_of_different_depth_do_not_disturb_each_other() -> None:
    keys = [
        f"public/orders/{LOAD}",
        f"dms/public/orders/{LOAD}",
        f"dms/crm/public/leads/{LOAD}",
        f"dms/crm/public/leads/2022/10/23/{CHANGE}",
    ]
    found = places(keys)
    assert [found[key][0] for key in keys] == ["", "dms/", "dms/crm/", "dms/crm/"]


def test_a_known_bucket_folder_leaves_one_reading() -> None:
    """Of a table whose partitions are all there is, and of names that look like dates."""
    folders = ("", "dms/")
    found = places(
        [
            f"public/orders/P1/{LOAD}",
            f"dms/public/orders/P1/{LOAD}",
            f"dms/public/2022/10/{CHANGE}",
            f"dms/2022/10/2022/10/{CHANGE}",
            f"dms/public/202210/{CHANGE}",
            f"dms/public/orders/P1/deeper/{LOAD}",
            f"dms/public/{LOAD}",
            f"dms/public/orders/latest/{CHANGE}",
        ],
        folders,
    )
    assert {key: (root, table) for key, (root, _, table) in found.items()} == {
        f"public/orders/P1/{LOAD}": ("", "public.orders"),
        f"dms/public/orders/P1/{LOAD}": ("dms/", "public.orders"),
        f"dms/2022/10/2022/10/{CHANGE}": ("dms/", "2022.10"),
        f"dms/public/202210/{CHANGE}": ("dms/", "public.202210"),
    }


def test_a_table_named_like_a_date_is_told_by_its_full_load() -> None:
    load, change = f"dms/public/202210/{LOAD}", f"dms/public/202210/{CHANGE}"
    assert places([change])[change][2] == "dms.public"  # the documented reading: a date folder
    assert places([change, load])[change][2] == "public.202210"
    assert places([change, load])[load][2] == "public.202210"


def test_a_table_named_like_a_date_is_told_by_tables_beside_it() -> None:
    change, other = f"dms/public/202210/{CHANGE}", f"dms/public/orders/{CHANGE}"
    assert places([change, other])[change][2] == "public.202210"


def test_date_folders_below_several_schemas_stay_date_folders() -> None:
    keys = [
        f"{schema}/{table}/2022/10/{day}/{CHANGE}"
        for schema in ("public", "crm")
        for table in ("orders", "10", "2022")
        for day in ("01", "23")
    ]
    found = places(keys)
    assert {key: table for key, (_, _, table) in found.items()} == {
        key: ".".join(key.split("/")[:2]) for key in keys
    }


def test_a_one_table_export_keeps_its_table() -> None:
    keys = [f"public/orders/{LOAD}", f"public/orders/2022/10/23/{CHANGE}"]
    assert {table for _, _, table in places(keys).values()} == {"public.orders"}


# --- any layout -----------------------------------------------------------------------------------

_NAMES = st.text(
    st.characters(blacklist_characters="/", blacklist_categories=["Cs"]), min_size=1, max_size=12
).filter(
    lambda name: (
        not re.fullmatch(r"[0-9_-]+", name)
        and not name.lower().startswith(("awsdms_", "s3_validation_failures"))
    )
)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[str, str, str, list[str]]:
    """Return (root, schema, table, folders of dates) of one table, as one endpoint would write."""
    root = "".join(f"{name}/" for name in draw(st.lists(_NAMES, max_size=4)))
    days = draw(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)), max_size=4))  # noqa: DTZ001
    delimiter = draw(st.sampled_from(["/", "-", "_", ""]))
    sequence = draw(
        st.sampled_from(["%Y %m %d", "%Y %m %d %H", "%Y %m", "%m %Y %d", "%d %m %Y", None])
    )
    folders = [
        f"{day.strftime(sequence).replace(' ', delimiter)}/" if sequence else "" for day in days
    ]
    return root, draw(_NAMES), draw(_NAMES), folders


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(layouts(), st.dates(date(1971, 1, 1)), st.integers(1, 1 << 31)), min_size=1)
)
def test_schema_table_and_unit_come_back_from_any_layout(
    drawn: list[tuple[tuple[str, str, str, list[str]], date, int]],
) -> None:
    sources: dict[int, set[str]] = {}
    for source, ((root, schema, table, folders), day, counter) in enumerate(drawn):
        below = f"{root}{schema}/{table}/"
        changes = {f"{below}{folder}{day:%Y%m%d}-013830913.csv" for folder in folders}
        sources[source] = {f"{below}LOAD{counter:08X}.parquet", *changes}
    rows = claimed(DMS, sources)
    assert {(row["source"], row["key"]) for row in rows} == {
        (source, key) for source, keys in sources.items() for key in keys
    }
    for row in rows:
        (root, schema, table, _), day, _ = drawn[row["source"]]
        assert (row["root"], row["folder"]) == (root, f"{root}{schema}/{table}/")
        assert row["table"] == f"{schema}.{table}"
        is_load = row["key"].endswith(".parquet")
        assert row["unit"] == (f"load {schema}.{table}" if is_load else f"changes-{day}")
        assert row["database"] == (schema if is_load else f"{schema}_changes")


_PIECES = st.sampled_from([*DATES, "p/", "public/", "orders/", "awsdms_status/", "a/"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.lists(_PIECES, max_size=5), max_size=6), max_size=10))
def test_no_key_is_claimed_twice_whatever_lies_together(drawn: list[list[list[str]]]) -> None:
    keys = {
        source: {"".join(folder) + name for folder in folders for name in (LOAD, CHANGE)}
        for source, folders in enumerate(drawn)
    }
    found = [(row["source"], row["key"]) for row in claimed(DMS, keys)]
    assert len(found) == len(set(found))
    assert set(found) <= {(source, key) for source, some in keys.items() for key in some}


# --- control tables -------------------------------------------------------------------------------


def test_control_tables_are_kept_apart() -> None:
    paths = [
        f"awsdms_status/{LOAD}",
        f"awsdms_history/{CHANGE}",
        f"awsdms_validation_failures_v2/2022/10/23/{CHANGE}",
        "awsdms_apply_exceptions/anything.csv",
        "s3_validation_failures/public/orders/anything.csv",
        f"AWSDMS_STATUS/{LOAD}",
    ]
    layouts = [(root, path) for root in ("", "dms/", "a/b/") for path in paths]
    keys = {
        source: [root + path, f"{root}public/orders/{CHANGE}"]
        for source, (root, path) in enumerate(layouts)
    }
    rows = [row for row in claimed(DMS, keys) if row["database"] == "awsdms"]
    assert len(rows) == len(layouts)
    for (root, path), row in zip(layouts, rows, strict=True):
        table = path.partition("/")[0]
        assert (row["root"], row["unit"], row["table"]) == (root, "control", table)
        assert row["folder"] == f"{root}{table}/"


def test_control_tables_alone_have_the_folder_above_as_root() -> None:
    assert places([f"x/y/awsdms_status/{LOAD}"]) == {
        f"x/y/awsdms_status/{LOAD}": ("x/y/", "control", "awsdms_status")
    }


def test_a_control_schema_does_not_make_a_root_of_its_own() -> None:
    keys = [f"dms/public/awsdms_status/{LOAD}", f"dms/public/orders/{CHANGE}"]
    assert places(keys)[keys[0]] == ("dms/", "control", "awsdms_status")


def test_control_tables_of_one_name_in_two_schemas_are_two_tables() -> None:
    keys = [
        f"dms/{schema}/{table}"
        for schema in ("public", "crm")
        for table in (f"awsdms_status/{LOAD}", f"orders/{CHANGE}")
    ]
    found = places(keys)
    assert {found[key][2] for key in keys if "awsdms" in key} == {
        "public.awsdms_status",
        "crm.awsdms_status",
    }


def test_a_bucket_folder_that_begins_like_a_control_table_holds_ordinary_tables() -> None:
    key = f"awsdms_exports/public/orders/{LOAD}"
    assert places([key]) == {key: ("awsdms_exports/", "load public.orders", "public.orders")}


# --- full loads -----------------------------------------------------------------------------------


def test_each_table_of_a_full_load_has_the_moment_of_its_own_newest_object() -> None:
    keys = {
        f"dms/public/orders/{LOAD}": OLD,
        "dms/public/orders/LOAD00000002.parquet": OLD + MINUTE,
        f"dms/public/customers/{LOAD}": NOW - MINUTE,
    }
    found = exports(DMS, keys)
    assert list(found) == ["dms/ load public.customers", "dms/ load public.orders"]
    orders, customers = found["dms/ load public.orders"], found["dms/ load public.customers"]
    assert (orders.status, orders.snapshot, orders.is_open) == ("complete", OLD + MINUTE, False)
    assert (customers.status, customers.is_open) == ("in_progress", True)
    assert "15 minutes" in customers.reason
    (table,) = orders.tables
    assert (table.target, table.status, table.format) == ("public.orders", "complete", "parquet")
    assert (table.places[0].folder, table.places[0].database) == ("public/orders/", "public")
    assert table.date_column is None


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(minutes=15), "complete"),
        (timedelta(minutes=15) - timedelta(microseconds=1), "in_progress"),
        (timedelta(0), "in_progress"),
        (-MINUTE, "in_progress"),
    ],
)
def test_a_full_load_settles_to_the_microsecond(age: timedelta, status: str) -> None:
    """A clock that runs ahead makes nothing complete."""
    (facts,) = exports(DMS, {f"s/t/{LOAD}": NOW - age}).values()
    assert (facts.status, facts.is_open) == (status, status != "complete")
    assert bool(facts.reason) == (status != "complete")


def test_the_settle_time_can_be_set() -> None:
    keys = {f"s/t/{LOAD}": NOW - MINUTE}
    (facts,) = exports(DMS, keys, how=options(settle=timedelta(seconds=60))).values()
    assert facts.status == "complete"


def test_a_table_with_two_formats_is_left_with_the_reason() -> None:
    (facts,) = exports(DMS, [f"s/t/{LOAD}", "s/t/LOAD00000001.csv"]).values()
    (table,) = facts.tables
    assert table.status == "incomplete"
    assert "csv, parquet" in table.reason


def test_names_of_exports_are_unique_though_a_root_is_called_like_the_default() -> None:
    keys = [f"s/t/{CHANGE}", f"dms/s/t/{CHANGE}", f"s/t/{LOAD}", f"dms/s/t/{LOAD}"]
    assert set(exports(DMS, keys)) == {
        *("dms load s.t", "dms/ load s.t", "dms changes-2022-10-23", "dms/ changes-2022-10-23"),
    }


# --- changes --------------------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 10, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "written", "status"),
    [
        (MIDNIGHT + 15 * MINUTE, MIDNIGHT - MINUTE, "complete"),
        (MIDNIGHT + 15 * MINUTE, MIDNIGHT, "complete"),
        (MIDNIGHT + 15 * MINUTE - timedelta(microseconds=1), MIDNIGHT - MINUTE, "in_progress"),
        (MIDNIGHT + 15 * MINUTE, MIDNIGHT + MINUTE, "in_progress"),
        (MIDNIGHT - timedelta(hours=5), MIDNIGHT - timedelta(hours=20), "in_progress"),
    ],
)
def test_a_day_of_changes_is_taken_once_it_is_over_and_quiet(
    now: datetime, written: datetime, status: str
) -> None:
    keys = {"s/t/2026/10/06/20261006-235959000.parquet": written}
    (facts,) = exports(DMS, keys, how=options(now=now)).values()
    assert (facts.status, facts.is_open) == (status, status != "complete")
    assert (facts.export_id, facts.snapshot) == ("dms changes-2026-10-06", MIDNIGHT)


def test_an_open_day_says_so() -> None:
    keys = {"s/t/20261007-010000000.parquet": OLD}
    (facts,) = exports(DMS, keys).values()
    assert facts.reason.startswith("the day is not over")
    assert "2026-10-08T00:00:00Z" in facts.reason


def test_changes_of_all_tables_of_a_day_are_one_export_and_never_declare_rows() -> None:
    keys = [
        "a/t/20221023-013830913.csv",
        "b/u/20221023-013830914.csv",
        "a/t/20221024-000000000.csv",
    ]
    found = exports(DMS, keys, how=options(dms_rows={("a", "t"): 5, ("a_changes", "t"): 6}))
    assert list(found) == ["dms changes-2022-10-23", "dms changes-2022-10-24"]
    tables = found["dms changes-2022-10-23"].tables
    assert [(t.places[0].database, t.target) for t in tables] == [
        ("a_changes", "a.t"),
        ("b_changes", "b.u"),
    ]
    assert {table.declared_rows for facts in found.values() for table in facts.tables} == {None}


def test_control_tables_are_an_export_of_their_own_that_settles() -> None:
    keys = {
        f"dms/public/orders/{CHANGE}": OLD,
        f"dms/awsdms_status/{LOAD}": NOW - MINUTE,
        f"dms/awsdms_history/{CHANGE}": OLD,
    }
    found = exports(DMS, keys)
    control = found["dms/ control"]
    assert (control.status, control.is_open) == ("in_progress", True)
    assert [table.target for table in control.tables] == ["awsdms_history", "awsdms_status"]
    assert found["dms/ changes-2022-10-23"].status == "complete"
    assert exports(DMS, dict.fromkeys(keys, OLD))["dms/ control"].status == "complete"


# --- row counts -----------------------------------------------------------------------------------


def dfm(rows: Any, errors: int = 0, **more: Any) -> bytes:
    """Return a .dfm file in the sections that Qlik documents."""
    info = {"name": "LOAD00000001", "content": "data", "recordCount": rows, "errorCount": errors}
    return json.dumps({"taskInfo": {"name": "task"}, "fileInfo": info} | more).encode()


KEYS = ["q/s/t/LOAD00000001.csv", "q/s/t/LOAD00000002.csv"]
DFMS = [key.replace(".csv", ".dfm") for key in KEYS]


def declared(
    control: dict[str, bytes | None], rows: dict[tuple[str, str], int] | None = None
) -> tuple[int | None, list[str]]:
    (facts,) = exports(
        DMS, KEYS, control, options(dms_rows=rows or {}, dms_folders=("q/",))
    ).values()
    return facts.tables[0].declared_rows, [finding.kind for finding in facts.findings]


def test_rows_are_declared_by_the_statistics_first() -> None:
    control: dict[str, bytes | None] = {key: dfm(3) for key in DFMS}
    assert declared({}) == (None, [])
    assert declared({}, {("s", "t"): 7}) == (7, [])
    assert declared({}, {("s", "other"): 7}) == (None, [])
    assert declared(control) == (6, [])
    assert declared(control, {("s", "t"): 7}) == (7, [])
    assert declared(control, {("s", "t"): 0}) == (0, [])


def test_statistics_say_nothing_of_a_table_that_lies_in_two_roots() -> None:
    keys = [f"a/s/t/{LOAD}", f"b/s/t/{LOAD}", f"b/s/u/{LOAD}"]
    found = exports(DMS, keys, how=options(dms_rows={("s", "t"): 7, ("s", "u"): 8}))
    assert {name: facts.tables[0].declared_rows for name, facts in found.items()} == {
        "a/ load s.t": None,
        "b/ load s.t": None,
        "b/ load s.u": 8,
    }


def test_counts_beside_the_objects_are_added_only_if_every_object_has_one() -> None:
    assert declared({DFMS[0]: dfm(3)}) == (None, ["uncounted_objects"])
    assert declared({DFMS[0]: dfm(3), DFMS[1]: b"{"}) == (None, ["unreadable_object"])
    assert declared({DFMS[0]: dfm(3), DFMS[1]: None}) == (None, ["unreadable_object"])


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"[]", b"{}", dfm(None), dfm(-1), dfm("3"), dfm(1.5), dfm(True)),
        *(dfm(3, other={"recordCount": 3}), b"\xff\xfe", b'{"recordCount": NaN}'),
    ],
)
def test_content_of_a_sidecar_never_raises(content: bytes) -> None:
    assert declared({DFMS[0]: dfm(3), DFMS[1]: content}) == (None, ["unreadable_object"])


def test_counts_are_found_at_the_top_too_and_errors_are_told() -> None:
    flat = json.dumps({"recordCount": 4, "errorCount": 2}).encode()
    assert declared({DFMS[0]: dfm(3), DFMS[1]: flat}) == (7, ["skipped_by_export"])


def test_sidecars_of_partitions_count_for_their_table_and_go_with_it() -> None:
    keys = [f"s/t/{LOAD}", f"s/t/p1/{LOAD}"]
    control: dict[str, bytes | None] = {
        "s/t/LOAD00000001.dfm": dfm(1),
        "s/t/p1/LOAD00000001.dfm": dfm(2),
        "s/other/LOAD00000001.dfm": dfm(100),
        "elsewhere/LOAD00000001.dfm": dfm(100),
        "LOAD00000001.dfm": dfm(100),
        "export_info_x.json": b"{}",
    }
    (facts,) = exports(DMS, keys, control).values()
    assert facts.tables[0].declared_rows == 3
    assert facts.control == facts.tables[0].control == tuple(sorted(control)[i] for i in (-2, -1))


def test_sidecars_of_loads_are_fetched_and_those_of_changes_are_expected() -> None:
    control, markers = any_of(DMS.control), any_of(DMS.markers)
    for key in ("s/t/LOAD00000001.dfm", "LOAD_1_0000000A.dfm", "s/t/p/LOAD0000A.dfm"):
        assert re.search(control, key)
    for key in ("s/t/x.dfm", "s/t/LOAD00000001.csv", "s/t/20221023-013830913.dfm"):
        assert not re.search(control, key)
    assert re.search(markers, "s/t/20221023-013830913.dfm")


# --- doubt ----------------------------------------------------------------------------------------


def doubts(keys: list[str], folders: tuple[str, ...] = ()) -> list[str]:
    found = exports(DMS, keys, how=options(dms_folders=folders))
    told = [finding for facts in found.values() for finding in facts.findings]
    assert {finding.kind for finding in told} <= {"uncertain_layout"}
    return [finding.message for finding in told]


def test_a_layout_that_could_be_read_otherwise_is_told_once_a_root() -> None:
    keys = [f"{root}/public/{table}/{LOAD}" for root in "xy" for table in ("a", "b", "c")]
    told = doubts(keys)
    assert len(told) == 2
    assert told[0].startswith("3 tables below x/")
    assert "source.dms.folders" in told[0]


@pytest.mark.parametrize(
    ("more", "folders"),
    [
        ([], ("dms/",)),
        ([f"dms/public/other/{CHANGE}"], ()),
        ([f"dms/awsdms_status/{LOAD}"], ()),
    ],
)
def test_a_layout_that_something_shows_is_not_doubted(
    more: list[str], folders: tuple[str, ...]
) -> None:
    key = f"dms/public/orders/{LOAD}"
    assert len(doubts([key])) == 1
    assert doubts([key, *more], folders) == []


def test_a_layout_at_the_top_has_one_reading() -> None:
    assert doubts([f"public/orders/{LOAD}", f"public/customers/{LOAD}"]) == []
