"""One export snapshot as one commit to an Iceberg table: schema, partitioning, files, tag.

In:  a transaction, a `LakeSnapshot`, its files. Out: `Committed`.
IO:  reads manifests of the table's current snapshot; writes manifests and metadata.

All of it is one transaction, so readers see the snapshot whole or not at all, and nothing is left
to be repaired when a run is killed: files written for a commit that never came are no part of any
table. https://iceberg.apache.org/spec/#optimistic-concurrency (read 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyiceberg.expressions import AlwaysTrue
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update.snapshot import ManageSnapshots
from pyiceberg.types import PrimitiveType

from ..errors import Changed
from ..lake_tables import LakeSnapshot
from ..model import utc_text
from .iceberg_files import LakeFile, Partitioning, data_files, partitioning
from .iceberg_types import widest

SNAPSHOT = "compactor.snapshot"
"""Property of an Iceberg snapshot: which export snapshot it is."""
FINGERPRINT = "compactor.fingerprint"
TABLE = "compactor.table"
"""Property of an Iceberg table: which table of the lake it is."""
URL = "compactor.url"
"""Property of an Iceberg table: whose objects it reads, lake or archive."""
NAME_MAPPING = "schema.name-mapping.default"
_PROPERTIES = {
    "format-version": "2",  # the one that Athena reads
    "gc.enabled": "false",  # the files are the lake's: no maintenance of tables may delete them
    "commit.retry.num-retries": "0",  # what was decided holds for the state that was read
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    snapshot_id: int
    added_files: int
    removed_files: int
    partitioning: Partitioning | None


def table_properties(table: str, url: str) -> dict[str, str]:
    """Return the properties of a new table."""
    return {**_PROPERTIES, TABLE: table, URL: url}


def commit(
    transaction: Transaction,
    one: LakeSnapshot,
    schema: Schema,
    files: Sequence[LakeFile],
    *,
    there: Mapping[str, DataFile],
    appends: bool,
    is_current: bool,
) -> Committed:
    """Register one snapshot, and commit.

    `there`: the table's current files, by URL; those that the snapshot names, too, stay as they
    are. `appends`: the others stay as well; else they are taken away. `is_current`: main goes on to
    the snapshot; else it has its tag only.

    Raises: Changed if a column is not as earlier snapshots made it; what pyiceberg raises.
    """
    evolve(transaction, schema)
    schema = transaction.table_metadata.schema()
    wanted = {each.url for each in files}
    added = [each for each in files if each.url not in there]
    gone = [] if appends else [item for url, item in there.items() if url not in wanted]
    made = partitioning(one, schema, added) if added else None
    if added:
        _partition_by(transaction, made)
    spec_id = transaction.table_metadata.default_spec_id
    update = transaction.update_snapshot(
        snapshot_properties=_properties(one), branch=MAIN_BRANCH if is_current else None
    )
    producer: Any = update.fast_append() if appends else update.overwrite()
    with producer:
        if not appends:
            _take_away(producer, gone)
        for item in data_files(added, schema, spec_id, made):
            producer.append_data_file(item)
    with ManageSnapshots(transaction) as tags:
        tags.create_tag(producer.snapshot_id, one.label)
    transaction.commit_transaction()
    return Committed(
        snapshot_id=producer.snapshot_id,
        added_files=len(added),
        removed_files=len(gone),
        partitioning=made,
    )


def _properties(one: LakeSnapshot) -> dict[str, str]:
    return {
        SNAPSHOT: one.label,
        FINGERPRINT: one.result.fingerprint,
        "compactor.moment": utc_text(one.moment) or "",
        "compactor.run_id": one.run_id,
        "compactor.rows": str(one.result.output_rows),
    }


def _take_away(producer: Any, gone: Sequence[DataFile]) -> None:
    # every manifest may hold one of them; without a predicate, pyiceberg looks into none that has
    # no partitions, and then misses the files
    producer.delete_by_predicate(AlwaysTrue())
    for item in gone:
        producer.delete_data_file(item)


def current_files(table: Table | None) -> dict[str, DataFile]:
    """Return the data files of a table's current snapshot, by URL."""
    current = table.current_snapshot() if table is not None else None
    if table is None or current is None:
        return {}
    return {
        entry.data_file.file_path: entry.data_file
        for manifest in current.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


# --- schema and partitioning ----------------------------------------------------------------------


def evolve(transaction: Transaction, schema: Schema) -> None:
    """Add columns that are new, widen types that became wider; nothing is ever taken away.

    Raises: Changed if somebody else changed a column's type.
    """
    known = {each.name: each for each in transaction.table_metadata.schema().fields}
    with transaction.update_schema() as change:
        for each in schema.fields:
            there = known.get(each.name)
            if there is None:
                change.add_column((each.name,), each.field_type)
                continue
            if not isinstance(each.field_type, PrimitiveType):
                continue  # equal in a generation; ids differ
            wide = widest(there.field_type, each.field_type)
            if not isinstance(wide, PrimitiveType):
                raise Changed(
                    f"column {each.name!r} is {there.field_type} in the Iceberg table, and "
                    f"{each.field_type} in the lake's files",
                    hint="was the table changed by somebody else? Drop it in the catalog (the "
                    "lake's files stay) and run again",
                )
            if wide != there.field_type:
                change.update_column((each.name,), field_type=wide)
    mapping = transaction.table_metadata.schema().name_mapping.model_dump_json()
    if transaction.table_metadata.properties.get(NAME_MAPPING) != mapping:
        transaction.set_properties({NAME_MAPPING: mapping})


def _partition_by(transaction: Transaction, made: Partitioning | None) -> None:
    """Make the partitioning that of the files to be added; earlier files keep theirs."""
    metadata = transaction.table_metadata
    names = {each.field_id: each.name for each in metadata.schema().fields}
    keeps = False
    with transaction.update_spec() as change:
        for each in metadata.spec().fields:
            if made and (made.column, made.transform) == (names[each.source_id], each.transform):
                keeps = True
            else:
                change.remove_field(each.name)
        if made is not None and not keeps:
            change.add_field(made.column, made.transform, _free_name(metadata.schema(), made))


def _free_name(schema: Schema, made: Partitioning) -> str:
    """Return a name for the partition field that is no column's."""
    name = f"dt_{made.transform}"
    while any(each.name == name for each in schema.fields):
        name += "_"
    return name
