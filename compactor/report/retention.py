"""Plain text of holds, longer retentions, destructions, and of what is kept until when.

Like `terminal.py`: no colours, no control characters; names and messages pass through `words`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..acts import Act, ActKind, Failure, Kept, KeptList, State, Touched
from ..model import Check
from . import words
from .terminal import labelled, listing, wrapped
from .words import count, dollars, moment, name, plural, size

_NAME = 48
_SHOWN = 10
"""Failures that are shown; the JSON has all."""
_TITLES: dict[ActKind, str] = {
    "hold_add": "LEGAL HOLD",
    "hold_remove": "LEGAL HOLD REMOVED",
    "extend": "LONGER RETENTION",
    "destruction": "DESTRUCTION",
}
_ORDER: dict[State, int] = {
    "partly_gone": 0,
    "gone": 1,
    "ended": 2,
    "held": 3,
    "ending": 4,
    "kept": 5,
}
_WORDS: dict[State, str] = {
    "partly_gone": "PARTLY GONE",
    "gone": "gone",
    "ended": "ended",
    "held": "ended, held",
    "ending": "ends soon",
    "kept": "kept",
}


def act_text(act: Act) -> str:
    """Return what was done, or would be, for each snapshot, and what failed."""
    lines = [f"{_TITLES[act.kind]}: {_verdict(act)}", ""]
    pairs = [("asked", name(act.asked, 200)), ("archive", name(act.archive, 400))]
    if act.reason:
        pairs.append(("reason", name(act.reason, 400)))
    versions = sum(one.versions for one in act.snapshots)
    sizes = sum(one.bytes for one in act.snapshots)
    pairs.append(("versions", f"{count(versions)}, {size(sizes)}"))
    if act.kind == "extend":
        pairs.append(("cost", f"{dollars(act.cost_usd)} for the longer time, at list prices"))
    checks = [check.status for check in act.checks]
    if checks:
        unverified, failed = checks.count("not_verified"), checks.count("fail")
        passed = len(checks) - unverified - failed
        pairs.append(
            ("checks", f"{passed:,} passed, {failed:,} failed, {unverified:,} not verified")
        )
    if act.record is not None:
        pairs += [("record", name(act.record.url, 400)), ("", f"sha256 {act.record.sha256}")]
    lines += labelled(pairs)
    columns: list[tuple[str, Callable[[Touched], str]]] = [
        ("table", lambda one: f"{name(one.database, 20)} {name(one.table, _NAME)}"),
        ("snapshot", lambda one: moment(one.snapshot)),
        ("versions>", lambda one: count(one.versions)),
        *_columns(act),
        ("held until", lambda one: moment(one.until)),
    ]
    if act.kind == "extend":
        columns.append(("asked", lambda one: moment(one.asked_until)))
    lines += listing("SNAPSHOTS", act.snapshots, columns, "snapshot")
    lines += _failed(act.checks, act.errors)
    if act.status == "planned":
        lines += ["", "Nothing was changed. To do it, say the same with --apply."]
    return "\n".join(lines) + "\n"


def _columns(act: Act) -> list[tuple[str, Callable[[Touched], str]]]:
    if act.kind == "destruction":
        return []
    if act.status == "planned":
        change: tuple[str, Callable[[Touched], str]] = (
            "to change>",
            lambda one: count(one.to_change),
        )
    else:
        change = ("changed>", lambda one: count(one.changed))
    return [
        change,
        ("already>", lambda one: count(one.already)),
        ("failed>", lambda one: count(one.failed)),
    ]


def _verdict(act: Act) -> str:
    match act.status:
        case "planned":
            return "not done yet"
        case "nothing_to_do":
            return "nothing to do, every version is as asked"
        case "done":
            return "done"
        case "failed":
            return "FAILED, in part or as a whole"


def _failed(checks: Sequence[Check], errors: Sequence[Failure]) -> list[str]:
    """Name what failed, object by object."""
    bad = [check for check in checks if check.status != "pass"]
    lines = ["", "NOT AS ASKED"] if bad or errors else []
    for check in bad[:_SHOWN]:
        told = (
            f"{check.name} of {words.visible(check.subject, 400)}: expected {check.expected}, "
            f"found {check.actual}"
        )
        lines += wrapped(told, "  ")
    for error in errors[:_SHOWN]:
        lines += wrapped(f"{name(error.key, 400)} {error.version_id or ''}", "  ")
        lines += wrapped(error.message, "    ")
    left = max(0, len(bad) - _SHOWN) + max(0, len(errors) - _SHOWN)
    return [*lines, f"  ... and {plural(left, 'more')}"] if left else lines


def kept_text(found: KeptList) -> str:
    """Return each snapshot with its mode, dates and holds, the most urgent first."""
    what = "ARCHIVED" if found.horizon is None else "EXPIRED, OR SOON TO BE"
    lines = [f"{what}: {plural(len(found.snapshots), 'snapshot')}", ""]
    pairs = [("archive", name(found.archive, 400)), ("looked at", moment(found.at))]
    if found.horizon is not None:
        pairs.append(("ends before", moment(found.horizon)))
    lines += labelled(pairs)
    columns: list[tuple[str, Callable[[Kept], str]]] = [
        ("table", lambda one: f"{name(one.database, 20)} {name(one.table, _NAME)}"),
        ("snapshot", lambda one: moment(one.snapshot)),
        ("state", lambda one: _WORDS[one.state]),
        ("versions>", lambda one: count(one.versions)),
        ("gone>", lambda one: count(one.gone)),
        ("held>", lambda one: count(one.held)),
        ("size>", lambda one: size(one.bytes)),
        ("mode", lambda one: ", ".join(one.modes) or "none"),
        ("until", _dates),
    ]
    ordered = sorted(
        found.snapshots, key=lambda one: (_ORDER[one.state], one.database, one.table, one.snapshot)
    )
    lines += listing("SNAPSHOTS", ordered, columns, "snapshot")
    lines += _failed((), found.errors)
    if found.horizon is not None:
        lines += [
            "",
            "Nothing is deleted, now or ever: that is for you, or for a lifecycle rule. Once every",
            "version of a snapshot is gone, write that down: compactor destroyed SNAPSHOT",
        ]
    return "\n".join(lines) + "\n"


def _dates(one: Kept) -> str:
    if one.until_first == one.until_last:
        return moment(one.until_last)
    return f"{moment(one.until_first)} to {moment(one.until_last)}"
