"""The JSON twin of a report, and JSON Schema of everything that the tool prints as JSON.

A twin holds what the page says (verdict, answers, totals, lock, checks by name, snapshots) and the
run's result itself, in full. Pure.
"""

from __future__ import annotations

from typing import Any, Literal

from ..benefit import Benefit, DayTotals, benefits, day_totals
from ..catalog.changes import CatalogResult
from ..evidence.audited import Audit
from ..model import Model, Plan, RunResult, Scan
from ..portable.asked import Fingerprint
from ..query_model import Answered, TableList
from ..reconciliation import Reconciliation
from ..stored import Snapshot, by_snapshot
from .answers import Answer, Tally, answers, tally
from .facts import Lock, State, Totals, Verdict, lock_of, states, totals, verdict

SCHEMA_ID = "https://compactor.dev/schema/documents/v1"


class TableState(Model):
    """The state of one table: the worst of what its status, checks and keeper say."""

    task_id: str
    database: str
    table: str
    state: State


class RunReport(Model):
    format: Literal["compactor/run-report/v1"] = "compactor/run-report/v1"
    verdict: Verdict
    answers: tuple[Answer, ...]
    """The five questions of an auditor, in their order."""
    totals: Totals
    lock: Lock | None
    """None where no archive was configured."""
    checks: tuple[Tally, ...]
    """Summed up by name."""
    snapshots: tuple[Snapshot, ...]
    states: tuple[TableState, ...]
    """One entry per table, in the order of `run.tables`."""
    one_day: DayTotals | None = None
    """A query for one day of each table with days, before and after, estimated; None without."""
    benefits: tuple[Benefit, ...] = ()
    """Per table with files: what a query for one day, and one for everything, reads."""
    run: RunResult


DOCUMENTS: tuple[type[Model], ...] = (
    RunReport,
    RunResult,
    Plan,
    Scan,
    Reconciliation,
    Audit,
    CatalogResult,
    Answered,
    TableList,
    Fingerprint,
)
"""What the commands print: `report --json`, `run`, `plan`, `scan`, `reconcile`, `audit`,
`catalog`, `query`, `query --tables`, `fingerprint`."""


def run_report(result: RunResult) -> RunReport:
    """Return the JSON twin of a run's report."""
    reads = benefits(result.tables)
    return RunReport(
        verdict=verdict(result),
        answers=answers(result),
        totals=totals(result),
        lock=lock_of(result),
        checks=tally(result.tables),
        snapshots=by_snapshot(result.tables),
        states=tuple(
            TableState(
                task_id=table.task_id, database=table.database, table=table.table, state=state
            )
            for table, state in zip(result.tables, states(result), strict=True)
        ),
        one_day=day_totals(reads),
        benefits=reads,
        run=result,
    )


def schema() -> dict[str, Any]:
    """Return one JSON Schema (2020-12) of all documents; each is under `$defs` by its name."""
    from pydantic.json_schema import models_json_schema  # only where it is asked for

    _, defined = models_json_schema(
        [(document, "serialization") for document in DOCUMENTS],
        ref_template="#/$defs/{model}",
    )
    names = [document.__name__ for document in DOCUMENTS]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "JSON documents of compactor",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "$defs": defined["$defs"],
    }
