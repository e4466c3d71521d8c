"""What a run's result amounts to: each table's state, the totals, the lock, the verdict.

Pure: `RunResult` in, small values out; the page and the terminal text say the same because both
read them here. Two rules: "not verified" is never `good`, and no checks at all is "not verified".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..model import RunResult, StoredObject, TableResult
from .words import moment, name, plural

Tone = Literal["good", "warn", "bad", "idle"]
State = Literal["failed", "unverified", "done", "covered"]

STATE_TONE: dict[State, Tone] = {
    "failed": "bad",
    "unverified": "warn",
    "done": "good",
    "covered": "idle",
}
STATE_ORDER: dict[State, int] = {"failed": 0, "unverified": 1, "done": 2, "covered": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What was read back from the archive, over all archived versions."""

    objects: int
    """Versions in the archive, the export's sidecars included."""
    locked: int
    missing: int
    """Written objects of good tables that have no copy in the archive."""
    modes: tuple[str, ...]
    earliest: datetime | None
    latest: datetime | None
    legal_holds: int

    @property
    def is_complete(self) -> bool:
        return self.objects > 0 and self.locked == self.objects and self.missing == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over all tables but the failed ones, which count by themselves."""

    tables: int
    states: dict[State, int]
    source_files: int
    source_bytes: int
    source_rows: int
    output_files: int
    output_bytes: int
    output_rows: int
    duplicate_tables: int
    duplicate_files: int
    duplicate_bytes: int
    duplicate_rows: int
    failed_files: int
    failed_rows: int
    checks: int
    failed_checks: int
    unverified_checks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    tone: Tone
    title: str
    reasons: tuple[str, ...]


def covering(result: RunResult) -> dict[str, TableResult]:
    """Return the tables of this result that cover others, by export and name of the covered one."""
    return {
        f"{table.export_id}\0{child}": table for table in result.tables for child in table.covers
    }


def state_of(table: TableResult, keepers: Mapping[str, TableResult]) -> State:
    """Return the state of a table: the worst of what its status, its checks and its keeper say."""
    statuses = {check.status for check in table.checks}
    if table.status == "failed" or "fail" in statuses:
        return "failed"
    if table.status == "covered":
        keeper = keepers.get(f"{table.export_id}\0{table.table}")
        if keeper is not None and keeper is not table and state_of(keeper, {}) == "failed":
            return "failed"
        return "covered" if table.covered_by and "not_verified" not in statuses else "unverified"
    return "done" if statuses == {"pass"} else "unverified"


def state_label(table: TableResult, state: State) -> str:
    """Return the state in words."""
    match state:
        case "failed":
            return "Failed"
        case "unverified":
            known = any(check.status == "pass" for check in table.checks)
            return "Done, partly verified" if known else "Not verified"
        case "covered":
            return "Duplicate"
        case "done":
            return "Done" if table.status == "done" else "Done by an earlier run"


def states(result: RunResult) -> list[State]:
    """Return the state of each table, in the order of the result."""
    keepers = covering(result)
    return [state_of(table, keepers) for table in result.tables]


def stored(table: TableResult) -> Iterator[StoredObject]:
    """Yield every object of a table that lies in the archive."""
    for partition in table.partitions:
        yield from partition.archived
    yield from table.control


def lock_of(result: RunResult) -> Lock | None:
    """Return what is known about the lock; None where no archive was configured."""
    if result.archive is None:
        return None
    kept = {(item.key, item.version_id): item for table in result.tables for item in stored(table)}
    locked = [item for item in kept.values() if item.retain_until or item.legal_hold]
    until = sorted(item.retain_until for item in kept.values() if item.retain_until)
    missing = sum(
        max(len(partition.objects) - len(partition.archived), 0)
        for table in result.tables
        if table.status in ("done", "adopted")
        for partition in table.partitions
    )
    return Lock(
        objects=len(kept),
        locked=len(locked),
        missing=missing,
        modes=tuple(sorted({item.lock_mode for item in locked if item.lock_mode})),
        earliest=until[0] if until else None,
        latest=until[-1] if until else None,
        legal_holds=sum(item.legal_hold for item in kept.values()),
    )


def evidence_text(result: RunResult) -> str:
    """Return who vouches for the run, in one line."""
    link = result.evidence
    if link is None:
        return "not signed: no link of the chain of evidence is about this run yet"
    stamped = {None: "", "pass": ", time-stamped"}.get(link.timestamp, ", WITHOUT a time stamp")
    return f"link {link.number} of {link.url}, signed by key {link.keyid}{stamped}"


def lock_text(lock: Lock | None) -> str:
    """Return the lock in one line."""
    if lock is None:
        return "no archive configured: nothing is locked"
    if lock.objects == 0:
        return "nothing was archived by this run"
    if lock.locked == 0:
        return f"NOT locked: {plural(lock.objects, 'archived version')} without a lock"
    until = moment(lock.earliest) if lock.earliest else "the legal hold is lifted"
    if lock.earliest != lock.latest:
        until = f"{until} at the earliest, {moment(lock.latest)} at the latest"
    mode = "/".join(name(mode, 40) for mode in lock.modes)
    some = "" if lock.locked == lock.objects else f"{lock.locked:,} of "
    versions = f"{some}{plural(lock.objects, 'version')}"
    text = f"{versions} locked{f' ({mode})' if mode else ''} until {until}"
    if lock.legal_holds:
        text += f", {plural(lock.legal_holds, 'legal hold')}"
    return text


def totals(result: RunResult) -> Totals:
    """Return the sums over all tables."""
    found = states(result)
    pairs = list(zip(result.tables, found, strict=True))
    failed = [table for table, state in pairs if state == "failed"]
    good = [table for table, state in pairs if state != "failed"]
    taken = [table for table in good if table.status != "covered"]
    covered = [table for table in good if table.status == "covered"]
    statuses = [check.status for table in result.tables for check in table.checks]
    return Totals(
        tables=len(result.tables),
        states={state: found.count(state) for state in STATE_ORDER},
        source_files=sum(table.source_files for table in good),
        source_bytes=sum(table.source_bytes for table in good),
        source_rows=sum(table.source_rows for table in taken),
        output_files=sum(table.output_files for table in taken),
        output_bytes=sum(table.output_bytes for table in taken),
        output_rows=sum(table.output_rows for table in taken),
        duplicate_tables=len(covered),
        duplicate_files=sum(table.source_files for table in covered),
        duplicate_bytes=sum(table.source_bytes for table in covered),
        duplicate_rows=sum(table.source_rows for table in covered),
        failed_files=sum(table.source_files for table in failed),
        failed_rows=sum(table.source_rows for table in failed),
        checks=len(statuses),
        failed_checks=statuses.count("fail"),
        unverified_checks=statuses.count("not_verified"),
    )


def verdict(result: RunResult) -> Verdict:
    """Return what a reader must know first."""
    sums, lock = totals(result), lock_of(result)
    problems, doubts = _problems(result, sums, lock), _doubts(result, sums)
    reasons = tuple(problems + doubts)
    if result.status == "failed" or sums.states["failed"]:
        return Verdict(tone="bad", title="Failed", reasons=reasons)
    idle = result.status == "nothing_to_do"
    if problems:
        title = "Nothing to do, but problems remain" if idle else "Done, with problems"
        return Verdict(tone="warn", title=title, reasons=reasons)
    if idle:
        done = "Every table of the source is already in the lake, as earlier manifests name it."
        return Verdict(tone="idle", title="Nothing to do", reasons=(done, *reasons))
    if doubts:
        return Verdict(tone="warn", title="Done, not fully verified", reasons=reasons)
    proof = f"All {plural(sums.checks, 'check')} of {plural(sums.tables, 'table')} passed."
    return Verdict(tone="good", title="Done and verified", reasons=(proof,))


def _problems(result: RunResult, sums: Totals, lock: Lock | None) -> list[str]:
    reasons = []
    if sums.states["failed"]:
        reasons.append(
            f"{sums.states['failed']:,} of {plural(sums.tables, 'table')} failed "
            f"({plural(sums.failed_checks, 'failed check')}); a failed table is not archived."
        )
    elif result.status == "failed":
        reasons.append("The run failed; see the findings.")
    errors = sum(finding.severity == "error" for finding in result.findings)
    if errors:
        reasons.append(f"{plural(errors, 'finding')} of severity error.")
    if lock is not None and lock.objects > lock.locked:
        reasons.append(f"{plural(lock.objects - lock.locked, 'archived version')} without a lock.")
    if lock is not None and lock.missing:
        reasons.append(f"{plural(lock.missing, 'written object')} not in the archive.")
    return reasons


def _doubts(result: RunResult, sums: Totals) -> list[str]:
    reasons = []
    if sums.unverified_checks:
        names = sorted(
            {
                check.name
                for table in result.tables
                for check in table.checks
                if check.status == "not_verified"
            }
        )
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        reasons.append(
            f"{plural(sums.unverified_checks, 'check')} could not be made: "
            f"{', '.join(name(item, 60) for item in names[:5])}{more}. "
            f"{'All others passed.' if not sums.failed_checks else ''}".strip()
        )
    bare = sum(not table.checks for table in result.tables if table.status in ("done", "adopted"))
    if bare:
        reasons.append(f"{plural(bare, 'table')} without any check.")
    loose = sums.states["unverified"]
    if loose and not reasons:
        reasons.append(
            f"{plural(loose, 'table')} called a duplicate without saying of which table."
        )
    if result.evidence and result.evidence.timestamp not in (None, "pass"):
        reasons.append(f"Link {result.evidence.number} of the evidence has no time stamp.")
    if result.status == "done" and not result.tables:
        reasons.append("No table was compacted.")
    return reasons
