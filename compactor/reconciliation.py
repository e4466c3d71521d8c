"""The values of `compactor reconcile`, and their JSON form: rows of each table, and who counted.

Frozen like those of `model.py`. Every number says where it is from and when it was true; a status
is `pass`, `fail` or `not_verified`, and `explanation` says why in words.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import field_serializer

from .model import Check, CheckStatus, Model, utc_text


class Number(Model):
    """A count of rows; None where there is none, and `note` says why."""

    rows: int | None
    origin: str
    """Where the number is from: a run's manifest, footers, a database, a counts file."""
    at: datetime | None
    """The moment that it describes; None where nobody said."""
    note: str = ""

    @field_serializer("at")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class ColumnCheck(Model):
    """One column's profile, of the database (`actual`) and of the lake's files (`expected`)."""

    name: str
    """As the database calls it."""
    database_type: str
    lake_type: str
    compared: tuple[str, ...]
    """Of `nulls`, `min`, `max`, `sum`, `bytes` (total length of the text in UTF-8, or of bytes)."""
    expected: str
    actual: str
    status: CheckStatus
    left_out: str = ""
    """What was not compared, and why."""


class Reconciled(Model):
    """One table: its numbers, what follows from them, and why."""

    database: str
    table: str
    snapshot: datetime
    run_id: str
    export_id: str
    covered_by: str | None = None
    """The table that holds these rows in the lake, where this one is a proven duplicate."""
    export: Number
    lake: Number
    archive: Number
    counted: Number
    """Rows of the database, or of the counts file."""
    status: CheckStatus
    explanation: str
    error: str | None = None
    """Why the database could not count this table, though it has it."""
    predicate: str | None = None
    """SQL that says which rows were there at the snapshot's moment."""
    checks: tuple[Check, ...] = ()
    columns: tuple[ColumnCheck, ...] = ()
    notes: tuple[str, ...] = ()

    @field_serializer("snapshot")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)


class OnlyCounted(Model):
    """A table of the database, or of the counts file, that no manifest names."""

    database: str
    table: str
    rows: int | None = None
    """Only a counts file gives it; tables that are compared with nothing are not counted."""
    reason: str


class Reconciliation(Model):
    status: CheckStatus
    """`pass` if every table passed, `fail` if one failed, else `not_verified`."""
    counted_from: str
    """The database's URL without password, the counts file, or empty."""
    server: str = ""
    """Product and version of the database."""
    counted_at: datetime | None = None
    """One moment for all tables: the database's clock, as its transaction began."""
    recounted_at: datetime
    """When lake and archive were looked at."""
    lake: str
    archive: str | None = None
    tables: tuple[Reconciled, ...] = ()
    only_counted: tuple[OnlyCounted, ...] = ()
    notes: tuple[str, ...] = ()

    @field_serializer("counted_at", "recounted_at")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)

    @property
    def exit_code(self) -> Literal[0, 3, 5]:
        """5 where a check failed, else 3 where a table could not be counted, else 0."""
        if any(table.status == "fail" for table in self.tables):
            return 5
        return 3 if any(table.error for table in self.tables) else 0


def worst(statuses: list[CheckStatus]) -> CheckStatus:
    """Return what several checks say together; nothing checked is not verified."""
    if "fail" in statuses:
        return "fail"
    return "not_verified" if "not_verified" in statuses or not statuses else "pass"
