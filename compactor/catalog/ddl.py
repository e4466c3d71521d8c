"""DDL of what a catalog holds, for Athena (Hive's DDL, Trino's views) and for Spark. Pure.

In:  a `CatalogTable`. Out: `Statement`s, to be run one by one and in their order.

An external table can be dropped and created anew at any time: no file goes with it.

https://docs.aws.amazon.com/athena/latest/ug/create-table.html
https://docs.aws.amazon.com/athena/latest/ug/create-view.html (read 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from ..model import HIVE_NULL, Model
from . import dialects
from .dialects import HiveDdl
from .layout import CatalogColumn, CatalogPartition, CatalogTable, ExternalTable
from .projection import Projection, Refusal, project
from .views import DIALECT, View, views

MOST_PARTITIONS = 100
"""Added by one statement: what Glue takes in one call
(https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html, read 2026-11)."""
MOST_BYTES = 262_144
"""Of a statement: https://docs.aws.amazon.com/athena/latest/ug/service-limits.html"""


class Statement(Model):
    """One statement, without the semicolon at its end."""

    database: str
    table: str
    """Table or view that it is about; empty where it is about the database."""
    kind: Literal["database", "schema", "table", "properties", "partitions", "view"]
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDdl:
    """What creates one table of the lake: external tables, their partitions, its views."""

    name: str
    """As the export names it."""
    statements: tuple[Statement, ...]
    warnings: tuple[str, ...]
    """One line each; may hold any character of a name, but no line break."""


def create_database(database: str) -> Statement:
    made = exp.Create(
        this=exp.to_identifier(database, quoted=True), kind="DATABASE", exists=True
    ).sql(dialect=HiveDdl)
    return Statement(database=database, table="", kind="database", sql=made)


def create(table: CatalogTable, *, spark: bool = False, projected: bool = False) -> TableDdl:
    """Return the statements for Athena, or for Spark.

    `projected`: partitions are projected where that is possible, else registered. Spark knows no
    projection.
    """
    statements: list[Statement] = []
    warnings = list(table.warnings)
    for external in table.externals:
        projection = project(external) if projected and not spark else None
        if isinstance(projection, Refusal):
            warnings.append(
                f"{external.name}: no projection, its partitions are registered: "
                f"{projection.reason}"
            )
        statements += _table(external, projection, warnings)
        warnings += _late_columns(external)
        if not spark:
            warnings += _encoded(external)
        if not spark and not isinstance(projection, Projection):
            warnings += _reserved(external)
    for view in views(table):
        statements.append(_view(view, spark=spark))
        if view.left_out:
            warnings.append(
                f"{view.name}: the oldest {view.left_out:,} snapshots are not in it, it would be "
                f"longer than Athena takes; {table.externals[0].name} has them"
            )
    return TableDdl(
        name=table.source.name,
        statements=tuple(statements),
        warnings=tuple(map(one_line, warnings)),
    )


def one_line(text: str) -> str:
    """Return a text without line breaks: nothing in it can end an SQL comment."""
    return "".join(c if c.isprintable() else " " for c in text)


# --- tables and partitions ------------------------------------------------------------------------


def _table(
    external: ExternalTable, projection: Projection | Refusal | None, warnings: list[str]
) -> Iterator[Statement]:
    name = table_name(external)
    properties: tuple[tuple[str, str], ...] = ()
    if isinstance(projection, Projection):
        properties = projection.properties
        warnings += projection.warnings
    sql = _create_table(external, properties, commented=True)
    if len(sql.encode()) > MOST_BYTES:
        sql = _create_table(external, properties, commented=False)
        warnings.append(
            f"{external.name}: without comments on its columns, the statement would be longer than "
            f"the {MOST_BYTES:,} bytes that Athena takes"
        )
    yield _about(external, "table", sql)
    if properties:  # of a table that is there already
        action = dialects.SetProperties(expressions=_properties(properties))
        yield _about(external, "properties", _printed(dialects.alter(name, action)))
        return
    for batch in partition_batches(external.partitions):
        yield _about(external, "partitions", _printed(add_partitions(name, external, batch)))


def _about(
    external: ExternalTable, kind: Literal["table", "properties", "partitions"], sql: str
) -> Statement:
    return Statement(database=external.database, table=external.name, kind=kind, sql=sql)


def table_name(external: ExternalTable) -> exp.Table:
    return exp.table_(external.name, db=external.database, quoted=True)


def _create_table(
    external: ExternalTable, properties: Sequence[tuple[str, str]], *, commented: bool
) -> str:
    def declared(column: CatalogColumn) -> exp.ColumnDef:
        return dialects.column(column.name, column.hive_type, column.comment if commented else "")

    created = dialects.external_table(
        table_name(external),
        [declared(column) for column in external.columns],
        [
            exp.SchemaCommentProperty(this=exp.Literal.string(external.comment)),
            *dialects.parquet_at([declared(key) for key in external.keys], external.location),
            *_properties(properties),
        ],
    )
    return _printed(created)


def _properties(properties: Sequence[tuple[str, str]]) -> list[exp.Property]:
    return [
        exp.Property(this=exp.Literal.string(name), value=exp.Literal.string(value))
        for name, value in properties
    ]


def partition_batches(
    partitions: Sequence[CatalogPartition],
) -> Iterator[Sequence[CatalogPartition]]:
    """Yield at most MOST_PARTITIONS at a time; those of rows without a date come by themselves.

    Hive, and what has its parser, refuses their value in ALTER TABLE: the others must not suffer.
    """
    dated = [part for part in partitions if HIVE_NULL not in part.values]
    undated = [part for part in partitions if HIVE_NULL in part.values]
    for group in (dated, undated):
        for start in range(0, len(group), MOST_PARTITIONS):
            yield group[start : start + MOST_PARTITIONS]


def add_partitions(
    name: exp.Table, external: ExternalTable, partitions: Sequence[CatalogPartition]
) -> exp.Alter:
    keys = [key.name for key in external.keys]
    added = [dialects.partition_at(keys, part.values, part.location) for part in partitions]
    return dialects.alter(name, dialects.AddPartitions(expressions=added))


def _printed(expression: exp.Expression) -> str:
    return expression.sql(dialect=HiveDdl, pretty=True)


# --- what a reader should know --------------------------------------------------------------------


def _late_columns(external: ExternalTable) -> Iterator[str]:
    """Tell of columns that a table created from an earlier snapshot does not have."""
    by_run = sorted(external.snapshots, key=lambda one: (one.run_id, one.moment))
    first = {column.name for column in by_run[0].result.columns}
    late = [column.name for column in external.columns if column.name not in first]
    if late:
        yield (
            f"{external.name}: {', '.join(map(repr, late[:5]))}{' and more' if late[5:] else ''} "
            f"came after snapshot {by_run[0].label}; where the table was created before, drop it "
            "first (no file goes with it)"
        )


def _encoded(external: ExternalTable) -> Iterator[str]:
    if "%" in external.location:
        yield (
            f"{external.name}: the % in {external.location} is part of the folder's name; Hive, "
            "Spark and Trino decode none of it, Athena's documentation does not say"
        )


def _reserved(external: ExternalTable) -> Iterator[str]:
    """Tell that Hive's ALTER TABLE knows no NULL: https://issues.apache.org/jira/browse/HIVE-29093"""
    undated = [part for part in external.partitions if HIVE_NULL in part.values]
    if undated:
        yield (
            f"{external.name}: {sum(part.rows for part in undated):,} rows without a date lie in "
            f"dt={HIVE_NULL}; if ALTER TABLE refuses that value as reserved, register it through "
            "Glue's API: compactor catalog"
        )


# --- views ----------------------------------------------------------------------------------------


def _view(view: View, *, spark: bool) -> Statement:
    told = exp.SchemaCommentProperty(this=exp.Literal.string(one_line(view.comment)))
    created = exp.Create(
        this=exp.table_(view.name, db=view.database, quoted=True),
        kind="VIEW",
        replace=True,
        expression=view.query.copy(),
        # Athena's CREATE VIEW has no COMMENT
        properties=exp.Properties(expressions=[told]) if spark else None,
    )
    dialect = "spark" if spark else DIALECT
    sql = created.sql(dialect=dialect, pretty=True)
    if len(sql.encode()) > MOST_BYTES:
        sql = created.sql(dialect=dialect)
    return Statement(database=view.database, table=view.name, kind="view", sql=sql)
