"""One table of a run as HTML: a row that unfolds, with everything known about it inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..model import (
    HIVE_NULL,
    Check,
    Finding,
    PartitionResult,
    RunResult,
    StoredObject,
    TableResult,
)
from . import charts, findings, one_day, words
from .facts import STATE_ORDER, STATE_TONE, State, state_label, states
from .templates import template

CHECK_WORDS = {"pass": "Passed", "fail": "Failed", "not_verified": "Not verified"}
CHECK_TONES = {"pass": "good", "fail": "bad", "not_verified": "warn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of each list the page holds, so that it opens quickly whatever the export's size."""

    static: int = 100
    """Tables that stand in the page itself, the worst first; its script brings the others."""
    full_bytes: int = 10_000_000
    """Of tables with everything inside, the failed and the largest first; the others are brief."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One table as the page's script needs it, and its HTML."""

    id: str
    state: str
    name: str
    database: str
    search: str
    """In lower case: name, database and export."""
    keys: tuple[int, ...]
    """What the columns sort by: order, source objects, rows, source bytes, partitions."""
    kinds: tuple[int, ...]
    """Findings of this table, as indexes of `findings.kinds`."""
    error_line: str
    checks_line: str
    has_problems: bool
    html: str


def rows(result: RunResult, whole: Budget) -> list[Row]:
    """Return a row for each table, the worst first, then by name."""
    budget = whole.share(result.tables)
    several = len({table.export_id for table in result.tables}) > 1
    kinds = _kinds_of(result.findings)
    ordered = sorted(
        zip(result.tables, states(result), strict=True),
        key=lambda pair: (STATE_ORDER[pair[1]], pair[0].database, pair[0].table),
    )
    by_weight = sorted(
        range(len(ordered)),
        key=lambda number: (STATE_ORDER[ordered[number][1]], -ordered[number][0].source_bytes),
    )
    made: dict[int, Row] = {}
    spent = 0
    for place, number in enumerate(by_weight):
        table, state = ordered[number]
        is_brief = spent > whole.full_bytes and number >= whole.static
        shown = (
            _brief(table, state, number)
            if is_brief
            else _table(table, state, budget, number, draw=place < whole.charts)
        )
        shown["kinds"] = kinds.get((table.export_id, table.table), set()) | kinds.get(
            (None, table.table), set()
        )
        made[number] = _row(table, shown, several)
        spent += len(made[number].html)
    return [made[number] for number in range(len(ordered))]


def _kinds_of(found: Iterable[Finding]) -> dict[tuple[str | None, str], set[int]]:
    """Return the kinds of findings by export and table."""
    known = list(found)
    numbers = {kind: number for number, kind in enumerate(findings.kinds(known))}
    kinds: dict[tuple[str | None, str], set[int]] = {}
    for finding in known:
        if finding.table is not None:
            kinds.setdefault((finding.export_id, finding.table), set()).add(numbers[finding.kind])
    return kinds


def _row(table: TableResult, shown: dict[str, Any], several: bool) -> Row:
    database, export_id = words.name(table.database, 60), words.name(table.export_id, 60)
    keys = (
        shown["number"],
        table.source_files,
        table.output_rows or table.source_rows,
        table.source_bytes,
        len(table.partitions),
    )
    kinds = tuple(sorted(shown["kinds"]))
    html = template("table.html.j2").render(table=shown, several=several, keys=keys, kinds=kinds)
    return Row(
        id=shown["id"],
        state=shown["state"],
        name=shown["name"],
        database=database,
        search=" ".join((shown["name"], database, export_id)).lower(),
        keys=keys,
        kinds=kinds,
        error_line=shown["error_line"],
        checks_line=shown["checks_line"],
        has_problems=bool(shown["problems"]["rows"]),
        html=html,
    )


def _brief(table: TableResult, state: State, number: int) -> dict[str, Any]:
    """Return what is shown of a table for which there is no room: its numbers and its problems."""
    none = Budget(partitions=0, objects=0, columns=0, passed=0, listed=3)
    few = [check for check in table.checks if check.status != "pass"]
    left_out = {"partitions": (), "columns": (), "source_size_histogram": ()}
    bare = table.model_copy(
        update={**left_out, "output_size_histogram": (), "covers": table.covers[:3]}
    )
    shown = _table(bare.model_copy(update={"checks": few[:6]}), state, none, number, draw=False)
    tally = Counter[str](check.status for check in table.checks)
    is_cut = {"problems": {"rows": shown["problems"]["rows"], "cut": max(len(few) - 6, 0)}}
    return (
        shown
        | is_cut
        | {
            "of": table.model_copy(update={"error": words.name(table.error, 400)})
            if table.error
            else table,
            "is_brief": True,
            "reads": None,
            "label": state_label(table, state),
            "checks_line": _checks_line(tally) or shown["checks_line"],
        }
    )


def _table(
    table: TableResult, state: State, budget: Budget, number: int, *, draw: bool
) -> dict[str, Any]:
    tally = Counter[str](check.status for check in table.checks)
    return {
        "id": f"t{number}",
        "number": number,
        "is_brief": False,
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
        "reads": one_day.shown(table),
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


def check_shown(check: Check) -> dict[str, str]:
    """Return what is shown of one check."""
    return {
        "tone": CHECK_TONES[check.status],
        "status": CHECK_WORDS[check.status],
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
        "rows": [check_shown(check) for check in (*failed, *unverified[:limit])],
        "cut": max(len(unverified) - limit, 0),
    }


def _passed(checks: Iterable[Check], limit: int) -> dict[str, Any]:
    """Return the passed checks by name, each with its first one as an example."""
    named: dict[str, list[Check]] = {}
    for check in checks:
        if check.status == "pass":
            named.setdefault(check.name, []).append(check)
    rows = [{"count": len(found), **check_shown(found[0])} for found in named.values()]
    single = [check for found in named.values() for check in found]
    return {
        "rows": rows,
        "each": [check_shown(check) for check in single[:limit]],
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
