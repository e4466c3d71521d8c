"""The audit of an archive: what passes, what is told, who may run it, and how quick it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import jsonschema
import pytest
from audits import NOW, Folder, archive, check, data_version, faults, look, make_folder
from botocore.exceptions import ClientError
from commands import Command
from s3_line import RETAIN, SNAPSHOT, UNTIL, Place

from compactor import audit, expiry, report
from compactor.config import parse_config
from compactor.errors import ConfigError
from compactor.evidence.coverage import due_day, parse_sample
from compactor.evidence.inspect import Named, inspect
from compactor.evidence.schedule import scheduled
from compactor.holdings import Selection
from compactor.store import s3_versions
from compactor.store.interface import Object, Version

KINDS = [
    "chain",
    "signature",
    "manifest",
    "present",
    "size",
    "stored_sha256",
    "lock",
    "legal_hold",
    "storage_class",
    "current",
    "unnamed_objects",
    "expiring",
]


def relative(key: str) -> str:
    """Return a key of the bucket as the archive calls it."""
    return key.removeprefix("tables/")


DEEP_KINDS = ["bytes_sha256", "rows", "fingerprint"]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return make_folder(tmp_path_factory.mktemp("audit") / "made")


@pytest.fixture
def folder(untouched: Folder, tmp_path: Path) -> Folder:
    return untouched.copy(tmp_path / "copy")


# --- what passes ----------------------------------------------------------------------------------


def test_an_untouched_archive_passes_every_check(place: Place) -> None:
    archive(place, mode="COMPLIANCE")
    place.proxy.forget()

    found = look(place.config, deep=True)

    assert [one.name for one in found.checks] == [*KINDS, *DEEP_KINDS]
    assert {one.status for one in found.checks} == {"pass"}
    assert (found.status, found.exit_code) == ("passed", 0)
    assert found.objects == len(place.versions())
    assert found.links.count == 1
    assert check(found, "lock").actual == f"{found.objects} versions"
    assert found.coverage is not None
    assert (found.coverage.covered_objects, found.coverage.read_objects) == (
        found.objects,
        found.objects,
    )
    assert place.proxy.writes() == []


def test_an_untouched_lake_without_archive_passes_too(untouched: Folder) -> None:
    found = untouched.look(deep=True)

    assert [one.name for one in found.checks] == [
        *(kind for kind in KINDS if kind not in ("lock", "legal_hold", "storage_class")),
        *DEEP_KINDS,
    ]
    assert {one.status for one in found.checks} == {"pass"}, faults(found)
    assert (found.status, found.exit_code, found.links.count) == ("passed", 0, 2)
    assert check(found, "rows").actual == f"{len(untouched.data())} versions"


def test_without_trusted_keys_nothing_is_green(untouched: Folder) -> None:
    settings = {name: one for name, one in untouched.settings.items() if name != "evidence"}

    found = look(parse_config(settings))

    assert (found.status, found.exit_code) == ("not_verified", 6)
    assert check(found, "signature").status == "not_verified"
    assert check(found, "chain").status == "pass"


def test_an_archive_without_a_chain_is_not_passed(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    settings = {"source": {"urls": [str(tmp_path / "s")]}, "lake": {"url": str(tmp_path / "lake")}}

    found = look(parse_config(settings))

    assert (found.status, found.exit_code) == ("failed", 6)
    assert "no link at all" in str(faults(found)["chain"][0].actual)


# --- credentials that only read -------------------------------------------------------------------


@pytest.fixture
def reader(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.client]:
    """Use credentials that may only read and list; returns their client."""
    if place.server.reader_env is None:
        pytest.skip("the endpoint has no user who may only read")
    archive(place)
    for name, text in place.server.reader_env.items():
        if name != "AWS_ENDPOINT_URL":
            monkeypatch.setenv(name, text)
    # a session of its own: the default one keeps the credentials that it saw first
    return boto3.Session().client("s3", endpoint_url=place.server.endpoint)


def test_credentials_that_may_only_read_suffice(place: Place, reader: boto3.client) -> None:
    key, version = data_version(place)
    refused = [
        lambda: reader.put_object(Bucket=place.vault, Key="tables/new", Body=b"x"),
        lambda: reader.put_object(Bucket=place.lake, Key="tables/new", Body=b"x"),
        lambda: reader.delete_object(Bucket=place.vault, Key=key),
        lambda: reader.delete_object(Bucket=place.vault, Key=key, VersionId=version),
        lambda: reader.put_object_legal_hold(
            Bucket=place.vault, Key=key, VersionId=version, LegalHold={"Status": "ON"}
        ),
    ]
    for call in refused:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    before = place.versions()
    place.proxy.forget()

    found = look(place.config, deep=True)

    assert (found.status, found.exit_code) == ("passed", 0), faults(found)
    assert place.proxy.writes() == []
    assert place.versions() == before
    assert {one.name for one in found.checks} == {*KINDS, *DEEP_KINDS}


# --- what may not be looked at --------------------------------------------------------------------


def test_a_version_that_may_not_be_described_is_named_and_not_green(place: Place) -> None:
    archive(place)
    key, _ = data_version(place)
    place.proxy.inject("deny", method="HEAD", key=f"{place.vault}/{key}", times=2)

    found = look(place.config)

    assert (found.status, found.exit_code) == ("not_verified", 4)
    (told,) = faults(found)["present"]
    assert told.status == "not_verified"
    assert told.subject.startswith(key.removeprefix("tables/"))


def test_a_lock_that_may_not_be_read_is_not_called_missing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 leaves the lock out of a description for who may not read it, and answers 200."""
    archive(place)
    key, _ = data_version(place)
    seen = s3_versions._object

    def without_lock(item: Version, headers: Mapping[str, str]) -> Object:
        found = seen(item, headers)
        if item.key != key.removeprefix("tables/"):
            return found
        return replace(found, lock_mode=None, retain_until=None, legal_hold=False)

    monkeypatch.setattr(s3_versions, "_object", without_lock)
    place.proxy.inject("deny", method="GET", key=f"{place.vault}/{key}")

    hidden = look(place.config)
    missing = look(place.config)

    assert (hidden.status, hidden.exit_code) == ("not_verified", 4)
    (told,) = faults(hidden)["lock"]
    assert (told.status, told.expected) == (
        "not_verified",
        "GOVERNANCE until 2056-10-06T03:47:12Z",
    )
    # where it may be read, and there is none, that is a fault
    assert (missing.status, missing.exit_code) == ("failed", 5)
    assert [one.actual for one in faults(missing)["lock"]] == ["no lock"]


def test_a_listing_of_versions_that_is_denied_is_not_green(place: Place) -> None:
    archive(place)
    place.proxy.inject("deny", method="GET", key=place.vault)

    found = look(place.config)

    assert (found.status, found.exit_code) == ("not_verified", 4)
    for kind in ("current", "unnamed_objects"):
        assert check(found, kind).status == "not_verified"
    assert check(found, "lock").status == "pass"


# --- policy ---------------------------------------------------------------------------------------


def test_a_policy_that_wants_more_than_there_is_fails_naming_each_version(place: Place) -> None:
    archive(place)
    place.settings["archive"] |= {
        "mode": "COMPLIANCE",
        "retain": "40y",
        "legal_hold": True,
        "storage_class": "STANDARD_IA",
    }

    found = look(place.config)

    assert (found.status, found.exit_code) == ("failed", 5)
    told = faults(found)
    assert told.keys() == {"lock", "legal_hold", "storage_class"}
    key, _ = data_version(place)
    (lock,) = [one for one in told["lock"] if key.removeprefix("tables/") in one.subject]
    assert lock.expected == "COMPLIANCE until 2066-10-06T03:47:12Z"
    assert lock.actual == "GOVERNANCE until 2056-10-06T03:47:12Z"


def test_a_stronger_and_longer_lock_than_the_policy_wants_is_fine(place: Place) -> None:
    archive(place, mode="COMPLIANCE")
    place.settings["archive"] |= {"mode": "GOVERNANCE", "retain": "1y"}

    assert look(place.config).status == "passed"


def test_locks_that_end_soon_are_told_with_their_date(place: Place) -> None:
    archive(place)
    end = SNAPSHOT.replace(year=SNAPSHOT.year + int(RETAIN.removesuffix("y")))
    soon = end - timedelta(days=60)

    told = look(place.config, now=soon, within=(90, "d"))
    quiet = look(place.config, now=soon, within=(30, "d"))

    (finding,) = told.findings
    assert (finding.kind, finding.severity) == ("expiring_locks", "warning")
    assert finding.model_dump()["versions"] == told.objects
    assert "2056-10-06T03:47:12Z" in str(check(told, "expiring").actual)
    assert quiet.findings == ()
    assert check(quiet, "expiring").actual == "0 versions whose lock ends within 30d"


# --- later acts ---


def test_records_of_later_acts_belong_to_the_archive(place: Place) -> None:
    archive(place)
    command = ("hold", "add", "--all", "--reason", "a lawsuit", "--apply")
    done = place.cli("-q", *command)
    assert done.returncode == 0, done.stderr
    (record,) = [key for key in place.versions() if "/_evidence/records/" in key]

    assert look(place.config).status == "passed"

    # what only looks like one by its name is nobody's
    fake = f"{record.rpartition('/')[0]}/20260101T000000000000Z-hold.json"
    place.client.put_object(Bucket=place.vault, Key=fake, Body=b"{}")
    (told,) = faults(look(place.config))["unnamed_objects"]
    assert told.subject.startswith(fake.removeprefix("tables/"))


def test_a_hold_that_was_lifted_with_a_record_is_no_fault(place: Place) -> None:
    place.settings["archive"]["legal_hold"] = True
    archive(place)
    place.settings["archive"]["legal_hold"] = False
    lift = ("hold", "remove", "--all", "--reason", "case closed", "--apply")
    done = place.cli("-q", *lift)
    assert done.returncode == 0, done.stderr

    found = look(place.config)

    assert (found.status, found.exit_code, found.links.count) == ("passed", 0, 2)
    # put on again, it has to stay
    again = place.cli("-q", "hold", "add", "--all", "--reason", "a lawsuit", "--apply")
    assert again.returncode == 0, again.stderr
    key, version = data_version(place)
    place.client.put_object_legal_hold(
        Bucket=place.vault, Key=key, VersionId=version, LegalHold={"Status": "OFF"}
    )
    told = faults(look(place.config))
    assert told.keys() == {"legal_hold"}
    assert [one.subject for one in told["legal_hold"]] == [f"{relative(key)}@{version}"]


def test_versions_whose_destruction_is_signed_need_not_be_there(place: Place) -> None:
    archive(place)
    gone = [
        (key, version)
        for key, (version,) in place.versions().items()
        if "/public.customers/" in key
    ]
    for key, version in gone:
        place.client.delete_object(
            Bucket=place.vault, Key=key, VersionId=version, BypassGovernanceRetention=True
        )
    assert len(faults(look(place.config))["present"]) == len(gone)
    after = UNTIL + timedelta(days=1)

    act = expiry.destroyed(
        place.config,
        Selection(snapshots=("20261006T034712Z",)),
        reason="over",
        apply=True,
        clock=lambda: after,
    )

    assert (act.status, act.exit_code) == ("done", 0)
    found = look(place.config)
    assert "present" not in faults(found)
    assert found.links.count == 2


def test_a_destruction_before_its_time_is_signed_and_stays_a_fault(place: Place) -> None:
    archive(place)
    key, version = data_version(place)
    for name, (one,) in place.versions().items():
        if "/public.customers/" in name:
            place.client.delete_object(
                Bucket=place.vault, Key=name, VersionId=one, BypassGovernanceRetention=True
            )

    act = expiry.destroyed(
        place.config,
        Selection(snapshots=("20261006T034712Z",)),
        reason="by mistake",
        apply=True,
        clock=lambda: datetime.now(UTC),
    )

    assert act.status == "failed"
    found = look(place.config)
    assert found.links.count == 2
    assert f"{relative(key)}@{version}" in {one.subject for one in faults(found)["present"]}


# --- schedule -------------------------------------------------------------------------------------


def test_snapshots_that_should_exist_and_do_not_are_told_with_their_dates(
    untouched: Folder,
) -> None:
    settings = untouched.settings | {
        "audit": {"expect": {"shop": "1d", "shop.public.orders": "60d", "crm": "1d"}}
    }
    now = SNAPSHOT + timedelta(days=4)

    found = look(parse_config(settings), now=now)

    shop, orders, crm = (one for one in found.checks if one.name == "schedule")
    assert (shop.subject, shop.status) == ("shop", "fail")
    assert shop.actual == "2 snapshots, 2 missing: about 2026-10-08T03:47:12Z, 2026-10-09T03:47:12Z"
    assert (orders.status, orders.actual) == ("pass", "2 snapshots, 0 missing")
    assert (crm.status, crm.actual) == ("fail", "no snapshot at all")
    assert (found.status, found.exit_code) == ("failed", 5)


def test_an_export_that_comes_some_hours_late_is_not_missing() -> None:
    first = datetime(2026, 1, 1, 3, tzinfo=UTC)
    moments = {first, first + timedelta(hours=30), first + timedelta(hours=49)}

    def told(now: datetime) -> str:
        (one,) = scheduled({"shop": "1d"}, {("shop", "t"): moments}, now)
        return one.status

    assert told(first + timedelta(hours=49 + 35)) == "pass"
    assert told(first + timedelta(hours=49 + 37)) == "fail"


# --- the bytes ------------------------------------------------------------------------------------


def test_an_interrupted_deep_audit_goes_on_where_it_was(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "read.jsonl"
    whole = folder.look(deep=True)
    assert whole.coverage is not None
    monkeypatch.setattr("compactor.evidence.deep._OBJECTS", 2)
    calls = 0

    def stop(self, batch, place):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        real(self, batch, place)

    with monkeypatch.context() as patch:
        from compactor.evidence.deep import Deep

        real = Deep._batch
        patch.setattr(Deep, "_batch", stop)
        with pytest.raises(KeyboardInterrupt):
            folder.look(deep=True, coverage=file)
    with file.open("a") as torn:
        torn.write('{"event": "read", "at": "20')

    found = folder.look(deep=True, coverage=file, now=NOW + timedelta(hours=1))

    assert found.status == "passed", faults(found)
    assert found.coverage is not None
    assert found.coverage.read_objects == whole.coverage.read_objects - 4
    assert found.coverage.covered_objects == whole.coverage.covered_objects
    # what was read before the interruption counts for the partitions as well
    assert check(found, "fingerprint").actual == check(whole, "fingerprint").actual
    again = folder.look(deep=True, coverage=file, now=NOW + timedelta(hours=2))
    assert again.coverage is not None
    assert again.coverage.read_objects == whole.coverage.read_objects


def test_a_daily_sample_reads_every_version_once_in_its_cycle(
    folder: Folder, tmp_path: Path
) -> None:
    file = tmp_path / "read.jsonl"
    read = []
    for day in range(10):
        found = folder.look(
            deep=True, sample="10%/day", coverage=file, now=NOW + timedelta(days=day)
        )
        assert found.status == "passed", faults(found)
        assert found.coverage is not None
        read.append(found.coverage.read_objects)
    whole = found.objects
    assert sum(read) == whole
    assert max(read) < whole
    assert found.coverage.covered_objects == whole
    assert f"{whole} of {whole} versions (100.0 %)" in found.coverage.statement
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    names = [(line["key"], line["version_id"]) for line in lines if line["event"] == "read"]
    assert len(names) == len(set(names)) == whole


def test_days_without_an_audit_are_made_up_for(folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "read.jsonl"
    folder.look(deep=True, sample="10%/day", coverage=file, now=NOW)

    found = folder.look(deep=True, sample="10%/day", coverage=file, now=NOW + timedelta(days=9))

    assert found.coverage is not None
    assert found.coverage.covered_objects == found.objects


def test_a_sample_is_spread_over_the_days() -> None:
    days = parse_sample("1%/day")
    counts = [0] * days
    for number in range(20_000):
        counts[due_day(f"shop/t/part-{number:05d}.parquet", "v", days)] += 1
    assert days == 100
    assert 130 < min(counts) <= max(counts) < 280


@pytest.mark.parametrize("text", ["1%", "0%/day", "101%/day", "x", "1%/week"])
def test_a_sample_that_says_no_share_of_a_day_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--sample"):
        parse_sample(text)


def test_a_coverage_file_of_another_archive_is_refused(folder: Folder, tmp_path: Path) -> None:
    file = tmp_path / "read.jsonl"
    folder.look(deep=True, coverage=file)
    other = folder.copy(tmp_path / "other")

    with pytest.raises(ConfigError, match="line 1"):
        other.look(deep=True, coverage=file)


def test_a_fingerprint_of_another_duckdb_is_not_verified_and_says_why(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compactor.evidence.deep.ENGINE", "duckdb 9.9.9")

    found = folder.look(deep=True)

    told = faults(found)
    assert told.keys() == {"fingerprint"}
    assert {one.status for one in told["fingerprint"]} == {"not_verified"}
    assert "not comparable" in str(told["fingerprint"][0].actual)
    assert check(found, "rows").status == "pass"
    assert (found.status, found.exit_code) == ("passed", 0)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_prints_the_audit_and_exits_as_it_found(
    folder: Folder, command: Command, tmp_path: Path
) -> None:
    from s3_line import _toml

    config = tmp_path / "c.toml"
    config.write_text(_toml(folder.settings))
    good = command("-c", config, "audit", "--json", "-o", tmp_path / "audit.json")
    text = command("-c", config, "audit", "--deep")
    (path, *_) = folder.data()
    path.write_bytes(path.read_bytes() + b"x")

    bad = command("-c", config, "audit")

    assert (good.code, text.code, bad.code) == (0, 0, 5)
    assert good.json["status"] == "passed"
    assert {"status", "objects", "checks", "findings", "links", "coverage"} <= good.json.keys()
    assert json.loads((tmp_path / "audit.json").read_text()) == good.json
    assert text.out.startswith("AUDIT PASSED\n")
    assert f"--head 1:{good.json['links']['sha256']}" in text.out
    assert "100.0 %" in text.out
    assert bad.out.startswith("AUDIT FAILED\n")
    assert path.name in bad.out


def test_the_command_writes_the_audit_in_every_form(
    folder: Folder, command: Command, tmp_path: Path
) -> None:
    from s3_line import _toml

    config = tmp_path / "c.toml"
    config.write_text(_toml(folder.settings))
    files = {form: tmp_path / f"audit.{form}" for form in ("html", "pdf", "csv")}
    flags = [part for form, path in files.items() for part in (f"--{form}", path)]

    said = command("-c", config, "audit", "--deep", "--json", *flags)

    assert (said.code, said.json["status"]) == (0, "passed")
    page = files["html"].read_text(encoding="utf-8")
    assert "Audit passed" in page
    assert "Coverage of deep checks" in page
    assert files["pdf"].read_bytes().startswith(b"%PDF-")
    rows = files["csv"].read_text(encoding="utf-8").splitlines()
    assert len(rows) == len(said.json["checks"]) + 1
    assert len(said.json["snapshots"]) == 2
    for one in said.json["snapshots"]:
        assert one["tables"] > 0
        assert one["rows"] > 0
        assert one["stored_bytes"] > 0
    schema = report.schema() | {"anyOf": [{"$ref": "#/$defs/Audit"}]}
    jsonschema.Draft202012Validator(schema).validate(said.json)


@pytest.mark.parametrize(
    "flags",
    [("--head", "3"), ("--within", "soon"), ("--sample", "1%/day"), ("--deep", "--sample", "7")],
)
def test_flags_that_say_nothing_are_refused(
    folder: Folder, command: Command, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    from s3_line import _toml

    config = tmp_path / "c.toml"
    config.write_text(_toml(folder.settings))
    said = command("-c", config, "audit", *flags)
    assert (said.code, said.out) == (2, "")
    assert flags[-2] in said.err or flags[-1] in said.err


# --- one object, without a store ------------------------------------------------------------------


def test_a_store_that_keeps_no_digest_leaves_it_not_verified() -> None:
    item = Named(
        key="k",
        version_id="v",
        size_bytes=1,
        sha256="a" * 64,
        lock_mode=None,
        retain_until=None,
        legal_hold=False,
        rows=None,
        link=0,
        snapshot=None,
        part=None,
    )
    there = Object(key="k", size_bytes=1, etag="", modified_at=NOW, version_id="v")

    def status(sha256: str | None) -> str:
        found = inspect(item, replace(there, sha256=sha256), None)
        return next(one.status for one in found if one.name == "stored_sha256")

    assert [status(one) for one in (None, "a" * 64, "b" * 64)] == ["not_verified", "pass", "fail"]


def test_no_checks_and_checks_that_are_not_verified_are_never_passed() -> None:
    from compactor.model import Check

    def one(name: str, status: str) -> Check:
        return Check(name=name, subject="", expected="", actual="", status=status, source="")

    passed = one("lock", "pass")
    assert audit.verdict([passed], is_denied=False) == ("passed", 0)
    assert audit.verdict([passed, one("size", "not_verified")], is_denied=False)[1] == 5
    assert audit.verdict([passed, one("size", "not_verified")], is_denied=True)[1] == 4
    assert audit.verdict([passed, one("signature", "not_verified")], is_denied=False)[1] == 6
    assert audit.verdict([one("chain", "fail"), one("size", "fail")], is_denied=True)[1] == 6
    assert audit.verdict([passed, one("size", "fail")], is_denied=True) == ("failed", 5)
