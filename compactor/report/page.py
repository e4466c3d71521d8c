"""`RunResult` in, one self-contained HTML page out.

No network, no clock, no randomness: the same result gives the same page. Its policy for content
(CSP) names the digests of the page's own style and script, so nothing else could run even if
escaping failed. Every value shown goes through `visible` and Jinja's autoescape. What grows with
the export is bounded by `Budget`, always saying what was left out; the JSON holds everything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

from ..model import SIZE_EDGES, Finding, RunResult, Skipped
from ..stored import by_snapshot
from . import charts, findings, one_day, table_part, words
from .answers import answers
from .facts import STATE_ORDER, State, evidence_text, lock_of, lock_text, states, totals, verdict
from .snapshots import snapshot_charts
from .table_part import Budget, Row
from .templates import asset, template

_STATE_NAMES: dict[State, str] = {
    "failed": "Failed",
    "unverified": "Not fully verified",
    "done": "Done and verified",
    "covered": "Duplicate",
}
_SEVERITY_TONES = {"error": "bad", "warning": "warn", "info": "idle"}


def html(result: RunResult) -> str:
    """Return the report of a run as one HTML page that needs nothing else."""
    style, script = asset("page.css"), asset("page.js")
    budget = Budget()
    rows = table_part.rows(result, budget)
    lock = lock_of(result)
    return template("page.html.j2").render(
        style=Markup(style),
        script=Markup(script),
        policy=policy(style, script),
        run=result,
        verdict=verdict(result),
        answers=answers(result),
        sums=totals(result),
        one_day=one_day.summary(result),
        seconds=(result.finished_at - result.started_at).total_seconds(),
        lock_text=lock_text(lock),
        evidence=evidence_text(result),
        findings=finding_groups(result.findings, budget.listed),
        overview=_overview(result),
        rows=rows[: budget.static],
        more=embedded(rows[budget.static :]),
        failed=[row for row in rows if row.state == "failed"],
        states=_state_options(result),
        kinds=_kind_options(result, rows),
        skipped=_skipped(result.skipped),
    )


def load() -> None:
    """Do ahead of time what takes longer than to fill in a page: import, compile its templates."""
    charts.load()
    for file in ("parts.html.j2", "page.html.j2", "table.html.j2"):
        template(file)


def embedded(rows: Sequence[Row]) -> Markup:
    """Return rows as JSON that can stand in a script element: nothing in it can end that.

    A browser reads 10,000 rows as one text in milliseconds, and makes elements of those it shows.
    """
    if not rows:
        return Markup("")
    data = [
        [row.id, row.name, row.search, row.state, row.keys, row.kinds, row.html] for row in rows
    ]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # in JSON, `<` is found in strings only, and may be written as an escape there
    return Markup(re.sub("<(?=[!/]|script)", r"\\u003c", text, flags=re.IGNORECASE))


def policy(style: str, script: str) -> str:
    """Return what a page may do: use its own style and script, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_integrity(style)}'; "
        f"script-src '{_integrity(script)}'; base-uri 'none'; form-action 'none'"
    )


def _integrity(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# --- findings, skipped objects, overview ----------------------------------------------------------


def finding_groups(found: Iterable[Finding], limit: int) -> list[dict[str, Any]]:
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
        "label": _label(kind.kind),
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
    drawn += snapshot_charts(by_snapshot(good))
    return [chart for chart in drawn if chart.svg]


# --- choices above the list of tables -------------------------------------------------------------


def _state_options(result: RunResult) -> list[tuple[str, str, int]]:
    found = Counter(states(result))
    return [(state, _STATE_NAMES[state], found[state]) for state in STATE_ORDER if found[state]]


def _kind_options(result: RunResult, rows: Sequence[Row]) -> list[tuple[int, str, int]]:
    """Return the kinds of findings that tables have: number, name, how many tables."""
    found = Counter(kind for row in rows for kind in row.kinds)
    names = findings.kinds(result.findings)
    return [
        (number, _label(name), found[number]) for number, name in enumerate(names) if found[number]
    ]


def _label(kind: str) -> str:
    return words.name(kind.replace("_", " ").capitalize(), 80)
