"""Read suspected duplicates with their parent's types, and decide which ones it covers.

In:  a loaded parent (types, rows, fingerprint, row hashes), the objects of its members.
Out: one verdict per member.
IO:  source reads (one GET per object), scratch.

The reasoning is `decide.py`; here the members are staged, in as few queries as the scratch limit
allows, however many thousands there are.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from . import decide, stage_text, staged_rows
from .errors import ConfigError, ObjectUnreadable
from .formats.interface import Fields, Survey, add_survey
from .model import Member
from .reading import ParquetRows, Rows, TextRows
from .scratch import Room
from .sql import query, rows
from .stage import Staged, chunks, stage
from .store.interface import Store, Wanted
from .types import Rule


@dataclass(frozen=True, slots=True)
class Suspect:
    member: Member
    store: Store
    wanted: Sequence[Wanted]
    format: str = "parquet"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a parent's own objects are like."""

    schemas: Sequence[pa.Schema]
    """Of its Parquet files; none for other formats."""
    format: str
    reading: Rows
    hashes: Sequence[Path]
    """Parquet files with its row hashes."""


def decide_members(
    connection: duckdb.DuckDBPyConnection,
    members: Sequence[Suspect],
    parent: decide.Sums,
    rules: Sequence[Rule],
    source: Delivered,
    room: Room,
) -> dict[str, decide.Verdict]:
    """Return a verdict per task_id."""
    differences = _read(connection, members, rules, source, room)
    found = decide.sums(connection)
    by_task = {suspect.member.task_id: no for no, suspect in enumerate(members)}
    candidates: list[decide.Candidate] = []
    for no, suspect in enumerate(members):
        sums, bad = found.get(no, ((0, 0, 0), 0))
        difference = differences.get(no, "")
        candidates.append(
            decide.Candidate(
                number=no,
                table=suspect.member.table,
                sums=sums,
                bad_rows=bad,
                difference=difference,
            )
        )
    tree = {no: by_task.get(suspect.member.above or "") for no, suspect in enumerate(members)}
    verdicts: list[decide.Verdict] = []
    leaves: dict[int | None, list[decide.Candidate]] = {}
    for candidate in candidates:
        if members[candidate.number].member.relation == "same_snapshot":
            other = tree[candidate.number]  # None: delivered again is the parent itself
            reference = parent if other is None else candidates[other].sums
            verdicts.append(decide.same_snapshot(reference, candidate))
        else:
            leaves.setdefault(_delivery(candidate.number, members, tree), []).append(candidate)
    covered = {verdict.number for verdict in verdicts if verdict.covered}
    missing: dict[int, int] | None = None
    for delivery, group in leaves.items():
        if delivery is not None and delivery not in covered:
            above = members[delivery].member.table
            reason = f"its parent {above} was delivered again with other contents"
            verdicts += [
                decide.Verdict(number=candidate.number, covered=False, reason=reason)
                for candidate in group
            ]
            continue
        decided = decide.by_sum(parent, group, tree)
        if decided is None:
            if missing is None:
                missing = _missing(connection, source.hashes)
            decided = decide.by_containment(parent, group, tree, missing)
        verdicts += decided
    return {
        members[verdict.number].member.task_id: replace(
            verdict, rows=candidates[verdict.number].sums[0]
        )
        for verdict in verdicts
    }


def _delivery(
    number: int, members: Sequence[Suspect], tree: Mapping[int, int | None]
) -> int | None:
    """Return the repeated delivery of the parent that a partition is of; None: the parent's own.

    The partitions of each delivery add up by themselves.
    """
    above = tree[number]
    while above is not None and members[above].member.relation == "partition":
        above = tree[above]
    return above


def _missing(connection: duckdb.DuckDBPyConnection, hashes: Sequence[Path]) -> dict[int, int]:
    """Count, per member, its distinct rows that the parent lacks or has less often."""
    connection.execute(query("decide/parent_rows"), {"files": [str(path) for path in hashes]})
    return {row["member"]: row["missing"] for row in rows(connection, "decide/contained")}


def _read(
    connection: duckdb.DuckDBPyConnection,
    members: Sequence[Suspect],
    rules: Sequence[Rule],
    source: Delivered,
    room: Room,
) -> dict[int, str]:
    """Fill `member_rows`; return, per member, what makes its columns differ from the parent's."""
    connection.execute(query("decide/member_rows"))
    parent = column_types(source.schemas)
    differences = {
        no: f"it is delivered as {suspect.format}, the other one as {source.format}"
        for no, suspect in enumerate(members)
        if suspect.format != source.format
    }
    alike = {no: suspect for no, suspect in enumerate(members) if no not in differences}
    if isinstance(source.reading, TextRows):
        differences |= _text_differences(alike, source.reading, room)
        alike = {no: suspect for no, suspect in alike.items() if no not in differences}
    for store in {id(suspect.store): suspect.store for suspect in alike.values()}.values():
        owners = [
            no for no, suspect in alike.items() if suspect.store is store for _ in suspect.wanted
        ]
        wanted = [item for s in alike.values() if s.store is store for item in s.wanted]
        start = 0
        for piece in chunks(wanted, room.chunk_bytes):
            room.folder.mkdir(parents=True, exist_ok=True)
            staged = _staged(store, piece, room.folder, source.reading)
            _hash(
                connection, staged, owners[start : start + len(piece)], rules, parent, differences
            )
            start += len(piece)
            shutil.rmtree(room.folder)
    return differences


def _text_differences(
    suspects: Mapping[int, Suspect], parent: TextRows, room: Room
) -> dict[int, str]:
    """Say, per member, how its columns differ: read as the parent's, others would be overlooked.

    Text has no schema: every row is looked at. A second GET per object, but only of tables that
    were delivered twice.
    """
    found: dict[int, str] = {}
    for no, suspect in suspects.items():
        reading = parent.of_others()
        total: Survey = {}
        try:
            for piece in chunks(suspect.wanted, room.chunk_bytes):
                room.folder.mkdir(parents=True, exist_ok=True)
                staged = stage_text.fetch(suspect.store, piece, room.folder, reading)
                if staged.failed_store is not None:
                    raise staged.failed_store
                if staged.unreadable:
                    raise staged.unreadable[0]
                add_survey(total, stage_text.survey(staged, reading))
                shutil.rmtree(room.folder)
            own = reading.format.fields(total, reading.of_objects())
        except (ObjectUnreadable, ConfigError) as error:
            found[no] = f"it cannot be read as the parent is: {error}"
            shutil.rmtree(room.folder, ignore_errors=True)
            continue
        if problem := field_difference(own, parent.fields):
            found[no] = problem
    return found


def _staged(store: Store, piece: Sequence[Wanted], folder: Path, parent: Rows) -> Staged:
    if isinstance(parent, TextRows):
        return stage_text.fetch(store, piece, folder, parent.of_others())
    return stage(store, piece, folder, ParquetRows())


def _hash(
    connection: duckdb.DuckDBPyConnection,
    staged: Staged,
    owners: Sequence[int],
    rules: Sequence[Rule],
    parent: Mapping[str, frozenset[str]],
    differences: dict[int, str],
) -> None:
    """Add the row hashes of staged files to `member_rows`, but for members that differ."""
    if staged.failed_store is not None:
        raise staged.failed_store
    told = [column_difference(schema.to_arrow_schema(), parent) for schema in staged.schemas]
    told = told or [""]  # the columns of text were compared before
    for place, no in enumerate(staged.schema_nos):
        problem = told[no] if no >= 0 else "one of its objects cannot be read"
        if problem:
            differences.setdefault(owners[place], problem)
    usable = [
        (path, owners[place], staged.schema_nos[place])
        for place, path in enumerate(staged.paths)
        if path is not None and owners[place] not in differences
    ]
    if not usable:
        return
    files = pa.table(
        {
            "file_name": pa.array([path for path, _, _ in usable], pa.string()),
            "member": pa.array([no for _, no, _ in usable], pa.int32()),
        }
    )
    staged.reading.open(connection, by_name=len({no for _, _, no in usable}) > 1)
    hashed = staged_rows.hashed_rows(rules, file_name=True).sql(dialect="duckdb")
    connection.register("member_files", files)
    try:
        connection.execute(
            "INSERT INTO member_rows SELECT member, h1, h2, bad FROM ("  # noqa: S608 (sqlglot's)
            + hashed
            + ") JOIN member_files USING (file_name)",
            {"files": [path for path, _, _ in usable]},
        )
    finally:
        connection.unregister("member_files")


def column_types(schemas: Sequence[pa.Schema]) -> dict[str, frozenset[str]]:
    """Return the Arrow types that each column has in any of the parent's files."""
    found: dict[str, set[str]] = {}
    for schema in schemas:
        for column in schema:
            found.setdefault(column.name, set()).add(str(column.type))
    return {name: frozenset(kinds) for name, kinds in found.items()}


def column_difference(schema: pa.Schema, parent: Mapping[str, frozenset[str]]) -> str:
    """Say how columns differ from the parent's; by name, whatever their order. Empty if not."""
    return _difference({column.name: str(column.type) for column in schema}, parent)


def field_difference(own: Fields, parent: Fields) -> str:
    """Say how the columns of a text table differ from the parent's. Empty if they do not."""
    return _difference(
        {field.name: field.kind for field in own.fields},
        {field.name: frozenset((field.kind,)) for field in parent.fields},
    )


def _difference(own: Mapping[str, str], parent: Mapping[str, frozenset[str]]) -> str:
    more = sorted(own.keys() - parent.keys())
    less = sorted(parent.keys() - own.keys())
    other = sorted(name for name in own.keys() & parent.keys() if own[name] not in parent[name])
    said = []
    if more:
        said.append(f"has columns that the parent lacks: {', '.join(more[:5])}")
    if less:
        said.append(f"lacks columns of the parent: {', '.join(less[:5])}")
    if other:
        name = other[0]
        kinds = " or ".join(sorted(parent[name]))
        said.append(f"column {name!r} is {own[name]}, in the parent {kinds}")
    return "; ".join(said)
