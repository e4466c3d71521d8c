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
from ..errors import NotFound
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
        with ThreadPoolExecutor(2, thread_name_prefix="digest") as pool:
            for item, fetched, digest in pool.map(
                lambda one: (batch[one.index], one, _digest(one)), self.store.fetch(wanted, place)
            ):
                self._one(item, fetched, digest)

    def _one(self, item: Named, fetched: Fetched, digest: str | None) -> None:
        source = f"link {item.link}; the bytes of this version"
        if fetched.path is None or digest is None:
            gone = isinstance(fetched.error, NotFound)
            status: CheckStatus = "fail" if gone else "not_verified"
            told = str(fetched.error).splitlines()[0]
            verdict = Verdict("bytes_sha256", status, item.sha256, told)
            self.tally.add(verdict, item.name, source)
            return
        self.read_objects += 1
        self.read_bytes += item.size_bytes or 0
        self.show.advance(item.size_bytes or 0)
        is_good = digest == item.sha256
        verdict = Verdict("bytes_sha256", "pass" if is_good else "fail", item.sha256, digest)
        self.tally.add(verdict, item.name, source)
        sums = None
        if is_good and item.part is not None:
            self.touched.add(item.part)
            rows, sums = self._count(item, fetched.path)
            expected = str(item.rows)
            actual = expected if rows == (item.rows, item.rows) else f"{rows[0]} and {rows[1]}"
            is_good = actual == expected
            verdict = Verdict("rows", "pass" if is_good else "fail", expected, actual)
            self.tally.add(verdict, item.name, source)
        self.file.note_read(
            item.key,
            item.version_id,
            item.size_bytes or 0,
            is_good=is_good,
            sums=None if sums is None else "{:x}-{:x}".format(*sums),
            engine=None if sums is None else ENGINE,
        )
        if not fetched.path.is_relative_to(self.room.folder):
            return  # a local store gives its own file
        fetched.path.unlink()

    def _count(self, item: Named, path: Path) -> tuple[tuple[int | None, int | None], Sums | None]:
        """Count rows by DuckDB and by Polars, and hash them; None where it cannot be read."""
        import polars as pl

        assert item.part is not None
        columns = self.parts[item.part].columns
        by_duckdb, sums, by_polars = None, None, None
        try:
            by_duckdb, sums = _hashed(path, columns, self.room)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            by_duckdb = None  # the check says that there is no count
        profiled = [Profiled(no=no, name=n, type_name=t) for no, (n, t) in enumerate(columns)]
        try:
            by_polars, _ = scan_written([path], profiled)
        except pl.exceptions.PolarsError:
            by_polars = None
        return (by_duckdb, by_polars), sums

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


def _hashed(path: Path, columns: Columns, room: Room) -> tuple[int, Sums]:
    names = [f"c{no}" for no in range(len(columns))]
    staged = exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")])
    named = exp.select(
        *[
            exp.alias_(exp.column(column, quoted=True), name)
            for name, (column, _) in zip(names, columns, strict=True)
        ]
    ).from_(staged)
    first, second = types.row_hashes(names)
    select = exp.select(
        exp.Count(this=exp.Star()), exp.Sum(this=first), exp.Sum(this=second)
    ).from_(named.subquery("named"))
    with workspace(room.folder, room.memory_bytes) as connection:
        connection.execute(query("compact/staged"))
        row = connection.execute(select.sql(dialect="duckdb"), {"files": [str(path)]}).fetchone()
    assert row is not None
    return int(row[0]), (int(row[1] or 0), int(row[2] or 0))


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
