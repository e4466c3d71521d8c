"""Decide, by content, which tables repeat the rows of another one.

In:  a loaded parent (rows and fingerprint), and suspected members: its partitions, exported in
     folders of their own, or the same snapshot delivered a second time.
Out: one `Verdict` per member. Pure but for the scratch database.

A fingerprint is a multiset hash that adds up, so `parent = member 1 + member 2 + ...` is proven
without sorting or joining, for any number of members in one query. Steps:

1. Members are read with the parent's types and columns, by name. A member with other columns, or
   with a value the parent's types cannot hold, is out.
2. Sub-partitions form a tree (by name); an inner node whose children add up to it stands for them,
   so that rows on several levels count once.
3. If the top members add up to the parent, all are covered.
4. Else each member is tested by itself for containment (multiset, on row hashes). Those contained
   that together make up the parent are covered; the others - copies of some rows among them - stay
   tables of their own, and the reason says what differs. If that leaves the parent short, nothing
   is covered.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .sql import rows

if TYPE_CHECKING:
    import duckdb

Sums = tuple[int, int, int]
"""(rows, sum of h1, sum of h2)"""

_MOST_TRIED = 200_000
"""Combinations of possible copies that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A member as step 1 found it."""

    number: int
    table: str
    sums: Sums
    bad_rows: int = 0
    difference: str = ""
    """What makes its columns differ from the parent's; empty if nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    number: int
    covered: bool
    reason: str
    rows: int = 0


def sums(connection: duckdb.DuckDBPyConnection) -> dict[int, tuple[Sums, int]]:
    """Return ((rows, sum1, sum2), bad rows) per member number, from the table `member_rows`."""
    return {
        row["member"]: ((row["rows"], int(row["sum1"]), int(row["sum2"])), row["bad"])
        for row in rows(connection, "decide/sums")
    }


def total(parts: Sequence[Sums]) -> Sums:
    return (
        sum(part[0] for part in parts),
        sum(part[1] for part in parts),
        sum(part[2] for part in parts),
    )


def by_sum(
    parent: Sums, candidates: Sequence[Candidate], tree: Mapping[int, int | None]
) -> list[Verdict] | None:
    """Return verdicts if the members add up to the parent (steps 2 and 3), else None.

    `tree` gives the member directly above each member, None at the top.
    """
    usable = [item for item in candidates if not item.difference and not item.bad_rows]
    top = _top(usable, tree)
    if not usable or total([item.sums for item in top]) != parent:
        return None
    count = len(top)
    proof = f"{count} partitions add up to it: {parent[0]} rows, same fingerprint"
    fits = {item.number for item in usable}
    return [
        Verdict(number=item.number, covered=True, reason=proof)
        if item.number in fits
        else Verdict(number=item.number, covered=False, reason=_why_out(item))
        for item in candidates
    ]


def _top(usable: Sequence[Candidate], tree: Mapping[int, int | None]) -> list[Candidate]:
    """Return the members that stand for all: a node is left out if its own parent is made of it."""
    known = {item.number: item for item in usable}
    children: dict[int, list[Candidate]] = {}
    for item in usable:
        above = tree.get(item.number)
        if above is not None and above in known:
            children.setdefault(above, []).append(item)
    inside: set[int] = set()
    for above, below in children.items():
        if total([item.sums for item in below]) == known[above].sums:
            inside |= {item.number for item in below}
    return [item for item in usable if item.number not in inside]


def by_containment(
    parent: Sums,
    candidates: Sequence[Candidate],
    tree: Mapping[int, int | None],
    missing: Mapping[int, int],
) -> list[Verdict]:
    """Return verdicts from containment (step 4). `missing`: distinct rows the parent lacks."""
    contained = [
        item
        for item in candidates
        if not item.difference and not item.bad_rows and not missing.get(item.number, 0)
    ]
    top = _top(contained, tree)
    twice: set[int] = set()
    copies = _copies(parent, top)
    if not copies and total([item.sums for item in top]) != parent:
        # many copies of one partition: the first by name stands for it, the others are conflicts
        seen: set[Sums] = set()
        for item in sorted(top, key=lambda one: one.table):
            if item.sums in seen and item.sums[0]:
                twice.add(item.number)
            seen.add(item.sums)
        top = [item for item in top if item.number not in twice]
        copies = _copies(parent, top)
    top = [item for item in top if item.number not in copies]
    complete = total([item.sums for item in top]) == parent
    inside = {item.number for item in contained} - twice - copies
    verdicts = []
    for item in candidates:
        if complete and item.number in inside:
            reason = f"{len(top)} partitions make up all {parent[0]} rows of it, tested row by row"
            verdicts.append(Verdict(number=item.number, covered=True, reason=reason))
            continue
        reason = _why_out(item, missing.get(item.number, 0))
        if item.number in twice:
            reason = "its rows are those of another partition, too"
        elif item.number in copies:
            reason = (
                f"its {item.sums[0]} rows are in the parent, but the other partitions make up the "
                "parent without it"
            )
        elif item.number in inside:
            held = total([one.sums for one in top])[0]
            reason = (
                f"its {item.sums[0]} rows are in the parent, but the partitions found hold "
                f"{held} of the parent's {parent[0]} rows, so nothing is taken as covered"
            )
        verdicts.append(Verdict(number=item.number, covered=False, reason=reason))
    return verdicts


def _copies(parent: Sums, top: Sequence[Candidate]) -> set[int]:
    """Return the few members (up to three) without which the others make up the parent, if any.

    Somebody's copies of some rows: all that is contained holds too much, by exactly their sums.
    """
    held = total([item.sums for item in top])
    surplus = (held[0] - parent[0], held[1] - parent[1], held[2] - parent[2])
    small = [item for item in top if 0 < item.sums[0] <= surplus[0]]
    small.sort(key=lambda item: item.table, reverse=True)
    for count in (1, 2, 3):
        if math.comb(len(small), count) > _MOST_TRIED:
            break
        for chosen in itertools.combinations(small, count):
            if total([item.sums for item in chosen]) == surplus:
                return {item.number for item in chosen}
    return set()


def same_snapshot(reference: Sums, item: Candidate) -> Verdict:
    """Decide about a table delivered a second time: covered only if equal as a whole."""
    if item.difference or item.bad_rows:
        return Verdict(number=item.number, covered=False, reason=_why_out(item))
    if item.sums == reference:
        reason = f"the same {reference[0]} rows, same fingerprint"
        return Verdict(number=item.number, covered=True, reason=reason)
    return Verdict(
        number=item.number,
        covered=False,
        reason=f"{item.sums[0]} rows here, {reference[0]} rows in the other export of the snapshot"
        + ("" if item.sums[0] != reference[0] else ", but with other contents"),
    )


def _why_out(item: Candidate, missing: int = 0) -> str:
    if item.difference:
        return item.difference
    if item.bad_rows:
        return f"{item.bad_rows} rows hold a value that the parent's column types cannot hold"
    return f"{missing} different rows of it are not in the parent, or there less often"
