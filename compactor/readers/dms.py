"""AWS DMS (and Qlik Replicate) S3 targets: full loads and changes, told by their keys. Pure.

    [BucketFolder/]schema/table/[partition/]LOAD0000000A.parquet          full load, hex counter
    [BucketFolder/]schema/table/[date folders/]20221023-013830913.parquet  changes
    [BucketFolder/]awsdms_status/...                                       control tables

There is no manifest: `queries/read/dms.sql` reads the keys from the right. Here it is said what was
found that way, one export per table of a full load, per UTC day of changes, and for the control
tables of a root.

Invariants:
* Changes are events. They go to a database of their own (`<schema>_changes`), are never mixed with
  the rows of a full load, and are never compared with a table's row count.
* A day of changes is taken once it is over and nothing was added for the settle time; the day is
  the one in the file's name.
* Objects of a full load lack the column `Op` unless IncludeOpForFullLoad was set; it is I then.
* Content of a sidecar never raises.

`CDC_TXN-*.csv` (CdcPath with PreserveTransactions: rows of all tables, mixed) is left and reported.

Sources (read on 2026-11-25):
  https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html
  https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html
  https://help.qlik.com/en-US/replicate/ (Amazon S3 target overview; Metadata file description)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from ..model import Finding, utc_text
from .interface import ExportFacts, Group, Reader, ReadOptions, TableFacts
from .keyed import Tables, by_unit, described, newest, waits_for, words
from .sidecar import Unusable, load_object, number

_DFM = r"(?:^|/)(?:LOAD|LOAD_[0-9]+_)[0-9A-F]{5,8}\.dfm$"
"""Qlik's description of one object of a full load, beside it."""
_CHANGES_DFM = r"(?:^|/)[0-9]{8}-[0-9]{9,12}\.dfm$"
_LOAD = "load "
_CHANGES = "changes-"


def group(
    groups: Sequence[Group], control: Mapping[str, bytes | None], options: ReadOptions
) -> Iterator[ExportFacts]:
    """Yield the exports of one source. `groups` are what the query found in it."""
    sidecars = {key: content for key, content in control.items() if re.search(_DFM, key)}
    source = _Source(groups, sidecars, options)
    told: set[str] = set()
    for (root, unit), tables in by_unit(groups).items():
        if unit.startswith(_CHANGES):
            yield source.changes(root, unit, tables)
            continue
        facts = source.settled(root, unit, tables)
        if unit.startswith(_LOAD) and root not in told and source.uncertain.get(root):
            told.add(root)
            facts = replace(facts, findings=(*facts.findings, source.doubt(root, facts.export_id)))
        yield facts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What the sidecars of one table's objects say."""

    keys: tuple[str, ...] = ()
    rows: int | None = None
    """None unless every object has one, and all can be read."""
    findings: tuple[Finding, ...] = ()


@dataclass
class _Described:
    keys: list[str] = field(default_factory=list)
    rows: int = 0
    unusable: list[tuple[str, str]] = field(default_factory=list)
    errors: int = 0


class _Source:
    """What all tables of one source show together."""

    def __init__(
        self,
        groups: Sequence[Group],
        sidecars: Mapping[str, bytes | None],
        options: ReadOptions,
    ) -> None:
        self.options = options
        loads = [one for one in groups if one.unit.startswith(_LOAD)]
        self._described = _by_folder({one.folder for one in loads}, sidecars)
        names = {(one.root, one.database, one.table) for one in loads}
        self._roots_of = Counter((database, table) for _, database, table in names)
        self.uncertain = _uncertain(groups, loads, options)

    # --- exports ---

    def settled(self, root: str, unit: str, tables: Tables) -> ExportFacts:
        """Return a full load, or the control tables: complete once nothing is added any more."""
        last_at = newest(tables)
        reason = waits_for(last_at, self.options)
        export_id = _export_id(root, unit)
        facts: list[TableFacts] = []
        findings: list[Finding] = []
        for formats in tables.values():
            counted, rows = _Counted(), None
            if unit.startswith(_LOAD):
                counted = self._counted(export_id, formats)
                rows = self._declared(formats[0], counted)
            facts.append(described(formats, declared_rows=rows, control=counted.keys))
            findings += counted.findings
        return ExportFacts(
            export_id=export_id,
            root=root,
            unit=unit,
            status="in_progress" if reason else "complete",
            reason=reason,
            is_open=bool(reason),
            snapshot=last_at,
            control=tuple(key for one in facts for key in one.control),
            tables=tuple(facts),
            has_partition_folders=False,
            findings=tuple(findings),
        )

    def changes(self, root: str, unit: str, tables: Tables) -> ExportFacts:
        """Return one day of changes: complete once it is over, and nothing is added any more."""
        day = date.fromisoformat(unit.removeprefix(_CHANGES))
        over = datetime.combine(day, time(), UTC) + timedelta(days=1)
        reason = waits_for(newest(tables), self.options)
        if self.options.now < over + self.options.settle:
            reason = (
                f"the day is not over: changes of {day} are taken {words(self.options.settle)} "
                f"(source.settle) after {utc_text(over)}"
            )
        return ExportFacts(
            export_id=_export_id(root, unit),
            root=root,
            unit=unit,
            status="in_progress" if reason else "complete",
            reason=reason,
            is_open=bool(reason),
            snapshot=over,
            tables=tuple(described(formats) for formats in tables.values()),
            has_partition_folders=False,
        )

    # --- rows ---

    def _declared(self, table: Group, counted: _Counted) -> int | None:
        """Return the rows that a full load declares: DMS's statistics, else all its sidecars'.

        Statistics do not say where a table was written to, so they say nothing of a table that was
        written to several roots.
        """
        schema, name = table.database, table.table.removeprefix(f"{table.database}.")
        if self._roots_of[table.database, table.table] == 1:
            known = self.options.dms_rows.get((schema, name))
            if known is not None:
                return known
        return counted.rows

    def _counted(self, export_id: str, formats: Sequence[Group]) -> _Counted:
        table, folder = formats[0].table, formats[0].folder
        known = self._described.get(folder)
        if known is None:
            return _Counted()
        files = sum(one.files for one in formats)
        findings = []
        for key, problem in known.unusable:
            said = (
                f"{table}: {key} cannot be used: {problem}; its row count is compared with nothing"
            )
            findings.append(_finding("unreadable_object", export_id, table, said, {"key": key}))
        if len(known.keys) != files:
            said = (
                f"{table} in {folder}: {len(known.keys)} .dfm files count the rows of its {files} "
                "objects; its row count is compared with nothing"
            )
            findings.append(
                _finding("uncounted_objects", export_id, table, said, {"objects": files})
            )
        if known.errors:
            said = f"{table} in {folder}: its .dfm files tell of {known.errors} data errors"
            findings.append(_finding("skipped_by_export", export_id, table, said, {}))
        is_whole = len(known.keys) == files and not known.unusable
        return _Counted(
            keys=tuple(known.keys),
            rows=known.rows if is_whole else None,
            findings=tuple(findings),
        )

    # --- doubt ---

    def doubt(self, root: str, export_id: str) -> Finding:
        tables = self.uncertain[root]
        example = tables[0]
        last = example.folder.rstrip("/").rpartition("/")[2]
        return _finding(
            "uncertain_layout",
            export_id,
            None,
            f"{len(tables)} tables below {root} were told by their last two folders: "
            f"{example.folder} is taken for the table {example.table}. If {last} is a partition or "
            f"segment of a table {example.database}, name the BucketFolder in source.dms.folders; "
            "nothing else shows where it ends",
            {"tables": sorted({table.table for table in tables})[:20]},
        )


def _export_id(root: str, unit: str) -> str:
    """Return a name that people know the export by: `dms load public.orders` at the top."""
    return f"{root or 'dms'} {unit}"


def _finding(
    kind: str, export_id: str, table: str | None, message: str, more: Mapping[str, Any]
) -> Finding:
    return Finding.model_validate(
        {
            "kind": kind,
            "severity": "info" if kind == "uncertain_layout" else "warning",
            "export_id": export_id,
            "table": table,
            "message": message,
            **more,
        }
    )


def _by_folder(folders: set[str], sidecars: Mapping[str, bytes | None]) -> dict[str, _Described]:
    """Return what the sidecars say, by the folder of the table: the nearest one above them."""
    found: dict[str, _Described] = {}
    for key in sorted(sidecars):
        folder = key
        while folder and folder not in folders:
            folder = folder.rstrip("/").rpartition("/")[0]
            folder = f"{folder}/" if folder else ""
        if not folder:
            continue  # beside no object of a full load that was recognised
        own = found.setdefault(folder, _Described())
        own.keys.append(key)
        try:
            rows, errors = _dfm(sidecars[key])
        except Unusable as error:
            own.unusable.append((key, str(error)))
        else:
            own.rows += rows
            own.errors += errors
    return found


def _dfm(content: bytes | None) -> tuple[int, int]:
    """Return (recordCount, errorCount) of a .dfm file.

    Qlik documents the fields and that they come in sections, not how sections are called; they are
    looked for at the top and one level below.

    Raises: Unusable
    """
    info = load_object(content)
    sections = [info, *(part for part in info.values() if isinstance(part, dict))]
    counted = [part for part in sections if "recordCount" in part]
    if len(counted) != 1:
        raise Unusable(f"recordCount should be there once, is there {len(counted)} times")
    rows, errors = number(counted[0], "recordCount"), number(counted[0], "errorCount")
    if rows is None or rows < 0 or rows != int(rows):
        raise Unusable(f"recordCount should be a number of rows, is {rows}")
    return int(rows), int(errors or 0)


def _uncertain(
    groups: Sequence[Group], loads: Sequence[Group], options: ReadOptions
) -> dict[str, list[Group]]:
    """Return by root the tables whose schema could as well be the table, and they its partitions.

    Changes show where tables of a schema lie, control tables where the root is. At the top there is
    no other reading.
    """
    with_changes = {
        (one.root, one.database.removesuffix("_changes"))
        for one in groups
        if one.unit.startswith(_CHANGES)
    }
    with_control = {
        one.root
        for one in groups
        if one.unit == "control" and one.folder.removeprefix(one.root).count("/") == 1
    }
    found: dict[str, list[Group]] = {}
    for one in loads:
        is_known = any(one.folder.startswith(folder) for folder in options.dms_folders)
        shown = one.root in with_control or (one.root, one.database) in with_changes
        if one.root and not is_known and not shown:
            found.setdefault(one.root, []).append(one)
    return found


DMS = Reader(
    system="dms",
    control=(_DFM,),
    markers=(r"/$", r"_\$folder\$$", _CHANGES_DFM),
    claims="read/dms",
    parameters=lambda options: {"folders": list(options.dms_folders)},
    group=group,
)
"""A .dfm file of changes is expected and not read: there may be a thousand a table and day, and a
count of events is compared with nothing."""
