"""The five questions of an auditor, answered from a run's result: first page of every form.

Is everything there? Unchanged? Locked until when? Verified how and when? What is not verified?
Pure: `RunResult` in, small values out. An answer is `good` only where a comparison was made and
passed; the last one is never empty, because every proof ends somewhere and has to say where.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ..model import Check, RunResult, TableResult
from .facts import Tone, Totals, lock_of, lock_text, totals
from .words import moment, name, plural

_COUNTS = frozenset({"declared_rows", "footer_rows", "line_rows", "rows"})
"""Checks that say whether everything is there."""
_LOCKS = frozenset({"lock"})

_LISTED = 12
"""Points under one answer; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    question: str
    tone: Tone
    text: str
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """All checks of one name."""

    name: str
    passed: int
    failed: int
    not_verified: int
    tables: int
    source: str
    """Where both numbers come from, as the first of them says."""
    reason: str
    """The same of the first that could not be made."""


def answers(result: RunResult) -> tuple[Answer, ...]:
    """Return the five answers, in the order of the questions."""
    sums, tallies = totals(result), tally(result.tables)
    return (
        _complete(result, sums, tallies),
        _unchanged(result, sums, tallies),
        _locked(result),
        _verified(result, sums, tallies),
        _not_verified(result, tallies),
    )


def tally(tables: Iterable[TableResult]) -> tuple[Tally, ...]:
    """Return the checks of all tables, summed up by name, in the order of the names."""
    statuses: dict[str, Counter[str]] = {}
    where: dict[str, set[str]] = {}
    first: dict[tuple[str, bool], Check] = {}
    for table in tables:
        for check in table.checks:
            statuses.setdefault(check.name, Counter())[check.status] += 1
            where.setdefault(check.name, set()).add(table.task_id)
            first.setdefault((check.name, check.status == "not_verified"), check)
    return tuple(
        Tally(
            name=key,
            passed=found["pass"],
            failed=found["fail"],
            not_verified=found["not_verified"],
            tables=len(where[key]),
            source=first[key, False].source if (key, False) in first else "",
            reason=first[key, True].source if (key, True) in first else "",
        )
        for key, found in sorted(statuses.items())
    )


def _tone(tallies: Iterable[Tally]) -> Tone:
    """Return the worst of some checks; none at all is not good."""
    found = list(tallies)
    if any(one.failed for one in found):
        return "bad"
    return "warn" if not found or any(one.not_verified for one in found) else "good"


def _worst(*tones: Tone) -> Tone:
    order: tuple[Tone, ...] = ("bad", "warn", "idle", "good")
    return min(tones, key=order.index)


def _bounded(points: list[str]) -> tuple[str, ...]:
    cut = len(points) - _LISTED
    return (*points[:_LISTED], f"... and {cut:,} more") if cut > 0 else tuple(points)


def _complete(result: RunResult, sums: Totals, tallies: tuple[Tally, ...]) -> Answer:
    question = "Is everything there?"
    if not result.tables:
        return Answer(question=question, tone="idle", text="This run worked on no table.")
    counted = [one for one in tallies if one.name in _COUNTS]
    failed = sums.states["failed"]
    kept = sums.tables - failed
    text = (
        f"{kept:,} of {plural(sums.tables, 'table')}: {plural(sums.source_rows, 'row')} read, "
        f"{plural(sums.output_rows, 'row')} written."
    )
    points = [_line(one) for one in counted]
    if failed:
        points.insert(0, f"{plural(failed, 'table')} failed and are not in the manifest.")
    if sums.duplicate_tables:
        points.append(
            f"{plural(sums.duplicate_tables, 'table')} not stored a second time: another table "
            "was proven to hold every row."
        )
    reasons: Counter[str] = Counter()
    for item in result.skipped:
        reasons[item.reason] += item.objects
    points += [
        f"{plural(number, 'object')} left out: {name(reason, 200)}"
        for reason, number in reasons.most_common()
    ]
    # a run that failed as a whole may have tables that were never begun
    stopped: Tone = "bad" if failed or result.status == "failed" else "good"
    left: Tone = "warn" if result.skipped else "good"
    differs: Tone = "good" if sums.source_rows == sums.output_rows else "bad"
    return Answer(
        question=question,
        tone=_worst(_tone(counted), stopped, left, differs),
        text=text,
        points=_bounded(points),
    )


def _unchanged(result: RunResult, sums: Totals, tallies: tuple[Tally, ...]) -> Answer:
    question = "Is it unchanged?"
    if not result.tables:
        return Answer(question=question, tone="idle", text="This run worked on no table.")
    compared = [one for one in tallies if one.name not in _COUNTS | _LOCKS]
    failed = sum(one.failed for one in compared)
    open_ones = sum(one.not_verified for one in compared)
    if not compared:
        text = "No contents were compared."
    elif failed:
        text = f"{plural(failed, 'comparison')} of contents failed."
    else:
        passed = sum(one.passed for one in compared)
        text = f"All {plural(passed, 'comparison')} of contents that were made passed."
    if open_ones:
        text += f" {plural(open_ones, 'comparison')} could not be made."
    if sums.states["failed"]:
        text = f"Not of {plural(sums.states['failed'], 'failed table')}. {text}"
    kept = sum(column.kept_text for table in result.tables for column in table.columns)
    points = [_line(one) for one in compared]
    if kept:
        points.append(
            f"{plural(kept, 'column')} left as text, because their type would have changed values."
        )
    stopped: Tone = "bad" if sums.states["failed"] else "good"
    return Answer(
        question=question,
        tone=_worst(_tone(compared), stopped),
        text=text,
        points=_bounded(points),
    )


def _locked(result: RunResult) -> Answer:
    question = "Locked until when?"
    lock = lock_of(result)
    text = lock_text(lock)
    text = f"{text[:1].upper()}{text[1:]}."
    if lock is None or lock.objects == 0:
        return Answer(question=question, tone="idle" if not result.tables else "warn", text=text)
    points = []
    if lock.missing:
        points.append(f"{plural(lock.missing, 'written object')} not in the archive.")
    if "GOVERNANCE" in lock.modes:
        points.append("GOVERNANCE: who may bypass it can still delete.")
    tone: Tone = "good" if lock.is_complete else "bad"
    return Answer(question=question, tone=tone, text=text, points=tuple(points))


def _verified(result: RunResult, sums: Totals, tallies: tuple[Tally, ...]) -> Answer:
    passed = sums.checks - sums.failed_checks - sums.unverified_checks
    text = (
        f"{passed:,} of {plural(sums.checks, 'check')} passed between "
        f"{moment(result.started_at)} and {moment(result.finished_at)}."
        if sums.checks
        else "No check was made by this run."
    )
    points = [f"{name(one.name, 80)}: {name(one.source, 300)}" for one in tallies if one.source]
    tools = ", ".join(
        f"{name(tool, 40)} {name(version, 40)}" for tool, version in sorted(result.versions.items())
    )
    if tools:
        points.append(f"with {tools}")
    tone: Tone = "idle" if not result.tables else _tone(tallies)
    return Answer(question="Verified how and when?", tone=tone, text=text, points=_bounded(points))


def _not_verified(result: RunResult, tallies: tuple[Tally, ...]) -> Answer:
    bare = sum(not table.checks for table in result.tables if table.status in ("done", "adopted"))
    failed = sum(one.failed for one in tallies)
    points = [
        f"{name(one.name, 80)}: {plural(one.not_verified, 'check')} not made. "
        f"{name(one.reason, 300)}"
        for one in tallies
        if one.not_verified
    ]
    if bare:
        points.insert(0, f"{plural(bare, 'table')} without any check.")
    if failed:
        points.insert(0, f"{plural(failed, 'check')} failed: those tables are not proven.")
    if result.archive is None and result.tables:
        points.append("Nothing is locked: no archive is configured.")
    if result.manifest and result.evidence is None:
        points.append("Who vouches for this run: no signed link of the evidence is about it yet.")
    if not any(one.name == "declared_rows" and one.passed for one in tallies):
        points.append(
            "Whether the export itself holds all rows of the database: compactor reconcile "
            "compares with the database."
        )
    text = (
        f"{plural(sum(one.not_verified for one in tallies), 'check')} could not be made."
        if any(one.not_verified for one in tallies)
        else "Every check that applies was made."
    )
    if not result.tables:
        text = "Nothing was verified by this run; earlier manifests say what they proved."
    points.append(
        f"What happened to the stored objects after {moment(result.finished_at)}: an audit "
        "looks again."
    )
    tone: Tone = "warn" if bare or failed or any(one.not_verified for one in tallies) else "idle"
    return Answer(question="What is not verified?", tone=tone, text=text, points=_bounded(points))


def _line(one: Tally) -> str:
    parts = [
        f"{number:,} {label}"
        for number, label in (
            (one.failed, "failed"),
            (one.not_verified, "not verified"),
            (one.passed, "passed"),
        )
        if number
    ]
    return f"{name(one.name, 80)}: {', '.join(parts)} in {plural(one.tables, 'table')}."
