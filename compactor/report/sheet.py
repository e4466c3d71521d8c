"""The CSV twins: one row per table, or one row per check. RFC 4180, UTF-8, safe in a spreadsheet.

A cell that a spreadsheet would take for a formula gets a `'` in front; so does one that begins with
`'`, so that taking away one leading `'` gives back every cell. What is invisible in a name is
written out (`\\u202e`), line breaks too: one record is one line. `task_id` tells tables apart
whatever their names hold; the JSON has names as they are.
Source of the characters: https://owasp.org/www-community/attacks/CSV_Injection, read on 2026-11-25.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from ..benefit import benefit
from ..model import Finding, RunResult, TableResult, utc_text
from . import words
from .facts import State, states, stored

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")

TABLE_COLUMNS = (
    "run_id", "database", "table", "export_id", "snapshot", "status", "state",
    "source_files", "source_bytes", "source_rows", "output_files", "output_bytes", "output_rows",
    "partitions", "partition_column", "grain",
    "checks_passed", "checks_failed", "checks_not_verified", "failed_checks", "not_verified_checks",
    "archived_objects", "locked_objects", "lock_modes", "locked_until", "last_locked_until",
    "legal_holds", "kept_text_columns", "findings", "covers", "covered_by", "error",
    "task_id", "fingerprint", "objects_sha256", "source", "manifest_url", "manifest_sha256",
    "one_day", "one_day_files", "one_day_bytes", "one_day_requests_before",
    "one_day_requests_after", "one_day_usd_before", "one_day_usd_after",
    "portable_digest",
)  # fmt: skip
CHECK_COLUMNS = (
    "run_id", "database", "table", "task_id", "check", "subject", "status", "expected", "actual",
    "source",
)  # fmt: skip

Cell = str | int | None


def tables_csv(result: RunResult) -> str:
    """Return one row per table, in the order of the result."""
    kinds = _kinds(result.findings)
    rows = (
        _table(result, table, state, kinds)
        for table, state in zip(result.tables, states(result), strict=True)
    )
    return to_csv(TABLE_COLUMNS, rows)


def checks_csv(result: RunResult) -> str:
    """Return one row per check, in the order of the result."""
    return to_csv(
        CHECK_COLUMNS,
        (
            (
                result.run_id, table.database, table.table, table.task_id, check.name,
                check.subject, check.status, check.expected, check.actual, check.source,
            )
            for table in result.tables
            for check in table.checks
        ),
    )  # fmt: skip


def cell(value: Cell) -> Cell:
    """Return a cell that no spreadsheet takes for a formula, and that is one line."""
    if not isinstance(value, str):
        return value
    is_risky = value.startswith(_FORMULA) or value.lstrip().startswith(_FORMULA)
    return words.visible(f"'{value}" if is_risky else value)


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def _kinds(found: Iterable[Finding]) -> dict[tuple[str | None, str | None], list[str]]:
    kinds: dict[tuple[str | None, str | None], list[str]] = {}
    for finding in found:
        kinds.setdefault((finding.export_id, finding.table), []).append(finding.kind)
    return kinds


def _names(found: Iterable[str]) -> str:
    return "; ".join(sorted(set(found)))


def _table(
    result: RunResult,
    table: TableResult,
    state: State,
    kinds: dict[tuple[str | None, str | None], list[str]],
) -> tuple[Cell, ...]:
    tally = Counter(check.status for check in table.checks)
    archived = list({(item.key, item.version_id): item for item in stored(table)}.values())
    until = sorted(item.retain_until for item in archived if item.retain_until)
    own = kinds.get((table.export_id, table.table), []) + kinds.get((None, table.table), [])
    return (
        result.run_id, table.database, table.table, table.export_id, utc_text(table.snapshot),
        table.status, state,
        table.source_files, table.source_bytes, table.source_rows,
        table.output_files, table.output_bytes, table.output_rows,
        len(table.partitions), table.partition_column, table.grain,
        tally["pass"], tally["fail"], tally["not_verified"],
        _names(check.name for check in table.checks if check.status == "fail"),
        _names(check.name for check in table.checks if check.status == "not_verified"),
        len(archived), sum(bool(item.retain_until or item.legal_hold) for item in archived),
        _names(item.lock_mode for item in archived if item.lock_mode),
        utc_text(until[0]) if until else None, utc_text(until[-1]) if until else None,
        sum(item.legal_hold for item in archived),
        sum(column.kept_text for column in table.columns),
        _names(own), "; ".join(table.covers), table.covered_by, table.error,
        table.task_id, table.fingerprint, table.objects_sha256,
        f"{table.source_url}{table.source_folder}",
        result.manifest.url if result.manifest else None,
        result.manifest.sha256 if result.manifest else None,
        *_one_day(table),
        table.portable.digest if table.portable else None,
    )  # fmt: skip


def _one_day(table: TableResult) -> tuple[Cell, ...]:
    """Return what a query for one day reads, estimated; before, it reads all source files."""
    found = benefit(table)
    if found is None or found.day_before is None or found.day_after is None:
        return (None,) * 7
    before, after = found.day_before, found.day_after
    return (
        found.day, after.files, after.bytes, before.requests, after.requests,
        f"{before.usd:.9f}", f"{after.usd:.9f}",
    )  # fmt: skip
