"""What an audit found. Values only; they are the `--json` of `compactor audit`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import field_serializer

from ..model import Check, Finding, Model, utc_text
from ..stored import Snapshot

AuditStatus = Literal["passed", "failed", "not_verified"]
EVIDENCE_CHECKS = frozenset({"chain", "signature"})


class Links(Model):
    """The chain, as far as it could be read."""

    count: int
    last: int | None = None
    """Number of the last link; None where there is none."""
    sha256: str | None = None
    """Of its envelope. Remember `last:sha256`, and give it to the next audit with `--head`."""
    signed_at: datetime | None = None

    @field_serializer("signed_at")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class Coverage(Model):
    """Whose bytes were read back, and when."""

    sample: str | None
    """None: everything was to be read."""
    objects: int
    bytes: int
    """What the chain names."""
    due_objects: int
    """What this audit had to read."""
    read_objects: int
    read_bytes: int
    """What it has read; the rest of what was due had been read before it was interrupted."""
    covered_objects: int
    covered_bytes: int
    """Read at any time and found good, by this audit or by those in the coverage file."""
    oldest_read_at: datetime | None = None
    newest_read_at: datetime | None = None
    statement: str

    @field_serializer("oldest_read_at", "newest_read_at")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class Audit(Model):
    status: AuditStatus
    exit_code: int
    audited_at: datetime
    place: str
    """URL of the archive, or of the lake where there is none."""
    is_archive: bool
    objects: int
    bytes: int
    links: Links
    checks: tuple[Check, ...]
    """One of each kind with counts, then one for each object (or link, or table) that differs."""
    findings: tuple[Finding, ...] = ()
    coverage: Coverage | None = None
    snapshots: tuple[Snapshot, ...] = ()
    """What the links say was stored, and until when it was locked then; the oldest first."""

    @field_serializer("audited_at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)
