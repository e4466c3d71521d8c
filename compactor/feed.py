"""Decoded rows on their way from the threads that decode them to the engine that loads them.

A bounded buffer between two sides that do not know each other: the decoding side opens it once the
types are known, puts tables, and closes it; the loading side reads them as one stream of batches.
Each side can end it early: the decoding side where rows turn out not to fit one stream (`void`),
the loading side where it has no use for it (`leave`). Nobody waits for a side that has gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from .types import Rule

LIMIT_BYTES = 48 << 20
"""Decoded bytes that may wait. Enough for both sides to work at their own pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """What the first object said of the columns: their Arrow types, and rules to restore them."""

    schema: pa.Schema
    plain: tuple[Rule, ...]
    tuned: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Rows of one object as pyarrow decoded them, kept to be compared with DuckDB's reader."""

    path: str
    first_row: int
    rows: pa.Table
    is_whole: bool
    """These are all rows of the object."""


class Feed:
    """One table's (or chunk's) decoded rows."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition()
        self._waiting: deque[pa.Table] = deque()
        self._waiting_bytes = 0
        self._first: First | None = None
        self._is_closed = False
        self._is_void = False

    # --- the decoding side ---

    def open(self, first: First) -> None:
        with self._changed:
            self._first = first
            self._changed.notify_all()

    def put(self, table: pa.Table) -> None:
        """Hand on a table; wait while too much is waiting. Other columns void the feed."""
        table = table.replace_schema_metadata(None)
        size = table.nbytes
        with self._changed:
            if self._is_void:
                return
            if self._first is None or not table.schema.equals(self._first.schema):
                self._end_early()
                return
            self._changed.wait_for(lambda: self._waiting_bytes < self._limit_bytes or self._is_void)
            if not self._is_void:
                self._waiting.append(table)
                self._waiting_bytes += size
                self._changed.notify_all()

    def void(self) -> None:
        """The rows put so far, and those to come, are not the whole table."""
        with self._changed:
            self._end_early()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    # --- the loading side ---

    def first(self) -> First | None:
        """Wait for the types; None if there will be no stream."""
        with self._changed:
            self._changed.wait_for(lambda: self._first or self._is_closed or self._is_void)
            return None if self._is_void else self._first

    def leave(self) -> None:
        """The stream is not wanted (any more)."""
        self.void()

    def reader(self) -> pa.RecordBatchReader:
        """Return the stream. Where it ended early it just ends: ask `is_whole` afterwards."""
        assert self._first is not None
        return pa.RecordBatchReader.from_batches(self._first.schema, self._batches())

    @property
    def is_whole(self) -> bool:
        """True if every row came through."""
        with self._changed:
            return self._is_closed and not self._is_void and self._first is not None

    def _batches(self) -> Iterator[pa.RecordBatch]:
        while tables := self._taken():
            for table in tables:
                yield from table.to_batches()

    def _taken(self) -> Sequence[pa.Table]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed or self._is_void)
            taken = [] if self._is_void else [self._waiting.popleft()] if self._waiting else []
            for table in taken:
                self._waiting_bytes -= table.nbytes
            self._changed.notify_all()
            return taken

    def _end_early(self) -> None:
        self._is_void = True
        self._waiting.clear()
        self._changed.notify_all()
