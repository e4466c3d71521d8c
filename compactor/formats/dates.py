"""Which columns of some rows could date them, as values show it. Pure.

Like what `footers` says of Parquet: only a sample is looked at, and nothing is proven by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from ..model import DateStats

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
    r"(?: ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2}){0,2}))?)?"
)
_NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]+)?")
_UNITS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}
"""Ticks per second by the number of digits, from 2001-09-09 to 2286-11-20."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def date_stats(
    texts: Mapping[str, Sequence[str | None]],
    numbers: Mapping[str, Sequence[str | None]] | None = None,
) -> tuple[DateStats, ...]:
    """Return the columns all of whose values look like days, by name.

    Of texts those that begin with an ISO 8601 day; of numbers those that count seconds since 1970,
    or thousandths, millionths, billionths of one. A column without any value says nothing.
    """
    found = [_stats(name, "text", values) for name, values in texts.items()]
    found += [_stats(name, "epoch", values) for name, values in (numbers or {}).items()]
    return tuple(sorted((one for one in found if one), key=lambda one: one.column))


def _stats(name: str, kind: str, values: Sequence[str | None]) -> DateStats | None:
    given = [value for value in values if value is not None]
    days = [_iso_day(value) if kind == "text" else _epoch_day(value) for value in given]
    known = [day for day in days if day is not None]
    if not known or len(known) < len(given):
        return None
    return DateStats(
        column=name,
        type=kind,
        first_day=min(known).isoformat(),
        last_day=max(known).isoformat(),
        null_share=round(1 - len(given) / len(values), 4),
    )


def _iso_day(value: str) -> date | None:
    if not _ISO.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:  # 2026-02-30 looks like a day
        return None


def _epoch_day(value: str) -> date | None:
    if not _NUMBER.fullmatch(value):
        return None
    whole = value.partition(".")[0]
    ticks = _UNITS.get(len(whole))
    if ticks is None:
        return None
    return (_EPOCH + timedelta(seconds=int(whole) // ticks)).date()
