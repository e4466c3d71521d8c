"""The values of `hold`, `extend`, `expired` and `destroyed`, and their JSON form."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import field_serializer

from .model import Check, ManifestRef, Model, utc_text

ActKind = Literal["hold_add", "hold_remove", "extend", "destruction"]
ActStatus = Literal["planned", "done", "nothing_to_do", "failed"]
State = Literal["kept", "ending", "ended", "held", "partly_gone", "gone"]


class Failure(Model):
    """One version that could not be looked at, or changed."""

    key: str
    version_id: str | None
    message: str
    exit_code: int


class Touched(Model):
    """One snapshot of a table, and what an act does to its versions."""

    database: str
    table: str
    snapshot: datetime
    run_id: str
    versions: int
    bytes: int
    to_change: int
    """Without --apply: would be changed. With it: were to be changed."""
    changed: int = 0
    already: int = 0
    failed: int = 0
    """Gone, or refused, or not as asked when read back."""
    until: datetime | None = None
    """The latest date that was found, before the act."""
    asked_until: datetime | None = None

    @field_serializer("snapshot", "until", "asked_until")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class Act(Model):
    kind: ActKind
    status: ActStatus
    """`planned` without --apply."""
    at: datetime
    archive: str
    asked: str
    """In words."""
    reason: str = ""
    snapshots: tuple[Touched, ...] = ()
    cost_usd: float | None = None
    """Of keeping everything for the longer time; None where nothing is kept longer, or a storage
    class has no price."""
    checks: tuple[Check, ...] = ()
    """What was read back, one for each version; without --apply only what stands in the way."""
    errors: tuple[Failure, ...] = ()
    record: ManifestRef | None = None
    """The document in the archive that says this was done."""

    @field_serializer("at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)

    @property
    def exit_code(self) -> int:
        """5 where a check failed, else that of an error, else 0."""
        if any(check.status == "fail" for check in self.checks):
            return 5
        return max((error.exit_code for error in self.errors), default=0)


class Kept(Model):
    """One snapshot of a table as it lies in the archive now."""

    database: str
    table: str
    snapshot: datetime
    run_id: str
    state: State
    """`held`: the retention is over, a legal hold is not. `gone`: no version is left."""
    versions: int
    bytes: int
    gone: int
    held: int
    """Versions under a legal hold."""
    modes: tuple[str, ...]
    until_first: datetime | None
    until_last: datetime | None

    @field_serializer("snapshot", "until_first", "until_last")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class KeptList(Model):
    archive: str
    at: datetime
    horizon: datetime | None = None
    """Snapshots whose retention ends later are left out; None: none are."""
    snapshots: tuple[Kept, ...]
    errors: tuple[Failure, ...] = ()

    @field_serializer("at", "horizon")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)

    @property
    def exit_code(self) -> int:
        return max((error.exit_code for error in self.errors), default=0)
