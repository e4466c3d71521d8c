"""RDS and Aurora exports (snapshot and cluster): sidecars in, facts out. Pure.

Layout, below the folder that holds `export_info_<id>.json`, wherever that was copied to:

    <database>/<schema.table>/[<batch>/]part-00000-<uuid>-c000.gz.parquet

Every folder between a table's folder and its files is a batch folder (AWS asks readers to take
everything below the table's folder), and layouts with and without may be mixed in one table.

Invariants:
* Content of a sidecar never raises: what cannot be understood becomes a finding that names it.
* A sidecar anchors an export where it lies; what it says of bucket and prefix is not believed.
* No sidecar holds row counts, keys or nullability.

Sources (read on 2026-11-21):
  https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.FileNames.html
  https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html
The sidecars are not documented; they follow real exports of 2020 and 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..model import Finding, SourceColumn
from .interface import ExportFacts, ExportStatus, Place, Reader, TableFacts
from .sidecar import Unusable, kind, load_object, moment, number, text, warnings

_INFO = re.compile(r"(?s)^(?P<root>.*/)?export_info_(?P<id>[^/]+)\.json$")
_TABLES = re.compile(
    r"(?s)^(?P<root>.*/)?export_tables_info_(?P<id>[^/]+)"
    r"_from_(?P<first>[0-9]{1,9})_to_(?P<last>[0-9]{1,9})\.json$"
)

_MANGLED = str.maketrans({"\\": "_", "`": "_", '"': "_", " ": "_"})
"""What the exporter writes in paths for characters that it does not keep."""

_RUNNING = {"STARTING", "IN_PROGRESS", "CANCELING"}
_FAILED = {"FAILED", "CANCELED", "CANCELLED"}

_MYSQL_ONLY = {
    *("int", "tinyint", "mediumint", "datetime", "varchar", "char", "decimal", "double", "float"),
    *("year", "enum", "set", "timestamp", "binary", "varbinary", "blob", "tinyblob", "mediumblob"),
    *("longblob", "tinytext", "mediumtext", "longtext"),
}
"""MySQL's DATA_TYPE names that PostgreSQL's information_schema never uses."""


def describe(control: Mapping[str, bytes | None]) -> Iterator[ExportFacts]:
    """Yield the facts of each export root, in order of the roots."""
    roots: dict[str, _Sidecars] = {}
    for key in sorted(control):
        for pattern in (_INFO, _TABLES):
            if match := pattern.match(key):
                found = roots.setdefault(match["root"] or "", _Sidecars())
                found.ids.add(match["id"])
                (found.infos if pattern is _INFO else found.tables).append(key)
                break
    for root, found in sorted(roots.items()):
        yield _Description(root, found, control).facts()


@dataclass
class _Sidecars:
    ids: set[str] = field(default_factory=set)
    infos: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)


class _Description:
    """Reads the sidecars of one root and collects what they say."""

    def __init__(self, root: str, sidecars: _Sidecars, control: Mapping[str, bytes | None]) -> None:
        self.root = root
        self.sidecars = sidecars
        self.control = control
        self.export_id = min(sidecars.ids)
        self.findings: list[Finding] = []
        self.tables: dict[str, TableFacts] = {}
        self.is_whole = True
        self._known_columns: dict[tuple[Any, ...], tuple[SourceColumn, ...]] = {}

    def facts(self) -> ExportFacts:
        info, problem = self._info()
        for key in self.sidecars.tables:
            self._tables(key)
        status, reason, snapshot, origin = self._state(info, problem)
        gap = self._gap()
        if gap:
            self.is_whole = False
            if status == "complete":
                advice = (
                    "restore it from the export, or export again; tables listed elsewhere go on"
                )
                self._tell("incomplete_export", "error", f"{gap}; {advice}")
        return ExportFacts(
            export_id=self.export_id,
            root=self.root,
            status=status,
            reason=reason,
            snapshot=snapshot,
            origin=origin,
            control=(*self.sidecars.infos, *self.sidecars.tables),
            tables=tuple(self.tables[target] for target in sorted(self.tables)),
            is_whole=self.is_whole,
            has_partition_folders=not self._is_mysql(),
            findings=tuple(self.findings),
        )

    # --- export_info ---

    def _info(self) -> tuple[dict[str, Any] | None, str]:
        """Return the content of export_info, or None and what is wrong with it."""
        if not self.sidecars.infos:
            return None, ""
        key = self.sidecars.infos[0]
        try:
            info = load_object(self.control[key])
            self.export_id = text(info, "exportTaskIdentifier") or self.export_id
        except Unusable as error:
            self._unreadable(key, str(error))
            return None, f"{key} cannot be read: {error}"
        self._warnings(info, self.export_id)
        return info, ""

    def _state(
        self, info: dict[str, Any] | None, problem: str
    ) -> tuple[ExportStatus, str, datetime | None, str]:
        """Return status, reason, snapshot and origin."""
        if problem:
            return "unknown", problem, None, ""
        if len(self.sidecars.ids) > 1:
            listed = ", ".join(sorted(self.sidecars.ids)[:5])
            return "unknown", f"sidecars of several exports lie in one folder: {listed}", None, ""
        if info is None:
            return "in_progress", "there is no export_info yet", None, ""
        try:
            status = text(info, "status").upper()
            origin = text(info, "sourceArn")
            name = "snapshotTime" if info.get("snapshotTime") else "taskStartTime"
            snapshot = moment(text(info, name))
        except Unusable as error:
            self._unreadable(self.sidecars.infos[0], str(error))
            return "unknown", f"{self.sidecars.infos[0]} cannot be used: {error}", None, ""
        if status in _FAILED:
            cause = info.get("failureCause")
            more = f": {cause[:500]}" if isinstance(cause, str) and cause else ""
            return "failed", f"the export task is {status}{more}", snapshot, origin
        if status in _RUNNING:
            return "in_progress", f"the export task is {status}", snapshot, origin
        if status != "COMPLETE":
            return "unknown", f"its status is {status[:50]!r}, not COMPLETE", snapshot, origin
        return "complete", "", snapshot, origin

    def _gap(self) -> str:
        """Say which entries no export_tables_info holds. Ranges count all entries, from 1."""
        spans = [
            (int(match["first"]), int(match["last"]))
            for key in self.sidecars.tables
            if (match := _TABLES.match(key))
        ]
        if not spans:
            return "there is no export_tables_info, so nothing says which tables should be there"
        reached = 0
        for first, last in sorted(spans):
            if first > reached + 1:
                return f"no export_tables_info holds the entries {reached + 1} to {first - 1}"
            reached = max(reached, last)
        return ""

    # --- export_tables_info ---

    def _tables(self, key: str) -> None:
        try:
            entries = load_object(self.control[key]).get("perTableStatus")
            if not isinstance(entries, list):
                raise Unusable(f"perTableStatus should be a list, is {kind(entries)}")
        except Unusable as error:
            self._unreadable(key, str(error))
            return
        match = _TABLES.match(key)
        expected = int(match["last"]) - int(match["first"]) + 1 if match else len(entries)
        if len(entries) != expected:
            self._unreadable(key, f"holds {len(entries)} entries, its name says {expected}")
        for position, entry in enumerate(entries, start=1):
            try:
                self._entry(key, entry)
            except Unusable as error:
                self._unreadable(key, f"entry {position}: {error}")

    def _entry(self, key: str, entry: object) -> None:
        if not isinstance(entry, dict):
            raise Unusable(f"should be an object, is {kind(entry)}")
        target = text(entry, "target")
        if not target:
            raise Unusable("has no target")
        self._warnings(entry, target)
        is_table = "tableStatistics" in entry or "schemaMetadata" in entry
        if "." not in target or (not is_table and "status" not in entry):
            if "." in target and _is_about_table(entry):
                self._add(key, target, "skipped", "the export tool skipped it")
            return
        try:
            columns = self._columns(entry)
            status, reason = _table_status(entry)
            size = number(entry, "sizeGB")
        except Unusable as error:
            self._unreadable(key, f"{target}: {error}")
            self._add(key, target, "incomplete", f"its entry in {key} cannot be read: {error}")
            return
        size_bytes = None if size is None else int(size * (1 << 30))
        self._add(key, target, status, reason, columns, size_bytes)

    def _add(
        self,
        key: str,
        target: str,
        status: Any,
        reason: str,
        columns: tuple[SourceColumn, ...] = (),
        source_bytes: int | None = None,
    ) -> None:
        before = self.tables.get(target)
        if before is not None and before.status != "complete":
            return  # listed twice: the worse one counts
        self.tables[target] = TableFacts(
            target=target,
            places=places(target),
            status=status,
            reason=reason,
            columns=columns,
            source_bytes=source_bytes,
            control=(*self.sidecars.infos, key),
        )

    def _columns(self, entry: Mapping[str, Any]) -> tuple[SourceColumn, ...]:
        """Return the declared columns in order; the same value for the same columns."""
        metadata = entry.get("schemaMetadata")
        mappings = metadata.get("originalTypeMappings") if isinstance(metadata, dict) else None
        if metadata is not None and not isinstance(mappings, list):
            raise Unusable(f"originalTypeMappings should be a list, is {kind(mappings)}")
        found = []
        for place, mapping in enumerate(mappings or []):
            if not isinstance(mapping, dict):
                raise Unusable(f"a column's mapping should be an object, is {kind(mapping)}")
            name = text(mapping, "columnName")
            if not name:
                raise Unusable("a column has no name")
            position = number(mapping, "ordinalPosition")
            facts = (
                name,
                text(mapping, "originalType"),
                text(mapping, "expectedExportedType"),
                int(number(mapping, "originalNumPrecision") or 0),
                int(number(mapping, "originalCharMaxLength") or 0),
            )
            found.append((place if position is None else position, place, facts))
        ordered = tuple(facts for _, _, facts in sorted(found))
        if ordered not in self._known_columns:
            names = ("name", "source_type", "expected_type", "precision", "char_length")
            self._known_columns[ordered] = tuple(
                SourceColumn.model_validate(dict(zip(names, facts, strict=True)))
                for facts in ordered
            )
        return self._known_columns[ordered]

    # --- what is said about it ---

    def _warnings(self, holder: Mapping[str, Any], target: str) -> None:
        """Report what the export tool says it left out."""
        for what, reason in warnings(holder.get("warningMessage")):
            harmless = reason == "DATABASE_IS_EMPTY"
            self._tell(
                "skipped_by_export",
                "info" if harmless else "warning",
                f"the export tool reports for {target}: {what}: {reason}"
                + ("" if harmless else "; its rows are not in this export"),
                table=target if "." in target else None,
                target=target,
                reason=reason,
            )

    def _unreadable(self, key: str, problem: str) -> None:
        self.is_whole = False
        self._tell(
            "unreadable_object",
            "error",
            f"{key} cannot be used: {problem}; restore it from the export, or export again",
            key=key,
        )

    def _tell(
        self, kind: str, severity: Any, message: str, table: str | None = None, **facts: Any
    ) -> None:
        where = f"export {self.export_id} in {self.root or 'the top folder'}: {message}"
        self.findings.append(
            Finding.model_validate(
                {
                    "kind": kind,
                    "severity": severity,
                    "export_id": self.export_id,
                    "table": table,
                    "message": where,
                    **facts,
                }
            )
        )

    def _is_mysql(self) -> bool:
        """MySQL partitions have no folders. One instance is one engine, so any table may tell."""
        kinds = {
            column.source_type.lower()
            for columns in self._known_columns.values()
            for column in columns
        }
        doubled = all(_is_doubled(facts) for facts in self.tables.values())
        return doubled and bool(kinds & _MYSQL_ONLY)


# --- names ----------------------------------------------------------------------------------------


def places(target: str) -> tuple[Place, ...]:
    """Return where the data of a target may lie, the likeliest first.

    PostgreSQL's `db.schema.table` lies in `db/schema.table/`, MySQL's `db.table` in `db/db.table/`.
    Names may hold dots themselves, so every split is tried. Mangling keeps lengths.
    """
    dots = [match.start() for match in re.finditer(r"\.", target)][:16]
    found = []
    for dot in dots:
        database, rest = target[:dot], target[dot + 1 :]
        for table in [rest, target] if "." in rest else [target]:
            folder = f"{database.translate(_MANGLED)}/{table.translate(_MANGLED)}/"
            found.append(Place(folder=folder, database=database, table=table))
    return tuple(found)


def _is_doubled(facts: TableFacts) -> bool:
    """Whether a name has MySQL's shape `db.table`, or the place found may be `db/db.table/`."""
    return facts.target.count(".") == 1 or facts.target.split(".")[0] == facts.target.split(".")[1]


def _table_status(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return (status, reason) of a table's entry. Older sidecars may lack fields: no doubt then."""
    status = text(entry, "status").upper()
    if status in _FAILED:
        return "failed", f"the export tool says {status}"
    if status not in ("", "COMPLETE"):
        return "incomplete", f"its status is {status[:50]!r}, not COMPLETE"
    statistics = entry.get("tableStatistics")
    ranges = statistics.get("partitioningInfo") if isinstance(statistics, dict) else None
    if isinstance(ranges, dict):
        total = number(ranges, "numberOfPartitions")
        done = number(ranges, "numberOfCompletedPartitions")
        if total is not None and done is not None and done < total:
            return "incomplete", f"only {done:.0f} of its {total:.0f} ranges were exported"
    return "complete", ""


def _is_about_table(entry: Mapping[str, Any]) -> bool:
    return any("database" not in what.lower() for what, _ in warnings(entry.get("warningMessage")))


RDS = Reader(
    system="rds",
    control=(
        r"(?:^|/)export_info_[^/]+\.json$",
        r"(?:^|/)export_tables_info_[^/]+_from_[0-9]{1,9}_to_[0-9]{1,9}\.json$",
    ),
    table_folder=r"^([^/]+)/([^/]+\.[^/]+)/",
    stray_folder=r"(?s)^((?:.*/)?)([^/]+)/([^/]+\.[^/]+)/(?:[0-9A-Za-z]{1,12}/)?$",
    data_names=(r"(?:^|/)part-[^/]*\.parquet$",),
    markers=(r"(?:^|/)_SUCCESS$", r"_\$folder\$$", r"/$"),
    leftovers=(
        r"(?:^|/)_temporary(?:/|$)",
        r"(?:^|/)_(?:committed|started)_[^/]*$",
        r"(?:^|/)_(?:common_)?metadata$",
        r"(?:^|/)\.[^/]*\.crc$",
    ),
    describe=describe,
)
"""`_SUCCESS` is optional evidence: exports with and without it have been seen."""
