"""What the formats share on the way from column names to a statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from ..errors import ConfigError
from .interface import FormatOptions, Survey

if TYPE_CHECKING:
    import duckdb


def filled(statement: str, values: Mapping[str, exp.Expression]) -> exp.Expression:
    """Parse the text of a query file and put expressions in the place of its parameters."""

    def put(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Parameter | exp.Placeholder):
            return values[node.name].copy()
        return node

    return sqlglot.parse_one(statement, dialect="duckdb").transform(put)


def create(connection: duckdb.DuckDBPyConnection, statement: exp.Expression, macro: str) -> None:
    """Define a macro, under another name than the one in its query file."""
    named = statement.find(exp.UserDefinedFunction)
    assert named is not None
    named.set("this", exp.to_identifier(macro))
    connection.execute(statement.sql(dialect="duckdb"))


def known_types(survey: Survey, options: FormatOptions) -> None:
    """Raises: ConfigError if a type is configured for a column that no object has."""
    missing = [name for name in options.types if name not in survey]
    if survey and missing:
        raise ConfigError(
            f"types names a column {missing[0]!r} that is not there; the columns are "
            f"{', '.join(list(survey)[:40])}"
        )
