"""The values that flow along the line, and their one JSON form.

All are frozen pydantic models: unknown fields are refused, JSON Schema can be published from them,
and they pickle. Things counted in thousands (tables, findings, parts) are values; things counted in
millions (source objects, rows) stay in Parquet listings and DuckDB tables.

Imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_serializer

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
"""Folder value of rows without a usable date: what Hive, Spark, Athena, DuckDB write for NULL."""

Severity = Literal["info", "warning", "error"]
CheckStatus = Literal["pass", "fail", "not_verified"]
Grain = Literal["day", "month", "year", "none"]
Action = Literal["compact", "decide", "done", "adopt"]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def to_json(value: BaseModel | dict[str, Any], *, indent: int | None = None) -> str:
    """Return the one JSON form of a value: sorted keys, UTF-8, UTC times."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(
        data,
        sort_keys=True,
        ensure_ascii=False,
        indent=indent,
        separators=(",", ": ") if indent else (",", ":"),
    )


def digest(value: BaseModel | dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of the JSON form of a value."""
    return hashlib.sha256(to_json(value).encode()).hexdigest()


def utc_text(moment: datetime | None) -> str | None:
    """Return `2026-10-06T03:47:12Z`; microseconds only where there are some."""
    if moment is None:
        return None
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def snapshot_text(moment: datetime) -> str:
    """Return the folder form of a moment, `20261006T034712Z`."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


# --- what a scan finds ----------------------------------------------------------------------------


class SourceColumn(Model):
    """One column as the export's own metadata describes it."""

    name: str
    source_type: str = ""
    """Type in the database, as the export spells it (`timestamp without time zone`)."""
    expected_type: str = ""
    """Type the export says it wrote (`binary (UTF8)`): a hint, the file's footer decides."""
    precision: int = 0
    char_length: int = 0


class Finding(BaseModel):
    """Something a person should know. Kinds are listed in the README; extra fields per kind."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    severity: Severity
    export_id: str | None = None
    table: str | None = None
    message: str


class Table(Model):
    """One table of one export, as found in the source."""

    table_no: int
    """Joins to `table_no` of the assigned listing."""
    table: str
    """Name as the export names it (`public.orders`)."""
    folder: str
    """Key prefix of its data files, with the trailing slash."""
    status: str
    """`complete`, or why it cannot be taken: `incomplete`, `failed`, `skipped`, `missing`,
    `ambiguous` (shares its folder with another table), `unlisted` (data without an entry in the
    export's metadata; can be taken)."""
    files: int = 0
    bytes: int = 0
    rows: int | None = None
    median_file_bytes: int = 0
    folders: int = 0
    declared_rows: int | None = None
    columns: tuple[SourceColumn, ...] = ()
    control: tuple[str, ...] = ()
    """Keys of the export's small files that describe this table."""
    unreadable: tuple[str, ...] = ()
    """Objects whose footer could not be read, up to five; known only where footers were read."""
    format: str = "parquet"
    """How rows lie in its objects."""
    view: str = ""
    """Which images of an item its events hold, for DynamoDB's changes."""
    date_column: str | None = None
    """The column that dates its rows, where the export system itself has one."""

    @property
    def can_be_taken(self) -> bool:
        return self.status in ("complete", "unlisted")


class Export(Model):
    """One database of one export."""

    source: int
    """Index of the source URL in the configuration."""
    system: str
    export_id: str
    database: str
    root: str
    """Key prefix of the export inside its source, with the trailing slash."""
    status: str
    """`complete`, `in_progress`, `failed` or `unknown`."""
    snapshot: datetime | None = None
    origin: str = ""
    """What was exported: the ARN of the snapshot or cluster."""
    control: tuple[str, ...] = ()
    """Keys of the export's own small files (sidecars)."""
    tables: tuple[Table, ...] = ()

    @field_serializer("snapshot")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class Scan(Model):
    exports: tuple[Export, ...]
    findings: tuple[Finding, ...]


# --- what will be done ----------------------------------------------------------------------------


class FormatOptions(Model):
    """How the objects of a table that are no Parquet are read; a format takes what concerns it."""

    view: str = ""
    """Which images of an item its events hold (`NEW_IMAGE`, `NEW_AND_OLD_IMAGES`)."""
    item_column: str = "item"
    """Column for an item's exact original text; empty: leave it out."""
    max_columns: int = 500
    """So many attributes become columns, the most frequent ones; the rest is in the item's text."""
    delimiter: str = ","
    header: bool = True
    """Whether the first line of a CSV object names its columns."""
    null_text: str = ""
    """How a CSV object spells NULL, unquoted."""
    names: tuple[str, ...] = ()
    """Names for a CSV without header; without any they are `column_1`, `column_2`, ..."""
    types: dict[str, str] = {}
    """Source types by column (`timestamp`, `numeric`, ...), where the format knows none."""


class Member(Model):
    """A table suspected to repeat rows of another one; decided during `run`."""

    task_id: str
    table_no: int
    table: str
    export_id: str
    relation: Literal["partition", "same_snapshot"]
    above: str | None = None
    """task_id of the member directly above it, for partitions of partitions."""


class DateStats(Model):
    """What the sampled footers say about one column that could date the rows."""

    column: str
    type: str = ""
    """As the footer declares it: `date`, `timestamp`, or `text` that looks like dates."""
    first_day: str | None = None
    last_day: str | None = None
    null_share: float | None = None


class PlanTable(Model):
    """One table to be compacted: one task."""

    task_id: str
    """Follows from the source objects and every option that shapes the output bytes."""
    table_no: int
    source: int
    system: str
    export_id: str
    database: str
    table: str
    snapshot: datetime
    action: Action
    """`compact`: rewrite. `decide`: rewrite unless a parent table is proven to hold the same rows.
    `adopt`: an interrupted run had finished it. `done`: a manifest already names it."""
    source_files: int
    source_bytes: int
    objects_sha256: str
    """Digest over key, size and ETag of its source objects: a run refuses if it has changed."""
    partition_column: str | None
    partition_reason: str
    grain: Grain
    grain_reason: str
    sort_by: tuple[str, ...] = ()
    estimated_output_files: int
    estimated_output_bytes: int
    format: str = "parquet"
    read_as: FormatOptions | None = None
    """None for Parquet."""
    types: dict[str, str] | None = None
    """Source types by column, as configured for a Parquet table that nothing describes."""
    declared_rows: int | None = None
    """Rows that the export tool says it wrote; None if it does not say."""
    columns: tuple[SourceColumn, ...] = ()
    members: tuple[Member, ...] = ()
    """Tables this one may cover: its partitions, or the same snapshot delivered again."""
    member_of: str | None = None
    """task_id of the table that may cover this one."""
    folder: str
    """Key prefix of the source objects."""
    target: str
    """Key prefix of the table's snapshot in the lake."""
    control: tuple[str, ...] = ()

    @field_serializer("snapshot")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)


class Skipped(Model):
    """Source objects that no task takes. `key` ends in `/` where it stands for a whole folder."""

    source: int = 0
    key: str
    reason: str
    objects: int = 1
    bytes: int = 0


class Estimate(Model):
    source_files: int = 0
    source_bytes: int = 0
    output_files: int = 0
    output_bytes: int = 0
    get_requests: int = 0
    put_requests: int = 0
    list_requests: int = 0
    request_cost_usd: float = 0.0
    storage_cost_usd_month: float = 0.0
    archive_cost_usd_retention: float | None = None
    prices: str = ""
    """Where the prices are from, and their date."""


class Commitment(Model):
    """What a run would newly lock in the archive, and what keeping it costs: at most, as expected.

    Not part of a plan's id: it depends on the day.
    """

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    tables: int
    files: int
    bytes: int
    months: float
    """The whole retention, from the snapshot's moment."""
    until: datetime | None
    """The latest date; None if nothing would be locked."""
    storage_class: str
    usd_gb_month: float | None
    """None for a class without a price."""
    usd: float | None
    """bytes x months x price."""
    ceiling_usd: float
    """As configured; 0 where there is none."""
    prices: str
    too_long: str = ""
    """Why a run is refused whatever is accepted: a lock would end later than any may."""
    to_accept: str = ""
    """Why a run needs `--accept-retention`; empty if it does not."""

    @field_serializer("until")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class Plan(Model):
    plan_id: str = ""
    tables: tuple[PlanTable, ...]
    skipped: tuple[Skipped, ...]
    estimate: Estimate
    findings: tuple[Finding, ...] = ()
    commitment: Commitment | None = None
    """None without an archive."""


# --- what was done, and the proof -----------------------------------------------------------------


class Check(Model):
    """One comparison. `source` says where both numbers came from."""

    name: str
    subject: str
    expected: str | None
    actual: str | None
    status: CheckStatus
    source: str


class StoredObject(Model):
    """One object as a manifest names it."""

    key: str
    size_bytes: int
    sha256: str
    rows: int | None = None
    version_id: str | None = None
    lock_mode: str | None = None
    retain_until: datetime | None = None
    legal_hold: bool = False

    @field_serializer("retain_until")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class PartitionResult(Model):
    value: str
    """Folder value of `dt`; empty where the table has a single partition."""
    rows: int
    fingerprint: str
    objects: tuple[StoredObject, ...]
    archived: tuple[StoredObject, ...] = ()
    portable: str | None = None
    """Digest that other databases can recompute; None where `verify.portable` was off."""


class Portable(Model):
    """The fingerprint of a table that other databases can recompute: docs/fingerprint.md."""

    version: int
    """Of the specification."""
    rows: int
    digest: str
    columns: tuple[str, ...]
    """Columns that it covers, by the bytes of their names."""
    left_out: dict[str, str]
    """Column -> what of it is left out, and why. Timestamps are covered to the millisecond."""


class OutputColumn(Model):
    name: str
    source_name: str
    source_type: str
    type: str
    """DuckDB type written to Parquet."""
    kept_text: bool = False
    """The source type could not be restored for every value, so the text was kept."""
    kept_values: int = 0
    examples: tuple[str, ...] = ()


class TableResult(Model):
    task_id: str
    export_id: str
    system: str = ""
    """What exported it: `rds`, `dynamodb`, `dms`, `files`; manifests did not always say so."""
    database: str
    table: str
    snapshot: datetime
    status: Literal["done", "adopted", "covered", "failed"]
    """`covered`: another table was proven to hold every row. `adopted`: finished by an earlier,
    interrupted run."""
    covered_by: str | None = None
    error: str | None = None
    source_url: str = ""
    source_folder: str = ""
    source_files: int = 0
    source_bytes: int = 0
    source_rows: int = 0
    objects_sha256: str = ""
    output_files: int = 0
    output_rows: int = 0
    output_bytes: int = 0
    partition_column: str | None = None
    grain: Grain = "none"
    partitions: tuple[PartitionResult, ...] = ()
    covers: tuple[str, ...] = ()
    columns: tuple[OutputColumn, ...] = ()
    checks: tuple[Check, ...] = ()
    control: tuple[StoredObject, ...] = ()
    """The export's sidecars in the archive, byte for byte."""
    source_size_histogram: tuple[int, ...] = ()
    """Source files by size; edges in SIZE_EDGES."""
    output_size_histogram: tuple[int, ...] = ()
    fingerprint: str = ""
    portable: Portable | None = None
    engine: str = ""
    seconds: float = 0.0

    @field_serializer("snapshot")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)


SIZE_EDGES: tuple[int, ...] = tuple(
    size for size in (1 << 10, 1 << 14, 1 << 17, 1 << 20, 1 << 24, 1 << 26, 1 << 28, 1 << 30)
)
"""Upper edges of the file-size histogram, in bytes: 1, 16, 128 KiB, 1, 16, 64, 256 MiB, 1 GiB.
One more class holds everything larger."""


class ManifestRef(Model):
    url: str
    sha256: str


class LinkRef(Model):
    """A link of the evidence chain, as it was stored."""

    number: int
    run_id: str
    """The run that it is about."""
    key: str
    url: str
    sha256: str
    """Of the envelope."""
    keyid: str
    version_id: str | None = None
    lock_mode: str | None = None
    retain_until: datetime | None = None
    timestamp: CheckStatus | None = None
    """Of the RFC 3161 time stamp; None where none is configured."""
    checks: tuple[Check, ...] = ()

    @field_serializer("retain_until")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class RunResult(Model):
    run_id: str
    plan_id: str
    status: Literal["done", "nothing_to_do", "failed"]
    started_at: datetime
    finished_at: datetime
    sources: tuple[str, ...] = ()
    lake: str = ""
    archive: str | None = None
    tables: tuple[TableResult, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    findings: tuple[Finding, ...] = ()
    manifest: ManifestRef | None = None
    report: str | None = None
    """URL of the HTML report."""
    evidence: LinkRef | None = None
    """The signed link about this run; None where nothing signs, or nothing was done."""
    late_links: tuple[LinkRef, ...] = ()
    """Links that this run appended for earlier ones, which ended before they could."""
    versions: dict[str, str] = {}

    @field_serializer("started_at", "finished_at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)
