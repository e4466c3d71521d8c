"""What a plan does with every object, and what it depends on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import make_exports
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listings import COLUMNS, NOW, detected, entry, inventory, part, sidecars

from compactor import choose, prices, scan
from compactor.config import parse_config
from compactor.detect import detect
from compactor.errors import ConfigError
from compactor.inventory import Detected
from compactor.model import DateStats, Plan, PlanTable, SourceColumn, to_json
from compactor.plan import PlanOptions, TableOptions, plan
from compactor.store import open_store

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
MIB = 1 << 20
ANY_ORDER = st.randoms(use_true_random=False)


def data(table: str, files: int = 1, root: str = "exp/") -> list[str]:
    return [f"{root}shop/{table}/1/{part(number)}" for number in range(files)]


def look(
    folder: Path, keys: Iterable[str] | dict[str, int], control: dict[str, bytes], **more: Any
) -> Detected:
    return detected(folder, inventory(folder, keys, control, **more))


def simple(folder: Path, tables: Sequence[str], **more: Any) -> Detected:
    keys = [key for name in tables for key in data(f"public.{name}")]
    return look(folder, keys, sidecars("exp", [entry(f"shop.public.{n}") for n in tables]), **more)


def by_name(made: Plan) -> dict[str, PlanTable]:
    return {table.table: table for table in made.tables}


def options(**changes: Any) -> PlanOptions:
    return PlanOptions(**changes)


# --- every object in one place --------------------------------------------------------------------


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    files=st.dictionaries(
        st.sampled_from(["orders", "orders_1", "orders_2", "users", "strange", "half"]),
        st.integers(0, 4),
    ),
    others=st.sets(
        st.sampled_from(
            [
                *("readme.md", "a/b/c/d.txt", "exp/shop/public.orders/1/_SUCCESS", "exp/x"),
                *(f"late/shop/public.t/{part()}", "exp/shop/public.users/1/_committed_1"),
                *("exp/shop/public.orders/1/y.parquet", "exp/shop/public.empty/_SUCCESS"),
            ]
        )
    ),
    order=ANY_ORDER,
)
def test_each_object_is_in_one_task_or_skipped_and_order_does_not_matter(
    tmp_path: Path, files: dict[str, int], others: set[str], order: random.Random
) -> None:
    keys = [key for name, count in files.items() for key in data(f"public.{name}", count)]
    keys += sorted(others)
    names = ["orders", "orders_1", "orders_2", "users", "empty"]
    entries = [entry(f"shop.public.{name}") for name in names]
    entries.append(entry("shop.public.half", status="FAILED"))
    control = sidecars("exp", entries)
    made = plan(look(tmp_path, keys, control), {}, options())
    in_tasks = sum(table.source_files for table in made.tables)
    assert in_tasks + sum(item.objects for item in made.skipped) == len(keys) + len(control)
    every_byte = 1000 * len(keys) + sum(map(len, control.values()))
    in_tasks = sum(table.source_bytes for table in made.tables)
    assert in_tasks + sum(item.bytes for item in made.skipped) == every_byte
    assert all(item.reason for item in made.skipped)
    places = [(item.source, item.key, item.reason) for item in made.skipped]
    assert len(set(places)) == len(places)
    order.shuffle(keys)
    again = plan(look(tmp_path, keys, control), {}, options())
    assert again == made


def test_skipped_objects_are_told_by_folder_or_by_key_where_there_is_just_one(
    tmp_path: Path,
) -> None:
    keys = [*data("public.orders"), "exp/shop/public.orders/1/_SUCCESS", "notes.txt"]
    keys += [f"other/things/{n}/{k}.bin" for n in range(3) for k in range(4)]
    keys += ["exp/shop/public.orders/1/_committed_1", "exp/shop/public.orders/1/_committed_2"]
    control = sidecars("exp", [entry("shop.public.orders")])
    made = plan(look(tmp_path, keys, control), {}, options())
    assert {(item.key, item.objects, item.reason) for item in made.skipped} == {
        ("exp/", 2, "describes export exp, archived with its tables"),
        ("exp/", 2, "left over from the exporting job, not part of the export"),
        ("exp/shop/public.orders/1/_SUCCESS", 1, "marker of a job or folder, holds no rows"),
        ("notes.txt", 1, "not recognised as part of an export"),
        ("other/things/", 12, "not recognised as part of an export"),
    }


def test_tables_that_cannot_be_taken_are_skipped_with_their_own_reason(tmp_path: Path) -> None:
    keys = [*data("public.orders"), *data("public.half", 3)]
    entries = [entry("shop.public.orders"), entry("shop.public.half", status="FAILED")]
    made = plan(look(tmp_path, keys, sidecars("exp", entries)), {}, options())
    assert [table.table for table in made.tables] == ["public.orders"]
    (half,) = [item for item in made.skipped if "half" in item.key]
    assert (half.key, half.objects, half.reason) == (
        *("exp/shop/public.half/", 3, "the export tool says FAILED"),
    )


def test_too_many_folders_are_told_by_coarser_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compactor import plan as plan_module

    monkeypatch.setattr(plan_module, "_MOST_SKIPPED", 10)
    keys = [f"a/tenant-{n}/x.bin" for n in range(40)] + [f"top-{n}.bin" for n in range(40)]
    made = plan(look(tmp_path, keys, {}), {}, options())
    assert [(item.key, item.objects) for item in made.skipped] == [("/", 80)]


def test_an_empty_table_is_a_task_without_objects(tmp_path: Path) -> None:
    found = look(
        tmp_path,
        ["exp/shop/public.orders/1/_SUCCESS"],
        sidecars("exp", [entry("shop.public.orders")]),
    )
    (table,) = plan(found, {}, options()).tables
    assert (table.action, table.source_files, table.grain) == ("compact", 0, "none")
    assert table.estimated_output_files == 1
    assert len(table.columns) == len(COLUMNS)


# --- what ids depend on ---------------------------------------------------------------------------


def test_the_same_plan_comes_from_the_same_listing(tmp_path: Path) -> None:
    one, other = (plan(simple(tmp_path, ["a", "b"]), {}, options()) for _ in range(2))
    assert one == other
    assert one.plan_id == Plan.model_validate_json(to_json(one)).plan_id
    assert len(one.plan_id) == 64
    assert all(len(table.task_id) == 16 for table in one.tables)


@pytest.mark.parametrize("what", ["size", "etag", "key", "more", "less"])
def test_any_change_of_an_object_changes_its_tables_task_and_no_other(
    tmp_path: Path, what: str
) -> None:
    control = sidecars("exp", [entry("shop.public.a"), entry("shop.public.b")])
    keys = dict.fromkeys([*data("public.a", 3), *data("public.b", 3)], 1000)
    before = by_name(plan(look(tmp_path, keys, control), {}, options()))
    changed, etags = dict(keys), {}
    first = data("public.a")[0]
    match what:
        case "size":
            changed[first] += 1
        case "etag":
            etags = {first: "another"}
        case "key":
            changed[first.replace("part-00000", "part-00009")] = changed.pop(first)
        case "more":
            changed[data("public.a", 4)[3]] = 1000
        case _:
            del changed[first]
    found = look(tmp_path, changed, control, etags=etags)
    after = by_name(plan(found, {}, options()))
    assert after["public.a"].objects_sha256 != before["public.a"].objects_sha256
    assert after["public.a"].task_id != before["public.a"].task_id
    assert after["public.b"] == before["public.b"]


def test_swapped_contents_of_two_objects_are_a_change(tmp_path: Path) -> None:
    control = sidecars("exp", [entry("shop.public.a")])
    one, two = data("public.a", 2)
    digests = {
        plan(look(tmp_path, [one, two], control, etags=etags), {}, options()).tables[0].task_id
        for etags in ({one: "x", two: "y"}, {one: "y", two: "x"})
    }
    assert len(digests) == 2


def test_key_and_size_cannot_run_into_each_other(tmp_path: Path) -> None:
    base = data("public.a")[0].removesuffix(".parquet")
    control = sidecars("exp", [entry("shop.public.a")])
    seen = {
        plan(look(tmp_path, {key: size}, control, etags={key: etag}), {}, options())
        .tables[0]
        .task_id
        for key, size, etag in [
            (f"{base}.parquet", 11, "1"),
            (f"{base}.parquet", 1, "11"),
            (f"{base}.parquet", 1, "1:1"),
            (f"{base}1.parquet", 1, "1"),
        ]
    }
    assert len(seen) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"target_bytes": 128 * MIB},
        {"timezone": "Europe/Berlin"},
        {"compression_level": 9},
        {"default": TableOptions(date_column="created_at")},
        {"default": TableOptions(grain="day")},
        {"default": TableOptions(on_lossy="fail")},
        {"default": TableOptions(sort_by=("label",))},
    ],
)
def test_every_option_that_shapes_the_output_changes_the_tasks(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    found = simple(tmp_path, ["orders"])
    before, after = (plan(found, {}, options(**given)) for given in ({}, changes))
    assert before.tables[0].task_id != after.tables[0].task_id
    assert before.plan_id != after.plan_id


def test_archive_settings_and_samples_leave_the_tasks_alone(tmp_path: Path) -> None:
    found = simple(tmp_path, ["orders"])
    before = plan(found, {}, options())
    archived = plan(found, {}, options(retain_months=84, storage_class="GLACIER_IR"))
    stats = DateStats(column="created_at", first_day="2026-01-01", last_day="2026-01-02")
    sampled = plan(found, {1: (stats,)}, options())
    assert before.tables[0].task_id == archived.tables[0].task_id == sampled.tables[0].task_id


def test_an_override_for_one_table_leaves_the_others_alone(tmp_path: Path) -> None:
    found = simple(tmp_path, ["a", "b"])
    before = by_name(plan(found, {}, options()))
    own = {"shop.public.a": TableOptions(grain="year")}
    after = by_name(plan(found, {}, options(tables=own)))
    assert after["public.a"].grain == "year"
    assert after["public.a"].task_id != before["public.a"].task_id
    assert after["public.b"] == before["public.b"]


def test_findings_have_no_part_in_the_plans_id(tmp_path: Path) -> None:
    found = inventory(tmp_path, [*data("public.a"), *data("public.t", root="late/")], {})
    early, late = (
        plan(detect(found, tmp_path, now), {}, options())
        for now in (NOW, datetime(2030, 1, 1, tzinfo=UTC))
    )
    assert early.findings != late.findings
    assert early.plan_id == late.plan_id


def test_one_export_in_two_sources_makes_two_tasks(tmp_path: Path) -> None:
    control = sidecars("exp", [entry("shop.public.a")])
    found = inventory(
        tmp_path, data("public.a"), control, more_sources=[(data("public.a"), control)]
    )
    first, second = plan(detected(tmp_path, found), {}, options()).tables
    assert (first.source, second.source) == (0, 1)
    assert first.task_id != second.task_id
    assert second.member_of == first.task_id


# --- what earlier runs have done ------------------------------------------------------------------


def test_what_is_done_stays_done_and_what_is_half_done_is_adopted(tmp_path: Path) -> None:
    found = simple(tmp_path, ["a", "b", "c"])
    first = by_name(plan(found, {}, options()))
    done, half = first["public.a"].task_id, first["public.b"].task_id
    again = plan(found, {}, options(), {done}, {half})
    assert {table.table: table.action for table in again.tables} == {
        "public.a": "done",
        "public.b": "adopt",
        "public.c": "compact",
    }
    assert again.estimate.source_files == 1
    nothing = plan(found, {}, options(), {table.task_id for table in again.tables})
    assert nothing.estimate.get_requests == nothing.estimate.put_requests == 0


# --- members --------------------------------------------------------------------------------------


def test_suspected_partitions_are_to_be_decided_with_their_parent(tmp_path: Path) -> None:
    made = by_name(plan(simple(tmp_path, ["orders", "orders_1", "orders_2"]), {}, options()))
    parent = made["public.orders"]
    assert (parent.action, parent.member_of) == ("compact", None)
    for name in ("public.orders_1", "public.orders_2"):
        assert (made[name].action, made[name].member_of) == ("decide", parent.task_id)
    assert [(m.table, m.relation, m.above, m.task_id) for m in parent.members] == [
        (name, "partition", None, made[name].task_id)
        for name in ("public.orders_1", "public.orders_2")
    ]


def test_partitions_of_partitions_say_what_is_above_them(tmp_path: Path) -> None:
    names = ["sales", "sales_2026", "sales_2026_eu", "sales_2025"]
    made = by_name(plan(simple(tmp_path, names), {}, options()))
    year = made["public.sales_2026"]
    assert {(m.table, m.above) for m in made["public.sales"].members} == {
        ("public.sales_2026", None),
        ("public.sales_2026_eu", year.task_id),
        ("public.sales_2025", None),
    }
    assert [m.table for m in year.members] == ["public.sales_2026_eu"]
    assert made["public.sales_2026_eu"].member_of == year.task_id


def test_members_that_are_done_stay_listed(tmp_path: Path) -> None:
    found = simple(tmp_path, ["orders", "orders_1"])
    first = by_name(plan(found, {}, options()))
    again = by_name(plan(found, {}, options(), {first["public.orders_1"].task_id}))
    assert again["public.orders_1"].action == "done"
    assert [m.table for m in again["public.orders"].members] == ["public.orders_1"]


def test_a_snapshot_delivered_twice_is_decided_against_the_first(tmp_path: Path) -> None:
    keys: list[str] = []
    control: dict[str, bytes] = {}
    for name in ("daily-1", "daily-2"):
        keys += data("public.a", root=f"{name}/") + data("public.a_1", root=f"{name}/")
        control |= sidecars(name, [entry("shop.public.a"), entry("shop.public.a_1")])
    made = plan(look(tmp_path, keys, control), {}, options())
    first = made.tables[0]
    again = made.tables[2]
    assert [(m.export_id, m.table, m.relation, m.above) for m in first.members] == [
        ("daily-1", "public.a_1", "partition", None),
        ("daily-2", "public.a", "same_snapshot", None),
        ("daily-2", "public.a_1", "partition", again.task_id),
    ]
    assert first.target == again.target


# --- date columns ---------------------------------------------------------------------------------


def column(
    *columns: tuple[str, str], stats: Sequence[DateStats] = (), configured: str = "auto"
) -> choose.Choice:
    declared = [SourceColumn(name=name, source_type=kind) for name, kind in columns]
    return choose.column(
        declared, stats, SNAPSHOT, configured, where="shop.public.t", must_exist=True
    )


MOMENT = "timestamp without time zone"


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (["updated_at", "created_at"], "created_at"),
        (["paid_at", "createdAt", "ship_on"], "createdAt"),
        (["birth_date", "order_date"], "order_date"),
        (["deleted_at", "event_time", "updated_at"], "event_time"),
        (["valid_from", "occurred_at"], "occurred_at"),
        (["expires_at", "ts"], "ts"),
        (["a", "some_date"], "some_date"),
        (["last_login_at", "inserted_at"], "inserted_at"),
        (["date_created", "modified_on"], "date_created"),
        (["updated_at"], "updated_at"),
        (["x", "y"], "x"),
        (["created_date", "created_at"], "created_date"),
        (["birth_date"], None),
        (["deleted_at", "expires_at", "valid_until"], None),
    ],
)
def test_the_column_that_says_when_a_row_was_made_is_chosen(
    names: list[str], best: str | None
) -> None:
    assert column(*((name, MOMENT) for name in names)).column == best


@pytest.mark.parametrize(
    "kind",
    [
        "date",
        "timestamp",
        MOMENT,
        "timestamp with time zone",
        "datetime",
        "DATETIME",
        "timestamp(6)",
    ],
)
def test_every_date_type_of_postgres_and_mysql_is_a_candidate(kind: str) -> None:
    assert column(("id", "bigint"), ("created", kind)).column == "created"


@pytest.mark.parametrize(
    "kind",
    ["time", "time with time zone", "interval", "year", "text", "bigint", "daterange", "ARRAY"],
)
def test_types_without_a_day_are_none(kind: str) -> None:
    choice = column(("created_at", kind))
    assert (choice.column, choice.reason) == (None, "no date column")


def test_values_weigh_more_than_a_name_where_they_speak_against_it() -> None:
    stats = [
        DateStats(column="created_at", null_share=1.0),
        DateStats(column="order_date", null_share=0.0),
    ]
    assert (
        column(("created_at", MOMENT), ("order_date", "date"), stats=stats).column == "order_date"
    )
    far = DateStats(column="event_at", first_day="1900-01-01", last_day="2999-12-31")
    near = DateStats(column="booked_at", first_day="2026-01-01", last_day="2026-10-06")
    chosen = column(("event_at", MOMENT), ("booked_at", MOMENT), stats=[far, near])
    assert chosen.column == "booked_at"


def test_equal_candidates_are_decided_by_position() -> None:
    assert column(("b_at", MOMENT), ("a_at", MOMENT)).column == "b_at"


def test_the_reason_is_one_sentence_with_name_type_values_and_rivals() -> None:
    stats = DateStats(
        column="created_at", null_share=0.25, first_day="2026-01-01", last_day="2026-10-05"
    )
    reason = column(("created_at", "date"), ("paid_at", MOMENT), stats=[stats]).reason
    assert reason == (
        "created_at (date): its name says when a row was made; 25% NULL in the sampled files; "
        "2026-01-01 to 2026-10-05 in the sampled files; chosen over paid_at"
    )


def test_a_table_without_declared_columns_is_dated_by_its_footers() -> None:
    stats = [
        DateStats(column="label", type="text", first_day="2026-01-01", last_day="2026-01-02"),
        DateStats(column="created_at", type="timestamp"),
    ]
    choice = choose.column([], stats, SNAPSHOT, "auto", where="t", must_exist=False)
    assert choice.column == "created_at"


def test_a_configured_column_is_taken_as_it_is() -> None:
    assert column(("x", "text"), ("created_at", "date"), configured="x").column == "x"
    assert column(("created_at", "date"), configured="none").column is None
    assert column(("none", "date"), configured="none").column == "none"


def test_a_configured_column_that_is_not_there_is_an_error_that_names_those_that_are(
    tmp_path: Path,
) -> None:
    own = {"shop.public.a": TableOptions(date_column="creatd_at", is_own_date_column=True)}
    with pytest.raises(ConfigError, match=r"no column 'creatd_at'.*id, label, created_at"):
        plan(simple(tmp_path, ["a", "b"]), {}, options(tables=own))


def test_a_column_configured_for_all_tables_is_chosen_where_it_exists(tmp_path: Path) -> None:
    entries = [entry("shop.public.a"), entry("shop.public.b", [("id", "int"), ("on_day", "date")])]
    found = look(tmp_path, [*data("public.a"), *data("public.b")], sidecars("exp", entries))
    default = TableOptions(date_column="on_day")
    made = by_name(plan(found, {}, options(default=default)))
    assert made["public.a"].partition_column == "created_at"
    assert made["public.b"].partition_column == "on_day"
    assert made["public.b"].partition_reason == "configured"


# --- grain ----------------------------------------------------------------------------------------


def grain(size: int, days: tuple[str, str] | None, configured: Any = "auto") -> choose.GrainChoice:
    stats = DateStats(column="at", first_day=days[0], last_day=days[1]) if days else None
    choice = choose.Choice(column="at", reason="", stats=stats)
    return choose.grain(choice, size, 256 * MIB, configured)


@pytest.mark.parametrize(
    ("size", "days", "expected", "files"),
    [
        (200 * MIB, ("2026-01-01", "2026-01-02"), "day", 2),
        (80 * MIB * 90, ("2026-07-03", "2026-09-30"), "day", 90),
        (79 * MIB * 90, ("2026-07-03", "2026-09-30"), "month", 24),
        (80 * MIB * 12, ("2025-11-01", "2026-10-31"), "month", 12),
        (79 * MIB * 12, ("2025-11-01", "2026-10-31"), "year", 4),
        (160 * MIB, ("2026-01-01", "2026-12-31"), "year", 1),
        (160 * MIB, ("2020-01-01", "2026-12-31"), "none", 1),
        (79 * MIB, ("2026-01-01", "2026-01-01"), "none", 1),
        (0, ("2026-01-01", "2026-01-01"), "none", 1),
        (1 << 40, ("2026-01-01", "2026-01-02"), "day", 3278),
    ],
)
def test_the_finest_grain_with_files_near_the_target_is_chosen(
    size: int, days: tuple[str, str], expected: str, files: int
) -> None:
    chosen = grain(size, days)
    assert (chosen.grain, chosen.files) == (expected, files)
    assert chosen.reason


def test_an_unknown_span_gives_months_for_large_tables_and_nothing_for_small_ones() -> None:
    assert grain(1 << 30, None).grain == "month"
    assert grain(1 << 20, None).grain == "none"


def test_a_configured_grain_is_taken_where_there_is_a_date_column() -> None:
    chosen = grain(100, ("2026-01-01", "2026-01-10"), "day")
    assert (chosen.grain, chosen.reason, chosen.files) == ("day", "configured", 10)
    nothing = choose.Choice(column=None, reason="")
    assert choose.grain(nothing, 100, 256 * MIB, "day").grain == "none"


def test_grain_none_keeps_the_date_column_to_sort_by_and_says_so(tmp_path: Path) -> None:
    (table,) = plan(simple(tmp_path, ["orders"]), {}, options()).tables
    assert (table.partition_column, table.grain) == ("created_at", "none")
    assert "sorted by created_at" in table.grain_reason


# --- sort keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ([("a", "text"), ("id", "uuid")], ("id",)),
        ([("order_id", "bigint"), ("a", "text")], ("order_id",)),
        ([("orderId", "integer")], ("orderId",)),
        ([("a", "text"), ("order_id", "bigint")], ()),
        ([("paid", "boolean")], ()),
        ([], ()),
    ],
)
def test_rows_of_a_day_are_sorted_by_what_looks_like_a_key(
    columns: list[tuple[str, str]], key: tuple[str, ...]
) -> None:
    declared = [SourceColumn(name=name, source_type=kind) for name, kind in columns]
    assert choose.sort_key(declared, None, "created_at", where="t") == key


def test_configured_sort_columns_are_taken_or_refused_by_name() -> None:
    declared = [SourceColumn(name="id"), SourceColumn(name="label")]
    assert choose.sort_key(declared, ("label", "id"), None, where="t") == ("label", "id")
    assert choose.sort_key(declared, (), None, where="t") == ()
    with pytest.raises(ConfigError, match=r"'labl'.*id, label"):
        choose.sort_key(declared, ("labl",), None, where="t")


# --- options --------------------------------------------------------------------------------------


def test_options_come_from_the_configuration() -> None:
    config = parse_config(
        {
            "source": {"urls": ["s3://a/"]},
            "lake": {"url": "s3://b/"},
            "archive": {"url": "s3://c/", "retain": "18mo", "storage_class": "GLACIER_IR"},
            "compact": {
                "target_file_size": "128MiB",
                "grain": "month",
                "timezone": "Europe/Berlin",
            },
            "tables": {"shop.public.a": {"date_column": "x", "sort_by": ["y"]}},
        }
    )
    made = PlanOptions.from_config(config)
    assert (made.target_bytes, made.timezone) == (128 * MIB, "Europe/Berlin")
    assert (made.retain_months, made.storage_class) == (18.0, "GLACIER_IR")
    own = made.of("shop", "public.a")
    assert (own.date_column, own.is_own_date_column, own.sort_by) == ("x", True, ("y",))
    assert own.grain == made.of("shop", "public.b").grain == "month"
    assert not made.of("shop", "public.b").is_own_date_column


# --- estimates ------------------------------------------------------------------------------------


def test_requests_and_costs_add_up(tmp_path: Path) -> None:
    keys = dict.fromkeys(data("public.orders", 1500), MIB)
    found = look(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    plain = plan(found, {}, options()).estimate
    assert (plain.source_files, plain.source_bytes) == (1500, 1500 * MIB)
    assert plain.output_files == 5
    assert (plain.get_requests, plain.put_requests, plain.list_requests) == (1505, 5, 2)
    assert plain.request_cost_usd == pytest.approx(1505 * 4e-7 + 7 * 5e-6, abs=1e-6)
    assert plain.storage_cost_usd_month == pytest.approx(1200 / 1024 * 0.023, abs=1e-6)
    assert plain.archive_cost_usd_retention is None
    assert "2026-11-21" in plain.prices
    assert "list prices" in plain.prices
    archived = plan(found, {}, options(retain_months=84, storage_class="GLACIER_IR")).estimate
    assert archived.put_requests == 10
    assert archived.archive_cost_usd_retention == pytest.approx(1200 / 1024 * 0.004 * 84, abs=1e-5)


def test_tables_to_be_decided_are_read_but_not_counted_as_written(tmp_path: Path) -> None:
    estimate = plan(simple(tmp_path, ["orders", "orders_1"]), {}, options()).estimate
    assert (estimate.source_files, estimate.output_files) == (2, 1)


def test_small_objects_in_cold_classes_are_billed_as_128_kib() -> None:
    assert prices.storage_usd_month(10, 8192, "GLACIER_IR") == pytest.approx(0.004)
    assert prices.storage_usd_month(10, 8192, "STANDARD_IA") == pytest.approx(0.0125)
    assert prices.storage_usd_month(1 << 30, 1, "STANDARD") == pytest.approx(0.023)
    assert prices.storage_usd_month(1, 1, "DEEP_ARCHIVE") is None


def test_athena_bills_at_least_ten_megabytes() -> None:
    assert prices.athena_scan_usd(1) == pytest.approx(5e-5)
    assert prices.athena_scan_usd(10**12) == pytest.approx(5.0)


# --- size and the samples -------------------------------------------------------------------------


def test_two_hundred_thousand_objects_take_seconds(tmp_path: Path) -> None:
    keys = [
        f"exp/shop/public.orders/{number % 500}/part-{number:06d}-x.gz.parquet"
        for number in range(200_000)
    ]
    found = inventory(tmp_path, keys, sidecars("exp", [entry("shop.public.orders")]))
    start = time.perf_counter()
    seen = detect(found, tmp_path, NOW)
    middle = time.perf_counter()
    made = plan(seen, {}, options())
    end = time.perf_counter()
    print(f"200,000 objects: detected in {middle - start:.1f} s, planned in {end - middle:.1f} s")
    assert made.tables[0].source_files == 200_000


def test_every_sample_export_is_accounted_for_to_the_object(tmp_path: Path) -> None:
    place, scratch = tmp_path / "source", tmp_path / "scratch"
    place.mkdir()
    scratch.mkdir()
    for number, write in enumerate(
        [
            *(make_exports.edge_tables, make_exports.inconsistent, make_exports.mixed_layouts),
            *(make_exports.hostile_names, make_exports.stray_objects, make_exports.failed),
            *(make_exports.in_progress, make_exports.colliding_folders, make_exports.old_export),
        ]
    ):
        folder = place / f"folder {number}"
        folder.mkdir()
        write(folder)
    stores = [open_store(str(place))]
    found = scan.scan(stores, scratch)
    seen = detect(found, scratch, NOW)
    tables = [t.table_no for e in seen.exports for t in e.tables if t.can_be_taken]
    samples = scan.sample(stores, seen.assigned, tables)
    made = plan(seen, samples, options())
    files = sum(1 for path in place.rglob("*") if path.is_file())
    in_tasks = sum(table.source_files for table in made.tables)
    assert in_tasks + sum(item.objects for item in made.skipped) == files == found.objects
    assert Plan.model_validate_json(to_json(made)) == made
    undated = by_name(made)["public.undated"]
    assert undated.partition_column == "created_at"
