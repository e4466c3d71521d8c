"""Change one thing, and the audit fails and names it.

Chain, bytes and manifests are changed in a copy of a lake; versions, locks and delete markers on a
real server with Object Lock, where some attempts are refused: then the audit still passes.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from audits import NOW, Folder, archive, data_version, faults, look, make_folder, name_it
from botocore.exceptions import ClientError
from s3_line import UNTIL, Place

from compactor.config import parse_config
from compactor.evidence.audited import Audit
from compactor.evidence.keys import new_key, open_key
from compactor.evidence.predicate import PAYLOAD_TYPE, link_key
from compactor.evidence.sign import sign
from compactor.evidence.walk import Head
from compactor.model import to_json

LINKS = 4


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made = make_folder(tmp_path_factory.mktemp("tamper") / "made", LINKS)
    assert made.look(deep=True).status == "passed"
    return made


@pytest.fixture
def folder(untouched: Folder, tmp_path: Path) -> Folder:
    return untouched.copy(tmp_path / "copy")


def failed(found: Audit, code: int, *kinds: str) -> dict[str, list[Any]]:
    """Return what failed: exactly these kinds."""
    told = faults(found)
    assert told.keys() == set(kinds), told
    assert (found.status, found.exit_code) == ("failed", code)
    return told


# --- bytes, rows, files ---------------------------------------------------------------------------


def test_a_changed_byte_is_named(folder: Folder) -> None:
    path = folder.data()[1]
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    key = path.relative_to(folder.lake).as_posix()

    shallow = failed(folder.look(), 5, "stored_sha256")
    deep = failed(folder.look(deep=True), 5, "stored_sha256", "bytes_sha256")

    assert [one.subject for one in (*shallow["stored_sha256"], *deep["bytes_sha256"])] == [key, key]


def test_a_changed_row_is_named_though_its_file_is_a_good_one(folder: Folder) -> None:
    path = folder.data()[0]
    table = pq.read_table(path, partitioning=None)
    notes = table["note"].to_pylist()
    notes[0] = notes[0][::-1]
    place = table.schema.get_field_index("note")
    pq.write_table(table.set_column(place, "note", pa.array(notes)), path)

    told = failed(folder.look(deep=True), 5, "size", "stored_sha256", "bytes_sha256")

    assert all(name_it(told[kind], path.name) for kind in told)


def test_a_file_that_was_cut_short_is_named(folder: Folder) -> None:
    path = folder.data()[0]
    path.write_bytes(path.read_bytes()[:-7])

    told = failed(folder.look(deep=True), 5, "size", "stored_sha256", "bytes_sha256")

    assert name_it(told["size"], path.name)


def test_a_file_that_is_gone_is_named(folder: Folder) -> None:
    path = folder.data()[0]
    path.unlink()

    told = failed(folder.look(deep=True), 5, "present", "current", "bytes_sha256")

    assert name_it(told["present"], path.name)


def test_a_file_that_nothing_names_is_named(folder: Folder) -> None:
    path = folder.data()[0]
    shutil.copy(path, path.with_name("part-99999-intruder.parquet"))

    told = failed(folder.look(), 5, "unnamed_objects")

    assert name_it(told["unnamed_objects"], "part-99999-intruder.parquet")


def test_a_manifest_that_was_changed_after_it_was_signed_is_named(folder: Folder) -> None:
    path = sorted(folder.lake.glob("_compactor/runs/*/manifest.json"))[2]
    path.write_text(path.read_text().replace('"source_rows":42', '"source_rows":41'))
    assert '"source_rows":41' in path.read_text()

    told = failed(folder.look(), 5, "manifest")

    assert path.parent.name in told["manifest"][0].subject


# --- a field of a link ----------------------------------------------------------------------------


def rewritten(folder: Folder, number: int, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return the payload of a link with something changed in it."""
    said = folder.statement(number)
    before = to_json(said)
    change(said)
    assert to_json(said) != before
    return to_json(said).encode()


def forge(folder: Folder, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a link and keep its signature."""
    path = folder.link(number)
    envelope = json.loads(path.read_text())
    envelope["payload"] = base64.b64encode(rewritten(folder, number, change)).decode()
    path.write_text(to_json(envelope))


def sign_again(
    folder: Folder, number: int, change: Callable[[dict[str, Any]], None], key: Path | None = None
) -> None:
    """Change a link and sign it, with its own key or another one."""
    signer = open_key(f"ed25519:{key or folder.root / 'key.pem'}")
    folder.link(number).write_bytes(sign(signer, rewritten(folder, number, change), PAYLOAD_TYPE))


def table_of(said: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in said["predicate"]["tables"] if one["partitions"])


FIELDS: dict[str, Callable[[dict[str, Any]], None]] = {
    "rows": lambda said: table_of(said)["partitions"][0].update(rows=9),
    "fingerprint": lambda said: table_of(said)["partitions"][0].update(fingerprint="1-2"),
    "note": lambda said: said["predicate"].update(note="nothing happened"),
    "date": lambda said: said["predicate"].update(finished_at="2026-01-01T00:00:00Z"),
    "signed_at": lambda said: said["predicate"].update(signed_at="2026-11-25T00:00:00Z"),
    "check": lambda said: table_of(said)["checks"][0].update(status="fail"),
    "source": lambda said: said["predicate"].update(sources=["s3://elsewhere/"]),
    "subject": lambda said: said["subject"].pop(),
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_changed_field_of_a_link_breaks_its_signature_and_the_chain(
    folder: Folder, field: str
) -> None:
    forge(folder, 1, FIELDS[field])

    found = folder.look()

    told = faults(found)
    assert (found.status, found.exit_code) == ("failed", 6)
    assert [one.subject for one in told["signature"]] == [f"link 1 ({link_key(1)})"]
    # and the next link names the digest of what was there before
    assert name_it(told["chain"], "link 2 ")
    # the link itself is no more what its own file says, but nothing else is accused
    assert told.keys() <= {"chain", "signature", "manifest", "stored_sha256"}


def test_a_digest_changed_in_the_link_accuses_link_and_object(folder: Folder) -> None:
    def change(said: dict[str, Any]) -> None:
        item = table_of(said)["partitions"][0]["objects"][0]
        for subject in said["subject"]:
            if subject["name"] == item["key"]:
                subject["digest"]["sha256"] = "0" * 64

    forge(folder, 3, change)

    told = failed(folder.look(), 6, "signature", "stored_sha256")
    assert name_it(told["signature"], "link 3 ")


def test_the_last_link_changed_and_signed_again_is_found_by_a_remembered_head(
    folder: Folder,
) -> None:
    links = folder.look().links
    sign_again(folder, 3, FIELDS["note"])

    told = failed(folder.look(head=Head(3, str(links.sha256))), 6, "chain")

    assert str(links.sha256) in str(told["chain"][0].expected)


def test_a_link_changed_and_signed_again_with_the_right_key_breaks_the_chain_after_it(
    folder: Folder,
) -> None:
    sign_again(folder, 0, FIELDS["note"])

    told = failed(folder.look(), 6, "chain")

    assert [one.subject for one in told["chain"]] == [f"link 1 ({link_key(1)})"]


def test_a_link_signed_by_another_key_is_named_with_the_key(folder: Folder, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    keyid = new_key(other).keyid
    sign_again(folder, 3, FIELDS["note"], other)

    told = failed(folder.look(), 6, "signature")

    assert name_it(told["signature"], "link 3 ")
    assert keyid in str(told["signature"][0].actual)


def test_a_link_without_signature_is_named(folder: Folder) -> None:
    path = folder.link(3)
    path.write_text(to_json(json.loads(path.read_text()) | {"signatures": []}))

    told = failed(folder.look(), 6, "signature")

    assert name_it(told["signature"], "link 3 ")


def test_the_signature_of_another_link_is_no_signature(folder: Folder) -> None:
    path = folder.link(3)
    other = json.loads(folder.link(2).read_text())["signatures"]
    path.write_text(to_json(json.loads(path.read_text()) | {"signatures": other}))

    told = failed(folder.look(), 6, "signature")

    assert name_it(told["signature"], "link 3 ")


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON", b'{"payload": 1}'])
def test_a_link_that_is_no_envelope_is_named(folder: Folder, body: bytes) -> None:
    folder.link(3).write_bytes(body)

    found = folder.look()

    assert found.exit_code == 6
    assert name_it(faults(found)["chain"], "link 3 ")


def test_a_deep_audit_counts_the_rows_though_digest_and_signature_are_right(
    folder: Folder,
) -> None:
    def change(said: dict[str, Any]) -> None:
        item = table_of(said)["partitions"][0]["objects"][0]
        item["rows"] += 1
        named.append(item["key"])

    named: list[str] = []
    sign_again(folder, 3, change)

    told = failed(folder.look(deep=True), 5, "rows")

    assert [one.subject for one in told["rows"]] == named
    assert "by Polars" in str(told["rows"][0].actual)
    assert folder.look().status == "passed"


def test_a_deep_audit_computes_the_fingerprint_of_each_partition(folder: Folder) -> None:
    sign_again(folder, 3, FIELDS["fingerprint"])

    told = failed(folder.look(deep=True), 5, "fingerprint")

    (one,) = told["fingerprint"]
    assert (one.expected, one.subject[:5]) == ("1-2", "shop ")


# --- keys -----------------------------------------------------------------------------------------


def trusted(folder: Folder, **change: Any) -> Path:
    """Write a file of trusted keys that holds the folder's own."""
    entry = open_key(f"ed25519:{folder.root / 'key.pem'}").trusted(NOW - timedelta(days=30))
    path = folder.root / "trusted.json"
    path.write_text(json.dumps({"keys": [json.loads(to_json(entry)) | change]}))
    return path


def test_links_of_a_trusted_key_pass(folder: Folder) -> None:
    assert folder.look(keys=trusted(folder)).status == "passed"


def test_a_key_that_ended_before_a_link_was_signed_fails_that_link_and_no_other(
    folder: Folder,
) -> None:
    signed = folder.statement(2)["predicate"]["signed_at"]

    told = failed(folder.look(keys=trusted(folder, valid_until=signed)), 6, "signature")

    assert [one.subject[:6] for one in told["signature"]] == ["link 2", "link 3"]


def test_a_file_of_keys_without_the_one_that_signed_fails_every_link(
    folder: Folder, tmp_path: Path
) -> None:
    other = new_key(tmp_path / "other.pem").trusted(NOW - timedelta(days=30))
    path = tmp_path / "trusted.json"
    path.write_text(json.dumps({"keys": [json.loads(to_json(other))]}))

    told = failed(folder.look(keys=path), 6, "signature")

    assert len(told["signature"]) == LINKS


# --- the order ------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [(0,), (1,), (1, 2), (0, 1, 2), (0, 1, 2, 3)])
def test_links_that_are_missing_are_named(folder: Folder, gone: tuple[int, ...]) -> None:
    for number in gone:
        folder.link(number).unlink()

    found = folder.look()

    told = faults(found)
    assert (found.status, found.exit_code) == ("failed", 6)
    if len(gone) < LINKS:
        assert [one.subject for one in told["chain"]] == [
            f"link {number} ({link_key(number)})" for number in gone
        ]
    else:
        assert "no link at all" in str(told["chain"][0].actual)
    # what only those links named is not vouched for by anybody
    assert told["unnamed_objects"]


def test_the_oldest_links_may_be_gone_only_where_somebody_says_so(folder: Folder) -> None:
    """Their objects are gone with them, as they are when locks have ended."""
    for number in (0, 1):
        for subject in folder.statement(number)["subject"]:
            (folder.lake / subject["name"]).unlink()
    for number in (0, 1):
        folder.link(number).unlink()

    assert folder.look().exit_code == 6
    assert folder.look(first=2).status == "passed"
    assert faults(folder.look(first=1))["chain"][0].subject.startswith("link 1 ")
    folder.link(2).unlink()
    assert faults(folder.look(first=2))["chain"][0].subject.startswith("link 2 ")


@pytest.mark.parametrize("left", [1, 3])
def test_a_chain_that_was_cut_off_is_found_by_a_remembered_head(folder: Folder, left: int) -> None:
    links = folder.look().links
    for number in range(left, LINKS):
        folder.link(number).unlink()

    found = folder.look(head=Head(3, str(links.sha256)))

    assert found.exit_code == 6
    (told,) = faults(found)["chain"]
    assert told.subject == f"link 3 ({link_key(3)})"
    assert told.actual == f"not there: the chain ends with link {left - 1}"


def test_the_coverage_file_remembers_the_head(folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "read.jsonl"
    assert folder.look(coverage=file).status == "passed"
    folder.link(3).unlink()

    found = folder.look(coverage=file)

    assert found.exit_code == 6
    assert name_it(faults(found)["chain"], "link 3 ")
    # a second look does not make peace with it
    assert folder.look(coverage=file).exit_code == 6


def test_links_that_changed_places_are_named(folder: Folder) -> None:
    one, two = folder.link(1).read_bytes(), folder.link(2).read_bytes()
    folder.link(1).write_bytes(two)
    folder.link(2).write_bytes(one)

    told = faults(folder.look())

    for number in (1, 2):
        assert name_it(told["chain"], f"link {number} ")


def test_a_link_copied_to_the_end_is_named(folder: Folder) -> None:
    shutil.copy(folder.link(2), folder.link(4))

    told = failed(folder.look(), 6, "chain")

    assert name_it(told["chain"], "link 4 ")


# --- the real server ------------------------------------------------------------------------------


@pytest.fixture
def vault(place: Place) -> Place:
    return archive(place)


def relative(key: str) -> str:
    return key.removeprefix("tables/")


def refused(call: Callable[..., Any], **arguments: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_what_the_server_refuses_changes_nothing_and_the_audit_passes(place: Place) -> None:
    archive(place, mode="COMPLIANCE")
    key, version = data_version(place)
    target = {"Bucket": place.vault, "Key": key, "VersionId": version}
    before = place.versions()

    refused(place.client.delete_object, **target)
    refused(place.client.delete_object, **target, BypassGovernanceRetention=True)
    for mode, until in (("COMPLIANCE", UNTIL - timedelta(days=1)), ("GOVERNANCE", UNTIL)):
        refused(
            place.client.put_object_retention,
            **target,
            Retention={"Mode": mode, "RetainUntilDate": until},
            BypassGovernanceRetention=True,
        )
    assert place.versions() == before

    assert look(place.config, deep=True).status == "passed"


def test_a_delete_marker_is_named(vault: Place) -> None:
    key, version = data_version(vault)
    marker = vault.client.delete_object(Bucket=vault.vault, Key=key)["VersionId"]

    told = failed(look(vault.config), 5, "current", "unnamed_objects")

    (one,) = told["current"]
    assert one.subject == f"{relative(key)}@{version}"
    assert f"delete marker {marker}" in str(one.actual)
    (marked,) = told["unnamed_objects"]
    assert marked.subject == f"{relative(key)}@{marker}"


def test_an_overwrite_is_named_and_the_locked_version_is_still_read(vault: Place) -> None:
    key, version = data_version(vault)
    body = vault.body(vault.vault, key)
    new = vault.client.put_object(Bucket=vault.vault, Key=key, Body=body[::-1])["VersionId"]

    told = failed(look(vault.config, deep=True), 5, "current", "unnamed_objects")

    assert told["current"][0].subject == f"{relative(key)}@{version}"
    assert f"other version {new}" in str(told["current"][0].actual)
    assert told["unnamed_objects"][0].subject == f"{relative(key)}@{new}"


def test_a_version_that_was_deleted_is_named(vault: Place) -> None:
    key, version = data_version(vault)
    vault.client.delete_object(
        Bucket=vault.vault, Key=key, VersionId=version, BypassGovernanceRetention=True
    )

    told = failed(look(vault.config), 5, "present", "current")

    assert told["present"][0].subject == f"{relative(key)}@{version}"


def test_the_same_bytes_in_another_version_are_not_what_was_signed(vault: Place) -> None:
    key, version = data_version(vault)
    body = vault.body(vault.vault, key)
    target = {"Bucket": vault.vault, "Key": key}
    vault.client.delete_object(**target, VersionId=version, BypassGovernanceRetention=True)
    new = vault.client.put_object(
        **target,
        Body=body,
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=UNTIL,
        ChecksumAlgorithm="SHA256",
    )["VersionId"]

    told = failed(look(vault.config), 5, "present", "current", "unnamed_objects")

    assert told["present"][0].subject == f"{relative(key)}@{version}"
    assert told["unnamed_objects"][0].subject == f"{relative(key)}@{new}"


@pytest.mark.parametrize("kind", ["data", "link", "sources"])
def test_a_lock_that_was_shortened_is_named_with_both_dates(vault: Place, kind: str) -> None:
    key, version = next(
        (key, version)
        for key, (version,) in vault.versions().items()
        if {"link": "/chain/" in key, "sources": "/sources/" in key}.get(kind)
        or (kind == "data" and key == data_version(vault)[0])
    )
    vault.client.put_object_retention(
        Bucket=vault.vault,
        Key=key,
        VersionId=version,
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL - timedelta(days=365)},
        BypassGovernanceRetention=True,
    )

    told = failed(look(vault.config), 5, "lock")

    (one,) = told["lock"]
    assert one.subject == f"{relative(key)}@{version}"
    assert one.expected == "GOVERNANCE until 2056-10-06T03:47:12Z"
    assert one.actual == "GOVERNANCE until 2055-10-07T03:47:12Z"


def test_a_legal_hold_that_was_lifted_is_named(place: Place) -> None:
    place.settings["archive"]["legal_hold"] = True
    archive(place)
    key, version = data_version(place)
    assert look(place.config).status == "passed"
    place.client.put_object_legal_hold(
        Bucket=place.vault, Key=key, VersionId=version, LegalHold={"Status": "OFF"}
    )
    # the configuration may be changed as well: the chain still says what was promised
    place.settings["archive"]["legal_hold"] = False

    told = failed(look(place.config), 5, "legal_hold")

    assert [one.subject for one in told["legal_hold"]] == [f"{relative(key)}@{version}"]


def test_a_link_hidden_by_a_delete_marker_breaks_the_chain(vault: Place) -> None:
    key = f"tables/{link_key(0)}"
    marker = vault.client.delete_object(Bucket=vault.vault, Key=key)["VersionId"]

    found = look(vault.config)

    assert (found.status, found.exit_code) == ("failed", 6)
    hidden = [one for one in faults(found)["chain"] if marker in str(one.actual)]
    assert [one.subject for one in hidden] == [link_key(0)]


def test_a_link_that_was_written_again_breaks_the_chain(vault: Place) -> None:
    key = f"tables/{link_key(0)}"
    ((first,),) = [one for name, one in vault.versions().items() if name == key]
    body = vault.body(vault.vault, key)
    vault.client.put_object(Bucket=vault.vault, Key=key, Body=body)

    found = look(vault.config)

    assert (found.status, found.exit_code) == ("failed", 6)
    told = faults(found)["chain"]
    assert any(one.subject == link_key(0) and first in str(one.actual) for one in told)


def test_an_object_of_somebody_else_in_the_archive_is_named(vault: Place) -> None:
    new = vault.client.put_object(Bucket=vault.vault, Key="tables/shop/hello.txt", Body=b"hello")

    told = failed(look(vault.config), 5, "unnamed_objects")

    assert told["unnamed_objects"][0].subject == f"shop/hello.txt@{new['VersionId']}"


def test_an_archive_copied_to_another_bucket_is_not_the_archive(
    vault: Place, lock_bucket: Callable[[], str]
) -> None:
    """Copies have other versions and, on this server, no locks."""
    other = lock_bucket()
    for key in vault.versions():
        vault.client.put_object(Bucket=other, Key=key, Body=vault.body(vault.vault, key))
    settings = vault.settings | {
        "archive": vault.settings["archive"] | {"url": f"s3://{other}/tables/"}
    }

    found = look(parse_config(settings))

    assert (found.status, found.exit_code) == ("failed", 5)
    told = faults(found)
    named = found.objects - found.links.count
    assert len(told["present"]) == named
    assert len(told["lock"]) == found.links.count
