"""Hold what a link says of an object against what the store says of it. Pure: no IO, no clock.

In:  `Named` objects of links, the policy of the configuration, descriptions (HEAD) of versions.
Out: verdicts, counted by kind; one `Check` for each that is no pass.

A lock must be at least what was promised: by the link, which is signed, and by the configuration.
Stronger and longer is fine. What may not be looked at is `not_verified`, never a pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ..archive import UNKNOWN_DIGEST, retain_until
from ..config import ArchiveConfig
from ..errors import NotFound, StoreError
from ..model import Check, CheckStatus, StoredObject, TableResult, utc_text
from ..quantities import parse_retain
from ..store.interface import Object
from .predicate import Statement
from .records import RECORDS

NO_LINK = -1
"""Of what no link names: records of later acts."""
ORIGINS = {
    "present": "what the chain names; HEAD of each version",
    "size": "what the chain names; HEAD of each version",
    "stored_sha256": "SHA-256 in the chain; digest that the store keeps of each version",
    "lock": "the longer and stronger of chain and configuration; HEAD of each version",
    "legal_hold": "chain and configuration; HEAD of each version",
    "storage_class": "configuration; HEAD of each version",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One version, as the chain names it."""

    key: str
    version_id: str | None
    size_bytes: int | None
    sha256: str | None
    """None where nothing signed says it (time stamps)."""
    lock_mode: str | None
    retain_until: datetime | None
    legal_hold: bool
    rows: int | None
    link: int
    snapshot: datetime | None
    part: int | None
    """The partition that it belongs to; None if it is no data."""

    @property
    def name(self) -> str:
        return f"{self.key}@{self.version_id}" if self.version_id else self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One partition of one table, as a link names it."""

    part: int
    name: str
    rows: int
    fingerprint: str
    engine: str
    """Which computed the fingerprint."""
    columns: tuple[tuple[str, str], ...]
    """(name, DuckDB type), in the order in which rows were hashed."""
    objects: tuple[Named, ...]


class Verdict(NamedTuple):
    name: str
    status: CheckStatus
    expected: str | None
    actual: str | None


# --- what a link names ----------------------------------------------------------------------------


def named_parts(said: Statement, *, is_archive: bool, first: int) -> Iterator[Part]:
    """Yield the partitions of a link; their numbers go on from `first`."""
    digests = {subject.name: subject.digest.get("sha256") for subject in said.subject}
    number = first
    for table in said.predicate.tables:
        columns = tuple((column.name, column.type) for column in table.columns)
        for partition in table.partitions:
            stored = partition.archived if is_archive else partition.objects
            yield Part(
                part=number,
                name=f"{table.database} {table.table} {utc_text(table.snapshot)}"
                + (f" dt={partition.value}" if partition.value else ""),
                rows=partition.rows,
                fingerprint=partition.fingerprint,
                engine=table.engine,
                columns=columns,
                objects=tuple(_named(item, said, table, digests, part=number) for item in stored),
            )
            number += 1


def named_others(said: Statement, *, is_archive: bool) -> Iterator[Named]:
    """Yield the sidecars of a link, and its source listing."""
    digests = {subject.name: subject.digest.get("sha256") for subject in said.subject}
    if is_archive:
        for table in said.predicate.tables:
            for item in table.control:
                yield _named(item, said, table, digests, part=None)
    if said.predicate.kind != "run":
        yield from _of_act(said, digests)
    listing = said.predicate.source_listing
    if listing is not None:
        yield Named(
            key=listing.key,
            version_id=listing.version_id,
            size_bytes=listing.size_bytes,
            sha256=listing.sha256,
            lock_mode=None,
            retain_until=longest(said),
            legal_hold=False,
            rows=None,
            link=said.predicate.number,
            snapshot=None,
            part=None,
        )


def _of_act(said: Statement, digests: dict[str, str | None]) -> Iterator[Named]:
    """Yield what a later act says: its record, and of a hold the versions that it is about."""
    for name, sha256 in digests.items():
        key, _, version_id = name.rpartition("@")
        is_record = key.startswith(RECORDS)
        if not is_record and said.predicate.kind != "hold":
            continue
        yield Named(
            key=key,
            version_id=version_id,
            size_bytes=None,
            sha256=sha256,
            lock_mode=None,
            retain_until=None,
            legal_hold=said.predicate.legal_hold is True and not is_record,
            rows=None,
            link=said.predicate.number,
            snapshot=None,
            part=None,
        )


def destroyed(said: Statement) -> list[str]:
    """Return the versions (`key@version`) whose destruction a link records, each after its time."""
    if said.predicate.kind != "destruction":
        return []
    if any(check.status == "fail" for check in said.predicate.checks):
        return []  # before their locks had ended: that stays a fault
    names = (subject.name for subject in said.subject)
    return [name for name in names if not name.startswith(RECORDS)]


def longest(said: Statement) -> datetime | None:
    """Return until when evidence must be kept: as long as what it is about."""
    ends = [
        item.retain_until
        for table in said.predicate.tables
        for item in (*table.control, *(one for p in table.partitions for one in p.archived))
        if item.retain_until is not None
    ]
    return max(ends, default=None)


def _named(
    item: StoredObject,
    said: Statement,
    table: TableResult,
    digests: dict[str, str | None],
    *,
    part: int | None,
) -> Named:
    name = f"{item.key}@{item.version_id}" if item.version_id else item.key
    kept = None if item.sha256 == UNKNOWN_DIGEST else item.sha256
    return Named(
        key=item.key,
        version_id=item.version_id,
        size_bytes=item.size_bytes,
        sha256=digests.get(name) or kept,
        lock_mode=item.lock_mode,
        retain_until=item.retain_until,
        legal_hold=item.legal_hold,
        rows=item.rows,
        link=said.predicate.number,
        snapshot=table.snapshot,
        part=part,
    )


def origin(item: Named) -> str:
    """Return where both sides of a verdict about a version are from."""
    named = "record of a later act" if item.link == NO_LINK else f"link {item.link}"
    return f"{named}; description of this version (HEAD)"


# --- one object -----------------------------------------------------------------------------------


def inspect(
    item: Named, found: Object | StoreError, policy: ArchiveConfig | None
) -> tuple[Verdict, ...]:
    """Compare one version; `policy` is None where nothing is locked."""
    if isinstance(found, NotFound):
        return (Verdict("present", "fail", "this version", "not there"),)
    if isinstance(found, StoreError):
        return (Verdict("present", "not_verified", "this version", found.message),)
    verdicts = [
        Verdict("present", "pass", None, None),
        *_content(item, found),
        *(_protection(item, found, policy) if policy is not None else ()),
    ]
    return tuple(verdicts)


def _content(item: Named, found: Object) -> Iterator[Verdict]:
    if item.size_bytes is not None:
        yield _equal("size", f"{item.size_bytes} bytes", f"{found.size_bytes} bytes")
    if item.sha256 is None:
        return
    if found.sha256 is None:
        told = "the store keeps no digest; --deep reads the bytes"
        yield Verdict("stored_sha256", "not_verified", item.sha256, told)
    else:
        yield _equal("stored_sha256", item.sha256, found.sha256)


def _protection(item: Named, found: Object, policy: ArchiveConfig) -> Iterator[Verdict]:
    modes = (item.lock_mode, policy.mode)
    mode = "COMPLIANCE" if "COMPLIANCE" in modes else "GOVERNANCE"
    ends = [item.retain_until] if item.retain_until else []
    if item.snapshot is not None:
        ends.append(retain_until(item.snapshot, parse_retain(policy.retain)))
    until = max(ends, default=None)
    is_kept = found.lock_mode in (mode, "COMPLIANCE") and (
        until is None or (found.retain_until is not None and found.retain_until >= until)
    )
    yield Verdict(
        "lock",
        "pass" if is_kept else "fail",
        lock_text(mode, until),
        lock_text(found.lock_mode, found.retain_until),
    )
    wants_hold = item.legal_hold or policy.legal_hold
    yield Verdict(
        "legal_hold",
        "pass" if found.legal_hold or not wants_hold else "fail",
        "on" if wants_hold else "off",
        "on" if found.legal_hold else "off",
    )
    if item.snapshot is not None:  # evidence stays where it can be read at once
        yield _equal("storage_class", policy.storage_class, found.storage_class or "STANDARD")


def lock_text(mode: str | None, until: datetime | None) -> str:
    if mode is None:
        return "no lock"
    return f"{mode} until {utc_text(until)}" if until else mode


def _equal(name: str, expected: str, actual: str) -> Verdict:
    return Verdict(name, "pass" if expected == actual else "fail", expected, actual)


# --- many -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Tally:
    """Verdicts by kind: how many, and each that is no pass."""

    counts: dict[str, dict[CheckStatus, int]] = field(default_factory=dict)
    told: list[Check] = field(default_factory=list)

    def add(self, verdict: Verdict, subject: str, source: str) -> None:
        counts = self.counts.setdefault(verdict.name, {"pass": 0, "fail": 0, "not_verified": 0})
        counts[verdict.status] += 1
        if verdict.status != "pass":
            self.told.append(
                Check(
                    name=verdict.name,
                    subject=subject,
                    expected=verdict.expected,
                    actual=verdict.actual,
                    status=verdict.status,
                    source=source,
                )
            )

    def checks(self, name: str, noun: str, source: str) -> Iterator[Check]:
        """Yield the check of one kind with its counts, then those that are no pass."""
        counts = self.counts.get(name, {"pass": 0, "fail": 0, "not_verified": 0})
        total = sum(counts.values())
        unknown = f", {counts['not_verified']} not verified" if counts["not_verified"] else ""
        yield Check(
            name=name,
            subject=f"all {noun}",
            expected=f"{total} {noun}",
            actual=f"{counts['pass']} {noun}{unknown}",
            status=status_of(counts),
            source=source,
        )
        yield from (check for check in self.told if check.name == name)


def status_of(counts: dict[CheckStatus, int]) -> CheckStatus:
    """Return what many verdicts say together; none at all is not verified."""
    if counts["fail"]:
        return "fail"
    return "pass" if counts["pass"] and not counts["not_verified"] else "not_verified"
