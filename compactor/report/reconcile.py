"""Plain text of a reconciliation: one table of numbers, where they are from, and what follows.

Like `terminal.py`: no colours, no control characters; names and messages pass through `words`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..model import CheckStatus
from ..reconciliation import Number, OnlyCounted, Reconciled, Reconciliation
from .terminal import labelled, listing, wrapped
from .words import count, moment, name, plural

_NAME = 48
_INDENT = " " * 6
_COLUMNS = 5
"""Columns with another profile that are shown of one table; the JSON has all."""
_TITLES: dict[CheckStatus, str] = {
    "pass": "RECONCILED",
    "fail": "NOT RECONCILED",
    "not_verified": "NOT VERIFIED",
}
_ORDER: dict[CheckStatus, int] = {"fail": 0, "not_verified": 1, "pass": 2}
_WORDS: dict[CheckStatus, str] = {"fail": "FAIL", "not_verified": "not verified", "pass": "pass"}


def reconcile_text(found: Reconciliation) -> str:
    """Return the verdict, where the numbers are from, the tables, and what is in no manifest."""
    states = [table.status for table in found.tables]
    sums = ", ".join(
        f"{states.count(state):,} {word.lower()}" for state, word in reversed(_WORDS.items())
    )
    lines = [_TITLES[found.status], f"  {plural(len(states), 'table')}: {sums}"]
    lines += wrapped("".join(f"{note}\n" for note in found.notes), "  ")
    lines += ["", "NUMBERS ARE FROM", *labelled(_origins(found))]
    tables = sorted(found.tables, key=lambda one: (_ORDER[one.status], one.database, one.table))
    who = "database" if found.server or not found.counted_from else "counts"
    columns: list[tuple[str, Callable[[Reconciled], str]]] = [
        ("table", lambda one: f"{name(one.database, 20)} {name(one.table, _NAME)}"),
        ("export>", lambda one: _rows(one.export)),
        ("lake>", lambda one: _rows(one.lake)),
        ("archive>", lambda one: _rows(one.archive)),
        (f"{who}>", lambda one: _rows(one.counted)),
        ("result", lambda one: _WORDS[one.status]),
    ]
    lines += listing("TABLES", tables, columns, "table", note=lambda one: _notes(one, found))
    only: list[tuple[str, Callable[[OnlyCounted], str]]] = [
        ("table", lambda one: f"{name(one.database, 20)} {name(one.table, _NAME)}"),
        ("rows>", lambda one: "-" if one.rows is None else count(one.rows)),
        ("reason", lambda one: name(one.reason, 200)),
    ]
    lines += listing(f"ONLY IN THE {who.upper()}", found.only_counted, only, "table")
    return "\n".join(lines) + "\n"


def _rows(number: Number) -> str:
    return "-" if number.rows is None else count(number.rows)


def _origins(found: Reconciliation) -> list[tuple[str, str]]:
    """Say of each column of numbers where it is from and of which moment."""
    at = moment(found.recounted_at)
    pairs = [
        ("export", "manifests: rows that the runs read; of the snapshot's moment, see each table"),
        ("lake", f"footers of the objects in {name(found.lake, 300)}, {at}"),
        ("archive", f"versions in {name(found.archive, 300)}, {at}" if found.archive else "none"),
    ]
    if found.server:
        shown = f"{name(found.counted_from, 300)}, {name(found.server)}"
        return [*pairs, ("database", f"{shown}, {moment(found.counted_at)}: one moment for all")]
    if found.counted_from:
        return [*pairs, ("counts", f"{name(found.counted_from, 300)}, of the moments it states")]
    return [*pairs, ("database", "none was named")]


def _notes(table: Reconciled, found: Reconciliation) -> list[str]:
    """Return the lines below a table's numbers: which snapshot, and why the result is so."""
    told = [f"snapshot of {moment(table.snapshot)}, run {name(table.run_id)}"]
    numbers = (table.export, table.lake, *([table.archive] if found.archive else []))
    told += [number.note for number in numbers if number.note]
    if table.counted.at is not None and not found.server:  # a counts file has one for each table
        told.append(f"counted {moment(table.counted.at)}")
    lines = wrapped("; ".join(told), _INDENT) + wrapped(table.explanation, _INDENT)
    if table.columns:
        lines += wrapped(_columns(table), _INDENT)
    differ = [column for column in table.columns if column.expected != column.actual]
    for column in differ[:_COLUMNS]:
        lines += wrapped(
            f"{column.name!r} ({column.database_type}): {column.expected} in the lake, "
            f"{column.actual} in the database",
            f"{_INDENT}  ",
        )
    if len(differ) > _COLUMNS:
        lines.append(f"{_INDENT}  ... and {len(differ) - _COLUMNS:,} more")
    return lines + wrapped("; ".join(table.notes), _INDENT)


def _columns(table: Reconciled) -> str:
    """Say how many columns were compared, and what was left out of how many."""
    partly: dict[str, int] = {}
    for column in table.columns:
        if column.left_out:
            partly[column.left_out] = partly.get(column.left_out, 0) + 1
    left = "".join(f"; not of {plural(number, 'column')}: {why}" for why, number in partly.items())
    return f"{plural(len(table.columns), 'column')} compared{left}"
