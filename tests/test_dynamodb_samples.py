"""The sample exports of DynamoDB look like AWS's own, and break where they are told to."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compactor.readers.dynamodb import DYNAMODB, describe
from compactor.readers.interface import ExportFacts, any_of
from compactor.sample_exports import CartsSize, DynamoDbExport, change, write_carts
from compactor.sample_exports.dynamodb import DAMAGES, Damage

T0 = datetime(2026, 10, 6, 3, tzinfo=UTC)
ITEM = {"id": {"S": "a"}}
FILES: list[list[dict[str, Any]]] = [[], [ITEM, {"id": {"S": "b"}}], [{"id": {"S": "c"}}]]


def described(folder: Path) -> list[ExportFacts]:
    pattern = re.compile(any_of(DYNAMODB.control))
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return list(
        describe({key: path.read_bytes() for key, path in files.items() if pattern.search(key)})
    )


def export(damage: Damage | None = None) -> DynamoDbExport:
    return DynamoDbExport(table="carts", moment=T0, damage=damage)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lines_of(folder: Path, pattern: str) -> list[str]:
    paths = sorted(folder.glob(pattern))
    assert paths
    return [
        line for path in paths for line in gzip.decompress(path.read_bytes()).decode().split("\n")
    ]


def test_a_full_export_has_the_files_that_real_ones_have(tmp_path: Path) -> None:
    root = export().write(tmp_path, FILES)
    assert root.relative_to(tmp_path).as_posix() == f"AWSDynamoDB/{export().export_id}"
    assert re.fullmatch(r"\d{14}-[0-9a-f]{8}", root.name)
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    data = [name for name in names if re.fullmatch(r"data/[a-z2-7]{26}\.json\.gz", name)]
    assert len(data) == 3
    assert [name for name in names if name not in data] == [
        *("_started", "manifest-files.json", "manifest-files.md5"),
        *("manifest-summary.json", "manifest-summary.md5"),
    ]
    assert (root / "_started").stat().st_size == 0
    assert sorted((root / name).stat().st_size for name in data)[0] == 20
    assert len((root / "manifest-files.md5").read_bytes()) == 24


def test_manifests_have_the_fields_of_real_ones_in_their_order(tmp_path: Path) -> None:
    root = export().write(tmp_path, FILES)
    summary = json.loads((root / "manifest-summary.json").read_text())
    assert list(summary) == [
        *("version", "exportArn", "startTime", "endTime", "tableArn", "tableId", "exportTime"),
        *("s3Bucket", "s3Prefix", "s3SseAlgorithm", "s3SseKmsKeyId", "manifestFilesS3Key"),
        *("billedSizeBytes", "itemCount", "outputFormat"),
    ]
    assert (summary["exportTime"], summary["itemCount"]) == ("2026-10-06T03:00:00.000Z", 3)
    listed = (root / "manifest-files.json").read_text()
    assert listed.endswith("\n")
    entries = [json.loads(line) for line in listed.splitlines()]
    assert [list(entry) for entry in entries] == [
        ["itemCount", "md5Checksum", "etag", "dataFileS3Key"]
    ] * 3
    for entry in entries:
        text = gzip.decompress((tmp_path / entry["dataFileS3Key"]).read_bytes()).decode()
        assert len(text.splitlines()) == entry["itemCount"]


def test_incremental_exports_share_one_folder_and_say_their_window(tmp_path: Path) -> None:
    roots = []
    for hours in (1, 2):
        until = T0 + timedelta(hours=hours)
        window = DynamoDbExport(
            table="carts", moment=until, since=until - timedelta(hours=1), prefix="a/b"
        )
        roots.append(window.write(tmp_path, [[change(T0, ITEM, new=ITEM)], []]))
    assert len(list((tmp_path / "a/b/AWSDynamoDB/data").iterdir())) == 4
    assert not any((root / "data").exists() for root in roots)
    summary = json.loads((roots[1] / "manifest-summary.json").read_text())
    assert summary["exportFromTime"] == "2026-10-06T04:00:00.000Z"
    assert summary["exportToTime"] == "2026-10-06T05:00:00.000Z"
    assert "exportTime" not in summary
    assert list(summary)[-2:] == ["outputView", "exportType"]
    assert (summary["s3Prefix"], summary["version"]) == ("a/b", "2023-08-01")
    facts = described(tmp_path)
    assert [one.tables[0].status for one in facts] == ["complete", "complete"]
    assert all(one.findings == () for one in facts)


def test_documented_spellings_can_be_asked_for(tmp_path: Path) -> None:
    spelled = DynamoDbExport(table="carts", moment=T0, checksum_suffix="checksum", says_full=True)
    root = spelled.write(tmp_path, FILES)
    assert (root / "manifest-files.checksum").is_file()
    assert not (root / "manifest-files.md5").exists()
    assert json.loads((root / "manifest-summary.json").read_text())["exportType"] == "FULL_EXPORT"
    (facts,) = described(tmp_path)
    assert (facts.tables[0].status, facts.findings) == ("complete", ())


def test_the_same_arguments_write_the_same_bytes(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write_carts(tmp_path / place, T0, CartsSize(carts=20))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    write_carts(tmp_path / "three", T0 + timedelta(days=1), CartsSize(carts=20))
    assert contents(tmp_path / "one").keys() != contents(tmp_path / "three").keys()


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_breaks_what_it_says_and_nothing_else(tmp_path: Path, damage: Damage) -> None:
    whole = export()
    whole.write(tmp_path / "whole", FILES)
    export(damage).write(tmp_path / "broken", FILES)
    good, bad = contents(tmp_path / "whole"), contents(tmp_path / "broken")
    differing = {
        key.removeprefix(f"AWSDynamoDB/{whole.export_id}/")
        for key in good.keys() | bad.keys()
        if good.get(key) != bad.get(key)
    }
    data = {name for name in differing if name.startswith("data/")}
    summary = {"manifest-summary.json", "manifest-summary.md5"}
    files = {"manifest-files.json", "manifest-files.md5"}
    expected: dict[Damage, tuple[set[str], int]] = {
        "in_progress": (summary | files, 0),
        "missing_file": (set(), 1),
        "wrong_file": (set(), 1),
        "wrong_count": (summary | files, 0),
        "wrong_sum": (summary, 0),
        "wrong_manifest_md5": ({"manifest-files.md5"}, 0),
        "wrong_summary_md5": ({"manifest-summary.md5"}, 0),
    }
    assert (differing - data, len(data)) == expected[damage]
    if damage == "missing_file":
        assert len(good) == len(bad) + 1


@pytest.mark.parametrize(
    ("damage", "status", "table", "kinds"),
    [
        ("in_progress", "in_progress", None, []),
        ("missing_file", "complete", "complete", []),
        ("wrong_file", "complete", "complete", []),
        ("wrong_count", "complete", "complete", []),
        ("wrong_sum", "complete", "incomplete", ["doubtful_sidecar"]),
        ("wrong_manifest_md5", "complete", "incomplete", ["doubtful_sidecar"]),
        ("wrong_summary_md5", "complete", "complete", ["doubtful_sidecar"]),
    ],
)
def test_the_reader_sees_of_a_damage_what_sidecars_show(
    tmp_path: Path, damage: Damage, status: str, table: str | None, kinds: list[str]
) -> None:
    export(damage).write(tmp_path, FILES)
    (facts,) = described(tmp_path)
    assert facts.status == status
    assert [one.status for one in facts.tables] == ([] if table is None else [table])
    assert [finding.kind for finding in facts.findings] == kinds


# --- carts ----------------------------------------------------------------------------------------


def test_carts_have_all_ten_types_and_items_that_differ(tmp_path: Path) -> None:
    carts = write_carts(tmp_path, T0)
    items = [json.loads(line)["Item"] for line in lines_of(tmp_path, "*/*/data/*") if line]
    assert len(items) == 200
    kinds = {kind for item in items for value in item.values() for kind in value}
    assert kinds == {"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}
    assert len({frozenset(item) for item in items}) > 20
    mixed = {kind for item in items for kind in item.get("note", {})}
    assert mixed == {"S", "NULL"}
    assert len(carts.states[T0]) == 200


def test_windows_hold_every_kind_of_change_and_none_of_what_came_and_went(tmp_path: Path) -> None:
    carts = write_carts(tmp_path, T0, CartsSize(carts=100, removed=0.4, added=0.4))
    shapes: set[tuple[str, ...]] = set()
    for window, before in zip(carts.windows, carts.states, strict=False):
        state, after = carts.states[before], carts.states[window.moment]
        manifest = window.root(tmp_path) / "manifest-files.json"
        seen = set()
        for entry in map(json.loads, manifest.read_text().splitlines()):
            body = gzip.decompress((tmp_path / entry["dataFileS3Key"]).read_bytes()).decode()
            for line in map(json.loads, body.splitlines()):
                key = (line["Keys"]["customer_id"]["S"], line["Keys"]["cart_no"]["N"])
                assert key not in seen
                seen.add(key)
                assert line.get("OldImage") == state.get(key)
                assert line.get("NewImage") == after.get(key)
                at = int(line["Metadata"]["WriteTimestampMicros"]["N"]) / 1e6
                assert window.since is not None
                assert window.since.timestamp() <= at < window.moment.timestamp()
                shapes.add(tuple(sorted(line)))
        assert {k for k in state.keys() | after.keys() if state.get(k) != after.get(k)} <= seen
        assert len(seen) == carts.changes[window.export_id]
    assert len(shapes) == 3


def test_without_old_images_a_change_says_less(tmp_path: Path) -> None:
    write_carts(tmp_path, T0, template=DynamoDbExport(table="carts", moment=T0, view="NEW_IMAGE"))
    lines = [json.loads(line) for line in lines_of(tmp_path, "AWSDynamoDB/data/*") if line]
    assert {"OldImage" in line for line in lines} == {False}
    assert {"NewImage" in line for line in lines} == {True, False}
    assert {facts.tables[0].view for facts in described(tmp_path)} == {"", "NEW_IMAGE"}


def test_ion_is_spelled_as_the_service_spells_it(tmp_path: Path) -> None:
    item = {
        "id": {"S": 'a"b\n'},
        "a b": {"N": "103"},
        "null": {"NULL": True},
        "n": {"N": "6E+2"},
        "m": {"M": {"it's": {"BOOL": True}, "d": {"N": "-1.5"}, "e": {"N": "1E-7"}}},
        "l": {"L": [{"N": "1"}, {"S": "x"}]},
        "b": {"B": "aGVsbG8="},
        "ss": {"SS": ["x", "y"]},
        "ns": {"NS": ["3", "2"]},
        "bs": {"BS": ["aGVsbG8="]},
    }
    ion = DynamoDbExport(table="carts", moment=T0, output="ION")
    ion.write(tmp_path, [[item]])
    assert lines_of(tmp_path, "*/*/data/*.ion.gz") == [
        "$ion_1_0 {Item:{id:\"a\\\"b\\n\",'a b':103.,'null':null,n:6d2,m:{'it\\'s':true,d:-1.5,"
        'e:1d-7},l:[1.,"x"],b:{{aGVsbG8=}},ss:$dynamodb_SS::["x","y"],ns:$dynamodb_NS::[3.,2.],'
        "bs:$dynamodb_BS::[{{aGVsbG8=}}]}}",
        "",
    ]
    (facts,) = described(tmp_path)
    assert (facts.tables[0].format, facts.tables[0].status) == ("dynamodb_ion", "complete")


def test_changes_in_ion_are_refused(tmp_path: Path) -> None:
    window = DynamoDbExport(table="carts", moment=T0, since=T0 - timedelta(hours=1), output="ION")
    with pytest.raises(ValueError, match="only be written as DYNAMODB_JSON"):
        window.write(tmp_path, [[]])
