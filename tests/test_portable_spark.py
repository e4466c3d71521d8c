"""Spark recomputes the fingerprint of a lake, over external tables as a catalog holds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import portable_lake as lake
import portable_rows as spec
import pytest
from lines import NULL_DAY, Line
from sqlglot import exp
from test_portable import columns_of

from compactor.catalog.layout import ExternalTable, layout
from compactor.lake_tables import read_tables
from compactor.portable.engines import ENGINES
from compactor.portable.statement import Rows, statement
from compactor.store import open_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def ticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def register(spark: SparkSession, external: ExternalTable) -> None:
    """Make an external table and its partitions in Hive's catalog."""
    name = f"{ticked(external.database)}.{ticked(external.name)}"
    columns = ", ".join(f"{ticked(one.name)} {one.hive_type}" for one in external.columns)
    keys = ", ".join(f"{ticked(one.name)} {one.hive_type}" for one in external.keys)
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {ticked(external.database)}")
    spark.sql(f"DROP TABLE IF EXISTS {name}")
    spark.sql(
        f"CREATE EXTERNAL TABLE {name} ({columns}) PARTITIONED BY ({keys}) STORED AS PARQUET "
        f"LOCATION '{external.location}'"
    )
    for one in external.partitions:
        values = ", ".join(
            f"{ticked(key.name)} = '{value}'"
            for key, value in zip(external.keys, one.values, strict=True)
        )
        spark.sql(f"ALTER TABLE {name} ADD PARTITION ({values}) LOCATION '{one.location}'")


@pytest.fixture(scope="module")
def line(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Line:
    made, _ = lake.made(tmp_path_factory.mktemp("spark_lake"))
    tables = read_tables(open_store(str(made.lake)))
    (table,) = layout(tables, tables.tables, Path(made.lake).as_uri())
    for external in table.externals:
        register(spark, external)
    return made


@pytest.fixture
def lenient(spark: SparkSession) -> Iterator[SparkSession]:
    """Without ANSI mode, Spark prints small decimals with an exponent."""
    before = spark.conf.get("spark.sql.ansi.enabled")
    assert before is not None
    spark.conf.set("spark.sql.ansi.enabled", "false")
    yield spark
    spark.conf.set("spark.sql.ansi.enabled", before)


@pytest.fixture
def abroad(spark: SparkSession) -> Iterator[SparkSession]:
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield spark
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def rows(spark: SparkSession, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in spark.sql(sql).collect()]


def test_spark_gives_the_documents_vectors(lenient: SparkSession) -> None:
    found, texts = spec.vectors(), []
    for one in found:
        (column,) = columns_of({"x": one.kind})
        value = spec.literal(one.value, one.kind, "spark")
        texts.append(ENGINES["spark"].canonical(column, value))
    made = exp.select(*[exp.alias_(text, f"v{no}") for no, text in enumerate(texts)])
    assert "E-" in str(
        rows(lenient, "SELECT CAST(CAST(0.0000000012 AS DECIMAL(38, 10)) AS STRING)")
    )
    assert rows(lenient, made.sql(dialect="spark")) == [tuple(one.canonical for one in found)]


def test_spark_gives_the_documents_example(spark: SparkSession) -> None:
    example = spec.example()
    place = spec.rows_of(example.rows, example.kinds, "spark")
    select = statement(columns_of(example.kinds), Rows(place=place), "spark")
    assert rows(spark, select.sql(dialect="spark")) == [example.result]


def test_spark_gives_what_the_manifest_says_whatever_its_time_zone(
    abroad: SparkSession, line: Line
) -> None:
    whole = lake.ask(line, "spark")
    assert rows(abroad, whole.sql) == [(one.rows, one.digest) for one in whole.expected]
    by_day = lake.ask(line, "spark", by_partition=True)
    found = {day or NULL_DAY: (count, text) for day, count, text in rows(abroad, by_day.sql)}
    expected = {one.partition: (one.rows, one.digest) for one in by_day.expected}
    assert len(expected) > 4
    assert found == expected


def test_spark_reads_the_partition_without_a_date_by_itself(
    lenient: SparkSession, line: Line
) -> None:
    one = lake.ask(line, "spark", partition=NULL_DAY)
    assert rows(lenient, one.sql) == [(one.expected[0].rows, one.expected[0].digest)]
