"""The objects that manifests name, as files for DuckDB: ranges are read, and every read is counted.

In:  `Item`s, each under a path of ours. Out: bytes, counts. IO: through `Ranges`.

DuckDB never sees the key of an object. Its path is made of what the manifest says of it,

    lake://0/snapshot=20261006T034712Z/dt=2026-10-05/17.parquet

so nothing in a name of an export is a wildcard or a partition column, an object that two snapshots
share is a row of both, and whatever no manifest names cannot be opened.

DuckDB asks for a footer, then for ranges of column chunks, already merged. So:

* The end of a file is read once and kept: DuckDB opens a file several times for one query.
* Nothing is read ahead: block caches of fsspec fetch megabytes that nobody asked for.
* Threads of DuckDB share one open file, and place and read it in two steps. A place belongs to a
  thread here; otherwise one would read where another one pointed to.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from fsspec import AbstractFileSystem

from .errors import StoreError

if TYPE_CHECKING:
    from .store.interface import Store

PROTOCOL = "lake"
_END_BYTES = 16 << 10
"""Of a file, read at once: what DuckDB asks for first; holds the footer of most files."""
_MOST_END_BYTES = 64 << 20
"""Of all files, kept: DuckDB is done with a file's footer long before so many others."""
_UNCHANGING = datetime(1970, 1, 1, tzinfo=UTC)
"""Time of change, as told to DuckDB: another content would be another object."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object as a manifest names it."""

    key: str
    version_id: str | None
    """This version and no other; None for the current one."""
    size_bytes: int
    etag: str = ""
    """As it was listed; empty where nothing is known."""


class Ranges(Protocol):
    """Where bytes are."""

    def read(self, item: Item, start: int, stop: int) -> bytes:
        """Return the bytes [start, stop) of an object, which it has; called from many threads.

        Raises: NotFound, Denied; Changed if its size is not what the manifest says.
        """
        ...


@dataclass(slots=True)
class Reads:
    """What has been read so far."""

    files: int = 0
    bytes: int = 0
    requests: int = 0


class LakeFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A filesystem for `connection.register_filesystem`; read-only."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, ranges: Ranges, *, is_remote: bool = False) -> None:
        super().__init__()
        self.is_remote = is_remote
        self.reads = Reads()
        self.failure: StoreError | None = None
        """The first read that failed: DuckDB passes on only its text."""
        self._ranges = ranges
        self._items: dict[str, Item] = {}
        self._touched: set[Item] = set()
        self._ends: dict[Item, Future[bytes]] = {}
        self._sizes: dict[Item, int] = {}
        """Of the ends that have been read."""
        self._kept = 0
        self._lock = threading.Lock()

    def add(self, path: str, item: Item) -> None:
        self._items[path] = item

    def read_range(self, item: Item, start: int, stop: int) -> bytes:
        """Return the bytes [start, stop), which end with the file at the latest."""
        stop = min(stop, item.size_bytes)
        if start >= stop:
            return b""
        end = self._end(item)
        begin = item.size_bytes - len(end)
        if start >= begin:
            return end[start - begin : stop - begin]
        found = self._counted(item, start, min(stop, begin)) + end[: max(0, stop - begin)]
        if stop == item.size_bytes:  # a longer footer
            self._keep(item, found)
        return found

    def _end(self, item: Item) -> bytes:
        """Return what is kept of a file's end; threads that want it wait for the first."""
        with self._lock:
            end = self._ends.pop(item, None)
            is_first = end is None
            end = self._ends[item] = end or Future()  # the last in order is the last used
        if is_first:
            begin = max(0, item.size_bytes - _END_BYTES)
            try:
                end.set_result(self._counted(item, begin, item.size_bytes))
            except BaseException as error:
                end.set_exception(error)
                raise
            self._remember(item, len(end.result()))
        return end.result()

    def _keep(self, item: Item, found: bytes) -> None:
        longer: Future[bytes] = Future()
        longer.set_result(found)
        with self._lock:
            self._ends[item] = longer
        self._remember(item, len(found))

    def _remember(self, item: Item, size: int) -> None:
        """Count what is kept, and drop the ends that were not used for longest."""
        with self._lock:
            self._kept += size - self._sizes.get(item, 0)
            self._sizes[item] = size
            while self._kept > _MOST_END_BYTES and len(self._sizes) > 1:
                # at most as many as there are threads are still being read, and have no size yet
                oldest = next(one for one in self._ends if one in self._sizes)
                del self._ends[oldest]
                self._kept -= self._sizes.pop(oldest)

    def _counted(self, item: Item, start: int, stop: int) -> bytes:
        try:
            found = self._ranges.read(item, start, stop)
        except StoreError as error:
            self.failure = self.failure or error
            raise
        with self._lock:
            self._touched.add(item)
            self.reads.files = len(self._touched)
            self.reads.bytes += len(found)
            self.reads.requests += 1
        return found

    # --- what DuckDB calls (its Python client, 2.0) -----------------------------------------------

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path] if path in self._items else []

    def exists(self, path: str, **_: Any) -> bool:
        return path in self._items

    def size(self, path: str) -> int:
        return self._items[path].size_bytes

    def modified(self, path: str) -> datetime:
        return _UNCHANGING

    def open(self, path: str, mode: str = "rb", **_: Any) -> LakeFile:
        if path not in self._items or mode != "rb":
            raise PermissionError(f"{path} cannot be opened ({mode}): no manifest names it")
        return LakeFile(self, self._items[path])


class LakeFile:
    """An open file, shared by threads, with a place for each."""

    def __init__(self, files: LakeFiles, item: Item) -> None:
        self._files = files
        self._item = item
        self._place = threading.local()

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self.tell(), self._item.size_bytes)[whence]
        self._place.at = base + offset
        return base + offset

    def tell(self) -> int:
        return getattr(self._place, "at", 0)

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        stop = start + size if size >= 0 else self._item.size_bytes
        found = self._files.read_range(self._item, start, stop)
        self._place.at = start + len(found)
        return found

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is held open."""


class StoreRanges:
    """Ranges of any store; see `Store.part`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, item: Item, start: int, stop: int) -> bytes:
        from .store.interface import Wanted  # loads pyarrow

        wanted = Wanted(
            key=item.key,
            size_bytes=item.size_bytes,
            etag=item.etag,
            version_id=item.version_id,
        )
        return self._store.part(wanted, start, stop - start)
