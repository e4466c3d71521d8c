"""Plain text about Iceberg tables. Like `terminal.py`."""

from __future__ import annotations

from ..catalog.iceberg import IcebergSnapshot, IcebergTable, Registered
from .terminal import labelled, wrapped
from .words import count, name, plural

_SHOWN = 20
"""Snapshots of one table; the JSON has all."""
_INDENT = " " * 4


def iceberg_text(found: Registered) -> str:
    """Return what was registered, table by table, and what could not be."""
    title = {"done": "REGISTERED", "failed": "NOT ALL REGISTERED", "nothing_to_do": "NOTHING TO DO"}
    verdict = "WOULD REGISTER" if found.dry_run and found.status == "done" else title[found.status]
    snapshots = sum(len(one.snapshots) for one in found.tables)
    pairs = [
        ("catalog", name(found.catalog)),
        ("files of", f"{found.place}, {name(found.url, 400)}"),
        ("tables", count(len(found.tables))),
        ("snapshots", f"{count(snapshots)} new, {count(_known(found))} known"),
    ]
    lines = [verdict, "", *labelled(pairs)]
    for table in found.tables:
        lines += _table(table)
    return "\n".join(lines) + "\n"


def _known(found: Registered) -> int:
    return sum(one.known_snapshots for one in found.tables)


def _table(table: IcebergTable) -> list[str]:
    if table.status == "up_to_date" and not table.warnings:
        return []
    lines = ["", f"  {name(table.name, 200)}: {name(table.database, 40)} {name(table.table, 80)}"]
    if table.status == "empty":
        lines += wrapped("waits: no snapshot has a row yet, so its columns have no types", _INDENT)
    lines += [_snapshot(one) for one in table.snapshots[:_SHOWN]]
    if len(table.snapshots) > _SHOWN:
        lines.append(f"{_INDENT}... and {plural(len(table.snapshots) - _SHOWN, 'snapshot')} more")
    for one in table.snapshots:
        lines += wrapped(f"{one.snapshot}: {one.error}", f"{_INDENT}  ") if one.error else []
    lines += wrapped(table.error, _INDENT) if table.error else []
    for warning in table.warnings:
        lines += wrapped(f"warning: {warning}", _INDENT)
    return lines


def _snapshot(one: IcebergSnapshot) -> str:
    said = [f"{plural(one.rows, 'row')}, {plural(one.files, 'file')}"]
    if one.status == "registered":
        said.append(f"version {one.iceberg_snapshot_id}")
        said.append(f"by {name(one.partitioned_by)}" if one.partitioned_by else "no partitions")
    if not one.is_current:
        said.append("late: by its tag only")
    if one.status == "failed":
        said.append("FAILED")
    return f"{_INDENT}{one.snapshot}  {'; '.join(said)}"
