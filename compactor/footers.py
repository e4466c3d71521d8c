"""Parquet footers without the files: row counts, and the days that date-like columns span.

In:  objects of a store. Out: values. IO: one ranged GET per object, a second one where the
footer is longer than the first answer. Nothing else of a file is read: nothing here is proof.

Format: https://parquet.apache.org/docs/file-format/metadata/ (read on 2026-11-21): a file ends with
its footer, four bytes with the footer's length, and `PAR1`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import Changed, Denied, NotFound, ObjectUnreadable
from .model import DateStats
from .store.interface import Store, Wanted

FIRST_BYTES = 64 << 10
"""What the first request asks for: longer than most footers."""
_MOST_BYTES = 256 << 20
_MAGIC = b"PAR1"
_THIS_OBJECT = (NotFound, Changed, Denied, ObjectUnreadable)
"""Errors that say something of one object; any other one is the store's and is raised."""


def read(
    store: Store, wanted: Sequence[Wanted]
) -> Iterator[tuple[int, pq.FileMetaData | ObjectUnreadable]]:
    """Yield (index, footer) of many objects, in no particular order.

    Raises: StoreError if the store fails. An object that cannot be read is an error as a value.
    """
    longer: dict[int, list[int]] = {}
    for index, tail in _tails(store, wanted, range(len(wanted)), FIRST_BYTES):
        if isinstance(tail, ObjectUnreadable):
            yield index, tail
            continue
        need = _footer_bytes(tail)
        if need is not None and len(tail) < need <= min(wanted[index].size_bytes, _MOST_BYTES):
            longer.setdefault(1 << (need - 1).bit_length(), []).append(index)
        else:
            yield index, _parse(wanted[index].key, tail)
    for length, indexes in sorted(longer.items()):
        for index, tail in _tails(store, wanted, indexes, length):
            found = tail if isinstance(tail, ObjectUnreadable) else _parse(wanted[index].key, tail)
            yield index, found


def _tails(
    store: Store, wanted: Sequence[Wanted], indexes: Iterable[int], length: int
) -> Iterator[tuple[int, bytes | ObjectUnreadable]]:
    """Yield the ends of objects; where one of them stops the others, ask for each by itself."""
    waiting = {index: wanted[index] for index in indexes if wanted[index].size_bytes >= 12}
    for index in indexes:
        if index not in waiting:
            key = wanted[index].key
            yield index, ObjectUnreadable(f"{key} is too small to be Parquet", key=key)
    order = list(waiting)
    try:
        for place, tail in store.tails(list(waiting.values()), length):
            del waiting[order[place]]
            yield order[place], tail
    except _THIS_OBJECT:
        with ThreadPoolExecutor(16, thread_name_prefix="footer") as pool:
            yield from pool.map(
                lambda item: (item[0], _one(store, item[1], length)), waiting.items()
            )


def _one(store: Store, want: Wanted, length: int) -> bytes | ObjectUnreadable:
    try:
        for _, tail in store.tails([want], length):
            return tail
    except _THIS_OBJECT as error:
        return ObjectUnreadable(f"{want.key} cannot be read: {error.message}", key=want.key)
    return ObjectUnreadable(f"{want.key} was not delivered", key=want.key)


def _footer_bytes(tail: bytes) -> int | None:
    """Return how many bytes at the end hold the footer; None if it ends no Parquet file."""
    if len(tail) < 12 or tail[-4:] != _MAGIC:
        return None
    return int.from_bytes(tail[-8:-4], "little") + 8


def _parse(key: str, tail: bytes) -> pq.FileMetaData | ObjectUnreadable:
    need = _footer_bytes(tail)
    if need is None or need > len(tail):
        return ObjectUnreadable(f"{key} does not end like a Parquet file", key=key)
    try:
        return pq.read_metadata(io.BytesIO(_MAGIC + tail[-need:]))
    except (pa.ArrowException, OSError) as error:
        return ObjectUnreadable(f"{key} has no usable Parquet footer: {error}", key=key)


# --- days -----------------------------------------------------------------------------------------

_DAY = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])")
_EPOCH = date(1970, 1, 1).toordinal()
_PER_DAY = {"milliseconds": 86_400 * 10**3, "microseconds": 86_400 * 10**6} | {
    "nanoseconds": 86_400 * 10**9
}


@dataclass(frozen=True, slots=True)
class _Column:
    """What footers say about one column so far."""

    kind: str
    rows: int = 0
    nulls: int | None = 0
    first: date | None = None
    last: date | None = None


def date_stats(footers: Sequence[pq.FileMetaData]) -> tuple[DateStats, ...]:
    """Return what footers say about columns that could date rows, by name.

    Those are columns of a date or timestamp type, texts whose smallest or largest value begins like
    `2026-10-05`, and texts without any value.
    """
    found: dict[str, _Column] = {}
    for footer in footers:
        for no, name, kind in _flat_columns(footer):
            column = found.get(name, _Column(kind))
            for group in range(footer.num_row_groups):
                column = _add(column, footer.row_group(group).column(no))
            found[name] = column
    return tuple(
        DateStats(
            column=name,
            type=column.kind,
            first_day=column.first.isoformat() if column.first else None,
            last_day=column.last.isoformat() if column.last else None,
            null_share=None
            if column.nulls is None or not column.rows
            else round(column.nulls / column.rows, 4),
        )
        for name, column in sorted(found.items())
        if column.kind != "text" or column.first or column.last or column.rows == column.nulls
    )


def _flat_columns(footer: pq.FileMetaData) -> Iterator[tuple[int, str, str]]:
    """Yield (number, name, kind) of columns outside of lists and structs."""
    for no in range(footer.num_columns):
        column = footer.schema.column(no)
        if column.max_repetition_level or column.max_definition_level > 1:
            continue
        logical = column.logical_type.type
        if logical in ("DATE", "TIMESTAMP"):
            yield no, column.name, logical.lower()
        elif column.physical_type == "BYTE_ARRAY":
            yield no, column.name, "text"


def _add(column: _Column, chunk: Any) -> _Column:
    """Return what is known after one more column chunk."""
    statistics = chunk.statistics if chunk.is_stats_set else None
    rows = column.rows + chunk.num_values
    if statistics is None:
        return replace(column, rows=rows, nulls=None)
    nulls = statistics.null_count if statistics.has_null_count else None
    column = replace(
        column,
        rows=rows,
        nulls=None if nulls is None or column.nulls is None else column.nulls + nulls,
    )
    if not statistics.has_min_max:
        return column
    ends = [_day(column.kind, end, statistics) for end in (statistics.min_raw, statistics.max_raw)]
    first, last = ends
    return replace(
        column,
        first=min(filter(None, [column.first, first]), default=None),
        last=max(filter(None, [column.last, last]), default=None),
    )


def _day(kind: str, value: Any, statistics: Any) -> date | None:
    """Return the day of one statistics value, None if it is no day of the years 1 to 9999.

    Raw values are used: Python's own types cannot hold all that Parquet's can.
    """
    try:
        if kind == "date":
            return date.fromordinal(_EPOCH + int(value))
        if kind == "timestamp":
            unit = json.loads(statistics.logical_type.to_json()).get("timeUnit", "")
            return date.fromordinal(_EPOCH + int(value) // _PER_DAY[unit])
        content = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
        if not _DAY.match(content) or content.rstrip().endswith(b"BC"):
            return None
        return date.fromisoformat(content[:10].decode("ascii"))
    except (ValueError, OverflowError, KeyError, TypeError):
        return None
