"""The assigned listing: one row per object, and which table it belongs to."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .sql import cursor, query
from .store.interface import Declared, Wanted

_NOTHING = [None, None, None]


def objects_by_table(assigned: Path, table_nos: Collection[int]) -> dict[int, list[Wanted]]:
    """Return the data objects of some tables, each table's in key order."""
    found: dict[int, list[Wanted]] = {}
    with cursor() as connection:
        found_rows = connection.execute(
            query("plan/objects"), {"assigned": str(assigned), "tables": sorted(table_nos)}
        )
        while batch := found_rows.fetchmany(10_000):
            for number, key, size, etag, keyed, *declared in batch:
                item = Wanted(
                    key=key,
                    size_bytes=size,
                    etag=etag,
                    keyed=tuple(sorted(keyed.items())) if keyed else (),
                    declared=None if declared == _NOTHING else Declared(*declared),
                )
                found.setdefault(number, []).append(item)
    return found
