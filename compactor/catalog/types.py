"""DuckDB types, as files were written, in the words of Hive (Glue, Spark), Trino (Athena) and
Redshift.

https://docs.aws.amazon.com/athena/latest/ug/data-types.html (read 2026-11)

Instants with a time zone are stored in UTC. Hive knows no such type: they are read as a timestamp
whose wall clock is UTC. Athena reads timestamps to the millisecond, rounded.
"""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.expressions import DType as T

from ..errors import NoSuchType

_HIVE: dict[T, str] = {
    T.BOOLEAN: "boolean",
    T.TINYINT: "tinyint",
    T.SMALLINT: "smallint",
    T.INT: "int",
    T.BIGINT: "bigint",
    T.FLOAT: "float",
    T.DOUBLE: "double",
    T.DATE: "date",
    T.TIMESTAMP: "timestamp",
    T.TIMESTAMPNTZ: "timestamp",  # how sqlglot parses DuckDB's TIMESTAMP
    T.TIMESTAMPTZ: "timestamp",
    T.TEXT: "string",
    T.VARCHAR: "string",
    T.VARBINARY: "binary",
}
_TRINO: dict[T, str] = _HIVE | {
    T.INT: "integer",
    T.FLOAT: "real",
    T.TIMESTAMP: "timestamp(3)",
    T.TIMESTAMPNTZ: "timestamp(3)",
    T.TIMESTAMPTZ: "timestamp(3)",
    T.TEXT: "varchar",
    T.VARCHAR: "varchar",
    T.VARBINARY: "varbinary",
}
_REDSHIFT: dict[T, str] = _HIVE | {
    T.TINYINT: "smallint",  # of Redshift's own, the smallest
    T.INT: "integer",
    T.FLOAT: "real",
    T.DOUBLE: "double precision",
    T.TEXT: "varchar(65535)",
    T.VARCHAR: "varchar(65535)",
    T.VARBINARY: "varbyte(1024000)",
}
"""https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_TABLE.html (read 2026-11)"""
_PLAIN_FIELD = re.compile(r"[a-z_][a-z0-9_]*")


def parse(duckdb_type: str) -> exp.DataType:
    """Return the parsed type. Raises: NoSuchType"""
    try:
        return exp.DataType.build(duckdb_type, dialect="duckdb")
    except ParseError as error:
        raise NoSuchType(f"type {duckdb_type!r} cannot be declared") from error


def hive(duckdb_type: str) -> str:
    """Return the type as Glue and Hive DDL spell it, `array<struct<a:int>>`. Raises: NoSuchType"""
    return _hive(parse(duckdb_type), duckdb_type, _HIVE)


def redshift(duckdb_type: str) -> str:
    """Return the type as Redshift's external tables spell it. Raises: NoSuchType"""
    return _hive(parse(duckdb_type), duckdb_type, _REDSHIFT)


def trino(duckdb_type: str) -> str:
    """Return the type under which Athena sees a column of that Hive type. Raises: NoSuchType"""
    return _trino(parse(duckdb_type), duckdb_type)


def _hive(kind: exp.DataType, whole: str, words: dict[T, str]) -> str:
    match kind.this:
        case T.DECIMAL:
            return _decimal(kind, whole)
        case T.ARRAY | T.LIST:
            return f"array<{_hive(kind.expressions[0], whole, words)}>"
        case T.MAP:
            key, value = (_hive(part, whole, words) for part in kind.expressions)
            return f"map<{key},{value}>"
        case T.STRUCT:
            fields = (
                f"{_field(part, whole)}:{_hive(part.kind, whole, words)}"
                for part in kind.expressions
            )
            return f"struct<{','.join(fields)}>"
        case _:
            return _word(words, kind, whole)


def _trino(kind: exp.DataType, whole: str) -> str:
    match kind.this:
        case T.DECIMAL:
            return _decimal(kind, whole)
        case T.ARRAY | T.LIST:
            return f"array({_trino(kind.expressions[0], whole)})"
        case T.MAP:
            key, value = (_trino(part, whole) for part in kind.expressions)
            return f"map({key},{value})"
        case T.STRUCT:
            fields = (
                f"{_field(part, whole)} {_trino(part.kind, whole)}" for part in kind.expressions
            )
            return f"row({','.join(fields)})"
        case _:
            return _word(_TRINO, kind, whole)


def _word(words: dict[T, str], kind: exp.DataType, whole: str) -> str:
    if kind.this not in words:
        raise NoSuchType(f"type {whole!r} cannot be declared: Athena has no {kind.this.value}")
    return words[kind.this]


def _decimal(kind: exp.DataType, whole: str) -> str:
    if len(kind.expressions) != 2:
        raise NoSuchType(f"type {whole!r} cannot be declared without precision and scale")
    precision, scale = (part.name for part in kind.expressions)
    return f"decimal({precision},{scale})"


def _field(part: exp.Expression, whole: str) -> str:
    """Return a struct's field name; Glue's type strings know no quoting."""
    name = part.name.lower()
    if not _PLAIN_FIELD.fullmatch(name):
        raise NoSuchType(f"type {whole!r} cannot be declared: no field may be called {name!r}")
    return name
