"""Manifests made by hand: tables, snapshots and partitions without any file behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from compactor import lake, lake_tables
from compactor.catalog.layout import CatalogTable, layout
from compactor.lake_tables import LakeTables
from compactor.model import (
    OutputColumn,
    PartitionResult,
    RunResult,
    StoredObject,
    TableResult,
    snapshot_text,
)

LAKE = "s3://lake/tables/"
ARCHIVE = "s3://vault/tables/"
FIRST = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)


def day(number: int) -> datetime:
    """Return the moment of the snapshot of that day, from 0."""
    return FIRST + timedelta(days=number)


def label(number: int) -> str:
    return snapshot_text(day(number))


def result(
    table: str,
    number: int,
    rows: Mapping[str, int] | int = 1,
    columns: Mapping[str, str] | None = None,
    **facts: Any,
) -> TableResult:
    """Return what a manifest says of one snapshot.

    `rows`: by folder value of `dt`, or of the whole table. `columns`: name -> DuckDB type.
    `is_archived`: every object lies in the archive, too.
    """
    database = facts.pop("database", "shop")
    is_archived = facts.pop("is_archived", False)
    prefix = lake.table_prefix(database, table, day(number))
    divided = rows if isinstance(rows, Mapping) else {"": rows}
    partitions = []
    for value, count in divided.items():
        stored = StoredObject(
            key=lake.part_key(prefix, value, 0, "t"), size_bytes=10 * count, sha256="0", rows=count
        )
        partitions.append(
            PartitionResult(
                value=value,
                rows=count,
                fingerprint="",
                objects=(stored,) if count else (),
                archived=(stored,) if is_archived else (),
            )
        )
    total = sum(divided.values())
    values = {
        "task_id": f"{table}-{number}",
        "export_id": f"export-{number}",
        "database": database,
        "table": table,
        "snapshot": day(number),
        "status": "done",
        "output_rows": total,
        "partition_column": "created_at",
        "grain": "day" if isinstance(rows, Mapping) else "none",
        "partitions": tuple(partitions),
        "columns": tuple(
            OutputColumn(name=name, source_name=name, source_type="", type=kind)
            for name, kind in (columns or {"id": "BIGINT"}).items()
        ),
    }
    return TableResult.model_validate(values | facts)


def run(number: int, *results: TableResult, archive: str | None = None) -> RunResult:
    """Return the manifest of one run; runs are ordered by their number."""
    return RunResult(
        run_id=f"run-{number:04d}",
        plan_id="p",
        status="done",
        started_at=day(number),
        finished_at=day(number),
        archive=archive,
        tables=results,
    )


def daily(*results: TableResult) -> LakeTables:
    """Collect results, each of a run of its own."""
    return lake_tables.collect(run(number, one) for number, one in enumerate(results))


def laid_out(tables: LakeTables, **options: Any) -> tuple[CatalogTable, ...]:
    return layout(tables, tables.tables, options.pop("url", LAKE), **options)


def only(tables: Sequence[CatalogTable]) -> CatalogTable:
    (table,) = tables
    return table
