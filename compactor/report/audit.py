"""Plain text of an audit: the verdict, what was checked, what is not as it should be, coverage.

Like `terminal.py`: no colours, no control characters; names and messages pass through `words`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..evidence.audited import Audit, AuditStatus
from ..model import Check, CheckStatus
from . import words
from .terminal import check_lines, finding_lines, labelled, listing, more
from .words import count, moment, name, plural, size

_TITLES: dict[AuditStatus, str] = {
    "passed": "AUDIT PASSED",
    "failed": "AUDIT FAILED",
    "not_verified": "NOT VERIFIED",
}
_WORDS: dict[CheckStatus, str] = {"fail": "FAIL", "not_verified": "not verified", "pass": "pass"}
_PER_KIND = 20
"""Objects that are told of one kind; the JSON has all."""


def audit_text(found: Audit) -> str:
    """Return the verdict and everything it rests on."""
    kinds = _kinds(found.checks)
    lines = [_TITLES[found.status], *labelled(_numbers(found))]
    columns: list[tuple[str, Callable[[Check], str]]] = [
        ("check", lambda check: name(check.name)),
        ("of", lambda check: name(check.subject, 60)),
        ("expected", lambda check: _short(check.expected)),
        ("found", lambda check: _short(check.actual)),
        ("result", lambda check: _WORDS[check.status]),
    ]
    lines += listing("CHECKS", [first for first, _ in kinds], columns, "check")
    for first, rest in kinds:
        if rest:
            lines += ["", f"{name(first.name)}: {_WORDS[first.status]}"]
        for check in rest[:_PER_KIND]:
            lines += check_lines(check)
        lines += more(len(rest) - _PER_KIND, "like it, all in --json", "    ")
    lines += finding_lines(found.findings)
    return "\n".join(lines) + "\n"


def _kinds(checks: Sequence[Check]) -> list[tuple[Check, list[Check]]]:
    """Return the first check of each kind, which counts, and those that are no pass."""
    found: dict[str, tuple[Check, list[Check]]] = {}
    for check in checks:
        if check.name not in found:
            # a schedule has no counting check: each table has its own
            found[check.name] = (check, [check] if _is_told(check) else [])
        elif check.status != "pass":
            found[check.name][1].append(check)
    return list(found.values())


def _is_told(check: Check) -> bool:
    return check.name == "schedule" and check.status != "pass"


def _short(text: str | None) -> str:
    return "-" if text is None else words.visible(text, 60)


def _numbers(found: Audit) -> list[tuple[str, str]]:
    where = "archive" if found.is_archive else "lake"
    links = found.links
    pairs = [
        (where, name(found.place, 300)),
        ("audited", moment(found.audited_at)),
        ("versions", f"{count(found.objects)} named by the chain, {size(found.bytes)}"),
        ("links", plural(links.count, "link")),
    ]
    if links.last is not None:
        pairs.append(("last link", f"{links.last}, signed {moment(links.signed_at)}"))
        pairs.append(("remember", f"--head {links.last}:{links.sha256}"))
    if found.coverage is not None:
        pairs.append(("read back", found.coverage.statement))
    return pairs
