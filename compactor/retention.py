"""Legal holds and longer retentions of what is archived.

In:  manifests (what was archived), the archive (what is locked now), what is asked. Out: an `Act`.
IO:  one HEAD a version; with `apply` a request for each that is to change, a HEAD that reads it
     back, and one record in the archive.

* Nothing is changed unless `apply` is set; what would be changed is found the same way.
* A retention is never shortened and a mode never weakened: where a version is held longer than
  asked, the whole act is refused before the first change.
* A version that cannot be looked at or changed is named, and the others go on. Doing the same again
  finds what is left to do.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html (read 2026-11-21)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from . import prices
from .acts import Act, ActStatus, Failure, Touched
from .archive import retain_until
from .config import Config
from .errors import CompactorError, ConfigError
from .holdings import Selection, Snapshot, SnapshotKey, version_name
from .model import Check, StoredObject, utc_text
from .quantities import parse_retain
from .store.interface import LockMode, Object, Retention
from .vault import (
    Clock,
    Looked,
    Seen,
    Vault,
    failure,
    in_threads,
    look_at_all,
    open_vault,
    recorded,
)

Period = tuple[int, Literal["d", "mo", "y"]]

_MONTH_S = 365.25 * 86_400 / 12
_READ_BACK = "asked for; read back for this version from the archive"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What is asked of each version, and how it is done."""

    kind: Literal["hold_add", "hold_remove", "extend"]
    asked: str
    is_so: Callable[[Snapshot, Object], bool]
    do: Callable[[Snapshot, Object], Object]
    check: Callable[[Snapshot, StoredObject, Object], Check]
    until: Callable[[Snapshot], datetime | None] = lambda _: None


def hold(
    config: Config,
    selection: Selection,
    *,
    on: bool,
    reason: str = "",
    apply: bool = False,
    clock: Clock,
) -> Act:
    """Put legal holds on the selected versions, or take them off; the retention stays.

    Raises: ConfigError, StoreError before anything is changed; afterwards failures are in the act.
    """
    vault = open_vault(config, selection, clock)
    status = "ON" if on else "OFF"

    def check(_: Snapshot, item: StoredObject, found: Object) -> Check:
        actual = "ON" if found.legal_hold else "OFF"
        return Check(
            name="legal_hold",
            subject=version_name(item),
            expected=status,
            actual=actual,
            status="pass" if actual == status else "fail",
            source=_READ_BACK,
        )

    change = _Change(
        kind="hold_add" if on else "hold_remove",
        asked=f"legal hold {status}",
        is_so=lambda _, found: found.legal_hold == on,
        do=lambda _, found: vault.store.hold(found.key, found.version_id or "", on=on),
        check=check,
    )
    return _act(vault, change, look_at_all(vault), reason, apply=apply, clock=clock)


def extend(
    config: Config,
    selection: Selection,
    *,
    to: datetime | Period,
    reason: str = "",
    apply: bool = False,
    clock: Clock,
) -> Act:
    """Lock the selected versions for longer: until a moment, or by a period.

    A period counts from the date that the run locked a snapshot for, as its manifest says: doing
    the same again changes nothing. The mode of each version stays what it is.

    Raises: ConfigError if a version is held longer already, if the date is over, or further away
            than `archive.max_retain`; StoreError before anything is changed.
    """
    vault = open_vault(config, selection, clock)
    targets = {one.key: _target(one, to) for one in vault.snapshots}
    _refuse_dates(vault, list(targets.values()))
    looked = look_at_all(vault)
    _refuse_shorter(looked, targets)

    def mode(found: Object) -> LockMode:
        """A version that lost its lock gets the configured mode; the others keep their own."""
        if found.lock_mode == "GOVERNANCE":
            return "GOVERNANCE"
        return "COMPLIANCE" if found.lock_mode == "COMPLIANCE" else vault.config.mode

    def check(one: Snapshot, item: StoredObject, found: Object) -> Check:
        wanted = item.lock_mode or vault.config.mode
        expected = f"{wanted} until {utc_text(targets[one.key])}"
        is_kept = found.lock_mode in (wanted, "COMPLIANCE")
        is_long = found.retain_until is not None and found.retain_until >= targets[one.key]
        return Check(
            name="lock",
            subject=version_name(item),
            expected=expected,
            actual=f"{found.lock_mode} until {utc_text(found.retain_until)}",
            status="pass" if is_kept and is_long else "fail",
            source=_READ_BACK,
        )

    change = _Change(
        kind="extend",
        asked=f"retention until {utc_text(to)}"
        if isinstance(to, datetime)
        else f"{to[0]}{to[1]} longer than the run locked it for",
        is_so=lambda one, found: (
            found.retain_until is not None and found.retain_until >= targets[one.key]
        ),
        do=lambda one, found: vault.store.lock(
            found.key,
            found.version_id or "",
            Retention(mode=mode(found), until=targets[one.key]),
        ),
        check=check,
        until=lambda one: targets[one.key],
    )
    act = _act(vault, change, looked, reason, apply=apply, clock=clock)
    return act.model_copy(update={"cost_usd": _extra_usd(looked, targets)})


def _target(one: Snapshot, to: datetime | Period) -> datetime:
    if isinstance(to, datetime):
        return to
    dates = [item.retain_until for item in one.versions if item.retain_until is not None]
    if not dates:
        raise ConfigError(
            f"the manifest gives no date for {one.name} of {utc_text(one.moment)}, so no period "
            "can be added to it",
            hint="give a date with --until",
        )
    return retain_until(max(dates), to)


def _refuse_dates(vault: Vault, targets: Sequence[datetime]) -> None:
    limit = retain_until(vault.now, parse_retain(vault.config.max_retain))
    for target in targets:
        if target <= vault.now:
            raise ConfigError(
                f"{utc_text(target)} is over: a retention can only end later than now",
                hint="choose a later date",
            )
        if target > limit:
            raise ConfigError(
                f"{utc_text(target)} lies beyond {utc_text(limit)}, which is archive.max_retain "
                f"({vault.config.max_retain}) from now; nothing was changed",
                hint="choose an earlier date, or raise archive.max_retain if this is meant",
            )


def _refuse_shorter(looked: Looked, targets: Mapping[SnapshotKey, datetime]) -> None:
    later = [
        (seen.found.retain_until, one, seen.item)
        for one, found in looked
        for seen in found
        if seen.found is not None
        and seen.found.retain_until is not None
        and seen.found.retain_until > targets[one.key]
    ]
    if later:
        until, one, item = max(later, key=lambda each: each[0])
        total = sum(len(found) for _, found in looked)
        raise ConfigError(
            f"a retention is never shortened: {len(later)} of {total} versions are held longer "
            f"than {utc_text(targets[one.key])}, {version_name(item)} until {utc_text(until)}; "
            "nothing was changed",
            hint="choose a later date, or leave these out with --table and --snapshot",
        )


def _extra_usd(looked: Looked, targets: Mapping[SnapshotKey, datetime]) -> float | None:
    """Return bytes x additional time x price."""
    total = 0.0
    for one, found in looked:
        for seen in found:
            if seen.found is None:
                continue
            now = seen.found.retain_until or one.moment
            kind = seen.found.storage_class or "STANDARD"
            month = prices.storage_usd_month(seen.found.size_bytes, 1, kind)
            if month is None:
                return None
            total += month * max(0.0, (targets[one.key] - now).total_seconds()) / _MONTH_S
    return round(total, 6)


def _act(
    vault: Vault,
    change: _Change,
    looked: Looked,
    reason: str,
    *,
    apply: bool,
    clock: Clock,
) -> Act:
    """Change what is not as asked, read everything back, and write the record."""
    touched, checks, errors, subject = [], list[Check](), list[Failure](), list[StoredObject]()
    for one, before in looked:
        done = _apply(change, one, before) if apply else before
        touched.append(_touched(change, one, before, done, apply=apply))
        for seen in done:
            if seen.is_gone:
                checks.append(_gone(seen.item, vault.now))
            elif seen.error is not None:
                errors.append(failure(seen))
            elif apply and seen.found is not None:
                subject.append(seen.item)
                checks.append(change.check(one, seen.item, seen.found))
    to_change = sum(one.to_change for one in touched)
    status: ActStatus = "planned" if to_change else "nothing_to_do"
    if apply and to_change:
        status = "done"
    if errors or any(check.status == "fail" for check in checks):
        status = "failed"
    act = Act(
        kind=change.kind,
        status=status,
        at=clock(),
        archive=vault.store.url,
        asked=change.asked,
        reason=reason,
        snapshots=tuple(touched),
        checks=tuple(checks),
        errors=tuple(errors),
    )
    return recorded(vault, act, subject) if apply and subject else act


def _apply(change: _Change, one: Snapshot, before: Sequence[Seen]) -> list[Seen]:
    """Change the versions that are not as asked; each is read back by the store."""
    by_version = {version_name(seen.item): seen for seen in before}

    def work(item: StoredObject) -> Seen:
        seen = by_version[version_name(item)]
        if seen.found is None or change.is_so(one, seen.found):
            return seen
        try:
            return Seen(item=item, found=change.do(one, seen.found))
        except CompactorError as error:
            return Seen(item=item, error=error)

    return in_threads(work, [seen.item for seen in before])


def _touched(
    change: _Change, one: Snapshot, before: Sequence[Seen], done: Sequence[Seen], *, apply: bool
) -> Touched:
    there = [seen.found for seen in before if seen.found is not None]
    to_change = sum(1 for found in there if not change.is_so(one, found))
    as_asked = sum(1 for seen in done if seen.found is not None and change.is_so(one, seen.found))
    return Touched(
        database=one.database,
        table=one.table,
        snapshot=one.moment,
        run_id=one.run_id,
        versions=len(before),
        bytes=sum(seen.item.size_bytes for seen in before),
        to_change=to_change,
        changed=as_asked - (len(there) - to_change) if apply else 0,
        already=len(there) - to_change,
        failed=len(before) - (as_asked if apply else len(there)),
        until=max((found.retain_until for found in there if found.retain_until), default=None),
        asked_until=change.until(one),
    )


def _gone(item: StoredObject, now: datetime) -> Check:
    """A version that is gone is a failure, unless its recorded retention is over."""
    is_over = item.retain_until is not None and item.retain_until <= now
    over = " and is over: write it down with `compactor destroyed`" if is_over else ""
    return Check(
        name="present",
        subject=version_name(item),
        expected="there",
        actual=f"gone; its retention ran until {utc_text(item.retain_until)}{over}",
        status="not_verified" if is_over else "fail",
        source="the run's manifest; HEAD of this version in the archive",
    )
