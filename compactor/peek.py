"""Look at the beginnings of some objects that are no Parquet: which columns could date their rows.

In:  objects of a store. Out: values. IO: one ranged GET per object looked at. Nothing is proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import Changed, Denied, NotFound
from .formats import FORMATS
from .model import DateStats, PlanTable
from .sql import cursor, rows
from .store.interface import Store, Wanted

HEAD_BYTES = 1 << 20
"""What is read of an object: some thousand rows, even compressed."""
PER_TABLE = 3
_THREADS = 16
_THIS_OBJECT = (NotFound, Changed, Denied)
"""The run will name an object that cannot be read; here it only says nothing."""


def peek(
    stores: Sequence[Store], assigned: Path, tables: Sequence[PlanTable]
) -> dict[int, tuple[DateStats, ...]]:
    """Return what some objects say about columns that could date rows, by `table_no`."""
    by_number = {table.table_no: table for table in tables}
    with cursor() as connection:
        picked = rows(
            connection,
            "scan/sampled",
            {"assigned": str(assigned), "tables": sorted(by_number), "per_table": PER_TABLE},
        )

    def look(row: Mapping[str, object]) -> tuple[int, tuple[DateStats, ...]]:
        table = by_number[int(str(row["table_no"]))]
        wanted = Wanted(
            key=str(row["key"]), size_bytes=int(str(row["size_bytes"])), etag=str(row["etag"] or "")
        )
        try:
            head = stores[table.source].head(wanted, HEAD_BYTES)
        except _THIS_OBJECT:
            return table.table_no, ()
        assert table.read_as is not None
        return table.table_no, FORMATS[table.format].peek(head, table.read_as)

    found: dict[int, list[DateStats]] = {}
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="peek") as pool:
        for number, stats in pool.map(look, picked):
            found.setdefault(number, []).extend(stats)
    return {number: tuple(_merged(stats)) for number, stats in found.items()}


def _merged(stats: Sequence[DateStats]) -> Iterator[DateStats]:
    """Yield one value per column; a column that looks different in another object is none."""
    by_name: dict[str, list[DateStats]] = {}
    for one in stats:
        by_name.setdefault(one.column, []).append(one)
    for name, same in sorted(by_name.items()):
        if len({one.type for one in same}) > 1:
            continue
        shares = [one.null_share for one in same if one.null_share is not None]
        yield DateStats(
            column=name,
            type=same[0].type,
            first_day=min((one.first_day for one in same if one.first_day), default=None),
            last_day=max((one.last_day for one in same if one.last_day), default=None),
            null_share=round(sum(shares) / len(shares), 4) if shares else None,
        )
