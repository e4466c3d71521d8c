"""Which columns a portable fingerprint covers, and as what; the others are left out by name. Pure.

In:  columns: name in the lake and in the source, type there and here.
Out: `PortableColumn`s in the order in which a row's text holds them, and reasons for the others.

A column is covered only if DuckDB, Trino, Spark and the database that it came from print the same
canonical text of each of its values. What docs/fingerprint.md says is what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp
from sqlglot.expressions import DType as T

from ..catalog import types
from ..errors import NoSuchType
from ..model import OutputColumn
from ..types import Rule

VERSION = 1
"""Of the specification: digests of different versions cannot be compared."""
LANE_DIGITS = 15
"""Hexadecimal digits of a row's SHA-256 that make one lane: 60 bits, so that it fits a signed
64-bit number everywhere, and the sum of 2^66 rows fits 38 decimal digits."""
LANES = 2

Kind = Literal["integer", "decimal", "boolean", "date", "timestamp", "instant", "text", "binary"]

_KINDS: Mapping[T, Kind] = {
    T.BOOLEAN: "boolean",
    T.TINYINT: "integer",
    T.SMALLINT: "integer",
    T.INT: "integer",
    T.BIGINT: "integer",
    T.DECIMAL: "decimal",
    T.DATE: "date",
    T.TIMESTAMP: "timestamp",
    T.TIMESTAMPNTZ: "timestamp",
    T.TIMESTAMPTZ: "instant",
    T.TEXT: "text",
    T.VARCHAR: "text",
    T.VARBINARY: "binary",
}
_MOST_DIGITS = 38
_FLOATS = frozenset((T.FLOAT, T.DOUBLE))
_NESTED = frozenset((T.ARRAY, T.LIST, T.STRUCT, T.MAP))

PADDED = frozenset(("char", "character", "bpchar"))
"""CHAR: PostgreSQL's values have blanks at their end, MySQL's have none."""
_TEXT_TYPES = frozenset(
    {
        *("", "text", "character varying", "varchar", "name", "citext", *PADDED),
        *("tinytext", "mediumtext", "longtext", "enum", "set"),
        # one text whatever the settings of a session
        *("uuid", "jsonb", "bit", "bit varying", "inet", "cidr", "macaddr", "macaddr8"),
        *("numeric", "time without time zone", "time with time zone", "user-defined"),
    }
)
_BINARY_TYPES = frozenset(
    ("", "bytea", "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
)
BELOW_MILLISECOND = (
    "digits below the millisecond, rounded half up: Athena reads no more of a timestamp"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableColumn:
    name: str
    source_name: str
    source_type: str
    """As the export spells it, in lower case; empty where it does not say."""
    kind: Kind
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What of a table a portable fingerprint covers."""

    columns: tuple[PortableColumn, ...]
    """By the bytes of their names."""
    left_out: Mapping[str, str]
    """Name -> why. A timestamp stands on both sides: only its last digits are left out."""


def covered(columns: Iterable[OutputColumn]) -> Covered:
    """Return the columns that are covered, and why the others are not."""
    found: list[PortableColumn] = []
    left_out: dict[str, str] = {}
    for column in sorted(columns, key=lambda one: one.name.encode()):
        made = _portable(column)
        if isinstance(made, str):
            left_out[column.name] = made
            continue
        found.append(made)
        if made.kind in ("timestamp", "instant"):
            left_out[column.name] = BELOW_MILLISECOND
    return Covered(columns=tuple(found), left_out=left_out)


def of_rules(rules: Iterable[Rule]) -> Covered:
    """Return what is covered of a table that is being written with these rules."""
    return covered(
        OutputColumn(
            name=rule.output_name,
            source_name=rule.source_name,
            source_type=rule.source_type,
            type=rule.target,
        )
        for rule in rules
    )


def _portable(column: OutputColumn) -> PortableColumn | str:
    """Return the column, or why it is left out."""
    if not column.type:
        return "its type is not known: the table had no object"
    try:
        parsed = types.parse(column.type)
    except NoSuchType as error:
        return error.message
    if parsed.this in _FLOATS:
        return "binary floating point: engines print it differently"
    if parsed.this in _NESTED:
        return f"{column.type.partition('(')[0]}: nested values have no common text"
    kind = _KINDS.get(parsed.this)
    if kind is None:
        return f"{column.type} has no common text"
    source_type = column.source_type.lower().strip()
    precision, scale = _digits(parsed)
    if kind == "decimal" and precision == scale == _MOST_DIGITS:
        return f"{column.type}: no engine has a digit left for the 0 before its point"
    if kind == "text" and source_type not in _TEXT_TYPES:
        return f"text of {column.source_type}: how the export spells it is not certain"
    if kind == "binary" and source_type not in _BINARY_TYPES:
        return f"bytes of {column.source_type}: the database has no equal ones"
    return PortableColumn(
        name=column.name,
        source_name=column.source_name,
        source_type=source_type,
        kind=kind,
        precision=precision,
        scale=scale,
    )


def _digits(parsed: exp.DataType) -> tuple[int, int]:
    """Return precision and scale; 0 of anything but a decimal."""
    if parsed.this != T.DECIMAL or len(parsed.expressions) != 2:
        return 0, 0
    precision, scale = (int(part.name) for part in parsed.expressions)
    return precision, scale
