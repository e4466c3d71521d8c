"""Per-column profiles: what two engines, and two stages, must agree on.

A profile of a column is `values` (not NULL), the smallest and largest value, and an exact total:

| type               | smallest, largest          | total                                   |
|--------------------|----------------------------|-----------------------------------------|
| integers, booleans | as numbers                 | sum                                     |
| DECIMAL(p,s)       | unscaled integers          | sum of the unscaled integers            |
| DATE               | days since 1970-01-01      | sum of the days                         |
| TIMESTAMP, ~TZ     | microseconds since 1970    | sum of the microseconds                 |
| VARCHAR            | SHA-256 (first 16 digits)  | sum of the lengths in bytes             |
| BLOB               | -                          | sum of the lengths in bytes             |
| REAL, DOUBLE       | without NaN                | number of NaN (a sum would not be exact)|
| nested             | -                          | -                                       |

Sums are exact integers of any size: 38-digit decimals whose sum does not fit the engines' 128 bits
(DuckDB stops with an error, Polars would wrap) are added up once more in two halves. Text bounds
are digests, so that a manifest holds no row data. DuckDB computes profiles in SQL, from expressions
that are built here; Polars' are in `second_engine.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Literal

from sqlglot import exp

Family = Literal["integer", "decimal", "date", "timestamp", "text", "bytes", "float", "other"]

_WIDE = Context(prec=100)
HALF = 10**18
"""Where an unscaled decimal is cut in two, so that sums of both halves fit 128 bits."""
_INTEGERS = frozenset(
    (
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "HUGEINT",
    )
)


def family(type_name: str) -> Family:
    """Return how values of a DuckDB type are profiled."""
    if type_name in _INTEGERS:
        return "integer"
    if type_name.startswith("DECIMAL"):
        return "decimal"
    known: dict[str, Family] = {
        "DATE": "date",
        "TIMESTAMP": "timestamp",
        "TIMESTAMP WITH TIME ZONE": "timestamp",
        "VARCHAR": "text",
        "BLOB": "bytes",
        "FLOAT": "float",
        "DOUBLE": "float",
    }
    return known.get(type_name, "other")


@dataclass(slots=True)
class ColumnProfile:
    """Profile of one column; grows by `merge`."""

    values: int = 0
    low: Any = None
    high: Any = None
    total: int = 0
    unparsed: int = 0
    """Source values that this engine could not type, though they are there."""

    def merge(self, other: ColumnProfile) -> None:
        self.values += other.values
        self.total += other.total
        self.unparsed += other.unparsed
        if other.low is not None and (self.low is None or other.low < self.low):
            self.low = other.low
        if other.high is not None and (self.high is None or other.high > self.high):
            self.high = other.high

    def text(self) -> str:
        """Return the form that is compared and shown."""
        bounds = f"{_bound(self.low)} to {_bound(self.high)}"
        return f"values {self.values}, {bounds}, total {self.total}"


def _bound(bound: Any) -> str:
    if bound is None:
        return "-"
    if isinstance(bound, bytes):
        return "text:" + hashlib.sha256(bound).hexdigest()[:16]
    return str(bound)


# --- DuckDB ---------------------------------------------------------------------------------------


def sql_metrics(
    column: exp.Column, type_name: str, *, halves: bool = False
) -> list[exp.Expression]:
    """Return four aggregates over one column: values, low, high, total.

    With `halves`, the total of a decimal is a list of two sums; see `merge_metrics`.
    """
    kind = family(type_name)
    null = exp.null()

    def call(name: str, value: exp.Expression) -> exp.Expression:
        return exp.Anonymous(this=name, expressions=[value.copy()])

    count = call("count", column)
    match kind:
        case "integer":
            number = exp.cast(column.copy(), "BIGINT") if type_name == "BOOLEAN" else column
            return [count, call("min", number), call("max", number), call("sum", number)]
        case "decimal":
            total = _sql_halves(column) if halves else call("sum", column)
            return [count, call("min", column), call("max", column), total]
        case "date" | "timestamp":
            unit = call("epoch_us", column)
            return [count, call("min", unit), call("max", unit), call("sum", unit)]
        case "text":
            size = call("strlen", column)
            return [count, call("min", column), call("max", column), call("sum", size)]
        case "bytes":
            return [count, null, null.copy(), call("sum", call("octet_length", column))]
        case "float":
            nan = call("isnan", column)
            real = exp.Case().when(exp.not_(nan), column.copy())
            return [count, call("min", real), call("max", real), call("count_if", nan)]
        case _:
            return [count, null, null.copy(), exp.Literal.number(0)]


def _sql_halves(column: exp.Column) -> exp.Expression:
    """Sum the two halves of the unscaled integers: as text without its point, cut by division."""
    text = exp.cast(column.copy(), "VARCHAR", dialect="duckdb")
    digits = exp.Anonymous(
        this="replace", expressions=[text, exp.Literal.string("."), exp.Literal.string("")]
    )
    number = exp.cast(digits, "HUGEINT", dialect="duckdb")
    half = exp.cast(exp.Literal.number(HALF), "HUGEINT", dialect="duckdb")
    high = exp.IntDiv(this=number, expression=half)
    low = exp.Mod(this=number.copy(), expression=half.copy())
    return exp.array(exp.Sum(this=high), exp.Sum(this=low), dialect="duckdb")


def merge_metrics(
    names: Sequence[str], type_name: str, *, halves: bool = False
) -> list[exp.Expression]:
    """Return four aggregates that add up the metrics of several files, held in columns `names`."""
    values, low, high, total = (exp.column(name) for name in names)

    def call(name: str, value: exp.Expression) -> exp.Expression:
        return exp.Anonymous(this=name, expressions=[value])

    def half(place: int) -> exp.Expression:
        which = exp.Literal.number(place)
        part = exp.Anonymous(this="list_extract", expressions=[total.copy(), which])
        return exp.Sum(this=part)

    added: exp.Expression = call("sum", total)
    if halves and family(type_name) == "decimal":
        added = exp.array(half(1), half(2), dialect="duckdb")
    return [call("sum", values), call("min", low), call("max", high), added]


def from_sql(type_name: str, row: Sequence[Any]) -> ColumnProfile:
    """Build a profile from the four values that `sql_metrics` selects."""
    values, low, high, total = row
    kind = family(type_name)
    if kind == "decimal":
        scale = int(type_name.rstrip(")").split(",")[1])
        low, high = (_unscaled(number, scale) for number in (low, high))
        if isinstance(total, list):
            total = int(total[0] or 0) * HALF + int(total[1] or 0)
        else:
            total = _unscaled(total, scale)
    elif kind == "date":
        day = 86_400_000_000
        low, high, total = (None if v is None else int(v) // day for v in (low, high, total))
    elif kind == "text":
        low, high = (None if v is None else str(v).encode() for v in (low, high))
    elif kind == "float":
        low, high = (None if v is None else plain_float(v) for v in (low, high))
    return ColumnProfile(values=int(values), low=low, high=high, total=int(total or 0))


def _unscaled(number: Any, scale: int) -> int | None:
    # sums have more digits than the default context of 28 keeps
    return None if number is None else int(Decimal(str(number)).scaleb(scale, _WIDE))


def plain_float(number: float) -> float:
    return float(number) + 0.0  # -0.0 and 0.0 are one bound
