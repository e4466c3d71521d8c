"""A run killed anywhere is finished by the next one; a run with nothing to do writes nothing.

Every kill is a SIGKILL to a process of its own, given at an exact request or call, never after some
time. What the buckets hold in the end is read without the code under test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from s3_line import COLUMNS, SHOP, SNAPSHOT, Kill, Place, Rows, as_exported, rows, write_shop

from compactor.model import RunResult
from compactor.sample_exports import Layout, RdsExport

DATA = r".*/tables/shop/.*\.parquet"
EXPORTED = r".*\.gz\.parquet"


def finish(place: Place, tables: Mapping[str, Rows] = SHOP) -> RunResult:
    """Run to the end; check what is there, and that another run adds nothing."""
    there = set(place.keys(place.lake, "tables/shop/"))
    done = place.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    again = {key.partition("/")[2] for key in place.data_puts()} & there
    assert again == set(), "finished parts were written again"
    assert set(place.data_puts().values()) <= {1}
    check(place, done.result, tables)
    nothing(place)
    return done.result


def check(place: Place, result: RunResult, tables: Mapping[str, Rows] = SHOP) -> None:
    """Lake, archive and manifest hold exactly what was exported."""
    for name, wanted in tables.items():
        assert place.table(place.lake, name) == wanted, name
        assert place.table(place.vault, name) == wanted, name
    versions = place.versions()
    assert {key: len(ids) for key, ids in versions.items()} == dict.fromkeys(versions, 1)
    assert result.manifest is not None
    key = result.manifest.url.removeprefix(f"s3://{place.lake}/")
    body = place.body(place.lake, key)
    assert hashlib.sha256(body).hexdigest() == result.manifest.sha256
    manifest = RunResult.model_validate_json(body)
    assert {table.table for table in manifest.tables} >= tables.keys()
    parts = [part for table in manifest.tables for part in table.partitions]
    in_lake = {f"tables/{item.key}" for part in parts for item in part.objects}
    assert in_lake == set(place.keys(place.lake, "tables/shop/"))
    locked = [item for part in parts for item in part.archived]
    locked += [item for table in manifest.tables for item in table.control]
    assert {f"tables/{item.key}": [item.version_id] for item in locked} == versions
    assert place.scratch() == []


def nothing(place: Place) -> None:
    done = place.run()
    assert (done.exit_code, done.result.status) == (0, "nothing_to_do")
    assert place.proxy.writes() == []
    assert place.proxy.sent("GET", EXPORTED) == []


def manifests(place: Place) -> list[str]:
    return [key for key in place.keys(place.lake) if key.endswith("/manifest.json")]


# --- killed at a request --------------------------------------------------------------------------

KILLS = {
    "while looking at footers": Kill("GET", EXPORTED, nth=2),
    "after the plan is written": Kill("PUT", r".*/plan\.json", before=False),
    "while staging": Kill("GET", EXPORTED, nth=6),
    "after the first part": Kill("PUT", DATA, before=False),
    "between the parts of a table": Kill("PUT", DATA, nth=3),
    "while reading back from the lake": Kill("GET", DATA, nth=2),
    "after a table is written down as verified": Kill("PUT", ".*/verified/.*", before=False),
    "after the last table is verified": Kill("PUT", ".*/verified/.*", nth=3, before=False),
    "after the first locked object": Kill("PUT", r"lock-.*\.parquet", before=False),
    "between the locked objects of a table": Kill("PUT", r"lock-.*\.parquet", nth=3),
    "between the locked sidecars": Kill("PUT", r"lock-.*/_control/.*", nth=2),
    "before a table is written down as locked": Kill("PUT", ".*/locked-.*"),
    "after a table is written down as locked": Kill("PUT", ".*/locked-.*", before=False),
    "after the page of the report": Kill("PUT", r".*/report\.html", before=False),
    "before the manifest": Kill("PUT", r".*/manifest\.json"),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
def test_a_run_killed_at_a_request_is_finished_by_the_next(place: Place, kill: Kill) -> None:
    place.deliver(write_shop(place.folder / "exports"))

    place.run_and_kill(kill)

    assert manifests(place) == []
    assert len(place.scratch()) == 1
    finish(place)


def test_a_run_killed_after_its_manifest_has_nothing_left_to_do(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))

    place.run_and_kill(Kill("PUT", r".*/manifest\.json", before=False))

    (key,) = manifests(place)
    nothing(place)
    assert place.scratch() == []
    body = place.body(place.lake, key)
    result = RunResult.model_validate_json(body)
    ref = {"url": f"s3://{place.lake}/{key}", "sha256": hashlib.sha256(body).hexdigest()}
    check(place, RunResult.model_validate({**result.model_dump(), "manifest": ref}))


# --- killed at a call -----------------------------------------------------------------------------

CALLS = {
    "while decoding what was staged": ("compactor.stage:_opened", 3, True),
    "before sorting": ("compactor.compact:load", 2, True),
    "after sorting": ("compactor.compact:load", 2, False),
    "between the files on scratch": ("compactor.compact:file_sha256", 2, False),
    "after reading back what was written": ("compactor.verify:read_back", 1, False),
    "between uploads": ("compactor.deposit:Deposit._put", 3, False),
    "after a table's last step": ("compactor.work:Work._one", 2, False),
}


@pytest.mark.parametrize(("where", "nth", "before"), CALLS.values(), ids=CALLS.keys())
def test_a_run_killed_at_work_is_finished_by_the_next(
    place: Place, where: str, nth: int, before: bool
) -> None:
    place.deliver(write_shop(place.folder / "exports"))

    place.run_and_die(where, nth, before=before)

    assert manifests(place) == []
    assert len(place.scratch()) == 1
    finish(place)


# --- killed again, and other circumstances --------------------------------------------------------


def test_a_run_killed_three_times_gets_a_little_further_each_time(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))

    for kill in (
        Kill("PUT", ".*/verified/.*", before=False),
        Kill("PUT", r"lock-.*/_control/.*", nth=3, before=False),
        Kill("PUT", r".*/report\.json"),
    ):
        place.run_and_kill(kill)

    result = finish(place)
    assert {table.status for table in result.tables} == {"adopted"}
    assert place.proxy.sent("GET", EXPORTED) == []


MONTHS = {"public.events_2026_07": rows(1, 31), "public.events_2026_08": rows(32, 31)}
EVENTS = {"public.events": [row for month in MONTHS.values() for row in month]}
COVERED: dict[str, Rows] = {name: [] for name in MONTHS}


def deliver_partitions(place: Place, extra: Rows | None = None) -> None:
    """A table exported twice over: by itself, and partition by partition."""
    export = RdsExport(place.folder / "exports", "parts-1", SNAPSHOT)
    folders = [as_exported(month) for month in MONTHS.values()]
    export.table("public.events", COLUMNS, folders)
    for name, month in MONTHS.items():
        export.table(name, COLUMNS, as_exported(month))
    if extra:
        export.table("public.events_2025_12", COLUMNS, as_exported(extra))
    place.deliver(export.finish())


@pytest.mark.parametrize(
    "kill",
    [
        Kill("PUT", ".*/verified/.*", before=False),
        Kill("PUT", ".*/locked-.*", before=False),
        Kill("PUT", ".*/locked-.*", nth=2, before=False),
        Kill("PUT", r".*/manifest\.json"),
    ],
    ids=["parent verified", "parent locked", "one partition covered", "no manifest"],
)
def test_partitions_that_a_killed_run_had_proven_are_not_stored_a_second_time(
    place: Place, kill: Kill
) -> None:
    deliver_partitions(place)

    place.run_and_kill(kill)

    result = finish(place, EVENTS | COVERED)
    assert {table.table: table.status for table in result.tables} == {
        "public.events": "adopted",
        **dict.fromkeys(MONTHS, "covered"),
    }


def test_a_detached_partition_is_still_a_table_of_its_own_after_a_kill(place: Place) -> None:
    gone = rows(901, 5)
    deliver_partitions(place, extra=gone)

    place.run_and_kill(Kill("PUT", ".*/locked-.*", before=False))

    wanted = {**EVENTS, **COVERED, "public.events_2025_12": gone}
    result = finish(place, wanted)
    assert [f.table for f in result.findings if f.kind == "partition_conflict"] == [
        "public.events_2025_12"
    ]


def big_and_small(place: Place) -> dict[str, Rows]:
    """One table in eight objects of some KiB."""
    wanted = rows(1, 4000, days=0)
    export = RdsExport(place.folder / "exports", "big-1", SNAPSHOT)
    export.table("public.big", COLUMNS, as_exported(wanted), Layout(files=8))
    place.deliver(export.finish())
    return {"public.big": wanted}


def test_a_table_in_chunks_that_was_killed_is_finished_without_writing_its_first_parts_again(
    place: Place,
) -> None:
    tables = big_and_small(place)
    place.settings["limits"]["scratch"] = "64KiB"

    place.run_and_kill(Kill("PUT", DATA, nth=3))

    assert len(place.keys(place.lake, "tables/shop/")) == 2
    result = finish(place, tables)
    assert result.tables[0].output_files > 3


def test_a_killed_table_is_finished_with_other_limits_and_no_row_is_there_twice(
    place: Place,
) -> None:
    tables = big_and_small(place)
    place.settings["limits"]["scratch"] = "64KiB"
    place.run_and_kill(Kill("PUT", DATA, nth=4))
    place.settings["limits"]["scratch"] = "1GiB"

    done = place.run()

    assert (done.exit_code, done.result.status) == (0, "done")
    check(place, done.result, tables)
    nothing(place)


# --- nothing to do --------------------------------------------------------------------------------


def test_the_command_finishes_a_killed_run_then_says_nothing_to_do_and_only_reads(
    place: Place,
) -> None:
    place.deliver(write_shop(place.folder / "exports"))
    place.run_and_kill(Kill("PUT", ".*/locked-.*", nth=2))

    finished = place.cli("-q", "run", "--json")
    again = place.cli("-q", "run", "--json")

    assert (finished.returncode, again.returncode) == (0, 0), finished.stderr + again.stderr
    result = RunResult.model_validate_json(finished.stdout)
    assert result.status == "done"
    check(place, result)
    assert json.loads(again.stdout)["status"] == "nothing_to_do"
    assert place.proxy.writes() == []
    assert len(place.proxy.requests) < 15


def test_scan_and_plan_only_read(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))

    for arguments in (("scan",), ("scan", "--footers"), ("plan",)):
        done = place.cli(*arguments)
        assert (done.returncode, place.proxy.writes()) == (0, []), done.stderr
    assert place.keys(place.lake) == []
    assert place.versions() == {}


def test_a_new_export_beside_a_finished_one_is_all_that_is_done(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().exit_code == 0
    before = place.versions()
    fresh = {"public.invoices": rows(1, 5)}
    place.deliver(write_shop(place.folder / "exports", fresh, export_id="shop-2"))

    done = place.run()

    assert [table.table for table in done.result.tables] == ["public.invoices"]
    assert place.proxy.sent("GET", rf".*/shop-1/{EXPORTED}") == []
    after = place.versions()
    assert {key: after[key] for key in before} == before
    for name, wanted in {**SHOP, **fresh}.items():
        assert place.table(place.lake, name) == wanted
    nothing(place)


# --- scratch --------------------------------------------------------------------------------------


def test_scratch_of_a_run_that_still_lives_is_left_alone(place: Place) -> None:
    from compactor.scratch import scratch_folder

    place.deliver(write_shop(place.folder / "exports"))
    with scratch_folder(place.folder / "scratch") as mine:
        (mine / "precious").touch()
        assert place.run().exit_code == 0
        assert (mine / "precious").exists()
    assert place.scratch() == []


def test_scratch_of_a_killed_run_is_removed_even_if_the_next_run_fails(place: Place) -> None:
    place.deliver(write_shop(place.folder / "exports"))
    place.run_and_kill(Kill("PUT", r".*/plan\.json"))
    (left,) = place.scratch()
    assert any((Path(place.folder) / "scratch" / left).iterdir())
    place.proxy.inject("deny", method="LIST")

    done = place.cli("-q", "run")

    assert done.returncode == 4
    assert place.scratch() == []
