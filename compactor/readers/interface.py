"""What a reader is: the layout of one export system as data, and one pure function.

Stages know nothing of any system. `scan` fetches the small files that match `control`; `detect`
hands them to `describe`, and finds the data with the regexes, which are bound into SQL (RE2 syntax:
no look-around, no back-references).

A reader states facts, it does not look at the listing: which of the listed folders exist, and what
follows from that, is decided in `detect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..model import Finding, SourceColumn

ExportStatus = Literal["complete", "in_progress", "failed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a table's data may lie, and what the table is called if it lies there."""

    folder: str
    """Below the export's root, with the trailing slash."""
    database: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One table as its export describes it."""

    target: str
    """Name as the export's metadata spells it."""
    places: tuple[Place, ...]
    """Never empty; the first place that exists is the table's folder."""
    status: Literal["complete", "incomplete", "failed", "skipped"]
    reason: str = ""
    """Why it cannot be taken; empty if it can."""
    columns: tuple[SourceColumn, ...] = ()
    source_bytes: int | None = None
    """Size in the database, a hint; None if unknown."""
    declared_rows: int | None = None
    control: tuple[str, ...] = ()
    """Keys of the sidecars that describe this table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """One export as its sidecars describe it."""

    export_id: str
    root: str
    """Key prefix of everything that belongs to it, with the trailing slash; empty at the top."""
    status: ExportStatus
    reason: str = ""
    """Why the status is not `complete`."""
    snapshot: datetime | None = None
    origin: str = ""
    control: tuple[str, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    is_whole: bool = True
    """Every table's entry was found and readable, so a folder without entry is a real surprise."""
    has_partition_folders: bool = True
    """Whether this kind of source gives partitions folders of their own."""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    system: str
    control: tuple[str, ...]
    """Regexes on the whole key of the small files that describe an export."""
    table_folder: str
    """Regex on the folder of a data file below the export's root; groups `database`, `table`."""
    stray_folder: str
    """Regex on the whole folder of data that no sidecar describes; groups `root`, `database`,
    `table`."""
    data_names: tuple[str, ...]
    """Regexes on the whole key of data files, wherever they lie."""
    markers: tuple[str, ...]
    """Regexes on the whole key of objects that hold no rows, and are expected."""
    leftovers: tuple[str, ...]
    """Regexes on the whole key of what a job may leave behind."""
    describe: Callable[[Mapping[str, bytes | None]], Iterator[ExportFacts]]
    """Sidecars of one source (None: listed, but could not be fetched) -> facts, one per root.
    Never raises for what a sidecar holds."""


def any_of(patterns: tuple[str, ...]) -> str:
    """Return one regex that matches what any of them does; nothing if there are none."""
    return "|".join(f"(?:{pattern})" for pattern in patterns) or r"\z\A."
