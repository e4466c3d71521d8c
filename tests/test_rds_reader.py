"""What RDS sidecars are understood to say, and that none of them can break a scan."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listings import COLUMNS, entry, info, sidecars

from compactor.readers.interface import ExportFacts
from compactor.readers.rds import RDS, describe, places
from compactor.readers.sidecar import Unusable, load_object, moment, warnings

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)


def one(control: dict[str, bytes | None] | dict[str, bytes]) -> ExportFacts:
    (facts,) = describe(dict(control))
    return facts


def kinds(facts: ExportFacts) -> list[str]:
    return [finding.kind for finding in facts.findings]


# --- moments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Oct 6, 2026, 3:47:12 AM",
        "Oct 6, 2026, 3:47:12\u202fAM",
        "Oct 6, 2026 3:47:12 AM",
        "oct 6, 2026, 03:47:12 am",
        "Oct 6, 2026, 3:47:12 AM UTC",
        "2026-10-06T03:47:12Z",
        "2026-10-06T03:47:12.000Z",
        "2026-10-06 03:47:12",
        "2026-10-06T05:47:12+02:00",
    ],
)
def test_a_moment_is_understood_in_every_spelling_that_exports_use(text: str) -> None:
    assert moment(text) == SNAPSHOT
    assert moment(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "hour"),
    [("12:00:00 AM", 0), ("12:00:00 PM", 12), ("1:00:00 PM", 13), ("23:00:00", 23)],
)
def test_twelve_oclock_is_midnight_in_the_morning_and_noon_after_it(text: str, hour: int) -> None:
    assert moment(f"Feb 29, 2024, {text}") == datetime(2024, 2, 29, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Feb 30, 2026, 1:00:00 AM",
        "Okt 6, 2026, 3:47:12 AM",
        "0001-01-01T00:00+23:59",
        "Oct 6, 2026, 13:00:00 PM",
        "Oct 6, 2026, 0:00:00 AM",
        "1791258432",
        "٢٠٢٦-10-06",
    ],
)
def test_what_is_no_moment_is_refused_in_words(text: str) -> None:
    with pytest.raises(Unusable, match="is not a moment such as"):
        moment(text)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001
def test_every_second_survives_javas_spelling_and_iso(when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][
        when.month - 1
    ]
    clock = f"{when.hour % 12 or 12}:{when:%M:%S}\u202f{'PM' if when.hour >= 12 else 'AM'}"
    assert moment(f"{month} {when.day}, {when.year:04d}, {clock}") == when
    east = timezone(timedelta(hours=5, minutes=30))
    if when.year < 9999:
        assert moment(when.astimezone(east).isoformat()) == when


# --- names ----------------------------------------------------------------------------------------


def test_a_postgres_target_lies_in_the_folder_of_its_schema_and_table() -> None:
    first = places("shop.public.orders")[0]
    assert (first.folder, first.database, first.table) == (
        *("shop/public.orders/", "shop", "public.orders"),
    )


def test_a_mysql_target_lies_in_a_folder_that_repeats_its_database() -> None:
    (place,) = places("shop.orders")
    assert (place.folder, place.database, place.table) == (
        *("shop/shop.orders/", "shop", "shop.orders"),
    )


def test_a_mysql_target_of_three_parts_is_understood_like_a_postgres_one() -> None:
    assert places("shop.shop.orders")[0].folder == "shop/shop.orders/"


def test_names_with_dots_offer_every_split() -> None:
    folders = [place.folder for place in places("my.db.my.schema.my.table")]
    assert "my.db/my.schema.my.table/" in folders
    assert "my/db.my.schema.my.table/" in folders
    assert "my.db/my.db.orders/" in [place.folder for place in places("my.db.orders")]


def test_characters_that_the_exporter_changes_are_changed_in_folders_not_in_names() -> None:
    first = places('shop.public.a b\\c"d`e')[0]
    assert first.folder == "shop/public.a_b_c_d_e/"
    assert first.table == 'public.a b\\c"d`e'


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("shop/public.orders/", ("shop", "public.orders")),
        ("shop/public.orders/1/", ("shop", "public.orders")),
        ("shop/public.orders/a/b/c/", ("shop", "public.orders")),
        ("shop/my.schema.orders/1/", ("shop", "my.schema.orders")),
        ("shop/orders/1/", None),
        ("shop/", None),
        ("", None),
    ],
)
def test_a_tables_folder_is_the_first_two_levels_below_the_export(
    folder: str, names: tuple[str, str] | None
) -> None:
    match = re.match(RDS.table_folder, folder)
    assert (match.groups() if match else None) == names


# --- exports --------------------------------------------------------------------------------------


def test_a_complete_export_says_its_tables_columns_and_moment() -> None:
    facts = one(sidecars("exp", [entry("shop.public.orders")]))
    assert (facts.status, facts.snapshot, facts.export_id) == ("complete", SNAPSHOT, "exp")
    assert facts.root == "exp/"
    assert facts.origin.startswith("arn:aws:rds:")
    (table,) = facts.tables
    assert [(column.name, column.source_type) for column in table.columns] == list(COLUMNS)
    assert table.source_bytes == 1 << 29
    assert table.control == (
        "exp/export_info_exp.json",
        "exp/export_tables_info_exp_from_1_to_1.json",
    )
    assert facts.findings == ()


def test_columns_come_in_ordinal_order_and_keep_precision() -> None:
    mappings = [
        {"columnName": "b", "originalType": "character varying", "expectedExportedType": "x"}
        | {"originalCharMaxLength": 32, "originalNumPrecision": 0, "ordinalPosition": 2},
        {"columnName": "a", "originalType": "bigint", "expectedExportedType": "int64"}
        | {"originalCharMaxLength": 0, "originalNumPrecision": 64, "ordinalPosition": 1},
    ]
    facts = one(sidecars("e", [entry("d.s.t", schemaMetadata={"originalTypeMappings": mappings})]))
    columns = facts.tables[0].columns
    assert [(c.name, c.precision, c.char_length) for c in columns] == [("a", 64, 0), ("b", 0, 32)]


def test_tables_with_the_same_columns_share_one_value() -> None:
    facts = one(sidecars("e", [entry(f"d.s.t_{n}") for n in range(3)]))
    assert len({id(table.columns) for table in facts.tables}) == 1


def test_an_export_is_anchored_where_its_sidecar_lies_whatever_that_says() -> None:
    control = sidecars(
        *("exp", [entry("shop.public.orders")]),
        root="backup/2026/exp-copy/",
        s3Bucket="elsewhere",
        exportedFilesPath="other/exp",
    )
    assert one(control).root == "backup/2026/exp-copy/"


def test_sidecars_at_the_top_of_a_source_make_it_the_export() -> None:
    assert one(sidecars("exp", [entry("shop.public.orders")], root="")).root == ""


def test_a_cluster_export_has_no_snapshot_and_shows_the_moment_its_task_started() -> None:
    facts = one(sidecars("exp", [entry("shop.public.orders")], snapshotTime=None))
    assert (facts.status, facts.snapshot) == (
        "complete",
        datetime(2026, 10, 6, 19, 35, 27, tzinfo=UTC),
    )


@pytest.mark.parametrize("changes", [{"snapshotTime": "soon"}, {"snapshotTime": 5}])
def test_an_export_without_a_usable_moment_is_not_taken(changes: dict[str, Any]) -> None:
    facts = one(sidecars("exp", [entry("shop.public.orders")], **changes))
    assert facts.status == "unknown"
    assert kinds(facts) == ["unreadable_object"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("COMPLETE", "complete"),
        ("complete", "complete"),
        ("FAILED", "failed"),
        ("CANCELED", "failed"),
        ("STARTING", "in_progress"),
        ("IN_PROGRESS", "in_progress"),
        ("CANCELING", "in_progress"),
        ("SOMETHING_NEW", "unknown"),
        (None, "unknown"),
    ],
)
def test_only_complete_is_complete(status: str | None, expected: str) -> None:
    assert one(sidecars("exp", [], status=status)).status == expected


def test_a_failed_export_says_why() -> None:
    facts = one(sidecars("exp", [], status="FAILED", failureCause="no permission on the bucket"))
    assert facts.reason == "the export task is FAILED: no permission on the bucket"


def test_tables_without_export_info_are_still_being_written() -> None:
    control = sidecars("exp", [entry("shop.public.orders")])
    del control["exp/export_info_exp.json"]
    assert one(control).status == "in_progress"


def test_two_exports_in_one_folder_are_not_guessed_apart() -> None:
    control = sidecars("one", [entry("shop.public.a")], root="x/")
    control |= sidecars("two", [entry("shop.public.b")], root="x/")
    facts = one(control)
    assert facts.status == "unknown"
    assert "one, two" in facts.reason


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "complete"),
        ({"status": None}, "complete"),
        ({"status": "FAILED"}, "failed"),
        ({"status": "CANCELED"}, "failed"),
        ({"status": "IN_PROGRESS"}, "incomplete"),
        ({"tableStatistics": {}}, "complete"),
        (
            {
                "tableStatistics": {
                    "partitioningInfo": {"numberOfPartitions": 5, "numberOfCompletedPartitions": 4}
                }
            },
            "incomplete",
        ),
    ],
)
def test_a_table_is_complete_only_with_all_its_ranges(changes: dict[str, Any], status: str) -> None:
    (table,) = one(sidecars("exp", [entry("shop.public.orders", **changes)])).tables
    assert table.status == status
    assert bool(table.reason) == (status != "complete")


def test_missing_ranges_are_counted_out() -> None:
    ranges = {"numberOfPartitions": 5, "numberOfCompletedPartitions": 4}
    changed = entry("d.s.t", tableStatistics={"partitioningInfo": ranges})
    assert one(sidecars("e", [changed])).tables[0].reason == "only 4 of its 5 ranges were exported"


@pytest.mark.parametrize("lost", ["_from_1_to_2.json", "_from_3_to_4.json"])
def test_a_lost_file_of_entries_is_noticed(lost: str) -> None:
    control = sidecars("exp", [entry(f"d.s.t{n}") for n in range(6)], per_file=2)
    facts = one({key: content for key, content in control.items() if not key.endswith(lost)})
    assert kinds(facts) == ["incomplete_export"]
    assert not facts.is_whole
    assert len(facts.tables) == 4


def test_a_single_lost_entry_is_noticed_and_overlapping_files_are_not_a_gap() -> None:
    control = sidecars("exp", [entry(f"d.s.t{n}") for n in range(3)], per_file=1)
    two = "exp/export_tables_info_exp_from_2_to_2.json"
    assert kinds(one(control)) == []
    assert (
        "entries 2 to 2" in one({k: v for k, v in control.items() if k != two}).findings[0].message
    )
    again = json.dumps({"perTableStatus": [entry("d.s.t0"), entry("d.s.t1")]}).encode()
    control["exp/export_tables_info_exp_from_1_to_2.json"] = again
    assert kinds(one(control)) == []


def test_an_export_without_any_entries_file_is_noticed() -> None:
    facts = one(sidecars("exp", []))
    assert kinds(facts) == ["incomplete_export"]


def test_a_file_with_fewer_entries_than_its_name_says_is_noticed() -> None:
    control = sidecars("exp", [entry("d.s.a"), entry("d.s.b")])
    name = "exp/export_tables_info_exp_from_1_to_2.json"
    control[name] = json.dumps({"perTableStatus": [entry("d.s.a")]}).encode()
    facts = one(control)
    assert kinds(facts) == ["unreadable_object"]
    assert "holds 1 entries, its name says 2" in facts.findings[0].message


def test_a_table_listed_twice_counts_with_its_worse_entry() -> None:
    entries = [entry("d.s.a", status="FAILED"), entry("d.s.a")]
    for order in (entries, entries[::-1]):
        (table,) = one(sidecars("exp", order)).tables
        assert table.status == "failed"


# --- what the exporter left out -------------------------------------------------------------------


def test_an_empty_database_is_no_problem() -> None:
    skipped = {
        "target": "postgres",
        "warningMessage": {"skippedDatabase": [{"reason": "DATABASE_IS_EMPTY"}]},
    }
    facts = one(sidecars("exp", [skipped, entry("d.s.a")]))
    (finding,) = facts.findings
    assert (finding.kind, finding.severity) == ("skipped_by_export", "info")
    assert [table.target for table in facts.tables] == ["d.s.a"]


def test_a_skipped_table_is_a_warning_and_a_table_that_cannot_be_taken() -> None:
    skipped = {
        "target": "d.s.secret",
        "warningMessage": {"skippedTables": [{"reason": "PERMISSIONS_DO_NOT_EXIST"}]},
    }
    facts = one(sidecars("exp", [skipped]))
    (finding,) = facts.findings
    assert (finding.kind, finding.severity, finding.table) == (
        *("skipped_by_export", "warning", "d.s.secret"),
    )
    assert "PERMISSIONS_DO_NOT_EXIST" in finding.message
    assert [(table.target, table.status) for table in facts.tables] == [("d.s.secret", "skipped")]


def test_a_skipped_database_is_a_warning_that_names_it() -> None:
    reason = "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE"
    message = json.dumps({"skippedTables": [], "general": [{"reason": reason}]})
    facts = one(sidecars("exp", [{"target": "crm", "warningMessage": message}]))
    (finding,) = facts.findings
    assert finding.severity == "warning"
    assert "crm" in finding.message
    assert reason in finding.message
    assert facts.tables == ()


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (None, []),
        ("", []),
        ({}, []),
        ({"general": []}, []),
        ("plain words", [("general", "plain words")]),
        ('"quoted"', [("general", "quoted")]),
        (["a"], [("general", "a")]),
        ({"skippedTables": "t"}, [("skippedTables", "t")]),
        (
            {"skippedTables": [{"reason": "R", "tableName": "t"}]},
            [("skippedTables", "R tableName t")],
        ),
        (5, []),
    ],
)
def test_warnings_are_read_as_objects_and_as_text(
    message: object, expected: list[tuple[str, str]]
) -> None:
    assert list(warnings(message)) == expected


def test_a_warning_of_the_whole_export_is_told() -> None:
    facts = one(sidecars("exp", [entry("d.s.a")], warningMessage='{"general":[{"reason":"HMM"}]}'))
    assert kinds(facts) == ["skipped_by_export"]


# --- engines --------------------------------------------------------------------------------------


def test_mysql_gives_partitions_no_folders_and_postgres_does() -> None:
    mysql = [("id", "int"), ("at", "datetime")]
    assert not one(sidecars("e", [entry("shop.orders", mysql)])).has_partition_folders
    assert not one(sidecars("e", [entry("shop.shop.orders", mysql)])).has_partition_folders
    assert one(sidecars("e", [entry("shop.public.orders")])).has_partition_folders
    assert one(sidecars("e", [entry("shop.public.orders", mysql)])).has_partition_folders


# --- hostile sidecars -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  ",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b"<html>not found</html>",
        None,
    ],
)
@pytest.mark.parametrize(
    "name", ["export_info_exp.json", "export_tables_info_exp_from_1_to_1.json"]
)
def test_a_broken_sidecar_becomes_a_finding_that_names_it(name: str, content: bytes | None) -> None:
    control: dict[str, bytes | None] = {**sidecars("exp", [entry("shop.public.orders")])}
    control[f"exp/{name}"] = content
    facts = one(control)
    assert "unreadable_object" in kinds(facts)
    assert f"exp/{name}" in facts.findings[0].message
    assert not facts.is_whole
    if name.startswith("export_info"):
        assert facts.status == "unknown"


def test_one_broken_entry_does_not_hide_the_others() -> None:
    bad = entry("d.s.bad", schemaMetadata={"originalTypeMappings": [{"columnName": 5}]})
    facts = one(sidecars("exp", [entry("d.s.good"), bad, {"target": 7}, None, "text"]))
    assert {table.target: table.status for table in facts.tables} == {
        "d.s.good": "complete",
        "d.s.bad": "incomplete",
    }
    assert kinds(facts) == ["unreadable_object"] * 4


def test_half_a_surrogate_pair_in_a_name_does_not_reach_the_rest() -> None:
    broken = json.dumps({"perTableStatus": [entry("d.s.\ud800")]}).encode()
    control = sidecars("exp", [entry("d.s.t")])
    control["exp/export_tables_info_exp_from_1_to_1.json"] = broken
    facts = one(control)
    assert facts.tables == ()
    assert kinds(facts) == ["unreadable_object"]


def test_a_byte_order_mark_is_no_problem() -> None:
    assert load_object(b"\xef\xbb\xbf" + json.dumps(info("e")).encode())["status"] == "COMPLETE"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = sorted({*info("e"), *entry("d.s.t"), "warningMessage", "failureCause", "perTableStatus"})


@settings(max_examples=300)
@given(
    changes=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    in_entry=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4),
    mapping=JSON,
    statistics=JSON,
)
def test_no_content_of_a_sidecar_raises_and_every_text_can_be_stored(
    changes: dict[str, Any], in_entry: dict[str, Any], mapping: Any, statistics: Any
) -> None:
    entries = [
        entry("d.s.a") | in_entry,
        entry("d.s.b", schemaMetadata={"originalTypeMappings": [mapping]}),
        entry("d.s.c", tableStatistics={"partitioningInfo": statistics}),
        entry("d.s.d", schemaMetadata={"originalTypeMappings": mapping}),
    ]
    control = sidecars("exp", entries)
    control["exp/export_info_exp.json"] = json.dumps(info("exp") | changes).encode()
    for facts in describe(dict(control)):
        for finding in facts.findings:
            finding.model_dump_json()
        for table in facts.tables:
            assert table.places
            "".join([table.target, table.reason, *(c.name for c in table.columns)]).encode()


@given(st.dictionaries(st.sampled_from(["info", "tables"]), st.binary(max_size=60)))
def test_arbitrary_bytes_are_no_reason_to_stop(contents: dict[str, bytes]) -> None:
    names = {"info": "e/export_info_e.json", "tables": "e/export_tables_info_e_from_1_to_1.json"}
    found = list(describe({names[name]: content for name, content in contents.items()}))
    assert len(found) == (1 if contents else 0)
    assert all(export.status != "complete" and not export.tables for export in found)
