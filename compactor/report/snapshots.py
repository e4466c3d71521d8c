"""What is stored by snapshot, and its charts: locked until when, rows, bytes.

Pure. Many snapshots are summed up by month, then by year, so that a chart stays readable; its
words always say how many snapshots it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ..stored import Snapshot, summed
from .charts import Chart, bars, scale, spans
from .words import count, moment, plural, size

_MOST = 30
"""Bars of one chart."""


def readable(found: Sequence[Snapshot], most: int = _MOST) -> tuple[Snapshot, ...]:
    """Return the snapshots, or their sums by day, month or year where there are too many."""
    if len(found) <= most:
        return tuple(found)
    for width in (10, 7, 4):
        grouped: dict[str, list[Snapshot]] = {}
        for one in found:
            grouped.setdefault(one.at.isoformat()[:width], []).append(one)
        if len(grouped) <= most or width == 4:
            return tuple(summed(label, items) for label, items in grouped.items())
    raise AssertionError("unreachable")


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
