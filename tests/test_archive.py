"""The archive: what is locked, for how long, what the server then refuses, and what never gets in.

All against a real server with Object Lock; an independent boto3 client looks at every version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from s3_line import (
    ORDERS,
    RETAIN,
    SHOP,
    SNAPSHOT,
    UNTIL,
    Place,
    archive_settings,
    rows,
    write_shop,
)

from compactor import archive, pipeline, places
from compactor.archive import ArchiveOptions, locked, retain_until
from compactor.errors import LockUnsupported, VerificationFailed
from compactor.model import Check, RunResult, StoredObject, TableResult
from compactor.quantities import parse_retain
from compactor.store import open_store
from compactor.store.interface import Object, Retention

EXPORTED = r".*\.gz\.parquet"


@pytest.fixture
def delivered(place: Place) -> Place:
    place.deliver(write_shop(place.folder / "exports"))
    return place


def head(place: Place, key: str, version: str) -> dict[str, Any]:
    return place.client.head_object(Bucket=place.vault, Key=key, VersionId=version)


def each_version(place: Place) -> Iterator[tuple[str, str]]:
    for key, (version,) in place.versions().items():
        yield key, version


def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """Return the server's reason for refusing."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def manifest(place: Place, done: pipeline.Done) -> RunResult:
    assert done.result.manifest is not None
    key = done.result.manifest.url.removeprefix(f"s3://{place.lake}/")
    return RunResult.model_validate_json(place.body(place.lake, key))


# --- how long -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "period", "until"),
    [
        ("2026-10-06T03:47:12", "30d", "2026-11-05T03:47:12"),
        ("2026-10-06T03:47:12", "1d", "2026-10-07T03:47:12"),
        ("2024-02-28T23:59:59", "1d", "2024-02-29T23:59:59"),
        ("2023-02-28T23:59:59", "1d", "2023-03-01T23:59:59"),
        ("2026-01-31T12:00:00", "1mo", "2026-02-28T12:00:00"),
        ("2024-01-31T12:00:00", "1mo", "2024-02-29T12:00:00"),
        ("2026-03-31T12:00:00", "1mo", "2026-04-30T12:00:00"),
        ("2026-08-31T12:00:00", "18mo", "2028-02-29T12:00:00"),
        ("2026-12-15T12:00:00", "1mo", "2027-01-15T12:00:00"),
        ("2026-11-30T12:00:00", "1mo", "2026-12-30T12:00:00"),
        ("2026-12-31T23:59:59", "12mo", "2027-12-31T23:59:59"),
        ("2024-02-29T00:00:00", "1y", "2025-02-28T00:00:00"),
        ("2024-02-29T00:00:00", "4y", "2028-02-29T00:00:00"),
        ("2026-10-06T03:47:12", "7y", "2033-10-06T03:47:12"),
        ("2093-02-28T00:00:00", "7y", "2100-02-28T00:00:00"),
        ("2096-02-29T00:00:00", "4y", "2100-02-28T00:00:00"),
    ],
)
def test_retention_ends_on_the_calendar(moment: str, period: str, until: str) -> None:
    start = datetime.fromisoformat(moment).replace(tzinfo=UTC)

    assert retain_until(start, parse_retain(period)).isoformat() == f"{until}+00:00"


def test_retention_counts_from_the_moment_in_utc_and_whole_seconds() -> None:
    eastward = timezone(timedelta(hours=9))
    moment = datetime(2026, 2, 1, 5, 0, 0, 999_999, tzinfo=eastward)  # still January in UTC

    assert retain_until(moment, (1, "mo")) == datetime(2026, 2, 28, 20, tzinfo=UTC)


# --- what is locked -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_every_version_is_locked_as_configured_from_the_snapshot_on(
    delivered: Place, mode: str
) -> None:
    delivered.settings["archive"] |= {"mode": mode, "legal_hold": mode == "GOVERNANCE"}

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    assert retain_until(SNAPSHOT, parse_retain(RETAIN)) == UNTIL
    found = list(each_version(delivered))
    assert len(found) == 3 + 3 * 2  # parts, and two sidecars for each table
    for key, version in found:
        seen = head(delivered, key, version)
        assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == (mode, UNTIL)
        assert (seen.get("ObjectLockLegalHoldStatus") == "ON") == (mode == "GOVERNANCE")
    for name, wanted in SHOP.items():
        assert delivered.table(delivered.vault, name) == wanted
    for table in done.result.tables:
        locks = [check for check in table.checks if check.name == "lock"]
        assert len(locks) == len(table.partitions) + 1
        assert {check.status for check in locks} == {"pass"}
        for item in (*table.control, *(one for p in table.partitions for one in p.archived)):
            assert (item.lock_mode, item.retain_until) == (mode, UNTIL)
            assert item.legal_hold == (mode == "GOVERNANCE")
            body = delivered.body(delivered.vault, f"tables/{item.key}", item.version_id)
            assert (len(body), hashlib.sha256(body).hexdigest()) == (item.size_bytes, item.sha256)


def test_the_storage_class_is_what_was_configured(delivered: Place) -> None:
    delivered.settings["archive"]["storage_class"] = "STANDARD_IA"

    assert delivered.run().exit_code == 0

    pages = delivered.client.list_object_versions(Bucket=delivered.vault)
    assert {item["StorageClass"] for item in pages["Versions"]} == {"STANDARD_IA"}


def test_the_server_refuses_to_delete_shorten_or_weaken_what_compliance_locks(
    delivered: Place,
) -> None:
    assert delivered.run().exit_code == 0
    client = delivered.client
    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL - timedelta(days=1)}
    weaker = {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL}

    for key, version in each_version(delivered):
        target = {"Bucket": delivered.vault, "Key": key, "VersionId": version}
        for bypass in ({}, {"BypassGovernanceRetention": True}):
            assert refused(client.delete_object, **target, **bypass) == "AccessDenied"
        assert refused(client.put_object_retention, **target, Retention=sooner) == "AccessDenied"
        assert refused(client.put_object_retention, **target, Retention=weaker) == "AccessDenied"
        seen = head(delivered, key, version)
        assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", UNTIL)


def test_a_legal_hold_keeps_what_governance_alone_would_give_up(delivered: Place) -> None:
    delivered.settings["archive"] |= {"mode": "GOVERNANCE", "legal_hold": True}
    assert delivered.run().exit_code == 0
    client = delivered.client
    key, version = next(each_version(delivered))
    target = {"Bucket": delivered.vault, "Key": key, "VersionId": version}
    sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL - timedelta(days=1)}

    assert refused(client.put_object_retention, **target, Retention=sooner) == "AccessDenied"
    assert refused(client.delete_object, **target) == "AccessDenied"
    bypass = {"BypassGovernanceRetention": True}
    assert refused(client.delete_object, **target, **bypass) == "AccessDenied"
    assert head(delivered, key, version)["ObjectLockLegalHoldStatus"] == "ON"


def test_sidecars_are_archived_byte_for_byte_with_every_table(place: Place) -> None:
    root = write_shop(place.folder / "exports")
    place.deliver(root)
    sidecars = {path.name: path.read_bytes() for path in root.glob("*.json")}

    assert place.run().exit_code == 0

    assert len(sidecars) == 2
    for table in SHOP:
        prefix = f"tables/shop/{table}/snapshot=20261006T034712Z/_control/"
        found = {
            key.removeprefix(prefix): place.body(place.vault, key)
            for key in place.keys(place.vault, prefix)
        }
        assert found == sidecars


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize("versioned", [False, True], ids=["plain bucket", "versioned bucket"])
def test_a_bucket_without_object_lock_is_refused_before_anything_is_written(
    delivered: Place, bucket: Callable[[], str], versioned: bool
) -> None:
    plain = bucket()
    if versioned:
        delivered.client.put_bucket_versioning(
            Bucket=plain, VersioningConfiguration={"Status": "Enabled"}
        )
    delivered.settings["archive"]["url"] = f"s3://{plain}/tables/"

    done = delivered.cli("-q", "run")

    assert done.returncode == 4
    assert f"s3://{plain} cannot lock objects" in done.stderr
    assert "next: create a bucket with Object Lock" in done.stderr
    assert delivered.proxy.writes() == []
    assert delivered.keys(delivered.lake) == delivered.keys(plain) == []


def test_a_folder_is_no_archive(delivered: Place) -> None:
    delivered.settings["archive"]["url"] = str(delivered.folder / "archive")

    done = delivered.cli("-q", "run")

    assert done.returncode == 2
    assert "Object Lock" in done.stderr
    assert delivered.proxy.requests == []


def test_a_retention_that_is_over_already_is_refused_and_nothing_is_archived(
    place: Place,
) -> None:
    old = datetime(2019, 5, 1, tzinfo=UTC)
    place.settings["archive"]["retain"] = "5y"
    place.deliver(write_shop(place.folder / "exports", snapshot=old))

    done = place.run()

    assert (done.exit_code, done.result.status) == (4, "failed")
    assert place.versions() == {}
    for table in done.result.tables:
        assert table.error is not None
        assert "kept for 5y would have expired on 2024-05-01" in table.error
        assert "archive.retain" in table.error


def test_a_failed_check_keeps_every_object_of_its_table_out_of_the_archive(
    delivered: Place,
) -> None:
    # the lake gives back other bytes than were written to it
    delivered.proxy.inject(
        "flip", method="GET", key=rf"{delivered.lake}/.*/public\.orders/.*dt=2026-08.*"
    )

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (5, "failed")
    status = {table.table: table.status for table in done.result.tables}
    assert status == {**dict.fromkeys(SHOP, "done"), "public.orders": "failed"}
    assert not [key for key in delivered.versions() if "public.orders" in key]
    assert {table.table for table in manifest(delivered, done).tables} == SHOP.keys() - {
        "public.orders"
    }
    # it was the way back only: the next run writes no part again, and the table is proven
    again = delivered.run()
    assert (again.exit_code, delivered.data_puts()) == (0, {})
    assert delivered.table(delivered.vault, "public.orders") == ORDERS


@pytest.mark.parametrize("statuses", [[], ["pass", "fail"]], ids=["no checks", "a failed check"])
def test_a_table_that_is_not_proven_is_refused_by_the_archive_itself(
    place: Place, statuses: list[Any]
) -> None:
    checks = tuple(
        Check(name="rows", subject="t", expected="1", actual="2", status=status, source="test")
        for status in statuses
    )
    result = TableResult(
        task_id="0" * 16,
        export_id="e",
        database="shop",
        table="t",
        snapshot=SNAPSHOT,
        status="done",
        checks=checks,
    )
    options = ArchiveOptions(mode="GOVERNANCE", retain=(30, "y"), legal_hold=False)
    store = open_store(f"s3://{place.vault}/")

    with pytest.raises(VerificationFailed, match="not archived"):
        archive.archive(
            result, store, options, {"k": b"v"}, lambda _: place.folder, now=datetime.now(UTC)
        )
    assert place.versions() == {}


def test_an_object_with_other_contents_under_the_same_key_is_never_overwritten(
    delivered: Place,
) -> None:
    with_archive = dict(delivered.settings)
    delivered.settings = delivered.without_archive()
    assert delivered.run().exit_code == 0
    delivered.settings = with_archive
    (key, *_) = [key for key in delivered.keys(delivered.lake) if "public.orders" in key]
    put = delivered.client.put_object(Bucket=delivered.vault, Key=key, Body=b"somebody else's")

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (4, "failed")
    (failed,) = [table for table in done.result.tables if table.status == "failed"]
    assert failed.table == "public.orders"
    assert failed.error is not None
    assert f"s3://{delivered.vault}/{key} exists" in failed.error
    assert delivered.versions()[key] == [put["VersionId"]]
    assert delivered.body(delivered.vault, key) == b"somebody else's"
    assert {table.table for table in manifest(delivered, done).tables} == SHOP.keys() - {
        "public.orders"
    }


# --- servers that do not lock as asked ------------------------------------------------------------


@contextlib.contextmanager
def archive_store(change: Callable[[Any], None]) -> Iterator[None]:
    """Open archives with something done to their connection."""

    def opened(url: str, **options: Any) -> Any:
        store = open_store(url, **options)
        if url.startswith("s3://lock-"):
            change(store)
        return store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "open_store", opened)
        yield


def drop_lock_headers(store: Any) -> None:
    """As SeaweedFS and Ceph do for copies: the request is taken, its lock is not."""

    def drop(params: dict[str, Any], **_: object) -> None:
        for name in [name for name in params if name.startswith("ObjectLock")]:
            del params[name]

    events = store._connection.write_client.meta.events
    events.register("provide-client-params.s3.PutObject", drop)


class _Nothing:
    def stream(self) -> Iterator[bytes]:
        return iter(())


def pretend_to_lock(store: Any) -> None:
    drop_lock_headers(store)
    for operation in ("PutObjectRetention", "PutObjectLegalHold"):
        store._connection.client.meta.events.register(
            f"before-send.s3.{operation}",
            lambda request, **_: AWSResponse(request.url, 200, {}, _Nothing()),
        )


def test_where_the_server_ignores_the_lock_of_a_write_it_is_set_and_read_back(
    delivered: Place,
) -> None:
    delivered.settings["archive"]["legal_hold"] = True

    with archive_store(drop_lock_headers):
        done = delivered.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    for key, version in each_version(delivered):
        seen = head(delivered, key, version)
        assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", UNTIL)
        assert seen["ObjectLockLegalHoldStatus"] == "ON"


def test_where_the_server_never_locks_the_run_fails_and_no_manifest_names_the_tables(
    delivered: Place,
) -> None:
    with archive_store(pretend_to_lock):
        done = delivered.run()

    assert (done.exit_code, done.result.status) == (4, "failed")
    assert done.result.manifest is None
    for table in done.result.tables:
        assert table.status == "failed"
        assert table.error is not None
        assert "not locked as asked" in table.error
    # a server that locks after all: the same objects are locked, no version is added
    before = delivered.versions()
    again = delivered.run()
    assert again.exit_code == 0
    assert before.items() <= delivered.versions().items()
    for key, version in each_version(delivered):
        assert head(delivered, key, version)["ObjectLockMode"] == "COMPLIANCE"


def test_a_lost_version_id_is_no_lock() -> None:
    """A store without versions cannot be an archive, whatever it says."""
    found = Object(key="k", size_bytes=1, etag="e", modified_at=SNAPSHOT)
    item = StoredObject(key="k", size_bytes=1, sha256="s")
    store: Any = open_store("unused")

    with pytest.raises(LockUnsupported, match="version"):
        locked(store, found, item, Retention(mode="COMPLIANCE", until=UNTIL))


# --- again, later, elsewhere ----------------------------------------------------------------------


def test_running_again_adds_no_version(delivered: Place) -> None:
    assert delivered.run().exit_code == 0
    before = delivered.versions()

    assert delivered.run().result.status == "nothing_to_do"
    assert delivered.versions() == before


def test_an_archive_added_later_gets_the_verified_tables_without_reading_the_source_again(
    delivered: Place,
) -> None:
    with_archive = dict(delivered.settings)
    delivered.settings = delivered.without_archive()
    first = delivered.run()
    assert (first.exit_code, delivered.versions()) == (0, {})
    lake = delivered.keys(delivered.lake, "tables/shop/")
    delivered.settings = with_archive

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    assert {table.status for table in done.result.tables} == {"adopted"}
    assert delivered.proxy.sent("GET", EXPORTED) == []
    assert delivered.data_puts() == {}
    assert delivered.keys(delivered.lake, "tables/shop/") == lake
    for name, wanted in SHOP.items():
        assert delivered.table(delivered.vault, name) == wanted
    for key, version in each_version(delivered):
        assert head(delivered, key, version)["ObjectLockRetainUntilDate"] == UNTIL
    named = manifest(delivered, done)
    archived = [item for table in named.tables for p in table.partitions for item in p.archived]
    assert len(archived) == 3
    assert delivered.run().result.status == "nothing_to_do"


def test_an_object_of_the_lake_that_changed_since_it_was_verified_is_not_archived(
    delivered: Place,
) -> None:
    with_archive = dict(delivered.settings)
    delivered.settings = delivered.without_archive()
    assert delivered.run().exit_code == 0
    delivered.settings = with_archive
    (key, *_) = [key for key in delivered.keys(delivered.lake) if "public.orders" in key]
    body = bytearray(delivered.body(delivered.lake, key))
    body[len(body) // 2] ^= 1
    delivered.client.put_object(Bucket=delivered.lake, Key=key, Body=bytes(body))

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (5, "failed")
    assert key not in delivered.versions()
    (failed,) = [table for table in done.result.tables if table.status == "failed"]
    assert failed.error is not None
    assert "has changed in the lake since it was verified" in failed.error


def test_a_second_archive_is_filled_as_well(
    delivered: Place, lock_bucket: Callable[[], str]
) -> None:
    assert delivered.run().exit_code == 0
    delivered.vault = lock_bucket()
    delivered.settings["archive"]["url"] = f"s3://{delivered.vault}/tables/"

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    for name, wanted in SHOP.items():
        assert delivered.table(delivered.vault, name) == wanted
    archived = [
        *(item for t in done.result.tables for p in t.partitions for item in p.archived),
        *(item for t in done.result.tables for item in t.control),
    ]
    assert {f"tables/{item.key}": [item.version_id] for item in archived} == delivered.versions()


def test_a_table_taken_over_and_locked_in_one_archive_is_locked_in_the_next_one_too(
    delivered: Place, lock_bucket: Callable[[], str]
) -> None:
    """The last thing that was written down of it is about the first archive."""
    with_archive = dict(delivered.settings)
    delivered.settings = delivered.without_archive()
    assert delivered.run().exit_code == 0
    delivered.settings = with_archive
    assert {table.status for table in delivered.run().result.tables} == {"adopted"}
    delivered.vault = lock_bucket()
    delivered.settings["archive"] = archive_settings(delivered.vault)

    done = delivered.run()

    assert done.exit_code == 0
    for name, wanted in SHOP.items():
        assert delivered.table(delivered.vault, name) == wanted
    for table in done.result.tables:
        locks = [check for check in table.checks if check.name == "lock"]
        assert len(locks) == len(table.partitions) + 1


def test_a_table_that_could_not_be_locked_is_not_forgotten_when_the_archive_is_given_up(
    delivered: Place,
) -> None:
    """It was verified, but the manifest of that run does not name it."""
    delivered.proxy.inject(
        "deny", method="PUT", key=rf"{delivered.vault}/.*public\.orders.*\.parquet"
    )
    first = delivered.run()
    assert first.exit_code == 4
    assert {table.table for table in manifest(delivered, first).tables} == SHOP.keys() - {
        "public.orders"
    }
    delivered.settings = delivered.without_archive()

    done = delivered.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    assert "public.orders" in {table.table for table in manifest(delivered, done).tables}
    assert delivered.data_puts() == {}
    assert delivered.run().result.status == "nothing_to_do"


def test_the_manifest_tells_mode_date_and_version_of_every_locked_object(delivered: Place) -> None:
    done = delivered.run()

    text = delivered.body(
        delivered.lake, str(done.result.manifest and done.result.manifest.url).split("/", 3)[3]
    )
    named: dict[str, Any] = {}
    for table in json.loads(text)["tables"]:
        for item in (*table["control"], *(o for p in table["partitions"] for o in p["archived"])):
            named[f"tables/{item['key']}"] = item
    assert {key: [item["version_id"]] for key, item in named.items()} == delivered.versions()
    assert {(i["lock_mode"], i["retain_until"]) for i in named.values()} == {
        ("COMPLIANCE", "2056-10-06T03:47:12Z")
    }


def test_two_snapshots_of_a_table_lie_side_by_side_each_with_its_own_date(place: Place) -> None:
    later = SNAPSHOT + timedelta(days=1)
    place.deliver(write_shop(place.folder / "exports"))
    place.deliver(
        write_shop(
            place.folder / "exports",
            {"public.customers": rows(1001, 9)},
            export_id="shop-2",
            snapshot=later,
        )
    )

    assert place.run().exit_code == 0

    ends = {
        key.split("/")[3]: head(place, key, version)["ObjectLockRetainUntilDate"]
        for key, version in each_version(place)
    }
    assert ends == {
        "snapshot=20261006T034712Z": UNTIL,
        "snapshot=20261007T034712Z": UNTIL + timedelta(days=1),
    }
