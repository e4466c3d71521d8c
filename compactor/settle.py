"""What the verdicts on a table's members mean: covered ones are closed, others are conflicts.

In:  a table, the verdicts on its members.
Out: results and findings in the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .decide import Verdict
from .errors import SourceError
from .ledger import Ledger
from .model import Finding, PlanTable, TableResult
from .table_result import size_histogram


def settle(
    ledger: Ledger,
    table: PlanTable,
    verdicts: Mapping[str, Verdict],
    sizes: Callable[[PlanTable], Sequence[int]],
) -> None:
    """Close the members that are covered; report the others as conflicts.

    `sizes` gives the bytes of each source object of a table.
    """
    by_id = {other.task_id: other for other in ledger.plan.tables}
    covered: list[PlanTable] = []
    if verdicts:  # what the scan suspected has been decided
        ledger.withdraw("duplicate_partitions", table)
    for task_id, verdict in verdicts.items():
        member = by_id[task_id]
        if verdict.covered:
            covered.append(member)
            # a table above its own parent may have found it not to be its partition
            ledger.withdraw("partition_conflict", member)
            ledger.results[task_id] = _covered(ledger, table, member, verdict, sizes(member))
        else:
            _conflict(ledger, table, member, verdict)
    partitions = [member for member in covered if _export_of(member) == _export_of(table)]
    if partitions:
        ledger.findings.append(_proven(table, partitions, verdicts[partitions[0].task_id].reason))


def _covered(
    ledger: Ledger,
    table: PlanTable,
    member: PlanTable,
    verdict: Verdict,
    sizes: Sequence[int],
) -> TableResult:
    return TableResult(
        task_id=member.task_id,
        export_id=member.export_id,
        system=member.system,
        database=member.database,
        table=member.table,
        snapshot=member.snapshot,
        status="covered",
        covered_by=f"{table.table} of {table.export_id}: {verdict.reason}",
        source_url=ledger.stores.sources[member.source].url,
        source_folder=member.folder,
        source_files=member.source_files,
        source_bytes=member.source_bytes,
        source_rows=verdict.rows,
        objects_sha256=member.objects_sha256,
        source_size_histogram=size_histogram(sizes),
    )


def _conflict(ledger: Ledger, table: PlanTable, member: PlanTable, verdict: Verdict) -> None:
    same = _export_of(member) != _export_of(table)
    message = (
        f"{member.table} of {member.export_id} was delivered for the same snapshot as "
        f"{table.export_id}, but is not the same: {verdict.reason}; it is left out: both "
        "would be read as one table"
        if same
        else f"{member.table} looks like a partition of {table.table}, but {verdict.reason}; "
        "it stays a table of its own"
    )
    ledger.findings.append(
        Finding.model_validate(
            {
                "kind": "duplicate_export" if same else "partition_conflict",
                "severity": "error" if same else "warning",
                "export_id": member.export_id,
                "table": member.table,
                "message": message,
                "parent": table.table,
                "difference": verdict.reason,
            }
        )
    )
    if same:
        error = SourceError(message)
        ledger.errors[member.task_id] = error
        ledger.results[member.task_id] = ledger.failed_result(member, error)


def _proven(table: PlanTable, covered: Sequence[PlanTable], reason: str) -> Finding:
    """Tell what has been proven, in place of what the scan suspected."""
    return Finding.model_validate(
        {
            "kind": "duplicate_partitions",
            "severity": "info",
            "export_id": table.export_id,
            "table": table.table,
            "message": f"{table.table} was exported twice over: {reason}; "
            f"{len(covered)} partition folders are covered by it",
            "parent": table.table,
            "children": sorted(member.table for member in covered),
            "proof": "proven",
            "redundant_files": sum(member.source_files for member in covered),
            "redundant_bytes": sum(member.source_bytes for member in covered),
        }
    )


def _export_of(table: PlanTable) -> tuple[int, str]:
    return table.source, table.export_id
