"""Name the tables that may repeat rows of another one: partitions, and snapshots delivered twice.

In:  exports as detected. Out: links child -> parent, and conflicts. Pure; nothing is decided here:
names, columns and row sums only nominate, `decide.py` compares the contents during a run.

How a partition is recognised: its name is its parent's and a suffix, where the suffix either looks
like those that people and pg_partman give (`strong`: `_1`, `_default`, `_p2026_09`, `_2026_q3`), or
is anything at all, but then the columns must be the same, whatever their order. Strong names are
believed across schemas. The longest name wins, so that partitions of partitions form a tree.

Sources (read on 2026-11-21):
  https://github.com/pgpartman/pg_partman/blob/master/doc/pg_partman.md (names of partitions)
  https://www.postgresql.org/docs/current/ddl-partitioning.html (INHERITS, columns in other orders)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .model import Export, SourceColumn, Table, snapshot_text

_STRONG = re.compile(
    r"""(?xi)
    (?=_|[0-9]{4})                                        # orders_1, orders2026, but not sha256
    _{0,2} (?:p|part|partition|hash|bucket|shard|[hymwdq])? _? [0-9]+
        (?: [_-]+ (?:to[_-]+)? [ymdwqhp]? [0-9]+ | [ymdwqht] [0-9]+ )*
    | _{1,2} (?:p|part|partition)? _?
        (?:default|others?|rest|null|min|max|minvalue|maxvalue|future|overflow|catchall)
    """
)
_BOUNDARY = re.compile(r"(?<=[^_])_|(?<=[^0-9_])(?=[0-9]{4})")

Relation = Literal["partition", "same_snapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """`child` may repeat rows of `parent`, which is directly above it."""

    child: int
    parent: int
    relation: Relation
    is_strong: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A table named like a partition of another one, but with other columns."""

    child: int
    parent: int
    difference: str


@dataclass(frozen=True, slots=True)
class Nominations:
    """A forest over table numbers."""

    links: dict[int, Link] = field(default_factory=dict)
    """By child; each has one parent."""
    conflicts: tuple[Conflict, ...] = ()
    below: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Parent -> those directly below it, by number."""

    def members(self, parent: int) -> Iterator[int]:
        """Yield all that may be covered by a table: its partitions on every level, what repeats it
        or them, and the partitions of that. Each follows the one above it."""
        waiting = list(reversed(self.below.get(parent, ())))
        while waiting:
            number = waiting.pop()
            yield number
            waiting += reversed(self.below.get(number, ()))

    def partitions(self, parent: int) -> Iterator[int]:
        """Yield the suspected partitions of a table, on every level.

        What lies below a merely possible partition is told as that one's partitions.
        """
        waiting = list(reversed(self.below.get(parent, ())))
        while waiting:
            number = waiting.pop()
            if self.links[number].relation == "partition":
                yield number
                if self.links[number].is_strong:
                    waiting += reversed(self.below.get(number, ()))


def nominate(exports: Sequence[Export], without_partitions: frozenset[int]) -> Nominations:
    """Return the suspected relations between all tables that can be taken.

    `without_partitions` holds the places, in `exports`, of those whose kind of database gives
    partitions no folders of their own.
    """
    links: dict[int, Link] = {}
    conflicts: list[Conflict] = []
    for place, export in enumerate(exports):
        if place not in without_partitions:
            names = _Names(export)
            for table in names.tables:
                found = names.parent_of(table)
                if isinstance(found, Link):
                    links[table.table_no] = found
                elif found is not None:
                    conflicts.append(found)
    for link in _same_snapshots(exports):
        links.setdefault(link.child, link)
    below: dict[int, list[int]] = {}
    for child in sorted(links):
        below.setdefault(links[child].parent, []).append(child)
    return Nominations(links, tuple(conflicts), {no: tuple(found) for no, found in below.items()})


class _Names:
    """The tables of one database of one export, by name."""

    def __init__(self, export: Export) -> None:
        self.tables = [table for table in export.tables if table.can_be_taken]
        self._by_name: dict[tuple[str, str], Table] = {}
        self._by_base: dict[str, list[tuple[str, Table]]] = {}
        self._signatures: dict[int, frozenset[tuple[str, str]]] = {}
        for table in self.tables:
            schema, base = _split(table.table)
            self._by_name[schema, base] = table
            if table.files:
                self._by_base.setdefault(base, []).append((schema, table))

    def parent_of(self, child: Table) -> Link | Conflict | None:
        """Return the table that may hold this one's rows; the longest name wins."""
        schema, base = _split(child.table)
        conflict: Conflict | None = None
        for boundary in reversed([match.start() for match in _BOUNDARY.finditer(base)]):
            prefix, suffix = base[:boundary], base[boundary:]
            is_strong = _STRONG.fullmatch(suffix) is not None
            own = self._by_name.get((schema, prefix))
            if own is not None and own.files:
                fits = self._fits(child, own, is_strong)
                if fits:
                    return _link(child, own, is_strong)
                if is_strong and conflict is None and fits is False:
                    conflict = Conflict(
                        child=child.table_no,
                        parent=own.table_no,
                        difference=difference(child.columns, own.columns),
                    )
            if is_strong and (other := self._elsewhere(child, schema, prefix)):
                return _link(child, other, is_strong)
        return conflict

    def _fits(self, child: Table, parent: Table, is_strong: bool) -> bool:
        if child.columns and parent.columns:
            return self._signature(child) == self._signature(parent)
        return is_strong  # no columns known: the contents decide

    def _elsewhere(self, child: Table, schema: str, base: str) -> Table | None:
        """Return a parent in another schema; of several, the largest."""
        found = [
            table
            for other, table in self._by_base.get(base, ())
            if other != schema and self._fits(child, table, is_strong=False)
        ]
        return min(found, key=lambda table: (-table.bytes, table.table), default=None)

    def _signature(self, table: Table) -> frozenset[tuple[str, str]]:
        """Return names and types, for any order. Tables often share one tuple of columns."""
        found = self._signatures.get(id(table.columns))
        if found is None:
            found = frozenset((column.name, column.source_type) for column in table.columns)
            self._signatures[id(table.columns)] = found
        return found


def _split(table: str) -> tuple[str, str]:
    """Return (schema, name). Names with dots split at the first: good enough to compare with."""
    schema, dot, base = table.partition(".")
    return (schema, base) if dot else ("", table)


def _link(child: Table, parent: Table, is_strong: bool) -> Link:
    return Link(
        child=child.table_no, parent=parent.table_no, relation="partition", is_strong=is_strong
    )


def _same_snapshots(exports: Sequence[Export]) -> Iterator[Link]:
    """Yield a link for each table that an earlier export (by id) has delivered for that moment."""
    first: dict[tuple[str, str, str], int] = {}
    for export in sorted(exports, key=lambda one: (one.export_id, one.source, one.root)):
        if export.snapshot is None:
            continue
        when = snapshot_text(export.snapshot)
        for table in export.tables:
            if not table.can_be_taken:
                continue
            reference = first.setdefault((export.database, table.table, when), table.table_no)
            if reference != table.table_no:
                yield Link(child=table.table_no, parent=reference, relation="same_snapshot")


def difference(child: Sequence[SourceColumn], parent: Sequence[SourceColumn]) -> str:
    """Say how declared columns differ, by name, whatever their order."""
    own = {column.name: column.source_type for column in child}
    other = {column.name: column.source_type for column in parent}
    said = []
    if more := [name for name in own if name not in other]:
        said.append(f"has columns that the parent lacks: {', '.join(more[:5])}")
    if less := [name for name in other if name not in own]:
        said.append(f"lacks columns of the parent: {', '.join(less[:5])}")
    for name in own:
        if name in other and own[name] != other[name]:
            said.append(f"column {name} is {own[name]!r}, in the parent {other[name]!r}")
            break
    return "; ".join(said)
