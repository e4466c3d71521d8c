"""Put into words what a person should know of one table that went through the line. Pure.

Each chunk of a large table tells the same; it is kept once.
"""

from __future__ import annotations

from collections.abc import Sequence

from .formats.interface import Fields
from .model import HIVE_NULL, Finding, PlanTable, Severity
from .types import Rule

_NAMED = 10


class TableFindings:
    def __init__(self, table: PlanTable) -> None:
        self._table = table
        self.all: list[Finding] = []

    def renamed(self, notes: Sequence[str]) -> None:
        for note in notes:
            self._tell("name_changed", "info", note)

    def drift(self, differing: Sequence[str], schemas: int) -> None:
        if differing:
            self._tell(
                "schema_drift",
                "warning",
                f"{schemas} different schemas among its objects, unified without loss; columns "
                f"that differ or are missing in some: {', '.join(differing[:_NAMED])}",
                columns=list(differing),
            )

    def fields(self, fields: Fields) -> None:
        """Tell of attributes that did not get a column of their own type, or none at all."""
        if fields.mixed:
            listed = [f"{name} ({', '.join(kinds)})" for name, kinds in fields.mixed.items()]
            self._tell(
                "schema_drift",
                "warning",
                f"rows do not agree on the type of {len(listed)} attributes, which are kept as "
                f"JSON text: {'; '.join(listed[:_NAMED])}",
                columns=list(fields.mixed),
            )
        if fields.left_out:
            self._tell(
                "left_out_columns",
                "warning",
                f"{len(fields.left_out)} attributes beyond the limit of max_columns have no "
                "column; their values are in the item's own text: "
                f"{', '.join(fields.left_out[:_NAMED])}",
                attributes=len(fields.left_out),
                columns=list(fields.left_out[:1_000]),
            )

    def columns(self, rules: Sequence[Rule]) -> None:
        for rule in rules:
            if rule.kept_text:
                self._tell(
                    "kept_text",
                    "warning",
                    f"column {rule.source_name!r} stays as delivered, because {rule.kept_values} "
                    f"of its values are no {rule.source_type} that Parquet can hold",
                    column=rule.source_name,
                    values=rule.kept_values,
                    examples=list(rule.examples),
                )

    def undated(self, rows: int, date_column: str | None) -> None:
        if rows:
            self._tell(
                "undated_rows",
                "info",
                f"{rows} rows have no usable date in {date_column!r}; they are in dt={HIVE_NULL}",
                rows=rows,
            )

    def _tell(self, kind: str, severity: Severity, message: str, **facts: object) -> None:
        finding = Finding.model_validate(
            {
                "kind": kind,
                "severity": severity,
                "export_id": self._table.export_id,
                "table": self._table.table,
                "message": f"{self._table.table}: {message}",
                **facts,
            }
        )
        if finding not in self.all:
            self.all.append(finding)
