"""Whatever is changed after the source was read, some check must fail and say where."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from small_tables import OPTIONS, Taken, columns, failed, options

from compactor import archive, verify
from compactor.model import HIVE_NULL, Check, PartitionResult, StoredObject
from compactor.profile import ColumnProfile
from compactor.store.interface import Retention
from compactor.types import FileColumn, Rule, rules
from compactor.verify import Evidence, checks, partition_of

DAYS = ("2024-03-05", "2024-03-06", "2024-03-07")
ROWS = 30


def orders() -> pa.Table:
    """Three days of ten rows; the last row of each day has no note."""
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "day": [DAYS[number % 3] for number in range(ROWS)],
            "amount": [f"{number}.{number:02d}" for number in range(ROWS)],
            "note": [None if number > 26 else f"note {number}" for number in range(ROWS)],
        }
    )


DESCRIBED = columns(id="bigint", day="date", amount="numeric:12", note="text")


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[Taken]:
    chosen = options("day", sort_by=("id",))
    with Taken(
        tmp_path, [orders()], DESCRIBED, chosen, bytes_per_row=OPTIONS.target_bytes / 5
    ) as t:
        yield t


def tamper(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


def set_first(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Return a change of the first value of one column."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        field = table.schema.field(name)
        values = [value, *table.column(name).to_pylist()[1:]]
        return table.set_column(place, field, pa.array(values, field.type))

    return change


def test_untouched_files_pass_every_check(taken: Taken) -> None:
    found = taken.finish()
    assert failed(found) == set()
    assert len(taken.parts) == 6
    assert {check.name for check in found} == {
        *("declared_rows", "footer_rows", "second_engine", "rows", "fingerprint"),
        *("stored_sha256", "lossless", "profile"),
    }
    assert {c.subject for c in found if c.name == "rows"} == {f"dt={day}" for day in DAYS}


def test_only_row_counts_that_nobody_ships_are_not_verified(taken: Taken) -> None:
    open_checks = [check for check in taken.finish() if check.status == "not_verified"]
    assert [check.name for check in open_checks] == ["declared_rows"]


# --- written files, before DuckDB reads them back -------------------------------------------------

CHANGES: dict[str, tuple[Callable[[pa.Table], pa.Table], set[str]]] = {
    "a changed number": (set_first("id", 1_000_000), {"fingerprint", "profile"}),
    "a changed text of the same length": (set_first("note", "nope 0"), {"fingerprint"}),
    "a text that is now NULL": (set_first("note", None), {"fingerprint", "profile"}),
    "a text that is now empty": (set_first("note", ""), {"fingerprint", "profile"}),
    "a lost row": (lambda table: table.slice(1), {"rows", "fingerprint", "profile"}),
    "a doubled row": (
        lambda table: pa.concat_tables([table, table.slice(0, 1)]),
        {"rows", "fingerprint", "profile"},
    ),
    "no rows": (lambda table: table.slice(0, 0), {"rows", "fingerprint", "profile"}),
    "one row lost and another doubled": (
        lambda table: pa.concat_tables([table.slice(1), table.slice(1, 1)]),
        {"fingerprint"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_written_file_that_differs_fails_its_partition(taken: Taken, change: str) -> None:
    apply, expected = CHANGES[change]
    part = taken.parts[2]
    tamper(part.path, apply)
    taken.read_back()
    found = failed(checks(taken.evidence, taken.loaded.rules))
    assert {name for name, _ in found} >= expected
    partitions = {subject for name, subject in found if name in ("rows", "fingerprint")}
    assert partitions == {f"dt={part.value}"}


def test_values_exchanged_between_two_rows_fail_the_fingerprint(taken: Taken) -> None:
    """Counts, sums, bounds and lengths all stay the same."""

    def swap(table: pa.Table) -> pa.Table:
        notes = table.column("note").to_pylist()
        notes[0], notes[1] = notes[1], notes[0]
        return table.set_column(table.schema.get_field_index("note"), "note", pa.array(notes))

    tamper(taken.parts[2].path, swap)
    taken.read_back()
    found = failed(checks(taken.evidence, taken.loaded.rules))
    assert {item for item in found if item[0] != "second_engine"} == {
        ("fingerprint", f"dt={taken.parts[2].value}")
    }


def test_values_exchanged_between_two_columns_fail(tmp_path: Path) -> None:
    table = pa.table({"first": ["a", "b", None], "second": ["x", None, None]})
    with Taken(tmp_path, [table]) as taken:
        path = taken.parts[0].path
        tamper(path, lambda t: t.select(["second", "first"]).rename_columns(["first", "second"]))
        taken.read_back()
        found = failed(checks(taken.evidence, taken.loaded.rules))
        assert {("fingerprint", "table"), ("profile", "first"), ("profile", "second")} <= found


def test_two_files_in_each_others_partition_fail_both(taken: Taken) -> None:
    first, second = taken.parts[0], taken.parts[-1]
    assert (first.rows, first.value != second.value) == (second.rows, True)
    spare = first.path.with_suffix(".spare")
    first.path.rename(spare)
    second.path.rename(first.path)
    spare.rename(second.path)
    found = failed(taken.finish())
    assert ("fingerprint", f"dt={first.value}") in found
    assert ("fingerprint", f"dt={second.value}") in found
    assert ("stored_sha256", f"dt={first.value}") in found


def test_a_part_that_was_not_written_fails(taken: Taken) -> None:
    gone = taken.parts[3]
    del taken.values[str(gone.path)]
    taken.read_back()
    assert ("rows", f"dt={gone.value}") in failed(checks(taken.evidence, taken.loaded.rules))


def test_a_part_that_was_written_twice_fails(taken: Taken) -> None:
    part = taken.parts[3]
    copy = part.path.with_name("copy.parquet")
    shutil.copy(part.path, copy)
    taken.values[str(copy)] = part.value
    taken.read_back()
    assert ("rows", f"dt={part.value}") in failed(checks(taken.evidence, taken.loaded.rules))


def test_a_partition_that_the_source_does_not_have_fails(taken: Taken) -> None:
    taken.values[str(taken.parts[0].path)] = "1999-01-01"
    taken.read_back()
    assert ("rows", "dt=1999-01-01") in failed(checks(taken.evidence, taken.loaded.rules))


@pytest.mark.parametrize("damage", ["truncated", "empty", "not Parquet", "gone"])
def test_a_written_file_that_cannot_be_read_fails_its_partition_only(
    taken: Taken, damage: str
) -> None:
    part = taken.parts[0]
    content = part.path.read_bytes()
    match damage:
        case "truncated":
            part.path.write_bytes(content[: len(content) // 2])
        case "empty":
            part.path.write_bytes(b"")
        case "not Parquet":
            part.path.write_bytes(b"x" * len(content))
        case _:
            part.path.unlink()
    taken.read_back()
    found = checks(taken.evidence, taken.loaded.rules)
    partitions = {s for name, s in failed(found) if name in ("rows", "fingerprint")}
    assert partitions == {f"dt={part.value}"}
    (rows,) = [c for c in found if c.name == "rows" and c.status == "fail"]
    assert "cannot be read back" in rows.source


def test_no_written_file_can_be_read_and_nothing_passes_for_it(taken: Taken) -> None:
    for part in taken.parts:
        part.path.write_bytes(b"")
    found = failed(taken.finish())
    assert {("rows", f"dt={day}") for day in DAYS} <= found
    assert ("second_engine", "rows in the lake") in found


@pytest.mark.parametrize("share", [0.02, 0.2, 0.4, 0.6, 0.8, 0.97])
def test_a_flipped_bit_anywhere_in_a_written_file_fails(taken: Taken, share: float) -> None:
    part = taken.parts[1]
    content = bytearray(part.path.read_bytes())
    content[int(len(content) * share)] ^= 1
    part.path.write_bytes(bytes(content))
    found = failed(taken.finish())
    assert ("stored_sha256", f"dt={part.value}") in found


# --- what the lake gives back ---------------------------------------------------------------------


def stored(taken: Taken) -> list[tuple[str, Path, str, str | None]]:
    return [(part.value, part.path, part.sha256, part.sha256) for part in taken.parts]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: b"",
        lambda content: content[:4] + bytes([content[4] ^ 128]) + content[5:],
    ],
    ids=["truncated", "longer", "empty", "one bit"],
)
def test_bytes_that_changed_on_their_way_fail_and_are_not_counted(
    taken: Taken, damage: Callable[[bytes], bytes]
) -> None:
    taken.read_back()
    part = taken.parts[0]
    part.path.write_bytes(damage(part.path.read_bytes()))
    verify.read_stored(taken.loaded.rules, stored(taken), taken.evidence)
    found = failed(checks(taken.evidence, taken.loaded.rules))
    assert ("stored_sha256", f"dt={part.value}") in found
    assert ("second_engine", "rows in the lake") in found
    assert ("second_engine", "id") in found


def test_a_digest_that_the_store_keeps_of_something_else_fails(taken: Taken) -> None:
    taken.read_back()
    listed = stored(taken)
    value, path, expected, _ = listed[0]
    listed[0] = (value, path, expected, "0" * 64)
    verify.read_stored(taken.loaded.rules, listed, taken.evidence)
    assert failed(checks(taken.evidence, taken.loaded.rules)) == {("stored_sha256", f"dt={value}")}


def test_a_store_without_digests_is_not_verified_and_never_a_pass(taken: Taken) -> None:
    taken.read_back()
    listed = [(value, path, digest, None) for value, path, digest, _ in stored(taken)]
    verify.read_stored(taken.loaded.rules, listed, taken.evidence)
    found = [c for c in checks(taken.evidence, taken.loaded.rules) if c.name == "stored_sha256"]
    assert {check.status for check in found} == {"not_verified"}
    assert len(found) == 3


def test_a_store_without_digests_that_gives_other_bytes_fails(taken: Taken) -> None:
    taken.read_back()
    part = taken.parts[0]
    part.path.write_bytes(b"x")
    listed = [(value, path, digest, None) for value, path, digest, _ in stored(taken)]
    verify.read_stored(taken.loaded.rules, listed, taken.evidence)
    assert ("stored_sha256", f"dt={part.value}") in failed(
        checks(taken.evidence, taken.loaded.rules)
    )


def test_a_file_that_only_polars_cannot_read_fails_the_second_engine(
    taken: Taken, tmp_path: Path
) -> None:
    taken.read_back()
    junk = tmp_path / "junk.parquet"
    junk.write_bytes(b"no Parquet")
    digest = hashlib.sha256(b"no Parquet").hexdigest()
    listed = [("2024-03-05", junk, digest, digest)]
    verify.read_stored(taken.loaded.rules, listed, taken.evidence)
    found = failed(checks(taken.evidence, taken.loaded.rules))
    assert ("second_engine", "rows in the lake") in found


# --- each check alone -----------------------------------------------------------------------------


def rule(how: str = "date") -> Rule:
    kind = "VARCHAR" if how == "date" else "BIGINT"
    (made,), _ = rules(
        [FileColumn(read_name="x", source_name="x", read_type=kind)], columns(x="date")
    )
    return made


def good() -> Evidence:
    """Return the evidence of a table with one partition of two rows, all in order."""
    evidence = Evidence(grain="day", footer_rows=2, decoded_rows=2, declared_rows=2, stored_rows=2)
    evidence.source.add("2024-01-01", 2, (5, 7))
    evidence.written.add("2024-01-01", 2, (5, 7))
    for side in ("source", "written", "stored"):
        evidence.merge_profiles(side, {0: ColumnProfile(values=2, low=1, high=2, total=3)})
    evidence.digests.append(("2024-01-01", "aa", "aa", "aa"))
    return evidence


def test_the_good_case_of_each_check_passes() -> None:
    found = checks(good(), [rule()])
    assert {check.status for check in found} == {"pass"}


def change(**fields: object) -> Callable[[Evidence], None]:
    def apply(evidence: Evidence) -> None:
        for name, value in fields.items():
            setattr(evidence, name, value)

    return apply


BREAKS: dict[str, tuple[Callable[[Evidence], None], set[tuple[str, str]]]] = {
    "declared rows": (change(declared_rows=3), {("declared_rows", "table")}),
    "footer rows": (change(footer_rows=3), {("footer_rows", "table")}),
    "rows decoded by pyarrow": (change(decoded_rows=1), {("second_engine", "rows of the source")}),
    "rows in the lake": (change(stored_rows=1), {("second_engine", "rows in the lake")}),
    "rows of a partition": (
        lambda evidence: evidence.written.add("2024-01-01", 1, (0, 0)),
        {("rows", "dt=2024-01-01")},
    ),
    "first sum of a fingerprint": (
        lambda evidence: evidence.written.add("2024-01-01", 0, (1, 0)),
        {("fingerprint", "dt=2024-01-01")},
    ),
    "second sum of a fingerprint": (
        lambda evidence: evidence.written.add("2024-01-01", 0, (0, 1)),
        {("fingerprint", "dt=2024-01-01")},
    ),
    "digest": (
        lambda evidence: evidence.digests.append(("2024-01-01", "aa", "bb", "aa")),
        {("stored_sha256", "dt=2024-01-01")},
    ),
    "round trip": (change(lossy={0: 1}), {("lossless", "x")}),
    "profile of the source": (
        lambda evidence: evidence.merge_profiles("source", {0: ColumnProfile(total=1)}),
        {("profile", "x")},
    ),
    "profile of the written files": (
        lambda evidence: evidence.merge_profiles("written", {0: ColumnProfile(values=1)}),
        {("profile", "x"), ("second_engine", "x")},
    ),
    "profile of the stored bytes": (
        lambda evidence: evidence.merge_profiles("stored", {0: ColumnProfile(low=0)}),
        {("second_engine", "x")},
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_each_check_fails_on_its_own_and_names_what(what: str) -> None:
    evidence = good()
    apply, expected = BREAKS[what]
    apply(evidence)
    found = checks(evidence, [rule()])
    assert failed(found) == expected
    for check in found:
        if check.status == "fail" and check.name != "stored_sha256":
            assert check.expected != check.actual
        assert check.source


def test_every_check_of_the_contract_has_a_case_here_in_which_it_fails() -> None:
    names = {name for _, expected in BREAKS.values() for name, _ in expected}
    assert {check.name for check in checks(good(), [rule()])} == names


def test_a_run_that_counted_nothing_does_not_pass() -> None:
    """An empty written side against a source with rows."""
    evidence = Evidence(grain="day", footer_rows=2, decoded_rows=2)
    evidence.source.add("2024-01-01", 2, (5, 7))
    found = failed(checks(evidence, [rule()]))
    assert {("rows", "dt=2024-01-01"), ("fingerprint", "dt=2024-01-01")} <= found
    assert ("second_engine", "rows in the lake") in found


def test_fingerprints_do_not_wrap_or_cancel_over_many_chunks() -> None:
    evidence = Evidence(grain="none")
    for _ in range(3):
        evidence.source.add("", 1, (2**64 - 1, 2**64 - 1))
    evidence.written.add("", 3, (2**64 - 3, 2**64 - 3))
    assert ("fingerprint", "table") in failed(checks(evidence, []))


def test_rows_without_a_date_are_a_partition_of_their_own(tmp_path: Path) -> None:
    table = pa.table({"day": ["2024-01-01", None, "infinity"], "n": [1, 2, 3]})
    with Taken(tmp_path, [table], columns(day="date"), options("day")) as taken:
        found = taken.finish()
        assert failed(found) == set()
        assert {c.subject for c in found if c.name == "rows"} == {
            "dt=2024-01-01",
            f"dt={HIVE_NULL}",
        }
    assert partition_of("", "none") == ""
    assert partition_of("", "month") == HIVE_NULL


def test_a_kept_text_column_makes_no_claim_of_a_round_trip(tmp_path: Path) -> None:
    table = pa.table({"day": ["2024-01-01", "infinity"]})
    with Taken(tmp_path, [table], columns(day="date")) as taken:
        found = taken.finish()
        assert failed(found) == set()
        assert "lossless" not in {check.name for check in found}
        assert pq.read_table(taken.parts[0].path)["day"].to_pylist() == ["2024-01-01", "infinity"]


def test_every_written_file_is_sorted_within_its_partition(taken: Taken) -> None:
    for part in taken.parts:
        table = pq.read_table(part.path)
        assert pc.all(pc.equal(table["day"], pa.scalar(table["day"][0].as_py()))).as_py()
        ids = table["id"].to_pylist()
        assert ids == sorted(ids)


# --- the lock -------------------------------------------------------------------------------------

UNTIL = datetime(2033, 1, 1, tzinfo=UTC)
ASKED = Retention(mode="COMPLIANCE", until=UNTIL, legal_hold=True)
ITEM = StoredObject(key="part-0.parquet", size_bytes=4, sha256="aa", rows=1)
LOCKED = ITEM.model_copy(
    update={
        "version_id": "1",
        "lock_mode": "COMPLIANCE",
        "retain_until": UNTIL,
        "legal_hold": True,
    }
)


def lock_checks(locked: StoredObject, asked: Retention = ASKED) -> tuple[Check, ...]:
    partition = PartitionResult(value="2024-01-01", rows=1, fingerprint="1-1", objects=(ITEM,))
    return tuple(archive.compare(partition, [locked], asked))


def test_a_lock_as_asked_or_longer_passes() -> None:
    assert {check.status for check in lock_checks(LOCKED)} == {"pass"}
    longer = LOCKED.model_copy(update={"retain_until": UNTIL.replace(year=2040)})
    assert {check.status for check in lock_checks(longer)} == {"pass"}
    governed = replace(ASKED, mode="GOVERNANCE")
    assert {check.status for check in lock_checks(LOCKED, governed)} == {"pass"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lock_mode", None),
        ("lock_mode", "GOVERNANCE"),
        ("retain_until", None),
        ("retain_until", UNTIL.replace(year=2032)),
        ("legal_hold", False),
    ],
)
def test_a_lock_weaker_than_asked_fails(field: str, value: object) -> None:
    weaker = LOCKED.model_copy(update={field: value})
    assert failed(lock_checks(weaker)) == {("lock", "dt=2024-01-01")}


@pytest.mark.parametrize(("field", "value"), [("sha256", "bb"), ("size_bytes", 5)])
def test_a_locked_object_with_other_bytes_fails(field: str, value: object) -> None:
    other = LOCKED.model_copy(update={field: value})
    assert failed(lock_checks(other)) == {("stored_sha256", "archive, dt=2024-01-01")}


def test_an_archive_without_a_digest_is_not_verified() -> None:
    unknown = LOCKED.model_copy(update={"sha256": archive.UNKNOWN_DIGEST})
    assert [check.status for check in lock_checks(unknown)] == ["pass", "not_verified"]
