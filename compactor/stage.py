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
from .feed import Excerpt, Feed
from .pack import Pack
from .profile import ColumnProfile
from .reading import BATCH_ROWS, ParquetRows, Rows
from .second_engine import Profiled, Profiler, joined
from .store.interface import Store, Wanted

SMALL_BYTES = 256 << 10
"""Objects below this are read at once and decoded by the handful."""
HANDFUL = 32
MAX_WAITING = 256
"""Handfuls that may wait to be decoded."""
MANY_OBJECTS, TINY_BYTES = 500, 64 << 10
"""From so many objects of so few bytes on the average, they are kept in one file."""
STREAM_BYTES = 32 << 20
"""From this size on, or with many tiny objects, rows are decoded once, for both engines."""
READ_TWICE, READ_TWICE_BYTES = 32, 8 << 20
"""Objects of such a table that DuckDB's own reader reads, too, to be compared with pyarrow's: so
many, but no more bytes; of a larger object, batches spread over it."""
ProfileAs = Callable[[Path], tuple[Profiled, ...]]
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
    reading: Rows = field(default_factory=ParquetRows)
    same_tags: int = 0
    """Objects whose ETag is the one that the export says."""
    pack: Pack | None = None
    """Holds the objects that have no file of their own, by their place in `wanted`."""
    excerpts: list[Excerpt] = field(default_factory=list)

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

    def read_twice(self) -> range:
        """Return which objects both readers are compared on: evenly spread over all."""
        count = len(self.wanted)
        size = sum(item.size_bytes for item in self.wanted)
        few = min(READ_TWICE, max(1, READ_TWICE_BYTES * count // max(size, 1)))
        return range(0, count, -(-count // few) or 1)

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

    def __init__(
        self,
        staged: Staged,
        reading: ParquetRows,
        threads: int,
        profile_as: ProfileAs | None,
        feed: Feed | None,
    ) -> None:
        self._staged = staged
        self._reading = reading
        self._profile_as = profile_as
        self._feed = feed
        self._lock = threading.Lock()
        self._local = threading.local()
        self._profilers: list[Profiler] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._pending: list[Future[None]] = []
        self._room = threading.BoundedSemaphore(MAX_WAITING)
        is_once = feed is not None and goes_once(staged.wanted)
        self._read_twice = staged.read_twice() if is_once else range(0)
        self._guess = ThreadPoolExecutor(1, thread_name_prefix="types")
        self._guessed: Future[None] | None = None
        self._typed = threading.Event()
        if profile_as is None:
            self._typed.set()
        self._handful: list[tuple[int, str | pa.Buffer]] = []
        self._handful_bytes = 0

    def look(self, path: str) -> None:
        """Let the first file say how columns are typed; decoding begins meanwhile.

        A first file that cannot be read is named by its decoding; the next one says the types.
        """
        profile_as, guessed = self._profile_as, self._guessed
        if profile_as is None or (guessed and (self._staged.profiled or not guessed.done())):
            return

        def ask() -> None:
            try:
                self._staged.profiled = profile_as(Path(path))
            except ObjectUnreadable:
                pass
            finally:
                self._typed.set()

        self._staged.unpack([path])
        self._guessed = self._guess.submit(ask)

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
        self._guess.shutdown(wait=True)
        self._typed.set()
        self._pool.shutdown(wait=True)
        for future in (self._guessed, *self._pending):
            if future is not None:
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
                self._reading.saw(self._staged.paths[index] or "", file.schema.names)
                rows = file.metadata.num_rows
                if rows <= BATCH_ROWS:
                    table = file.read(use_threads=False)
                    decoded = table.num_rows
                    if index in self._read_twice:
                        self._keep(index, [(0, table)], is_whole=True)
                    table = self._complete(table, index)
                else:
                    decoded = self._decode_batches(index, file)
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

    def _complete(self, table: pa.Table, index: int) -> pa.Table:
        return self._reading.complete(table, self._staged.paths[index] or "")

    def _decode_batches(self, index: int, file: pq.ParquetFile) -> int:
        """Decode a large file in batches that stay in the processor's cache; return their rows."""
        decoded = 0
        keep_every = 0
        if index in self._read_twice:
            keep_every = -(-self._staged.wanted[index].size_bytes // READ_TWICE_BYTES)
        kept: list[tuple[int, pa.Table]] = []
        for number, batch in enumerate(file.iter_batches(BATCH_ROWS, use_threads=False)):
            table = pa.Table.from_batches([batch])
            if keep_every and number % keep_every == 0:
                kept.append((decoded, table))
            decoded += batch.num_rows
            self._hand_over(self._complete(table, index))
        self._keep(index, kept, is_whole=keep_every == 1)
        return decoded

    def _keep(self, index: int, kept: list[tuple[int, pa.Table]], *, is_whole: bool) -> None:
        """Keep rows of an object, to be compared with those of the other reader."""
        path = self._staged.paths[index] or ""
        self._staged.excerpts += [
            Excerpt(
                path=path,
                first_row=first_row,
                rows=rows.replace_schema_metadata(None),
                is_whole=is_whole,
            )
            for first_row, rows in kept
        ]

    def _hand_over(self, table: pa.Table) -> None:
        self._typed.wait()
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
    reading: ParquetRows,
    profile_as: ProfileAs | None = None,
    progress: Callable[[int, int], None] = lambda objects, size: None,
    feed: Feed | None = None,
) -> Staged:
    """Fetch all objects and decode each of them; nothing is raised for a single bad object.

    `profile_as` is called once, with the first file that arrived, and says how columns are typed;
    without it, nothing is profiled.
    `progress` receives (objects, bytes) as they arrive. `feed` receives the decoded rows; it is
    void where an object has not come or has other columns.
    """
    count = len(wanted)
    staged = Staged(wanted=wanted, paths=[None] * count, rows=[0] * count, schema_nos=[-1] * count)
    staged.reading = reading
    reading.expect(wanted)
    inspector = Inspector(staged, reading, os.cpu_count() or 2, profile_as, feed)
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
                note(staged, wanted[index], fetched.error)
                if feed is not None:
                    feed.void()
                continue
            staged.paths[index] = path
            if wanted[index].keyed:
                reading.keyed[path] = wanted[index].keyed
            inspector.look(path)
            inspector.submit(index, path if body is None else body)
            progress(1, wanted[index].size_bytes)
    finally:
        inspector.finish()
    # DuckDB looks at some files in any case
    staged.unpack({*staged.sample(), *(excerpt.path for excerpt in staged.excerpts)})
    return staged


def note(staged: Staged, wanted: Wanted, error: Exception | None) -> None:
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
    for table in _tables(staged, names):
        present = [name for name in names if name in table.schema.names]
        if present:
            profiler.add(table.select(present))
    return profiler.result()


def _tables(staged: Staged, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of all files, of Parquet only some columns."""
    reading = staged.reading
    if not isinstance(reading, ParquetRows):
        for file in staged.files:
            yield from reading.decode(Path(file))
        return
    for index, path in enumerate(staged.paths):
        source = staged.source(index)
        if source is None or path is None:
            continue
        with pq.ParquetFile(source, page_checksum_verification=True) as parquet:
            present = [name for name in names if name in parquet.schema_arrow.names]
            for group in range(parquet.metadata.num_row_groups):
                table = parquet.read_row_group(group, columns=present, use_threads=True)
                yield reading.complete(table, path)
