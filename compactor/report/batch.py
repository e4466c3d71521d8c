"""Plain text about jobs of S3 Batch Operations. Like `terminal.py`."""

from __future__ import annotations

from collections.abc import Callable

from ..batch_copy import Job, Jobs
from ..batch_report import Reported, ReportedTable
from . import words
from .terminal import labelled, listing, wrapped
from .words import count, moment, name, plural, size

_SHOWN = 20


def jobs_text(found: Jobs) -> str:
    """Return the jobs of a run with their ids."""
    columns: list[tuple[str, Callable[[Job], str]]] = [
        ("job", lambda job: job.job_id or "-"),
        ("objects>", lambda job: count(job.objects)),
        ("size>", lambda job: size(job.bytes)),
        ("locked until", lambda job: moment(job.until)),
    ]
    lines = [f"SUBMITTED: {plural(len(found.jobs), 'job')} of run {name(found.run_id)}"]
    lines += listing("", found.jobs, columns, "job")
    lines += ["", f"When they have ended: compactor batch report {name(found.run_id)}"]
    return "\n".join(lines) + "\n"


def reported_text(found: Reported) -> str:
    """Return what was archived, and what was not and why."""
    title = {"done": "ARCHIVED", "failed": "NOT ALL ARCHIVED", "nothing_to_do": "NOTHING TO DO"}
    pairs = [("run", name(found.run_id)), ("tasks", count(found.tasks))]
    pairs += [("report" if not no else "", name(url, 400)) for no, url in enumerate(found.reports)]
    if found.manifest is not None:
        pairs.append(("manifest", name(found.manifest.url, 400)))
    columns: list[tuple[str, Callable[[ReportedTable], str]]] = [
        ("table", lambda one: f"{name(one.database, 20)} {name(one.table, 48)}"),
        ("snapshot", lambda one: moment(one.snapshot)),
        ("result", lambda one: one.status if one.status == "archived" else "FAILED"),
        ("objects>", lambda one: count(one.objects)),
    ]
    lines = [title[found.status], "", *labelled(pairs)]
    lines += listing("TABLES", found.tables, columns, "table")
    bad = [check for one in found.tables for check in one.checks if check.status != "pass"]
    lines += ["", "NOT AS EXPECTED"] if bad else []
    for check in bad[:_SHOWN]:
        told = (
            f"{check.name} of {words.visible(check.subject, 400)}: expected {check.expected}, "
            f"found {check.actual}"
        )
        lines += wrapped(told, "  ")
    if len(bad) > _SHOWN:
        lines.append(f"  ... and {plural(len(bad) - _SHOWN, 'check')} more")
    return "\n".join(lines) + "\n"
