"""The portable fingerprint in the line: of source rows and of written files, compared.

In:  rules, the two statements that go over all rows anyway. Out: sums by partition, `Check`s.

DuckDB adds what each row adds to the sums (`lane1`, `lane2`) while it types the source, before the
sort, and once more while it reads back what was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from ..model import Check, OutputColumn, Portable
from ..sql import rows
from ..types import Rule
from . import canonical
from .statement import LANES_OF_A_ROW
from .statement import with_lanes as rows_with_lanes

if TYPE_CHECKING:
    import duckdb

Sums = tuple[int, int]
NOTHING: Sums = (0, 0)


def with_lanes(below: exp.Select, rules: Sequence[Rule]) -> exp.Select:
    """Add the lanes to rows whose columns have their scratch names."""
    scratch = {rule.output_name: rule.scratch_name for rule in rules}
    columns = canonical.of_rules(rules).columns
    return rows_with_lanes(below, columns, [scratch[column.name] for column in columns])


def lanes() -> list[exp.Expression]:
    return [exp.column(lane) for lane in LANES_OF_A_ROW]


def sums() -> list[exp.Expr]:
    return [exp.alias_(exp.Sum(this=lane), lane.name) for lane in lanes()]


def read(connection: duckdb.DuckDBPyConnection, name: str, key: str) -> dict[str, Sums]:
    """Run a query file that returns lane1 and lane2 as text; `key` names the first column."""
    return {row[key]: (int(row["lane1"]), int(row["lane2"])) for row in rows(connection, name)}


def digest(found: Sums) -> str:
    return "-".join(str(one) for one in found)


@dataclass(slots=True)
class Proof:
    """The sums of both sides, by partition value; grows chunk by chunk."""

    source: dict[str, Sums] = field(default_factory=dict)
    written: dict[str, Sums] = field(default_factory=dict)

    def add_source(self, value: str, found: Sums) -> None:
        _add(self.source, value, found)

    def add_written(self, value: str, found: Sums) -> None:
        _add(self.written, value, found)

    def digest(self, value: str) -> str:
        """Return the digest of a partition, as it was written."""
        return digest(self.written.get(value, NOTHING))

    def of_table(self, rows: int, columns: Sequence[OutputColumn]) -> Portable:
        found = canonical.covered(columns)
        return Portable(
            version=canonical.VERSION,
            rows=rows,
            digest=digest(_total(self.written)),
            columns=tuple(column.name for column in found.columns),
            left_out=dict(found.left_out),
        )

    def checks(self) -> tuple[Check, ...]:
        """Compare both sides; the numbers of rows are compared by the check `rows`."""
        made = []
        for value in sorted({*self.source, *self.written}):
            expected, actual = (
                digest(side.get(value, NOTHING)) for side in (self.source, self.written)
            )
            made.append(
                Check(
                    name="portable",
                    subject=f"dt={value}" if value else "table",
                    expected=expected,
                    actual=actual,
                    status="pass" if expected == actual else "fail",
                    source="portable fingerprint of typed source rows before sorting (DuckDB); of "
                    "written files read back (DuckDB)",
                )
            )
        return tuple(made)


def _add(side: dict[str, Sums], value: str, found: Sums) -> None:
    one, two = side.get(value, NOTHING)
    side[value] = (one + found[0], two + found[1])


def _total(side: Mapping[str, Sums]) -> Sums:
    return sum(one for one, _ in side.values()), sum(two for _, two in side.values())
