"""Real clients read the lake by our DDL: Spark runs it as printed, DuckDB runs Athena's views.

One lake: every type of both mappings, hostile names, days with undated rows, a column that changes
its type, and a snapshot whose run was interrupted before its manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import make_exports as make
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from lines import Line, assert_good

from compactor.catalog.layout import CatalogTable, ExternalTable, layout
from compactor.catalog.script import script
from compactor.catalog.views import views
from compactor.lake_tables import LakeTables, read_tables
from compactor.model import HIVE_NULL
from compactor.sample_exports import Column, Layout, RdsExport
from compactor.store import open_store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SNAPSHOTS = tuple(make.SNAPSHOT + timedelta(days=n) for n in range(3))
"""The run of the third is interrupted."""
SHOP = ("public.orders", "public.plain", "public.all_types", "shop.all_types")
HOSTILE = ("public.it's", "public.100%")
SPARK_TYPES = {
    "BIGINT": "bigint",
    "INTEGER": "int",
    "FLOAT": "float",
    "DOUBLE": "double",
    "BOOLEAN": "boolean",
    "VARCHAR": "string",
    "BLOB": "binary",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
"""DuckDB type -> what Spark must find; decimals keep their digits."""
COLUMNS = (
    *(Column("id", "bigint"), Column("created_at", "date"), Column("amount", "numeric")),
    Column("note", "text"),
)


@dataclass(frozen=True)
class Lake:
    line: Line
    known: LakeTables
    tables: tuple[CatalogTable, ...]
    """Those that Spark creates: each costs it a second."""

    def table(self, name: str) -> CatalogTable:
        return next(one for one in self.tables if one.source.table == name)

    def externals(self) -> list[ExternalTable]:
        return [external for table in self.tables for external in table.externals]


def _orders(number: int) -> pa.Table:
    """Return ten rows more with each snapshot: two without a date, later ones with a NaN."""
    count = 20 + 10 * number
    days: list[str | None] = [f"2026-09-{n % 5 + 1:02d}" for n in range(count)]
    days[3] = days[7] = None
    amounts = [f"{n}.50" for n in range(count)]
    if number:
        amounts[0] = "NaN"
    return pa.table(
        {
            "id": range(count),
            "created_at": pa.array(days, pa.string()),
            "amount": amounts,
            "note": [f"{number}-{n}" for n in range(count)],
        }
    )


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    line = Line(tmp_path_factory.mktemp("ddl"))
    options: dict[str, Any] = {"tables": {"shop.public.orders": {"grain": "day"}}}
    make.all_types_postgres(line.source)
    make.all_types_mysql(line.source)
    make.hostile_names(line.source)
    for number, moment in enumerate(SNAPSHOTS):
        export = RdsExport(line.source, f"shop-{number}", moment)
        export.table("public.orders", COLUMNS, _orders(number), Layout())
        export.table("public.plain", COLUMNS[:1], pa.table({"id": range(number + 1)}), Layout())
        export.finish()
        done = line.run(**options)
        assert_good(done)
    assert done.result.manifest is not None
    Path(done.result.manifest.url).unlink()
    known = read_tables(open_store(str(line.lake)))
    chosen = known.choose([f"shop.{name}" for name in (*SHOP, *HOSTILE)])
    return Lake(line, known, layout(known, chosen, f"file://{line.lake}/", "ddl_"))


# --- Spark ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(lake: Lake, spark: SparkSession) -> SparkSession:
    """Let Spark run every statement, one by one, and some once more: nothing is there twice."""
    for statement in script(lake.tables, "spark", (), projected=False).statements:
        spark.sql(statement.sql)
    again = script([lake.table("public.orders")], "spark", (), projected=False)
    for statement in again.statements:
        spark.sql(statement.sql)
    return spark


def _counted(spark: SparkSession, external: ExternalTable) -> Counter[tuple[str, ...]]:
    keys = [key.name for key in external.keys]
    rows = spark.table(f"`{external.database}`.`{external.name}`").groupBy(*keys).count().collect()
    return Counter({tuple(row[key] or HIVE_NULL for key in keys): row["count"] for row in rows})


def test_spark_counts_in_every_partition_the_rows_of_the_manifest(
    lake: Lake, tables: SparkSession
) -> None:
    undated = 0
    for external in lake.externals():
        expected = Counter({part.values: part.rows for part in external.partitions if part.rows})
        assert _counted(tables, external) == expected, external.name
        undated += sum(part.rows for part in external.partitions if HIVE_NULL in part.values)
    assert undated == 4  # two in each of two snapshots


def test_spark_finds_in_every_table_the_types_of_the_mapping(
    lake: Lake, tables: SparkSession
) -> None:
    seen = set()
    for external in lake.externals():
        found = dict(tables.table(f"`{external.database}`.`{external.name}`").dtypes)
        newest = external.snapshots[-1].result
        for column in newest.columns:
            expected = SPARK_TYPES.get(column.type, column.type.lower())
            assert found.pop(column.name) == expected, (external.name, column.name)
            seen.add(column.type.split("(")[0])
        assert found == dict.fromkeys([key.name for key in external.keys], "string")
    assert seen == {*SPARK_TYPES, "DECIMAL"}


def test_spark_shows_the_source_type_of_every_column(lake: Lake, tables: SparkSession) -> None:
    (external,) = lake.table("shop.all_types").externals
    rows = tables.sql(f"DESCRIBE `{external.database}`.`{external.name}`").collect()
    comments = {row["col_name"]: row["comment"] for row in rows}
    for column in external.snapshots[0].result.columns:
        assert comments[column.name].startswith(f"source: {column.source_type}")


def test_spark_reads_through_the_views_what_pyarrow_reads_in_the_files(
    lake: Lake, tables: SparkSession
) -> None:
    for name in HOSTILE:
        table = lake.table(name)
        (result,) = [one.result for one in table.source.current]
        columns = [column.name for column in result.columns]
        found = tables.table(f"`{table.database}`.`{table.name}`")
        assert found.columns == [*columns, "snapshot"]
        rows = [tuple(row)[:-1] for row in found.collect()]
        assert sorted(rows) == sorted(lake.line.rows(result)), name


def test_spark_shows_the_latest_complete_snapshot_and_each_as_of_its_time(
    lake: Lake, tables: SparkSession
) -> None:
    def answer(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in tables.sql(sql).collect()]

    first, second, third = _labels_of_orders(lake)
    assert answer("SELECT count(*), min(snapshot) FROM ddl_shop.public_orders") == [(30, second)]
    begins = [moment.strftime("%Y-%m-%d %H:%M:%S") for moment in SNAPSHOTS]
    shown = answer(
        "SELECT snapshot, CAST(snapshot_from AS STRING), CAST(snapshot_until AS STRING), count(*) "
        "FROM ddl_shop.public_orders_asof GROUP BY ALL ORDER BY 1"
    )
    assert shown == [
        (first, begins[0], begins[1], 20),
        (second, begins[1], "9999-12-31 00:00:00", 30),
    ]
    assert third not in {row[0] for row in shown}
    asked = (
        "SELECT count(*), min(snapshot) FROM ddl_shop.public_orders_asof "
        "WHERE TIMESTAMP '2026-10-07 03:47:11' >= snapshot_from "
        "AND TIMESTAMP '2026-10-07 03:47:11' < snapshot_until"
    )
    assert answer(asked) == [(20, first)]
    assert answer("SELECT snapshot, rows FROM ddl_shop.public_orders_snapshots ORDER BY 1") == [
        (first, 20),
        (second, 30),
    ]


def _labels_of_orders(lake: Lake) -> list[str]:
    """Return the snapshots whose files are there: the third left its own."""
    folder = lake.line.lake / "shop" / "public.orders"
    return sorted(path.name.removeprefix("snapshot=") for path in folder.iterdir())


# --- Athena's views, by DuckDB --------------------------------------------------------------------


@pytest.fixture(scope="module")
def athena(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """Athena's views over the same files, in DuckDB's words."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in (lake.table("public.orders"), lake.table("public.plain")):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.database}")
            for external in table.externals:
                _register(connection, external)
            made = script([table], "athena", (), projected=False)
            for view in [one.sql for one in made.statements if one.kind == "view"]:
                (tree,) = sqlglot.parse(view, dialect="athena")
                assert tree is not None
                connection.execute(tree.sql(dialect="duckdb"))
        yield connection


def _register(connection: duckdb.DuckDBPyConnection, external: ExternalTable) -> None:
    """Make a table of the files in the external table's partitions, with their values."""
    parts = []
    for part in external.partitions:
        for path in sorted(Path(part.location.removeprefix("file://")).iterdir()):
            rows = pq.read_table(path, partitioning=None)
            for key, value in zip(external.keys, part.values, strict=True):
                value = None if value == HIVE_NULL else value
                rows = rows.append_column(key.name, pa.array([value] * len(rows), pa.string()))
            parts.append(rows)
    whole = pa.concat_tables(parts)
    connection.register("whole", whole)
    connection.execute(f'CREATE TABLE {external.database}."{external.name}" AS FROM whole')
    connection.unregister("whole")


def test_a_column_that_changed_its_type_is_one_column_of_text_in_athenas_views(
    lake: Lake, athena: duckdb.DuckDBPyConnection
) -> None:
    assert [one.name for one in lake.table("public.orders").externals] == [
        "public_orders_data",
        "public_orders_data_2",
    ]
    found = athena.execute(
        "SELECT snapshot_from, amount, dt FROM ddl_shop.public_orders_asof WHERE id IN (0, 3) "
        "ORDER BY snapshot_from, id"
    ).fetchall()
    begins = [moment.replace(tzinfo=None) for moment in SNAPSHOTS]
    assert found == [
        (begins[0], "0.50", "2026-09-01"),
        (begins[0], "3.50", None),
        (begins[1], "NaN", "2026-09-01"),
        (begins[1], "3.50", None),
    ]


def test_athenas_views_show_what_manifests_name_and_nothing_else(
    lake: Lake, athena: duckdb.DuckDBPyConnection
) -> None:
    assert athena.execute("SELECT count(*) FROM ddl_shop.public_orders").fetchone() == (30,)
    assert athena.execute("SELECT count(*) FROM ddl_shop.public_plain").fetchone() == (2,)
    moment = (SNAPSHOTS[1] - timedelta(seconds=1)).astimezone(UTC).replace(tzinfo=None)
    asked = (
        "SELECT count(*) FROM ddl_shop.public_plain_asof "
        "WHERE $1 >= snapshot_from AND $1 < snapshot_until"
    )
    assert athena.execute(asked, [moment]).fetchone() == (1,)
    told = athena.execute(
        "SELECT taken_at, rows, files, archived, run_id FROM ddl_shop.public_orders_snapshots "
        "ORDER BY taken_at"
    ).fetchall()
    known = next(one for one in lake.known.tables if one.table == "public.orders").snapshots
    assert told == [
        (
            one.moment.replace(tzinfo=None),
            one.result.output_rows,
            one.result.output_files,
            False,
            one.run_id,
        )
        for one in known
    ]


def test_a_view_has_the_columns_that_glue_is_told_of(
    lake: Lake, athena: duckdb.DuckDBPyConnection
) -> None:
    for view in views(lake.table("public.orders")):
        described = athena.execute(f'DESCRIBE {view.database}."{view.name}"').fetchall()
        assert [row[0] for row in described] == [column.name for column in view.columns]


# --- every file, by three readers -----------------------------------------------------------------


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("DECIMAL"):
        precision, scale = kind[8:-1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "BIGINT": pa.int64(),
        "INTEGER": pa.int32(),
        "FLOAT": pa.float32(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "VARCHAR": pa.string(),
        "BLOB": pa.binary(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us"),
        "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    }[kind]


POLARS = {
    "BIGINT": pl.Int64,
    "INTEGER": pl.Int32,
    "FLOAT": pl.Float32,
    "DOUBLE": pl.Float64,
    "BOOLEAN": pl.Boolean,
    "VARCHAR": pl.String,
    "BLOB": pl.Binary,
    "DATE": pl.Date,
    "TIMESTAMP": pl.Datetime("us"),
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "UTC"),
}


def test_three_readers_find_in_every_file_the_rows_and_types_of_the_manifest(lake: Lake) -> None:
    files = 0
    connection = duckdb.connect()
    for table in lake.known.tables:
        for one in table.snapshots:
            kinds = {column.name: column.type for column in one.result.columns}
            for stored in one.objects:
                path = str(lake.line.lake / stored.key)
                content = pq.read_table(path, partitioning=None)
                assert content.num_rows == stored.rows
                assert {field.name: field.type for field in content.schema} == {
                    name: _arrow(kind) for name, kind in kinds.items()
                }
                frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
                assert frame.height == stored.rows
                for name, kind in kinds.items():
                    found = frame.schema[name]
                    if kind.startswith("DECIMAL"):
                        assert f"DECIMAL({found.precision},{found.scale})" == kind
                    else:
                        assert found == POLARS[kind], (path, name)
                described = connection.execute(
                    "DESCRIBE FROM read_parquet($1, hive_partitioning = false)", [path]
                ).fetchall()
                assert {row[0]: row[1] for row in described} == kinds
                counted = connection.execute(
                    "SELECT count(*) FROM read_parquet($1, hive_partitioning = false)", [path]
                )
                assert counted.fetchone() == (stored.rows,)
                files += 1
    assert files > 25
