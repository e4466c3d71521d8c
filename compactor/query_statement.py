"""Which tables a statement names, if it is one that only reads.

In:  SQL that a person wrote. Out: `Reference`s. IO: none; DuckDB's own parser tells.

Names are taken from the syntax tree, so nothing needs to exist yet. DuckDB's `get_table_names`
binds the statement, and refuses a join `USING` a column of a table that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from . import sql
from .errors import ConfigError

Parts = tuple[str, ...]
_EXPLAIN = re.compile(r"\bexplain\b(\s+analyze\b)?(\s*\([^)]*\))?", re.IGNORECASE)
_ANSWERED = "SELECT, WITH, VALUES, DESCRIBE, SUMMARIZE and EXPLAIN are answered"


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    parts: Parts
    """database, schema, table: as many as are written."""
    may_be_local: bool
    """Whether WITH gives something this name, so that it need not be a table of the lake."""


def references(connection: duckdb.DuckDBPyConnection, statement: str) -> list[Reference]:
    """Return the names of the tables that a statement reads, each once.

    Raises: ConfigError unless it is one statement, and one that only reads.
    """
    try:
        found = connection.extract_statements(statement)
    except duckdb.Error as error:
        raise ConfigError(f"DuckDB cannot read the statement: {error}") from error
    if len(found) != 1:
        raise ConfigError(
            f"expected one statement, found {len(found)}", hint="ask one question at a time"
        )
    match found[0].type.name:
        case "SELECT":
            text = statement
        case "EXPLAIN":
            text = _EXPLAIN.sub("", statement, count=1)
        case kind:
            raise ConfigError(f"{kind} is refused: compactor query only reads", hint=_ANSWERED)
    tree = _tree(connection, text)
    local = {name.lower() for name in _local_names(tree)}
    return sorted(
        {
            Reference(parts, parts[-1].lower() in local and len(parts) == 1)
            for parts in _tables(tree)
        }
    )


def _tree(connection: duckdb.DuckDBPyConnection, statement: str) -> dict[str, Any]:
    (row,) = sql.rows(connection, "query/tree", {"statement": statement})
    tree: dict[str, Any] = json.loads(row["tree"])
    if tree["error"]:
        raise ConfigError(
            f"the tables of the statement cannot be told: {tree['error_message']}",
            hint=f"{_ANSWERED}; PIVOT needs its values: PIVOT ... ON ... IN (...)",
        )
    if any(node.get("type") == "SHOW_REF" and _is_show(node) for node in _nodes(tree)):
        raise ConfigError(
            "SHOW has nothing to show: tables are looked up when a statement names them",
            hint="compactor query --tables lists them; DESCRIBE lists the columns of one",
        )
    return tree


def _is_show(node: dict[str, Any]) -> bool:
    return node.get("query") is None


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every node of a syntax tree, however deep it is."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _tables(tree: dict[str, Any]) -> Iterator[Parts]:
    for node in _nodes(tree):
        if node.get("type") == "BASE_TABLE":
            names = (node["catalog_name"], node["schema_name"], node["table_name"])
            yield tuple(name for name in names if name)


def _local_names(tree: dict[str, Any]) -> Iterator[str]:
    for node in _nodes(tree):
        if "cte_map" in node:
            yield from (entry["key"] for entry in node["cte_map"]["map"])
