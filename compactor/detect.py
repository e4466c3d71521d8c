"""Find exports and their tables in a listing, and say what every single object is.

In:  an `Inventory` and the time. Out: a `Detected`. No store, no clock; scratch for the assigned
listing.

Steps:
1. Readers describe the exports whose sidecars were fetched. A sidecar anchors its export where it
   lies. The innermost root owns a folder.
2. Folders that look like an export but have no sidecar become exports that are in progress.
3. Objects that nobody knows are offered to readers that go by keys alone.
4. Described tables are matched with the folders and objects that exist; what is left on either side
   is told.
5. One pass over the listing gives every object its one role, and the reason why it is not taken.
6. Sizes per table; then tables that may repeat each other are nominated.

Invariant: the assigned listing has exactly the rows of the listing. SQL looks at objects, Python at
folders of tables, tables and exports.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import claims, observe
from .claims import Claimed, Owner
from .found import Found, Root, match, match_claimed, not_taken
from .inventory import Detected, Inventory
from .model import SIZE_EDGES, Export, Finding, Table
from .nominate import nominate
from .readers import READERS
from .readers.interface import ExportFacts, Reader, ReadOptions, any_of
from .sql import cursor, query, rows, workspace

if TYPE_CHECKING:
    import duckdb

__all__ = ["Detected", "detect"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOWHERE = r"(\z\A.)(.)"
"""Matches no path."""
_FEW_SIDECARS = 16
"""Up to so many, all of an export's sidecars go with each of its tables; else those about it."""


def detect(
    inventory: Inventory,
    scratch: Path,
    now: datetime,
    counted: Sequence[Export] = (),
    *,
    options: ReadOptions | None = None,
    memory_bytes: int | None = None,
) -> Detected:
    """Find exports, tables and problems.

    `now` tells what may still grow, and a running export from a dead one. `counted` are the exports
    of an earlier call on the same inventory, with rows from `scan.footers`. Above `memory_bytes`,
    scratch is used.
    """
    with workspace(scratch, memory_bytes) as connection:
        patterns = _prepare(connection, inventory)
        roots = _roots(connection, inventory, patterns, options or ReadOptions(now=now))
        tables = _tables(connection, inventory, roots)
        assigned = _assign(connection, inventory, patterns, roots, tables, scratch)
        sizes = {
            row["table_no"]: row
            for row in rows(
                connection,
                "detect/table_sizes",
                {"assigned": str(assigned), "edges": list(SIZE_EDGES)},
            )
        }
        newest = {row["root_no"]: row for row in rows(connection, "detect/newest")}
        strange = rows(connection, "detect/unrecognised", {"assigned": str(assigned)})
    exports = _exports(roots, tables, sizes, _row_counts(counted), inventory.not_fetched)
    plain = frozenset(
        place
        for place, (root, _) in enumerate(_grouped(roots, tables))
        if not (root.facts.has_partition_folders and root.reader.table_folder)
    )
    nominations = nominate(exports, plain)
    owners = {table.table_no: (export, table) for export in exports for table in export.tables}
    names = {(root.source, root.facts.root): root.facts.export_id for root in roots}
    findings = [
        *inventory.findings,
        *_state_findings(roots, newest, inventory.urls, now),
        *_table_findings(exports, tables, sizes, inventory.urls),
        *observe.duplicate_partitions(nominations, owners),
        *observe.partition_conflicts(nominations, owners),
        *observe.duplicate_exports(exports, inventory.urls),
        *observe.unrecognised(strange, inventory.urls, owners, names),
        *_system_findings(roots),
    ]
    findings.sort(key=lambda one: (one.kind, one.export_id or "", one.table or "", one.message))
    return Detected(
        exports=exports, findings=tuple(findings), assigned=assigned, nominations=nominations
    )


# --- exports --------------------------------------------------------------------------------------


def _prepare(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> dict[str, str]:
    """Make the table of folders; return the regexes by which roles are told."""
    patterns = {
        "control": any_of(_all(reader.control for reader in READERS)),
        "leftover": any_of(_all(reader.leftovers for reader in READERS)),
        "marker": any_of(_all(reader.markers for reader in READERS)),
        "data": any_of(_all(reader.data_names for reader in READERS)),
    }
    connection.execute(query("detect/role"))
    connection.execute(query("detect/folder_of"))
    connection.execute(query("detect/folders"), {"listing": str(inventory.listing)} | patterns)
    return patterns


def _all(groups: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(itertools.chain.from_iterable(groups)))


def _roots(
    connection: duckdb.DuckDBPyConnection,
    inventory: Inventory,
    patterns: Mapping[str, str],
    options: ReadOptions,
) -> list[Root]:
    """Return every export root; leave the folders below them in `placed`, objects in `claimed`."""
    found: list[tuple[int, Reader, ExportFacts]] = []
    for reader in READERS:
        for source in range(len(inventory.urls)):
            found += [(source, reader, facts) for facts in _described(reader, inventory, source)]
    roots = _numbered(found)
    _place(connection, roots)
    strays: list[tuple[int, Reader, ExportFacts]] = []
    for reader in READERS:
        if not reader.stray_folder:
            continue
        for row in rows(connection, "detect/stray_roots", {"stray_folder": reader.stray_folder}):
            facts = ExportFacts(
                export_id=row["root"].rstrip("/").rpartition("/")[2],
                root=row["root"],
                status="in_progress",
                reason="nothing in it describes it yet",
            )
            strays.append((row["source"], reader, facts))
    if strays:
        known = {(source, facts.root) for source, _, facts in found}
        found += [item for item in strays if (item[0], item[2].root) not in known]
        roots = _numbered(found)
        _place(connection, roots)
    claims.begin(connection)
    for source, reader, facts in found:
        claims.listed(connection, source, reader, facts)
    for reader in READERS:
        if not reader.claims:
            continue
        groups = claims.by_keys(
            connection, reader, str(inventory.listing), patterns["control"], options
        )
        # numbered after those that have folders: `placed` knows them by number
        more = claims.described(reader, groups, inventory.control, options)
        roots += [
            Root(number=number, source=source, reader=reader, facts=facts)
            for number, (source, facts) in enumerate(more, start=len(roots))
        ]
    return roots


def _described(reader: Reader, inventory: Inventory, source: int) -> Iterator[ExportFacts]:
    """Let a reader describe what it knows among one source's sidecars."""
    keys = {key for of, key in (*inventory.control, *inventory.not_fetched) if of == source}
    if reader.describe is None or not keys:
        return
    with cursor() as connection:
        connection.register("sidecars", pa.table({"key": pa.array(sorted(keys), pa.string())}))
        own = [
            row["key"]
            for row in rows(connection, "detect/own_control", {"control": any_of(reader.control)})
        ]
    for facts in reader.describe({key: inventory.control.get((source, key)) for key in own}):
        if facts.status == "complete" and facts.snapshot is None:
            yield replace(facts, status="unknown", reason="it does not say which moment it shows")
        else:
            yield facts


def _numbered(found: Sequence[tuple[int, Reader, ExportFacts]]) -> list[Root]:
    ordered = sorted(found, key=lambda item: (item[0], item[2].root, item[1].system, item[2].unit))
    return [
        Root(number=number, source=source, reader=reader, facts=facts)
        for number, (source, reader, facts) in enumerate(ordered)
    ]


def _place(connection: duckdb.DuckDBPyConnection, roots: Sequence[Root]) -> None:
    table = pa.table(
        {
            "root_no": pa.array([root.number for root in roots], pa.int32()),
            "source": pa.array([root.source for root in roots], pa.int32()),
            "root": pa.array([root.facts.root for root in roots], pa.string()),
            "system": pa.array([root.reader.system for root in roots], pa.string()),
            "control_reason": pa.array([_control_reason(root) for root in roots], pa.string()),
            "root_reason": pa.array([not_taken(root.facts) or None for root in roots], pa.string()),
        }
    )
    connection.register("roots", table)
    connection.execute(query("detect/make_placed"))
    used = {root.reader.system: root.reader.table_folder for root in roots}
    for system, table_folder in used.items():
        connection.execute(
            query("detect/placed"), {"system": system, "table_folder": table_folder or _NOWHERE}
        )


def _control_reason(root: Root) -> str:
    name = f"describes export {root.facts.export_id}"
    taken = "archived with its tables" if root.facts.status == "complete" else "which is not taken"
    return f"{name}, {taken}"


# --- tables ---------------------------------------------------------------------------------------


def _tables(
    connection: duckdb.DuckDBPyConnection, inventory: Inventory, roots: Sequence[Root]
) -> list[Found]:
    """Return every table, in the order of their numbers."""
    folders: dict[int, list[dict[str, Any]]] = {}
    for row in rows(connection, "detect/table_folders"):
        folders.setdefault(row["root_no"], []).append(row)
    connection.register("owners", claims.owners(roots))
    claimed = claims.tables(connection, str(inventory.listing))
    found = [one for root in roots for one in _of_root(root, folders.get(root.number, []), claimed)]
    return sorted(
        found, key=lambda one: (*_place_of(one.root), one.database, one.table, one.folder)
    )


def _of_root(
    root: Root, folders: Sequence[Mapping[str, Any]], claimed: Mapping[Owner, Claimed]
) -> Iterator[Found]:
    if root.reader.table_folder:
        return match(root, folders)
    return match_claimed(root, claimed)


def _place_of(root: Root) -> tuple[int, str, str, str]:
    return root.source, root.facts.root, root.reader.system, root.facts.unit


def _assign(
    connection: duckdb.DuckDBPyConnection,
    inventory: Inventory,
    patterns: Mapping[str, str],
    roots: Sequence[Root],
    tables: Sequence[Found],
    scratch: Path,
) -> Path:
    """Write the assigned listing. Of several tables in one folder, the first stands for all."""
    in_folder: dict[tuple[int, str], tuple[int, Found]] = {}
    by_name: list[tuple[int, Found]] = []
    for number, found in enumerate(tables, start=1):
        if found.claimed is not None:
            by_name.append((number, found))
        else:
            in_folder.setdefault((found.root.number, found.folder), (number, found))
    connection.register("tables", _assignable(list(in_folder.values())))
    connection.register("claiming", _assignable(by_name))
    path = scratch / "assigned.parquet"
    connection.execute(
        query("detect/assigned"),
        {"listing": str(inventory.listing), "out": str(path)} | dict(patterns),
    )
    return path


def _assignable(numbered: Sequence[tuple[int, Found]]) -> pa.Table:
    return pa.table(
        {
            "root_no": pa.array([found.root.number for _, found in numbered], pa.int32()),
            "table_folder": pa.array([found.folder for _, found in numbered], pa.string()),
            "database": pa.array([found.database for _, found in numbered], pa.string()),
            "table": pa.array([found.table for _, found in numbered], pa.string()),
            "table_no": pa.array([number for number, _ in numbered], pa.int32()),
            "reason": pa.array([found.reason or None for _, found in numbered], pa.string()),
        }
    )


# --- values ---------------------------------------------------------------------------------------


def _grouped(
    roots: Sequence[Root], tables: Sequence[Found]
) -> Iterator[tuple[Root, list[tuple[int, Found]]]]:
    """Yield one group per export: the tables of one root and database, with their numbers."""
    numbered = list(enumerate(tables, start=1))
    with_tables = {found.root.number for found in tables}
    groups: list[tuple[Root, str, list[tuple[int, Found]]]] = [
        (root, "", []) for root in roots if root.number not in with_tables
    ]
    by_database = itertools.groupby(
        numbered, key=lambda item: (item[1].root.number, item[1].database)
    )
    groups += [(roots[number], database, list(own)) for (number, database), own in by_database]
    for root, _, group in sorted(groups, key=lambda one: (*_place_of(one[0]), one[1])):
        yield root, group


def _exports(
    roots: Sequence[Root],
    tables: Sequence[Found],
    sizes: Mapping[int, Mapping[str, Any]],
    counted: Mapping[tuple[int, str, str], Table],
    not_fetched: frozenset[tuple[int, str]],
) -> tuple[Export, ...]:
    return tuple(
        Export(
            source=root.source,
            system=root.reader.system,
            export_id=root.facts.export_id,
            database=group[0][1].database if group else "",
            root=root.facts.root,
            status=root.facts.status,
            snapshot=root.facts.snapshot,
            origin=root.facts.origin,
            control=root.facts.control,
            tables=tuple(
                _table(number, found, sizes.get(number, {}), counted, not_fetched)
                for number, found in group
            ),
        )
        for root, group in _grouped(roots, tables)
    )


def _table(
    number: int,
    found: Found,
    size: Mapping[str, Any],
    counted: Mapping[tuple[int, str, str], Table],
    not_fetched: frozenset[tuple[int, str]],
) -> Table:
    before = counted.get((found.root.source, found.folder, found.table))
    own = found.facts.control if found.facts else found.root.facts.control[:1]
    every = found.root.facts.control
    control = every if len(every) <= _FEW_SIDECARS else own
    return Table(
        table_no=number,
        table=found.table,
        folder=found.folder,
        status=found.status,
        files=size.get("files", 0),
        bytes=size.get("bytes", 0),
        rows=before.rows if before else _declared(found),
        median_file_bytes=size.get("median_file_bytes", 0),
        folders=found.folders,
        declared_rows=found.facts.declared_rows if found.facts else None,
        columns=found.facts.columns if found.facts else (),
        control=tuple(key for key in control if (found.root.source, key) not in not_fetched),
        unreadable=before.unreadable if before else (),
        format=found.claimed.format if found.claimed else "parquet",
        view=found.facts.view if found.facts else "",
        date_column=found.facts.date_column if found.facts else None,
    )


def _declared(found: Found) -> int | None:
    """Return the rows that an export itself tells, where they can be read nowhere else."""
    is_parquet = found.claimed is None or found.claimed.format == "parquet"
    return None if is_parquet or found.facts is None else found.facts.declared_rows


def _row_counts(counted: Sequence[Export]) -> dict[tuple[int, str, str], Table]:
    return {
        (export.source, table.folder, table.table): table
        for export in counted
        for table in export.tables
    }


# --- findings -------------------------------------------------------------------------------------


def _system_findings(roots: Sequence[Root]) -> Iterator[Finding]:
    for reader in READERS:
        if reader.findings is not None:
            yield from reader.findings([root.facts for root in roots if root.reader is reader])


def _state_findings(
    roots: Sequence[Root],
    newest: Mapping[int, Mapping[str, Any]],
    urls: Sequence[str],
    now: datetime,
) -> Iterator[Finding]:
    for root in roots:
        url = f"{urls[root.source]}{root.facts.root}"
        for told_by_reader in root.facts.findings:
            yield told_by_reader.model_copy(update={"url": url})
        row = newest.get(root.number, {})
        newest_at = _EPOCH + timedelta(microseconds=us) if (us := row.get("newest_us")) else None
        told = observe.export_state(
            root.facts, urls[root.source], newest_at, row.get("objects", 0), now
        )
        if told is not None:
            yield told


def _table_findings(
    exports: Sequence[Export],
    tables: Sequence[Found],
    sizes: Mapping[int, Mapping[str, Any]],
    urls: Sequence[str],
) -> Iterator[Finding]:
    for export in exports:
        url = urls[export.source]
        for table in export.tables:
            found = tables[table.table_no - 1]
            hint = found.facts.source_bytes if found.facts else None
            told: list[Finding | None] = [
                observe.tiny_files(
                    export, table, sizes.get(table.table_no, {}).get("classes") or {}
                ),
                observe.unreadable(export, table, url),
            ]
            if export.status == "complete":
                told.append(observe.table_state(export, table, found.reason, url, hint))
            yield from filter(None, told)
