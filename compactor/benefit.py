"""What a query for one day reads before and after, estimated from what a manifest says.

In:  `TableResult`s. Out: `Benefit`s. Pure: no store, no clock; nothing is read or measured here
(`measured_benefit` does that).

The estimate is of `SELECT *`: every byte of every file that the query cannot leave out. Fewer
columns read less, before and after. Athena bills only the columns that are read.

Before: an export has no folders by day, so every file is opened and, as estimated here, read. Where
rows happen to lie in the order of their dates, and the query compares the dates as the text that
they are, a reader may skip row groups by their smallest and largest text; a query that makes dates
of the text skips none. No manifest says how rows lie, so nothing is taken off. After: the one
partition that holds the day. Where that is a month or a year, its files are sorted by date, and
files beyond those that the day can lie in are skipped; row groups inside a file are not taken off.

Requests are the fewest that a reader makes: one a file up to SMALL_FILE_BYTES, which it takes
whole, else two (footer, columns). Listings, and what the catalog is asked, are not counted: they
are fewer by thousands. Prices are those of `prices`, with Athena's smallest billed scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from . import prices
from .model import HIVE_NULL, Grain, Model, PartitionResult, StoredObject, TableResult

SMALL_FILE_BYTES = 3 << 20
"""A reader takes a Parquet file up to this size whole, in one request. Default of Trino, on which
Athena's engine version 3 is built; Athena itself does not say.
Source: https://trino.io/docs/current/release/release-428.html, read 2026-11."""
_DAYS: dict[Grain, int] = {"day": 1, "month": 30, "year": 365, "none": 1}


class Read(Model):
    """What one query reads."""

    basis: Literal["estimated", "measured"]
    files: int
    """Files opened."""
    bytes: int
    requests: int
    """GET requests; where estimated, the fewest."""
    usd: float
    """Price of one such query with Athena, its GET requests to S3 included."""
    seconds: float | None = None
    """Of the clock; None where estimated."""


class Benefit(Model):
    """One table: what a query for one day, and one for everything, reads before and after."""

    task_id: str
    database: str
    table: str
    day: str | None
    """Value of `dt` of the partition that is taken as an example: see `median`."""
    grain: Grain
    """What that partition holds: a day, or the month or year around it."""
    reason: str = ""
    """Why only the full read is compared; empty where there is a day."""
    day_before: Read | None = None
    day_after: Read | None = None
    full_before: Read
    full_after: Read


class DayTotals(Model):
    """One query for one day of each table that has days."""

    tables: int
    before: Read
    after: Read


def benefit(result: TableResult) -> Benefit | None:
    """Return the benefit of one table; None where it failed, has no files or is kept elsewhere."""
    if result.status not in ("done", "adopted") or not result.output_files:
        return None
    if any(check.status == "fail" for check in result.checks):
        return None
    parts = dated(result.partitions)
    middle = median(parts)
    before = estimated(result.source_files, result.source_bytes)
    return Benefit(
        task_id=result.task_id,
        database=result.database,
        table=result.table,
        day=middle.value if middle else None,
        grain=result.grain,
        reason="" if middle else _reason(result),
        day_before=before if middle else None,
        day_after=_day(middle.objects, result.grain) if middle else None,
        full_before=before,
        full_after=estimated(result.output_files, result.output_bytes),
    )


def benefits(results: Iterable[TableResult]) -> tuple[Benefit, ...]:
    """Return the benefits of the tables that have one, in their order."""
    return tuple(found for result in results if (found := benefit(result)) is not None)


def day_totals(found: Iterable[Benefit]) -> DayTotals | None:
    """Return the sums over tables with days; None where there are none."""
    befores, afters = [], []
    for one in found:
        if one.day_before is not None and one.day_after is not None:
            befores.append(one.day_before)
            afters.append(one.day_after)
    if not befores:
        return None
    return DayTotals(tables=len(befores), before=_sum(befores), after=_sum(afters))


def dated(parts: Iterable[PartitionResult]) -> list[PartitionResult]:
    """Return the partitions with a date, rows and files."""
    return [
        part for part in parts if part.value not in ("", HIVE_NULL) and part.rows and part.objects
    ]


def median(parts: Sequence[PartitionResult]) -> PartitionResult | None:
    """Return a typical partition: half of all rows lie in partitions that are no larger.

    Not the one in the middle of a list by size: where a table has some stray days of a row or two,
    that would be one of these.
    """
    ordered = sorted(parts, key=lambda part: (part.rows, part.value))
    whole, seen = sum(part.rows for part in parts), 0
    for part in ordered:
        seen += part.rows
        if 2 * seen >= whole:
            return part
    return None


def price_usd(size_bytes: int, requests: int) -> float:
    """Return what one query costs with Athena: its scan, and its GET requests to S3."""
    return prices.athena_scan_usd(size_bytes) + prices.requests_usd(reads=requests)


def estimated(files: int, size_bytes: int) -> Read:
    """Return the read of whole files, of which only number and size are known."""
    each = 1 if size_bytes <= files * SMALL_FILE_BYTES else 2
    return Read(
        basis="estimated",
        files=files,
        bytes=size_bytes,
        requests=files * each,
        usd=price_usd(size_bytes, files * each),
    )


def _day(objects: Sequence[StoredObject], grain: Grain) -> Read:
    """Return the read of one day of a partition whose files are sorted by date.

    All files are opened. The day's rows lie in as many of them as its share, and one more where it
    begins in the middle of one; the largest are taken.
    """
    share = -(-len(objects) // _DAYS[grain])
    touched = len(objects) if grain == "day" else min(len(objects), share + 1)
    sizes = sorted((item.size_bytes for item in objects), reverse=True)
    return estimated(len(objects), sum(sizes[:touched]))


def _reason(result: TableResult) -> str:
    if result.partition_column is None:
        return "it has no date column"
    if not any(part.value for part in result.partitions):
        return "it is not divided by date: it is too small, or the configuration says so"
    return "no row has a usable date"


def _sum(reads: Sequence[Read]) -> Read:
    return Read(
        basis="estimated",
        files=sum(read.files for read in reads),
        bytes=sum(read.bytes for read in reads),
        requests=sum(read.requests for read in reads),
        usd=sum(read.usd for read in reads),
    )
