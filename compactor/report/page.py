"""`RunResult` in, one self-contained HTML page out.

No network, no clock, no randomness: the same result gives the same page. Its policy for content
(CSP) names the digests of the page's own style and script, so nothing else could run even if
escaping failed. Every value shown goes through `visible` and Jinja's autoescape. What grows with
the export is bounded by `Budget`, always saying what was left out; the JSON holds everything.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..model import (
    HIVE_NULL,
    SIZE_EDGES,
    Check,
    Finding,
    PartitionResult,
    RunResult,
    Skipped,
    StoredObject,
    TableResult,
)
from . import charts, findings, words
from .facts import (
    STATE_ORDER,
    STATE_TONE,
    State,
    evidence_text,
    lock_of,
    lock_text,
    state_label,
    states,
    totals,
    verdict,
)

_FOLDER = Path(__file__).parent
_STATE_NAMES: dict[State, str] = {
    "failed": "Failed",
    "unverified": "Not fully verified",
    "done": "Done and verified",
    "covered": "Duplicate",
}
_CHECK_WORDS = {"pass": "Passed", "fail": "Failed", "not_verified": "Not verified"}
_SEVERITY_TONES = {"error": "bad", "warning": "warn", "info": "idle"}
_CHECK_TONES = {"pass": "good", "fail": "bad", "not_verified": "warn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of each list the page holds, so that it opens quickly whatever the export's size."""

    charts: int = 150
    """Tables with their own charts: failed ones first, then the largest."""
    partitions: int = 400
    objects: int = 400
    columns: int = 2_000
    passed: int = 200
    """Rows per table; the totals below are shared by all tables."""
    all_partitions: int = 120_000
    all_objects: int = 12_000
    all_columns: int = 60_000
    all_passed: int = 5_000
    listed: int = 500
    """Findings of one kind, skipped keys, problem checks of one table and covered names."""
    open_tables: int = 3
    """Failed tables that are unfolded from the start."""

    def share(self, tables: Sequence[TableResult]) -> Budget:
        """Return the budget of each table of a result."""
        number = max(len(tables), 1)
        partitions = sum(len(table.partitions) for table in tables)
        objects = sum(len(part.objects) for table in tables for part in table.partitions)
        columns = sum(len(table.columns) for table in tables)
        checks = sum(len(table.checks) for table in tables)

        def part(each: int, whole: int, needed: int) -> int:
            return each if needed <= whole else min(each, max(whole // number, 5))

        return Budget(
            partitions=part(self.partitions, self.all_partitions, partitions),
            objects=part(self.objects, self.all_objects, objects),
            columns=part(self.columns, self.all_columns, columns),
            passed=self.passed if checks <= self.all_passed else 0,
        )


def html(result: RunResult) -> str:
    """Return the report of a run as one HTML page that needs nothing else."""
    style, script = _asset("page.css"), _asset("page.js")
    lock = lock_of(result)
    tables = _tables(result)
    return _template().render(
        style=Markup(style),
        script=Markup(script),
        policy=(
            f"default-src 'none'; style-src '{_integrity(style)}'; "
            f"script-src '{_integrity(script)}'; base-uri 'none'; form-action 'none'"
        ),
        run=result,
        verdict=verdict(result),
        sums=totals(result),
        seconds=(result.finished_at - result.started_at).total_seconds(),
        lock=lock,
        lock_text=lock_text(lock),
        evidence=evidence_text(result),
        findings=_findings(result.findings, Budget().listed),
        overview=_overview(result),
        tables=tables,
        several=len({table.export_id for table in result.tables}) > 1,
        failed=[table for table in tables if table["state"] == "failed"],
        states=_state_options(result),
        skipped=_skipped(result.skipped),
    )


def load() -> None:
    """Compile the template ahead of time: that takes longer than to fill it in."""
    _template()


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        count=words.count,
        size=words.size,
        moment=words.moment,
        duration=words.duration,
        name=words.name,
        plural=words.plural,
    )
    environment.globals.update(times=words.times)
    return environment.get_template("page.html.j2")


def _shown(value: Any) -> Any:
    """Write out what is invisible in any text a template shows, but for line breaks; bound it."""
    return words.visible(value, 4_000, lines=True) if type(value) is str else value


@cache
def _asset(file: str) -> str:
    return (_FOLDER / file).read_text(encoding="utf-8").replace("\r\n", "\n")


def _integrity(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- findings, skipped objects, overview ----------------------------------------------------------


def _findings(found: Iterable[Finding], limit: int) -> list[dict[str, Any]]:
    """Return one entry per severity that occurs, the gravest first."""
    kinds = findings.by_severity(found)
    return [
        {
            "severity": severity,
            "tone": _SEVERITY_TONES[severity],
            "count": sum(len(kind.found) for kind in kinds if kind.severity == severity),
            "kinds": [_kind(kind, limit) for kind in kinds if kind.severity == severity],
        }
        for severity in findings.SEVERITIES
        if any(kind.severity == severity for kind in kinds)
    ]


def _kind(kind: findings.Kind, limit: int) -> dict[str, Any]:
    entries = [
        {
            "table": finding.table,
            "export_id": finding.export_id,
            "message": findings.message(finding),
            "hint": findings.hint(finding),
            "extra": findings.extras(finding),
        }
        for finding in kind.found[:limit]
    ]
    return {
        "label": words.name(kind.kind.replace("_", " ").capitalize(), 80),
        "count": len(kind.found),
        "advice": kind.advice,
        "first": entries[:5],
        "more": entries[5:],
        "cut": len(kind.found) - len(entries),
    }


def _skipped(skipped: Sequence[Skipped]) -> dict[str, Any]:
    limit = Budget().listed
    reasons: Counter[str] = Counter()
    for item in skipped:
        reasons[item.reason] += item.objects
    rows = [
        (words.visible(item.key, 400), item.reason, item.objects, words.size(item.bytes))
        for item in skipped[:limit]
    ]
    return {
        "objects": sum(item.objects for item in skipped),
        "bytes": sum(item.bytes for item in skipped),
        "reasons": [(words.visible(text, 400), number) for text, number in reasons.most_common(20)],
        "rows": rows,
        "cut": len(skipped) - len(rows),
    }


def _overview(result: RunResult) -> list[charts.Chart]:
    """Return the charts over all tables that were written."""
    good = [
        table
        for table, state in zip(result.tables, states(result), strict=True)
        if state != "failed"
    ]
    written = [table for table in good if table.status in ("done", "adopted")]
    if not written:
        return []
    classes = len(SIZE_EDGES) + 1
    before, after = [0] * classes, [0] * classes
    for table in good:
        for sums, counts in (
            (before, table.source_size_histogram),
            (after, table.output_size_histogram),
        ):
            for index, number in enumerate(counts[:classes]):
                sums[index] += number
    values = (
        (part.value, part.rows)
        for table in written
        for part in table.partitions
        if charts.is_dated(part.value)
    )
    grains = {table.grain for table in written}
    unit: charts.Unit = "year" if "year" in grains else "month" if "month" in grains else "day"
    drawn = [charts.sizes(before, after), charts.rows_over_time(charts.calendar(values, unit))]
    return [chart for chart in drawn if chart.svg]


# --- tables ---------------------------------------------------------------------------------------


def _state_options(result: RunResult) -> list[tuple[str, str, int]]:
    found = Counter(states(result))
    return [(state, _STATE_NAMES[state], found[state]) for state in STATE_ORDER if found[state]]


def _tables(result: RunResult) -> list[dict[str, Any]]:
    """Return what the page shows of each table, the worst first, then by name."""
    budget, whole = Budget().share(result.tables), Budget()
    ordered = sorted(
        zip(result.tables, states(result), strict=True),
        key=lambda pair: (STATE_ORDER[pair[1]], pair[0].database, pair[0].table),
    )
    charted = sorted(ordered, key=lambda pair: (STATE_ORDER[pair[1]], -pair[0].source_bytes))
    drawn = {id(table) for table, _ in charted[: whole.charts]}
    return [
        _table(table, state, budget, number, draw=id(table) in drawn)
        for number, (table, state) in enumerate(ordered)
    ]


def _table(
    table: TableResult, state: State, budget: Budget, number: int, *, draw: bool
) -> dict[str, Any]:
    tally = Counter[str](check.status for check in table.checks)
    return {
        "id": f"t{number}",
        "of": table,
        "name": words.name(table.table),
        "long_name": words.visible(table.table, 4_000) if len(table.table) > 160 else "",
        "state": state,
        "tone": STATE_TONE[state],
        "error_line": words.name(next(iter((table.error or "").splitlines()), ""), 400)
        if table.error
        else "",
        "label": state_label(table, state),
        "is_open": state == "failed" and number < budget.open_tables,
        "checks_line": _checks_line(tally)
        or ("not stored twice" if table.status == "covered" else "no checks"),
        "problems": _problems(table.checks, budget.listed),
        "passed": _passed(table.checks, budget.passed),
        "columns": _columns(table, budget.columns),
        "columns_cut": max(len(table.columns) - budget.columns, 0),
        "covers": [words.name(child) for child in table.covers[: budget.listed]],
        "charts": _charts(table, draw=draw),
        "partitions": _partitions(table, budget.partitions),
        "objects": _objects(table, budget.objects),
    }


def _checks_line(tally: Counter[str]) -> str:
    parts = [
        f"{tally[status]:,} {label}"
        for status, label in (
            ("fail", "failed"),
            ("not_verified", "not verified"),
            ("pass", "passed"),
        )
        if tally[status]
    ]
    return ", ".join(parts)


def _value(text: str | None) -> str:
    """Return one side of a comparison; where there is no number, say so."""
    return "none" if text is None else words.visible(text, 2_000, lines=True)


def _check(check: Check) -> dict[str, str]:
    return {
        "tone": _CHECK_TONES[check.status],
        "status": _CHECK_WORDS[check.status],
        "name": words.name(check.name, 80),
        "subject": words.visible(check.subject, 400),
        "expected": _value(check.expected),
        "actual": _value(check.actual),
        "source": words.visible(check.source, 1_000, lines=True),
    }


def _problems(checks: Iterable[Check], limit: int) -> dict[str, Any]:
    """Return the failed checks, every one of them, and those that could not be made."""
    failed = [check for check in checks if check.status == "fail"]
    unverified = [check for check in checks if check.status == "not_verified"]
    return {
        "rows": [_check(check) for check in (*failed, *unverified[:limit])],
        "cut": max(len(unverified) - limit, 0),
    }


def _passed(checks: Iterable[Check], limit: int) -> dict[str, Any]:
    """Return the passed checks by name, each with its first one as an example."""
    named: dict[str, list[Check]] = {}
    for check in checks:
        if check.status == "pass":
            named.setdefault(check.name, []).append(check)
    rows = [{"count": len(found), **_check(found[0])} for found in named.values()]
    single = [check for found in named.values() for check in found]
    return {
        "rows": rows,
        "each": [_check(check) for check in single[:limit]],
        "cut": len(single) - limit,
        "all": len(single),
    }


def _columns(table: TableResult, limit: int) -> list[dict[str, Any]]:
    """Return the columns; those that kept their text are shown whatever the limit."""
    return [
        {
            "name": words.name(column.name),
            "source_name": words.name(column.source_name)
            if column.source_name != column.name
            else "",
            "source_type": words.visible(column.source_type, 200),
            "type": words.visible(column.type, 400),
            "kept_text": column.kept_text,
            "kept_values": column.kept_values,
            "examples": [words.visible(example, 200) for example in column.examples[:5]],
        }
        for index, column in enumerate(table.columns)
        if index < limit or column.kept_text
    ]


def _charts(table: TableResult, *, draw: bool) -> list[charts.Chart]:
    shown = []
    if any(table.source_size_histogram) or any(table.output_size_histogram):
        before, after = table.source_size_histogram, table.output_size_histogram
        shown.append(charts.sizes(before, after, draw=draw))
    dated = [(part.value, part.rows) for part in table.partitions if charts.is_dated(part.value)]
    if dated:
        unit: charts.Unit = table.grain if table.grain != "none" else "day"
        shown.append(charts.rows_over_time(charts.calendar(dated, unit), draw=draw))
    return shown


def _partitions(table: TableResult, limit: int) -> dict[str, Any]:
    """Return the partitions one by one, or by month, year or century where there are too many."""
    parts = [part for part in table.partitions if part.value]
    grouped = _grouped(parts, limit)
    return {
        "all": len(parts),
        "is_grouped": len(grouped) < len(parts),
        "rows": [(label, len(found), *_sums(found)) for label, found in grouped.items()][
            : 2 * limit
        ],
        "undated": sum(part.rows for part in parts if part.value == HIVE_NULL),
    }


def _grouped(parts: Sequence[PartitionResult], limit: int) -> dict[str, list[PartitionResult]]:
    """Return partitions by the longest part of their date that keeps the list short."""
    for width, rest in ((None, ""), (7, ""), (4, ""), (2, "xx")):
        found: dict[str, list[PartitionResult]] = {}
        for part in parts:
            plain = width is None or part.value == HIVE_NULL
            label = part.value if plain else part.value[:width] + rest
            found.setdefault(words.visible(label, 100), []).append(part)
        if len(found) <= limit:
            return found
    return {"all": list(parts)}


def _sums(parts: Iterable[PartitionResult]) -> tuple[str, str, str]:
    rows = files = size_bytes = 0
    for part in parts:
        rows += part.rows
        files += len(part.objects)
        size_bytes += sum(item.size_bytes for item in part.objects)
    return f"{rows:,}", f"{files:,}", words.size(size_bytes)


def _objects(table: TableResult, limit: int) -> dict[str, Any]:
    """Return the stored objects: the archived version where there is one, else the lake's."""
    pairs = [pair for part in table.partitions for pair in _paired(part.objects, part.archived)]
    pairs += [(item, True) for item in table.control]
    locks = {_lock_key(item, archived) for item, archived in pairs}
    folder = _common_folder([item.key for item, _ in pairs[:limit]])
    versioned = any(item.version_id for item, _ in pairs)
    return {
        "all": len(pairs),
        "cut": max(len(pairs) - limit, 0),
        "folder": words.visible(folder, 2_000),
        "lock": _lock(*pairs[0]) if len(locks) == 1 else "",
        "versioned": versioned,
        "rows": [
            (
                words.visible(item.key[len(folder) :], 400),
                "" if item.rows is None else f"{item.rows:,}",
                f"{item.size_bytes:,}",
                item.sha256,
                item.version_id or "",
                _lock(item, archived),
            )
            for item, archived in pairs[:limit]
        ],
    }


def _common_folder(keys: Sequence[str]) -> str:
    """Return the longest folder, with its slash, that all keys lie in."""
    if not keys:
        return ""
    first, last = min(keys), max(keys)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[: first.rfind("/", 0, same) + 1]


def _paired(
    written: Sequence[StoredObject], archived: Sequence[StoredObject]
) -> list[tuple[StoredObject, bool]]:
    """Return (object, whether it is the archive's), one entry for each object of a partition."""
    kept = {item.key for item in archived}
    return [(item, True) for item in archived] + [
        (item, False) for item in written if item.key not in kept
    ]


def _lock_key(item: StoredObject, archived: bool) -> tuple[Any, ...]:
    return archived, archived and (item.lock_mode, item.retain_until, item.legal_hold)


def _lock(item: StoredObject, archived: bool) -> str:
    if not archived:
        return "in the lake only"
    if item.retain_until is None:
        return "legal hold" if item.legal_hold else "NOT locked"
    mode = words.name(item.lock_mode, 40) if item.lock_mode else "locked"
    hold = ", legal hold" if item.legal_hold else ""
    return f"{mode} until {words.moment(item.retain_until)}{hold}"
