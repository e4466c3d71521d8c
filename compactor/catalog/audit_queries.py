"""The queries of auditors and analysts: what they are called, and what is filled into them.

In:  files of `queries/athena/`, in Athena's SQL (Trino). Out: sqlglot expressions. IO: query files.

A file can be pasted into Athena as it is, with our database chosen there. What may be changed is in
its first part, `WITH wanted AS (SELECT ... AS name, ...)`: that is where values are filled in, as
literals that sqlglot writes, so that a name from an export cannot become SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlglot import exp, parse_one
from sqlglot.optimizer.scope import traverse_scope

from .. import prices, sql
from ..errors import ConfigError

DIALECT = "trino"
QUERIES = (
    "athena/not_verified",
    "athena/failed",
    "athena/integrity",
    "athena/retention",
    "athena/rows_per_day",
    "athena/changed_between_snapshots",
    "athena/duplicates",
    "athena/growth",
    "athena/storage_cost",
)
CHANGED_ROWS = "changed_rows"
"""Has no file: its columns are those of a table, see `changed_rows.py`."""
_WANTED = "wanted"
_PRICES = {
    "lake_usd": prices.STORAGE_USD["STANDARD"],
    "archive_usd": prices.STORAGE_USD["STANDARD"],
}
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    name: str
    answers: str
    """The question, one line."""
    comment: str
    """The whole head of its file: lines that begin with `--`."""
    query: exp.Query

    @property
    def takes(self) -> dict[str, str]:
        """Names that values can be given for, and what they are otherwise (empty: NULL)."""
        return {
            one.alias: "" if one.find(exp.Null) else one.this.name for one in _wanted(self.query)
        }


def audit_queries() -> tuple[AuditQuery, ...]:
    """Return all queries that are files, in the order of use."""
    return tuple(_read(name) for name in QUERIES)


def _read(name: str) -> AuditQuery:
    text = sql.query(name)
    head = [line for line in text.splitlines() if line.startswith("--")]
    query = parsed(text)
    found = AuditQuery(
        name=name.rpartition("/")[2],
        answers=head[0].partition(": ")[2],
        comment="\n".join(head),
        query=query,
    )
    return filled(found, {key: str(one) for key, one in _PRICES.items() if key in found.takes})


def parsed(text: str) -> exp.Query:
    """Parse a query file; the comment at its head is not part of it."""
    body = [line for line in text.splitlines() if not line.startswith("--")]
    query = parse_one("\n".join(body), read=DIALECT)
    assert isinstance(query, exp.Query)
    return query


def filled(one: AuditQuery, values: Mapping[str, str]) -> AuditQuery:
    """Return the query with values in its `wanted`.

    Raises: ConfigError for a name that it does not take, or a text where a number belongs.
    """
    query = one.query.copy()
    places = {alias.alias: alias for alias in _wanted(query)}
    for name, value in values.items():
        if name not in places:
            raise ConfigError(
                f"query {one.name} takes no {name}", hint=f"it takes: {', '.join(sorted(places))}"
            )
        is_text = isinstance(places[name].this, exp.Cast)
        if not is_text and not _NUMBER.fullmatch(value):
            raise ConfigError(f"query {one.name} takes a number as {name}, not {value!r}")
        literal = exp.Literal.string(value) if is_text else exp.Literal.number(value)
        # a text stays CAST(... AS varchar), so that NULL has a type and this can be done again
        (places[name].this if is_text else places[name]).set("this", literal)
    return replace(one, query=query)


def _wanted(query: exp.Query) -> list[exp.Alias]:
    common = next((one for one in query.find_all(exp.CTE) if one.alias == _WANTED), None)
    assert common is not None
    return [one for one in common.this.expressions if isinstance(one, exp.Alias)]


def qualified(query: exp.Query, database: str) -> exp.Query:
    """Return the query with the database before each table that is not one of its own parts."""
    made = query.copy()
    for scope in traverse_scope(made):
        for table in scope.tables:
            if isinstance(scope.sources.get(table.alias_or_name), exp.Table):
                table.set("db", exp.to_identifier(database, quoted=True))
                table.this.set("quoted", True)
    return made
