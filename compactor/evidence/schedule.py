"""Which snapshots should exist and do not. Pure.

In:  `[audit] expect`: the period of the snapshots of a database, or of `database.table`; the
     snapshots that the chain names; now.
Out: one `Check` a name, with the moments at which a snapshot is missing.

A period is that of the schedule, and exports come some minutes earlier or later. So a snapshot is
missing where a gap is nearer to two periods than to one: after a day and a half for "1d".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from ..archive import retain_until
from ..model import Check, utc_text
from ..quantities import Period, parse_period

Snapshots = Mapping[tuple[str, str], set[datetime]]
"""By database and table."""
_SHOWN = 10
_MOST = 10_000


def scheduled(expect: Mapping[str, str], found: Snapshots, now: datetime) -> Iterator[Check]:
    """Yield one check for each name that a schedule is configured for."""
    for name, period in expect.items():
        moments = sorted(
            {
                moment
                for (database, table), snapshots in found.items()
                if name in (database, f"{database}.{table}")
                for moment in snapshots
            }
        )
        missing = list(_missing(moments, period, now))
        some = ", ".join(str(utc_text(moment)) for moment in missing[:_SHOWN])
        more = f", ... {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        actual = f"{len(moments)} snapshots, {len(missing)} missing"
        if not moments:
            actual = "no snapshot at all"
        elif missing:
            actual += f": about {some}{more}"
        yield Check(
            name="schedule",
            subject=name,
            expected=f"a snapshot every {period}",
            actual=actual,
            status="pass" if moments and not missing else "fail",
            source="configuration (audit.expect); snapshots that the chain names, and now",
        )


def _missing(moments: Sequence[datetime], period: str, now: datetime) -> Iterator[datetime]:
    """Yield about when a snapshot is missing, between two snapshots and after the last."""
    told = 0
    for last, following in pairwise([*moments, now]):
        slack = (_later(last, period, 1) - last) / 2
        for times in range(1, _MOST):
            moment = _later(last, period, times)
            if moment + slack >= following or told >= _MOST:
                break
            told += 1
            yield moment


def _later(moment: datetime, period: str, times: int) -> datetime:
    number, unit = parse_period(period)
    return later(moment, (number * times, unit))


def later(moment: datetime, period: Period) -> datetime:
    """Return the moment one period later."""
    number, unit = period
    if unit == "h":
        return moment + timedelta(hours=number)
    return retain_until(moment, (number, unit))
