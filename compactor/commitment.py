"""What a run would lock that nobody can take back, what that costs, and whether it may.

In:  a plan, the archive's configuration, which tables are locked already, the moment.
Out: a `Commitment`; `refuse` raises before anything is written. Pure: no store, no clock.

Two guards stand before the first write:

1. No lock may end later than `archive.max_retain` from now, whatever the mode.
2. A COMPLIANCE lock can be shortened by nobody, so what it will cost is accepted beforehand: by
   `run --accept-retention`, or by a ceiling in the configuration (`archive.retention_ceiling_usd`)
   that the estimate does not exceed. A ceiling holds for what is really written, too: `Allowance`.

Cost = bytes x retention x list price of the storage class (`prices.py`). It is the most that is
expected: tables that may turn out to be duplicates are counted, and the retention counts in full
though it began with the snapshot. The bytes of the output are an estimate themselves.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from . import prices
from .archive import retain_until
from .config import ArchiveConfig
from .errors import ConfigError
from .model import Commitment, Plan, PlanTable, TableResult, utc_text
from .quantities import parse_retain, retain_months

_ASK = "--accept-retention"


def commitment(
    plan: Plan, archive: ArchiveConfig, locked: Collection[str], now: datetime
) -> Commitment:
    """Return what a run of this plan would newly lock; `locked` are tasks that are locked here."""
    new = [t for t in plan.tables if t.action != "done" and t.task_id not in locked]
    period = parse_retain(archive.retain)
    files = sum(max(1, table.estimated_output_files) for table in new)
    size = sum(table.estimated_output_bytes for table in new)
    months = retain_months(period)
    found = Commitment(
        mode=archive.mode,
        tables=len(new),
        files=files,
        bytes=size,
        months=round(months, 3),
        until=max((retain_until(table.snapshot, period) for table in new), default=None),
        storage_class=archive.storage_class,
        usd_gb_month=prices.STORAGE_USD.get(archive.storage_class),
        usd=_usd(size, files, archive),
        ceiling_usd=archive.retention_ceiling_usd,
        prices=prices.SHORT_SOURCE,
    )
    return found.model_copy(
        update={
            "too_long": _too_long(new, archive, now),
            "to_accept": "" if not new else _to_accept(found),
        }
    )


def _usd(size_bytes: int, files: int, archive: ArchiveConfig) -> float | None:
    month = prices.storage_usd_month(size_bytes, files, archive.storage_class)
    return None if month is None else round(month * retain_months(parse_retain(archive.retain)), 6)


def _too_long(tables: Collection[PlanTable], archive: ArchiveConfig, now: datetime) -> str:
    """Say which lock would end later than any may; empty if none."""
    limit = retain_until(now, parse_retain(archive.max_retain))
    period = parse_retain(archive.retain)
    late = [table for table in tables if retain_until(table.snapshot, period) > limit]
    if not late:
        return ""
    worst = max(late, key=lambda table: table.snapshot)
    return (
        f"{len(late)} tables would be locked beyond {utc_text(limit)}, which is archive.max_retain "
        f"({archive.max_retain}) from now: {worst.database}.{worst.table} until "
        f"{utc_text(retain_until(worst.snapshot, period))}"
    )


def _to_accept(found: Commitment) -> str:
    """Say why somebody must accept the cost; empty if nobody need."""
    if found.mode != "COMPLIANCE":
        return ""
    what = (
        f"{found.tables} tables, about {found.bytes:,} bytes, would be locked under COMPLIANCE "
        f"until {utc_text(found.until)} at the latest, and nobody can shorten or undo that; "
    )
    if found.usd is None:
        return f"{what}there is no list price here for the storage class {found.storage_class}"
    what += f"keeping them costs about ${found.usd:,.6f} at {found.prices}"
    if found.ceiling_usd <= 0:
        return f"{what}, and no ceiling is configured"
    if found.usd > found.ceiling_usd:
        return f"{what}, more than archive.retention_ceiling_usd, ${found.ceiling_usd:,.2f}"
    return ""


def refuse(found: Commitment, *, accepted: bool) -> None:
    """Raise ConfigError if a run with this commitment must not begin."""
    if found.too_long:
        raise ConfigError(
            f"nothing was written: {found.too_long}",
            hint="shorten archive.retain, or raise archive.max_retain if this is meant; a snapshot "
            "from the future is a sign of a wrong clock",
        )
    if found.to_accept and not accepted:
        raise ConfigError(
            f"nothing was written: {found.to_accept}",
            hint=f"look at `compactor plan`, then run again with {_ASK}, or set "
            "archive.retention_ceiling_usd to what a run may cost over its whole retention",
        )


class Allowance:
    """How much one run may still lock. Without a limit (accepted, or GOVERNANCE) it is anything."""

    def __init__(self, archive: ArchiveConfig, *, accepted: bool) -> None:
        is_bound = archive.mode == "COMPLIANCE" and not accepted
        self._limit_usd = archive.retention_ceiling_usd if is_bound else None
        self._archive = archive
        self._bytes = 0
        self._files = 0

    def take(self, result: TableResult, sidecar_bytes: int) -> None:
        """Count a table that is about to be locked.

        Raises: ConfigError if the run would then have locked more than the ceiling allows; the
                table is not counted.
        """
        size = self._bytes + result.output_bytes + sidecar_bytes
        files = self._files + result.output_files
        usd = _usd(size, files, self._archive)
        if self._limit_usd is not None and (usd is None or usd > self._limit_usd):
            told = "an unknown sum" if usd is None else f"${usd:,.6f}"
            raise ConfigError(
                f"{result.database}.{result.table} is verified and not locked: with it, this run "
                f"would have locked {size:,} bytes, {told} over the whole retention, more than "
                f"archive.retention_ceiling_usd, ${self._limit_usd:,.2f}",
                hint=f"run again with {_ASK}, or raise the ceiling; nothing is read twice",
            )
        self._bytes, self._files = size, files
