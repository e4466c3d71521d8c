"""The five questions of an auditor, answered from an audit. Pure; see `answers.py` for a run's."""

from __future__ import annotations

from collections.abc import Iterable

from ..evidence.audited import Audit
from ..model import Check
from .answers import Answer
from .facts import Tone, Verdict
from .words import moment, name, plural, size

_THERE = ("present", "current", "unnamed_objects", "manifest", "schedule")
_UNCHANGED = ("chain", "signature", "size", "stored_sha256", "bytes_sha256", "rows", "fingerprint")
_LOCKED = ("lock", "legal_hold", "storage_class", "expiring")
_PER_TABLE = "schedule"
_WORST = ("fail", "not_verified", "pass")
_TITLES: dict[str, tuple[Tone, str]] = {
    "passed": ("good", "Audit passed"),
    "failed": ("bad", "Audit failed"),
    "not_verified": ("warn", "Not verified"),
}


def counting(checks: Iterable[Check]) -> list[Check]:
    """Return one check of each kind, which counts; those after it are what differs.

    A schedule has no counting check, as each table has its own: they are summed up here.
    """
    found: dict[str, Check] = {}
    expected: list[Check] = []
    for check in checks:
        if check.name == _PER_TABLE:
            expected.append(check)
        found.setdefault(check.name, check)
    if expected:
        statuses = [check.status for check in expected]
        found[_PER_TABLE] = expected[0].model_copy(
            update={
                "subject": "all expected tables",
                "expected": plural(len(expected), "schedule"),
                "actual": f"{statuses.count('pass'):,} kept",
                "status": min(statuses, key=_WORST.index),
            }
        )
    return list(found.values())


def differing(checks: Iterable[Check]) -> list[Check]:
    """Return what is not as it should be, one by one; failed ones first.

    A kind that has no single ones (nothing may be listed, say) is told by its counting check.
    """
    all_checks = list(checks)
    first = {id(check) for check in counting(all_checks)}
    single = {check.name for check in all_checks if id(check) not in first}
    rest = [
        check
        for check in all_checks
        if check.status != "pass" and (id(check) not in first or check.name not in single)
    ]
    return sorted(rest, key=lambda check: check.status != "fail")


def audit_verdict(found: Audit) -> Verdict:
    """Return what a reader must know first."""
    tone, title = _TITLES[found.status]
    rest = differing(found.checks)
    failed = sum(check.status == "fail" for check in rest)
    open_ones = len(rest) - failed
    reasons = []
    if failed:
        reasons.append(f"{plural(failed, 'thing')} not as the chain says.")
    if open_ones:
        reasons.append(f"{plural(open_ones, 'thing')} could not be verified.")
    if not reasons:
        reasons.append(
            f"{plural(found.objects, 'version')} and {plural(found.links.count, 'link')} "
            "are as the chain says."
        )
    return Verdict(tone=tone, title=title, reasons=tuple(reasons))


def audit_answers(found: Audit) -> tuple[Answer, ...]:
    """Return the five answers, in the order of the questions."""
    where = "archive" if found.is_archive else "lake (nothing is locked there)"
    there = _of(found, _THERE)
    unchanged = _of(found, _UNCHANGED)
    locked = _of(found, _LOCKED)
    return (
        Answer(
            question="Is everything there?",
            tone=_tone(there),
            text=f"{plural(found.objects, 'version')} with {size(found.bytes)} are named by "
            f"{plural(found.links.count, 'link')} and were looked for in the {where}.",
            points=tuple(_line(check) for check in there),
        ),
        Answer(
            question="Is it unchanged?",
            tone=_tone(unchanged),
            text=_bytes_read(found),
            points=tuple(_line(check) for check in unchanged),
        ),
        _locks(found, locked),
        Answer(
            question="Verified how and when?",
            tone=_tone(found.checks),
            text=f"On {moment(found.audited_at)}, against a chain of "
            f"{plural(found.links.count, 'link')} whose last was signed "
            f"{moment(found.links.signed_at)}.",
            points=tuple(
                f"{name(check.name, 80)}: {name(check.source, 300)}"
                for check in counting(found.checks)
            ),
        ),
        _not_verified(found),
    )


def _of(found: Audit, names: tuple[str, ...]) -> list[Check]:
    """Return the counting checks of some kinds, with the worst status of their kind."""
    worst: dict[str, str] = {}
    for check in found.checks:
        worst[check.name] = min(worst.get(check.name, "pass"), check.status, key=_WORST.index)
    return [
        check.model_copy(update={"status": worst[check.name]})
        for check in counting(found.checks)
        if check.name in names
    ]


def _tone(checks: Iterable[Check]) -> Tone:
    statuses = {check.status for check in checks}
    if "fail" in statuses:
        return "bad"
    return "good" if statuses == {"pass"} else "warn"


def _line(check: Check) -> str:
    word = {"pass": "passed", "fail": "FAILED", "not_verified": "not verified"}[check.status]
    numbers = " of ".join(name(text, 200) for text in (check.actual, check.expected) if text)
    return f"{name(check.name, 80)}: {word}; {numbers or 'no number'}"


def _bytes_read(found: Audit) -> str:
    if found.coverage is None:
        return "Digests that the store keeps were compared; no object was read back."
    return f"{found.coverage.statement}."


def _locks(found: Audit, locked: list[Check]) -> Answer:
    question = "Locked until when?"
    if not found.is_archive:
        return Answer(question=question, tone="warn", text="No archive: nothing is locked.")
    ends = [one.earliest for one in found.snapshots if one.earliest]
    lasts = [one.latest for one in found.snapshots if one.latest]
    text = (
        f"The first lock was set to end {moment(min(ends))}, the last {moment(max(lasts))}."
        if ends and lasts
        else "The chain names no locked version."
    )
    return Answer(
        question=question,
        tone=_tone(locked) if ends else "warn",
        text=text,
        points=tuple(_line(check) for check in locked),
    )


def _not_verified(found: Audit) -> Answer:
    rest = [check for check in differing(found.checks) if check.status == "not_verified"]
    points = [
        f"{name(check.name, 80)} of {name(check.subject, 200)}: {name(check.actual, 300)}"
        for check in rest[:8]
    ]
    if len(rest) > 8:
        points.append(f"... and {len(rest) - 8:,} more, all listed below")
    coverage = found.coverage
    if coverage is None:
        points.append("The bytes of every object: read them back with --deep.")
    elif coverage.covered_objects < coverage.objects:
        unread = coverage.objects - coverage.covered_objects
        points.append(
            f"{plural(unread, 'version')} with {size(coverage.bytes - coverage.covered_bytes)} "
            "never read back."
        )
    if not any(check.name == "schedule" for check in found.checks):
        points.append("Whether every expected snapshot exists: configure [audit] expect.")
    points.append(f"What happens to the stored objects after {moment(found.audited_at)}.")
    text = (
        f"{plural(len(rest), 'thing')} could not be verified."
        if rest
        else "Every check that this audit makes was made."
    )
    return Answer(
        question="What is not verified?",
        tone="warn" if rest else "idle",
        text=text,
        points=tuple(points),
    )
