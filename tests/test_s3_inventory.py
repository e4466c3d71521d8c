"""S3 Inventories in place of a listing: what is read, and that nothing in them is believed."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3_inventories as made
from commands import Command
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lines import Line, assert_good
from listings import NOW, part, sidecars
from listings import entry as table_entry
from s3_inventories import BUCKET, CREATED, WRITTEN, entry

from compactor import pipeline, scan
from compactor.detect import detect
from compactor.errors import SourceError
from compactor.inventory import INVENTORY_SCHEMA, Inventory
from compactor.model import Finding
from compactor.s3_inventory import Inventories, Manifest, open_place
from compactor.store import open_store

FORMATS = ("CSV", "ORC", "Parquet")
AWKWARD = [
    "a/plain.txt",
    "a/with space.txt",
    "a/plus+sign%2B.txt",
    "a/100%.txt",
    "a/ümlaut-日本-🤦🏼‍♂️.txt",
    "a/new\nline and \r return",
    'a/"quoted",comma;\ttab',
    "a//double/",
    "dt=2026-10-05/x",
]


class Bucket:
    """A source by its URL alone: what a scan by inventory may ask of it is its sidecars."""

    def __init__(self, url: str = f"s3://{BUCKET}/", objects: dict[str, bytes] | None = None):
        self.url = url
        self.objects = objects or {}

    def get(self, key: str) -> bytes:
        return self.objects[key]

    def list(self, prefix: str = "") -> Any:
        raise AssertionError("the source was listed")


def take(place: Path | str, source: Any = None, now: datetime = NOW) -> Inventory:
    """Take stock of a bucket by one inventory; the listing stays for the test to read."""
    scratch = Path(tempfile.mkdtemp(dir=Path(place).parent if isinstance(place, Path) else None))
    inventories = Inventories(places={0: open_place(str(place))}, now=now)
    return scan.scan([source or Bucket()], scratch, inventories)


def rows(found: Inventory) -> list[dict[str, Any]]:
    table = pq.read_table(found.listing)
    assert table.schema == INVENTORY_SCHEMA
    assert table.num_rows == found.objects
    return sorted(table.to_pylist(), key=lambda row: row["key"])


def told(found: Inventory) -> Finding:
    (finding,) = found.findings
    assert finding.kind == "inventory_used"
    return finding


def refused(place: Path | str, source: Any = None) -> str:
    with pytest.raises(SourceError) as caught:
        take(place, source)
    assert caught.value.hint
    return str(caught.value)


# --- formats --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_rows_of_a_listing(tmp_path: Path, kind: str) -> None:
    made.write(tmp_path / "daily", [entry(key, 7) for key in AWKWARD], kind, parts=3)
    assert rows(take(tmp_path / "daily")) == [
        {
            "source": 0,
            "key": key,
            "size_bytes": 7,
            "etag": entry(key)["ETag"],
            "modified_at": WRITTEN,
            "version_id": None,
        }
        for key in sorted(AWKWARD)
    ]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%252Bb", "a%2Bb"),
        ("a%2fb", "a/b"),
        ("%0A", "\n"),
        ("%C3%A9%22", 'é"'),
        ("~é", "~é"),
    ],
)
def test_keys_of_a_csv_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, key: str
) -> None:
    monkeypatch.setattr(made, "quote_plus", lambda given, safe: given)
    made.write(tmp_path / "daily", [entry(text)])
    assert [row["key"] for row in rows(take(tmp_path / "daily"))] == [key]


@pytest.mark.parametrize("text", ["100%", "a%2", "a%2xb", "%zz", "%%41", "%FF", "a%\nb"])
def test_a_key_that_is_not_encoded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(made, "quote_plus", lambda given, safe: given)
    made.write(tmp_path / "daily", [entry("good"), entry(text)])
    assert "URL" in refused(tmp_path / "daily")


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=60),
        min_size=1,
        max_size=20,
        unique=True,
    )
)
@example(AWKWARD)
def test_any_key_survives_a_csv(keys: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder) / "daily", [entry(key) for key in keys])
        found = rows(take(Path(folder) / "daily"))
    assert [row["key"] for row in found] == sorted(keys)


@pytest.mark.parametrize("kind", FORMATS)
def test_fields_in_another_order_and_unknown_ones_do_no_harm(tmp_path: Path, kind: str) -> None:
    fields = ("Size", "StorageClass", "Key", "Bucket")
    made.write(tmp_path / "daily", [entry("k", 3)], kind, fields=fields)
    found = take(tmp_path / "daily")
    (row,) = rows(found)
    assert (row["key"], row["size_bytes"], row["etag"], row["modified_at"]) == ("k", 3, "", None)
    assert told(found).model_extra["missing_fields"] == ["ETag", "LastModifiedDate"]
    assert "no field ETag, so an object replaced" in told(found).message


def test_an_inventory_of_nothing_is_an_empty_source(tmp_path: Path) -> None:
    made.write(tmp_path / "daily", [], parts=0)
    found = take(tmp_path / "daily")
    assert rows(found) == []
    assert told(found).severity == "warning"


@pytest.mark.parametrize("kind", FORMATS)
def test_only_keys_below_the_source_count_and_lose_its_prefix(tmp_path: Path, kind: str) -> None:
    keys = ["exports/a", "exports/b/exports/c", "exports", "exportsx/d", "x/exports/e"]
    made.write(tmp_path / "daily", [entry(key) for key in keys], kind)
    found = take(tmp_path / "daily", Bucket(f"s3://{BUCKET}/exports/"))
    assert [row["key"] for row in rows(found)] == ["a", "b/exports/c"]
    assert "3 entries outside of the source" in told(found).message


def test_manifests_like_those_of_the_documentation_are_understood() -> None:
    fields = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ReplicationStatus"
    manifest = {
        "sourceBucket": "example-source-bucket",
        "destinationBucket": "arn:aws:s3:::example-inventory-destination-bucket",
        "version": "2016-11-30",
        "creationTimestamp": "1514944800000",
        "fileFormat": "CSV",
        "fileSchema": fields,
        "files": [
            {
                "key": "Inventory/example-source-bucket/2016-11-06T21-32Z/files/939c.csv.gz",
                "size": 2147483647,
                "MD5checksum": "f11166069f1990abeb9c97ace9cdfabc",
            }
        ],
    }
    found = Manifest.model_validate_json(json.dumps(manifest))
    assert found.created_at == datetime(2018, 1, 3, 2, tzinfo=UTC)
    assert list(found.csv_fields().items()) == [
        ("bucket", "VARCHAR"),
        ("key", "VARCHAR"),
        ("version_id", "VARCHAR"),
        ("is_latest", "BOOLEAN"),
        ("is_delete_marker", "BOOLEAN"),
        ("size", "BIGINT"),
        ("other 6", "VARCHAR"),
    ]
    for kind in ("ORC", "Parquet"):
        found = Manifest.model_validate_json(json.dumps(manifest | {"fileFormat": kind}))
        assert found.format == kind


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_only_latest_versions_that_are_no_delete_markers_are_objects(
    tmp_path: Path, kind: str
) -> None:
    def version(key: str, version_id: str, latest: bool, marker: bool, size: int | None) -> Any:
        more = {"VersionId": version_id, "IsLatest": latest, "IsDeleteMarker": marker}
        return entry(key, size, **more)

    entries = [
        version("kept", "v2", True, False, 20),
        version("kept", "v1", False, False, 10),
        version("removed", "v2", True, True, None),
        version("removed", "v1", False, False, 10),
        version("back again", "v3", True, False, 30),
        version("back again", "v2", False, True, None),
        version("unversioned", "", True, False, 40),
    ]
    made.write(tmp_path / "daily", entries, kind, fields=made.ALL_VERSIONS)
    found = take(tmp_path / "daily")
    assert [(row["key"], row["size_bytes"]) for row in rows(found)] == [
        ("back again", 30),
        ("kept", 20),
        ("unversioned", 40),
    ]
    assert told(found).model_extra["older_versions"] == 3
    assert told(found).model_extra["delete_markers"] == 1
    assert "3 older versions and 1 delete markers are left out" in told(found).message


def test_versions_without_the_latest_marked_are_refused(tmp_path: Path) -> None:
    versions = [entry("k", VersionId=name, IsLatest=None) for name in ("v1", "v2")]
    made.write(tmp_path / "one", versions, fields=("Bucket", "Key", "VersionId", "Size"))
    assert "IsLatest" in refused(tmp_path / "one")
    fields = ("Bucket", "Key", "VersionId", "IsLatest", "Size")
    made.write(tmp_path / "two", versions, "Parquet", fields=fields)
    assert "nothing says whether this is the latest version of k" in refused(tmp_path / "two")


# --- which inventory, and how old -----------------------------------------------------------------


def test_the_newest_complete_inventory_is_taken(tmp_path: Path) -> None:
    daily = tmp_path / "daily"
    made.write(daily, [entry("older")], dated="2026-10-05T21-32Z")
    made.write(daily, [entry("newest")], dated="2026-10-06T21-32Z")
    made.write(daily, [entry("unfinished")], dated="2026-10-07T21-32Z")
    (daily / "2026-10-07T21-32Z" / "manifest.checksum").unlink()
    (daily / "hive" / "dt=2026-10-08-21-32").mkdir(parents=True)
    (daily / "hive" / "dt=2026-10-08-21-32" / "symlink.txt").write_text("s3://x/y")
    assert [row["key"] for row in rows(take(daily))] == ["newest"]
    older = daily / "2026-10-05T21-32Z" / "manifest.json"
    assert [row["key"] for row in rows(take(older))] == ["older"]


def test_a_place_without_a_complete_inventory_says_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "found none" in refused(tmp_path / "empty")
    path = made.write(tmp_path / "daily", [entry("k")])
    path.with_name("manifest.checksum").unlink()
    assert f"only unfinished ones: {made.DATED}" in refused(tmp_path / "daily")
    assert "manifest.checksum" in refused(path)


@pytest.mark.parametrize(("hours", "severity"), [(0, "info"), (48, "info"), (49, "warning")])
def test_the_age_is_told_and_an_old_inventory_is_a_warning(
    tmp_path: Path, hours: int, severity: str
) -> None:
    made.write(tmp_path / "daily", [entry("k")])
    finding = told(take(tmp_path / "daily", now=CREATED + timedelta(hours=hours)))
    assert finding.severity == severity
    assert f"S3 Inventory of 2026-10-06T21:32:00Z, {hours} hours old" in finding.message
    assert "objects written since are not seen" in finding.message
    assert "nothing is ever deleted on its basis" in finding.message
    assert ("out of date" in finding.message) == (severity == "warning")


# --- nothing is believed --------------------------------------------------------------------------


def test_a_manifest_that_does_not_fit_its_checksum_is_refused(tmp_path: Path) -> None:
    path = made.write(tmp_path / "daily", [entry("k")])
    path.write_bytes(path.read_bytes().replace(b"2016-11-30", b"2016-11-31"))
    said = refused(tmp_path / "daily")
    assert str(path) in said
    assert "manifest.checksum says MD5" in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sourceBucket": None}, "sourceBucket"),
        ({"version": "2027-01-01"}, "version"),
        ({"creationTimestamp": "soon"}, "creationTimestamp"),
        ({"creationTimestamp": "9" * 30}, "creationTimestamp"),
        ({"fileFormat": "Avro"}, "fileFormat"),
        ({"files": None}, "files"),
        ({"files": [{"key": "a/../b", "size": 1, "MD5checksum": ""}]}, "no key of a data file"),
        ({"files": [{"key": "a/b", "size": -1, "MD5checksum": ""}]}, "files.0.size"),
        ({"files": [{"key": "a/b", "size": 1, "MD5checksum": ""}] * 2}, "is there 2 times"),
        ({"fileSchema": "Bucket, Key, Size, Key"}, "names a field twice"),
        ({"fileSchema": "Bucket, Key, Size"}, "cannot be used"),
        ({"fileSchema": ""}, "no field Bucket"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(
    tmp_path: Path, changes: dict[str, Any], expected: str
) -> None:
    path = made.write(tmp_path / "daily", [entry("k")], **changes)
    said = refused(tmp_path / "daily")
    assert expected in said
    assert str(path) in said


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b'"' + b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, body: bytes) -> None:
    path = made.write_manifest(tmp_path / "daily" / made.DATED, body)
    assert f"{path} is no manifest" in refused(tmp_path / "daily")


def data_file(folder: Path) -> Path:
    (path,) = (folder / "data").iterdir()
    return path


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    made.write(tmp_path / "daily", [entry("k")])
    path = data_file(tmp_path / "daily")
    path.unlink()
    assert f"its data file {path} is missing" in refused(tmp_path / "daily")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_data_file_with_other_bytes_is_named(tmp_path: Path, kind: str) -> None:
    made.write(tmp_path / "daily", [entry("k")], kind)
    path = data_file(tmp_path / "daily")
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    said = refused(tmp_path / "daily")
    assert f"{path} is not the data file that was delivered: expected MD5" in said
    path.write_bytes(content[:-1])
    assert str(path) in refused(tmp_path / "daily")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x1f\x8b\x08\x00" + b"\0" * 40, b"ORC" * 9])
def test_a_data_file_of_nonsense_with_a_good_checksum_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: bytes
) -> None:
    monkeypatch.setattr(made, "encoded", lambda *_: content)
    path = made.write(tmp_path / "daily", [entry("k")], kind)
    assert str(path) in refused(tmp_path / "daily")


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("field", ["Bucket", "Key", "Size"])
def test_an_inventory_without_a_needed_field_says_which_to_add(
    tmp_path: Path, kind: str, field: str
) -> None:
    fields = [name for name in made.CURRENT if name != field]
    made.write(tmp_path / "daily", [entry("k")], kind, fields=fields)
    said = refused(tmp_path / "daily")
    assert f"has no field {field}" in said
    assert f"next: add {field}" in said


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("size", [None, -1])
def test_an_object_without_a_size_is_refused(tmp_path: Path, kind: str, size: int | None) -> None:
    made.write(tmp_path / "daily", [entry("k", size)], kind)
    assert "the key k has no size" in refused(tmp_path / "daily")


def test_an_inventory_of_another_bucket_is_refused(tmp_path: Path) -> None:
    made.write(tmp_path / "daily", [entry("k")])
    said = refused(tmp_path / "daily", Bucket("s3://other-bucket/"))
    assert f"expected other-bucket (of s3://other-bucket/), found {BUCKET}" in said


@pytest.mark.parametrize("kind", FORMATS)
def test_an_entry_of_another_bucket_is_refused(tmp_path: Path, kind: str) -> None:
    made.write(tmp_path / "daily", [entry("k"), entry("x", Bucket="other")], kind)
    assert "the key x is one of the bucket other" in refused(tmp_path / "daily")


def test_a_key_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    made.write(tmp_path / "daily", [entry("k"), entry("other"), entry("k")], parts=2)
    assert "expected each key once, found k 2 times" in refused(tmp_path / "daily")


def test_files_that_differ_in_their_fields_are_refused(tmp_path: Path) -> None:
    daily = tmp_path / "daily"
    first = made.write(daily, [entry("a")], "Parquet")
    files = json.loads(first.read_bytes())["files"]
    second = made.write(daily, [entry("b")], "Parquet", fields=("Bucket", "Key", "Size"))
    files += json.loads(second.read_bytes())["files"]
    made.write(daily, [], "Parquet", parts=0)
    manifest = json.loads(second.read_bytes()) | {"files": files}
    made.write_manifest(daily / made.DATED, json.dumps(manifest).encode())
    assert "differ in their fields" in refused(daily)


# --- the line -------------------------------------------------------------------------------------


def orders(count: int, first: int = 0) -> bytes:
    sink = io.BytesIO()
    columns = {
        "id": pa.array(range(first, first + count), pa.int64()),
        "label": [f"l{number}" for number in range(count)],
        "created_at": [f"2026-09-{number % 28 + 1:02d} 10:00:00" for number in range(count)],
    }
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def export() -> dict[str, bytes]:
    objects: dict[str, bytes] = dict(sidecars("exp", [table_entry("shop.public.orders")]))
    objects["exp/shop/public.orders/1/_SUCCESS"] = b""
    for number in range(3):
        objects[f"exp/shop/public.orders/1/{part(number)}"] = orders(20, number * 20)
    return objects


def delivered(folder: Path, kind: str = "CSV") -> tuple[Line, dict[str, Any]]:
    """Write an export and the inventory of it; return the line and its `[source]` section."""
    line = Line(folder)
    for key, content in export().items():
        path = line.source / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    entries = [
        entry(row["key"], row["size_bytes"], ETag=row["etag"])
        for page in open_store(str(line.source)).list()
        for row in page.to_pylist()
    ]
    assert len(entries) == len(export())
    made.write(folder / "daily", entries, kind)
    urls = [str(line.source)]
    return line, {"urls": urls, "inventory": {urls[0]: str(folder / "daily")}}


def plan(line: Line, **source: Any) -> Any:
    config = line.config()
    changed = config.source.model_copy(update=source)
    return pipeline.preview(config.model_copy(update={"source": changed}), lambda: NOW)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_listing_and_the_inventory_of_it_give_the_same_plan(tmp_path: Path, kind: str) -> None:
    line, source = delivered(tmp_path, kind)
    listed, read = plan(line), plan(line, inventory=source["inventory"])
    assert read.plan_id == listed.plan_id
    assert read.tables == listed.tables
    assert read.skipped == listed.skipped
    assert [table.source_files for table in read.tables] == [3]
    assert {f.kind for f in read.findings} - {f.kind for f in listed.findings} == {"inventory_used"}


def configuration(folder: Path, line: Line, source: dict[str, Any]) -> Path:
    ((url, place),) = source["inventory"].items()
    path = folder / "compactor.toml"
    path.write_text(
        f"[source]\nurls = [{json.dumps(url)}]\n"
        f"inventory = {{{json.dumps(url)} = {json.dumps(place)}}}\n"
        f"[lake]\nurl = {json.dumps(str(line.lake))}\n"
        f"[limits]\nscratch_dir = {json.dumps(str(line.scratch))}\n"
    )
    return path


def test_scan_plan_and_run_take_an_inventory_by_configuration(
    tmp_path: Path,
    command: Command,
) -> None:
    line, source = delivered(tmp_path)
    unlisted = line.source / "exp/shop/public.orders/1" / part(7)
    unlisted.write_bytes(orders(5, 100))
    path = configuration(tmp_path, line, source)
    scanned = command("-c", path, "scan", "--json", "--footers")
    assert scanned.code == 0, scanned.err
    (table,) = scanned.json["exports"][0]["tables"]
    assert (table["files"], table["rows"]) == (3, 60)
    (finding,) = [f for f in scanned.json["findings"] if f["kind"] == "inventory_used"]
    assert finding["objects"] == 6
    assert finding["manifest"].endswith(f"daily/{made.DATED}/manifest.json")
    planned = command("-c", path, "plan", "--json")
    assert planned.json["tables"][0]["source_files"] == 3
    assert "inventory_used" in command("-c", path, "plan").out
    done = command("-c", path, "run", "--json")
    assert done.code == 0, done.err
    (result,) = done.json["tables"]
    assert (result["source_rows"], result["output_rows"]) == (60, 60)
    assert "inventory_used" in {f["kind"] for f in done.json["findings"]}
    assert unlisted.exists()
    assert command("-c", path, "run", "--json").json["status"] == "nothing_to_do"


def test_an_unusable_inventory_ends_the_command_with_a_source_error(
    tmp_path: Path,
    command: Command,
) -> None:
    line, source = delivered(tmp_path)
    data_file(tmp_path / "daily").unlink()
    said = command("-c", configuration(tmp_path, line, source), "run")
    assert said.code == 3
    assert "its data file" in said.err
    assert not line.lake.exists()


@pytest.mark.parametrize("replaced", [False, True])
def test_an_object_that_is_gone_is_named_with_the_inventory_as_the_likely_cause(
    tmp_path: Path, replaced: bool
) -> None:
    line, source = delivered(tmp_path)
    path = line.source / "exp/shop/public.orders/1" / part(1)
    path.unlink()
    if replaced:
        path.write_bytes(b"something else")
    done = line.run(source=source)
    assert done.exit_code != 0
    (finding,) = [f for f in done.result.findings if f.severity == "error"]
    assert part(1) in finding.message
    assert "S3 Inventory, that may be out of date" in finding.message
    path.write_bytes(orders(20, 20))
    assert_good(line.run())


def test_a_sidecar_that_is_gone_makes_the_inventory_a_warning(tmp_path: Path) -> None:
    line, source = delivered(tmp_path)
    (line.source / "exp/export_info_exp.json").unlink()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    place = open_place(source["inventory"][source["urls"][0]])
    store = open_store(str(line.source))
    found = scan.scan([store], scratch, Inventories(places={0: place}, now=NOW))
    assert told(found).severity == "warning"
    assert "1 sidecars that it lists are gone, such as exp/export_info" in told(found).message
    seen = detect(found, scratch, NOW)
    assert {"inventory_used", "unreadable_object"} <= {f.kind for f in seen.findings}


def test_an_unfinished_export_without_dates_is_told(tmp_path: Path) -> None:
    fields = ("Bucket", "Key", "Size")
    keys = [f"exp/shop/public.orders/1/{part(number)}" for number in range(3)]
    made.write(tmp_path / "daily", [entry(key) for key in keys], fields=fields)
    seen = detect(take(tmp_path / "daily"), tmp_path, NOW)
    (finding,) = [f for f in seen.findings if f.kind == "incomplete_export"]
    assert "none of its 3 objects is taken" in finding.message


def test_one_source_is_listed_and_another_read(tmp_path: Path) -> None:
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "a").write_bytes(b"a")
    made.write(tmp_path / "daily", [entry("b"), entry("c")])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    stores = [open_store(str(tmp_path / "listed")), Bucket()]
    inventories = Inventories(places={1: open_place(str(tmp_path / "daily"))}, now=NOW)
    found = scan.scan(stores, scratch, inventories)
    assert [(row["source"], row["key"]) for row in rows(found)] == [(0, "a"), (1, "b"), (1, "c")]
    assert list((scratch / "inventory-1").iterdir()) == []


def test_bucket_and_inventory_on_s3(bucket: Callable[[], str], tmp_path: Path) -> None:
    source, target = bucket(), bucket()
    s3 = boto3.client("s3")
    entries = []
    for key, content in export().items():
        tag = s3.put_object(Bucket=source, Key=f"in here/{key}", Body=content)["ETag"].strip('"')
        entries.append(entry(f"in here/{key}", len(content), Bucket=source, ETag=tag))
    prefix = f"inventories/{BUCKET}/daily"
    made.write(tmp_path / "daily", entries, "CSV", parts=2, sourceBucket=source)
    for path in (tmp_path / "daily").rglob("*.*"):
        key = f"{prefix}/{path.relative_to(tmp_path / 'daily')}"
        s3.put_object(Bucket=target, Key=key, Body=path.read_bytes())
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    store = open_store(f"s3://{source}/in here/")
    listed = scan.scan([store], scratch)
    by_key = rows(listed)
    place = open_place(f"s3://{target}/{prefix}")
    read = scan.scan([store], scratch, Inventories(places={0: place}, now=NOW))
    same = ("key", "size_bytes", "etag", "version_id")
    assert [[row[name] for name in same] for row in rows(read)] == [
        [row[name] for name in same] for row in by_key
    ]
    assert read.control == listed.control
    assert len(read.control) == 2
    assert list((scratch / "inventory-0").iterdir()) == []


def test_what_has_no_time_may_be_of_just_now_and_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    listing = tmp_path / "listing.parquet"
    name = "LOAD00000001.parquet"
    row = {"source": 0, "key": f"public/orders/{name}", "size_bytes": 9, "etag": "e"}
    row |= {"modified_at": None, "version_id": None}
    pq.write_table(pa.Table.from_pylist([row], schema=INVENTORY_SCHEMA), listing)
    found = Inventory(listing=listing, control={}, urls=("s3://acme/",), objects=1)

    (export,) = detect(found, tmp_path / "scratch", NOW).exports

    assert (export.system, export.status) == ("dms", "in_progress")
    assert [table.can_be_taken for table in export.tables] == [False]
