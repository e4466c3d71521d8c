"""What readers that go by keys alone have in common: tables put together, and when they are taken.

Pure. A query finds one `Group` per table and format. Nothing says that such a table is complete;
that nothing was added for a while has to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from .interface import Group, Place, ReadOptions, TableFacts

Tables = dict[tuple[str, str], list[Group]]
"""(database, table) -> its groups, one per format and folder."""


def by_unit(groups: Sequence[Group]) -> dict[tuple[str, str], Tables]:
    """Return the tables of each (root, unit), everything in order."""
    found: dict[tuple[str, str], Tables] = {}
    for group in sorted(groups, key=lambda one: (one.root, one.unit, one.database, one.table)):
        tables = found.setdefault((group.root, group.unit), {})
        tables.setdefault((group.database, group.table), []).append(group)
    return found


def newest(tables: Mapping[tuple[str, str], Sequence[Group]]) -> datetime:
    """Return when the last object of some tables was written."""
    return max(group.last_at for groups in tables.values() for group in groups)


def waits_for(last_at: datetime, options: ReadOptions) -> str:
    """Say why an export whose newest object is from `last_at` is not taken yet; empty if it is."""
    if options.now - last_at >= options.settle:
        return ""
    return (
        f"its newest object was written at {last_at:%Y-%m-%dT%H:%M:%SZ}, and more may come; it is "
        f"taken once nothing was added for {words(options.settle)} (source.settle)"
    )


def described(
    groups: Sequence[Group], *, declared_rows: int | None = None, control: tuple[str, ...] = ()
) -> TableFacts:
    """Return the facts of one table; it cannot be taken if its objects differ in format."""
    first = groups[0]
    formats = sorted({group.format for group in groups})
    reason = ""
    if len(formats) > 1:
        reason = (
            f"{first.table} has objects of several formats ({', '.join(formats)}), and nothing "
            "says which ones count: keep each format in a folder of its own"
        )
    return TableFacts(
        target=first.table,
        places=(
            Place(
                folder=min(group.folder for group in groups).removeprefix(first.root),
                database=first.database,
                table=first.table,
            ),
        ),
        status="incomplete" if reason else "complete",
        reason=reason,
        declared_rows=declared_rows,
        control=control,
        format=formats[0],
    )


def words(duration: timedelta) -> str:
    """Return `15 minutes`, `90 seconds`, `1 hour`: the largest unit that leaves no rest."""
    seconds = int(duration.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % length == 0 and (seconds or length == 1):
            count = seconds // length
            return f"{count} {unit}" + ("" if count == 1 else "s")
    raise AssertionError("every number of seconds is a multiple of one")
