"""`Audit` in; one HTML page, a PDF for filing, or CSV out.

The page shares style, script and rules with that of a run (see `page.py`): nothing from the
network, everything escaped, and a list of what is not as it should be that stays quick with
thousands of entries. The JSON form of an audit is `model.to_json`. Pure.
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from ..evidence.audited import Audit
from ..model import Check, utc_text
from . import charts, findings, page
from .audit_answers import audit_answers, audit_verdict, counting, differing
from .charts import Chart
from .pdf import answers_data, chart_data, date_data, kind_data, snapshot_row, typeset
from .sheet import to_csv
from .snapshots import snapshot_charts
from .table_part import CHECK_WORDS, Budget, Row, check_shown
from .templates import asset, template
from .words import moment, name, size

AUDIT_COLUMNS = (
    "audited_at", "place", "check", "subject", "status", "expected", "actual", "source",
)  # fmt: skip
_LISTED = 20_000
"""Entries of the page's list; the CSV and the JSON have all."""
_FILED = 2_000
"""Entries of the PDF's list: 40 pages."""


def audit_html(found: Audit) -> str:
    """Return an audit as one HTML page that needs nothing else."""
    style, script = asset("page.css"), asset("page.js")
    wrong = differing(found.checks)
    kinds = list(dict.fromkeys(check.name for check in wrong))
    rows = [_row(check, number, kinds) for number, check in enumerate(wrong[:_LISTED])]
    static = Budget().static
    return template("audit.html.j2").render(
        style=Markup(style),
        script=Markup(script),
        policy=page.policy(style, script),
        audit=found,
        verdict=audit_verdict(found),
        answers=audit_answers(found),
        facts=_facts(found),
        checks=[check_shown(check) for check in counting(found.checks)],
        charts=_charts(found),
        findings=page.finding_groups(found.findings, Budget().listed),
        rows=rows[:static],
        more=page.embedded(rows[static:]),
        cut=len(wrong) - len(rows),
        wrong=len(wrong),
        states=[
            (status, CHECK_WORDS[status], sum(check.status == status for check in wrong))
            for status in ("fail", "not_verified")
            if any(check.status == status for check in wrong)
        ],
        kinds=[
            (number, name(kind, 80), sum(check.name == kind for check in wrong))
            for number, kind in enumerate(kinds)
        ],
    )


def audit_csv(found: Audit) -> str:
    """Return one row per check, in the order of the audit."""
    at = utc_text(found.audited_at)
    return to_csv(
        AUDIT_COLUMNS,
        (
            (
                at, found.place, check.name, check.subject, check.status,
                check.expected, check.actual, check.source,
            )
            for check in found.checks
        ),
    )  # fmt: skip


def audit_pdf(found: Audit) -> bytes:
    """Return an audit as PDF. Raises: ConfigError where the optional package typst is missing."""
    said, asked = audit_verdict(found), audit_answers(found)
    wrong = differing(found.checks)
    cut = len(wrong) - _FILED
    head = found.links.sha256 or "no link"
    return typeset(
        {
            "title": f"{said.title} - compactor audit of {name(found.place, 100)}",
            "date": date_data(found.audited_at),
            "header": [
                f"compactor audit of {name(found.place, 100)}, {moment(found.audited_at)}",
                f"last link sha256 {name(head, 80)}",
            ],
            "footer": f"as of {moment(found.audited_at)}",
            "verdict": {"tone": said.tone, "title": said.title, "reasons": list(said.reasons)},
            "answers": answers_data(asked),
            "facts": _facts(found),
            "open": [asked[-1].text, *asked[-1].points],
            "doubtful": [],
            "checks": [],
            "compared": [_compared(check) for check in counting(found.checks)],
            "coverage": found.coverage.statement if found.coverage else "Nothing was read back.",
            "problems": {
                "rows": [_problem(check) for check in wrong[:_FILED]],
                "cut": f"... and {cut:,} more in the CSV and JSON." if cut > 0 else "",
            },
            "nothing": "The chain names nothing that is stored.",
            "snapshots": [snapshot_row(one) for one in found.snapshots],
            "charts": [chart_data(chart) for chart in _charts(found) if chart.svg],
            "findings": [kind_data(kind) for kind in findings.by_severity(found.findings)],
            "skipped": [],
            "tables": None,
        },
        found.audited_at,
    )


# --- what is shown --------------------------------------------------------------------------------


def _facts(found: Audit) -> list[tuple[str, str]]:
    links = found.links
    facts = [
        ("Archive" if found.is_archive else "Lake", name(found.place, 400)),
        ("Audited", moment(found.audited_at)),
        ("Versions", f"{found.objects:,}, {size(found.bytes)}"),
        ("Links", f"{links.count:,}"),
    ]
    if links.last is not None:
        facts += [
            ("Last link", f"{links.last}, signed {moment(links.signed_at)}"),
            ("Its sha256", name(links.sha256, 80)),
        ]
    return facts


def _charts(found: Audit) -> list[Chart]:
    drawn = snapshot_charts(found.snapshots)
    if found.coverage is not None and found.coverage.objects:
        drawn.insert(0, coverage_chart(found))
    return drawn


def coverage_chart(found: Audit) -> Chart:
    """Return the share of versions and bytes that were ever read back and found good."""
    coverage = found.coverage
    if coverage is None:
        raise ValueError("an audit without --deep has no coverage")
    shares = [
        100 * part / whole if whole else 0.0
        for part, whole in (
            (coverage.covered_objects, coverage.objects),
            (coverage.covered_bytes, coverage.bytes),
        )
    ]
    svg = charts.bars(
        ["versions", "bytes"],
        [[100 - share for share in shares], shares],
        top=100.0,
        step=25.0,
        suffix=" %",
    )
    return Chart(
        title="Coverage of deep checks",
        svg=svg,
        words=f"{coverage.statement}.",
        series=("never read back", "read back and good"),
    )


def _row(check: Check, number: int, kinds: list[str]) -> Row:
    shown: dict[str, Any] = check_shown(check)
    keys = (number,)
    kind = kinds.index(check.name)
    html = template("wrong.html.j2").render(
        check=shown, id=f"t{number}", state=check.status, keys=keys, kind=kind
    )
    return Row(
        id=f"t{number}",
        state=check.status,
        name=shown["subject"],
        database=shown["name"],
        search=f"{shown['subject']} {shown['name']}".lower(),
        keys=keys,
        kinds=(kind,),
        error_line="",
        checks_line="",
        has_problems=True,
        html=html,
    )


def _compared(check: Check) -> list[str]:
    shown = check_shown(check)
    return [
        shown["name"], shown["subject"], shown["expected"], shown["actual"],
        shown["tone"], shown["status"], shown["source"],
    ]  # fmt: skip


def _problem(check: Check) -> list[str]:
    shown = check_shown(check)
    return [
        shown["subject"], shown["name"], shown["tone"], shown["status"],
        shown["expected"], shown["actual"],
    ]  # fmt: skip
