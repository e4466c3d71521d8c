"""Bring the objects of a table that is no Parquet to local disk, and look at every one of them.

In:  a store, the objects as listed, how they are read.
Out: `Staged`, as for Parquet: local paths, rows, the objects that cannot be read, source profile.
IO:  store reads, scratch writes.

Unlike Parquet's, columns are not known before each object was looked at. Steps:

1. each object is fetched, its bytes compared with the digest that the export ships, and its rows
   counted without a parser, and compared with the count that the export ships
2. DuckDB looks at every row, and the columns are chosen (`survey`)
3. the second engine decodes and profiles every object
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa

from .errors import ObjectUnreadable
from .formats.interface import Malformed, Survey, add_survey
from .profile import ColumnProfile
from .reading import TextRows
from .second_engine import Profiled, Profiler
from .sql import cursor
from .stage import Staged, note
from .store.interface import Store, Wanted

SURVEYED_AT_ONCE = 64
"""Files that one query looks at: so that damage in one of them is named soon."""


def fetch(
    store: Store,
    wanted: Sequence[Wanted],
    folder: Path,
    reading: TextRows,
    progress: Callable[[int, int], None] = lambda objects, size: None,
) -> Staged:
    """Bring all objects, verify digests, count rows; nothing is raised for a single bad object."""
    count = len(wanted)
    staged = Staged(
        wanted=wanted,
        paths=[None] * count,
        rows=[0] * count,
        schema_nos=[-1] * count,
        reading=reading,
    )

    same_tags = [False] * count

    def look(index: int, path: Path) -> None:
        try:
            same_tags[index] = _same_tag(wanted[index], path)
            staged.rows[index] = _look(wanted[index], path, folder, index, reading)
            readable = str(_readable(path, folder, index, reading))
            if reading.format.decodes_objects:
                reading.objects[readable] = path
            staged.paths[index] = readable
            staged.schema_nos[index] = 0
        except (Malformed, OSError) as error:
            staged.unreadable.append(bad_object(wanted[index], error))
        progress(1, wanted[index].size_bytes)

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="count") as pool:
        looks = []
        for fetched in store.fetch(wanted, folder):
            if fetched.error is not None or fetched.path is None:
                note(staged, wanted[fetched.index], fetched.error)
                continue
            looks.append(pool.submit(look, fetched.index, fetched.path))
        for one in looks:
            one.result()
    staged.same_tags = sum(same_tags)
    for index, path in enumerate(staged.paths):
        if path is not None and wanted[index].keyed:
            reading.keyed[path] = wanted[index].keyed
    return staged


def _same_tag(wanted: Wanted, path: Path) -> bool:
    """True if an object has the ETag that the export says, or had it before it was copied.

    Of an upload in one part it is the MD5 of the MD5's 16 bytes, and `-1`.
    """
    said = wanted.declared.etag if wanted.declared is not None else None
    if said is None or said == wanted.etag:
        return said is not None
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").digest()
    return said == f"{hashlib.md5(digest, usedforsecurity=False).hexdigest()}-1"


def _readable(path: Path, folder: Path, index: int, reading: TextRows) -> Path:
    """Return the file that both engines will read."""
    return path if reading.format.ready else folder / f"{index:08d}.converted"


def _look(wanted: Wanted, path: Path, folder: Path, index: int, reading: TextRows) -> int:
    """Return an object's rows; compare it with what the export says of it."""
    declared = wanted.declared
    if declared is not None and declared.md5 is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
        if found != declared.md5:
            raise Malformed(f"its MD5 is {found}, its manifest says {declared.md5}")
    if wanted.size_bytes == 0 and wanted.key.endswith(".gz"):
        raise Malformed("it is empty, and no gzip file is: even one of no rows has a header")
    rows = reading.format.rows(path, reading.options)
    if declared is not None and declared.rows is not None and declared.rows != rows:
        raise Malformed(f"it holds {rows} rows, its manifest says {declared.rows}")
    if not reading.format.ready:
        converted = _readable(path, folder, index, reading)
        reading.format.convert(path, converted, reading.options)
        made = reading.format.rows(converted, reading.options)
        if made != rows:
            raise Malformed(f"it holds {rows} rows, {made} of them could be converted")
    return rows


def survey(staged: Staged, reading: TextRows) -> Survey:
    """Let DuckDB look at every row. Raises: ObjectUnreadable naming the object"""
    total: Survey = {}
    files = staged.files
    with cursor() as connection:
        for start in range(0, len(files), SURVEYED_AT_ONCE):
            some = files[start : start + SURVEYED_AT_ONCE]
            try:
                add_survey(total, reading.format.survey(connection, some, reading.options))
            except (duckdb.Error, Malformed) as error:
                raise _blamed(staged, reading, connection, some, error) from error
    return total


def _blamed(
    staged: Staged,
    reading: TextRows,
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    error: Exception,
) -> ObjectUnreadable:
    """Return the error of the first file that cannot be looked at by itself."""
    keys = {path: item for path, item in zip(staged.paths, staged.wanted, strict=True) if path}
    for path in files:
        try:
            reading.format.survey(connection, [path], reading.options)
        except (duckdb.Error, Malformed) as own:
            return bad_object(keys[path], own, path)
    return ObjectUnreadable(f"{keys[files[0]].key} and {len(files) - 1} more: {error}")


def profile(staged: Staged, reading: TextRows, columns: Sequence[Profiled]) -> None:
    """Let the second engine decode every object; fills rows decoded, profiles, bad objects."""
    staged.profiled = tuple(columns)
    there = [index for index, path in enumerate(staged.paths) if path is not None]

    def one(indexes: Sequence[int]) -> tuple[int, dict[int, ColumnProfile]]:
        profiler = Profiler(columns)
        for index in indexes:
            wanted, path = staged.wanted[index], Path(staged.paths[index] or "")
            try:
                rows = _decoded(reading.decode(path), profiler)
                if rows != staged.rows[index]:
                    raise Malformed(f"{staged.rows[index]} rows were counted, {rows} decoded")
            except (Malformed, pa.ArrowException, OSError, ValueError) as error:
                staged.unreadable.append(bad_object(wanted, error, str(path)))
        return profiler.rows, profiler.result()

    threads = os.cpu_count() or 2
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        for rows, profiles in pool.map(one, [there[start::threads] for start in range(threads)]):
            staged.decoded_rows += rows
            for no, found in profiles.items():
                staged.profiles.setdefault(no, ColumnProfile()).merge(found)


def _decoded(tables: Iterator[pa.Table], profiler: Profiler) -> int:
    rows = 0
    for table in tables:
        rows += table.num_rows
        profiler.add(table)
    return rows


def bad_object(wanted: Wanted, error: Exception, path: str = "") -> ObjectUnreadable:
    """Return the error that names the object and says what is wrong with it."""
    said = str(error).replace(path, wanted.key) if path else str(error)
    return ObjectUnreadable(
        f"{wanted.key} ({wanted.size_bytes} bytes) cannot be used: {said}",
        key=wanted.key,
        hint="export the table again, or restore this object from its source; "
        "the table stays out of lake and archive until then",
    )
