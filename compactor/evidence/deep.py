"""Read archived objects back: the bytes' digest, rows by two engines, fingerprints.

In:  named versions, partitions, what is due.
Out: `bytes_sha256`, `rows` and `fingerprint` verdicts; lines of the coverage file.
IO:  whole objects to scratch, a handful of them at a time; DuckDB and Polars on local files.

No reader is let loose on bytes whose digest is another. The fingerprint of a partition is the sum
of those of its objects, which may be read on different days: their sums wait in the coverage file.
It is comparable within one version of DuckDB only (`hash()` may change); digests and rows always
are.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from sqlglot import exp

from .. import types
from ..errors import Changed, NotFound
from ..model import CheckStatus
from ..progress import Progress
from ..scratch import Room, file_sha256
from ..second_engine import Profiled, scan_written
from ..sql import query, workspace
from ..store.interface import Fetched, Store, Wanted
from .coverage import CoverageFile
from .inspect import Named, Tally, Verdict

ENGINE = f"duckdb {duckdb.__version__}"
ORIGINS = {
    "bytes_sha256": "SHA-256 in the chain; bytes that were read back",
    "rows": "rows in the chain; bytes that were read back, by DuckDB and by Polars",
    "fingerprint": "fingerprint in the chain; bytes that were read back, hashed by DuckDB",
}
_OBJECTS = 256
"""At most so many on scratch at a time: what was read is noted when a batch is done."""

Columns = tuple[tuple[str, str], ...]
Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What is known of a partition without its objects."""

    name: str
    fingerprint: str
    engine: str
    columns: Columns


@dataclass(slots=True)
class Deep:
    """One deep audit; `parts` are by number."""

    store: Store
    parts: Mapping[int, PartFacts]
    file: CoverageFile
    room: Room
    show: Progress
    tally: Tally
    read_objects: int = 0
    read_bytes: int = 0
    unread: int = 0
    """Objects that are there and could not be read."""
    touched: set[int] = field(default_factory=set)
    """Partitions of which an object was read."""

    def read(self, items: Iterator[Named]) -> None:
        """Read these versions back, batch by batch."""
        for batch in _batches(items, self.room.chunk_bytes):
            place = Path(tempfile.mkdtemp(dir=self.room.folder))
            try:
                self._batch(batch, place)
            finally:
                shutil.rmtree(place)

    def _batch(self, batch: Sequence[Named], place: Path) -> None:
        wanted = [
            Wanted(
                key=item.key,
                size_bytes=item.size_bytes or 0,
                etag="",
                version_id=item.version_id,
            )
            for item in batch
        ]
        good: dict[Columns, list[tuple[Named, Path]]] = {}
        with ThreadPoolExecutor(2, thread_name_prefix="digest") as pool:
            for item, fetched, digest in pool.map(
                lambda one: (batch[one.index], one, _digest(one)), self.store.fetch(wanted, place)
            ):
                path = self._digested(item, fetched, digest)
                if path is None:
                    continue
                if item.part is None:
                    self._note(item, is_good=True, sums=None)
                else:
                    columns = self.parts[item.part].columns
                    good.setdefault(columns, []).append((item, path))
        for columns, some in good.items():
            self._counted(columns, some)

    def _digested(self, item: Named, fetched: Fetched, digest: str | None) -> Path | None:
        """Compare a digest; return where the bytes are, if they are those that were signed."""
        source = f"link {item.link}; the bytes of this version"
        if fetched.path is None or digest is None:
            is_other = isinstance(fetched.error, NotFound | Changed)
            status: CheckStatus = "fail" if is_other else "not_verified"
            self.unread += status == "not_verified"
            told = str(fetched.error).splitlines()[0]
            self.tally.add(Verdict("bytes_sha256", status, item.sha256, told), item.name, source)
            return None
        self.read_objects += 1
        self.read_bytes += item.size_bytes or 0
        self.show.advance(item.size_bytes or 0)
        is_good = digest == item.sha256
        verdict = Verdict("bytes_sha256", "pass" if is_good else "fail", item.sha256, digest)
        self.tally.add(verdict, item.name, source)
        if not is_good:
            self._note(item, is_good=False, sums=None)
            return None
        return fetched.path

    def _counted(self, columns: Columns, some: Sequence[tuple[Named, Path]]) -> None:
        """Count the rows of files with the same columns by both engines."""
        paths = [path for _, path in some]
        by_duckdb = _hashed(paths, columns, self.room)
        by_polars = _counts(paths, columns, sum(item.rows or 0 for item, _ in some))
        for item, path in some:
            assert item.part is not None
            self.touched.add(item.part)
            hashed = by_duckdb.get(str(path))
            rows, sums = hashed if hashed is not None else (None, None)
            second = item.rows if by_polars is None else by_polars[path]
            is_good = rows == second == item.rows
            expected = str(item.rows)
            actual = expected if is_good else f"{rows} by DuckDB, {second} by Polars"
            verdict = Verdict("rows", "pass" if is_good else "fail", expected, actual)
            self.tally.add(verdict, item.name, f"link {item.link}; the bytes of this version")
            self._note(item, is_good=is_good, sums=sums)

    def _note(self, item: Named, *, is_good: bool, sums: Sums | None) -> None:
        self.file.note_read(
            item.key,
            item.version_id,
            item.size_bytes or 0,
            is_good=is_good,
            sums=None if sums is None else "{:x}-{:x}".format(*sums),
            engine=None if sums is None else ENGINE,
        )

    def fingerprints(self, members: Mapping[int, Sequence[Named]]) -> int:
        """Compare partitions of which all objects have been read; return how many were not.

        `members` are the objects of the partitions that were touched.
        """
        partly = 0
        for number, items in members.items():
            part = self.parts[number]
            reads = [self.file.reads.get((item.key, item.version_id)) for item in items]
            sums = [read.sums for read in reads if read and read.sums and read.engine == ENGINE]
            if len(sums) < len(items):
                partly += 1
                continue
            if part.engine != ENGINE:
                told = f"computed by {part.engine}, this is {ENGINE}: not comparable"
                verdict = Verdict("fingerprint", "not_verified", part.fingerprint, told)
            else:
                found = _added(sums)
                status: CheckStatus = "pass" if found == part.fingerprint else "fail"
                verdict = Verdict("fingerprint", status, part.fingerprint, found)
            self.tally.add(verdict, part.name, f"link {items[0].link}; bytes read back (DuckDB)")
        return partly


def _digest(fetched: Fetched) -> str | None:
    return None if fetched.path is None else file_sha256(fetched.path)


def _added(texts: Sequence[str]) -> str:
    pairs = [text.split("-") for text in texts]
    return "{:x}-{:x}".format(*(sum(int(pair[place], 16) for pair in pairs) for place in (0, 1)))


def _hashed(paths: Sequence[Path], columns: Columns, room: Room) -> dict[str, tuple[int, Sums]]:
    """Return rows and fingerprint of each file; without those that DuckDB cannot read."""
    names = [f"c{no}" for no in range(len(columns))]
    staged = exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")])
    named = exp.select(
        *[
            exp.alias_(exp.column(column, quoted=True), name)
            for name, (column, _) in zip(names, columns, strict=True)
        ],
        exp.column("compactor source file", quoted=True).as_("file_name"),
    ).from_(staged)
    first, second = types.row_hashes(names)
    select = (
        exp.select(
            exp.column("file_name"),
            exp.Count(this=exp.Star()),
            exp.Sum(this=first),
            exp.Sum(this=second),
        )
        .from_(named.subquery("named"))
        .group_by("file_name")
    )
    # a file without rows is in no group
    found: dict[str, tuple[int, Sums]] = {}
    with workspace(room.folder, room.memory_bytes) as connection:
        connection.execute(query("compact/staged"))
        sql = select.sql(dialect="duckdb")

        def read(some: Sequence[Path]) -> None:
            files = [str(path) for path in some]
            rows = connection.execute(sql, {"files": files}).fetchall()
            found.update(dict.fromkeys(files, (0, (0, 0))))
            found.update((name, (int(n), (int(one), int(two)))) for name, n, one, two in rows)

        try:
            read(paths)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            for path in paths:  # which one is it?
                try:
                    read([path])
                except duckdb.OutOfMemoryException:
                    raise
                except duckdb.Error:
                    continue  # it has no count, which its check says
    return found


def _counts(
    paths: Sequence[Path], columns: Columns, expected: int
) -> dict[Path, int | None] | None:
    """Count rows by Polars: None where all together are as expected, else each by itself."""
    import polars as pl

    profiled = [Profiled(no=no, name=n, type_name=t) for no, (n, t) in enumerate(columns)]

    def count(some: Sequence[Path]) -> int | None:
        try:
            return scan_written(some, profiled)[0]
        except pl.exceptions.PolarsError:
            return None

    if count(paths) == expected:
        return None
    return {path: count([path]) for path in paths}


def _batches(items: Iterator[Named], room_bytes: int) -> Iterator[list[Named]]:
    batch: list[Named] = []
    size = 0
    for item in items:
        if batch and (len(batch) >= _OBJECTS or size + (item.size_bytes or 0) > room_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size_bytes or 0
    if batch:
        yield batch
