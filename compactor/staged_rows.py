"""The rows of staged files, as DuckDB sees them: as delivered, typed, and hashed.

`staged(files)` is a temporary table macro; `typed_rows` and `hashed_rows` select from it by rules.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from . import types
from .portable import proof
from .sql import query
from .types import Rule

if TYPE_CHECKING:
    import duckdb

FILE_NAME = "compactor source file"
"""Name of the column that tells a row's file, in queries/compact/staged*.sql."""


def open_source(connection: duckdb.DuckDBPyConnection, *, by_name: bool) -> None:
    """Define the macro staged(files), for equal or for differing columns."""
    connection.execute(query("compact/staged_by_name" if by_name else "compact/staged"))


def open_keyed_parquet(
    connection: duckdb.DuckDBPyConnection,
    keyed: Mapping[str, Sequence[tuple[str, str | None]]],
    added: Sequence[str],
    contested: Sequence[str],
) -> None:
    """Define the macro staged(files) for Parquet files whose keys add columns."""
    if contested:
        # always there, whichever files are asked for
        files = exp.select("*").from_(_named_rows("parquet_files"))
        empty = exp.select(
            *[
                exp.alias_(exp.cast(exp.null(), "VARCHAR", dialect="duckdb"), name, quoted=True)
                for name in contested
            ]
        ).where(exp.false())
        connection.execute(query("compact/parquet_files"))
        define_macro(
            connection,
            "staged_files",
            exp.Union(this=files, expression=empty, distinct=False, by_name=True),
        )
    else:
        connection.execute(query("compact/staged_files"))
    add_keyed(connection, keyed, added, contested)


def add_keyed(
    connection: duckdb.DuckDBPyConnection,
    keyed: Mapping[str, Sequence[tuple[str, str | None]]],
    added: Sequence[str],
    contested: Sequence[str] = (),
) -> None:
    """Define the macro staged(files): rows of staged_files(files), and what their keys add.

    `keyed` holds (column, value) by path; `added` are the columns that only keys give, in their
    order; `contested` those that keys give to the files that lack them.
    """
    names = [*added, *contested]
    values = {name: [dict(pairs).get(name) for pairs in keyed.values()] for name in names}
    table = {"file_name": pa.array(list(keyed), pa.string())}
    table |= {f"v{no}": pa.array(values[name], pa.string()) for no, name in enumerate(names)}
    connection.register("keyed_files", pa.table(table))
    own = exp.Column(this=exp.Star(), table=exp.to_identifier("base"))
    if contested:
        filled = [
            exp.alias_(
                exp.Coalesce(
                    this=exp.column(name, table="base", quoted=True),
                    expressions=[exp.column(f"v{no}", table="k")],
                ),
                name,
                quoted=True,
            )
            for no, name in enumerate(contested, start=len(added))
        ]
        own = exp.Column(this=exp.Star(replace=filled), table=exp.to_identifier("base"))
    select = (
        exp.select(
            own,
            *[
                exp.alias_(exp.column(f"v{no}", table="k"), f"compactor key {no}", quoted=True)
                for no in range(len(added))
            ],
        )
        .from_(exp.alias_(_named_rows("staged_files"), "base", table=True))
        .join(
            exp.alias_(exp.Table(this=exp.to_identifier("keyed_files")), "k", table=True),
            on=exp.EQ(
                this=exp.column("file_name", table="k"),
                expression=exp.column(FILE_NAME, table="base", quoted=True),
            ),
            join_type="left",
        )
    )
    define_macro(connection, "staged", select)


def _named_rows(macro: str) -> exp.Table:
    # a function takes an alias as a table only
    return exp.Table(this=exp.Anonymous(this=macro, expressions=[exp.column("files")]))


def define_macro(connection: duckdb.DuckDBPyConnection, name: str, select: exp.Expression) -> None:
    """Define a temporary table macro of one parameter, `files`."""
    statement = _macro().copy()
    statement.set("expression", select)
    named = statement.find(exp.UserDefinedFunction)
    assert named is not None
    named.set("this", exp.to_identifier(name))
    connection.execute(statement.sql(dialect="duckdb"))


@functools.cache
def _macro() -> exp.Expression:
    parsed: exp.Expression = exp.maybe_parse(query("compact/macro"), dialect="duckdb")
    return parsed


def use_decoded(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table | pa.RecordBatchReader
) -> list[tuple[str, str]]:
    """Let the macro staged(files) give rows that are decoded already, whatever its argument.

    Returns names and types of the columns, as DuckDB sees them. A reader gives its rows once.
    """
    connection.register("decoded_rows", rows.schema.empty_table())
    columns = connection.execute(query("compact/describe_decoded")).fetchall()
    connection.register("decoded_rows", rows)
    connection.execute(query("compact/staged_decoded"))
    return [(name, kind) for name, kind, *_ in columns]


def keep_decoded(
    connection: duckdb.DuckDBPyConnection,
    reader: pa.RecordBatchReader,
    expected: Sequence[tuple[str, str]],
) -> bool:
    """Let the macro staged(files) give a reader's rows, as often as they are wanted.

    Returns False, and takes nothing, where DuckDB sees other columns than expected.
    """
    if dict(use_decoded(connection, reader)) != dict(expected):
        return False
    connection.execute(query("compact/keep_decoded"))
    connection.execute(query("compact/staged_kept"))
    return True


def typed_rows(rules: Sequence[Rule], *, file_name: bool = False) -> exp.Select:
    """Select the columns as delivered (`s*`) and typed (`c*`)."""
    delivered = exp.select(
        *[
            exp.alias_(exp.column(rule.read_name, quoted=True), rule.staged_name, copy=False)
            for rule in rules
        ]
    ).from_(exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")]), copy=False)
    typed = exp.select(
        *[exp.alias_(types.value(rule), rule.scratch_name, copy=False) for rule in rules],
        *[exp.column(rule.staged_name) for rule in rules],
    )
    if file_name:
        delivered = delivered.select(exp.alias_(exp.column(FILE_NAME, quoted=True), "file_name"))
        typed = typed.select(exp.column("file_name"))
    return typed.from_(delivered.subquery("delivered", copy=False), copy=False)


def hashed_rows(
    rules: Sequence[Rule],
    day: exp.Expression | None = None,
    *,
    file_name: bool = False,
    portable: bool = False,
) -> exp.Select:
    """Select c*, h1, h2 and bad (the number of a column that failed, else NULL).

    With `day`, also that, as dt; with `file_name`, also the local path that each row came from;
    with `portable`, also what a row adds to the portable fingerprint.
    """
    bad: exp.Expression = exp.null()
    case = exp.Case()
    for rule in rules:
        if rule.parsed:
            lossy = types.is_lossy(rule, exp.column(rule.scratch_name))
            bad = case = case.when(lossy, exp.Literal.number(rule.no), copy=False)
    first, second = types.row_hashes([rule.scratch_name for rule in rules])
    select = exp.select(
        *[exp.column(rule.scratch_name) for rule in rules],
        exp.alias_(first, "h1", copy=False),
        exp.alias_(second, "h2", copy=False),
        exp.alias_(exp.cast(bad, "USMALLINT", copy=False, dialect="duckdb"), "bad", copy=False),
    )
    if day is not None:
        select = select.select(exp.alias_(day, "dt"))
    if file_name:
        select = select.select(exp.column("file_name"))
    typed = typed_rows(rules, file_name=file_name)
    if portable:
        typed = proof.with_lanes(typed, rules)
        select = select.select(*proof.lanes())
    return select.from_(typed.subquery("t", copy=False), copy=False)
