"""What DynamoDB sidecars are understood to say, and that none of them can break a scan."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compactor.readers.dynamodb import DYNAMODB, describe
from compactor.readers.interface import OBJECTS_SCHEMA, ExportFacts, any_of
from compactor.readers.windows import chain_findings
from compactor.sample_exports import CartsSize, DynamoDbExport, write_carts

FULL_ID = "01768385930622-efd1a093"
CHANGES_ID = "01768386924000-d339e52d"
ARN = "arn:aws:dynamodb:eu-north-1:111122223333:table/test"
EMPTY = "FjvgqIxwymKf1RbbqtrZag=="
SAMPLES = os.environ.get("COMPACTOR_SAMPLES", "")
Control = dict[str, bytes | None]


def name(number: int, kind: str = "json") -> str:
    return f"{'abcdefghijklmnopqrstuvwxyz'[number]}{'2' * 25}.{kind}.gz"


def md5(content: bytes) -> str:
    return b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def line(key: str, items: int = 0, **changes: Any) -> dict[str, Any]:
    found = {"itemCount": items, "md5Checksum": EMPTY, "etag": "7deb40-1", "dataFileS3Key": key}
    return {name: value for name, value in (found | changes).items() if value is not None}


def full_summary(**changes: Any) -> dict[str, Any]:
    """Return the summary of a full export as real ones are; a change to None removes the field."""
    found: dict[str, Any] = {
        "version": "2020-06-30",
        "exportArn": f"{ARN}/export/{FULL_ID}",
        "startTime": "2026-01-14T10:18:50.622Z",
        "endTime": "2026-01-14T10:24:58.984Z",
        "tableArn": ARN,
        "tableId": "cf263806-6bf1-4e51-a242-7067dcdecc72",
        "exportTime": "2026-01-14T10:18:50.622Z",
        "s3Bucket": "elsewhere",
        "s3Prefix": None,
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"AWSDynamoDB/{FULL_ID}/manifest-files.json",
        "billedSizeBytes": 0,
        "itemCount": 3,
        "outputFormat": "DYNAMODB_JSON",
    }
    removed = {key for key, value in changes.items() if value is None}
    return {key: value for key, value in (found | changes).items() if key not in removed}


def changes_summary(**changes: Any) -> dict[str, Any]:
    window = {
        "version": "2023-08-01",
        "exportArn": f"{ARN}/export/{CHANGES_ID}",
        "exportTime": None,
        "exportFromTime": "2026-01-14T10:20:00.000Z",
        "exportToTime": "2026-01-14T10:35:00.000Z",
        "manifestFilesS3Key": f"AWSDynamoDB/{CHANGES_ID}/manifest-files.json",
        "billedSizeBytes": 10_000_000,
        "outputView": "NEW_AND_OLD_IMAGES",
        "exportType": "INCREMENTAL_EXPORT",
    }
    return full_summary(**(window | changes))


def sidecars(
    summary: Mapping[str, Any] | bytes,
    lines: list[Any] | bytes,
    *,
    prefix: str = "",
    export_id: str = FULL_ID,
    suffix: str = "md5",
) -> Control:
    """Return all sidecars of an export, with checksums that match."""
    root = f"{prefix}AWSDynamoDB/{export_id}"
    first = summary if isinstance(summary, bytes) else json.dumps(summary).encode()
    listed = "".join(f"{json.dumps(one)}\n" for one in lines) if isinstance(lines, list) else lines
    second = listed if isinstance(listed, bytes) else listed.encode()
    return {
        f"{root}/_started": b"",
        f"{root}/manifest-files.json": second,
        f"{root}/manifest-files.{suffix}": md5(second).encode(),
        f"{root}/manifest-summary.json": first,
        f"{root}/manifest-summary.{suffix}": md5(first).encode(),
    }


def full(prefix: str = "", **changes: Any) -> Control:
    """Return the sidecars of the smallest full export: one file with items, one without."""
    folder = f"AWSDynamoDB/{FULL_ID}/data"
    lines = [line(f"{folder}/{name(0)}"), line(f"{folder}/{name(1)}", 3)]
    return sidecars(full_summary(**changes), lines, prefix=prefix)


def changed(prefix: str = "", **changes: Any) -> Control:
    lines = [line(f"AWSDynamoDB/data/{name(2)}", 1), line(f"AWSDynamoDB/data/{name(3)}", 2)]
    return sidecars(changes_summary(**changes), lines, prefix=prefix, export_id=CHANGES_ID)


def listing(*lines: Any, **summary: Any) -> ExportFacts:
    """Return the facts of a full export whose manifest has these lines."""
    return one(sidecars(full_summary(**summary), list(lines)))


def one(control: Control) -> ExportFacts:
    (facts,) = describe(control)
    return facts


def kinds(facts: ExportFacts) -> list[tuple[str, str]]:
    return [(finding.kind, finding.severity) for finding in facts.findings]


def keys(facts: ExportFacts) -> list[str]:
    (table,) = facts.tables
    assert table.objects is not None
    assert table.objects.schema == OBJECTS_SCHEMA
    return table.objects["key"].to_pylist()


# --- what an export says --------------------------------------------------------------------------


def test_a_full_export_says_its_table_moment_and_objects() -> None:
    facts = one(full())
    (table,) = facts.tables
    assert (facts.export_id, facts.status) == (FULL_ID, "complete")
    assert facts.root == f"AWSDynamoDB/{FULL_ID}/"
    assert facts.snapshot == datetime(2026, 1, 14, 10, 18, 50, 622_000, tzinfo=UTC)
    assert (facts.since, facts.origin) == (None, ARN)
    assert facts.is_whole
    assert not facts.has_partition_folders
    assert facts.findings == ()
    (place,) = table.places
    assert (place.database, place.table, place.folder) == ("dynamodb", "test", "data/")
    assert (table.status, table.declared_rows, table.date_column) == ("complete", 3, None)
    assert (table.format, table.view) == ("dynamodb_json", "")
    folder = f"AWSDynamoDB/{FULL_ID}/data"
    assert table.objects is not None
    assert table.objects.to_pylist() == [
        {"key": f"{folder}/{name(0)}", "rows": 0}
        | {"md5": "163be0a88c70ca629fd516dbaadad96a", "etag": "7deb40-1"},
        {"key": f"{folder}/{name(1)}", "rows": 3}
        | {"md5": "163be0a88c70ca629fd516dbaadad96a", "etag": "7deb40-1"},
    ]


def test_an_incremental_export_is_a_table_of_changes_in_the_shared_folder() -> None:
    facts = one(changed("backup/"))
    (table,) = facts.tables
    (place,) = table.places
    assert facts.root == f"backup/AWSDynamoDB/{CHANGES_ID}/"
    assert facts.since == datetime(2026, 1, 14, 10, 20, tzinfo=UTC)
    assert facts.snapshot == datetime(2026, 1, 14, 10, 35, tzinfo=UTC)
    assert (place.database, place.table) == ("dynamodb_changes", "test")
    assert (table.format, table.view) == ("dynamodb_json_changes", "NEW_AND_OLD_IMAGES")
    assert (table.date_column, table.declared_rows) == ("write_time", 3)
    assert keys(facts) == [f"backup/AWSDynamoDB/data/{name(n)}" for n in (2, 3)]


def test_every_sidecar_goes_with_the_table() -> None:
    facts = one(full())
    assert sorted(facts.control) == sorted(full())
    assert facts.tables[0].control == facts.control


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "dynamodb_json"),
        ({"exportType": "FULL_EXPORT"}, "dynamodb_json"),
        ({"outputFormat": "ION"}, "dynamodb_ion"),
    ],
)
def test_a_full_exports_format_follows_from_output_format(
    changes: dict[str, Any], expected: str
) -> None:
    kind = "ion" if changes.get("outputFormat") == "ION" else "json"
    facts = listing(line(f"AWSDynamoDB/{FULL_ID}/data/{name(0, kind)}", 3), **changes)
    assert (facts.tables[0].format, facts.tables[0].status) == (expected, "complete")


def test_changes_in_ion_have_a_format_of_their_own() -> None:
    lines = [line(f"AWSDynamoDB/data/{name(0, 'ion')}", 3)]
    facts = one(sidecars(changes_summary(outputFormat="ION"), lines, export_id=CHANGES_ID))
    assert (facts.tables[0].format, facts.tables[0].status) == ("dynamodb_ion_changes", "complete")


@pytest.mark.parametrize(
    ("said", "view"),
    [
        ("NEW_AND_OLD_IMAGES", "NEW_AND_OLD_IMAGES"),
        ("NEW_IMAGE", "NEW_IMAGE"),
        ("NEW_IMAGES", "NEW_IMAGE"),
        (None, "NEW_AND_OLD_IMAGES"),
    ],
)
def test_the_view_is_told_in_one_spelling_and_has_the_services_default(
    said: str | None, view: str
) -> None:
    assert one(changed(outputView=said)).tables[0].view == view


@pytest.mark.parametrize("table", ["abc", "a.b-c_D.9", "...", "T" * 255, "dt.2026-01-01"])
def test_every_legal_name_is_a_tables_name(table: str) -> None:
    facts = one(full(tableArn=f"arn:aws-us-gov:dynamodb:us-gov-east-1:1:table/{table}"))
    assert (facts.status, facts.tables[0].target) == ("complete", table)
    assert facts.tables[0].places[0].table == table


def test_counts_are_exact_beyond_what_a_float_holds() -> None:
    most = (1 << 63) - 1
    facts = listing(line(f"AWSDynamoDB/{FULL_ID}/data/{name(0)}", most), itemCount=most)
    assert (facts.tables[0].status, facts.tables[0].declared_rows) == ("complete", most)


def test_checksums_may_be_named_as_documented() -> None:
    control = sidecars(full_summary(itemCount=0), [line(f"data/{name(0)}")], suffix="checksum")
    facts = one(control)
    assert len(facts.control) == 5
    assert (facts.tables[0].status, facts.findings) == ("complete", ())


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
def test_a_checksum_may_end_in_a_line_break(ending: bytes) -> None:
    control = full()
    for key in [key for key in control if key.endswith(".md5")]:
        control[key] = (control[key] or b"") + ending
    assert one(control).findings == ()


# --- where objects lie ----------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "backup/", "a/b/c/", "AWSDynamoDB/old/", "ä ö/"])
def test_objects_lie_where_the_manifest_lies_whatever_it_says_of_its_prefix(prefix: str) -> None:
    said = f"original/prefix/AWSDynamoDB/{FULL_ID}/data/{name(0)}"
    control = sidecars(full_summary(s3Prefix="original/prefix"), [line(said, 3)], prefix=prefix)
    facts = one(control)
    assert facts.root == f"{prefix}AWSDynamoDB/{FULL_ID}/"
    assert keys(facts) == [f"{facts.root}data/{name(0)}"]
    assert facts.tables[0].status == "complete"


@pytest.mark.parametrize(
    "said",
    [
        f"AWSDynamoDB/{FULL_ID}/data/{name(0)}",
        f"p/AWSDynamoDB/{FULL_ID}/data/{name(0)}",
        f"AWSDynamoDB/x/AWSDynamoDB/{FULL_ID}/data/{name(0)}",
        f"{FULL_ID}/data/{name(0)}",
        f"data/{name(0)}",
    ],
)
def test_shorter_spellings_of_a_full_exports_objects_mean_its_own_folder(said: str) -> None:
    assert keys(listing(line(said, 3))) == [f"AWSDynamoDB/{FULL_ID}/data/{name(0)}"]


@pytest.mark.parametrize("said", [f"x/AWSDynamoDB/data/{name(0)}", f"data/{name(0)}"])
def test_shorter_spellings_of_changes_mean_the_shared_folder(said: str) -> None:
    control = sidecars(changes_summary(), [line(said, 3)], prefix="x/", export_id=CHANGES_ID)
    assert keys(one(control)) == [f"x/AWSDynamoDB/data/{name(0)}"]


def test_names_that_are_documented_but_not_drawn_at_random_are_taken() -> None:
    facts = listing(line(f"AWSDynamoDB/{FULL_ID}/data/sampleDataFile.json.gz", 3))
    assert facts.tables[0].status == "complete"


@pytest.mark.parametrize(
    "said",
    [
        "",
        f"/AWSDynamoDB/{FULL_ID}/data/{name(0)}",
        f"../AWSDynamoDB/data/{name(0)}",
        f"a/../AWSDynamoDB/data/{name(0)}",
        f"AWSDynamoDB/{CHANGES_ID}/data/{name(0)}",
        f"{CHANGES_ID}/data/{name(0)}",
        f"AWSDynamoDB/{FULL_ID}/data/../{name(0)}",
        f"AWSDynamoDB/{FULL_ID}/data/x/{name(0)}",
        f"AWSDynamoDB/{FULL_ID}/{name(0)}",
        f"other/data/{name(0)}",
        name(0),
        f"AWSDynamoDB/data/{name(0)}\n",
        "AWSDynamoDB/data/.json.gz",
        "AWSDynamoDB/data/x.parquet",
        f"AWSDynamoDB/data/{name(0, 'ion')}",
        "s3://bucket/key",
        "\x00",
        "\ud800",
    ],
)
def test_objects_elsewhere_are_not_taken_and_their_line_is_named(said: str) -> None:
    facts = listing(line(f"data/{name(1)}", 3), line(said))
    (table,) = facts.tables
    assert table.status == "incomplete"
    assert "line 2: dataFileS3Key" in table.reason
    assert keys(facts) == [f"AWSDynamoDB/{FULL_ID}/data/{name(1)}"]
    (finding,) = facts.findings
    assert (finding.kind, finding.severity, finding.table) == ("unreadable_object", "error", "test")
    assert "line 2: dataFileS3Key" in finding.message
    finding.model_dump_json()


def test_an_object_listed_twice_would_count_twice_and_is_not_taken() -> None:
    facts = listing(line(f"data/{name(0)}", 3), line(f"AWSDynamoDB/{FULL_ID}/data/{name(0)}", 3))
    assert "line 2: " in facts.tables[0].reason
    assert "is listed twice" in facts.tables[0].reason


# --- not complete ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there",
    [
        ["_started"],
        ["manifest-files.json"],
        ["_started", "manifest-files.json", "manifest-files.md5"],
        ["manifest-summary.md5"],
    ],
)
def test_an_export_without_a_summary_is_in_progress(there: list[str]) -> None:
    control = {key: body for key, body in full().items() if key.rsplit("/")[-1] in there}
    assert len(control) == len(there)
    facts = one(control)
    assert (facts.status, facts.tables, facts.findings) == ("in_progress", (), ())
    assert facts.reason == "there is no manifest-summary.json yet"
    assert facts.export_id == FULL_ID


def test_started_may_have_been_deleted() -> None:
    control = full()
    del control[f"AWSDynamoDB/{FULL_ID}/_started"]
    assert one(control).tables[0].status == "complete"


def test_without_a_list_of_objects_none_is_taken() -> None:
    control = {key: body for key, body in full().items() if "manifest-files" not in key}
    facts = one(control)
    (table,) = facts.tables
    assert (facts.status, table.status) == ("complete", "incomplete")
    assert "there is no manifest-files.json" in table.reason
    assert table.objects is not None
    assert table.objects.num_rows == 0
    assert not facts.is_whole


@pytest.mark.parametrize(
    "changes",
    [
        {"tableArn": None},
        {"tableArn": "test"},
        {"tableArn": f"{ARN}/export/{FULL_ID}"},
        {"tableArn": f"{ARN}\n"},
        {"tableArn": "arn:aws:dynamodb:x:1:table/.."},
        {"tableArn": "arn:aws:dynamodb:x:1:table/a/b"},
        {"tableArn": "arn:aws:dynamodb:x:1:table/größe"},
        {"tableArn": ["x"]},
        {"exportTime": None},
        {"exportTime": "soon"},
        {"exportTime": 1768385930},
        {"itemCount": None},
        {"itemCount": -1},
        {"itemCount": 1.5},
        {"itemCount": "3"},
        {"itemCount": True},
        {"itemCount": 1 << 63},
        {"outputFormat": None},
        {"outputFormat": "PARQUET"},
        {"exportType": "PARTIAL_EXPORT"},
        {"exportType": 5},
        {"exportType": "INCREMENTAL_EXPORT"},
    ],
)
def test_a_summary_that_cannot_be_used_leaves_the_export_unknown(changes: dict[str, Any]) -> None:
    facts = one(full(**changes))
    assert (facts.status, facts.tables) == ("unknown", ())
    assert kinds(facts) == [("unreadable_object", "error")]
    assert f"AWSDynamoDB/{FULL_ID}/manifest-summary.json cannot be used" in facts.reason
    assert next(iter(changes)) in facts.reason or "exportFromTime" in facts.reason
    facts.reason.encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"exportFromTime": None},
        {"exportToTime": None},
        {"exportToTime": "2026-01-14T10:20:00.000Z"},
        {"exportToTime": "2026-01-14T10:19:00.000Z"},
        {"outputView": "OLD_IMAGE"},
    ],
)
def test_changes_without_a_usable_window_leave_the_export_unknown(changes: dict[str, Any]) -> None:
    facts = one(changed(**changes))
    assert (facts.status, facts.tables) == ("unknown", ())
    assert kinds(facts) == [("unreadable_object", "error")]


def test_a_sum_that_differs_from_the_summary_makes_the_table_incomplete() -> None:
    facts = one(full(itemCount=4))
    (table,) = facts.tables
    assert table.status == "incomplete"
    assert re.search(r"declares 4 items, the 2 files in manifest-files\.json have 3", table.reason)
    assert kinds(facts) == [("doubtful_sidecar", "error")]
    assert table.reason in facts.findings[0].message
    assert table.declared_rows == 4


def test_a_list_that_was_altered_makes_the_table_incomplete() -> None:
    control = full()
    key = f"AWSDynamoDB/{FULL_ID}/manifest-files.json"
    control[key] = (control[key] or b"").replace(b"7deb40-1", b"8deb40-1", 1)
    facts = one(control)
    (table,) = facts.tables
    assert table.status == "incomplete"
    assert "manifest-files.json has the MD5" in table.reason
    assert kinds(facts) == [("doubtful_sidecar", "error")]
    (told,) = facts.findings
    assert (told.model_extra or {})["key"] == key


@pytest.mark.parametrize("other", [b"", b"x", b"\xff\xfe", b"=" * 500])
def test_a_second_checksum_must_match_as_well(other: bytes) -> None:
    control = full()
    control[f"AWSDynamoDB/{FULL_ID}/manifest-files.checksum"] = other
    assert one(control).tables[0].status == "incomplete"


def test_a_summary_that_was_altered_is_believed_and_told() -> None:
    control = full()
    key = f"AWSDynamoDB/{FULL_ID}/manifest-summary.json"
    control[key] = (control[key] or b"").replace(b"elsewhere", b"masked")
    facts = one(control)
    assert facts.tables[0].status == "complete"
    assert kinds(facts) == [("doubtful_sidecar", "warning")]
    assert "manifest-summary.json has the MD5" in facts.findings[0].message


@pytest.mark.parametrize("stem", ["manifest-files", "manifest-summary"])
@pytest.mark.parametrize("is_listed", [True, False])
def test_a_missing_checksum_is_told_but_stops_nothing(stem: str, is_listed: bool) -> None:
    control = full()
    key = f"AWSDynamoDB/{FULL_ID}/{stem}.md5"
    del control[key]
    if is_listed:
        control[key] = None
    facts = one(control)
    assert facts.tables[0].status == "complete"
    assert kinds(facts) == [("doubtful_sidecar", "warning")]
    assert f"{stem}.json is not proven to be unchanged" in facts.findings[0].message


# --- hostile sidecars -----------------------------------------------------------------------------

BROKEN = [
    b"",
    b"  \n",
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
]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_summary_becomes_a_finding_that_names_it(content: bytes | None) -> None:
    control = full()
    key = f"AWSDynamoDB/{FULL_ID}/manifest-summary.json"
    control[key] = content
    facts = one(control)
    assert (facts.status, facts.tables) == ("unknown", ())
    assert kinds(facts) == [("unreadable_object", "error")]
    assert key in facts.findings[0].message


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_list_makes_the_table_incomplete(content: bytes | None) -> None:
    control = full()
    key = f"AWSDynamoDB/{FULL_ID}/manifest-files.json"
    control[key] = content
    facts = one(control)
    assert (facts.status, facts.tables[0].status) == ("complete", "incomplete")
    assert ("unreadable_object", "error") in kinds(facts)
    assert key in facts.findings[0].message
    assert keys(facts) == []


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        5,
        {},
        {"itemCount": None},
        {"itemCount": -1},
        {"itemCount": 2.0},
        {"itemCount": 1 << 64},
        {"md5Checksum": "x"},
        {"md5Checksum": "ÄÖ=="},
        {"md5Checksum": "AAAA"},
        {"md5Checksum": 5},
        {"etag": 5},
        {"etag": "ä"},
        {"dataFileS3Key": None},
        {"dataFileS3Key": 5},
    ],
)
def test_a_broken_line_is_named_by_its_number(broken: Any) -> None:
    good = [json.dumps(line(f"data/{name(n)}", 3)) for n in (0, 1)]
    if isinstance(broken, dict) and broken:
        bad = json.dumps(line(f"data/{name(2)}") | broken)
    else:
        bad = broken if isinstance(broken, str) else json.dumps(broken)
    content = f"{good[0]}\n\n{bad}\n{good[1]}\n".encode()
    facts = one(sidecars(full_summary(itemCount=6), content))
    assert facts.tables[0].status == "incomplete"
    assert "line 3: " in facts.tables[0].reason
    assert (facts.findings[0].model_extra or {})["lines"] == [3]
    assert len(keys(facts)) == 2


def test_a_line_that_is_not_utf8_is_named_by_its_number() -> None:
    content = json.dumps(line(f"data/{name(0)}", 3)).encode() + b'\n{"a":"\xff"}\n'
    facts = one(sidecars(full_summary(), content))
    assert "line 2: it is not UTF-8" in facts.tables[0].reason


def test_many_broken_lines_are_one_finding_that_counts_them() -> None:
    facts = one(sidecars(full_summary(), b"x\n" * 1000))
    (finding,) = facts.findings
    assert "line 5: " in finding.message
    assert "and 995 more lines" in finding.message
    assert len(finding.message) < 2_000


def test_digests_may_be_missing_from_a_line_and_are_null_then() -> None:
    bare = line(f"data/{name(0)}", 3, md5Checksum=None, etag=None)
    facts = listing(bare)
    assert facts.tables[0].status == "complete"
    assert facts.tables[0].objects is not None
    assert facts.tables[0].objects.drop_columns(["key"]).to_pylist() == [
        {"rows": 3, "md5": None, "etag": None}
    ]


@pytest.mark.parametrize(
    "content_of",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b"\n", b"\r\n"),
        lambda body: body.rstrip(b"\n"),
        lambda body: body + b"\n\n",
    ],
)
def test_byte_order_marks_and_line_ends_are_no_problem(
    content_of: Callable[[bytes], bytes],
) -> None:
    body = full()[f"AWSDynamoDB/{FULL_ID}/manifest-files.json"] or b""
    facts = one(sidecars(full_summary(), content_of(body)))
    assert (facts.tables[0].status, len(keys(facts))) == ("complete", 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(sorted({*full_summary(), *changes_summary()})), JSON),
    st.lists(st.dictionaries(st.sampled_from(sorted(line(""))), JSON) | JSON, max_size=3),
    st.booleans(),
)
def test_no_content_of_a_sidecar_raises_and_every_text_can_be_stored(
    summary: dict[str, Any], lines: list[Any], incremental: bool
) -> None:
    base = changes_summary() if incremental else full_summary()
    entries = [
        line(f"data/{name(0)}", 3),
        *(line(f"data/{name(1)}") | one if isinstance(one, dict) else one for one in lines),
    ]
    facts = one(sidecars(base | summary, entries))
    for finding in [*facts.findings, *chain_findings([facts])]:
        finding.model_dump_json()
    f"{facts.reason}{facts.origin}".encode()
    for table in facts.tables:
        assert table.places
        f"{table.target}{table.reason}{table.view}".encode()
        assert table.status == "incomplete" or sum(
            table.objects["rows"].to_pylist() if table.objects else []
        ) == (table.declared_rows)


@given(st.dictionaries(st.sampled_from(sorted(full())), st.binary(max_size=60) | st.none()))
def test_arbitrary_bytes_are_no_reason_to_stop(contents: Control) -> None:
    found = list(describe(contents))
    assert len(found) == (1 if contents else 0)
    assert all(facts.status != "complete" for facts in found)


def test_keys_that_are_no_sidecars_are_passed_over() -> None:
    strange: Control = {
        f"AWSDynamoDB/{FULL_ID}/manifest-files.json\n": b"{}",
        f"AWSDynamoDB/{FULL_ID}/data/manifest-files.json": b"{}",
        "AWSDynamoDB/manifest-files.json": b"{}",
        f"xAWSDynamoDB/{FULL_ID}/manifest-files.json": b"{}",
        "export_info_x.json": b"{}",
    }
    assert list(describe(strange)) == []


def test_a_manifest_of_many_objects_is_read_in_seconds() -> None:
    objects = 100_000
    text = "".join(
        f'{{"itemCount":7,"md5Checksum":"{EMPTY}","etag":"7deb4078f238dd87d6af0538152c04e9-1",'
        f'"dataFileS3Key":"p/AWSDynamoDB/{FULL_ID}/data/{n:026d}.json.gz"}}\n'
        for n in range(objects)
    )
    control = sidecars(full_summary(itemCount=7 * objects), text.encode())
    begun = time.process_time()
    facts = one(control)
    assert time.process_time() - begun < 10
    assert facts.tables[0].status == "complete"
    assert facts.tables[0].objects is not None
    assert facts.tables[0].objects.num_rows == objects


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "role"),
    [
        (f"AWSDynamoDB/{FULL_ID}/_started", "control"),
        (f"a/b/AWSDynamoDB/{FULL_ID}/manifest-summary.json", "control"),
        (f"AWSDynamoDB/{FULL_ID}/manifest-files.checksum", "control"),
        (f"AWSDynamoDB/{FULL_ID}/data/t7sisheiy44edlhcrjd5zqoudu.json.gz", "data"),
        ("p/AWSDynamoDB/data/t7sisheiy44edlhcrjd5zqoudu.ion.gz", "data"),
        (f"AWSDynamoDB/{FULL_ID}/data/", "marker"),
        ("AWSDynamoDB/data/", "marker"),
        ("AWSDynamoDB/", "marker"),
        ("AWSDynamoDB/data/t7sisheiy44edlhcrjd5zqoud1.json.gz", ""),
        ("AWSDynamoDB/data/x/t7sisheiy44edlhcrjd5zqoudu.json.gz", ""),
        ("MyAWSDynamoDB/data/t7sisheiy44edlhcrjd5zqoudu.json.gz", ""),
        (f"AWSDynamoDB/{FULL_ID}/manifest-other.json", ""),
        ("AWSDynamoDB/1768385930622-efd1a093/_started", ""),
    ],
)
def test_objects_are_told_apart_by_their_keys(key: str, role: str) -> None:
    groups = {"control": DYNAMODB.control, "data": DYNAMODB.data_names, "marker": DYNAMODB.markers}
    found = [kind for kind, patterns in groups.items() if re.search(any_of(patterns), key)]
    assert found == [role] * bool(role)


# --- windows that follow each other ---------------------------------------------------------------

T0 = datetime(2026, 10, 6, 3, tzinfo=UTC)


def facts_of(
    hours: float, since: float | None = None, *, table: str = "carts", good: bool = True
) -> ExportFacts:
    """Return an export `hours` after T0: full, or of the window that began `since` hours after."""
    export = DynamoDbExport(
        table=table,
        moment=T0 + timedelta(hours=hours),
        since=None if since is None else T0 + timedelta(hours=since),
    )
    at = [moment.isoformat() for moment in (export.since, export.moment) if moment]
    fields: dict[str, Any] = {"tableArn": export.table_arn, "itemCount": 3 if good else 4}
    if since is None:
        summary = full_summary(exportTime=at[0], **fields)
    else:
        summary = changes_summary(exportFromTime=at[0], exportToTime=at[1], **fields)
    return one(sidecars(summary, [line(f"data/{name(0)}", 3)], export_id=export.export_id))


def told(*exports: ExportFacts) -> list[tuple[str, str, list[str]]]:
    return [
        (finding.kind, finding.severity, (finding.model_extra or {})["spans"])
        for finding in chain_findings(exports)
    ]


def span(first: float, last: float) -> str:
    texts = [
        (T0 + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (first, last)
    ]
    return "/".join(texts)


def test_windows_that_follow_each_other_from_a_full_export_are_no_finding() -> None:
    chain = [facts_of(0), facts_of(1, 0), facts_of(2, 1), facts_of(3, 2)]
    assert all(facts.status == "complete" and not facts.findings for facts in chain)
    assert told(*chain) == []
    assert told(*reversed(chain)) == []
    assert told(*chain[1:]) == []
    assert told(chain[0]) == []
    assert told() == []


def test_a_gap_says_which_exports_and_moments_and_what_to_do() -> None:
    one, three = facts_of(1, 0), facts_of(3, 2)
    (finding,) = chain_findings([facts_of(0), three, one])
    assert (finding.kind, finding.severity, finding.table) == ("change_gap", "warning", "carts")
    assert finding.export_id == three.export_id
    assert finding.message == (
        f"carts ({one.origin}): changes are missing from 2026-10-06T04:00:00Z, where export "
        f"{one.export_id} ends, to 2026-10-06T05:00:00Z, where export {three.export_id} begins; a "
        "state rebuilt across a gap may be wrong; export a window of 15 minutes to 24 hours that "
        "covers it while point-in-time recovery reaches back so far (35 days at most), or start "
        "anew from a full export"
    )
    assert (finding.model_extra or {})["exports"] == sorted([one.export_id, three.export_id])


def test_a_gap_that_a_damaged_export_would_fill_names_it() -> None:
    broken = facts_of(2, 1, good=False)
    (finding,) = chain_findings([facts_of(1, 0), broken, facts_of(3, 2)])
    assert finding.kind == "change_gap"
    assert f"(not usable: {broken.export_id})" in finding.message


def test_many_gaps_of_a_table_are_one_finding() -> None:
    (finding,) = chain_findings([facts_of(n + 0.5, n) for n in range(20)])
    assert (finding.model_extra or {})["spans"][0] == span(0.5, 1)
    assert len((finding.model_extra or {})["spans"]) == 19
    assert ", and 14 more" in finding.message


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ((0, 2), (1, 3), (1, 2)),
        ((0, 2), (0, 2.5), (0, 2)),
        ((0, 4), (1, 2), (1, 2)),
    ],
)
def test_windows_that_overlap_are_told(
    first: tuple[float, float], second: tuple[float, float], common: tuple[float, float]
) -> None:
    exports = [facts_of(first[1], first[0]), facts_of(second[1], second[0])]
    assert told(*exports) == [("change_overlap", "warning", [span(*common)])]
    (finding,) = chain_findings(exports)
    assert all(facts.export_id in finding.message for facts in exports)
    assert "latest record of each key" in finding.message


def test_a_window_inside_another_hides_no_gap_and_makes_none() -> None:
    exports = [facts_of(4, 0), facts_of(2, 1), facts_of(5, 4), facts_of(7, 6)]
    assert told(*exports) == [
        ("change_gap", "warning", [span(5, 6)]),
        ("change_overlap", "warning", [span(1, 2)]),
    ]


def test_copies_of_one_export_are_neither_gap_nor_overlap() -> None:
    assert told(facts_of(0), facts_of(1, 0), facts_of(1, 0), facts_of(2, 1), facts_of(0)) == []


def test_a_whole_copy_stands_for_a_damaged_one() -> None:
    whole, damaged = facts_of(2, 1), facts_of(2, 1, good=False)
    for pair in ([whole, damaged], [damaged, whole]):
        assert told(facts_of(1, 0), *pair, facts_of(3, 2)) == []


def test_tables_are_not_mixed_even_if_they_share_a_name() -> None:
    other = facts_of(9, 8, table="other")
    assert told(facts_of(0), facts_of(1, 0), other) == []


def test_changes_that_begin_after_the_full_export_are_told() -> None:
    full_one, window = facts_of(0), facts_of(2, 1)
    assert told(full_one, window) == [("change_gap", "warning", [span(0, 1)])]
    (finding,) = chain_findings([full_one, window])
    assert f"the moment of full export {full_one.export_id}" in finding.message
    assert f"where export {window.export_id} begins" in finding.message


def test_only_the_last_full_export_before_the_changes_counts() -> None:
    assert told(facts_of(-24), facts_of(0), facts_of(1, 0)) == []
    assert told(facts_of(-24), facts_of(-1), facts_of(1, 0)) == [
        ("change_gap", "warning", [span(-1, 0)])
    ]


def test_a_full_export_after_all_changes_is_no_finding() -> None:
    assert told(facts_of(0), facts_of(1, 0), facts_of(30)) == []


def test_a_full_export_in_a_gap_is_told_beside_the_gap() -> None:
    assert told(facts_of(1, 0), facts_of(1.5), facts_of(3, 2)) == [
        ("change_gap", "warning", [span(1, 2)]),
        ("change_gap", "warning", [span(1.5, 2)]),
    ]


def test_a_full_export_within_a_window_is_told_unless_another_window_starts_with_it() -> None:
    assert told(facts_of(0.5), facts_of(1, 0)) == [("change_overlap", "info", [span(0, 1)])]
    assert told(facts_of(0.5), facts_of(1, 0), facts_of(2, 0.5)) == [
        ("change_overlap", "warning", [span(0.5, 1)])
    ]
    (finding,) = chain_findings([facts_of(0.5), facts_of(1, 0)])
    assert "inserted before and deleted after" in finding.message


def test_a_full_export_at_the_start_or_end_of_a_window_is_no_finding() -> None:
    assert told(facts_of(0), facts_of(1, 0), facts_of(1), facts_of(2, 1)) == []


def test_exports_that_say_nothing_usable_are_passed_over() -> None:
    unknown = one(full(tableArn="x"))
    running = one({f"AWSDynamoDB/{FULL_ID}/_started": b""})
    assert (unknown.status, running.status) == ("unknown", "in_progress")
    assert told(unknown, running) == []


# --- sample exports and real ones -----------------------------------------------------------------


def control_of(folder: Path) -> Control:
    pattern = re.compile(any_of(DYNAMODB.control))
    found: Control = {}
    for path in folder.rglob("*"):
        key = path.relative_to(folder).as_posix()
        if path.is_file() and pattern.search(key):
            found[key] = path.read_bytes()
    return found


def test_written_samples_are_complete_and_their_digests_are_those_of_the_files(
    tmp_path: Path,
) -> None:
    template = DynamoDbExport(table="carts", moment=T0, prefix="nightly/eu")
    carts = write_carts(tmp_path, T0, CartsSize(carts=30), template)
    exports = {facts.export_id: facts for facts in describe(control_of(tmp_path))}
    assert list(exports) == [carts.full.export_id, *(one.export_id for one in carts.windows)]
    assert all(facts.findings == () for facts in exports.values())
    assert told(*exports.values()) == []
    seen: list[str] = []
    for facts in exports.values():
        (table,) = facts.tables
        assert table.status == "complete"
        assert isinstance(table.objects, pa.Table)
        for row in table.objects.to_pylist():
            body = (tmp_path / row["key"]).read_bytes()
            assert hashlib.md5(body, usedforsecurity=False).hexdigest() == row["md5"]
            assert hashlib.md5(bytes.fromhex(row["md5"])).hexdigest() + "-1" == row["etag"]
            seen.append(row["key"])
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.gz")}
    assert sorted(seen) == sorted(there)
    assert len(there) == 16


@pytest.mark.skipif(not SAMPLES, reason="COMPACTOR_SAMPLES does not name a folder of real exports")
def test_real_exports_are_understood() -> None:
    folder = Path(SAMPLES) / "dynamodb_ddb-pitr"
    found = list(describe(control_of(folder)))
    assert [(facts.export_id, facts.status) for facts in found] == [
        ("01768385930622-efd1a093", "complete"),
        ("01768386924000-d339e52d", "complete"),
        ("01768388186000-4a2fc3ff", "complete"),
    ]
    tables = [facts.tables[0] for facts in found]
    assert [(table.status, table.declared_rows) for table in tables] == [
        *[("complete", 3), ("complete", 6), ("complete", 5)],
    ]
    # somebody masked names in the summaries, and left their checksums as they were
    assert [kinds(facts) for facts in found] == [[("doubtful_sidecar", "warning")]] * 3
    for facts in found:
        assert all((folder / key).is_file() for key in keys(facts))
    assert told(*found) == [
        ("change_gap", "warning", ["2026-01-14T10:18:50.622000Z/2026-01-14T10:20:00Z"])
    ]
