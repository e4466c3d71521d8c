"""Take stock: list the sources into one Parquet file, fetch the small files that describe exports.

In:  stores, and the places of S3 Inventories. Out: an `Inventory`; on request row counts or samples
from footers. IO: source reads (LIST, or the files of an S3 Inventory; one GET per sidecar; for
footers one or two ranged GETs per object), scratch.

Objects are rows of the listing, never Python objects; only sidecars are bytes in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import footers as parquet_footers
from .errors import ConfigError, NotFound, ObjectUnreadable, SourceError
from .inventory import INVENTORY_SCHEMA, Inventory
from .model import DateStats, Export, Table
from .readers import READERS
from .readers.interface import any_of
from .sql import cursor, query, rows, workspace
from .store.interface import LISTING_SCHEMA, Store, Wanted

if TYPE_CHECKING:
    from .s3_inventory import Inventories, Reading

__all__ = ["Inventory", "footers", "sample", "scan"]

CONTROL_BYTES = 256 << 20
"""No sidecar is larger; one that is stays where it is, and is reported."""
_ROWS_PER_GROUP = 100_000
_BATCH = 10_000
_SAMPLED_AT_ONCE = 1_000
_THREADS = 16


def scan(
    stores: Sequence[Store], scratch: Path, inventories: Inventories | None = None
) -> Inventory:
    """List every source, or read its S3 Inventory, and fetch its sidecars.

    Raises: ConfigError if one source lies inside another: its objects would count twice.
            SourceError if an S3 Inventory cannot be used. StoreError, Denied.
    """
    urls = tuple(store.url for store in stores)
    _refuse_overlap(urls)
    listing = scratch / "listing.parquet"
    readings = _readings(inventories, urls, scratch) if inventories else {}
    pages = (
        readings[source].pages() if source in readings else store.list()
        for source, store in enumerate(stores)
    )
    objects = _write_listing(pages, listing)
    memory = inventories.memory_bytes if inventories and readings else None
    with workspace(scratch, memory) as connection:
        if readings:
            doubled = {"listing": str(listing), "sources": sorted(readings)}
            _refuse_doubled(readings, rows(connection, "scan/doubled", doubled))
        patterns = any_of(tuple(itertools.chain.from_iterable(r.control for r in READERS)))
        found = rows(connection, "scan/control", {"listing": str(listing), "control": patterns})
    wanted = [(row["source"], row["key"]) for row in found if row["size_bytes"] <= CONTROL_BYTES]

    def get(place: tuple[int, str]) -> bytes | None:
        try:
            return stores[place[0]].get(place[1])
        except NotFound:
            return None

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="sidecar") as pool:
        fetched = zip(wanted, pool.map(get, wanted), strict=True)
        control = {place: content for place, content in fetched if content is not None}
    gone = [place for place in wanted if place not in control]
    return Inventory(
        listing=listing,
        control=control,
        urls=urls,
        objects=objects,
        not_fetched=frozenset((row["source"], row["key"]) for row in found) - control.keys(),
        findings=tuple(
            reading.finding(inventories.now, [key for of, key in gone if of == source])
            for source, reading in readings.items()
            if inventories is not None
        ),
    )


def _readings(inventories: Inventories, urls: Sequence[str], scratch: Path) -> dict[int, Reading]:
    """Find and verify the manifests of all inventories, before anything is listed."""
    from .s3_inventory import Reading

    memory = inventories.memory_bytes
    return {
        source: Reading(place, urls[source], scratch / f"inventory-{source}", memory)
        for source, place in inventories.places.items()
    }


def _refuse_doubled(readings: dict[int, Reading], doubled: Sequence[dict[str, Any]]) -> None:
    """Refuse an inventory that holds a key twice: its rows would be taken twice."""
    for row in doubled:
        raise SourceError(
            f"the S3 Inventory {readings[row['source']].url} cannot be used: expected each key "
            f"once, found {row['key']} {row['times']} times",
            key=row["key"],
            hint="wait for the next inventory, or take the source out of [source] inventory",
        )


def _refuse_overlap(urls: Sequence[str]) -> None:
    for one, other in itertools.permutations(urls, 2):
        if other.rstrip("/") == one.rstrip("/") or other.startswith(one.rstrip("/") + "/"):
            raise ConfigError(
                f"source.urls: {other} lies inside {one}, so its objects would count twice",
                hint="name each place once",
            )


def _write_listing(sources: Iterable[Iterator[pa.Table]], path: Path) -> int:
    """Write all listings into one Parquet file, in batches; return the number of objects."""
    objects = 0
    with pq.ParquetWriter(path, INVENTORY_SCHEMA, compression="zstd") as writer:
        for source, pages in enumerate(sources):
            waiting: list[pa.Table] = []
            held = 0
            for page in pages:
                waiting.append(page)
                held += page.num_rows
                if held >= _ROWS_PER_GROUP:
                    writer.write_table(_with_source(waiting, source))
                    objects, waiting, held = objects + held, [], 0
            if held:
                writer.write_table(_with_source(waiting, source))
                objects += held
    return objects


def _with_source(pages: Sequence[pa.Table], source: int) -> pa.Table:
    listing = pa.concat_tables(pages).cast(LISTING_SCHEMA)
    number = pa.repeat(pa.scalar(source, pa.int32()), listing.num_rows)
    return listing.add_column(0, INVENTORY_SCHEMA.field(0), number)


# --- footers --------------------------------------------------------------------------------------


def footers(
    stores: Sequence[Store], assigned: Path, exports: Sequence[Export]
) -> tuple[Export, ...]:
    """Return the exports with the rows of each table, counted from the footers of its objects.

    One or two ranged GETs per object. A table with an object whose footer cannot be read keeps
    `rows` None and names the object in `unreadable`.
    """
    counted = {
        table.table_no: 0
        for export in exports
        for table in export.tables
        if table.format == "parquet"
    }
    unreadable: dict[int, list[str]] = {}
    for source, store in enumerate(stores):
        for batch in _data_objects(assigned, source, counted):
            wanted = [want for _, want in batch]
            for index, footer in parquet_footers.read(store, wanted):
                number = batch[index][0]
                if isinstance(footer, ObjectUnreadable):
                    unreadable.setdefault(number, []).append(wanted[index].key)
                else:
                    counted[number] = counted.get(number, 0) + footer.num_rows

    def told(table: Table) -> Table:
        bad = sorted(unreadable.get(table.table_no, []))
        if table.format != "parquet":
            return table  # no footers: what the export declares, if anything
        is_there = table.files or table.can_be_taken
        known = counted[table.table_no] if is_there and not bad else None
        return table.model_copy(update={"rows": known, "unreadable": tuple(bad[:5])})

    return tuple(
        export.model_copy(update={"tables": tuple(told(table) for table in export.tables)})
        for export in exports
    )


def _data_objects(
    assigned: Path, source: int, tables: Collection[int]
) -> Iterator[list[tuple[int, Wanted]]]:
    """Yield the data objects that some tables have in one source, in batches, with the number."""
    with cursor() as connection:
        found = connection.execute(
            query("scan/data_objects"),
            {"assigned": str(assigned), "source": source, "tables": sorted(tables)},
        )
        while batch := found.fetchmany(_BATCH):
            yield [
                (number, Wanted(key=key, size_bytes=size, etag=etag or ""))
                for number, key, size, etag in batch
            ]


def sample(
    stores: Sequence[Store], assigned: Path, tables: Collection[int], per_table: int = 3
) -> dict[int, tuple[DateStats, ...]]:
    """Return what a few footers of some tables (by number) say about columns that could date rows.

    The first, the middle and the last object by key are looked at. An object whose footer cannot be
    read says nothing here; the run will name it. The store's own failures are raised, so that the
    same objects always give the same answer.
    """
    with cursor() as connection:
        picked = rows(
            connection,
            "scan/sampled",
            {"assigned": str(assigned), "tables": sorted(tables), "per_table": per_table},
        )
    found: dict[int, tuple[DateStats, ...]] = {}
    for source, group in itertools.groupby(picked, key=lambda row: int(row["source"])):
        for batch in _whole_tables(list(group)):
            found |= _sample_batch(stores[source], batch)
    return found


def _whole_tables(picked: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cut rows, sorted by table, into batches that keep a table's rows together."""
    batch: list[dict[str, Any]] = []
    for _, group in itertools.groupby(picked, key=lambda row: int(row["table_no"])):
        batch += group
        if len(batch) >= _SAMPLED_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _sample_batch(
    store: Store, batch: Sequence[dict[str, Any]]
) -> dict[int, tuple[DateStats, ...]]:
    wanted = [
        Wanted(key=row["key"], size_bytes=row["size_bytes"], etag=row["etag"] or "")
        for row in batch
    ]
    seen: dict[int, dict[int, pq.FileMetaData]] = {}
    for index, footer in parquet_footers.read(store, wanted):
        if not isinstance(footer, ObjectUnreadable):
            seen.setdefault(batch[index]["table_no"], {})[index] = footer
    return {
        number: parquet_footers.date_stats([by_index[index] for index in sorted(by_index)])
        for number, by_index in seen.items()
    }
