"""What a run signs, when, and what becomes of the link of a run that was killed.

Envelopes are verified by `signed.opened`, with cryptography alone; buckets are read by boto3.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from lines import Line
from s3_line import SHOP, SNAPSHOT, UNTIL, Kill, Place, rows, write_shop
from signed import LONG_AGO, lines_of, make_key, opened, sha256, write_trusted

from compactor.errors import EvidenceError
from compactor.evidence.chain import link_key
from compactor.evidence.keys import SigningKey
from compactor.evidence.sign import sign
from compactor.model import RunResult

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_key(tmp_path)


@pytest.fixture
def signed(place: Place, key: SigningKey) -> Place:
    """A place whose runs are signed, with one export delivered."""
    place.settings["evidence"] = {"key": key.uri}
    place.deliver(write_shop(place.folder / "exports"))
    return place


def links(place: Place) -> list[bytes]:
    keys = place.keys(place.vault, "tables/_evidence/chain/")
    assert [key.rpartition("/")[2] for key in keys] == [
        f"{number:012d}.dsse.json" for number in range(len(keys))
    ]
    return [place.body(place.vault, key) for key in keys]


def manifest(place: Place, result: RunResult) -> bytes:
    assert result.manifest is not None
    return place.body(place.lake, result.manifest.url.removeprefix(f"s3://{place.lake}/"))


# --- what a run signs -----------------------------------------------------------------------------


def test_a_link_is_an_in_toto_statement_about_every_archived_version(
    signed: Place, key: SigningKey
) -> None:
    done = signed.run()

    assert done.exit_code == 0
    (body,) = links(signed)
    statement = opened(body, key.public)
    assert set(statement) == {"_type", "predicateType", "subject", "predicate"}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://compactor.dev/evidence/run/v1"
    told = {one["name"]: one["digest"] for one in statement["subject"]}
    stored = {
        f"{name.removeprefix('tables/')}@{version}": {
            "sha256": sha256(signed.body(signed.vault, name, version))
        }
        for name, (version,) in signed.versions().items()
        if "/_evidence/chain/" not in name
    }
    assert len(stored) == 3 + 3 * 2 + 1  # parts, sidecars, source listing
    assert told == stored


def test_a_link_says_what_the_manifest_says_and_names_it(signed: Place, key: SigningKey) -> None:
    result = signed.run().result

    predicate = opened(links(signed)[0], key.public)["predicate"]
    body = manifest(signed, result)
    said = json.loads(body)
    assert predicate["manifest"] == {"url": result.manifest.url, "sha256": sha256(body)}
    for name in ("tables", "findings", "versions", "run_id", "finished_at", "lake", "archive"):
        assert predicate[name] == said[name]
    assert {table["table"] for table in predicate["tables"]} == SHOP.keys()
    for table in predicate["tables"]:
        assert table["fingerprint"]
        assert {check["status"] for check in table["checks"]} <= {"pass", "not_verified"}
    assert predicate["config"] == signed.config.model_dump(mode="json")
    assert {"compactor", "duckdb", "polars"} <= predicate["versions"].keys()


def test_the_source_listing_has_every_object_with_etag_and_size(
    signed: Place, key: SigningKey
) -> None:
    result = signed.run().result

    listing = opened(links(signed)[0], key.public)["predicate"]["source_listing"]
    body = signed.body(signed.vault, f"tables/{listing['key']}", listing["version_id"])
    assert (sha256(body), len(body)) == (listing["sha256"], listing["size_bytes"])
    path = signed.folder / "listing.parquet"
    path.write_bytes(body)
    found = pq.read_table(path).to_pylist()
    there = signed.client.list_objects_v2(Bucket=signed.source)["Contents"]
    wanted = {
        item["Key"]: (item["Size"], item["ETag"].strip('"'), item["LastModified"])
        for item in there
        if item["Key"].endswith(".gz.parquet")
    }
    assert len(found) == listing["objects"] == len(wanted) == 5
    assert {
        one["key"]: (one["size_bytes"], one["etag"], one["modified_at"].replace(microsecond=0))
        for one in found
    } == {name: (size, tag, at.replace(microsecond=0)) for name, (size, tag, at) in wanted.items()}
    assert {one["source"] for one in found} == {f"s3://{signed.source}/"}
    tables = result.tables
    assert {(one["task_id"], one["key"].split("/")[2]) for one in found} == {
        (table.task_id, table.table) for table in tables if table.source_files
    }


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_links_and_source_listings_are_locked_like_the_data(signed: Place, mode: str) -> None:
    signed.settings["archive"] |= {"mode": mode, "legal_hold": mode == "GOVERNANCE"}

    link = signed.run().result.evidence

    assert link is not None
    assert (link.lock_mode, link.retain_until) == (mode, UNTIL)
    names = signed.keys(signed.vault, "tables/_evidence/")
    assert len(names) == 2
    for name in names:
        (version,) = signed.versions()[name]
        seen = signed.client.head_object(Bucket=signed.vault, Key=name, VersionId=version)
        assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == (mode, UNTIL)
        assert (seen.get("ObjectLockLegalHoldStatus") == "ON") == (mode == "GOVERNANCE")
        with pytest.raises(signed.client.exceptions.ClientError, match="AccessDenied"):
            signed.client.delete_object(Bucket=signed.vault, Key=name, VersionId=version)


def test_evidence_stays_readable_whatever_the_storage_class_of_the_data(signed: Place) -> None:
    signed.settings["archive"]["storage_class"] = "DEEP_ARCHIVE"

    assert signed.run(accept_retention=True).exit_code == 0  # no ceiling knows its price

    found = {
        item["Key"].split("/")[1]: item["StorageClass"]
        for item in signed.client.list_object_versions(Bucket=signed.vault)["Versions"]
    }
    assert found == {"_evidence": "STANDARD", "shop": "DEEP_ARCHIVE"}


def test_a_link_is_locked_as_long_as_the_longest_lock_of_its_run(signed: Place) -> None:
    later = SNAPSHOT + timedelta(days=100)
    one = {"public.goods": rows(1, 3)}
    export = write_shop(signed.folder / "more", one, export_id="shop-2", snapshot=later)
    signed.deliver(export)

    link = signed.run().result.evidence

    assert link is not None
    assert link.retain_until == later.replace(year=later.year + 30)


def test_the_run_tells_where_its_link_is(signed: Place, key: SigningKey) -> None:
    said = json.loads(signed.cli("run", "--json").stdout)

    link = said["evidence"]
    (body,) = links(signed)
    name = "tables/_evidence/chain/000000000000.dsse.json"
    assert (link["number"], link["sha256"], link["keyid"]) == (0, sha256(body), key.keyid)
    assert link["url"] == f"s3://{signed.vault}/{name}"
    assert [link["version_id"]] == signed.versions()[name]
    assert said["manifest"]["sha256"] == opened(body, key.public)["predicate"]["manifest"]["sha256"]
    run = f"tables/_compactor/runs/{said['run_id']}"
    stored = json.loads(signed.body(signed.lake, f"{run}/report.json"))
    assert stored["evidence"] == link
    page = signed.body(signed.lake, f"{run}/report.html").decode()
    assert link["keyid"] in page
    assert "unsigned_evidence" not in page


def test_without_a_key_the_run_says_that_nothing_is_signed(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))

    result = place.run().result

    assert result.evidence is None
    assert [one.severity for one in result.findings if one.kind == "unsigned_evidence"] == ["info"]
    assert place.keys(place.vault, "tables/_evidence/") == []


def test_without_an_archive_the_chain_lies_in_the_lake(tmp_path: Path, key: SigningKey) -> None:
    line = Line(tmp_path / "line")
    write_shop(line.source)

    done = line.run(evidence={"key": key.uri})

    assert done.exit_code == 0
    (path,) = (line.lake / "_evidence" / "chain").iterdir()
    told = {
        one["name"]: one["digest"]["sha256"]
        for one in opened(path.read_bytes(), key.public)["subject"]
    }
    parts = {
        *(line.lake / "shop").rglob("*.parquet"),
        *(line.lake / "_evidence").rglob("*.parquet"),
    }
    assert told == {p.relative_to(line.lake).as_posix(): sha256(p.read_bytes()) for p in parts}
    assert len(told) == 3


# --- run after run --------------------------------------------------------------------------------


def test_runs_make_a_line_without_gaps_and_idle_runs_add_nothing(
    signed: Place, key: SigningKey
) -> None:
    for number in range(3):
        if number:
            one = {f"public.t{number}": rows(1, 3)}
            signed.deliver(
                write_shop(signed.folder / "exports", one, export_id=f"shop-{number + 1}")
            )
        result = signed.run().result
        assert result.evidence is not None
        assert result.evidence.number == number
        before = signed.versions()
        idle = signed.run().result
        assert (idle.status, idle.evidence, idle.late_links) == ("nothing_to_do", None, ())
        assert signed.proxy.writes() == []
        assert signed.versions() == before
    told = lines_of(links(signed), key.public)
    assert [len(one["tables"]) for one in told] == [3, 1, 1]
    assert len({one["run_id"] for one in told}) == 3


@pytest.mark.parametrize(
    ("kill", "written"),
    [
        (Kill("PUT", r".*/manifest\.json", before=False), 0),
        (Kill("PUT", r".*/_evidence/chain/.*"), 0),
        (Kill("PUT", r".*/_evidence/chain/.*", before=False), 1),
        (Kill("PUT", r".*/link-.*\.json"), 1),
    ],
    ids=["manifest written", "before the link", "link written", "before its record"],
)
def test_a_link_that_a_killed_run_could_not_append_is_appended_by_the_next(
    signed: Place, key: SigningKey, kill: Kill, written: int
) -> None:
    signed.run_and_kill(kill)
    there = len(signed.keys(signed.vault, "tables/_evidence/chain/"))
    assert there == written

    done = signed.run()

    assert (done.exit_code, done.result.status, done.result.evidence) == (0, "nothing_to_do", None)
    (late,) = done.result.late_links
    (told,) = lines_of(links(signed), key.public)
    (name,) = [key for key in signed.keys(signed.lake) if key.endswith("/manifest.json")]
    assert told["manifest"]["sha256"] == sha256(signed.body(signed.lake, name))
    assert (late.number, late.run_id) == (0, told["run_id"])
    assert told["note"].startswith("appended by a later run") == (there == 0)
    assert signed.run().result.late_links == ()
    assert signed.proxy.writes() == []


@pytest.mark.parametrize(
    "kill",
    [
        Kill("PUT", r".*/_evidence/sources/.*"),
        Kill("PUT", r".*/_evidence/sources/.*", before=False),
        Kill("PUT", r".*/draft-.*"),
        Kill("PUT", r".*/manifest\.json"),
    ],
    ids=["before the listing", "listing written", "before the draft", "before the manifest"],
)
def test_a_run_killed_before_its_manifest_leaves_no_link(
    signed: Place, key: SigningKey, kill: Kill
) -> None:
    signed.run_and_kill(kill)
    assert links(signed) == []

    result = signed.run().result

    assert {table.status for table in result.tables} == {"adopted"}
    (told,) = lines_of(links(signed), key.public)
    assert (told["run_id"], result.late_links) == (result.run_id, ())
    assert {table["table"] for table in told["tables"]} == SHOP.keys()


def test_the_late_link_comes_before_that_of_the_run_that_appends_it(
    signed: Place, key: SigningKey
) -> None:
    signed.run_and_kill(Kill("PUT", r".*/_evidence/chain/.*"))
    signed.deliver(
        write_shop(signed.folder / "exports", {"public.more": rows(1, 3)}, export_id="shop-2")
    )

    result = signed.run().result

    told = lines_of(links(signed), key.public)
    assert [len(one["tables"]) for one in told] == [3, 1]
    assert [link.run_id for link in result.late_links] == [told[0]["run_id"]]
    assert result.evidence is not None
    assert (result.evidence.number, told[1]["run_id"]) == (1, result.run_id)


def changed_manifest(place: Place, name: str) -> None:
    said = json.loads(place.body(place.lake, name))
    said["tables"][0]["source_rows"] += 1
    place.client.put_object(Bucket=place.lake, Key=name, Body=json.dumps(said).encode())


def test_a_manifest_changed_before_its_link_is_not_signed(signed: Place) -> None:
    signed.run_and_kill(Kill("PUT", r".*/_evidence/chain/.*"))
    (name,) = [key for key in signed.keys(signed.lake) if key.endswith("/manifest.json")]
    changed_manifest(signed, name)

    done = signed.run()

    assert done.exit_code == 6
    (finding,) = [one for one in done.result.findings if one.kind == "evidence_failed"]
    assert "is not what the run signed" in finding.message
    assert links(signed) == []


def test_a_draft_signed_by_somebody_else_is_not_taken(signed: Place, tmp_path: Path) -> None:
    signed.run_and_kill(Kill("PUT", r".*/_evidence/chain/.*"))
    (name,) = [key for key in signed.keys(signed.lake) if "/draft-" in key]
    draft = json.loads(signed.body(signed.lake, name))
    payload = base64.b64decode(draft["payload"])
    forged = sign(make_key(tmp_path, "other"), payload, draft["payloadType"])
    signed.client.put_object(Bucket=signed.lake, Key=name, Body=forged)

    done = signed.run()

    assert done.exit_code == 6
    (finding,) = [one for one in done.result.findings if one.kind == "evidence_failed"]
    assert "is not trusted" in finding.message
    assert links(signed) == []


def test_manifests_that_nobody_signed_are_told_and_not_signed(
    place: Place, key: SigningKey
) -> None:
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().result.evidence is None
    place.settings["evidence"] = {"key": key.uri}

    result = place.run().result

    assert [one.severity for one in result.findings if one.kind == "unsigned_runs"] == ["warning"]
    assert links(place) == []


def test_a_run_that_only_finds_duplicates_is_signed_too(signed: Place, key: SigningKey) -> None:
    assert signed.run().exit_code == 0
    again = {"public.orders": SHOP["public.orders"]}
    signed.deliver(write_shop(signed.folder / "exports", again, export_id="shop-again"))

    done = signed.run()

    assert {table.status for table in done.result.tables} == {"covered"}
    assert (done.exit_code, done.result.status) == (0, "done")
    assert done.result.evidence is not None
    assert (done.result.evidence.number, done.result.evidence.retain_until) == (1, UNTIL)
    assert len(lines_of(links(signed), key.public)) == 2


# --- in other circumstances -----------------------------------------------------------------------


def test_two_runs_at_once_give_two_links_of_one_line(signed: Place, key: SigningKey) -> None:
    import subprocess

    command = signed.command("-q", "run", "--json")
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]

    assert [process.returncode for process in both] == [0, 0], said
    results = [json.loads(out) for out, _ in said]
    told = lines_of(links(signed), key.public)
    numbers = [one["evidence"]["number"] for one in results if one["evidence"]]
    assert sorted(numbers) == list(range(len(told)))
    assert {one["run_id"] for one in told} == {one["run_id"] for one in results if one["evidence"]}
    assert told


def test_a_broken_chain_does_not_keep_the_data_from_being_done(signed: Place) -> None:
    name = f"tables/{link_key(0)}"
    signed.client.put_object(Bucket=signed.vault, Key=name, Body=b"not a link")

    done = signed.run()

    assert (done.exit_code, done.result.status) == (6, "done")
    assert {table.status for table in done.result.tables} == {"done"}
    (finding,) = [one for one in done.result.findings if one.kind == "evidence_failed"]
    assert "is not a DSSE envelope" in finding.message
    again = signed.run()
    assert (again.exit_code, again.result.status) == (6, "nothing_to_do")


def test_without_a_signed_draft_there_is_no_manifest(
    signed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compactor.evidence import notary

    def fails(*_: Any) -> bytes:
        raise EvidenceError("the key is gone")

    with monkeypatch.context() as patch:
        patch.setattr(notary, "sign", fails)
        done = signed.run()
    assert (done.exit_code, done.result.status, done.result.manifest) == (6, "failed", None)
    assert [key for key in signed.keys(signed.lake) if key.endswith("/manifest.json")] == []

    again = signed.run()

    assert again.exit_code == 0
    assert {table.status for table in again.result.tables} == {"adopted"}
    assert again.result.evidence is not None


def test_runs_go_on_after_a_change_of_keys(signed: Place, key: SigningKey) -> None:
    assert signed.run().exit_code == 0
    new = make_key(signed.folder, "new.key")
    signed.deliver(
        write_shop(signed.folder / "exports", {"public.more": rows(1, 3)}, export_id="shop-2")
    )
    now = datetime.now(UTC)
    ended = key.trusted(LONG_AGO).model_copy(update={"valid_until": now})
    path = signed.folder / "keys.json"
    signed.settings["evidence"] = {
        "key": new.uri,
        "trusted_keys": write_trusted(path, ended, new.trusted(now)),
    }

    result = signed.run().result

    assert result.evidence is not None
    assert (result.evidence.number, result.evidence.keyid) == (1, new.keyid)
    bodies = links(signed)
    opened(bodies[0], key.public)
    opened(bodies[1], new.public)


def test_a_run_with_a_key_that_is_not_trusted_now_does_nothing(
    signed: Place, key: SigningKey
) -> None:
    ended = key.trusted(LONG_AGO).model_copy(update={"valid_until": NOW - timedelta(days=900)})
    signed.settings["evidence"] |= {
        "trusted_keys": write_trusted(signed.folder / "keys.json", ended)
    }

    done = signed.cli("run")

    assert done.returncode == 2
    assert key.keyid in done.stderr
    assert signed.proxy.writes() == []
