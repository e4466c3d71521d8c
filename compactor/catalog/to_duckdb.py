"""Queries for Athena, said in DuckDB's SQL, for those who have no Athena. Pure.

In:  sqlglot expressions in Trino's terms, the URL of a lake. Out: the same for DuckDB.

sqlglot translates; what it does not know is rewritten here:

* `UNNEST(rows) AS t` gives one column for each field of a row in Trino, and one STRUCT in DuckDB:
  it becomes a lateral subquery with `unnest(rows, max_depth := 2)`.
* `from_iso8601_timestamp(text)` becomes a cast to TIMESTAMP, which is in UTC whatever the time zone
  of the session: all our texts end with Z.
* `manifests` reads the files themselves, by the same types, with `read_json`.
"""

from __future__ import annotations

import re

from sqlglot import exp

from .. import lake
from .manifests_ddl import MANIFESTS, manifest_columns, view_queries

LARGEST_MANIFEST_BYTES = 128 << 20
"""DuckDB wants to know; it takes twice as much memory for each thread that reads."""
_ROWS = exp.to_identifier("max_depth")


def script(query: exp.Query, lake_url: str) -> str:
    """Return everything that DuckDB must run for a query: our views, then the query itself."""
    views = {MANIFESTS: _manifests(lake_url), **view_queries()}
    made = [
        exp.Create(
            this=exp.table_(name, quoted=True),
            kind="VIEW",
            replace=True,
            properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
            expression=translated(view),
        )
        for name, view in views.items()
    ]
    parts = [*(text(one) for one in made), text(translated(query))]
    return "".join(f"{part};\n\n" for part in parts)


def text(statement: exp.Query | exp.Create) -> str:
    return statement.sql(dialect="duckdb", pretty=True)


def translated(query: exp.Query) -> exp.Query:
    made = query.transform(_rewritten)
    assert isinstance(made, exp.Query)
    return made


def _rewritten(node: exp.Expression) -> exp.Expression:
    match node:
        case exp.FromISO8601Timestamp():
            return exp.cast(node.this, "timestamp")
        case exp.Unnest() if node.alias and not node.args["alias"].columns:
            deep = exp.PropertyEQ(this=_ROWS.copy(), expression=exp.Literal.number(2))
            rows = exp.Anonymous(this="unnest", expressions=[node.expressions[0], deep])
            return exp.Lateral(
                this=exp.select(rows).subquery(), alias=exp.TableAlias(this=node.args["alias"].this)
            )
    return node


def _manifests(lake_url: str) -> exp.Query:
    columns = manifest_columns()
    typed = exp.Struct(
        expressions=[
            exp.PropertyEQ(
                this=exp.to_identifier(name, quoted=True),
                expression=exp.Literal.string(kind.sql(dialect="duckdb")),
            )
            for name, kind in columns.items()
        ]
    )
    options: dict[str, exp.Expression] = {
        "columns": typed,
        "format": exp.Literal.string("newline_delimited"),
        "maximum_object_size": exp.Literal.number(LARGEST_MANIFEST_BYTES),
        "filename": exp.true(),
    }
    read = exp.Anonymous(
        this="read_json",
        expressions=[
            exp.Literal.string(f"{as_pattern(lake_url)}{lake.RUNS}*/manifest.json"),
            *(
                exp.PropertyEQ(this=exp.to_identifier(name), expression=value)
                for name, value in options.items()
            ),
        ],
    )
    return exp.select(
        exp.alias_(exp.column("filename"), "url"),
        *[exp.column(name, quoted=True) for name in columns],
    ).from_(read)


def as_pattern(url: str) -> str:
    """Return a URL with a slash at its end that stands for itself in a pattern of files."""
    return re.sub(r"([*?\[])", r"[\1]", f"{url.rstrip('/')}/")
