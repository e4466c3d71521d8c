"""Put what detection found into words: one `Finding` per thing that a person should know. Pure.

A message says what, where, what was expected and found, and what to do next. Fields beside the
message are for programs; DESIGN.md section 7 lists the kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from . import prices
from .model import SIZE_EDGES, Export, Finding, Severity, Table, snapshot_text, utc_text
from .nominate import Nominations
from .readers.interface import ExportFacts

SETTLED = timedelta(hours=24)
"""An unfinished export that nobody has written to for so long is taken for dead."""
_TINY_MEDIAN = 16 << 20
_TINY_AVERAGE = 128 << 10
_NAMED = 5


def finding(
    kind: str,
    severity: Severity,
    message: str,
    *,
    export_id: str | None = None,
    table: str | None = None,
    **facts: Any,
) -> Finding:
    return Finding.model_validate(
        {
            "kind": kind,
            "severity": severity,
            "export_id": export_id,
            "table": table,
            "message": message,
            **facts,
        }
    )


def export_state(
    facts: ExportFacts, url: str, newest: datetime | None, objects: int, now: datetime
) -> Finding | None:
    """Tell of an export that is not complete; None if it is."""
    where = f"export {facts.export_id or '(no name)'} in {url}{facts.root}"
    about: dict[str, Any] = {"export_id": facts.export_id, "url": f"{url}{facts.root}"}
    about["objects"] = objects
    match facts.status:
        case "complete":
            return None
        case "failed":
            message = (
                f"{where} has failed: {facts.reason}; none of its {objects} objects is taken; "
                "export again, then remove what it left"
            )
            return finding("failed_export", "error", message, **about)
        case "in_progress" if facts.is_open:
            message = f"{where} is still open: {facts.reason}; a later run will take it"
            return finding("incomplete_export", "info", message, **about)
        case "in_progress":
            advice = "wait until the export task is COMPLETE, then run again"
            if newest is not None and now - newest > SETTLED:
                advice = (
                    f"nothing was written since {utc_text(newest)}, so it is probably dead: "
                    "look at the export task, and export again"
                )
            message = (
                f"{where} is not complete: {facts.reason}; none of its {objects} objects is taken"
            )
            return finding("incomplete_export", "error", f"{message}; {advice}", **about)
        case "unknown":
            message = (
                f"{where} cannot be understood: {facts.reason}; none of its {objects} objects is "
                "taken; restore its sidecars from the export, or export again"
            )
            return finding("incomplete_export", "error", message, **about)


def table_state(
    export: Export, table: Table, reason: str, url: str, source_bytes: int | None
) -> Finding | None:
    """Tell of a table of a complete export that cannot be taken, or that nothing describes."""
    where = f"{table.table} of export {export.export_id} in {url}{table.folder}"
    about: dict[str, Any] = {"export_id": export.export_id, "table": table.table}
    about |= {"database": export.database, "url": f"{url}{table.folder}"}
    match table.status:
        case "missing":
            is_empty = source_bytes == 0
            message = f"{where}: the export lists the table, but holds no data of it" + (
                "; its size in the database was 0, so it is probably empty"
                if is_empty
                else "; export it again"
            )
            return finding("missing_table", "warning" if is_empty else "error", message, **about)
        case "unlisted":
            message = (
                f"{where}: {table.files} objects, but no sidecar names the table; it is taken with "
                "the types its files have; check that it belongs to this export"
            )
            return finding("unlisted_table", "warning", message, **about)
        case "ambiguous":
            message = f"{where}: {reason}; neither is taken; rename one at the source, export again"
            return finding("name_changed", "error", message, **about)
        case "incomplete" | "failed":
            message = f"{where} is not complete: {reason}; it is not taken; export it again"
            return finding("incomplete_export", "error", message, **about)
        case _:
            return None


def tiny_files(export: Export, table: Table, classes: Mapping[int, int]) -> Finding | None:
    """Tell of a table cut into too many small files; None if it is not."""
    if not table.files:
        return None
    average = table.bytes / table.files
    if not (
        (table.files > 100 and table.median_file_bytes < _TINY_MEDIAN)
        or (table.files >= 20 and average < _TINY_AVERAGE)
    ):
        return None
    cost = prices.requests_usd(reads=table.files)
    message = (
        f"{table.table} of export {export.export_id}: {table.files} files in {table.folders} "
        f"folders, median {table.median_file_bytes} bytes; every scan makes at least {table.files} "
        f"GET requests for {table.bytes} bytes ({cost:.4f} USD, {prices.SHORT_SOURCE}); "
        "query the compacted table instead"
    )
    return finding(
        "tiny_files",
        "warning",
        message,
        export_id=export.export_id,
        table=table.table,
        database=export.database,
        files=table.files,
        bytes=table.bytes,
        median_file_bytes=table.median_file_bytes,
        folders=table.folders,
        histogram=[classes.get(number, 0) for number in range(len(SIZE_EDGES) + 1)],
        histogram_edges=list(SIZE_EDGES),
        get_requests_per_scan=table.files,
        get_cost_usd_per_scan=round(cost, 6),
    )


def unreadable(export: Export, table: Table, url: str) -> Finding | None:
    """Tell of objects whose footers could not be read when rows were counted."""
    if not table.unreadable:
        return None
    message = (
        f"{table.table} of export {export.export_id}: {url}{table.unreadable[0]} has no readable "
        "Parquet footer, so the table's rows are unknown; restore it, or export the table again"
    )
    return finding(
        "unreadable_object",
        "error",
        message,
        export_id=export.export_id,
        table=table.table,
        key=table.unreadable[0],
        keys=list(table.unreadable),
    )


# --- duplicates -----------------------------------------------------------------------------------


def duplicate_partitions(
    found: Nominations, owners: Mapping[int, tuple[Export, Table]]
) -> Iterator[Finding]:
    """Tell, per parent, which tables probably repeat its rows; once per tree of partitions."""
    for parent in sorted(found.below):
        link = found.links.get(parent)
        if link is not None and link.relation == "partition" and link.is_strong:
            continue  # told with the table above it
        children = [owners[number][1] for number in found.partitions(parent)]
        if not children:
            continue
        export, table = owners[parent]
        leaves = [
            child
            for child in children
            if not any(found.links[n].relation == "partition" for n in _below(found, child))
        ]
        message = (
            f"{table.table} of export {export.export_id} and {len(children)} tables named like its "
            f"partitions probably hold the same rows: {_names(children)}; a run compares contents "
            f"and stores equal rows once{_row_sums(table, leaves)}"
        )
        yield finding(
            "duplicate_partitions",
            "warning",
            message,
            export_id=export.export_id,
            table=table.table,
            database=export.database,
            parent=table.table,
            children=sorted(child.table for child in children),
            proof="suspected",
            redundant_files=sum(child.files for child in children),
            redundant_bytes=sum(child.bytes for child in children),
        )


def _below(found: Nominations, table: Table) -> tuple[int, ...]:
    return found.below.get(table.table_no, ())


def _row_sums(parent: Table, leaves: Sequence[Table]) -> str:
    """Compare row counts where footers were read. Inner levels repeat their leaves: not counted."""
    counts = [leaf.rows for leaf in leaves if leaf.rows is not None]
    if parent.rows is None or len(counts) < len(leaves):
        return ""
    if sum(counts) == parent.rows:
        return f"; the row counts add up: {parent.rows}"
    return (
        f"; the row counts do not add up: {parent.rows} in {parent.table}, {sum(counts)} in the "
        f"{len(leaves)} others together"
    )


def partition_conflicts(
    found: Nominations, owners: Mapping[int, tuple[Export, Table]]
) -> Iterator[Finding]:
    for conflict in found.conflicts:
        export, child = owners[conflict.child]
        parent = owners[conflict.parent][1]
        message = (
            f"{child.table} of export {export.export_id} is named like a partition of "
            f"{parent.table}, but {conflict.difference}; it stays a table of its own"
        )
        yield finding(
            "partition_conflict",
            "warning",
            message,
            export_id=export.export_id,
            table=child.table,
            database=export.database,
            parent=parent.table,
            difference=conflict.difference,
        )


def duplicate_exports(exports: Sequence[Export], urls: Sequence[str]) -> Iterator[Finding]:
    """Tell of snapshots delivered more than once: the first export by id is the reference."""
    first: dict[tuple[str, str, str], Export] = {}
    repeated: dict[tuple[int, str], list[tuple[Export, Export, Table]]] = {}
    for export in sorted(exports, key=lambda one: (one.export_id, one.source, one.root)):
        if export.snapshot is None:
            continue
        for table in export.tables:
            key = (export.database, table.table, snapshot_text(export.snapshot))
            if table.can_be_taken and (reference := first.setdefault(key, export)) is not export:
                place = (export.source, export.root)
                repeated.setdefault(place, []).append((export, reference, table))
    for (source, root), tables in sorted(repeated.items()):
        export, reference, _ = tables[0]
        size = sum(table.bytes for _, _, table in tables)
        same = "the same origin" if export.origin == reference.origin else "another origin"
        message = (
            f"export {export.export_id} in {urls[source]}{root} delivers {len(tables)} tables of "
            f"the snapshot of {utc_text(export.snapshot)} again, which {reference.export_id} in "
            f"{urls[reference.source]}{reference.root} holds ({same}): "
            f"{_names([table for _, _, table in tables])}; a run compares contents and stores "
            "equal tables once"
        )
        yield finding(
            "duplicate_export",
            "warning",
            message,
            export_id=export.export_id,
            reference=reference.export_id,
            tables=sorted(table.table for _, _, table in tables),
            redundant_files=sum(table.files for _, _, table in tables),
            redundant_bytes=size,
        )


def _names(tables: Sequence[Table]) -> str:
    names = sorted(table.table for table in tables)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


# --- what nobody can name -------------------------------------------------------------------------


def unrecognised(
    strange: Sequence[Mapping[str, Any]],
    urls: Sequence[str],
    owners: Mapping[int, tuple[Export, Table]],
    names: Mapping[tuple[int, str], str],
) -> Iterator[Finding]:
    """Tell of objects that belong to nothing: per source and export, and per table for Parquet.

    `strange` are the rows of `detect/unrecognised`; `names` has the export's id by (source, root).
    """
    for row in strange:
        keys = ", ".join(urls[row["source"]] + key for key in row["keys"])
        table: str | None = None
        if row["of_table"] is not None:
            export, owner = owners[row["of_table"]]
            table = owner.table
            message = (
                f"{row['objects']} Parquet objects in the folder of {table} of export "
                f"{export.export_id} are not named as the export names its files, and are not "
                f"taken: {keys}; if they hold rows of the table, export it again"
            )
        else:
            export_id = names.get((row["source"], row["root"]))
            where = "outside of any export" if export_id is None else f"within export {export_id}"
            message = (
                f"{row['objects']} objects {where} are not recognised, not taken, such as {keys}; "
                "move them away, or leave them if they are known"
            )
        yield finding(
            "unrecognised_objects",
            "warning",
            message,
            export_id=names.get((row["source"], row["root"])),
            table=table,
            objects=row["objects"],
            bytes=row["bytes"],
            keys=list(row["keys"]),
        )
