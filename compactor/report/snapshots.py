"""What is stored by snapshot, and its charts: locked until when, rows, bytes.

Pure. Many snapshots are summed up by month, then by year, so that a chart stays readable; its
words always say how many snapshots it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from ..model import StoredObject, TableResult
from .charts import Chart, bars, scale, spans
from .words import count, moment, plural, size

_MOST = 30
"""Bars of one chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything stored of one snapshot, or of all snapshots of a month or year."""

    label: str
    at: datetime
    """The first moment, where it stands for several."""
    snapshots: int
    tables: int
    rows: int
    source_bytes: int
    stored_bytes: int
    objects: int
    """Versions in the archive."""
    locked: int
    earliest: datetime | None
    """When the first lock ends."""
    latest: datetime | None


def by_snapshot(tables: Iterable[TableResult]) -> tuple[Snapshot, ...]:
    """Return what good tables stored, by the moment that each describes, the oldest first."""
    grouped: dict[datetime, list[TableResult]] = {}
    for table in tables:
        if table.status in ("done", "adopted"):
            grouped.setdefault(table.snapshot.astimezone(UTC), []).append(table)
    return tuple(_snapshot(at, grouped[at]) for at in sorted(grouped))


def _snapshot(at: datetime, tables: Sequence[TableResult]) -> Snapshot:
    # a snapshot may name objects of an earlier one, and two tables the same object
    kept: dict[tuple[str, str | None], StoredObject] = {
        (item.key, item.version_id): item
        for table in tables
        for partition in table.partitions
        for item in partition.archived
    }
    kept |= {(item.key, item.version_id): item for table in tables for item in table.control}
    until = sorted(item.retain_until for item in kept.values() if item.retain_until)
    return Snapshot(
        label=at.strftime("%Y-%m-%d %H:%M"),
        at=at,
        snapshots=1,
        tables=len(tables),
        rows=sum(table.output_rows for table in tables),
        source_bytes=sum(table.source_bytes for table in tables),
        stored_bytes=sum(table.output_bytes for table in tables),
        objects=len(kept),
        locked=sum(bool(item.retain_until or item.legal_hold) for item in kept.values()),
        earliest=until[0] if until else None,
        latest=until[-1] if until else None,
    )


def readable(found: Sequence[Snapshot], most: int = _MOST) -> tuple[Snapshot, ...]:
    """Return the snapshots, or their sums by day, month or year where there are too many."""
    if len(found) <= most:
        return tuple(found)
    for width in (10, 7, 4):
        grouped: dict[str, list[Snapshot]] = {}
        for one in found:
            grouped.setdefault(one.at.isoformat()[:width], []).append(one)
        if len(grouped) <= most or width == 4:
            return tuple(_sum(label, items) for label, items in grouped.items())
    raise AssertionError("unreachable")


def _sum(label: str, found: Sequence[Snapshot]) -> Snapshot:
    return Snapshot(
        label=label,
        at=found[0].at,
        snapshots=sum(one.snapshots for one in found),
        tables=sum(one.tables for one in found),
        rows=sum(one.rows for one in found),
        source_bytes=sum(one.source_bytes for one in found),
        stored_bytes=sum(one.stored_bytes for one in found),
        objects=sum(one.objects for one in found),
        locked=sum(one.locked for one in found),
        earliest=min((one.earliest for one in found if one.earliest), default=None),
        latest=max((one.latest for one in found if one.latest), default=None),
    )


def snapshot_charts(found: Sequence[Snapshot]) -> list[Chart]:
    """Return the timeline of the locks, rows, and bytes; each also in words."""
    if not found:
        return []
    shown = readable(found)
    return [_timeline(found, shown), _rows(shown), _bytes(shown)]


def _unit(shown: Sequence[Snapshot]) -> str:
    """Return what one bar stands for."""
    if all(len(one.label) > 10 for one in shown):
        return "snapshot"
    return {10: "day", 7: "month"}.get(len(shown[0].label), "year of snapshots")


def _labels(shown: Sequence[Snapshot]) -> list[str]:
    """Return names of the bars: the day alone where that tells them apart."""
    days = [one.label[:10] for one in shown]
    return days if len(set(days)) == len(days) else [one.label for one in shown]


def _timeline(found: Sequence[Snapshot], shown: Sequence[Snapshot]) -> Chart:
    """Return one bar per snapshot, from its moment to the end of its locks."""
    ends = [one for one in shown if one.earliest and one.latest]
    objects, locked = sum(one.objects for one in found), sum(one.locked for one in found)
    words = f"{plural(len(found), 'snapshot')}, {locked:,} of {plural(objects, 'version')} locked"
    if ends:
        first = min(one.earliest for one in ends if one.earliest)
        last = max(one.latest for one in ends if one.latest)
        words += f"; the first lock ends {moment(first)}, the last {moment(last)}"
    series: tuple[str, ...] = ()
    svg = Markup("")
    if ends:
        rows = [(one.at, one.earliest, one.latest) for one in shown]
        marks = ["" if one.locked == one.objects and one.objects else " !" for one in shown]
        labels = [f"{label}{mark}" for label, mark in zip(_labels(shown), marks, strict=True)]
        svg = spans(labels, rows)
        if any(one.earliest != one.latest for one in ends):
            series = ("until the last lock ends", "until the first lock ends")
        if any(marks):
            words += ". Marked with !: not every version of it is locked"
    per = _unit(shown)
    return Chart(title=f"Locked until, per {per}", svg=svg, words=f"{words}.", series=series)


def _rows(shown: Sequence[Snapshot]) -> Chart:
    most = max(shown, key=lambda one: one.rows)
    words = f"{count(sum(one.rows for one in shown))} rows; most in {most.label}: {most.rows:,}."
    svg = Markup("")
    if len(shown) > 1 and most.rows:
        top, step = scale(most.rows)
        svg = bars(_labels(shown), [[one.rows for one in shown]], top=top, step=step)
    return Chart(title=f"Rows per {_unit(shown)}", svg=svg, words=words)


def _bytes(shown: Sequence[Snapshot]) -> Chart:
    before = sum(one.source_bytes for one in shown)
    after = sum(one.stored_bytes for one in shown)
    series = (f"source: {size(before)}", f"stored: {size(after)}")
    most = max(max(one.source_bytes, one.stored_bytes) for one in shown)
    svg = Markup("")
    if len(shown) > 1 and most:
        power = min((most.bit_length() - 1) // 10, 5)
        unit = 1 << (10 * power)
        top, step = scale(most / unit)
        pairs = [
            [one.source_bytes / unit for one in shown],
            [one.stored_bytes / unit for one in shown],
        ]
        suffix = f" {('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB')[power]}"
        svg = bars(_labels(shown), pairs, top=top, step=step, suffix=suffix)
    return Chart(
        title=f"Bytes per {_unit(shown)}",
        svg=svg,
        words=f"{size(before)} in the source, {size(after)} stored.",
        series=series if svg else (),
    )
