"""Compare the numbers of one table, and say in words what follows: pure, no IO.

In:  a table as its manifest names it; what lake, archive and database (or counts file) hold.
Out: `Reconciled`.

The rule: numbers of lake and archive must be the export's. A database is compared only where it is
known to be at the snapshot: the operator says so, or gives a predicate for the rows that were
there, or a counts file states the snapshot's own moment. A database that went on is `not_verified`,
equal or not: as many rows may have come as gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .model import Check, CheckStatus
from .reconciliation import ColumnCheck, Number, Reconciled, worst
from .recount import Held, Recount

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the database, or the counts file, says of one table."""

    who: str
    """`database` or `counts file`; empty where nobody was asked."""
    number: Number
    basis: str = ""
    """Why the number is of the snapshot's moment, in words; empty where nothing says so."""
    is_missing: bool = False
    """It is certain that there is no such table."""
    error: str | None = None
    predicate: str | None = None
    notes: tuple[str, ...] = ()
    columns: tuple[ColumnCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A number of lake or archive with its check, if there is anything to compare."""

    number: Number
    check: Check | None = None
    words: str = ""


def reconciled(held: Held, lake: Found, archive: Found, asked: Asked) -> Reconciled:
    """Return everything about one table."""
    result = held.result
    check, words = database_check(result.source_rows, result.snapshot, asked)
    checks = [one for one in (lake.check, archive.check, check) if one is not None]
    statuses: list[CheckStatus] = [one.status for one in checks]
    statuses += [column.status for column in asked.columns]
    told = [part for part in (lake.words, archive.words, words, _columns(asked.columns)) if part]
    if asked.error is not None and asked.number.rows is not None:
        told.append(f"its columns could not be profiled: {asked.error}")
    return Reconciled(
        database=result.database,
        table=result.table,
        snapshot=result.snapshot,
        run_id=held.run_id,
        export_id=result.export_id,
        covered_by=result.covered_by,
        export=export_number(held),
        lake=lake.number,
        archive=archive.number,
        counted=asked.number,
        status=worst(statuses),
        explanation="; ".join(told),
        error=asked.error,
        predicate=asked.predicate,
        checks=tuple(checks),
        columns=asked.columns,
        notes=asked.notes,
    )


def export_number(held: Held) -> Number:
    """Return the rows that the run read from the export, and what the footers had said."""
    result = held.result
    told = [check.expected for check in result.checks if check.name == "footer_rows"]
    note = (
        f"footers said {told[0]}" if told and told[0] is not None else ""
    )  # Parquet alone has any
    origin = f"manifest of run {held.run_id}: rows read from {result.source_files} objects"
    return Number(rows=result.source_rows, origin=origin, at=result.snapshot, note=note)


# --- lake and archive -----------------------------------------------------------------------------


def lake_found(held: Held, counted: Recount, now: datetime) -> Found:
    if held.result.status == "covered":
        note = f"stored once: covered by {held.result.covered_by}"
        return Found(Number(rows=None, origin="lake", at=now, note=note))
    manifest = held.result.output_rows
    notes = [f"its manifest says {manifest}"] if manifest != counted.rows else []
    if counted.others:
        notes.append(f"{counted.others} more Parquet objects in its folders, of no manifest")
    origin = f"footers of {counted.objects} objects in the lake"
    number = Number(rows=counted.rows, origin=origin, at=now, note="; ".join(notes))
    return _compared(held, "lake", number, counted)


def archive_found(held: Held, counted: Recount | None, not_looked: str, now: datetime) -> Found:
    """`counted` is None where nobody looked, and `not_looked` says why."""
    if not held.archived:
        note = "not archived by this run" if held.objects else "nothing to archive"
        return Found(Number(rows=None, origin="archive", at=None, note=note))
    if counted is not None:
        origin = f"manifest, of {counted.objects} versions that are in the archive"
        number = Number(rows=counted.rows, origin=origin, at=now)
        return _compared(held, "archive", number, counted)
    rows = sum(item.rows or 0 for item in held.archived)
    number = Number(rows=rows, origin="manifest", at=held.result.snapshot, note=not_looked)
    check = _check("archive_rows", held.result.source_rows, rows, "not_verified", not_looked)
    return Found(number, check, f"the archive was not looked at: {not_looked}")


def _compared(held: Held, place: str, number: Number, counted: Recount) -> Found:
    expected, rows = held.result.source_rows, number.rows
    is_good = rows == expected and not counted.problems
    status: CheckStatus = "pass" if is_good else "fail"
    source = f"manifest, rows read from the export; {number.origin}"
    check = _check(f"{place}_rows", expected, rows, status, source)
    told = []
    if rows != expected:
        told.append(f"the {place} has {_difference(expected, rows or 0)}")
    if counted.problems:
        more = len(counted.problems) - _SHOWN
        shown = ", ".join(counted.problems[:_SHOWN])
        told.append(f"in the {place} {shown}" + (f", and {more} more" if more > 0 else ""))
    return Found(number, check, "; ".join(told))


def _check(name: str, expected: int, actual: int | None, status: CheckStatus, source: str) -> Check:
    return Check(
        name=name,
        subject="table",
        expected=str(expected),
        actual=None if actual is None else str(actual),
        status=status,
        source=source,
    )


# --- the database ---------------------------------------------------------------------------------


def database_check(expected: int, snapshot: datetime, asked: Asked) -> tuple[Check, str]:
    """Compare the export's rows with those that were counted; return the check, and why."""
    number = asked.number
    status, words = _judged(expected, snapshot, asked)
    source = f"manifest, rows read from the export; {number.origin}"
    return _check("database_rows", expected, number.rows, status, source), words


def _judged(expected: int, snapshot: datetime, asked: Asked) -> tuple[CheckStatus, str]:
    rows, who = asked.number.rows, asked.who
    if asked.error is not None and rows is None:
        return "not_verified", f"the {who} could not count it: {asked.error}"
    if asked.is_missing and asked.basis:
        return "fail", f"{asked.number.note}; {asked.basis}"
    if rows is None:
        return "not_verified", asked.number.note
    difference = _difference(expected, rows)
    if asked.basis:
        return ("pass" if rows == expected else "fail"), (
            f"the {who} has {difference}; {asked.basis}"
        )
    when = _when(asked.number.at, snapshot)
    if rows == expected:
        why = "as many rows may have been added as deleted"
    else:
        is_late = asked.number.at is None or asked.number.at >= snapshot
        since = "since" if is_late else "between the two moments"
        did = "written" if (rows > expected) == is_late else "deleted"
        why = f"rows {did} {since} would explain it"
    next_step = (
        "give a predicate for the rows that were there (--where), or restore the snapshot and say "
        "--at-snapshot"
        if who == "database"
        else "count at the snapshot's moment, or in the restored snapshot and say --at-snapshot"
    )
    return "not_verified", f"the {who} has {difference}, {when}: {why}; {next_step}"


def column_checks(checks: Sequence[ColumnCheck], asked: Asked) -> Asked:
    """Return what was asked with profiles, which count only where the number of rows would."""
    if not asked.basis:
        checks = [check.model_copy(update={"status": "not_verified"}) for check in checks]
    return replace(asked, columns=tuple(checks))


def _columns(columns: Sequence[ColumnCheck]) -> str:
    """Name the columns whose profiles differ."""
    differ = [column.name for column in columns if column.expected != column.actual]
    if not differ:
        return ""
    more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
    noun = "column" if len(differ) == 1 else "columns"
    names = ", ".join(map(repr, differ[:_SHOWN]))
    return f"{len(differ)} {noun} with another profile: {names}{more}"


# --- words ----------------------------------------------------------------------------------------


def _difference(expected: int, actual: int) -> str:
    if actual == expected:
        return f"{actual:,} rows, as the export"
    number = abs(actual - expected)
    noun = "row" if number == 1 else "rows"
    return f"{number:,} {noun} {'more' if actual > expected else 'fewer'} than the export"


def _when(at: datetime | None, snapshot: datetime) -> str:
    if at is None:
        return "counted at a moment that nobody stated"
    if at == snapshot:
        return "counted at the snapshot's moment"
    return (
        f"counted {span(abs(at - snapshot))} {'after' if at > snapshot else 'before'} the snapshot"
    )


def span(length: timedelta) -> str:
    """Return `12 s`, `3 h 12 min`, `49 days`: two units at most, rounded down."""
    seconds = int(length.total_seconds())
    if seconds >= 2 * 86_400:
        return f"{seconds // 86_400:,} days"
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds % 60:02} s" if minutes else f"{seconds} s"
