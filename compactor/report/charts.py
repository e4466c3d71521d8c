"""Numbers in, static SVG out: file sizes before and after, rows per day, month or year.

Pygal computes scales and geometry; what it draws is then reduced to the few elements and attributes
listed below. So the SVG holds no script, no style, no link and no date, the page's own style sheet
gives it colours for light and dark, and one chart takes 2-5 KB instead of 25.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import floor, log10
from typing import Any, Literal

from markupsafe import Markup, escape

from ..model import HIVE_NULL, SIZE_EDGES
from .words import count, plural, short_count, size

Unit = Literal["day", "month", "year"]

_WIDTH, _HEIGHT = 480, 190
_MAX_BARS = 124
_TAGS = {"svg", "g", "rect", "path", "text"}
_ATTRIBUTES = ("x", "y", "width", "height", "d", "transform", "viewBox")
_NUMBER = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    title: str
    svg: Markup
    words: str
    """The same numbers as text: for screen readers, and where no chart is drawn."""
    series: tuple[str, ...] = ()


# --- file sizes -----------------------------------------------------------------------------------


def size_labels() -> tuple[str, ...]:
    """Return the names of the classes of a size histogram."""
    edges = [size(edge).replace(".0 ", " ") for edge in SIZE_EDGES]
    return (*(f"≤ {edge}" for edge in edges), f"> {edges[-1]}")


def histogram_words(counts: Sequence[int]) -> str:
    """Return `19,990 up to 16 KiB, 10 up to 128 KiB`."""
    named = [
        f"{number:,} {label.replace('≤', 'up to').replace('>', 'over')}"
        for number, label in zip(counts, size_labels(), strict=False)
        if number
    ]
    return ", ".join(named) or "none"


def sizes(before: Sequence[int], after: Sequence[int], *, draw: bool = True) -> Chart:
    """Return the chart of file sizes: the share of files in each class, before and after.

    Shares, because 20,000 files beside 90 would leave the 90 invisible.
    """
    words = f"Before: {histogram_words(before)}. After: {histogram_words(after)}."
    series = (f"before: {plural(sum(before), 'file')}", f"after: {plural(sum(after), 'file')}")
    drawn = draw and (any(before) or any(after))
    svg = _sizes_svg(_shares(before), _shares(after)) if drawn else Markup("")
    return Chart(title="Files by size, share of all", svg=svg, words=words, series=series)


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    classes = len(SIZE_EDGES) + 1
    whole = [*counts, *([0] * classes)][:classes]
    return tuple(round(100 * number / (sum(whole) or 1), 1) for number in whole)


@lru_cache(maxsize=512)
def _sizes_svg(before: tuple[float, ...], after: tuple[float, ...]) -> Markup:
    labels = [label.replace(" ", "").replace("iB", "") for label in size_labels()]
    return bars(labels, [before, after], top=100.0, step=50.0, suffix=" %")


# --- rows per day ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Rows by day, month or year, gaps filled with zero."""

    unit: Unit
    labels: tuple[str, ...]
    rows: tuple[int, ...]
    undated: int
    """Rows under another folder value than a date."""


def calendar(partitions: Iterable[tuple[str, int]], unit: Unit = "day") -> Calendar:
    """Return rows by `unit`, or by the next coarser one that makes a readable chart."""
    dated: dict[date, int] = {}
    undated = 0
    for value, rows in partitions:
        try:
            day = date.fromisoformat(value)
        except ValueError:
            undated += rows
        else:
            dated[day] = dated.get(day, 0) + rows
    if not dated:
        return Calendar(unit=unit, labels=(), rows=(), undated=undated)
    first, last = min(dated), max(dated)
    if unit == "day" and (last - first).days >= _MAX_BARS:
        unit = "month"
    if unit == "month" and (last.year - first.year) * 12 + last.month - first.month >= _MAX_BARS:
        unit = "year"
    sums = dict.fromkeys(_steps(first, last, unit), 0)
    width = {"day": 10, "month": 7, "year": 4}[unit]
    for day, rows in dated.items():
        label = day.isoformat()[:width]
        sums[label] = sums.get(label, 0) + rows
    return Calendar(unit=unit, labels=tuple(sums), rows=tuple(sums.values()), undated=undated)


def _steps(first: date, last: date, unit: Unit) -> list[str]:
    """Return every label from first to last; only those with rows where years are far apart."""
    match unit:
        case "day":
            days = (last - first).days + 1
            return [(first + timedelta(days=step)).isoformat() for step in range(days)]
        case "month":
            months = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
            return [f"{month // 12:04}-{month % 12 + 1:02}" for month in months]
        case "year":
            if last.year - first.year >= _MAX_BARS:
                return []
            return [f"{year:04}" for year in range(first.year, last.year + 1)]


def rows_over_time(dated: Calendar, *, draw: bool = True) -> Chart:
    """Return the chart of rows per day, month or year."""
    labels, rows = dated.labels, dated.rows
    pairs = sorted(zip(labels, rows, strict=True))
    if pairs:
        most = max(pairs, key=lambda pair: pair[1])
        words = (
            f"{count(sum(rows))} rows in date partitions, {pairs[0][0]} to {pairs[-1][0]}; "
            f"most in {most[0]}: {count(most[1])}."
        )
    else:
        words = "No dated rows."
    if dated.undated:
        words += f" Not in the chart: {count(dated.undated)} rows without a usable date."
    svg = Markup("")
    if draw and len(pairs) > 1 and len(pairs) <= 2 * _MAX_BARS and any(rows):
        top, step = scale(max(rows))
        svg = bars([label for label, _ in pairs], [[row for _, row in pairs]], top=top, step=step)
    return Chart(title=f"Rows per {dated.unit}", svg=svg, words=words)


def is_dated(value: str) -> bool:
    """Return whether a folder value of `dt` is one that rows can be counted by."""
    return value not in ("", HIVE_NULL)


# --- drawing --------------------------------------------------------------------------------------


def scale(most: float) -> tuple[float, float]:
    """Return (top, step) of an axis with two to five round steps."""
    raw = most / 4
    power = 10.0 ** floor(log10(raw)) if raw > 0 else 1.0
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    step = max(step, 1.0)
    steps = -(-most // step)
    return step * steps, step


def load() -> None:
    """Import what draws: it takes 0.1 s."""
    import pygal

    _ = pygal
    _drop_import_hook()


def _drop_import_hook() -> None:
    """Take off the import hook that pygal installs.

    It is for map plug-ins, and of a kind that Python 3.12 no longer knows: with it in place, every
    later import of a module that is missing warns, or fails.
    """
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pygal"]


def bars(
    labels: list[str],
    series: Sequence[Sequence[float]],
    *,
    top: float,
    step: float,
    suffix: str = "",
) -> Markup:
    """Draw bars with pygal and keep the geometry only."""
    import pygal  # takes 0.1 s: only where a chart is drawn

    _drop_import_hook()

    class Bars(pygal.Bar):  # type: ignore[misc]
        """Bars without the hidden texts that pygal's own script would show: half the time."""

        _series_margin = 0.1
        _serie_margin = 0.04

        def _tooltip_and_print_values(self, *_: Any) -> None:
            return

    room = 9 if max(map(len, labels)) <= 5 else 6 if len(labels[0]) <= 7 else 5
    every = max(1, -(-len(labels) // room))
    ticks = [step * index for index in range(round(top / step) + 1)]
    chart = Bars(
        width=_WIDTH,
        height=_HEIGHT,
        margin=6,
        margin_right=22,
        show_legend=False,
        truncate_label=-1,
        x_labels_major_every=every,
        show_minor_x_labels=False,
        range=(0, top),
        css=[],
        js=[],
    )
    chart.x_labels = labels
    chart.y_labels = [{"value": tick, "label": f"{short_count(tick)}{suffix}"} for tick in ticks]
    for values in series:
        chart.add("", list(values))
    return Markup(_reduce(chart.render_tree()))


Span = tuple[datetime, datetime | None, datetime | None]


def spans(labels: Sequence[str], rows: Sequence[Span]) -> Markup:
    """Draw one bar a row, the first on top: from its moment to the first end, then to the last."""
    import pygal  # takes 0.1 s: only where a chart is drawn

    _drop_import_hook()

    class Spans(pygal.HorizontalStackedBar):  # type: ignore[misc]
        """Bars that begin where the series before them ends; that one is not kept."""

        def _tooltip_and_print_values(self, *_: Any) -> None:
            return

    base = min(row[0] for row in rows).year
    ends = [_months(end, base) for row in rows for end in row if end is not None]
    top, ticks = _month_ticks(base, max(ends))
    chart = Spans(
        width=_WIDTH,
        height=44 + 16 * len(rows),
        margin=6,
        margin_right=22,
        show_legend=False,
        truncate_label=-1,
        range=(0, top),
        css=[],
        js=[],
    )
    chart.x_labels = list(reversed(labels))
    chart.y_labels = ticks
    starts = [_months(at, base) for at, _, _ in rows]
    firsts = [_months(first or at, base) for at, first, _ in rows]
    lasts = [_months(last or first or at, base) for at, first, last in rows]
    pairs = list(zip(starts, firsts, lasts, strict=True))[::-1]
    chart.add("", [start for start, _, _ in pairs])
    chart.add("", [max(first - start, 0.0) for start, first, _ in pairs])
    chart.add("", [max(last - max(first, start), 0.0) for start, first, last in pairs])
    drawn = _reduce(chart.render_tree(), lines="x")
    return Markup(re.sub(r'<g class="color-0">.*?</g>', "", drawn))


def _months(at: datetime, base: int) -> float:
    """Return months since the first of January of the year `base`."""
    at = at.astimezone(UTC)
    return (at.year - base) * 12 + at.month - 1 + (at.day - 1) / 31 + at.hour / 744


def _month_ticks(base: int, last: float) -> tuple[float, list[dict[str, Any]]]:
    """Return the end of a time axis, and its labels: at most nine of them."""
    step = next((months for months in (1, 2, 3, 6, 12, 24) if last / months <= 8), 0)
    if not step:
        step = 12 * round(scale(last / 6)[1])
    steps = int(-(-last // step))
    labels = [
        f"{base + month // 12}" if step % 12 == 0 else f"{base + month // 12}-{month % 12 + 1:02}"
        for month in range(0, steps * step + 1, step)
    ]
    values = range(0, steps * step + 1, step)
    ticks = [{"value": v, "label": label} for v, label in zip(values, labels, strict=True)]
    return float(steps * step), ticks


def _reduce(node: Any, lines: str = "y") -> str:
    """Return the SVG of what we keep of pygal's tree; of the guides, those of the axis `lines`."""
    tag = node.tag if isinstance(node.tag, str) else ""
    kind = node.get("class", "").split()
    if tag not in _TAGS or "background" in kind or "tooltip" in kind:
        return ""
    if tag == "path" and "guide" not in kind:
        return ""
    if tag == "rect" and not _is_seen(node):
        return ""
    children = "".join(_reduce(child, lines) for child in node)
    if tag == "g" and ("bar" in kind or "bars" in kind or "guides" in kind):
        return children
    text = str(escape(node.text)) if tag == "text" and node.text else ""
    if tag in ("g", "text") and not (children or text):
        return ""
    if kind[:1] == ["axis"] and kind[1] != lines:
        children = re.sub(r"<path[^>]*/>", "", children)
    attributes = "".join(
        f' {key}="{escape(_NUMBER.sub(_round, node.get(key)))}"'
        for key in _ATTRIBUTES
        if node.get(key) is not None
    )
    name = {"axis": f"axis-{kind[1]}", "series": kind[-1]}.get(kind[0], "") if kind[1:] else ""
    if tag == "svg":
        attributes += ' aria-hidden="true"'
    elif tag == "g" and name:
        attributes += f' class="{name}"'
    if tag in ("rect", "path"):
        return f"<{tag}{attributes}/>"
    return f"<{tag}{attributes}>{text}{children}</{tag}>"


def _is_seen(bar: Any) -> bool:
    """Return whether a bar stands for anything; the smallest get one unit of height."""
    height, width = float(bar.get("height", 0)), float(bar.get("width", 0))
    if 0 < height < 1:
        bar.set("y", str(float(bar.get("y")) + height - 1.0))
        bar.set("height", "1")
    return height > 0 and width > 0


def _round(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
