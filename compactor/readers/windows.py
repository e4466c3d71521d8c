"""Windows of incremental exports: do they follow each other without a gap? Pure.

An incremental export holds, for every item written in its window (start inclusive, end exclusive),
one record with the item's last state. A table can be rebuilt as of the end of any window if there
is a full export, a window starts at its moment, and every window starts where one before it ended.

* A gap loses changes: what was written in it is seen too late or, if it was a deletion, never.
* An overlap is harmless where the latest record of a key counts; as rows it repeats events.
* A full export taken in the middle of a window holds items that were inserted before it and
  deleted after it, and the window has no record of those at all.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport_Requesting.html (read
on 2026-11-25)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model import Finding, Severity, utc_text
from .interface import ExportFacts

_NAMED = 5
_FILL = (
    "export a window of 15 minutes to 24 hours that covers it while point-in-time recovery reaches "
    "back so far (35 days at most), or start anew from a full export"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    export_id: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A stretch of time between two exports, or in both."""

    since: datetime
    until: datetime
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """What was exported of one table; of copies of one export, one."""

    origin: str
    name: str
    windows: tuple[_Window, ...]
    """Complete ones, by start."""
    unusable: tuple[_Window, ...]
    fulls: tuple[tuple[datetime, str], ...]
    """Complete full exports: (moment, export id), by moment."""


def chain_findings(exports: Sequence[ExportFacts]) -> Iterator[Finding]:
    """Tell where the changes of a table do not follow each other, once per table and case."""
    for table in _tables(exports):
        gaps, overlaps = _compare(table.windows)
        if gaps:
            yield _finding("change_gap", "warning", table, _gaps_text(table, gaps), gaps)
        if overlaps:
            yield _finding("change_overlap", "warning", table, _overlaps_text(overlaps), overlaps)
        late = list(_late(table))
        if late:
            yield _finding("change_gap", "warning", table, _late_text(table, late), late)
        inside = list(_inside(table))
        if inside:
            yield _finding("change_overlap", "info", table, _inside_text(inside), inside)


def _tables(exports: Sequence[ExportFacts]) -> Iterator[_Table]:
    by_origin: dict[str, list[ExportFacts]] = {}
    for facts in exports:
        if facts.origin and facts.snapshot is not None and facts.tables:
            by_origin.setdefault(facts.origin, []).append(facts)
    for origin, group in sorted(by_origin.items()):
        usable = {one.export_id: one for one in group if _is_usable(one)}
        others = {one.export_id: one for one in group if one.export_id not in usable}
        yield _Table(
            origin=origin,
            name=group[0].tables[0].target,
            windows=_windows(usable.values()),
            unusable=_windows(others.values()),
            fulls=tuple(
                sorted(
                    (one.snapshot, one.export_id)
                    for one in usable.values()
                    if one.since is None and one.snapshot is not None
                )
            ),
        )


def _is_usable(facts: ExportFacts) -> bool:
    return facts.status == "complete" and all(one.status == "complete" for one in facts.tables)


def _windows(exports: Iterable[ExportFacts]) -> tuple[_Window, ...]:
    found = [
        _Window(export_id=one.export_id, since=one.since, until=one.snapshot)
        for one in exports
        if one.since is not None and one.snapshot is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.since, one.until, one.export_id)))


def _compare(windows: Sequence[_Window]) -> tuple[list[_Span], list[_Span]]:
    """Return gaps and overlaps. Each window is compared with the one that reaches furthest."""
    gaps: list[_Span] = []
    overlaps: list[_Span] = []
    if not windows:
        return gaps, overlaps
    furthest = windows[0]
    for window in windows[1:]:
        names = {"before": furthest.export_id, "after": window.export_id}
        if window.since > furthest.until:
            gaps.append(_Span(since=furthest.until, until=window.since, **names))
        elif window.since < furthest.until:
            end = min(furthest.until, window.until)
            overlaps.append(_Span(since=window.since, until=end, **names))
        if window.until > furthest.until:
            furthest = window
    return gaps, overlaps


def _late(table: _Table) -> Iterator[_Span]:
    """Yield the time between a full export and the first window after it, where that is missing.

    Of several full exports before a chain only the last one counts. What a gap between two windows
    says already is not said again.
    """
    reached: datetime | None = None
    for window in table.windows:
        if reached is None or window.since > reached:
            earlier = [full for full in table.fulls if full[0] <= window.since]
            moment, export_id = earlier[-1] if earlier else (window.since, "")
            if moment < window.since and (reached is None or moment >= reached):
                yield _Span(
                    since=moment, until=window.since, before=export_id, after=window.export_id
                )
        reached = max(reached or window.until, window.until)


def _inside(table: _Table) -> Iterator[_Span]:
    """Yield the windows that a full export cuts in two, where no other window starts with it."""
    starts = {window.since for window in table.windows}
    for (moment, export_id), window in itertools.product(table.fulls, table.windows):
        if window.since < moment < window.until and moment not in starts:
            yield _Span(
                since=window.since, until=window.until, before=export_id, after=window.export_id
            )


# --- words ----------------------------------------------------------------------------------------


def _finding(
    kind: str, severity: Severity, table: _Table, message: str, spans: Sequence[_Span]
) -> Finding:
    return Finding.model_validate(
        {
            "kind": kind,
            "severity": severity,
            "export_id": spans[0].after,
            "table": table.name,
            "message": f"{table.name} ({table.origin}): {message}",
            "origin": table.origin,
            "spans": [f"{utc_text(span.since)}/{utc_text(span.until)}" for span in spans[:100]],
            "exports": sorted({name for span in spans[:100] for name in (span.before, span.after)}),
        }
    )


def _gaps_text(table: _Table, gaps: Sequence[_Span]) -> str:
    said = _some(
        [
            f"from {utc_text(gap.since)}, where export {gap.before} ends, to "
            f"{utc_text(gap.until)}, where export {gap.after} begins{_covering(table, gap)}"
            for gap in gaps
        ]
    )
    return f"changes are missing {said}; a state rebuilt across a gap may be wrong; {_FILL}"


def _late_text(table: _Table, late: Sequence[_Span]) -> str:
    said = _some(
        [
            f"from {utc_text(gap.since)}, the moment of full export {gap.before}, to "
            f"{utc_text(gap.until)}, where export {gap.after} begins{_covering(table, gap)}"
            for gap in late
        ]
    )
    return (
        f"changes are missing {said}; the full export and the changes after it do not fit "
        f"together; {_FILL}"
    )


def _covering(table: _Table, gap: _Span) -> str:
    """Name exports that were made for a gap but cannot be taken."""
    names = [
        one.export_id for one in table.unusable if one.since < gap.until and one.until > gap.since
    ]
    return f" (not usable: {', '.join(names[:_NAMED])})" if names else ""


def _overlaps_text(overlaps: Sequence[_Span]) -> str:
    said = _some(
        [
            f"{utc_text(one.since)} to {utc_text(one.until)} in exports {one.before} and "
            f"{one.after}"
            for one in overlaps
        ]
    )
    return (
        f"windows overlap: {said}; a change may be there twice, so take the latest record of each "
        "key, and start a window where the one before it ends"
    )


def _inside_text(inside: Sequence[_Span]) -> str:
    said = _some(
        [
            f"full export {one.before} was taken within {utc_text(one.since)} to "
            f"{utc_text(one.until)}, the window of export {one.after}"
            for one in inside
        ]
    )
    return (
        f"{said}; items inserted before and deleted after that moment have no record, and would "
        "stay in a state rebuilt from both; start a window at the full export's moment"
    )


def _some(texts: Sequence[str]) -> str:
    more = f", and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return f"{', '.join(texts[:_NAMED])}{more}"
