"""What a query for one day reads before and after, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..benefit import Read, benefit, benefits, day_totals
from ..model import RunResult, TableResult
from . import words
from .words import count, dollars, name, plural, size

if TYPE_CHECKING:
    from ..measured_benefit import MeasuredBenefit

QUERIES = 1_000
"""Prices are shown of so many queries: one costs too little to read."""
ASSUMPTION = "estimated from file sizes: all columns, nothing inside a file skipped"
_DAY = {
    "day": "The day is",
    "month": "The day is one of the month",
    "year": "The day is one of the year",
    "none": "The day is in",
}
_WIDTH = {"day": 10, "month": 7, "year": 4, "none": None}
"""Characters of `dt` that say which day, month or year it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One query over one side, as a row of the report."""

    query: str
    side: str
    files: str
    bytes: str
    requests: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the report says of one table."""

    lines: tuple[Line, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All tables with days together."""

    sizes: str
    tables: str
    rest: tuple[str, ...]


def shown(table: TableResult) -> Shown | None:
    """Return what the report says of a table; None where it has no files."""
    found = benefit(table)
    if found is None:
        return None
    lines = []
    if found.day_before is not None and found.day_after is not None:
        lines.append(_line("One day", "export", found.day_before))
        lines.append(_line("One day", "lake", found.day_after))
    lines.append(_line("Everything", "export", found.full_before))
    lines.append(_line("Everything", "lake", found.full_after))
    if found.day is None:
        note = f"Only the full read is compared: {found.reason}."
    else:
        value = words.name(found.day[: _WIDTH[found.grain]], 40)
        note = f"{_DAY[found.grain]} {value}, of typical size."
    return Shown(lines=tuple(lines), note=f"{note} {ASSUMPTION[0].upper()}{ASSUMPTION[1:]}.")


def summary(result: RunResult) -> Summary | None:
    """Return the sums of a run; None where no table has days."""
    sums = day_totals(benefits(result.tables))
    if sums is None:
        return None
    before, after = sums.before, sums.after
    files = f"{count(before.files)} to {plural(after.files, 'file')}"
    requests = f"{count(before.requests)} to {plural(after.requests, 'request')}"
    costs = f"{dollars(QUERIES * before.usd)} to {dollars(QUERIES * after.usd)}"
    return Summary(
        sizes=f"{size(before.bytes)} to {size(after.bytes)}, {files}",
        tables=f"{plural(sums.tables, 'table')} with days",
        rest=(f"at least {requests}; {QUERIES:,} times with Athena {costs}", ASSUMPTION),
    )


def pairs(result: RunResult) -> list[tuple[str, str]]:
    """Return the labelled lines of a run's summary."""
    found = summary(result)
    if found is None:
        return []
    first = ("one day", f"{found.sizes}, for {found.tables}")
    return [first, *(("", line) for line in found.rest)]


def measured_text(found: MeasuredBenefit) -> str:
    """Return what was measured, in one paragraph."""
    before, after = found.as_text, found.after
    lines = [
        f"one day ({found.day}, {plural(found.rows, 'row')}) of {name(found.database)} "
        f"{name(found.table)}, measured with DuckDB:",
        f"  before  {_read(before)}",
        f"  after   {_read(after)}: {_better(before, after)}",
    ]
    if found.as_dates is not None:
        worse = f"{_read(found.as_dates)}: {_better(found.as_dates, after)}"
        lines += ["  before, where a date is made of each text, so that nothing is skipped:"]
        lines += [f"          {worse}"]
    return "\n".join(lines)


def _read(read: Read) -> str:
    took = "" if read.seconds is None else f", {read.seconds:.2f} s"
    files, requests = plural(read.files, "file"), plural(read.requests, "request")
    return f"{files}, {size(read.bytes)}, {requests}{took}"


def _better(before: Read, after: Read) -> str:
    fewer = f"{_ratio(before.bytes, after.bytes)}x fewer bytes"
    if before.seconds is None or after.seconds is None:
        return fewer
    return f"{fewer}, {_ratio(before.seconds, after.seconds)}x faster"


def _ratio(before: float, after: float) -> str:
    ratio = before / after if after else 0.0
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _line(query: str, side: str, read: Read) -> Line:
    return Line(
        query=query,
        side=side,
        files=count(read.files),
        bytes=size(read.bytes),
        requests=count(read.requests),
        price=dollars(QUERIES * read.usd),
    )
