"""Find exports and their tables in a listing, and say what every single object is.

In:  an `Inventory` and the time. Out: a `Detected`. No store, no clock; scratch for the assigned
listing.

Steps:
1. Readers describe the exports whose sidecars were fetched. A sidecar anchors its export where it
   lies. The innermost root owns a folder.
2. Folders that look like an export but have no sidecar become exports that are in progress.
3. Described tables are matched with the folders that exist; what is left on either side is told.
4. One pass over the listing gives every object its one role, and the reason why it is not taken.
5. Sizes per table; then tables that may repeat each other are nominated.

Invariant: the assigned listing has exactly the rows of the listing. SQL looks at objects, Python at
folders of tables, tables and exports.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import observe
from .model import SIZE_EDGES, Export, Finding, Table
from .nominate import Nominations, nominate
from .readers import READERS
from .readers.interface import ExportFacts, Reader, TableFacts, any_of
from .scan import Inventory
from .sql import connect, query, rows

if TYPE_CHECKING:
    import duckdb

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    exports: tuple[Export, ...]
    """By source, root and database; tables by name, numbered from 1 in that order."""
    findings: tuple[Finding, ...]
    assigned: Path
    """Parquet, sorted by table_no and key: source, key, size_bytes, etag, modified_at, version_id,
    role, table_no (data only), reason (NULL if a task will take it), place (folder it is reported
    under)."""
    nominations: Nominations

    @property
    def members(self) -> frozenset[int]:
        """Numbers of the tables that are suspected to repeat another one."""
        return frozenset(self.nominations.links)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    number: int
    source: int
    reader: Reader
    facts: ExportFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A table of one export, before its sizes are known."""

    root: _Root
    database: str
    table: str
    folder: str
    """Whole key prefix."""
    status: str
    reason: str = ""
    facts: TableFacts | None = None
    folders: int = 0


def detect(
    inventory: Inventory,
    scratch: Path,
    now: datetime,
    counted: Sequence[Export] = (),
) -> Detected:
    """Find exports, tables and problems.

    `now` only tells a running export from a dead one, in words. `counted` are the exports of an
    earlier call on the same inventory, with rows from `scan.footers`.
    """
    with connect(spill=scratch) as connection:
        patterns = _prepare(connection, inventory)
        roots = _roots(connection, inventory)
        folders: dict[int, list[dict[str, Any]]] = {}
        for row in rows(connection, "detect/table_folders"):
            folders.setdefault(row["root_no"], []).append(row)
        tables = [found for root in roots for found in _match(root, folders.get(root.number, []))]
        tables.sort(key=_order)
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
    exports = _exports(roots, tables, sizes, _row_counts(counted))
    plain = frozenset(
        place
        for place, (root, _) in enumerate(_grouped(roots, tables))
        if not root.facts.has_partition_folders
    )
    nominations = nominate(exports, plain)
    findings = [
        *_state_findings(roots, newest, inventory.urls, now),
        *_table_findings(exports, tables, sizes, inventory.urls),
        *_duplicate_findings(exports, nominations, inventory.urls),
        *_strange_findings(strange, roots, exports, inventory.urls),
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


def _roots(connection: duckdb.DuckDBPyConnection, inventory: Inventory) -> list[_Root]:
    """Return every export root, and leave the folders placed below them in `placed`."""
    found: list[tuple[int, Reader, ExportFacts]] = []
    for reader in READERS:
        for source in range(len(inventory.urls)):
            found += [(source, reader, facts) for facts in _described(reader, inventory, source)]
    roots = _numbered(found)
    _place(connection, roots)
    strays: list[tuple[int, Reader, ExportFacts]] = []
    for reader in READERS:
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
    return roots


def _described(reader: Reader, inventory: Inventory, source: int) -> Iterator[ExportFacts]:
    """Let a reader describe what it knows among one source's sidecars."""
    keys = {key for of, key in (*inventory.control, *inventory.not_fetched) if of == source}
    with connect() as connection:
        connection.register("sidecars", pa.table({"key": pa.array(sorted(keys), pa.string())}))
        own = [
            row["key"]
            for row in rows(connection, "detect/own_control", {"control": any_of(reader.control)})
        ]
    yield from reader.describe({key: inventory.control.get((source, key)) for key in own})


def _numbered(found: Sequence[tuple[int, Reader, ExportFacts]]) -> list[_Root]:
    ordered = sorted(found, key=lambda item: (item[0], item[2].root, item[1].system))
    return [
        _Root(number=number, source=source, reader=reader, facts=facts)
        for number, (source, reader, facts) in enumerate(ordered)
    ]


def _place(connection: duckdb.DuckDBPyConnection, roots: Sequence[_Root]) -> None:
    table = pa.table(
        {
            "root_no": pa.array([root.number for root in roots], pa.int32()),
            "source": pa.array([root.source for root in roots], pa.int32()),
            "root": pa.array([root.facts.root for root in roots], pa.string()),
            "system": pa.array([root.reader.system for root in roots], pa.string()),
            "control_reason": pa.array([_control_reason(root) for root in roots], pa.string()),
        }
    )
    connection.register("roots", table)
    connection.execute(query("detect/make_placed"))
    for reader in READERS:
        connection.execute(
            query("detect/placed"),
            {"system": reader.system, "table_folder": reader.table_folder},
        )


def _control_reason(root: _Root) -> str:
    name = f"describes export {root.facts.export_id}"
    taken = "archived with its tables" if root.facts.status == "complete" else "which is not taken"
    return f"{name}, {taken}"


# --- tables ---------------------------------------------------------------------------------------


def _match(root: _Root, folders: Sequence[Mapping[str, Any]]) -> Iterator[_Found]:
    """Bring the described tables of an export together with the folders that exist."""
    prefix = root.facts.root
    there = {
        row["table_folder"].removeprefix(prefix): row
        for row in folders
        if row["files"] or row["markers"]
    }
    claims = _claims(root.facts.tables, there)
    by_folder: dict[str, list[TableFacts]] = {}
    for facts, number in claims:
        if number is not None:
            by_folder.setdefault(facts.places[number].folder, []).append(facts)
    for facts, number in claims:
        place = facts.places[number or 0]
        row = there[place.folder] if number is not None else None
        status, reason = _status(root.facts, facts, row)
        sharing = by_folder.get(place.folder, []) if row else []
        if len(sharing) > 1:
            listed = " and ".join(repr(other.target) for other in sharing[:5])
            status, reason = "ambiguous", f"{listed} lie in one folder, because names were changed"
        yield _Found(
            root=root,
            database=place.database,
            table=place.table,
            folder=prefix + place.folder,
            status=status,
            reason=reason,
            facts=facts,
            folders=row["folders"] if row else 0,
        )
    for folder, row in there.items():
        if folder not in by_folder and row["files"]:
            status, reason = _unlisted(root.facts)
            yield _Found(
                root=root,
                database=row["database"],
                table=row["table"],
                folder=prefix + folder,
                status=status,
                reason=reason,
                folders=row["folders"],
            )


def _claims(
    tables: Sequence[TableFacts], there: Mapping[str, object]
) -> list[tuple[TableFacts, int | None]]:
    """Give each table the first of its places that exists and that no likelier claim has taken."""
    chosen: dict[int, int] = {}
    taken: set[str] = set()
    waiting = dict(enumerate(tables))
    for rank in itertools.count():
        waiting = {no: facts for no, facts in waiting.items() if rank < len(facts.places)}
        if not waiting:
            break
        now = [
            no
            for no, facts in waiting.items()
            if facts.places[rank].folder in there and facts.places[rank].folder not in taken
        ]
        for no in now:
            chosen[no] = rank
            taken.add(waiting.pop(no).places[rank].folder)
    return [(facts, chosen.get(no)) for no, facts in enumerate(tables)]


def _status(
    export: ExportFacts, facts: TableFacts, row: Mapping[str, Any] | None
) -> tuple[str, str]:
    """Return (status, why it cannot be taken) of a described table."""
    if export.status != "complete":
        status = "failed" if export.status == "failed" else "incomplete"
        return status, f"export {export.export_id} is not taken: {export.reason}"
    if facts.status != "complete":
        return facts.status, facts.reason
    if row is None:
        return "missing", "the export lists the table, but holds no data of it"
    return "complete", ""


def _unlisted(export: ExportFacts) -> tuple[str, str]:
    """Return (status, why it cannot be taken) of a folder that nothing describes."""
    if export.status != "complete":
        status = "failed" if export.status == "failed" else "incomplete"
        return status, f"export {export.export_id} is not taken: {export.reason}"
    if not export.is_whole:
        return "incomplete", "the sidecar that should describe it is missing or unreadable"
    return "unlisted", ""


def _order(found: _Found) -> tuple[int, str, str, str, str]:
    return (found.root.source, found.root.facts.root, found.database, found.table, found.folder)


def _assign(
    connection: duckdb.DuckDBPyConnection,
    inventory: Inventory,
    patterns: Mapping[str, str],
    roots: Sequence[_Root],
    tables: Sequence[_Found],
    scratch: Path,
) -> Path:
    """Write the assigned listing. Of several tables in one folder, the first stands for all."""
    first: dict[tuple[int, str], tuple[int, _Found]] = {}
    for number, found in enumerate(tables, start=1):
        first.setdefault((found.root.number, found.folder), (number, found))
    table = pa.table(
        {
            "root_no": pa.array([root for root, _ in first], pa.int32()),
            "table_folder": pa.array([folder for _, folder in first], pa.string()),
            "table_no": pa.array([number for number, _ in first.values()], pa.int32()),
            "reason": pa.array([found.reason or None for _, found in first.values()], pa.string()),
        }
    )
    connection.register("tables", table)
    path = scratch / "assigned.parquet"
    connection.execute(
        query("detect/assigned"),
        {"listing": str(inventory.listing), "out": str(path)} | dict(patterns),
    )
    connection.unregister("tables")
    return path


# --- values ---------------------------------------------------------------------------------------


def _grouped(
    roots: Sequence[_Root], tables: Sequence[_Found]
) -> Iterator[tuple[_Root, list[tuple[int, _Found]]]]:
    """Yield one group per export: the tables of one root and database, with their numbers."""
    numbered = list(enumerate(tables, start=1))
    with_tables = {found.root.number for found in tables}
    groups: list[tuple[_Root, str, list[tuple[int, _Found]]]] = [
        (root, "", []) for root in roots if root.number not in with_tables
    ]
    by_database = itertools.groupby(
        numbered, key=lambda item: (item[1].root.number, item[1].database)
    )
    groups += [(roots[number], database, list(own)) for (number, database), own in by_database]
    for root, _, group in sorted(groups, key=lambda one: (one[0].number, one[1])):
        yield root, group


def _exports(
    roots: Sequence[_Root],
    tables: Sequence[_Found],
    sizes: Mapping[int, Mapping[str, Any]],
    counted: Mapping[tuple[int, str, str], Table],
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
                _table(number, found, sizes.get(number, {}), counted) for number, found in group
            ),
        )
        for root, group in _grouped(roots, tables)
    )


def _table(
    number: int,
    found: _Found,
    size: Mapping[str, Any],
    counted: Mapping[tuple[int, str, str], Table],
) -> Table:
    before = counted.get((found.root.source, found.folder, found.table))
    infos = tuple(key for key in found.root.facts.control if not found.facts)
    return Table(
        table_no=number,
        table=found.table,
        folder=found.folder,
        status=found.status,
        files=size.get("files", 0),
        bytes=size.get("bytes", 0),
        rows=before.rows if before else None,
        median_file_bytes=size.get("median_file_bytes", 0),
        folders=found.folders,
        declared_rows=found.facts.declared_rows if found.facts else None,
        columns=found.facts.columns if found.facts else (),
        control=found.facts.control if found.facts else infos,
        unreadable=before.unreadable if before else (),
    )


def _row_counts(counted: Sequence[Export]) -> dict[tuple[int, str, str], Table]:
    return {
        (export.source, table.folder, table.table): table
        for export in counted
        for table in export.tables
    }


# --- findings -------------------------------------------------------------------------------------


def _state_findings(
    roots: Sequence[_Root],
    newest: Mapping[int, Mapping[str, Any]],
    urls: Sequence[str],
    now: datetime,
) -> Iterator[Finding]:
    for root in roots:
        yield from root.facts.findings
        row = newest.get(root.number, {})
        newest_at = _EPOCH + timedelta(microseconds=row["newest_us"]) if row else None
        told = observe.export_state(
            root.facts, urls[root.source], newest_at, row.get("objects", 0), now
        )
        if told is not None:
            yield told


def _table_findings(
    exports: Sequence[Export],
    tables: Sequence[_Found],
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


def _duplicate_findings(
    exports: Sequence[Export], nominations: Nominations, urls: Sequence[str]
) -> Iterator[Finding]:
    owners = {table.table_no: (export, table) for export in exports for table in export.tables}
    yield from observe.duplicate_partitions(nominations, owners)
    yield from observe.partition_conflicts(nominations, owners)
    yield from observe.duplicate_exports(exports, urls)


def _strange_findings(
    strange: Sequence[Mapping[str, Any]],
    roots: Sequence[_Root],
    exports: Sequence[Export],
    urls: Sequence[str],
) -> Iterator[Finding]:
    tables = {
        (export.source, table.folder): (export, table)
        for export in exports
        for table in export.tables
    }
    names = {(root.source, root.facts.root): root.facts.export_id for root in roots}
    yield from observe.unrecognised(strange, urls, tables, names)
