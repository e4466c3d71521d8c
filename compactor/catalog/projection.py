"""Partition projection: Athena works out the partitions instead of asking for them. Pure.

In:  an `ExternalTable`. Out: its table properties, or why projection cannot be.

`snapshot` is an enum of the complete snapshots, `dt` a range from the first day that has rows to
the last, so the properties change with every snapshot. Rows without a date lie in a folder that no
range of dates can name: Athena does not see them, and says nothing.

https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
https://docs.aws.amazon.com/athena/latest/ug/partition-projection-setting-up.html (read 2026-11)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ..model import HIVE_NULL
from .layout import DAY_KEY, SNAPSHOT_KEY, CatalogPartition, ExternalTable

DAY_FORMAT = "yyyy-MM-dd"
"""Java's DateTimeFormatter."""
ONLY_ATHENA = (
    "only Athena projects partitions: Redshift Spectrum, EMR and Spark find these tables empty; a "
    "snapshot is not seen before the DDL is printed and run anew"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNITS = {"day": "DAYS", "month": "MONTHS", "year": "YEARS"}
MOST_VALUE_BYTES = 512_000
"""Of one table property, in Glue: https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html"""
ADVISED_VALUES = 48
"""AWS advises "a few dozen or less" values of an enum: the whole list is read with each query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    properties: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why the partitions of a table must be registered instead."""

    reason: str


def project(external: ExternalTable) -> Projection | Refusal:
    """Return the table properties that project all dated partitions of a table.

    The days run from the first to the last that any snapshot has; see `warnings` for what is not
    in them.
    """
    if not external.has_days:
        return Refusal(reason="it is not divided by day: there is one partition per snapshot")
    dated = [part for part in external.partitions if part.values[1] != HIVE_NULL]
    if not dated:
        return Refusal(reason="none of its rows has a date")
    days = sorted({part.values[1] for part in dated})
    grains: set[str] = {one.result.grain for one in external.snapshots if one.is_partitioned}
    labels = [one.label for one in external.snapshots if one.objects]
    reason = _obstacle(external, dated, grains, ",".join(labels))
    if reason:
        return Refusal(reason=reason)
    (grain,) = grains
    properties = (
        ("projection.enabled", "true"),
        (f"projection.{SNAPSHOT_KEY}.type", "enum"),
        (f"projection.{SNAPSHOT_KEY}.values", ",".join(labels)),
        (f"projection.{DAY_KEY}.type", "date"),
        (f"projection.{DAY_KEY}.format", DAY_FORMAT),
        (f"projection.{DAY_KEY}.range", f"{days[0]},{days[-1]}"),
        (f"projection.{DAY_KEY}.interval", "1"),
        (f"projection.{DAY_KEY}.interval.unit", _UNITS[grain]),
        ("storage.location.template", _template(external)),
    )
    projected = len(labels) * _steps(days[0], days[-1], grain)
    return Projection(
        properties=properties, warnings=_warnings(external, labels, len(dated), projected)
    )


def _template(external: ExternalTable) -> str:
    keys = "/".join(f"{key.name}=${{{key.name}}}" for key in external.keys)
    return f"{external.location}{keys}/"


def _obstacle(
    external: ExternalTable, dated: Sequence[CatalogPartition], grains: set[str], values: str
) -> str:
    """Return why no template, range and interval fit what is stored; empty if they do."""
    if len(grains) != 1 or not grains <= _UNITS.keys():
        return f"its snapshots are divided differently ({', '.join(sorted(grains))})"
    odd = next((part for part in dated if not _DAY.fullmatch(part.values[1])), None)
    if odd is not None:
        return f"dt={odd.values[1]} is not a day as {DAY_FORMAT} writes it"
    if "${" in external.location:
        return f"its location, {external.location}, would be taken for a template"
    template = _template(external)
    for part in dated:
        place = template
        for key, value in zip(external.keys, part.values, strict=True):
            place = place.replace(f"${{{key.name}}}", value)
        if place != part.location:
            return f"one of its partitions lies elsewhere: {part.location}"
    if len(values.encode()) > MOST_VALUE_BYTES:
        return f"so many snapshots do not fit into a table property of {MOST_VALUE_BYTES:,} bytes"
    return ""


def _steps(first: str, last: str, grain: str) -> int:
    """Return how many values of `dt` lie between two, both counted."""
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    match grain:
        case "year":
            return end.year - begin.year + 1
        case "month":
            return (end.year - begin.year) * 12 + end.month - begin.month + 1
        case _:
            return (end - begin).days + 1


def _warnings(
    external: ExternalTable, labels: Sequence[str], dated: int, projected: int
) -> tuple[str, ...]:
    told = []
    lost = [part for part in external.partitions if part.values[1] == HIVE_NULL]
    if lost:
        rows = sum(part.rows for part in lost)
        where = ", ".join(f"{part.values[0]} ({part.rows:,})" for part in lost[:5])
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        told.append(
            f"{external.name}: {rows:,} rows without a date are INVISIBLE under projection, in "
            f"snapshots {where}{more}; leave out --projection to see them"
        )
    if len(labels) > ADVISED_VALUES:
        told.append(
            f"{external.name}: {len(labels):,} snapshots are listed in a property of the table; "
            "AWS advises a few dozen at most"
        )
    if dated * 2 < projected:
        told.append(
            f"{external.name}: of {projected:,} projected partitions only {dated:,} have rows; "
            "where most are empty, registered partitions are faster"
        )
    return tuple(told)
