"""Only what is proven to be in the parent is covered; everything else stays a table of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compactor import decide
from compactor.decide import Candidate, Sums, Verdict, by_containment, by_sum, same_snapshot
from compactor.sql import connect, query, rows

A: Sums = (2, 10, 100)
B: Sums = (3, 20, 200)
C: Sums = (1, 7, 70)
NOTHING: Sums = (0, 0, 0)


def add(*parts: Sums) -> Sums:
    return decide.total(parts)


def made(*sums: Sums, **special: Mapping[int, object]) -> list[Candidate]:
    """Return candidates named t0, t1, ... with these sums; `bad`, `difference` by number."""
    return [
        Candidate(
            number=number,
            table=f"t{number}",
            sums=one,
            bad_rows=special.get("bad", {}).get(number, 0),  # type: ignore[arg-type]
            difference=special.get("difference", {}).get(number, ""),  # type: ignore[arg-type]
        )
        for number, one in enumerate(sums)
    ]


def covered(verdicts: Sequence[Verdict] | None) -> set[int]:
    assert verdicts is not None
    return {verdict.number for verdict in verdicts if verdict.covered}


def reasons(verdicts: Sequence[Verdict]) -> dict[int, str]:
    return {verdict.number: verdict.reason for verdict in verdicts}


FLAT: dict[int, int | None] = {}

# --- by sum ---------------------------------------------------------------------------------------


def test_partitions_that_add_up_to_the_parent_are_all_covered() -> None:
    verdicts = by_sum(add(A, B, C), made(A, B, C), FLAT)
    assert covered(verdicts) == {0, 1, 2}
    assert "3 partitions add up" in reasons(verdicts or [])[0]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_sum_that_differs_in_any_of_its_numbers_proves_nothing(place: int) -> None:
    parent = list(add(A, B))
    parent[place] += 1
    assert by_sum((parent[0], parent[1], parent[2]), made(A, B), FLAT) is None


def test_empty_partitions_are_covered_with_the_others() -> None:
    assert covered(by_sum(A, made(A, NOTHING, NOTHING), FLAT)) == {0, 1, 2}
    assert covered(by_sum(NOTHING, made(NOTHING), FLAT)) == {0}


def test_no_usable_member_covers_nothing_even_if_the_parent_is_empty() -> None:
    assert by_sum(NOTHING, [], FLAT) is None
    assert by_sum(NOTHING, made(NOTHING, difference={0: "other columns"}), FLAT) is None


def test_a_member_with_other_columns_or_bad_values_is_out_and_says_why() -> None:
    members = made(A, B, C, difference={1: "lacks columns of the parent: id"}, bad={2: 4})
    verdicts = by_sum(A, members, FLAT)
    assert covered(verdicts) == {0}
    told = reasons(verdicts or [])
    assert told[1] == "lacks columns of the parent: id"
    assert told[2].startswith("4 rows hold a value")


def test_a_member_that_is_out_does_not_count_towards_the_sum() -> None:
    assert by_sum(add(A, B), made(A, B, bad={1: 1}), FLAT) is None


def test_sub_partitions_count_once_on_whatever_levels_they_were_exported() -> None:
    """t0 is made of t1 and t2, t2 of t3 and t4; all five were exported."""
    whole, inner = add(A, B, C), add(B, C)
    tree = {0: None, 1: 0, 2: 0, 3: 2, 4: 2}
    assert covered(by_sum(whole, made(whole, A, inner, B, C), tree)) == {0, 1, 2, 3, 4}
    # only leaves
    assert covered(by_sum(whole, made(A, B, C), {0: None, 1: None, 2: None})) == {0, 1, 2}
    # an inner node that does not hold its children's rows (INHERITS): all count
    assert covered(by_sum(add(A, B, C), made(A, B, C), {0: None, 1: 0, 2: 0})) == {0, 1, 2}


# --- by containment -------------------------------------------------------------------------------


def test_a_detached_partition_stays_and_the_others_are_covered() -> None:
    members = made(A, B, C)
    verdicts = by_containment(add(A, B), members, FLAT, {2: 1})
    assert covered(verdicts) == {0, 1}
    told = reasons(verdicts)
    assert told[2] == "1 different rows of it are not in the parent, or there less often"
    assert "tested row by row" in told[0]


def test_nothing_is_covered_where_the_parent_would_be_short() -> None:
    verdicts = by_containment(add(A, B, C), made(A, B, C), FLAT, {2: 1})
    assert covered(verdicts) == set()
    told = reasons(verdicts)
    assert f"hold {add(A, B)[0]} of the parent's {add(A, B, C)[0]} rows" in told[0]
    assert "not in the parent" in told[2]


def test_a_copy_of_a_partition_is_a_conflict_and_the_first_by_name_is_covered() -> None:
    members = [
        Candidate(number=0, table="orders_2024_copy", sums=A),
        Candidate(number=1, table="orders_2024", sums=A),
        Candidate(number=2, table="orders_2025", sums=B),
    ]
    assert by_sum(add(A, B), members, FLAT) is None
    verdicts = by_containment(add(A, B), members, FLAT, {})
    assert covered(verdicts) == {1, 2}
    assert "make up the parent without it" in reasons(verdicts)[0]


def test_many_copies_of_a_partition_leave_one_that_is_covered() -> None:
    verdicts = by_containment(add(A, B), made(A, A, B, A, A, A), FLAT, {})
    assert covered(verdicts) == {0, 2}
    assert "of another partition, too" in reasons(verdicts)[5]


def test_two_partitions_with_equal_rows_that_the_parent_holds_twice_are_both_covered() -> None:
    assert covered(by_sum(add(A, A), made(A, A), FLAT)) == {0, 1}
    assert covered(by_containment(add(A, A), made(A, A, C), FLAT, {2: 1})) == {0, 1}


def test_two_empty_partitions_are_no_copies_of_each_other() -> None:
    assert covered(by_containment(A, made(A, NOTHING, NOTHING, C), FLAT, {3: 1})) == {0, 1, 2}


def test_a_copy_of_some_rows_of_the_parent_stays_a_table_of_its_own() -> None:
    """Every row of t2 is in the parent, but t0 and t1 are all of it."""
    verdicts = by_containment(add(A, B), made(A, B, C), FLAT, {})
    assert covered(verdicts) == {0, 1}
    assert "without it" in reasons(verdicts)[2]


def test_contained_tables_that_make_up_the_parent_in_no_way_cover_nothing() -> None:
    assert covered(by_containment((4, 1, 1), made(A, B, C), FLAT, {})) == set()


def test_a_member_with_another_column_stays_whatever_its_rows() -> None:
    members = made(A, B, difference={1: "has columns that the parent lacks: note"})
    assert covered(by_containment(A, members, FLAT, {})) == {0}
    assert covered(by_containment(add(A, B), members, FLAT, {})) == set()


def test_sub_partitions_count_once_when_tested_row_by_row() -> None:
    """t0 is made of t1 and t2; t3 was detached."""
    members = made(add(A, B), A, B, C)
    tree = {0: None, 1: 0, 2: 0, 3: None}
    assert covered(by_containment(add(A, B), members, tree, {3: 2})) == {0, 1, 2}


_SUMS = st.tuples(st.integers(0, 5), st.integers(0, 50), st.integers(0, 50))


@given(
    parts=st.lists(_SUMS, max_size=6),
    lost=st.sets(st.integers(0, 5)),
    parent=st.none() | _SUMS,
)
def test_what_is_covered_always_makes_up_the_parent(
    parts: list[Sums], lost: set[int], parent: Sums | None
) -> None:
    whole = parent or add(*[one for number, one in enumerate(parts) if number not in lost])
    members = made(*parts)
    missing = dict.fromkeys(lost, 1)
    verdicts = by_sum(whole, members, FLAT)
    if verdicts is None:
        verdicts = by_containment(whole, members, FLAT, missing)
        assert not covered(verdicts) & lost
    assert sorted(verdict.number for verdict in verdicts) == list(range(len(parts)))
    assert all(verdict.reason for verdict in verdicts)
    if found := covered(verdicts):
        assert add(*[parts[number] for number in found]) == whole


# --- the same snapshot twice ----------------------------------------------------------------------


def test_a_second_delivery_is_covered_only_if_it_is_equal_as_a_whole() -> None:
    (same, shorter, other, odd, bad) = made(
        A, C, (A[0], 9, 99), A, A, difference={3: "lacks columns of the parent: id"}, bad={4: 1}
    )
    assert same_snapshot(A, same).covered
    found = [same_snapshot(A, item) for item in (shorter, other, odd, bad)]
    assert [verdict.covered for verdict in found] == [False] * 4
    assert found[0].reason == "1 rows here, 2 rows in the other export of the snapshot"
    assert found[1].reason.endswith(", but with other contents")
    assert found[2].reason == "lacks columns of the parent: id"
    assert "cannot hold" in found[3].reason


# --- the queries ----------------------------------------------------------------------------------


def test_containment_counts_rows_as_often_as_they_are_there() -> None:
    with connect() as connection:
        connection.execute(query("decide/member_rows"))
        parent = pa.table({"h1": [1, 1, 2, 3], "h2": [1, 1, 2, 3]})
        members = {
            0: [(1, 1), (1, 1), (2, 2)],  # contained, with its double
            1: [(1, 1), (1, 1), (1, 1)],  # once too often
            2: [(2, 3), (4, 4), (3, 3)],  # both halves of a hash count
        }
        connection.register("given_rows", parent)
        connection.execute("CREATE TEMP TABLE parent_rows AS SELECT * FROM given_rows")
        values = [(no, *row, None) for no, found in members.items() for row in found]
        connection.executemany("INSERT INTO member_rows VALUES (?, ?, ?, ?)", values)
        found = {row["member"]: row["missing"] for row in rows(connection, "decide/contained")}
        assert found == {0: 0, 1: 1, 2: 2}
        sums = decide.sums(connection)
        assert sums[0] == ((3, 4, 4), 0)


def test_many_thousands_of_partitions_are_decided_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count = 20_000
    parts = [(number % 5, number * 7, number * 11) for number in range(count)]
    members = made(*parts)
    tree = dict.fromkeys(range(count))
    begin = time.perf_counter()
    assert len(covered(by_sum(add(*parts), members, tree))) == count
    detached = by_containment(add(*parts[1:]), members, tree, {0: 1})
    took = time.perf_counter() - begin
    assert len(covered(detached)) == count - 1
    with capsys.disabled():
        print(f" [{count} partitions decided twice in {took:.2f} s]", end="")
