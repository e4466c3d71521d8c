"""What a reader is: the layout of one export system as data, and pure functions.

Stages know nothing of any system. `scan` fetches the small files that match `control`. `detect`
finds a table's data in one of three ways:

* by folders: sidecars give the export's root (`describe`), regexes its tables' folders (RDS). They
  are bound into SQL: RE2 syntax, no look-around, no back-references;
* by name: sidecars list each object (`TableFacts.objects`, DynamoDB);
* by keys alone, where there are no sidecars: `claims` names a query that reads the keys of objects
  that nobody else knows, and `group` says what the tables found that way are (DMS, plain folders).

A reader states facts, it does not look at the listing: which of the listed folders and objects
exist, and what follows from that, is decided in `detect`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from ..model import Finding, SourceColumn

ExportStatus = Literal["complete", "in_progress", "failed", "unknown"]

OBJECTS_SCHEMA = pa.schema(
    [("key", pa.string()), ("rows", pa.int64()), ("md5", pa.string()), ("etag", pa.string())]
)
"""Objects as an export lists them: key (whole, inside the source), rows, MD5 of the stored bytes
(hex), ETag. All but the key may be NULL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What a configuration says of the sources, for readers that go by keys alone."""

    now: datetime
    settle: timedelta = timedelta(minutes=15)
    """Objects younger than this may still grow, or be followed by others."""
    plain: tuple[tuple[int, str], ...] = ()
    """(source, key prefix) of folders that hold plain files, one table per folder."""
    dms_folders: tuple[str, ...] = ()
    """BucketFolder settings of DMS endpoints, as key prefixes with a trailing slash: needed only
    where a schema or table is named like a date, or where a table lies at the top."""
    dms_rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Rows of a full load by (schema, table), from DMS's own table statistics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The objects of one table that a query has found by their keys."""

    source: int
    root: str
    unit: str
    database: str
    table: str
    folder: str
    format: str
    """One format; a table with several gives several groups."""
    files: int
    bytes: int
    first_at: datetime
    last_at: datetime
    """When its first and last objects were written (UTC)."""
    first_name: str
    last_name: str
    """Smallest and largest file name."""


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
    objects: pa.Table | None = None
    """OBJECTS_SCHEMA: exactly these objects; None: everything in its folder."""
    format: str = "parquet"
    """How rows lie in its objects: `parquet`, or a name in `formats.FORMATS`."""
    view: str = ""
    """Which images of an item its events hold, where they do (`NEW_IMAGE`)."""
    date_column: str | None = None
    """The column that dates its rows, where the export system itself has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """One export as its sidecars describe it."""

    export_id: str
    root: str
    """Key prefix of everything that belongs to it, with the trailing slash; empty at the top."""
    status: ExportStatus
    reason: str = ""
    """Why the status is not `complete`."""
    unit: str = ""
    """Tells exports that share one root."""
    is_open: bool = False
    """Not complete as a matter of course (a day of changes that is not over): no error."""
    snapshot: datetime | None = None
    since: datetime | None = None
    """Start of its window (inclusive), if it holds changes up to `snapshot` (exclusive)."""
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
    table_folder: str = ""
    """Regex on the folder of a data file below the export's root; groups `database`, `table`."""
    stray_folder: str = ""
    """Regex on the whole folder of data that no sidecar describes; groups `root`, `database`,
    `table`."""
    data_names: tuple[str, ...] = ()
    """Regexes on the whole key of data files, wherever they lie."""
    markers: tuple[str, ...] = ()
    """Regexes on the whole key of objects that hold no rows, and are expected."""
    leftovers: tuple[str, ...] = ()
    """Regexes on the whole key of what a job may leave behind."""
    describe: Callable[[Mapping[str, bytes | None]], Iterator[ExportFacts]] | None = None
    """Sidecars of one source (None: listed, but could not be fetched) -> facts, one per root.
    Never raises for what a sidecar holds."""
    claims: str = ""
    """Query on the table `free` (source, key, folder, name, size_bytes, modified_at; objects that
    no other reader knows). Inserts into `claimed` (source, key, system, root, unit, database,
    "table", folder, format, keyed MAP(VARCHAR, VARCHAR)); `keyed` holds columns whose value follows
    from the key, for rows that lack them."""
    parameters: Callable[[ReadOptions], dict[str, Any]] = lambda options: {}
    """Parameters of that query."""
    group: (
        Callable[[Sequence[Group], Mapping[str, bytes | None], ReadOptions], Iterator[ExportFacts]]
        | None
    ) = None
    """What the query found in one source, and its sidecars -> facts, one per (root, unit)."""
    findings: Callable[[Sequence[ExportFacts]], Iterator[Finding]] | None = None
    """What only all exports of the system together show."""


def any_of(patterns: tuple[str, ...]) -> str:
    """Return one regex that matches what any of them does; nothing if there are none."""
    return "|".join(f"(?:{pattern})" for pattern in patterns) or r"\z\A."
