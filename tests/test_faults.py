"""S3 that misbehaves under a run: it recovers, or the table fails with its object named.

Whatever happens, the lake never holds wrong rows below a manifest, and the other tables are done.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import S3Server
from s3_line import CUSTOMERS, ORDERS, SHOP, Place, Rows, write_shop

from compactor import pipeline, work
from compactor.errors import Denied, SourceError
from compactor.model import Plan, RunResult, TableResult
from compactor.store.s3_client import Patience

IMPATIENT = Patience(read_timeout_s=1.0, attempts=4, backoff_s=0.001)
EXPORTED = r".*\.gz\.parquet"
BAD = r".*/public\.orders/2/.*\.gz\.parquet"
"""Two of the four objects of orders."""


@pytest.fixture
def delivered(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """An export in its bucket; waiting for S3 is cut short, nothing else."""
    monkeypatch.setattr("compactor.store.s3.Patience", lambda: IMPATIENT)
    place.deliver(write_shop(place.folder / "exports"))
    return place


def by_name(done: pipeline.Done) -> dict[str, TableResult]:
    return {table.table: table for table in done.result.tables}


def named(place: Place, result: RunResult) -> Mapping[str, Rows]:
    """Return the rows of the objects that a run's manifest names, read past the proxy."""
    assert result.manifest is not None
    key = result.manifest.url.removeprefix(f"s3://{place.lake}/")
    manifest = RunResult.model_validate_json(place.body(place.lake, key))
    found: dict[str, Rows] = {}
    for table in manifest.tables:
        lines: Rows = []
        for item in (item for part in table.partitions for item in part.objects):
            body = place.body(place.lake, f"tables/{item.key}")
            part = pq.ParquetFile(io.BytesIO(body)).read()
            columns = [part[name].to_pylist() for name in ("id", "note", "created_at")]
            lines += zip(*columns, strict=True)
        found[table.table] = sorted(lines)
    return found


def assert_all_done(place: Place, done: pipeline.Done) -> None:
    assert (done.exit_code, done.result.status) == (0, "done"), by_name(done)
    assert named(place, done.result) == SHOP
    for name, wanted in SHOP.items():
        assert place.table(place.lake, name) == wanted
        assert place.table(place.vault, name) == wanted
    versions = place.versions()
    assert {key: len(ids) for key, ids in versions.items()} == dict.fromkeys(versions, 1)


def only_orders_failed(place: Place, done: pipeline.Done, *codes: int) -> str:
    """Check that the other tables are done; return what is said of orders."""
    assert done.exit_code in codes
    assert done.result.status == "failed"
    status = {name: table.status for name, table in by_name(done).items()}
    assert status == {**dict.fromkeys(SHOP, "done"), "public.orders": "failed"}
    others = {name: wanted for name, wanted in SHOP.items() if name != "public.orders"}
    assert named(place, done.result) == others
    assert not [key for key in place.versions() if "public.orders" in key]
    error = by_name(done)["public.orders"].error
    assert error is not None
    return error


# --- reading the source ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["slow_down", "hang", "reset", "truncate"])
def test_a_source_that_stumbles_is_read_all_the_same(delivered: Place, kind: Any) -> None:
    delivered.proxy.inject(kind, method="GET", key=BAD, times=2)

    assert_all_done(delivered, delivered.run())


@pytest.mark.parametrize("kind", ["slow_down", "hang", "reset", "truncate"])
def test_a_listing_or_a_sidecar_that_stumbles_is_read_all_the_same(
    delivered: Place, kind: Any
) -> None:
    delivered.proxy.inject(kind, method="LIST", key=delivered.source)
    delivered.proxy.inject(kind, method="LIST", key=delivered.lake)
    delivered.proxy.inject(kind, method="GET", key=r".*/export_info_.*")

    assert_all_done(delivered, delivered.run())


def run_with(place: Place, event: Callable[[], Any]) -> pipeline.Done:
    """Run, and let something happen once the source is listed and the plan is made."""
    tables = work.Work.tables

    def later(run: work.Work, aside: Executor) -> None:
        event()
        tables(run, aside)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work.Work, "tables", later)
        return place.run()


def run_over(place: Place, kind: Any, times: int = 1000) -> pipeline.Done:
    """Run while two objects of orders misbehave as soon as they are staged."""
    done = run_with(place, lambda: place.proxy.inject(kind, method="GET", key=BAD, times=times))
    place.proxy.forgive()
    return done


@pytest.mark.parametrize("kind", ["slow_down", "reset", "truncate"])
def test_an_object_that_cannot_be_had_fails_its_table_by_name_and_no_other(
    delivered: Place, kind: Any
) -> None:
    said = only_orders_failed(delivered, run_over(delivered, kind), 4)

    assert re.search(rf"s3://{delivered.source}/shop-1/shop/public\.orders/2/part-\S+parquet", said)


def test_an_object_that_could_not_be_had_is_done_by_the_next_run(delivered: Place) -> None:
    only_orders_failed(delivered, run_over(delivered, "slow_down"), 4)

    done = delivered.run()

    assert (done.exit_code, {name: t.status for name, t in by_name(done).items()}) == (
        0,
        {"public.orders": "done"},
    )
    assert delivered.table(delivered.vault, "public.orders") == ORDERS
    assert delivered.run().result.status == "nothing_to_do"


def test_bytes_that_changed_on_the_way_fail_the_table_and_name_the_object(
    delivered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faulty_s3._flipped", lambda body: flipped_at(body, 20))

    said = only_orders_failed(delivered, run_over(delivered, "flip"), 3)

    assert re.search(r"shop-1/shop/public\.orders/2/part-\S+parquet", said)
    assert not [key for key in delivered.keys(delivered.lake) if "public.orders" in key]


def flipped_at(body: bytes, percent: int) -> bytes:
    at = len(body) * percent // 100
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize("percent", [2, 10, 20, 30, 45, 75, 90, 98])
def test_a_byte_that_changed_on_the_way_never_becomes_a_wrong_row(
    place: Place, percent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some bytes of a file mean nothing: then the table is done, and right."""
    monkeypatch.setattr("faulty_s3._flipped", lambda body: flipped_at(body, percent))
    wanted = {"public.customers": CUSTOMERS}
    place.deliver(write_shop(place.folder / "exports", wanted))
    place.settings = place.without_archive()

    done = run_with(place, lambda: place.proxy.inject("flip", method="GET", key=EXPORTED))

    if done.exit_code == 0:
        assert named(place, done.result) == wanted
    else:
        assert done.exit_code == 3
        assert place.keys(place.lake, "tables/shop/") == []
        assert "shop-1/shop/public.customers/1/part" in str(by_name(done)["public.customers"].error)


def test_footers_that_changed_on_the_way_change_no_row(delivered: Place) -> None:
    delivered.proxy.inject("flip", method="GET", key=EXPORTED, times=4)

    done = delivered.run()

    assert done.exit_code in (0, 3)
    for name, found in named(delivered, done.result).items():
        assert found == SHOP[name]


def test_an_object_that_may_not_be_read_fails_its_table_and_the_others_are_done(
    delivered: Place,
) -> None:
    delivered.proxy.inject("deny", method="GET", key=BAD, times=1000)

    said = only_orders_failed(delivered, delivered.run(), 4)

    assert re.search(rf"s3://{delivered.source}/shop-1/shop/public\.orders/2/part-\S+parquet", said)
    assert "403" in said
    assert "KMS" in said
    delivered.proxy.forgive()


# --- writing to the lake --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["slow_down", "reset", "lose", "late", "flip"])
def test_a_lake_and_an_archive_that_stumble_get_every_object_once(
    delivered: Place, kind: Any
) -> None:
    for key in (r".*/plan\.json", rf"{delivered.lake}/tables/shop/.*\.parquet"):
        delivered.proxy.inject(kind, method="PUT", key=key)
    for key in (r"lock-.*\.parquet", "lock-.*/_control/.*", r".*/manifest\.json"):
        delivered.proxy.inject(kind, method="PUT", key=key)

    assert_all_done(delivered, delivered.run())


def test_bytes_that_changed_on_the_way_back_from_the_lake_are_not_taken_for_proof(
    delivered: Place,
) -> None:
    delivered.proxy.inject(
        "flip", method="GET", key=rf"{delivered.lake}/tables/shop/public\.orders/.*"
    )

    first = delivered.run()

    only_orders_failed(delivered, first, 5)
    failed = [c for c in by_name(first)["public.orders"].checks if c.status == "fail"]
    assert "stored_sha256" in {check.name for check in failed}
    done = delivered.run()
    assert (done.exit_code, delivered.data_puts()) == (0, {})
    assert named(delivered, done.result) == {"public.orders": ORDERS}


def test_a_lake_that_may_not_be_written_is_named_with_key_and_action(delivered: Place) -> None:
    delivered.proxy.inject("deny", method="PUT", key=rf"{delivered.lake}/.*", times=1)

    done = delivered.cli("-q", "run")

    assert done.returncode == 4
    assert re.search(rf"cannot write \(s3://{delivered.lake}/tables/_compactor/\S+", done.stderr)
    assert "403 AccessDenied" in done.stderr
    assert "next: check IAM policy" in done.stderr
    assert delivered.keys(delivered.lake) == []


def test_a_part_that_may_not_be_written_fails_its_table_only(delivered: Place) -> None:
    key = rf"{delivered.lake}/tables/shop/public\.orders/.*"
    delivered.proxy.inject("deny", method="PUT", key=key, times=1000)

    said = only_orders_failed(delivered, delivered.run(), 4)

    assert re.search(rf"cannot write \(s3://{delivered.lake}/tables/shop/public\.orders/\S+", said)
    delivered.proxy.forgive()


def test_a_manifest_that_may_not_be_written_leaves_a_run_for_the_next_one(
    delivered: Place,
) -> None:
    delivered.proxy.inject("deny", method="PUT", key=r".*/manifest\.json")
    with pytest.raises(Denied, match=r"manifest\.json"):
        delivered.run()

    done = delivered.run()

    assert {table.status for table in done.result.tables} == {"adopted"}
    assert delivered.data_puts() == {}
    assert_all_done(delivered, done)


# --- credentials, buckets, regions ----------------------------------------------------------------


def test_wrong_credentials_are_a_clear_error(
    delivered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret-key")

    done = delivered.cli("-q", "run")

    assert done.returncode == 4
    assert "SignatureDoesNotMatch" in done.stderr
    assert "next: check the credentials" in done.stderr
    assert "wrong-secret-key" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_user_who_may_nothing_is_told_what_was_refused(
    delivered: Place, s3_env: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    if s3_env.limited_env is None:
        pytest.skip("the given endpoint has no second user")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, s3_env.limited_env[name])
    delivered.settings = delivered.without_archive()

    done = delivered.cli("-q", "run")

    assert done.returncode == 4
    assert re.search(rf"cannot list \(s3://{delivered.source}\S*\): S3 answered 403", done.stderr)


@pytest.mark.parametrize("place_of", ["source", "lake", "archive"])
def test_a_missing_bucket_is_named(delivered: Place, place_of: str) -> None:
    url = "s3://no-such-bucket-anywhere/x/"
    delivered.settings[place_of] = {"urls": [url]} if place_of == "source" else {"url": url}

    done = delivered.cli("-q", "run")

    assert done.returncode == 4
    assert "no-such-bucket-anywhere" in done.stderr
    assert "NoSuchBucket" in done.stderr
    assert delivered.keys(delivered.lake) == []


def test_a_missing_region_is_a_configuration_error_before_any_request(
    delivered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)

    done = delivered.cli("-q", "run")

    assert done.returncode == 2
    assert "no AWS region" in done.stderr
    assert "next: set AWS_REGION" in done.stderr


# --- a source that changes ------------------------------------------------------------------------


def overwrite(place: Place, pattern: str = r".*/public\.orders/2/.*\.parquet") -> str:
    """Write one object of the export again: same size and name, other rows."""
    key = next(key for key in place.keys(place.source) if re.fullmatch(pattern, key))
    folder = place.folder / "again"
    changed = {"public.orders": [(n, note[::-1], day) for n, note, day in ORDERS]}
    root = write_shop(folder, {**SHOP, **changed})
    body = (folder / root.name / key.split("/", 1)[1]).read_bytes()
    place.client.put_object(Bucket=place.source, Key=key, Body=body)
    return key


def test_a_plan_is_refused_where_an_object_was_overwritten_since(delivered: Place) -> None:
    plan = delivered.folder / "plan.json"
    assert delivered.cli("-q", "plan", "-o", str(plan)).returncode == 0
    overwrite(delivered)

    done = delivered.cli("-q", "run", "--plan", str(plan))

    assert done.returncode == 3
    assert "public.orders of shop-1: planned 4 objects" in done.stderr
    assert "or with other contents" in done.stderr
    assert "next: make a new plan" in done.stderr
    assert delivered.proxy.writes() == []


def test_a_plan_is_refused_where_an_object_came_or_went(delivered: Place) -> None:
    plan = pipeline.preview(delivered.config)
    (key, *_) = [key for key in delivered.keys(delivered.source) if "/public.orders/2/part" in key]
    body = delivered.body(delivered.source, key)
    delivered.client.delete_object(Bucket=delivered.source, Key=key)

    with pytest.raises(SourceError, match=r"planned 4 objects with \d+ bytes, now 3"):
        delivered.run(fixed=plan)
    delivered.client.put_object(Bucket=delivered.source, Key=key, Body=body)
    delivered.client.put_object(
        Bucket=delivered.source, Key=key.replace("part-", "part-1"), Body=body
    )
    with pytest.raises(SourceError, match=r"planned 4 objects with \d+ bytes, now 5"):
        delivered.run(fixed=plan)
    assert delivered.proxy.writes() == []


def test_a_plan_made_and_applied_to_the_same_source_is_carried_out(delivered: Place) -> None:
    file = delivered.folder / "plan.json"
    assert delivered.cli("-q", "plan", "-o", str(file)).returncode == 0

    done = delivered.cli("-q", "run", "--plan", str(file), "--json")

    assert done.returncode == 0, done.stderr
    result = RunResult.model_validate_json(done.stdout)
    assert result.plan_id == Plan.model_validate_json(file.read_bytes()).plan_id
    assert named(delivered, result) == SHOP


def test_an_object_overwritten_between_listing_and_reading_fails_its_table(
    delivered: Place,
) -> None:
    changed: list[str] = []

    first = run_with(delivered, lambda: changed.append(overwrite(delivered)))

    said = only_orders_failed(delivered, first, 4)

    assert changed[0] in said
    assert "scan" in said
    assert not [key for key in delivered.keys(delivered.lake) if "public.orders" in key]
    # what is there now is another source, and is taken as such
    done = delivered.run()
    assert (done.exit_code, by_name(done)["public.orders"].status) == (0, "done")
    assert len(delivered.table(delivered.lake, "public.orders")) == len(ORDERS)


def test_an_object_removed_between_listing_and_reading_fails_its_table(delivered: Place) -> None:
    (key, *_) = [key for key in delivered.keys(delivered.source) if "/public.orders/2/part" in key]

    done = run_with(
        delivered, lambda: delivered.client.delete_object(Bucket=delivered.source, Key=key)
    )

    assert key in only_orders_failed(delivered, done, 4)


def test_a_finished_table_whose_source_changed_is_refused_rather_than_stored_beside(
    delivered: Place,
) -> None:
    assert delivered.run().exit_code == 0
    before = delivered.versions()
    overwrite(delivered)

    done = delivered.run()

    assert done.exit_code == 4
    (table,) = done.result.tables
    assert table.error is not None
    assert "already holds 2 objects of another run" in table.error
    assert delivered.versions() == before
    assert delivered.table(delivered.lake, "public.orders") == ORDERS


# --- damaged at rest ------------------------------------------------------------------------------


def test_a_damaged_object_fails_its_table_with_3_and_two_of_them_are_both_named(
    delivered: Place,
) -> None:
    keys = [key for key in delivered.keys(delivered.source) if "/public.orders/2/part" in key]
    first, second = keys
    body = delivered.body(delivered.source, first)
    delivered.client.put_object(Bucket=delivered.source, Key=first, Body=body[: len(body) // 2])
    delivered.client.put_object(Bucket=delivered.source, Key=second, Body=b"")

    done = delivered.run()

    said = only_orders_failed(delivered, done, 3)
    assert first in said
    assert second in said
    assert "0 bytes" in said
    finding = next(f for f in done.result.findings if f.kind == "unreadable_object")
    assert finding.table == "public.orders"


def test_the_gravest_exit_code_wins(delivered: Place) -> None:
    """One table cannot be verified (5), another one not be read (3)."""
    (key,) = [key for key in delivered.keys(delivered.source) if "/public.customers/1/part" in key]
    delivered.client.put_object(Bucket=delivered.source, Key=key, Body=b"no Parquet")
    delivered.proxy.inject(
        "flip", method="GET", key=rf"{delivered.lake}/tables/shop/public\.orders/.*"
    )

    done = delivered.run()

    assert done.exit_code == 5
    status = {name: table.status for name, table in by_name(done).items()}
    assert status == {
        "public.customers": "failed",
        "public.empty": "done",
        "public.orders": "failed",
    }


def test_what_is_said_holds_no_row_and_no_secret(delivered: Place) -> None:
    delivered.proxy.inject("deny", method="GET", key=BAD, times=1000)

    done = delivered.cli("--log-format", "json", "run", "--json")

    assert done.returncode == 4
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    for note in {note for _, note, _ in ORDERS + CUSTOMERS}:
        assert f'"{note}"' not in done.stdout + done.stderr
    assert secret not in done.stdout + done.stderr
    delivered.proxy.forgive()
