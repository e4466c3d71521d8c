"""What has expired, what is held, and what is gone for good.

In:  manifests, the archive. Out: a `KeptList`, or the `Act` of a destruction.
IO:  reads; one record.

Nothing is ever deleted here, and there is no method to do it with: `destroyed` only looks whether
everything is gone, and writes that down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from .acts import Act, ActStatus, Failure, Kept, KeptList, State, Touched
from .archive import retain_until
from .config import Config
from .errors import ConfigError, NotFound, VerificationFailed
from .holdings import Selection, Snapshot, version_name
from .model import Check, StoredObject, utc_text
from .vault import Clock, Seen, Vault, failure, in_threads, look_at_all, open_vault, recorded

Period = tuple[int, Literal["d", "mo", "y"]]


# --- hold list, expired ---------------------------------------------------------------------------


def kept(
    config: Config,
    selection: Selection,
    *,
    within: Period | None = None,
    only_held: bool = False,
    clock: Clock,
) -> KeptList:
    """Return the selected snapshots as they lie in the archive now.

    `within`: only those whose retention is over or ends within that time. Versions that the
    manifest dates later are not asked for: no lock is ever shortened. `only_held`: only those with
    a legal hold.
    """
    vault = open_vault(config, selection, clock)
    horizon = retain_until(vault.now, within) if within else None
    if horizon is not None:
        vault = replace(
            vault, snapshots=tuple(one for one in vault.snapshots if _may_end(one, horizon))
        )
    found, errors = [], list[Failure]()
    for one, seen in look_at_all(vault):
        errors += [failure(each) for each in seen if each.error is not None and not each.is_gone]
        state = _kept(one, seen, vault.now, horizon)
        if (horizon is None or state.state != "kept") and (state.held or not only_held):
            found.append(state)
    return KeptList(
        archive=vault.store.url,
        at=vault.now,
        horizon=horizon,
        snapshots=tuple(found),
        errors=tuple(errors),
    )


def _may_end(one: Snapshot, horizon: datetime) -> bool:
    return all(item.retain_until is None or item.retain_until <= horizon for item in one.versions)


def _kept(one: Snapshot, seen: Sequence[Seen], now: datetime, horizon: datetime | None) -> Kept:
    there = [each.found for each in seen if each.found is not None]
    gone = sum(1 for each in seen if each.is_gone)
    held = sum(1 for found in there if found.legal_hold)
    dates = [found.retain_until for found in there if found.retain_until is not None]
    last = max(dates, default=None)
    return Kept(
        database=one.database,
        table=one.table,
        snapshot=one.moment,
        run_id=one.run_id,
        state=_state(len(seen), gone, held, last, (now, horizon)),
        versions=len(seen),
        bytes=sum(found.size_bytes for found in there),
        gone=gone,
        held=held,
        modes=tuple(sorted({found.lock_mode for found in there if found.lock_mode})),
        until_first=min(dates, default=None),
        until_last=last,
    )


def _state(
    versions: int,
    gone: int,
    held: int,
    until: datetime | None,
    moments: tuple[datetime, datetime | None],
) -> State:
    now, horizon = moments
    if gone:
        return "gone" if gone == versions else "partly_gone"
    if until is None or until <= now:
        return "held" if held else "ended"
    return "ending" if horizon is not None and until <= horizon else "kept"


# --- destroyed ------------------------------------------------------------------------------------


def destroyed(
    config: Config, selection: Selection, *, reason: str, apply: bool = False, clock: Clock
) -> Act:
    """Write down that the selected snapshots are gone, once every version of every key is.

    Raises: VerificationFailed if a version is still there, or cannot be looked at: then nothing is
            written. ConfigError, StoreError.
    """
    vault = open_vault(config, selection, clock)
    items = [item for one in vault.snapshots for item in one.versions]
    if not items:
        raise ConfigError(
            "a destruction of all that was selected is recorded already",
            hint="see _evidence/records/ in the archive",
        )
    left = _left(vault, items)
    if left:
        raise VerificationFailed(
            f"{len(left)} of {len(items)} versions are not gone, so no destruction is recorded; "
            f"the first: {left[0]}",
            hint="compactor deletes nothing. Once their retention and legal holds are over, remove "
            "these versions (a lifecycle rule for noncurrent versions and markers does), then "
            "run this again",
        )
    checks = [check for item in items for check in _destruction(item, vault.now)]
    touched = [
        Touched(
            database=one.database,
            table=one.table,
            snapshot=one.moment,
            run_id=one.run_id,
            versions=len(one.versions),
            bytes=sum(item.size_bytes for item in one.versions),
            to_change=0,
            until=max((i.retain_until for i in one.versions if i.retain_until), default=None),
        )
        for one in vault.snapshots
    ]
    is_early = any(check.status == "fail" for check in checks)
    status: ActStatus = "done" if apply else "planned"
    act = Act(
        kind="destruction",
        # that they went before their time is written down all the same
        status="failed" if is_early else status,
        at=clock(),
        archive=vault.store.url,
        asked=f"record the destruction of {len(items)} versions",
        reason=reason,
        snapshots=tuple(touched),
        checks=tuple(checks),
    )
    return recorded(vault, act, items) if apply else act


def _left(vault: Vault, items: Sequence[StoredObject]) -> list[str]:
    """Return what is still there, or not known to be gone, in words."""

    def work(item: StoredObject) -> str:
        # the listing also shows versions that nobody recorded, HEAD those a listing leaves out
        others = vault.store.versions(item.key)
        if others:
            return f"{item.key} has {len(others)} versions, the newest {others[0]}"
        try:
            found = vault.store.stat(item.key, item.version_id)
        except NotFound:
            return ""
        return f"{version_name(item)}, locked until {utc_text(found.retain_until)}"

    return [text for text in in_threads(work, items) if text]


def _destruction(item: StoredObject, now: datetime) -> list[Check]:
    is_over = item.retain_until is not None and item.retain_until <= now
    return [
        Check(
            name="destroyed",
            subject=version_name(item),
            expected="gone",
            actual="gone",
            status="pass",
            source="HEAD of this version, and the list of the key's versions, in the archive",
        ),
        Check(
            name="retention_over",
            subject=version_name(item),
            expected=f"until {utc_text(item.retain_until)}",
            actual=f"found gone at {utc_text(now)}",
            status="pass" if is_over else "fail",
            source="the run's manifest; the clock of this machine",
        ),
    ]
