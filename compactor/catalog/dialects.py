"""Hive's and Redshift's words for external tables, where sqlglot has none. Pure.

In:  sqlglot expressions. Out: SQL, with every name and text quoted by sqlglot.

Athena and Spark take Hive's DDL: names in backquotes, `\\` escapes in texts. Redshift takes nearly
the same statements with double quotes and `''`, which its dialect in sqlglot does not print.

https://docs.aws.amazon.com/athena/latest/ug/alter-table-add-partition.html
https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_TABLE.html
https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_EXTERNAL_SCHEMA.html (all read 2026-11)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.hive import Hive
from sqlglot.generator import Generator


class AddPartitions(exp.Expression):
    """`ADD IF NOT EXISTS` and any number of `PARTITION (...) LOCATION '...'`."""

    arg_types: ClassVar[dict[str, bool]] = {"expressions": True}


class PartitionAt(exp.Expression):
    """One `PARTITION (...) LOCATION '...'`; `this` is the location."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True, "expressions": True}


class SetProperties(exp.Expression):
    """`SET TBLPROPERTIES (...)`."""

    arg_types: ClassVar[dict[str, bool]] = {"expressions": True}


class FromDataCatalog(exp.Property):
    """Of Redshift's external schema: the Glue database, read with the cluster's default role."""

    arg_types: ClassVar[dict[str, bool]] = {"this": True}


def _add_partitions(printer: Generator, action: exp.Expression) -> str:
    added = printer.expressions(action, sep=" ", indent=False)
    return f"ADD IF NOT EXISTS{printer.sep()}{added}"


def _partition_at(printer: Generator, partition: exp.Expression) -> str:
    values = printer.expressions(partition, flat=True)
    return f"PARTITION ({values}) LOCATION {printer.sql(partition, 'this')}"


def _set_properties(printer: Generator, action: exp.Expression) -> str:
    properties = exp.Properties(expressions=action.expressions)
    return f"SET {printer.properties(properties, prefix='TBLPROPERTIES')}"


def _from_data_catalog(printer: Generator, source: exp.Expression) -> str:
    parts = (
        f"FROM DATA CATALOG DATABASE {printer.sql(source, 'this')}",
        "IAM_ROLE default",
        "CREATE EXTERNAL DATABASE IF NOT EXISTS",
    )
    return printer.sep().join(parts)


class HiveDdl(Hive):
    # a variable to mypy, since sqlglot assigns the class
    class Generator(Hive.Generator):  # type: ignore[misc, valid-type]
        PROPERTIES_LOCATION: ClassVar = {
            **Hive.Generator.PROPERTIES_LOCATION,
            FromDataCatalog: exp.Properties.Location.POST_SCHEMA,
        }
        TRANSFORMS: ClassVar = {
            **Hive.Generator.TRANSFORMS,
            AddPartitions: _add_partitions,
            PartitionAt: _partition_at,
            SetProperties: _set_properties,
            FromDataCatalog: _from_data_catalog,
        }


class RedshiftDdl(HiveDdl):
    class Tokenizer(HiveDdl.Tokenizer):
        IDENTIFIERS: ClassVar = ['"']
        STRING_ESCAPES: ClassVar = ["'", "\\"]
        QUOTES: ClassVar = ["'"]


def column(name: str, kind: str, comment: str = "") -> exp.ColumnDef:
    """Return a column's declaration. `kind` is a type in the words of the dialect, kept as is."""
    constraints = []
    if comment:
        told = exp.CommentColumnConstraint(this=exp.Literal.string(comment))
        constraints.append(exp.ColumnConstraint(kind=told))
    return exp.ColumnDef(
        this=exp.to_identifier(name, quoted=True),
        kind=exp.DataType(this=exp.DType.USERDEFINED, kind=kind),
        constraints=constraints,
    )


def external_table(
    name: exp.Table,
    columns: Sequence[exp.ColumnDef],
    properties: Sequence[exp.Property],
    *,
    if_not_exists: bool = True,
) -> exp.Create:
    return exp.Create(
        this=exp.Schema(this=name, expressions=list(columns)),
        kind="TABLE",
        exists=if_not_exists,
        properties=exp.Properties(expressions=[exp.ExternalProperty(), *properties]),
    )


def parquet_at(keys: Sequence[exp.ColumnDef], location: str) -> list[exp.Property]:
    """Return `PARTITIONED BY (...) STORED AS PARQUET LOCATION '...'`."""
    return [
        exp.PartitionedByProperty(this=exp.Schema(expressions=list(keys))),
        exp.FileFormatProperty(this=exp.var("PARQUET"), hive_format=True),
        exp.LocationProperty(this=exp.Literal.string(location)),
    ]


def partition_at(keys: Sequence[str], values: Sequence[str], location: str) -> PartitionAt:
    return PartitionAt(
        this=exp.Literal.string(location),
        expressions=[
            exp.EQ(this=exp.column(key, quoted=True), expression=exp.Literal.string(value))
            for key, value in zip(keys, values, strict=True)
        ],
    )


def alter(name: exp.Table, action: exp.Expression) -> exp.Alter:
    return exp.Alter(this=name, kind="TABLE", actions=[action])
