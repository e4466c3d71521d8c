"""Plain text for the terminal: what a scan found, what a plan would do, what a run did.

No colours, no markup, no control characters: an export's names cannot move the cursor. Columns are
aligned by what a character takes on a terminal; long lists end in `... and N more`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..model import (
    Check,
    Commitment,
    Export,
    Finding,
    Plan,
    PlanTable,
    RunResult,
    Scan,
    Table,
    TableResult,
)
from . import findings, one_day, words
from .facts import (
    STATE_ORDER,
    Totals,
    evidence_text,
    lock_of,
    lock_text,
    state_label,
    states,
    totals,
    verdict,
)
from .words import count, dollars, duration, moment, name, plural, size, width_of

T = TypeVar("T")

_NAME = 48
"""Longest name in a column."""
_ROWS = 30
"""Longest table."""
_PER_KIND = 5
"""Findings shown of one kind."""


def text(result: RunResult) -> str:
    """Return the summary of a run: verdict, numbers, places, failures, findings, tables."""
    found, sums = verdict(result), totals(result)
    lines = [found.title.upper(), *(f"  {reason}" for reason in found.reasons), ""]
    lines += labelled(_numbers(result, sums))
    lines += _failures(result)
    lines += finding_lines(result.findings)
    lines += _result_tables(result)
    return "\n".join(lines) + "\n"


def plan_text(plan: Plan) -> str:
    """Return what `run` would do."""
    actions = dict.fromkeys(("compact", "decide", "adopt", "done"), 0)
    for table in plan.tables:
        actions[table.action] += 1
    todo = ", ".join(f"{number:,} {action}" for action, number in actions.items() if number)
    lines = [
        f"PLAN {name(plan.plan_id, 80)}",
        f"  {plural(len(plan.tables), 'table')}: {todo or 'none'}",
    ]
    if plan.tables and actions["done"] == len(plan.tables):
        lines.append("  nothing to do: every table is already in the lake")
    lines += finding_lines(plan.findings)
    lines += _plan_tables(plan.tables)
    lines += _skipped(plan)
    lines += ["", "ESTIMATE", *labelled(_costs(plan))]
    return "\n".join(lines) + "\n"


def scan_text(scan: Scan) -> str:
    """Return what lies in the source: problems first, then the exports with their tables."""
    tables = [table for export in scan.exports for table in export.tables]
    files, size_bytes = sum(table.files for table in tables), sum(table.bytes for table in tables)
    lines = [
        f"SCAN {plural(len(scan.exports), 'export')}, {plural(len(tables), 'table')}, "
        f"{plural(files, 'file')}, {size(size_bytes)}"
    ]
    lines += finding_lines(scan.findings)
    shown = scan.exports[:_ROWS]
    for export in shown:
        lines += _export(export)
    lines += more(len(scan.exports) - len(shown), "export")
    return "\n".join(lines) + "\n"


# --- parts of the run's summary -------------------------------------------------------------------


def _numbers(result: RunResult, sums: Totals) -> list[tuple[str, str]]:
    """Return the labelled lines at the top of a run's summary."""
    spent = duration((result.finished_at - result.started_at).total_seconds())
    pairs = [("run", f"{name(result.run_id)}, {moment(result.finished_at)}, {spent}")]
    if result.tables:
        pairs += _sums(sums) + one_day.pairs(result)
    pairs += [("source" if not no else "", name(url, 400)) for no, url in enumerate(result.sources)]
    pairs += [("lake", name(result.lake, 400)), ("archive", name(result.archive or "none", 400))]
    pairs.append(("lock", lock_text(lock_of(result))))
    if result.manifest:
        pairs.append(("manifest", name(result.manifest.url, 400)))
        pairs.append(("", f"sha256 {name(result.manifest.sha256)}"))
        pairs.append(("evidence", name(evidence_text(result), 400)))
    if result.late_links:
        late = ", ".join(f"{link.number} ({link.run_id})" for link in result.late_links[:5])
        some = plural(len(result.late_links), "link")
        pairs.append(("", f"{some} appended for interrupted runs: {name(late, 300)}"))
    if result.report:
        pairs.append(("report", name(result.report, 400)))
    return pairs


def _sums(sums: Totals) -> list[tuple[str, str]]:
    fewer = words.times(sums.source_files, sums.output_files)
    smaller = words.times(sums.source_bytes, sums.output_bytes).replace("fewer", "smaller")
    files = f"{count(sums.source_files)} -> {plural(sums.output_files, 'file')}"
    pairs = [
        ("objects", files + (f", {fewer} requests for a full read" if fewer else "")),
        ("rows", f"{count(sums.source_rows)} read, {count(sums.output_rows)} written"),
        (
            "bytes",
            f"{size(sums.source_bytes)} -> {size(sums.output_bytes)}"
            + (f", {smaller}" if smaller else ""),
        ),
    ]
    if sums.duplicate_tables:
        rows = f"{plural(sums.duplicate_rows, 'row')}, " if sums.duplicate_rows else ""
        objects = plural(sums.duplicate_files, "object")
        left_out = f"{plural(sums.duplicate_tables, 'table')} not stored twice: {objects}, {rows}"
        pairs.append(("duplicates", left_out + size(sums.duplicate_bytes)))
    if sums.failed_files:
        failed = f"{plural(sums.failed_files, 'object')}, {plural(sums.failed_rows, 'row')}"
        pairs.append(("failed", f"{failed} of failed tables, not counted above"))
    passed = sums.checks - sums.failed_checks - sums.unverified_checks
    checks = f"{passed:,} passed, {sums.failed_checks:,} failed"
    pairs.append(("checks", f"{checks}, {sums.unverified_checks:,} not verified"))
    return pairs


def _failures(result: RunResult) -> list[str]:
    """Return each failed table with its error and its failed checks."""
    failed = [
        table
        for table, state in zip(result.tables, states(result), strict=True)
        if state == "failed"
    ]
    if not failed:
        return []
    lines = ["", "FAILED TABLES"]
    for table in failed[:_ROWS]:
        lines.append(f"  {name(table.database, _NAME)} {name(table.table)}")
        lines += wrapped(table.error or "", "    ")
        checks = [check for check in table.checks if check.status == "fail"]
        for check in checks[:_PER_KIND]:
            lines += check_lines(check)
        lines += more(len(checks) - _PER_KIND, "failed check", "    ")
    return lines + more(len(failed) - _ROWS, "failed table", "  ")


def check_lines(check: Check) -> list[str]:
    """Return every field of a check."""
    expected, actual = (
        "none" if value is None else words.visible(value, 200)
        for value in (check.expected, check.actual)
    )
    return [
        f"    {name(check.name)} of {name(check.subject)}: expected {expected}, found {actual}",
        f"      {words.visible(check.source, 300)}",
    ]


def _result_tables(result: RunResult) -> list[str]:
    pairs = sorted(
        zip(result.tables, states(result), strict=True),
        key=lambda pair: (STATE_ORDER[pair[1]], pair[0].database, pair[0].table),
    )
    labels = {id(table): state_label(table, state) for table, state in pairs}
    several = len({table.export_id for table, _ in pairs}) > 1
    columns: list[tuple[str, Callable[[TableResult], str]]] = [
        ("table", lambda table: f"{name(table.database, 20)} {name(table.table, _NAME)}"),
        *([("export", lambda table: name(table.export_id, 30))] if several else []),
        ("result", lambda table: labels[id(table)]),
        ("objects>", lambda table: count(table.source_files)),
        ("files>", lambda table: _written(table, count(table.output_files))),
        ("rows>", lambda table: _written(table, count(table.output_rows))),
        ("before>", lambda table: size(table.source_bytes)),
        ("after>", lambda table: _written(table, size(table.output_bytes))),
    ]
    return listing("TABLES", [table for table, _ in pairs], columns, "table")


def _written(table: TableResult, shown: str) -> str:
    return "-" if table.status == "covered" else shown


# --- parts of the plan and the scan ---------------------------------------------------------------


def _plan_tables(tables: Sequence[PlanTable]) -> list[str]:
    def partition(table: PlanTable) -> str:
        if table.partition_column is None or table.grain == "none":
            return "one partition"
        return f"{name(table.partition_column, 30)} by {table.grain}"

    columns: list[tuple[str, Callable[[PlanTable], str]]] = [
        ("table", lambda table: f"{name(table.database, 20)} {name(table.table, _NAME)}"),
        ("action", lambda table: table.action),
        ("objects>", lambda table: count(table.source_files)),
        ("files>", lambda table: f"~{table.estimated_output_files:,}"),
        ("before>", lambda table: size(table.source_bytes)),
        ("after>", lambda table: f"~{size(table.estimated_output_bytes)}"),
        ("partition", partition),
    ]
    return listing("TABLES", tables, columns, "table", note=_reasons)


def _reasons(table: PlanTable) -> list[str]:
    """Return why a table is divided as it is."""
    if table.action != "compact":
        return []
    return wrapped(f"{table.partition_reason}; grain {table.grain}: {table.grain_reason}", "      ")


def _skipped(plan: Plan) -> list[str]:
    if not plan.skipped:
        return []
    objects = sum(item.objects for item in plan.skipped)
    lines = ["", f"SKIPPED {plural(objects, 'object')}"]
    for item in plan.skipped[:_ROWS]:
        many = (
            f" ({plural(item.objects, 'object')}, {size(item.bytes)})" if item.objects > 1 else ""
        )
        lines.append(f"  {name(item.key)}{many}: {words.visible(item.reason, 200)}")
    return lines + more(len(plan.skipped) - _ROWS, "key", "  ")


def _costs(plan: Plan) -> list[tuple[str, str]]:
    """Return the labelled lines of a plan's estimate."""
    cost = plan.estimate
    fewer = words.times(cost.source_files, cost.output_files)
    pairs = [
        (
            "objects",
            f"{count(cost.source_files)} -> about {plural(cost.output_files, 'file')}"
            + (f", {fewer}" if fewer else ""),
        ),
        ("bytes", f"{size(cost.source_bytes)} -> about {size(cost.output_bytes)}"),
        (
            "requests",
            f"{cost.get_requests:,} GET, {cost.put_requests:,} PUT, {cost.list_requests:,} LIST: "
            f"{dollars(cost.request_cost_usd)}",
        ),
        ("storage", f"{dollars(cost.storage_cost_usd_month)} a month"),
    ]
    if cost.archive_cost_usd_retention is not None:
        whole = dollars(cost.archive_cost_usd_retention)
        pairs.append(("archive", f"{whole} for the whole retention"))
    if plan.commitment is not None and plan.commitment.tables:
        pairs += _commitment(plan.commitment)
    if cost.prices:
        pairs.append(("prices", words.visible(cost.prices, 200)))
    return pairs


def _commitment(found: Commitment) -> list[tuple[str, str]]:
    """Return what would be locked: bytes x years x price, and whether somebody must accept it."""
    price = "an unknown price" if found.usd_gb_month is None else f"${found.usd_gb_month:g}"
    pairs = [
        (
            "lock",
            f"{found.mode} until {moment(found.until)} at the latest: at most "
            f"{plural(found.tables, 'table')}",
        ),
        (
            "",
            f"{size(found.bytes)} x {found.months / 12:g} years x {price} a GB and month = "
            f"{dollars(found.usd)}",
        ),
    ]
    if found.too_long:
        pairs.append(("", f"run will refuse: {words.visible(found.too_long, 400)}"))
    elif found.to_accept:
        pairs.append(("", "run needs --accept-retention: nobody can shorten or undo this"))
    elif found.mode == "COMPLIANCE":
        pairs.append(("", f"within archive.retention_ceiling_usd, {dollars(found.ceiling_usd)}"))
    return pairs


def _export(export: Export) -> list[str]:
    lines = [
        "",
        f"EXPORT {name(export.export_id)} ({name(export.system, 20)}, "
        f"database {name(export.database, _NAME)}, {name(export.status, 40)})",
        f"  snapshot of {moment(export.snapshot)}, in {name(export.root or '/', 200)}",
    ]
    columns: list[tuple[str, Callable[[Table], str]]] = [
        ("table", lambda table: name(table.table, _NAME)),
        ("status", lambda table: name(table.status, 20)),
        ("files>", lambda table: count(table.files)),
        ("bytes>", lambda table: size(table.bytes)),
        ("median file>", lambda table: size(table.median_file_bytes)),
        ("folders>", lambda table: count(table.folders)),
        ("rows>", lambda table: count(table.rows) if table.rows is not None else "-"),
    ]
    ordered = sorted(export.tables, key=lambda table: (table.status == "complete", table.table))
    return lines + listing("", ordered, columns, "table")


# --- shared ---------------------------------------------------------------------------------------


def finding_lines(found: Iterable[Finding]) -> list[str]:
    """Return findings by severity and kind, with what to do about each kind."""
    kinds = findings.by_severity(found)
    lines = ["", "FINDINGS"] if kinds else []
    for kind in kinds:
        many = f" ({len(kind.found):,})" if len(kind.found) > 1 else ""
        lines.append(f"  {kind.severity} {name(kind.kind, 60)}{many}")
        for finding in kind.found[:_PER_KIND]:
            named = not finding.table or finding.message.startswith(finding.table)
            table = "" if named else f"{name(finding.table)}: "
            lines += wrapped(table + finding.message, "    ")
        lines += more(len(kind.found) - _PER_KIND, "finding", "    ")
        hint = findings.hint(kind.found[0]) or kind.advice
        if hint:
            lines += wrapped(f"next: {hint}", "    ")
    return lines


def wrapped(message: str, indent: str, width: int = 100) -> list[str]:
    """Return a message in lines; words longer than a line are left whole."""
    lines: list[str] = []
    for part in words.visible(message, 2_000, lines=True).splitlines():
        line = ""
        for word in part.split(" "):
            if line and width_of(line) + 1 + width_of(word) + len(indent) > width:
                lines.append(indent + line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        if line:
            lines.append(indent + line)
    return lines


def labelled(pairs: Sequence[tuple[str, str]]) -> list[str]:
    widest = max((len(label) for label, _ in pairs), default=0)
    return [f"  {label:<{widest}}  {value}" for label, value in pairs]


def listing(
    title: str,
    items: Sequence[T],
    columns: Sequence[tuple[str, Callable[[T], str]]],
    noun: str,
    *,
    note: Callable[[T], list[str]] | None = None,
) -> list[str]:
    """Return an aligned table; a heading that ends in `>` aligns its column to the right."""
    if not items:
        return []
    cells = [[heading.removesuffix(">") for heading, _ in columns]]
    cells += [[show(item) for _, show in columns] for item in items[:_ROWS]]
    widths = [max(width_of(row[index]) for row in cells) for index in range(len(columns))]
    lines = ["", title] if title else []
    for number, row in enumerate(cells):
        shown = []
        for (heading, _), cell, width in zip(columns, row, widths, strict=True):
            space = " " * (width - width_of(cell))
            shown.append(space + cell if heading.endswith(">") else cell + space)
        lines.append("  " + "  ".join(shown).rstrip())
        if note is not None and number:
            lines += note(items[number - 1])
    return lines + more(len(items) - _ROWS, noun, "  ")


def more(number: int, noun: str, indent: str = "") -> list[str]:
    return (
        [f"{indent}... and {number:,} more {noun}{'' if number == 1 else 's'}"]
        if number > 0
        else []
    )
