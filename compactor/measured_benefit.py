"""What a query for one day really reads before and after: DuckDB runs it over both, reads counted.

In:  a `TableResult`, the store of its source and that of the lake. Out: a `MeasuredBenefit`. IO:
reads of both stores, one LIST of the source folder; nothing is written. A run never does this.

Three queries for the same columns of the same day:

* `as_text`: over the source files, dates compared as they are stored, which for PostgreSQL is text.
  Row groups whose statistics exclude the day are skipped: as well as the export can be read.
* `as_dates`: over the source files, a date made of each text, as a query must that computes with
  dates. Nothing can be skipped. Only where dates are text.
* `after`: over the files of the partition that holds the day.

All must give as many rows. Bytes and requests are those of DuckDB's reader; other engines read in
other pieces. The clock runs from the query to its last row, every read included. Days are those of
UTC: tables that were divided in another time zone are not measured rightly, so the rows differ.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb

from . import sql
from .benefit import Read, dated, median, price_usd
from .errors import CompactorError, SourceError
from .model import Model, PartitionResult, TableResult
from .store.interface import Store, Wanted

if TYPE_CHECKING:
    from .remote_reads import LakeFiles

_BATCH_ROWS = 100_000


class MeasuredBenefit(Model):
    """One day of one table, read before and after."""

    database: str
    table: str
    day: date
    columns: int
    """How many are returned."""
    rows: int
    as_text: Read
    as_dates: Read | None
    """None where the source's dates are no text."""
    after: Read


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """Files to query, and what their columns are called there."""

    store: Store
    objects: tuple[Wanted, ...]
    columns: tuple[str, ...]
    dated: str


def measure(
    result: TableResult, source: Store, lake: Store, columns: Sequence[str] | None = None
) -> MeasuredBenefit | None:
    """Read one day of a table before and after; None where it has no days.

    `source` is opened at `result.source_url`. `columns` are names in the lake, all if None.

    Raises: SourceError if the source is no Parquet or not what the run read; StoreError;
            CompactorError if the two sides do not give the same number of rows.
    """
    middle = median(dated(result.partitions))
    if middle is None:
        return None
    before, after = _sides(result, source, lake, middle, columns)
    day = date.fromisoformat(middle.value) if result.grain == "day" else _middle_day(after)
    found, is_text = _day(before, day, is_cast=False)
    casted = _day(before, day, is_cast=True)[0] if is_text else None
    written, _ = _day(after, day, is_cast=False)
    answers = {one.rows for one in (found, casted, written) if one is not None}
    if len(answers) > 1:
        raise CompactorError(
            f"{result.database}.{result.table}: the queries for {day} give different numbers of "
            f"rows: {found.rows} in the export, {written.rows} in the lake",
            hint="tables that are divided in a time zone other than UTC cannot be measured",
        )
    return MeasuredBenefit(
        database=result.database,
        table=result.table,
        day=day,
        columns=len(after.columns),
        rows=written.rows,
        as_text=found.read,
        as_dates=casted.read if casted else None,
        after=written.read,
    )


def measure_all(store: Store, objects: Sequence[Wanted], columns: Sequence[str]) -> Read:
    """Read everything of some Parquet files. Raises: StoreError, SourceError."""
    side = _Side(store=store, objects=tuple(objects), columns=tuple(columns), dated="")
    return _timed(side, "benefit/all", {"columns": list(side.columns)}).read


def source_objects(result: TableResult, source: Store) -> tuple[Wanted, ...]:
    """Return the Parquet files that a run read of a table, by listing its folder.

    Raises: SourceError if they are not as many, or as large, as the run read.
    """
    found = [
        Wanted(key=key, size_bytes=size, etag=etag)
        for page in source.list(result.source_folder)
        for key, size, etag in zip(
            *(page[name].to_pylist() for name in ("key", "size_bytes", "etag")), strict=True
        )
        if key.endswith(".parquet")
    ]
    size_bytes = sum(item.size_bytes for item in found)
    if (len(found), size_bytes) != (result.source_files, result.source_bytes):
        raise SourceError(
            f"cannot measure {result.database}.{result.table}: {source.url}{result.source_folder} "
            f"holds {len(found)} Parquet files of {size_bytes} bytes, the run read "
            f"{result.source_files} objects of {result.source_bytes} bytes",
            hint="only tables whose folder holds their Parquet files and no others can be measured",
        )
    return tuple(sorted(found, key=lambda item: item.key))


def lake_objects(parts: Sequence[PartitionResult]) -> tuple[Wanted, ...]:
    """Return the lake's files of some partitions, as the manifest names them."""
    return tuple(
        Wanted(key=item.key, size_bytes=item.size_bytes, etag="", version_id=item.version_id)
        for part in parts
        for item in part.objects
    )


def _sides(
    result: TableResult,
    source: Store,
    lake: Store,
    middle: PartitionResult,
    columns: Sequence[str] | None,
) -> tuple[_Side, _Side]:
    named = [one for one in result.columns if columns is None or one.name in columns]
    keys = [one for one in result.columns if one.source_name == result.partition_column]
    if not keys:
        raise SourceError(
            f"cannot measure {result.database}.{result.table}: the date column "
            f"{result.partition_column!r} is none of its {len(result.columns)} columns",
            hint="the result must be whole, as a manifest names it",
        )
    key = keys[0]
    before = _Side(
        store=source,
        objects=source_objects(result, source),
        columns=tuple(one.source_name for one in named),
        dated=key.source_name,
    )
    after = _Side(
        store=lake,
        objects=lake_objects([middle]),
        columns=tuple(one.name for one in named),
        dated=key.name,
    )
    return before, after


# --- queries --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    rows: int
    read: Read


def _day(side: _Side, day: date, *, is_cast: bool) -> tuple[_Answer, bool]:
    """Return the rows of a day, and whether the dates are text."""
    kind = _date_type(side)
    first, end = day, day + timedelta(days=1)
    bounds: tuple[Any, Any] = (_midnight(first), _midnight(end))
    if kind == "VARCHAR" and not is_cast:
        bounds = (first.isoformat(), end.isoformat())
    elif kind == "DATE":
        bounds = (first, end)
    values = {
        "columns": list(side.columns),
        "dated": side.dated,
        "first": bounds[0],
        "end": bounds[1],
    }
    name = "benefit/day_of_text" if is_cast else "benefit/day"
    return _timed(side, name, values), kind == "VARCHAR"


def _middle_day(side: _Side) -> date:
    """Return the day of the row in the middle of a partition that holds several days."""
    with _opened(side) as (connection, _, urls):
        values = {"files": urls, "dated": side.dated}
        found: date = sql.rows(connection, "benefit/middle_day", values)[0]["day"]
        return found


def _date_type(side: _Side) -> str:
    """Return DuckDB's type of the column that dates rows: one footer is read."""
    with _opened(side) as (connection, _, urls):
        values = {"files": urls[:1], "columns": [side.dated]}
        return str(connection.sql(sql.query("benefit/all"), params=values).types[0])


def _timed(side: _Side, name: str, values: dict[str, Any]) -> _Answer:
    with _opened(side) as (connection, files, urls):
        begun = time.perf_counter()
        asked = connection.sql(sql.query(name), params={"files": urls, **values})
        rows = sum(len(batch) for batch in asked.to_arrow_reader(_BATCH_ROWS))
        seconds = time.perf_counter() - begun
    reads = files.reads
    read = Read(
        basis="measured",
        files=reads.files,
        bytes=reads.bytes,
        requests=reads.requests,
        usd=price_usd(reads.bytes, reads.requests),
        seconds=seconds,
    )
    return _Answer(rows=rows, read=read)


@contextmanager
def _opened(
    side: _Side,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, LakeFiles, list[str]]]:
    """Open an engine without caches over the files of one side, which are called by number."""
    from .remote_reads import PROTOCOL, Item, LakeFiles, StoreRanges  # fsspec, only where needed

    files = LakeFiles(StoreRanges(side.store))
    urls = [f"{PROTOCOL}://{number}.parquet" for number in range(len(side.objects))]
    for url, want in zip(urls, side.objects, strict=True):
        files.add(url, Item(want.key, want.version_id, want.size_bytes, want.etag))
    with sql.connect() as connection:
        connection.execute("SET enable_external_file_cache = false")
        connection.register_filesystem(files)
        try:
            yield connection, files, urls
        except duckdb.Error as error:
            if files.failure is not None:
                raise files.failure from error
            raise SourceError(
                f"DuckDB cannot query {len(side.objects)} files below {side.store.url}: {error}",
                hint="only Parquet files with the same columns can be measured",
            ) from error


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 (DuckDB's TIMESTAMP has no zone)
