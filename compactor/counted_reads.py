"""Objects of a store as files for DuckDB, and a count of what it reads of them.

In:  a store, and the objects as a listing or a manifest names them. Out: a filesystem that DuckDB
takes (`register_filesystem`), and the URLs to give it. IO: one ranged read of the store for each
read of DuckDB, no cache between them.

Files are called by their number, so whatever stands in a key reaches neither DuckDB nor fsspec.
Sizes are known from the listing: no HEAD requests, as with engines that list first.
Interface: https://filesystem-spec.readthedocs.io/en/latest/api.html, and what DuckDB calls of it
(glob, open, info, modified), seen with DuckDB 2.0.0; read 2026-11.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fsspec.spec import AbstractFileSystem

from .store.interface import Store, Wanted

_SCHEME = "counted"


class CountedReads(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Reads of some objects, counted. Safe for several threads."""

    protocol = _SCHEME
    cachable = False

    def __init__(self, store: Store, objects: Sequence[Wanted]) -> None:
        super().__init__()
        self._store = store
        self._objects = tuple(objects)
        self._lock = threading.Lock()
        self._opened: set[int] = set()
        self.requests = 0
        """Ranged reads."""
        self.bytes = 0
        self.error: Exception | None = None
        """The first error of the store: DuckDB passes on its text only."""

    @property
    def files(self) -> int:
        """Files of which something was read."""
        return len(self._opened)

    @property
    def urls(self) -> list[str]:
        return [f"{_SCHEME}://{number}.parquet" for number in range(len(self._objects))]

    def forget(self) -> None:
        """Count from here on."""
        with self._lock:
            self._opened.clear()
            self.requests = self.bytes = 0

    def read(self, number: int, start: int, length: int) -> bytes:
        """Read some of a file, and count it."""
        try:
            body = self._store.part(self._objects[number], start, length)
        except Exception as error:
            self.error = self.error or error
            raise
        with self._lock:
            self._opened.add(number)
            self.requests += 1
            self.bytes += len(body)
        return body

    # --- what DuckDB calls ---

    def open(self, path: str, mode: str = "rb", **options: Any) -> _File:
        if mode != "rb":
            raise io.UnsupportedOperation(f"open {path} with mode {mode}: files are only read")
        number = _number(path)
        return _File(self, number, self._objects[number].size_bytes)

    def glob(self, path: str, **options: Any) -> list[str]:
        return [path]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        size = self._objects[_number(path)].size_bytes
        return {"name": path, "size": size, "type": "file"}

    def modified(self, path: str) -> datetime:
        return datetime(2000, 1, 1, tzinfo=UTC)  # objects are read as they were named, or refused


class _File:
    """One open file: a position, and reads from there."""

    def __init__(self, reads: CountedReads, number: int, size: int) -> None:
        self._reads = reads
        self._number = number
        self._at = 0
        self.size = size
        self.closed = False

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True

    def read(self, length: int = -1) -> bytes:
        left = max(self.size - self._at, 0)
        wanted = left if length < 0 else min(length, left)
        if not wanted:
            return b""
        body = self._reads.read(self._number, self._at, wanted)
        self._at += len(body)
        return body

    def close(self) -> None:
        self.closed = True


def _number(path: str) -> int:
    return int(path.removeprefix(f"{_SCHEME}://").removesuffix(".parquet"))
