"""Bring what exports say of themselves together with the folders that the listing shows. Pure.

In:  the facts of one export, its tables' folders. Out: one `Found` per table, described or not,
with its status and why it cannot be taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .claims import Claimed, Owner
from .readers.interface import ExportFacts, Reader, TableFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    number: int
    source: int
    reader: Reader
    facts: ExportFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A table of one export, before its sizes are known."""

    root: Root
    database: str
    table: str
    folder: str
    """Whole key prefix."""
    status: str
    reason: str = ""
    facts: TableFacts | None = None
    folders: int = 0
    claimed: Claimed | None = None
    """For a table whose objects are told by name, not by folder."""


def match(root: Root, folders: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """Bring the described tables of an export together with the folders that exist."""
    prefix = root.facts.root
    there = {
        row["table_folder"].removeprefix(prefix): row
        for row in folders
        if row["files"] or row["markers"]
    }
    claims = _claims(root.facts.tables, there)
    by_folder: dict[str, list[TableFacts]] = {}
    for facts, number in claims:
        if number is not None:
            by_folder.setdefault(facts.places[number].folder, []).append(facts)
    for facts, number in claims:
        place = facts.places[number or 0]
        row = there[place.folder] if number is not None else None
        status, reason = _status(root.facts, facts, row)
        sharing = by_folder.get(place.folder, []) if row else []
        if len(sharing) > 1:
            listed = " and ".join(repr(other.target) for other in sharing[:5])
            status, reason = "ambiguous", f"{listed} lie in one folder, because names were changed"
        yield Found(
            root=root,
            database=place.database,
            table=place.table,
            folder=prefix + place.folder,
            status=status,
            reason=reason,
            facts=facts,
            folders=row["folders"] if row else 0,
        )
    for folder, row in there.items():
        if folder not in by_folder and row["files"]:
            status, reason = _unlisted(root.facts)
            yield Found(
                root=root,
                database=row["database"],
                table=row["table"],
                folder=prefix + folder,
                status=status,
                reason=reason,
                folders=row["folders"],
            )


def match_claimed(root: Root, claimed: Mapping[Owner, Claimed]) -> Iterator[Found]:
    """Bring the tables of an export together with the objects that they claim by name."""
    for facts in root.facts.tables:
        place = facts.places[0]
        there = claimed.get((root.number, place.database, place.table))
        status, reason = _status(root.facts, facts, {})
        if status == "complete" and there is not None and there.missing:
            keys = ", ".join(there.missing_keys)
            more = ", ..." if there.missing > len(there.missing_keys) else ""
            status = "incomplete"
            reason = (
                f"{there.missing} of the {there.missing + there.files} objects that it lists are "
                f"not there: {keys}{more}"
            )
        yield Found(
            root=root,
            database=place.database,
            table=place.table,
            folder=root.facts.root + place.folder,
            status=status,
            reason=reason,
            facts=facts,
            folders=there.folders if there else 0,
            claimed=there or Claimed(format=facts.format),
        )


def not_taken(export: ExportFacts) -> str:
    """Return why nothing of an export is taken; empty if it is complete."""
    if export.status == "complete":
        return ""
    return f"export {export.export_id} is not taken: {export.reason}"


def _claims(
    tables: Sequence[TableFacts], there: Mapping[str, object]
) -> list[tuple[TableFacts, int | None]]:
    """Give each table the first of its places that exists and that no likelier claim has taken."""
    chosen: dict[int, int] = {}
    taken: set[str] = set()
    waiting = dict(enumerate(tables))
    for rank in itertools.count():
        waiting = {no: facts for no, facts in waiting.items() if rank < len(facts.places)}
        if not waiting:
            break
        now = [
            no
            for no, facts in waiting.items()
            if facts.places[rank].folder in there and facts.places[rank].folder not in taken
        ]
        for no in now:
            chosen[no] = rank
            taken.add(waiting.pop(no).places[rank].folder)
    return [(facts, chosen.get(no)) for no, facts in enumerate(tables)]


def _status(
    export: ExportFacts, facts: TableFacts, row: Mapping[str, Any] | None
) -> tuple[str, str]:
    """Return (status, why it cannot be taken) of a described table."""
    if reason := not_taken(export):
        return "failed" if export.status == "failed" else "incomplete", reason
    if facts.status != "complete":
        return facts.status, facts.reason
    if row is None:
        return "missing", "the export lists the table, but holds no data of it"
    return "complete", ""


def _unlisted(export: ExportFacts) -> tuple[str, str]:
    """Return (status, why it cannot be taken) of a folder that nothing describes."""
    if reason := not_taken(export):
        return "failed" if export.status == "failed" else "incomplete", reason
    if not export.is_whole:
        return "incomplete", "the sidecar that should describe it is missing or unreadable"
    return "unlisted", ""
