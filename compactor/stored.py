"""What is stored of each snapshot: tables, rows, bytes, versions, ends of locks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from pydantic import field_serializer

from .model import Model, StoredObject, TableResult, utc_text


class Snapshot(Model):
    """Everything stored of one snapshot, or of all snapshots of a month or year."""

    label: str
    at: datetime
    """The first moment, where it stands for several."""
    snapshots: int
    tables: int
    rows: int
    source_bytes: int
    stored_bytes: int
    objects: int
    """Versions in the archive."""
    locked: int
    earliest: datetime | None
    """When the first lock ends, as it was read back when the objects were stored."""
    latest: datetime | None

    @field_serializer("at", "earliest", "latest")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


def by_snapshot(tables: Iterable[TableResult]) -> tuple[Snapshot, ...]:
    """Return what good tables stored, by the moment that each describes, the oldest first."""
    grouped: dict[datetime, list[TableResult]] = {}
    for table in tables:
        if table.status in ("done", "adopted"):
            grouped.setdefault(table.snapshot.astimezone(UTC), []).append(table)
    return tuple(_snapshot(at, grouped[at]) for at in sorted(grouped))


def _snapshot(at: datetime, tables: Sequence[TableResult]) -> Snapshot:
    # a snapshot may name objects of an earlier one, and two tables the same object
    kept: dict[tuple[str, str | None], StoredObject] = {
        (item.key, item.version_id): item
        for table in tables
        for partition in table.partitions
        for item in partition.archived
    }
    kept |= {(item.key, item.version_id): item for table in tables for item in table.control}
    until = sorted(item.retain_until for item in kept.values() if item.retain_until)
    return Snapshot(
        label=at.strftime("%Y-%m-%d %H:%M"),
        at=at,
        snapshots=1,
        tables=len(tables),
        rows=sum(table.output_rows for table in tables),
        source_bytes=sum(table.source_bytes for table in tables),
        stored_bytes=sum(table.output_bytes for table in tables),
        objects=len(kept),
        locked=sum(bool(item.retain_until or item.legal_hold) for item in kept.values()),
        earliest=until[0] if until else None,
        latest=until[-1] if until else None,
    )


def summed(label: str, found: Sequence[Snapshot]) -> Snapshot:
    """Return what several snapshots hold together."""
    return Snapshot(
        label=label,
        at=found[0].at,
        snapshots=sum(one.snapshots for one in found),
        tables=sum(one.tables for one in found),
        rows=sum(one.rows for one in found),
        source_bytes=sum(one.source_bytes for one in found),
        stored_bytes=sum(one.stored_bytes for one in found),
        objects=sum(one.objects for one in found),
        locked=sum(one.locked for one in found),
        earliest=min((one.earliest for one in found if one.earliest), default=None),
        latest=max((one.latest for one in found if one.latest), default=None),
    )


def collect(found: dict[datetime, Snapshot], tables: Iterable[TableResult]) -> None:
    """Add what tables stored to `found`: a moment is one snapshot, however often it is told of."""
    for one in by_snapshot(tables):
        before = found.get(one.at)
        both = summed(one.label, [before, one]) if before else one
        found[one.at] = both.model_copy(update={"snapshots": 1})
