"""What is told of a table that went through the line: pure, no IO.

In:  the planned table, what was read of its source, the evidence, the rules, the stored objects.
Out: `TableResult`, failed if any of its checks failed.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from . import compact, decide, verify
from .model import (
    SIZE_EDGES,
    OutputColumn,
    PartitionResult,
    PlanTable,
    StoredObject,
    TableResult,
)
from .types import Rule


@dataclass(frozen=True, slots=True)
class Source:
    """What was read of a table: where, object sizes in bytes, rows and fingerprint of all."""

    url: str
    sizes: Sequence[int]
    sums: decide.Sums


def size_histogram(sizes: Sequence[int]) -> tuple[int, ...]:
    """Count sizes per class; the edges are SIZE_EDGES, the last class holds everything larger."""
    counts = [0] * (len(SIZE_EDGES) + 1)
    for size in sizes:
        counts[bisect.bisect_left(SIZE_EDGES, size)] += 1
    return tuple(counts)


def table_result(
    table: PlanTable,
    source: Source,
    evidence: verify.Evidence,
    rules: Sequence[Rule],
    objects: Mapping[str, Sequence[StoredObject]],
    covered: Sequence[str],
) -> TableResult:
    """Compare what the evidence holds, and tell everything about the table.

    `objects` are the stored ones, by partition value; `covered` names proven duplicates.
    """
    columns = _columns(table, rules)
    proven = evidence.portable
    checks = verify.checks(evidence, rules) + (proven.checks() if proven else ())
    stored = [item for items in objects.values() for item in items]
    rows, *fingerprint = source.sums
    return TableResult(
        task_id=table.task_id,
        export_id=table.export_id,
        system=table.system,
        database=table.database,
        table=table.table,
        snapshot=table.snapshot,
        status="failed" if any(check.status == "fail" for check in checks) else "done",
        source_url=source.url,
        source_folder=table.folder,
        source_files=len(source.sizes),
        source_bytes=sum(source.sizes),
        source_rows=rows,
        objects_sha256=table.objects_sha256,
        output_files=len(stored),
        output_rows=evidence.stored_rows,
        output_bytes=sum(item.size_bytes for item in stored),
        partition_column=table.partition_column,
        grain=evidence.grain,
        partitions=tuple(
            PartitionResult(
                value=value,
                rows=evidence.written.rows.get(value, 0),
                fingerprint="{:x}-{:x}".format(*evidence.written.fingerprints.get(value, (0, 0))),
                objects=tuple(sorted(items, key=lambda item: item.key)),
                portable=proven.digest(value) if proven else None,
            )
            for value, items in sorted(objects.items())
        ),
        covers=tuple(sorted(covered)),
        columns=columns,
        checks=checks,
        source_size_histogram=size_histogram(source.sizes),
        output_size_histogram=size_histogram([item.size_bytes for item in stored]),
        fingerprint=compact.fingerprint_text(rows, (fingerprint[0], fingerprint[1])),
        portable=proven.of_table(evidence.written.total_rows, columns) if proven else None,
        engine=f"duckdb {duckdb.__version__}",
    )


def _columns(table: PlanTable, rules: Sequence[Rule]) -> tuple[OutputColumn, ...]:
    if not rules:  # no object at all: what the export says of the columns is all there is
        return tuple(
            OutputColumn(
                name=column.name, source_name=column.name, source_type=column.source_type, type=""
            )
            for column in table.columns
        )
    return tuple(
        OutputColumn(
            name=rule.output_name,
            source_name=rule.source_name,
            source_type=rule.source_type,
            type=rule.target,
            kept_text=rule.kept_text,
            kept_values=rule.kept_values,
            examples=rule.examples,
        )
        for rule in rules
    )
