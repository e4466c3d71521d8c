"""Where things lie, and what a listing of the runs tells the next run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from compactor import lake

ARCHIVE = "s3://vault/tables/"
LOCKED = f"locked-{lake.archive_id(ARCHIVE)}"


def runs(*names: str) -> list[str]:
    return [f"{lake.RUNS}{name}" for name in names]


def test_a_table_lies_under_database_table_and_snapshot() -> None:
    moment = datetime(2026, 10, 6, 5, 47, 12, tzinfo=timezone(timedelta(hours=2)))
    prefix = lake.table_prefix("shop", "public.orders", moment)
    assert prefix == "shop/public.orders/snapshot=20261006T034712Z/"
    key = lake.part_key(prefix, "2024-03-05", 3, "abc")
    assert key == f"{prefix}dt=2024-03-05/part-00003-abc.parquet"
    assert lake.part_key(prefix, "", 0, "abc") == f"{prefix}part-00000-abc.parquet"
    assert lake.is_part_of(key, "abc")
    assert not lake.is_part_of(key, "bc")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("public.orders", "public.orders"),
        ("Größe 🎁", "Größe 🎁"),
        ("_hidden", "%5Fhidden"),
        (".", "%2E"),
        ("..", "%2E."),
        ("a/b", "a%2Fb"),
        ("dt=1", "dt%3D1"),
        ("100%", "100%25"),
        ("\x00", "%00"),
        ("", "%EMPTY"),
    ],
)
def test_names_that_readers_would_misread_are_encoded(name: str, text: str) -> None:
    assert lake.segment(name) == text


def test_an_empty_lake_tells_of_nothing() -> None:
    assert lake.progress([], None) == lake.Progress(frozenset(), {}, ())


def test_a_table_counts_as_done_only_in_a_run_with_a_manifest() -> None:
    keys = runs("r1/plan.json", "r1/verified/a.json", "r2/plan.json", "r2/verified/b.json")
    assert lake.progress([*keys, *runs("r1/manifest.json")], None) == lake.Progress(
        frozenset({"a"}), {"b": f"{lake.RUNS}r2/verified/b.json"}, ("r2",)
    )


def test_with_an_archive_a_table_is_done_only_when_it_is_locked_there() -> None:
    keys = runs("r1/verified/a.json", "r1/verified/b.json", "r1/manifest.json")
    found = lake.progress([*keys, *runs(f"r1/{LOCKED}/a.json")], ARCHIVE)
    assert found.done == {"a"}
    assert found.adoptable == {"b": f"{lake.RUNS}r1/verified/b.json"}


def test_a_second_archive_is_filled_too() -> None:
    keys = runs("r1/verified/a.json", f"r1/{LOCKED}/a.json", "r1/manifest.json")
    assert lake.progress(keys, ARCHIVE).done == {"a"}
    other = lake.progress(keys, "s3://other/")
    assert other.done == frozenset()
    assert set(other.adoptable) == {"a"}


def test_without_an_archive_a_locked_table_is_still_done() -> None:
    keys = runs("r1/verified/a.json", f"r1/{LOCKED}/a.json", "r1/manifest.json")
    assert lake.progress(keys, None).done == {"a"}


def test_the_furthest_document_is_adopted_whatever_the_order_of_the_listing() -> None:
    keys = runs(f"r1/{LOCKED}/a.json", "r1/verified/a.json", "r2/verified/a.json", "r2/plan.json")
    for listing in (keys, keys[::-1]):
        found = lake.progress(listing, ARCHIVE)
        assert found.adoptable == {"a": f"{lake.RUNS}r1/{LOCKED}/a.json"}
        assert found.interrupted == ("r1", "r2")


def test_other_documents_of_a_run_settle_no_table() -> None:
    keys = runs("r1/report.json", "r1/manifest.json", "r1/other/a.json", "r1/verified/a.txt")
    assert lake.progress(keys, None) == lake.Progress(frozenset(), {}, ())


def test_records_are_found_again_by_the_next_run() -> None:
    verified = lake.record_key("r1", "task", None)
    locked = lake.record_key("r1", "task", ARCHIVE)
    assert verified == f"{lake.RUNS}r1/verified/task.json"
    assert locked == f"{lake.RUNS}r1/{LOCKED}/task.json"
    manifest = lake.run_key("r1", "manifest.json")
    assert lake.progress([locked, manifest], ARCHIVE).done == {"task"}
    assert lake.progress([verified, manifest], None).done == {"task"}
