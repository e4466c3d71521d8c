"""How values read: sizes, counts, moments, hostile names.

Pure. Everything an export brings along - names, keys, messages, example values - passes through
`visible` before a person sees it: a terminal or a browser must not act on it, and two names that
differ only in something invisible must look different.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any

NAME_CHARS = 160
"""Longest name shown in running text; the middle of a longer one is cut, with its length."""

_MARKS = 3
"""Combining marks kept on one letter: more would paint over the lines above."""


def visible(text: str, limit: int | None = None, *, lines: bool = False) -> str:
    r"""Return `text` with every invisible or reordering character written out as `\u202e`.

    `limit` cuts the middle of what would take more room, and says how long the whole is; `lines`
    keeps line breaks.
    """
    if limit is None or len(text) <= limit:
        if text.isascii() and text.isprintable():
            return text
        shown = _written_out(text, lines=lines)
        if limit is None or sum(map(len, shown)) <= limit:
            return "".join(shown)
    head = _fitting(_written_out(text[:limit], lines=lines), limit * 2 // 3)
    tail = _fitting(_written_out(text[-limit:], lines=lines)[::-1], limit // 3)[::-1]
    return f"{''.join(head)} … {''.join(tail)} ({len(text):,} characters)"


def _written_out(text: str, *, lines: bool) -> list[str]:
    """Return the characters as shown; a mark without a letter, or one too many, is written out."""
    shown = []
    marks = _MARKS
    for char in text:
        if unicodedata.combining(char):
            marks += 1
        else:
            marks = _MARKS if char.isspace() else 0
        is_plain = char.isprintable() and (marks <= _MARKS or not unicodedata.combining(char))
        if is_plain or (lines and char == "\n"):
            shown.append(char)
        else:
            shown.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return shown


def _fitting(shown: list[str], limit: int) -> list[str]:
    """Return as many of the first texts as fit."""
    taken = 0
    for index, text in enumerate(shown):
        taken += len(text)
        if taken > limit:
            return shown[:index]
    return shown


def width_of(shown: str) -> int:
    """Return the columns that a text takes on a terminal."""
    if shown.isascii():
        return len(shown)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in shown
    )


def name(text: str | None, limit: int = NAME_CHARS) -> str:
    """Return a name fit for one line."""
    return visible(text, limit) if text else "(empty)"


def count(number: int | None) -> str:
    """Return `1,234`, or `unknown`."""
    return "unknown" if number is None else f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Return `1 table`, `2 tables`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(size_bytes: float | None) -> str:
    """Return bytes as `1,023 B`, `4.2 KiB`, `12 MiB`."""
    if size_bytes is None:
        return "unknown"
    if abs(size_bytes) < 1024:
        return f"{size_bytes:,.0f} B"
    value = float(size_bytes)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if abs(value) < 1023.5:
            return f"{value:.1f} {unit}" if abs(value) < 99.95 else f"{value:.0f} {unit}"
    return f"{value / 1024:,.1f} PiB"


def short_count(number: float) -> str:
    """Return `950`, `1.2k`, `30M` for the axis of a chart."""
    for unit, factor in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)):
        if abs(number) < factor * 999.5 or unit == "T":
            return f"{number / factor:.3g}{unit}"
    raise AssertionError("unreachable")


def times(before: int, after: int) -> str:
    """Return how many times fewer `after` is, as `210 times fewer`; empty where it is not."""
    if after <= 0 or before < 2 * after:
        return ""
    ratio = before / after
    return f"{ratio:,.0f} times fewer" if ratio >= 10 else f"{ratio:.1f} times fewer"


def moment(at: datetime | None) -> str:
    """Return `2026-10-06 03:47:12 UTC`."""
    return "unknown" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """Return `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def dollars(usd: float | None) -> str:
    """Return `$0.0042`, `$1,234.50`; never `$0.00` for something that costs."""
    if usd is None:
        return "unknown"
    if usd and abs(usd) < 0.0001:
        return "under $0.0001"
    return f"${usd:,.4f}" if abs(usd) < 1 else f"${usd:,.2f}"


def detail(key: str, value: Any, items: int = 12) -> str:
    """Return one extra field of a finding in words; the unit is in the field's name."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "unknown"}[value]
    if isinstance(value, int | float):
        if key.endswith("bytes"):
            return size(value)
        if key.endswith("_usd") or "_usd_" in key:
            return dollars(value)
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    if isinstance(value, dict):
        value = [f"{inner}: {detail(str(inner), item, items)}" for inner, item in value.items()]
    if isinstance(value, list | tuple):
        shown = ", ".join(detail(key, item, items) for item in value[:items])
        return f"{shown} ... and {len(value) - items:,} more" if len(value) > items else shown
    return name(str(value), 300)
