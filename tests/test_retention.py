"""Holds, longer retentions, what has expired, what is gone: on a real server with Object Lock.

An independent boto3 client looks at every version, before and after.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from s3_line import SHOP, SNAPSHOT, UNTIL, Place, rows, write_shop

from compactor import expiry, pipeline, report, retention
from compactor.acts import Act
from compactor.errors import ConfigError, Denied, StoreError, VerificationFailed
from compactor.evidence.records import RECORDS, Record
from compactor.holdings import Selection, parse_snapshot

ALL = Selection()
ORDERS = Selection(tables=("shop.public.orders",))
LATER = datetime(2060, 1, 1, tzinfo=UTC)
SECOND = SNAPSHOT + timedelta(days=7)
ORDERS_VERSIONS = 2 + 2
"""Two parts, two sidecars."""
VERSIONS = 3 + 3 * 2


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def archived(place: Place) -> Place:
    """The shop, archived by one run."""
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().exit_code == 0
    place.proxy.forget()
    return place


@pytest.fixture
def free(place: Place) -> Place:
    """The same in GOVERNANCE mode, so that a test can remove what a lifecycle rule would."""
    place.settings["archive"]["mode"] = "GOVERNANCE"
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().exit_code == 0
    return place


def heads(place: Place) -> dict[str, dict[str, Any]]:
    """Return what the server says of every version of data and sidecars."""
    return {
        key: place.client.head_object(Bucket=place.vault, Key=key, VersionId=version)
        for key, (version,) in place.versions().items()
        if f"/{RECORDS}" not in key
    }


def held(place: Place) -> set[str]:
    return {
        key for key, one in heads(place).items() if one.get("ObjectLockLegalHoldStatus") == "ON"
    }


def dates(place: Place) -> dict[str, datetime]:
    return {key: one["ObjectLockRetainUntilDate"] for key, one in heads(place).items()}


def of_orders(keys: Any) -> set[str]:
    return {key for key in keys if "/public.orders/" in key}


def records(place: Place, kind: str) -> list[Record]:
    keys = [key for key in place.keys(place.vault) if key.endswith(f"-{kind}.json")]
    return [Record.model_validate_json(place.body(place.vault, key)) for key in sorted(keys)]


def destroy(place: Place, part: str = "") -> int:
    """Remove versions as an administrator would, past the tool."""
    gone = 0
    for key, versions in place.versions().items():
        if part in key and f"/{RECORDS}" not in key:
            for version in versions:
                place.client.delete_object(
                    Bucket=place.vault, Key=key, VersionId=version, BypassGovernanceRetention=True
                )
                gone += 1
    return gone


# --- holds ----------------------------------------------------------------------------------------


def test_a_hold_is_only_shown_until_it_is_applied(archived: Place) -> None:
    planned = retention.hold(archived.config, ORDERS, on=True, clock=now)

    assert (planned.status, planned.exit_code, planned.record) == ("planned", 0, None)
    (touched,) = planned.snapshots
    assert (touched.table, touched.to_change, touched.already) == ("public.orders", 4, 0)
    assert archived.proxy.writes() == []
    assert "Nothing was changed" in report.act_text(planned)


def test_a_hold_is_put_on_every_version_of_the_table_and_on_no_other(archived: Place) -> None:
    before = dates(archived)

    act = retention.hold(
        archived.config, ORDERS, on=True, reason="case 4711", apply=True, clock=now
    )

    assert (act.status, act.exit_code) == ("done", 0)
    assert held(archived) == of_orders(before)
    assert len(held(archived)) == ORDERS_VERSIONS
    assert dates(archived) == before
    assert [(c.name, c.expected, c.actual, c.status) for c in act.checks] == [
        ("legal_hold", "ON", "ON", "pass")
    ] * ORDERS_VERSIONS
    named = {f"tables/{check.subject.partition('@')[0]}" for check in act.checks}
    assert named == of_orders(before)


def test_a_hold_is_taken_off_and_the_retention_stays(archived: Place) -> None:
    retention.hold(archived.config, ALL, on=True, apply=True, clock=now)
    assert len(held(archived)) == VERSIONS

    act = retention.hold(archived.config, ORDERS, on=False, apply=True, clock=now)

    assert (act.status, [one.changed for one in act.snapshots]) == ("done", [ORDERS_VERSIONS])
    assert len(held(archived)) == VERSIONS - ORDERS_VERSIONS
    assert set(dates(archived).values()) == {UNTIL}


def test_doing_it_again_changes_no_version(archived: Place) -> None:
    retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)
    archived.proxy.forget()

    again = retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)

    assert (again.status, again.exit_code) == ("nothing_to_do", 0)
    assert [one.already for one in again.snapshots] == [ORDERS_VERSIONS]
    assert {check.status for check in again.checks} == {"pass"}
    written = [key for _, key in archived.proxy.writes()]
    assert [key for key in written if RECORDS not in key] == []


def test_one_version_that_is_refused_is_named_and_the_others_are_held(archived: Place) -> None:
    (part,) = (key for key in of_orders(dates(archived)) if "dt=2026-08-01" in key)
    archived.proxy.inject("deny", method="PUT", key=f"{archived.vault}/{re.escape(part)}")

    act = retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)

    assert (act.status, act.exit_code) == ("failed", 4)
    (error,) = act.errors
    assert f"tables/{error.key}" == part
    assert "IAM policy" in error.message
    assert [(one.changed, one.failed) for one in act.snapshots] == [(3, 1)]
    assert held(archived) == of_orders(dates(archived)) - {part}
    assert error.key in report.act_text(act)
    (told,) = records(archived, "hold")
    assert len(told.subject) == 3  # the record claims nothing of the refused one

    again = retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)

    assert (again.status, [one.changed for one in again.snapshots]) == ("done", [1])
    assert held(archived) == of_orders(dates(archived))


def test_a_version_that_is_gone_before_its_time_fails(free: Place) -> None:
    assert destroy(free, "dt=2026-08-01") == 1

    act = retention.hold(free.config, ORDERS, on=True, apply=True, clock=now)

    assert (act.status, act.exit_code) == ("failed", 5)
    (bad,) = (check for check in act.checks if check.status == "fail")
    assert (bad.name, bad.expected) == ("present", "there")
    assert "dt=2026-08-01" in bad.subject
    assert [one.failed for one in act.snapshots] == [1]


def test_a_version_that_is_gone_after_its_time_is_not_verified(free: Place) -> None:
    assert destroy(free, "dt=2026-08-01") == 1

    act = retention.hold(free.config, ORDERS, on=True, clock=lambda: UNTIL + timedelta(days=1))

    (seen,) = act.checks
    assert (seen.name, seen.status) == ("present", "not_verified")
    assert "compactor destroyed" in (seen.actual or "")


# --- the record -----------------------------------------------------------------------------------


def test_the_record_names_the_versions_and_is_locked_at_least_as_long_as_they_are(
    archived: Place,
) -> None:
    act = retention.extend(archived.config, ORDERS, to=LATER, reason="audit", apply=True, clock=now)

    assert act.record is not None
    key = act.record.url.removeprefix(f"s3://{archived.vault}/")
    assert re.fullmatch(rf"tables/{RECORDS}\d{{8}}T\d{{12}}Z-extend\.json", key)
    body = archived.body(archived.vault, key)
    assert hashlib.sha256(body).hexdigest() == act.record.sha256
    seen = archived.client.head_object(Bucket=archived.vault, Key=key)
    assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", LATER)
    told = Record.model_validate_json(body)
    assert (told.kind, told.note) == ("extend", f"retention until {act_date(LATER)}: audit")
    versions = {f"{key}@{ids[0]}" for key, ids in archived.versions().items()}
    assert {f"tables/{one.name}" for one in told.subject} == {
        name for name in versions if "/public.orders/" in name
    }
    for one in told.subject:
        path, _, version = one.name.partition("@")
        content = archived.body(archived.vault, f"tables/{path}", version)
        assert one.digest == {"sha256": hashlib.sha256(content).hexdigest()}
    assert told.checks == act.checks


def act_date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_an_act_whose_record_cannot_be_written_is_not_done(archived: Place) -> None:
    archived.proxy.inject("deny", method="PUT", key=f".*/{RECORDS}.*")

    act = retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)

    assert (act.status, act.exit_code, act.record) == ("failed", 4, None)
    assert "its record could not be written or signed, so do it again" in act.errors[0].message
    again = retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)
    assert (again.status, again.exit_code) == ("nothing_to_do", 0)
    assert len(records(archived, "hold")) == 1


# --- longer ---------------------------------------------------------------------------------------


def test_a_retention_is_extended_for_what_was_selected(archived: Place) -> None:
    planned = retention.extend(archived.config, ORDERS, to=LATER, clock=now)
    assert (planned.status, archived.proxy.writes()) == ("planned", [])

    act = retention.extend(archived.config, ORDERS, to=LATER, apply=True, clock=now)

    assert (act.status, act.exit_code) == ("done", 0)
    for key, one in heads(archived).items():
        expected = LATER if "/public.orders/" in key else UNTIL
        assert (one["ObjectLockMode"], one["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", expected)
    assert {check.actual for check in act.checks} == {f"COMPLIANCE until {act_date(LATER)}"}
    size = sum(one["ContentLength"] for key, one in heads(archived).items() if of_orders([key]))
    months = (LATER - UNTIL).total_seconds() / (365.25 / 12 * 86_400)
    assert (
        planned.cost_usd == act.cost_usd == pytest.approx(size / 2**30 * 0.023 * months, abs=1e-6)
    )


def test_a_period_counts_from_the_runs_date_so_that_repeating_it_changes_nothing(
    archived: Place,
) -> None:
    once = retention.extend(archived.config, ALL, to=(2, "y"), apply=True, clock=now)
    again = retention.extend(archived.config, ALL, to=(2, "y"), apply=True, clock=now)

    assert (once.status, again.status) == ("done", "nothing_to_do")
    assert set(dates(archived).values()) == {UNTIL.replace(year=2058)}


def test_governance_stays_governance_when_it_is_extended(free: Place) -> None:
    act = retention.extend(free.config, ALL, to=LATER, apply=True, clock=now)

    assert (act.status, act.exit_code) == ("done", 0)
    assert {one["ObjectLockMode"] for one in heads(free).values()} == {"GOVERNANCE"}
    assert set(dates(free).values()) == {LATER}


def test_compliance_stays_compliance_whatever_is_configured_now(archived: Place) -> None:
    archived.settings["archive"]["mode"] = "GOVERNANCE"

    act = retention.extend(archived.config, ALL, to=LATER, apply=True, clock=now)

    assert (act.status, act.exit_code) == ("done", 0)
    assert {one["ObjectLockMode"] for one in heads(archived).values()} == {"COMPLIANCE"}


@pytest.mark.parametrize("apply", [False, True])
def test_a_shorter_date_is_refused_before_anything_is_changed(
    archived: Place, *, apply: bool
) -> None:
    retention.extend(archived.config, ORDERS, to=LATER, apply=True, clock=now)
    before = dates(archived)
    archived.proxy.forget()

    with pytest.raises(
        ConfigError, match=r"never shortened: 4 of 9 versions.*2060-01-01"
    ) as caught:
        retention.extend(archived.config, ALL, to=UNTIL + timedelta(days=1), apply=apply, clock=now)

    assert "--table" in caught.value.hint
    assert dates(archived) == before
    assert archived.proxy.writes() == []


@pytest.mark.parametrize(
    ("to", "says"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), "is over"),
        (datetime(2099, 1, 1, tzinfo=UTC), r"archive\.max_retain \(40y\)"),
        ((20, "y"), r"archive\.max_retain \(40y\)"),
    ],
)
def test_a_date_that_is_over_or_too_far_is_refused(archived: Place, to: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        retention.extend(archived.config, ALL, to=to, apply=True, clock=now)
    assert archived.proxy.writes() == []


def test_an_extension_that_failed_for_one_version_is_completed_by_the_next(
    archived: Place,
) -> None:
    (part,) = (key for key in of_orders(dates(archived)) if "dt=2026-08-01" in key)
    archived.proxy.inject("deny", method="PUT", key=f"{archived.vault}/{re.escape(part)}")

    first = retention.extend(archived.config, ORDERS, to=(2, "y"), apply=True, clock=now)
    second = retention.extend(archived.config, ORDERS, to=(2, "y"), apply=True, clock=now)

    assert (first.status, first.exit_code, [f.key for f in first.errors]) == (
        "failed",
        4,
        [part.removeprefix("tables/")],
    )
    assert (second.status, [one.changed for one in second.snapshots]) == ("done", [1])
    assert {dates(archived)[key] for key in of_orders(dates(archived))} == {
        UNTIL.replace(year=2058)
    }


def test_thousands_of_versions_take_a_request_each_at_a_time(
    archived: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many at a time: with 20 ms a request, one after the other would take 20 s."""
    from compactor import vault
    from compactor.model import StoredObject
    from compactor.store.interface import Object

    def slowly(item: StoredObject) -> Object:
        time.sleep(0.02)
        return Object(key=item.key, size_bytes=1, etag="", modified_at=SNAPSHOT)

    items = [
        StoredObject(key=str(no), size_bytes=1, sha256="", version_id="v") for no in range(1000)
    ]
    begun = time.monotonic()
    found = vault.in_threads(slowly, items)

    assert [one.key for one in found] == [str(no) for no in range(1000)]
    assert time.monotonic() - begun < 5


# --- which ----------------------------------------------------------------------------------------


@pytest.fixture
def two_snapshots(archived: Place) -> tuple[Place, str]:
    tables = {"public.orders": rows(5000, 10)}
    root = write_shop(archived.folder / "second", tables, export_id="shop-2", snapshot=SECOND)
    archived.deliver(root)
    done = archived.run()
    assert done.exit_code == 0
    return archived, done.result.run_id


def chosen(act: Act) -> list[tuple[str, datetime]]:
    return [(one.table, one.snapshot) for one in act.snapshots]


def test_snapshots_are_selected_by_table_moment_and_run(two_snapshots: tuple[Place, str]) -> None:
    place, run_id = two_snapshots

    def of(**fields: Any) -> list[tuple[str, datetime]]:
        return chosen(retention.hold(place.config, Selection(**fields), on=True, clock=now))

    assert of(tables=("shop.public.orders",)) == [
        ("public.orders", SNAPSHOT),
        ("public.orders", SECOND),
    ]
    assert of(run_id=run_id) == [("public.orders", SECOND)]
    assert of(snapshots=("20261006T034712Z",)) == [
        ("public.customers", SNAPSHOT),
        ("public.empty", SNAPSHOT),
        ("public.orders", SNAPSHOT),
    ]
    assert of(tables=("shop.public.orders",), snapshots=("20261013T034712Z",)) == [
        ("public.orders", SECOND)
    ]
    assert len(of()) == 4


@pytest.mark.parametrize(
    ("fields", "says", "hint"),
    [
        ({"tables": ("shop.public.order",)}, "no table 'shop.public.order'", "shop.public.orders"),
        ({"snapshots": ("20261006T034713Z",)}, "no snapshot", "20261006T034712Z"),
        ({"run_id": "20200101T000000Z-0"}, "no run", "the latest one is"),
    ],
)
def test_a_slip_of_the_pen_is_refused_with_the_nearest_name(
    archived: Place, fields: dict[str, Any], says: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        retention.hold(archived.config, Selection(**fields), on=True, apply=True, clock=now)
    assert hint in caught.value.hint
    assert archived.proxy.writes() == []


def test_moments_are_read_as_folders_and_as_iso() -> None:
    assert parse_snapshot("20261006T034712Z") == "20261006T034712Z"
    assert parse_snapshot("2026-10-06T05:47:12+02:00") == "20261006T034712Z"
    assert parse_snapshot("2026-10-06 03:47:12") == "20261006T034712Z"
    with pytest.raises(ConfigError, match="not the moment of a snapshot"):
        parse_snapshot("yesterday")


def test_another_archive_holds_nothing(archived: Place, lock_bucket: Callable[[], str]) -> None:
    archived.settings["archive"]["url"] = f"s3://{lock_bucket()}/tables/"

    with pytest.raises(ConfigError, match="names anything that was locked in"):
        retention.hold(archived.config, ALL, on=True, clock=now)


def test_without_an_archive_nothing_is_held(archived: Place) -> None:
    archived.settings = archived.without_archive()

    with pytest.raises(ConfigError, match=r"no \[archive\]"):
        retention.hold(archived.config, ALL, on=True, clock=now)


# --- expired --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "states"),
    [
        (UNTIL - timedelta(days=91), []),
        (UNTIL - timedelta(days=89), ["ending"] * 3),
        (UNTIL + timedelta(seconds=1), ["ended"] * 3),
    ],
)
def test_what_has_ended_or_ends_soon_is_listed(
    archived: Place, at: datetime, states: list[str]
) -> None:
    found = expiry.kept(archived.config, ALL, within=(90, "d"), clock=lambda: at)

    assert [one.state for one in found.snapshots] == states
    assert sum(one.versions for one in found.snapshots) == (VERSIONS if states else 0)
    assert archived.proxy.writes() == []
    assert "Nothing is deleted" in report.kept_text(found)


def test_a_snapshot_that_was_extended_is_not_expired(archived: Place) -> None:
    retention.extend(archived.config, ORDERS, to=LATER, apply=True, clock=now)

    found = expiry.kept(
        archived.config, ALL, within=(1, "d"), clock=lambda: UNTIL + timedelta(days=1)
    )

    assert [one.table for one in found.snapshots] == ["public.customers", "public.empty"]


def test_a_hold_keeps_what_has_expired(archived: Place) -> None:
    retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)

    found = expiry.kept(
        archived.config, ORDERS, within=(1, "d"), clock=lambda: UNTIL + timedelta(days=1)
    )

    (one,) = found.snapshots
    assert (one.state, one.held, one.modes) == ("held", ORDERS_VERSIONS, ("COMPLIANCE",))


def test_the_list_tells_dates_and_holds_as_they_are_now(archived: Place) -> None:
    retention.hold(archived.config, ORDERS, on=True, apply=True, clock=now)
    retention.extend(archived.config, ORDERS, to=LATER, apply=True, clock=now)

    everything = expiry.kept(archived.config, ALL, clock=now)
    only = expiry.kept(archived.config, ALL, only_held=True, clock=now)

    assert {(one.table, one.held, one.until_last) for one in everything.snapshots} == {
        ("public.orders", ORDERS_VERSIONS, LATER),
        ("public.customers", 0, UNTIL),
        ("public.empty", 0, UNTIL),
    }
    assert [one.table for one in only.snapshots] == ["public.orders"]


def test_a_version_that_nobody_may_look_at_is_named(archived: Place) -> None:
    archived.proxy.inject("deny", method="HEAD", key=".*dt=2026-08-01.*")

    found = expiry.kept(archived.config, ALL, clock=now)

    assert found.exit_code == 4
    (error,) = found.errors
    assert "dt=2026-08-01" in error.key
    assert len(found.snapshots) == 3


# --- destroyed ------------------------------------------------------------------------------------

MOMENT = Selection(snapshots=("20261006T034712Z",))


def test_a_destruction_is_recorded_once_every_version_is_gone(free: Place) -> None:
    after = UNTIL + timedelta(days=1)
    total = len(heads(free))
    assert destroy(free, "/public.") == total == VERSIONS

    planned = expiry.destroyed(free.config, MOMENT, reason="over", clock=lambda: after)
    assert (planned.status, records(free, "destruction")) == ("planned", [])
    act = expiry.destroyed(free.config, MOMENT, reason="over", apply=True, clock=lambda: after)

    assert (act.status, act.exit_code) == ("done", 0)
    (told,) = records(free, "destruction")
    assert len(told.subject) == VERSIONS
    assert told.note.endswith(": over")
    assert {check.name for check in told.checks} == {"destroyed", "retention_over"}
    assert {check.status for check in told.checks} == {"pass"}
    with pytest.raises(ConfigError, match="recorded already"):
        expiry.destroyed(free.config, MOMENT, reason="again", apply=True, clock=lambda: after)
    assert expiry.kept(free.config, ALL, clock=now).snapshots == ()
    assert retention.hold(free.config, ALL, on=True, apply=True, clock=now).checks == ()


def test_one_version_that_is_left_is_enough_to_refuse(free: Place) -> None:
    assert destroy(free, "/_control/") + destroy(free, "/public.customers/") == 7
    after = UNTIL + timedelta(days=1)

    for apply in (False, True):
        with pytest.raises(VerificationFailed, match="2 of 9 versions are not gone") as caught:
            expiry.destroyed(free.config, MOMENT, reason="over", apply=apply, clock=lambda: after)
        assert "compactor deletes nothing" in caught.value.hint
    assert records(free, "destruction") == []


def test_a_version_that_nobody_recorded_is_not_overlooked(free: Place) -> None:
    destroy(free)
    key = "tables/shop/public.orders/snapshot=20261006T034712Z/_control/"
    bare = free.client.list_object_versions(Bucket=free.vault, Prefix=key).get("Versions", [])
    assert bare == []
    written = expected_keys(free)[0]
    free.client.put_object(Bucket=free.vault, Key=f"tables/{written}", Body=b"something else")

    with pytest.raises(VerificationFailed, match="1 of 9 versions are not gone"):
        expiry.destroyed(free.config, MOMENT, reason="over", apply=True, clock=now)


def expected_keys(place: Place) -> list[str]:
    (name,) = (key for key in place.keys(place.lake) if key.endswith("/manifest.json"))
    found = json.loads(place.body(place.lake, name))
    return [
        item["key"]
        for table in found["tables"]
        for item in (*table["control"], *(i for p in table["partitions"] for i in p["archived"]))
    ]


def test_hidden_by_a_delete_marker_is_not_gone(free: Place) -> None:
    for key in free.keys(free.vault):
        free.client.delete_object(Bucket=free.vault, Key=key)  # as a careless user would
    assert free.keys(free.vault) == []

    with pytest.raises(VerificationFailed, match="9 of 9 versions are not gone"):
        expiry.destroyed(free.config, MOMENT, reason="over", apply=True, clock=now)


def test_gone_before_its_time_is_written_down_and_does_not_pass(free: Place) -> None:
    destroy(free)

    act = expiry.destroyed(free.config, MOMENT, reason="by mistake", apply=True, clock=now)

    assert act.exit_code == 5
    assert act.status == "failed"
    early = [check for check in act.checks if check.name == "retention_over"]
    assert {check.status for check in early} == {"fail"}
    (told,) = records(free, "destruction")
    assert told.checks == act.checks


def test_a_version_that_nobody_may_look_at_is_not_taken_for_gone(free: Place) -> None:
    destroy(free)
    free.proxy.inject("deny", method="HEAD", key=f"{free.vault}/.*")

    with pytest.raises(Denied):
        expiry.destroyed(free.config, MOMENT, reason="over", apply=True, clock=now)
    assert records(free, "destruction") == []


def test_a_bucket_that_is_not_there_is_not_taken_for_an_empty_one(
    free: Place,
) -> None:
    """Every version of it is answered with 404, too."""
    destroy(free)
    free.client.delete_bucket(Bucket=free.vault)

    with pytest.raises(StoreError, match=free.vault):
        expiry.destroyed(free.config, MOMENT, reason="over", apply=True, clock=now)


# --- the command line -----------------------------------------------------------------------------


def test_the_commands_from_a_compliance_lock_to_its_destruction(place: Place) -> None:
    """With a real clock: a lock that ends in seconds, and versions that are then removed."""
    ends = (now() + timedelta(seconds=14)).replace(microsecond=0)
    snapshot = ends - timedelta(days=1)
    place.settings["archive"]["retain"] = "1d"
    place.deliver(
        write_shop(
            place.folder / "exports", {"public.orders": SHOP["public.orders"]}, snapshot=snapshot
        )
    )
    assert place.cli("run", "--json").returncode == 0
    assert now() < ends
    moment = snapshot.strftime("%Y%m%dT%H%M%SZ")

    refused = place.cli("destroyed", moment, "--reason", "over", "--apply")
    assert refused.returncode == 5
    assert "are not gone" in refused.stderr
    soon = json.loads(place.cli("expired", "--within", "1d", "--json").stdout)
    assert [one["state"] for one in soon["snapshots"]] == ["ending"]

    time.sleep(max(0.0, (ends - now()).total_seconds()) + 1.5)
    over = json.loads(place.cli("expired", "--json").stdout)
    assert [one["state"] for one in over["snapshots"]] == ["ended"]
    assert destroy(place) == ORDERS_VERSIONS
    assert [
        one["state"] for one in json.loads(place.cli("expired", "--json").stdout)["snapshots"]
    ] == ["gone"]

    done = place.cli("destroyed", moment, "--reason", "over", "--apply", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "done")
    assert json.loads(place.cli("expired", "--json").stdout)["snapshots"] == []


def test_commands_need_a_selection_and_one_date(archived: Place) -> None:
    nothing = archived.cli("hold", "add", "--apply")
    both = archived.cli("extend", "--until", "2040-01-01", "--by", "2y", "--all")
    neither = archived.cli("extend", "--all")
    wrong = archived.cli("extend", "--until", "soon", "--all")

    assert {one.returncode for one in (nothing, both, neither, wrong)} == {2}
    assert "nothing was selected" in nothing.stderr
    assert "either --until or --by" in both.stderr
    assert "either --until or --by" in neither.stderr
    assert "'soon' is not a date" in wrong.stderr
    assert archived.proxy.writes() == []


def test_hold_add_list_and_remove_by_command(archived: Place) -> None:
    table = ("--table", "shop.public.orders")
    shown = archived.cli("hold", "add", *table)
    assert (shown.returncode, archived.proxy.writes()) == (0, [])
    assert "LEGAL HOLD: not done yet" in shown.stdout

    added = archived.cli("hold", "add", *table, "--apply", "--json")
    listed = archived.cli("hold", "list", "--held", "--json")
    extended = archived.cli("extend", "--until", "2060-01-01", *table, "--apply", "--json")
    removed = archived.cli("hold", "remove", *table, "--apply", "--json")

    assert [one.returncode for one in (added, listed, extended, removed)] == [0, 0, 0, 0]
    assert [one["table"] for one in json.loads(listed.stdout)["snapshots"]] == ["public.orders"]
    assert held(archived) == set()
    assert {dates(archived)[key] for key in of_orders(dates(archived))} == {LATER}
    assert len(records(archived, "hold")) == 2


def test_a_run_after_all_this_has_nothing_to_do(archived: Place) -> None:
    retention.extend(archived.config, ALL, to=LATER, apply=True, clock=now)

    assert archived.run().result.status == "nothing_to_do"
    assert pipeline.preview(archived.config).commitment is not None
