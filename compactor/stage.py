"""Bring the objects of one table to local disk, and let a second engine read every one of them.

In:  a store, the objects as listed.
Out: `Staged`: local paths, rows by footer, distinct schemas, the objects that cannot be read, and
     the source profile.
IO:  store reads, scratch writes.

Each file is decoded whole by pyarrow with page checksums and gzip trailers verified, because
neither DuckDB nor Polars looks at them: of 600 random single-bit flips in a gzip Parquet file, both
decoded about 230 into wrong values without an error; pyarrow reported every flip that changed a
value (measured 2026-11, DuckDB 2.0.0, Polars 2.1.0, pyarrow 26.0.1). Polars then profiles what
pyarrow decoded, independently of DuckDB's reader, parsers and sort.

Where decoding everything a second time would cost much, the decoded rows go on to DuckDB as they
come (`feed.py`), and only some objects are decoded by both, to be compared.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import Changed, CompactorError, NotFound, ObjectUnreadable, StoreError
from .feed import Feed
from .pack import Pack
from .profile import ColumnProfile
from .second_engine import Profiled, Profiler, joined
from .store.interface import Store, Wanted

SMALL_BYTES = 256 << 10
"""Objects below this are read at once and decoded by the handful."""
HANDFUL = 32
BATCH_ROWS = 122_880
MAX_WAITING = 256
"""Handfuls that may wait to be decoded."""
MANY_OBJECTS, TINY_BYTES = 500, 64 << 10
"""From so many objects of so few bytes on the average, they are kept in one file."""
STREAM_BYTES = 32 << 20
"""From this size on, or with many tiny objects, rows are decoded once, for both engines."""
READ_TWICE, READ_TWICE_BYTES = 32, 8 << 20
"""Objects of such a table that DuckDB's own reader reads, too, to be compared with pyarrow's: so
many, but no more bytes (one object at the least)."""
MAX_NAMED = 20
"""Unreadable objects named one by one; more are counted."""
_STALE_LISTING = (
    "scan again; if the source is read from an S3 Inventory, that may be out of date: wait for the "
    "next one, or take the source out of [source] inventory"
)


def chunks(wanted: Sequence[Wanted], chunk_bytes: int) -> list[list[Wanted]]:
    """Cut objects into runs of at most `chunk_bytes` (one object at the least)."""
    made: list[list[Wanted]] = [[]]
    size = 0
    for item in wanted:
        if made[-1] and size + item.size_bytes > chunk_bytes:
            made.append([])
            size = 0
        made[-1].append(item)
        size += item.size_bytes
    return made


@dataclass(slots=True)
class Staged:
    """The objects of one table (or one chunk of it) on local disk, in the order of `wanted`."""

    wanted: Sequence[Wanted]
    paths: list[str | None]
    rows: list[int]
    schema_nos: list[int]
    schemas: list[pq.ParquetSchema] = field(default_factory=list)
    unreadable: list[ObjectUnreadable] = field(default_factory=list)
    failed_store: StoreError | None = None
    profiled: tuple[Profiled, ...] = ()
    profiles: dict[int, ColumnProfile] = field(default_factory=dict)
    decoded_rows: int = 0
    pack: Pack | None = None
    """Holds the objects that have no file of their own, by their place in `wanted`."""

    @property
    def files(self) -> list[str]:
        return [path for path in self.paths if path is not None]

    @property
    def footer_rows(self) -> int:
        return sum(self.rows)

    def sample(self) -> list[str]:
        """Return one file of each schema that has rows in it, else one of each schema."""
        chosen: dict[int, int] = {}
        for index, schema_no in enumerate(self.schema_nos):
            if schema_no >= 0 and (
                schema_no not in chosen or (self.rows[index] and not self.rows[chosen[schema_no]])
            ):
                chosen[schema_no] = index
        return [path for index in sorted(chosen.values()) if (path := self.paths[index])]

    def read_twice(self) -> list[str]:
        """Return the files that both readers are compared on: evenly spread over all."""
        files = self.files
        size = sum(item.size_bytes for item in self.wanted)
        few = min(READ_TWICE, max(1, READ_TWICE_BYTES * len(files) // max(size, 1)))
        return files[:: -(-len(files) // few) or 1]

    def source(self, index: int) -> str | pa.Buffer | None:
        """Return where to read an object: its path or its bytes; None if it did not come."""
        if self.pack is not None and index in self.pack:
            return self.pack.get(index)
        return self.paths[index]

    def unpack(self, paths: Collection[str]) -> None:
        """Give some packed objects the files that `paths` calls them."""
        if self.pack is None:
            return
        for index, path in enumerate(self.paths):
            if path is not None and path in paths and index in self.pack:
                Path(path).write_bytes(self.pack.get(index))

    def close(self) -> None:
        if self.pack is not None:
            self.pack.close()

    def reader(self) -> pa.RecordBatchReader:
        """Decode all objects once more; they must have one schema."""
        schema = self.schemas[0].to_arrow_schema().remove_metadata()
        return pa.RecordBatchReader.from_batches(schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for index in range(len(self.wanted)):
            source = self.source(index)
            if source is None:
                continue
            with _opened(source, self.wanted[index].size_bytes) as file:
                for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
                    yield batch.replace_schema_metadata(None)


def goes_once(wanted: Sequence[Wanted]) -> bool:
    """True if the rows of these objects are decoded once, for both engines."""
    return are_tiny(wanted) or sum(item.size_bytes for item in wanted) >= STREAM_BYTES


def are_tiny(wanted: Sequence[Wanted]) -> bool:
    count = len(wanted)
    return count >= MANY_OBJECTS and sum(item.size_bytes for item in wanted) <= count * TINY_BYTES


class _ParquetFile(pq.ParquetFile):  # type: ignore[misc] # pyarrow has no types
    """Opens tiny files faster: pyarrow's index of nested column names is a fifth of that, and only
    serves a choice of columns."""

    def _build_nested_paths(self) -> dict[str, list[int]]:
        return {}


def _opened(source: str | pa.Buffer, size_bytes: int) -> _ParquetFile:
    if isinstance(source, str) and size_bytes < SMALL_BYTES:
        source = pa.py_buffer(Path(source).read_bytes())
    return _ParquetFile(source, page_checksum_verification=True, pre_buffer=False)


class Inspector:
    """Decodes and profiles files in a few threads, each with a profiler of its own."""

    def __init__(self, staged: Staged, threads: int, feed: Feed | None) -> None:
        self._staged = staged
        self._feed = feed
        self._lock = threading.Lock()
        self._local = threading.local()
        self._profilers: list[Profiler] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._pending: list[Future[None]] = []
        self._room = threading.BoundedSemaphore(MAX_WAITING)
        self._handful: list[tuple[int, str | pa.Buffer]] = []
        self._handful_bytes = 0

    def submit(self, index: int, source: str | pa.Buffer) -> None:
        """Take a file or its bytes; small ones are handed on by the handful."""
        self._handful.append((index, source))
        self._handful_bytes += self._staged.wanted[index].size_bytes
        if len(self._handful) >= HANDFUL or self._handful_bytes >= SMALL_BYTES:
            self._hand_on()

    def _hand_on(self) -> None:
        handful, self._handful, self._handful_bytes = self._handful, [], 0
        self._room.acquire()
        self._pending.append(self._pool.submit(self._inspect, handful))

    def finish(self) -> None:
        self._hand_on()
        self._pool.shutdown(wait=True)
        for future in self._pending:
            future.result()
        for profiler in self._profilers:
            for no, profile in profiler.result().items():
                self._staged.profiles.setdefault(no, ColumnProfile()).merge(profile)

    def _inspect(self, handful: Sequence[tuple[int, str | pa.Buffer]]) -> None:
        try:
            small = [self._decode(index, source) for index, source in handful]
            # joined at once, while they are in the processor's cache
            for table in joined([table for table in small if table is not None]):
                self._hand_over(table)
        finally:
            self._room.release()

    def _decode(self, index: int, source: str | pa.Buffer) -> pa.Table | None:
        """Return the rows of a small file; hand over those of a large one, batch by batch."""
        table: pa.Table | None = None
        try:
            with _opened(source, self._staged.wanted[index].size_bytes) as file:
                schema_no = self._schema_no(file.schema)
                rows = file.metadata.num_rows
                if rows <= BATCH_ROWS:
                    table = file.read(use_threads=False)
                    decoded = table.num_rows
                else:
                    decoded = self._decode_batches(file)
                if decoded != rows:
                    raise ValueError(f"footer says {rows} rows, {decoded} decoded")
        except (pa.ArrowException, OSError, ValueError) as error:
            problem = unreadable(self._staged.wanted[index], source, error)
            with self._lock:
                self._staged.unreadable.append(problem)
            if self._feed is not None:
                self._feed.void()
            return None
        self._staged.rows[index] = rows
        self._staged.schema_nos[index] = schema_no
        with self._lock:
            self._staged.decoded_rows += decoded
        return table

    def _decode_batches(self, file: pq.ParquetFile) -> int:
        """Decode a large file in batches that stay in the processor's cache; return their rows."""
        decoded = 0
        for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
            decoded += batch.num_rows
            self._hand_over(pa.Table.from_batches([batch]))
        return decoded

    def _hand_over(self, table: pa.Table) -> None:
        self._profiler().add(table)
        if self._feed is not None:
            self._feed.put(table)

    def _schema_no(self, schema: pq.ParquetSchema) -> int:
        known = self._staged.schemas
        for no, other in enumerate(known):
            if schema.equals(other):
                return no
        with self._lock:
            for no, other in enumerate(known):
                if schema.equals(other):
                    return no
            known.append(schema)
            return len(known) - 1

    def _profiler(self) -> Profiler:
        profiler: Profiler | None = getattr(self._local, "profiler", None)
        if profiler is None:
            profiler = Profiler(self._staged.profiled)
            self._local.profiler = profiler
            with self._lock:
                self._profilers.append(profiler)
        return profiler


def unreadable(wanted: Wanted, source: str | pa.Buffer, error: Exception) -> ObjectUnreadable:
    """Return the error that names the object and says what is wrong with it."""
    empty = wanted.size_bytes == 0
    what = "is empty (0 bytes)" if empty else f"is not a readable Parquet file: {error}"
    said = f"{wanted.key} ({wanted.size_bytes} bytes) {what}"
    return ObjectUnreadable(
        said.replace(source, wanted.key) if isinstance(source, str) else said,
        key=wanted.key,
        hint="export the table again, or restore this object from its source; "
        "the table stays out of lake and archive until then",
    )


def stage(
    store: Store,
    wanted: Sequence[Wanted],
    folder: Path,
    profile_as: Callable[[Path], tuple[Profiled, ...]],
    progress: Callable[[int, int], None] = lambda objects, size: None,
    feed: Feed | None = None,
) -> Staged:
    """Fetch all objects and decode each of them; nothing is raised for a single bad object.

    `profile_as` is called once, with the first file that arrived, and says how columns are typed.
    `progress` receives (objects, bytes) as they arrive. `feed` receives the decoded rows; it is
    void where an object has not come or has other columns.
    """
    count = len(wanted)
    staged = Staged(wanted=wanted, paths=[None] * count, rows=[0] * count, schema_nos=[-1] * count)
    inspector = Inspector(staged, os.cpu_count() or 2, feed)
    in_memory_below = SMALL_BYTES if feed is not None and are_tiny(wanted) else 0
    try:
        for fetched in store.fetch(wanted, folder, in_memory_below=in_memory_below):
            index, path = fetched.index, str(fetched.path) if fetched.path else None
            body = None if fetched.body is None else pa.py_buffer(fetched.body)
            if body is not None:
                path = f"{folder}/{index:08d}.parquet"  # where it would be
                staged.pack = staged.pack or Pack(folder / "pack")
                staged.pack.add(index, body)
            if fetched.error is not None or path is None:
                _note(staged, wanted[index], fetched.error)
                if feed is not None:
                    feed.void()
                continue
            staged.paths[index] = path
            if not staged.profiled:
                staged.unpack([path])
                staged.profiled = _guess(profile_as, Path(path))
            inspector.submit(index, path if body is None else body)
            progress(1, wanted[index].size_bytes)
    finally:
        inspector.finish()
    # DuckDB looks at some files in any case
    staged.unpack({*staged.sample(), *staged.read_twice()})
    return staged


def _guess(profile_as: Callable[[Path], tuple[Profiled, ...]], path: Path) -> tuple[Profiled, ...]:
    """A first file that cannot be read is named by its decoding; the next one says the types."""
    try:
        return profile_as(path)
    except ObjectUnreadable:
        return ()


def _note(staged: Staged, wanted: Wanted, error: Exception | None) -> None:
    if isinstance(error, NotFound | Changed):
        error = type(error)(error.message, key=error.key, hint=_STALE_LISTING)
    if isinstance(error, StoreError):
        staged.failed_store = staged.failed_store or error
    message = error.message if isinstance(error, CompactorError) else str(error)
    staged.unreadable.append(
        ObjectUnreadable(
            f"{wanted.key} could not be fetched: {message}",
            key=wanted.key,
            hint="run again; if the export was written again meanwhile, scan it first",
        )
    )


def profile_again(staged: Staged, columns: Sequence[Profiled]) -> dict[int, ColumnProfile]:
    """Profile some columns of the staged files anew, after their types have changed."""
    names = [column.name for column in columns]
    profiler = Profiler(columns)
    for index in range(len(staged.wanted)):
        source = staged.source(index)
        if source is None:
            continue
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            present = [name for name in names if name in file.schema_arrow.names]
            if not present:
                continue
            for group in range(file.metadata.num_row_groups):
                profiler.add(file.read_row_group(group, columns=present, use_threads=True))
    return profiler.result()
