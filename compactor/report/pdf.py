"""`RunResult` in, a PDF for filing out: PDF/A-2u, A4, every table listed, nothing folded away.

Typst sets it from `filing.typ`; what an export decides goes in as JSON strings, never as markup.
The same result gives the same bytes: the date is the run's, and the fonts are those inside typst,
unless a name is in a script that they lack; then the machine's fonts are used as well, and what
none of them can show is written out (`\u6ce8`), because a file for the archive may not have holes.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ..errors import CompactorError, ConfigError
from ..model import RunResult, TableResult
from ..stored import Snapshot, by_snapshot
from . import findings, words
from .answers import Answer, Tally, answers, tally
from .charts import Chart
from .facts import (
    STATE_ORDER,
    STATE_TONE,
    State,
    evidence_text,
    state_label,
    states,
    stored,
    verdict,
)
from .snapshots import snapshot_charts
from .templates import asset
from .words import moment, name, size

MARKS = {"good": "verified", "warn": "not fully verified", "bad": "failed", "idle": ""}
_STANDARD: Literal["a-2u"] = "a-2u"
"""Unicode text and all fonts inside, no colours that depend on a device."""
_TRIES = 6
_SAID = 10
"""Findings of one kind."""
_EMBEDDED = ("Libertinus Serif", "DejaVu Sans Mono", "New Computer Modern Math")
"""Fonts inside typst."""
_CHART_STYLE = (
    '<svg xmlns="http://www.w3.org/2000/svg"><style>'
    'text{font-family:"Libertinus Serif";font-size:10.5px;fill:#59636e}'
    "path{stroke:#d8dde2;fill:none}rect{fill:#2a6592}.axis-x text{text-anchor:middle}"
    ".axis-y text{text-anchor:end}.pale rect{fill:#aab3bd}</style>"
)


def pdf(result: RunResult) -> bytes:
    """Return the report of a run as PDF.

    Raises: ConfigError where the optional package typst is missing.
    """
    return typeset(_data(result), result.finished_at)


def typeset(data: dict[str, Any], at: datetime) -> bytes:
    """Set the document; where a character has no glyph, with more fonts, else written out."""
    text = json.dumps(data | {"fonts": _EMBEDDED}, ensure_ascii=False, sort_keys=True)
    made, lacking = _compile(text, at, system_fonts=False)
    if lacking:
        made, _ = _compile(text, at, system_fonts=True)
    for _ in range(_TRIES):
        if made is not None:
            return made
        text = text.translate(lacking)
        made, lacking = _compile(text, at, system_fonts=False)
    if made is None:
        raise CompactorError(f"the PDF cannot be set: no glyph for {sorted(map(chr, lacking))}")
    return made


def _compile(data: str, at: datetime, *, system_fonts: bool) -> tuple[bytes | None, dict[int, str]]:
    """Return the document, or the characters for which there is no glyph."""
    try:
        import typst
    except ImportError as error:
        raise ConfigError(
            "a PDF needs the package typst, which is not installed",
            hint="pip install 'compactor[pdf]'",
        ) from error
    with tempfile.TemporaryDirectory(prefix="compactor-pdf-") as folder:
        root = Path(folder)
        (root / "filing.typ").write_text(asset("filing.typ"), encoding="utf-8")
        (root / "data.json").write_text(data, encoding="utf-8")
        try:
            made: bytes = typst.compile(
                root / "filing.typ",
                root=root,
                format="pdf",
                ignore_system_fonts=not system_fonts,
                sys_inputs={"fallback": "yes" if system_fonts else "no"},
                timestamp=at.astimezone(UTC).replace(microsecond=0),
                pdf_standards=_STANDARD,
                pdf_tags=False,
            )
        except typst.TypstError as error:
            lacking = _without_glyph(str(error))
            if not lacking:
                raise
            return None, lacking
    return made, {}


def _without_glyph(said: str) -> dict[int, str]:
    """Return the characters that no font could show, each with its spelling inside JSON."""
    texts = re.findall(r'the text `"(.*?)"` could not be displayed', said, re.DOTALL)
    plain = (re.sub(r"\\u\{(\w+)\}", lambda code: chr(int(code[1], 16)), text) for text in texts)
    return {
        ord(char): f"\\\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\\\U{ord(char):08x}"
        for text in plain
        for char in text
        if not char.isascii()
    }


# --- what is shown --------------------------------------------------------------------------------


def _data(result: RunResult) -> dict[str, Any]:
    pairs = sorted(
        zip(result.tables, states(result), strict=True),
        key=lambda pair: (pair[0].database, pair[0].table, pair[0].task_id),
    )
    found, tallies = verdict(result), tally(result.tables)
    snapshots = by_snapshot(result.tables)
    asked = answers(result)
    digest = result.manifest.sha256 if result.manifest else "none written by this run"
    return {
        "title": f"{found.title} - compactor run {name(result.run_id, 60)}",
        "date": date_data(result.finished_at),
        "header": [
            f"compactor run {name(result.run_id, 60)}",
            f"manifest sha256 {name(digest, 80)}",
        ],
        "footer": f"as of {moment(result.finished_at)}",
        "verdict": {"tone": found.tone, "title": found.title, "reasons": list(found.reasons)},
        "answers": answers_data(asked),
        "facts": _facts(result),
        "open": [asked[-1].text, *asked[-1].points],
        "doubtful": _doubtful(pairs),
        "checks": [_check(one) for one in tallies],
        "nothing": "Nothing was stored by this run.",
        "compared": None,
        "coverage": None,
        "problems": None,
        "snapshots": [snapshot_row(one) for one in snapshots],
        "charts": [chart_data(chart) for chart in snapshot_charts(snapshots) if chart.svg],
        "findings": [kind_data(kind) for kind in findings.by_severity(result.findings)],
        "skipped": _skipped(result),
        "tables": [_table(table, state) for table, state in pairs],
    }


def date_data(at: datetime) -> list[int]:
    """Return a moment as the template takes it."""
    at = at.astimezone(UTC)
    return [at.year, at.month, at.day, at.hour, at.minute, at.second]


def answers_data(asked: Iterable[Answer]) -> list[dict[str, Any]]:
    return [
        {
            "question": one.question,
            "tone": one.tone,
            "mark": MARKS[one.tone],
            "text": one.text,
            "points": list(one.points),
        }
        for one in asked
    ]


def _facts(result: RunResult) -> list[tuple[str, str]]:
    versions = ", ".join(f"{tool} {version}" for tool, version in sorted(result.versions.items()))
    return [
        *(("Source", name(url, 400)) for url in result.sources),
        ("Lake", name(result.lake, 400)),
        ("Archive", name(result.archive or "none", 400)),
        ("Manifest", name(result.manifest.url if result.manifest else "none", 400)),
        ("Manifest sha256", name(result.manifest.sha256 if result.manifest else "none", 80)),
        ("Evidence", name(evidence_text(result), 600)),
        *([("Link sha256", name(result.evidence.sha256, 80))] if result.evidence else []),
        ("Run", name(result.run_id)),
        ("Plan", name(result.plan_id)),
        ("From", moment(result.started_at)),
        ("To", moment(result.finished_at)),
        ("Made with", name(versions or "unknown", 400)),
    ]


def _doubtful(pairs: Iterable[tuple[TableResult, State]]) -> list[tuple[str, str, str, str]]:
    """Return every table that failed or lacks a check, the failed ones first."""
    rows: list[tuple[str, str, str, str]] = []
    for table, state in sorted(pairs, key=lambda pair: STATE_ORDER[pair[1]]):
        if state not in ("failed", "unverified"):
            continue
        bad = sorted({check.name for check in table.checks if check.status == "fail"})
        unmade = sorted({check.name for check in table.checks if check.status == "not_verified"})
        said = [words.visible(table.error, 1_000)] if table.error else []
        said += [f"failed: {', '.join(name(item, 60) for item in bad)}"] if bad else []
        said += [f"not verified: {', '.join(name(item, 60) for item in unmade)}"] if unmade else []
        if not said:
            said = ["no check was made" if not table.checks else "see its keeper"]
        rows.append((_named(table), STATE_TONE[state], state_label(table, state), "; ".join(said)))
    return rows


def _named(table: TableResult) -> str:
    return f"{name(table.database, 60)} {name(table.table)}"


def _check(one: Tally) -> list[str]:
    numbers = (one.passed, one.failed, one.not_verified, one.tables)
    said = [text for text in (one.source, one.reason) if text]
    both = " Not made: ".join(name(text, 400) for text in dict.fromkeys(said))
    return [name(one.name, 80), *(f"{number:,}" for number in numbers), both]


def snapshot_row(one: Snapshot) -> list[str]:
    return [
        moment(one.at),
        f"{one.tables:,}",
        f"{one.rows:,}",
        size(one.stored_bytes),
        f"{one.locked:,} of {one.objects:,}",
        _day(one.earliest),
        _day(one.latest),
    ]


def _day(at: datetime | None) -> str:
    return "not locked" if at is None else moment(at)[:10]


def chart_data(chart: Chart) -> dict[str, Any]:
    svg = str(chart.svg)
    pale = "color-0" if len(chart.series) > 1 and "color-2" not in svg else "color-2"
    opened = svg.index(">") + 1
    inside = svg[opened:].replace(f'class="{pale}"', 'class="pale"')
    head = svg[:opened].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    style = _CHART_STYLE.split(">", 1)[1]
    return {
        "title": chart.title,
        "series": list(chart.series),
        "svg": f"{head}{style}{inside}",
        "words": chart.words,
    }


def kind_data(kind: findings.Kind) -> dict[str, Any]:
    label = f"{kind.severity.capitalize()}: {name(kind.kind.replace('_', ' '), 80)}"
    said = [
        " ".join(
            text for text in (name(one.table) if one.table else "", findings.message(one)) if text
        )
        for one in kind.found[:_SAID]
    ]
    cut = len(kind.found) - len(said)
    return {
        "label": f"{label} ({len(kind.found):,})",
        "advice": kind.advice,
        "said": said,
        "cut": f"... and {cut:,} more in the run's JSON." if cut else "",
    }


def _skipped(result: RunResult) -> list[str]:
    reasons: Counter[str] = Counter()
    for item in result.skipped:
        reasons[item.reason] += item.objects
    return [
        f"{words.plural(number, 'object')}: {name(reason, 300)}"
        for reason, number in reasons.most_common()
    ]


def _table(table: TableResult, state: State) -> tuple[str, ...]:
    counted = Counter[str](check.status for check in table.checks)
    until = sorted(item.retain_until for item in stored(table) if item.retain_until)
    is_covered = table.status == "covered"
    return (
        _named(table),
        STATE_TONE[state],
        state_label(table, state),
        f"{table.source_files:,}" + ("" if is_covered else f" to {table.output_files:,}"),
        f"{table.output_rows or table.source_rows:,}",
        "not again" if is_covered else size(table.output_bytes),
        "with its keeper" if is_covered else _day(until[0] if until else None),
        ", ".join(
            f"{counted[status]:,} {label}"
            for status, label in (
                ("fail", "failed"), ("not_verified", "not verified"), ("pass", "passed"),
            )
            if counted[status]
        )
        or "no checks",
        name(table.task_id, 80),
    )  # fmt: skip
