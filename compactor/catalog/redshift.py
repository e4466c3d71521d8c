"""DDL for Redshift Spectrum, which reads the same files through an external schema. Pure.

In:  a `CatalogTable`. Out: `Statement`s, to be run one by one and in their order.

What differs from Athena: an external schema stands for a Glue database, and what is registered
there is seen at once; CREATE EXTERNAL TABLE knows neither IF NOT EXISTS nor comments; texts have a
length, and what is longer is cut off without an error; there is no tinyint and no projection;
Athena's views are not seen, so Redshift gets its own, bound late, in a schema that is no external
one.

https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_TABLE.html
https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html
https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_VIEW.html (read 2026-11)
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from . import dialects, types
from .ddl import Statement, TableDdl, add_partitions, one_line, partition_batches
from .dialects import RedshiftDdl
from .layout import CatalogTable, ExternalTable
from .views import View, views

EXTERNAL = "_data"
"""Appended to a database's name: the external schema; `names.unique` keeps that name free. The
schema of the views has the database's own name."""
LONGEST_NAME_BYTES = 127
"""Of tables, columns, schemas: https://docs.aws.amazon.com/redshift/latest/dg/r_names.html"""
_LONGEST_TEXT = "varchar(65535)"
_KEY = "varchar(64)"
"""Of `snapshot` and `dt`."""
WARNINGS = (
    "tables that `compactor catalog` has registered in Glue are seen through the external schema "
    "at once: leave their CREATE EXTERNAL TABLE and ALTER TABLE out",
    "texts are cut off after 65,535 bytes, without an error",
)


def create_schemas(database: str) -> tuple[Statement, Statement]:
    """Return what creates the external schema over a Glue database, and the one for the views."""
    source = dialects.FromDataCatalog(this=exp.Literal.string(database))
    external = exp.Create(
        this=exp.to_identifier(f"{database}{EXTERNAL}", quoted=True),
        kind="EXTERNAL SCHEMA",
        exists=True,
        properties=exp.Properties(expressions=[source]),
    )
    own = exp.Create(this=exp.to_identifier(database, quoted=True), kind="SCHEMA", exists=True)
    return _about(database, "", "schema", external), _about(database, "", "schema", own)


def create(table: CatalogTable) -> TableDdl:
    """Return the statements for Redshift Spectrum."""
    warnings = list(table.warnings)
    statements: list[Statement] = []
    for external in table.externals:
        statements += _table(external)
        warnings += _told(external)
    left_out = _left_out(table)
    for view in views(table):
        statements.append(_view(view, left_out))
    if left_out:
        warnings.append(
            f"{table.name}: not in its views: {', '.join(map(repr, sorted(left_out)))}; Redshift "
            "neither returns nested values nor makes texts of them, or of booleans"
        )
    return TableDdl(
        name=table.source.name,
        statements=tuple(statements),
        warnings=tuple(map(one_line, warnings)),
    )


def _table(external: ExternalTable) -> Iterator[Statement]:
    name = exp.table_(external.name, db=f"{external.database}{EXTERNAL}", quoted=True)
    keys = [dialects.column(key.name, _KEY) for key in external.keys]
    columns = [
        dialects.column(column.name, types.redshift(column.duckdb_type))
        for column in external.columns
    ]
    properties = dialects.parquet_at(keys, external.location)
    created = dialects.external_table(name, columns, properties, if_not_exists=False)
    yield _about(external.database, external.name, "table", created)
    for batch in partition_batches(external.partitions):
        added = add_partitions(name, external, batch)
        yield _about(external.database, external.name, "partitions", added)


def _about(database: str, table: str, kind: str, expression: exp.Expression) -> Statement:
    sql = expression.sql(dialect=RedshiftDdl, pretty=True)
    return Statement.model_validate(
        {"database": database, "table": table, "kind": kind, "sql": sql}
    )


def _told(external: ExternalTable) -> Iterator[str]:
    for name in (external.name, *(column.name for column in external.columns)):
        if len(name.encode()) > LONGEST_NAME_BYTES:
            yield f"{external.name}: Redshift cuts off {name!r} after {LONGEST_NAME_BYTES} bytes"
    small = [column.name for column in external.columns if "tinyint" in column.hive_type]
    if small:
        yield (
            f"{external.name}: {', '.join(map(repr, small))} hold numbers of one byte, which "
            "Redshift does not know; they are declared smallint"
        )


# --- views ----------------------------------------------------------------------------------------


def _left_out(table: CatalogTable) -> frozenset[str]:
    """Return the columns that no view can show: nested ones, booleans that were something else."""
    kinds: dict[str, set[str]] = {}
    for external in table.externals:
        for column in external.columns:
            kinds.setdefault(column.name, set()).add(column.duckdb_type)
    return frozenset(
        name
        for name, found in kinds.items()
        if any(types.parse(kind).is_type(*exp.DataType.NESTED_TYPES) for kind in found)
        or ("BOOLEAN" in found and len(found) > 1)
    )


def _view(view: View, left_out: frozenset[str]) -> Statement:
    query = view.query.copy()
    for select in query.find_all(exp.Select):
        kept = [one for one in select.expressions if one.alias_or_name not in left_out]
        select.set("expressions", kept)
    for table in query.find_all(exp.Table):
        if table.db:
            table.set("db", exp.to_identifier(f"{table.db}{EXTERNAL}", quoted=True))
    for kind in query.find_all(exp.DataType):
        if kind.is_type("VARCHAR") and not kind.expressions:  # it would be 256 bytes long
            kind.replace(exp.DataType.build(_LONGEST_TEXT))
        elif kind.is_type("TIMESTAMP"):  # takes no precision
            kind.set("expressions", None)
    created = exp.Create(
        this=exp.table_(view.name, db=view.database, quoted=True),
        kind="VIEW",
        replace=True,
        expression=query,
        no_schema_binding=True,
    )
    sql = created.sql(dialect="redshift", pretty=True)
    return Statement(database=view.database, table=view.name, kind="view", sql=sql)
