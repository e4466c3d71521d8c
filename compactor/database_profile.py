"""Profiles of a database's columns, in a form that the lake's files can be compared with.

In:  columns of the database's catalogue, columns of the lake. Out: sqlglot expressions, and texts
that are equal where the profiles are. Pure; the lake's side is `profile.py`.

| lake                | database                        | compared                       |
|---------------------|---------------------------------|--------------------------------|
| whole number        | whole number, boolean, year     | nulls, min, max, sum           |
| DECIMAL             | numeric, decimal, bigint        | nulls, min, max, sum           |
| DATE                | date                            | nulls, min, max                |
| TIMESTAMP, ~TZ      | timestamp, timestamptz, datetime| nulls, min, max                |
| VARCHAR             | text of any kind                | nulls, bytes in UTF-8          |
| BLOB                | bytea, binary, blob             | nulls, bytes                   |
| anything else       | anything else                   | nulls                          |

Left out, and said so: smallest and largest text (the collations differ), binary floating point
(sums depend on the order, texts on the version), and types whose text the exporter makes in its own
way (json of MySQL, arrays, intervals). Text of a PostgreSQL that is not UTF-8 is left out, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Literal

from sqlglot import exp

from .database import Database, DatabaseColumn, DatabaseTable, table_expression
from .dsn import Dialect
from .model import OutputColumn
from .profile import ColumnProfile, family

Shape = Literal["number", "bounds", "length", "nulls"]

COMPARED: Mapping[Shape, tuple[str, ...]] = {
    "number": ("nulls", "min", "max", "sum"),
    "bounds": ("nulls", "min", "max"),
    "length": ("nulls", "bytes"),
    "nulls": ("nulls",),
}
_WIDE = Context(prec=200)
_COLUMNS_AT_ONCE = 400
"""PostgreSQL selects at most 1664 values, and a column takes up to four."""

_WHOLE = frozenset(
    {"smallint", "integer", "bigint", "tinyint", "mediumint", "int", "year", "boolean"}
)
_DECIMAL = frozenset({"numeric", "decimal", "bigint"})
_MOMENTS = frozenset(
    {"timestamp without time zone", "timestamp with time zone", "timestamp", "datetime"}
)
_TEXT: Mapping[Dialect, frozenset[str]] = {
    "postgres": frozenset({"text", "character varying", "character", "uuid", "json", "jsonb"}),
    "mysql": frozenset(
        {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
    ),
}
_BYTES = frozenset({"bytea", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_TEXT_FIRST = frozenset({"uuid", "json", "jsonb"})
"""PostgreSQL types whose text must be made before it has a length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A column of the database and the lake's column that was made of it."""

    source: DatabaseColumn
    lake: OutputColumn
    shape: Shape
    left_out: str


def pairs(
    database: Database, columns: Sequence[DatabaseColumn], lake: Sequence[OutputColumn]
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Return columns of both sides, by the exact name of the source; and notes about the others."""
    by_name = {column.name: column for column in columns}
    found = []
    notes = [
        f"column {column.source_name!r} is in the lake only"
        for column in lake
        if column.source_name not in by_name
    ]
    for column in lake:
        source = by_name.pop(column.source_name, None)
        if source is not None:
            shape, left_out = _shape(database, source, column)
            found.append(Pair(source=source, lake=column, shape=shape, left_out=left_out))
    notes += [f"column {name!r} is in the database only" for name in by_name]
    return tuple(found), tuple(notes)


def _shape(database: Database, source: DatabaseColumn, lake: OutputColumn) -> tuple[Shape, str]:
    """Return what of two columns can be compared, and what is left out and why."""
    kind = source.type.lower()
    match family(lake.type):
        case "integer" if kind in _WHOLE:
            return "number", ""
        case "decimal" if kind in _DECIMAL:
            return "number", ""
        case "date" if kind == "date":
            return "bounds", ""
        case "timestamp" if kind in _MOMENTS:
            return "bounds", ""
        case "text" if kind in _TEXT[database.dialect] and database.is_utf8:
            return "length", "min, max: the order of text depends on the collation"
        case "text" if kind in _TEXT[database.dialect]:
            return "nulls", "bytes: the database's encoding is not UTF-8"
        case "bytes" if kind in _BYTES:
            return "length", ""
        case "float":
            return "nulls", "min, max, sum: binary floating point is not printed exactly"
        case _:
            pass
    return "nulls", f"values: {source.type} is {lake.type or 'nothing'} in the lake"


# --- the database's side --------------------------------------------------------------------------


def profile(
    database: Database, table: DatabaseTable, chosen: Sequence[Pair], where: exp.Expr | None
) -> dict[str, str]:
    """Return the profile of each column, by the database's name. Raises: SourceError."""
    found: dict[str, str] = {}
    for start in range(0, len(chosen), _COLUMNS_AT_ONCE):
        some = chosen[start : start + _COLUMNS_AT_ONCE]
        select = profile_statement(table, some, database.dialect, where)
        values = iter(database.row(select))
        rows = int(next(values))
        for pair in some:
            found[pair.source.name] = _database_text(pair, rows, values)
    return found


def profile_statement(
    table: DatabaseTable, chosen: Sequence[Pair], dialect: Dialect, where: exp.Expr | None
) -> exp.Select:
    """Return one SELECT: rows, then per column its values and what its shape asks for."""
    metrics: list[exp.Expression] = [exp.Count(this=exp.Star())]
    for pair in chosen:
        column = exp.column(exp.to_identifier(pair.source.name, quoted=True))
        metrics += [exp.Count(this=column), *_metrics(column, pair, dialect)]
    select = exp.select(*metrics).from_(table_expression(table))
    return select.where(where) if where is not None else select


def _metrics(column: exp.Column, pair: Pair, dialect: Dialect) -> list[exp.Expression]:
    match pair.shape:
        case "number":
            number: exp.Expression = column
            if pair.source.type == "boolean":
                one, zero = exp.Literal.number(1), exp.Literal.number(0)
                number = exp.Case().when(column.copy(), one).when(exp.not_(column.copy()), zero)
            return [kind(this=number.copy()) for kind in (exp.Min, exp.Max, exp.Sum)]
        case "bounds":
            # as text: a driver's own dates end at the year 9999, and know no infinity
            return [exp.cast(kind(this=column.copy()), "text") for kind in (exp.Min, exp.Max)]
        case "length":
            size = exp.Anonymous(this="OCTET_LENGTH", expressions=[_as_text(column, pair, dialect)])
            return [exp.Sum(this=size)]
        case "nulls":
            return []


def _as_text(column: exp.Column, pair: Pair, dialect: Dialect) -> exp.Expression:
    if family(pair.lake.type) == "bytes":
        return column.copy()
    if dialect == "mysql":  # CONVERT(c USING utf8mb4)
        utf8 = exp.DataType(this=exp.DType.CHARACTER_SET, kind=exp.var("utf8mb4"))
        return exp.Cast(this=column.copy(), to=utf8)
    # not all of them: text made of character(n) has lost its blanks
    return exp.cast(column.copy(), "text") if pair.source.type in _TEXT_FIRST else column.copy()


def _database_text(pair: Pair, rows: int, values: Iterator[Any]) -> str:
    nulls = rows - int(next(values))
    match pair.shape:
        case "number":
            low, high, total = (_number(next(values)) for _ in range(3))
            return _text(nulls, low=low, high=high, total=total if total != "-" else "0")
        case "bounds":
            bounds = [_bound(next(values), family(pair.lake.type)) for _ in range(2)]
            return _text(nulls, low=bounds[0], high=bounds[1])
        case "length":
            return _text(nulls, size_bytes=str(int(next(values) or 0)))
        case "nulls":
            return _text(nulls)


# --- the lake's side ------------------------------------------------------------------------------


def lake_text(pair: Pair, rows: int, profile: ColumnProfile) -> str:
    """Return the lake's profile of a column in the same form."""
    nulls = rows - profile.values
    kind = family(pair.lake.type)
    match pair.shape:
        case "number":
            scale = int(pair.lake.type.rstrip(")").split(",")[1]) if kind == "decimal" else 0
            low, high, total = (
                None if value is None else Decimal(value).scaleb(-scale, _WIDE)
                for value in (profile.low, profile.high, profile.total)
            )
            return _text(nulls, low=_number(low), high=_number(high), total=_number(total))
        case "bounds":
            bounds = [_stored_bound(value, kind) for value in (profile.low, profile.high)]
            return _text(nulls, low=bounds[0], high=bounds[1])
        case "length":
            return _text(nulls, size_bytes=str(profile.total))
        case "nulls":
            return _text(nulls)


def _stored_bound(value: Any, kind: str) -> str:
    """Spell days or microseconds since 1970."""
    if value is None:
        return "-"
    if kind == "date":
        return (date(1970, 1, 1) + timedelta(days=int(value))).isoformat()
    return str(datetime(1970, 1, 1) + timedelta(microseconds=int(value)))  # noqa: DTZ001 (in UTC)


# --- one spelling for both ------------------------------------------------------------------------


def _text(
    nulls: int,
    *,
    low: str | None = None,
    high: str | None = None,
    total: str | None = None,
    size_bytes: str | None = None,
) -> str:
    told = [f"nulls {nulls}"]
    told += [f"min {low}, max {high}"] if low is not None else []
    told += [f"sum {total}"] if total is not None else []
    told += [f"bytes {size_bytes}"] if size_bytes is not None else []
    return ", ".join(told)


def _number(value: Any) -> str:
    """Spell a number without an exponent and without trailing zeros: 1.50 and 1.5 are one value."""
    if value is None:
        return "-"
    try:
        number = Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return str(value)
    if not number.is_finite():
        return str(number)  # NaN, Infinity: no value that the lake's column could have
    return format(number.normalize(_WIDE) + 0, "f") if number else "0"


def _bound(text: Any, kind: str) -> str:
    """Spell a date or moment as Python does, in UTC; what it cannot hold stays as it is."""
    if text is None:
        return "-"
    try:
        if kind == "date":
            return date.fromisoformat(text).isoformat()
        moment = datetime.fromisoformat(text)
    except ValueError:
        return str(text)
    try:
        return str((moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None))
    except OverflowError:
        return str(text)
