"""Answer SQL over the tables of lake or archive, by their names.

In:  the SQL of a person, the configuration. Out: `Answer`: columns, rows as a stream, reads.
IO:  manifests, and ranges of the objects that they name.

1. DuckDB tells which tables the statement names; only these are looked up, in the manifests.
2. For each, a view is made over exactly the objects that a manifest names (`query_views.py`).
3. The connection is shut: no other file, no network, no extension, no further setting. Whatever the
   statement says, it can read the tables that it names, and change nothing that outlives it.
4. One statement is run, in a thread of its own, so that Ctrl-C ends it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import duckdb
from sqlglot import exp

from . import lake, lake_tables, manifests, prices, sql
from .config import Config, Place
from .errors import ConfigError
from .lake_tables import LakeSnapshot, LakeTable, LakeTables
from .model import utc_text
from .query_model import ListedColumn, ListedTable, Read, TableList
from .query_names import Meant, Names
from .query_statement import Parts, references
from .query_views import DIALECT, Source, columns_of, source
from .remote_reads import PROTOCOL, Item, LakeFiles, Ranges, StoreRanges
from .scratch import scratch_folder

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

_THREADS = 8
"""At least so many: a thread waits while it opens a file. 400 files at 30 ms a read took 2.1 s with
2, 1.4 s with 8 and with 16; `LIMIT 3` read 18, 47 and 84 of them."""
_ROWS = 1_000
"""Fetched at a time, as text."""
_BATCH_ROWS = 100_000
"""The same, for Arrow: its batches become row groups."""
_SETTINGS = (
    "SET enable_progress_bar = false",  # it would be drawn on stdout
    "SET python_enable_replacements = false",  # a name is no variable of this program
    f"SET allowed_directories = ['{PROTOCOL}://']",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview (read 2026-11)"""
_INTERRUPTS = 20
_INTERRUPT_S = 0.1
"""So often, and so long each time, a statement may take to end; a read that hangs takes longer."""
_TAKEN = ("memory", "system", "temp", "main")
"""Databases that DuckDB has itself."""
_USD_DIGITS = 10
_ANSWER = "answer of compactor"
"""Name of a view that nobody asks for."""
_NESTED = ("STRUCT", "MAP", "UNION", "JSON")


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    name: str
    type: str
    """DuckDB's."""

    @property
    def is_json(self) -> bool:
        """Whether its text is JSON: nested values are."""
        return self.type.startswith(_NESTED) or self.type.endswith("]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One name of the statement, and what it stood for."""

    table: str
    snapshots: tuple[LakeSnapshot, ...]
    files: int
    bytes: int


class Answer:
    """The columns of a result; its rows are computed while they are asked for, once."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: duckdb.DuckDBPyRelation,
        files: LakeFiles,
        shown: tuple[Shown, ...],
    ) -> None:
        self.columns = tuple(
            AnswerColumn(name, str(kind))
            for name, kind in zip(relation.columns, relation.types, strict=True)
        )
        self.shown = shown
        self.is_plan = relation.columns == ["explain_key", "explain_value"]
        """Whether it is what EXPLAIN gives."""
        self._connection = connection
        self._relation = relation
        self._files = files

    def read(self, seconds: float) -> Read:
        """Return what has been read by now."""
        reads = self._files.reads
        of_files = sum(one.files for one in self.shown)
        paid = reads.requests if self._files.is_remote else 0
        return Read(
            files=reads.files,
            of_files=of_files,
            bytes=reads.bytes,
            of_bytes=sum(one.bytes for one in self.shown),
            requests=reads.requests,
            seconds=round(seconds, 3),
            usd=round(prices.requests_usd(reads=paid), _USD_DIGITS),
            athena_usd=prices.athena_scan_usd(reads.bytes) if of_files else 0.0,
        )

    def texts(self) -> Iterator[list[tuple[str | None, ...]]]:
        """Yield rows, a thousand at a time: values as DuckDB's own text, nested ones as JSON."""
        with _translated(self._files):
            cursor = _until_done(self._connection, self._execute_as_texts)
            while rows := _until_done(self._connection, lambda: cursor.fetchmany(_ROWS)):
                yield rows

    def _execute_as_texts(self) -> duckdb.DuckDBPyConnection:
        if self.is_plan:  # DuckDB has it ready, and no view can hold it
            self._relation.create(_ANSWER)
        else:
            self._relation.create_view(_ANSWER)
        unique = self._connection.table(_ANSWER).columns
        statement = _as_texts(self.columns, unique)
        return self._connection.execute(statement.sql(dialect=DIALECT))

    def arrow(self) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the schema and the rows as Arrow batches."""
        with _translated(self._files):
            read = self._relation.to_arrow_reader
            reader = _until_done(self._connection, lambda: read(_BATCH_ROWS))
        return reader.schema, self._batches(reader)

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with _translated(self._files):
            while batch := _until_done(self._connection, lambda: next(reader, None)):
                yield batch


@contextmanager
def answer(
    config: Config, statement: str, *, asof: datetime | None = None, place: Place = "lake"
) -> Iterator[Answer]:
    """Run one statement over tables of lake or archive, as they were known at a moment.

    Raises: ConfigError for what is wrong with the statement; StoreError for an object that cannot
            be read, or is not what a manifest says.
    """
    with scratch_folder(config.limits.scratch_path()) as spill:
        threads = max(_THREADS, os.cpu_count() or 1)
        memory = config.limits.memory_bytes()
        connection = sql.connect(memory_bytes=memory, threads=threads, spill=spill)
        is_free = True
        try:
            asked = references(connection, statement)
            shown: tuple[Shown, ...] = ()
            files = LakeFiles(_Nothing())
            if asked:
                opened = open_place(config, place)
                files = LakeFiles(opened.ranges, is_remote=opened.is_remote)
                connection.register_filesystem(files)
                known = Names(opened.tables, config.catalog.database_prefix)
                meant = [one for one in map(known.resolve, asked) if one is not None]
                with _translated(files):
                    shown = _until_done(connection, lambda: _show(connection, files, meant, asof))
            _shut(connection)
            with _translated(files):
                relation = _until_done(connection, lambda: connection.sql(statement))
            yield Answer(connection, relation, files, shown)
        except KeyboardInterrupt:
            is_free = False  # a read may still wait for its answer; the process ends without it
            raise
        finally:
            if is_free:
                connection.close()


def list_tables(config: Config, place: Place = "lake") -> TableList:
    """Return the tables that can be asked, with their columns. Raises: ConfigError, StoreError"""
    tables = open_place(config, place).tables
    names = Names(tables, config.catalog.database_prefix)
    return TableList(tables=tuple(_listed(one, names) for one in tables.tables))


def _listed(table: LakeTable, names: Names) -> ListedTable:
    newest = table.current
    objects = [item for one in newest for item in one.objects]
    return ListedTable(
        name=names.catalog_name(table),
        database=table.database,
        table=table.table,
        snapshots=len(table.snapshots),
        latest=table.latest.label,
        rows=sum(one.result.output_rows for one in newest),
        files=len(objects),
        bytes=sum(item.size_bytes for item in objects),
        columns=tuple(
            ListedColumn(name=name, type=kind) for name, kind in columns_of(newest).items()
        ),
    )


# --- where tables are -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """The tables of a place, and where their bytes are."""

    tables: LakeTables
    ranges: Ranges
    is_remote: bool


def open_place(config: Config, place: Place) -> Opened:
    """Read the manifests of the lake. Raises: ConfigError, StoreError"""
    where = lake_tables.url_of(config, place)
    ranges: Ranges
    if config.lake.url.startswith("s3://"):
        from .s3_reads import S3Reads

        many = config.limits.concurrency
        reads = S3Reads(config.lake.url, concurrency=many)
        found = manifests.read_listed(reads.keys(lake.RUNS), reads.get, reads.url)
        tables, ranges = lake_tables.collect(found), reads
    else:
        from .store import open_store

        store = open_store(config.lake.url)
        tables, ranges = lake_tables.read_tables(store), StoreRanges(store)
    if place == "archive":
        from .s3_reads import S3Reads

        tables = lake_tables.lying_in(config, place, tables)
        ranges = S3Reads(where, concurrency=config.limits.concurrency)
    return Opened(tables, ranges, isinstance(ranges, StoreRanges) is False)


class _Nothing:
    """Of a statement that names no table."""

    def read(self, item: Item, start: int, stop: int) -> bytes:
        raise AssertionError("no object was added")


# --- views ----------------------------------------------------------------------------------------


def _show(
    connection: duckdb.DuckDBPyConnection,
    files: LakeFiles,
    names: Sequence[Meant],
    asof: datetime | None,
) -> tuple[Shown, ...]:
    """Make a view for each name, and for what its first parts are called."""
    made: dict[Parts, Meant] = {}
    for meant in names:
        same = made.setdefault(tuple(part.lower() for part in meant.parts), meant)
        if same.table is not meant.table:
            raise ConfigError(
                f"{'.'.join(same.parts)} and {'.'.join(meant.parts)} are one name to DuckDB",
                hint="write the catalog's names: compactor query --tables",
            )
        if len(meant.parts) > 1 and meant.parts[0].lower() in _TAKEN:
            raise ConfigError(
                f"DuckDB has a database {meant.parts[0]!r} of its own",
                hint="write the table without its database",
            )
    shown = []
    spaces: set[Parts] = set()
    for number, (folded, meant) in enumerate(made.items()):
        snapshots = _snapshots(meant, asof)
        view = source(meant, snapshots, number)
        for path, item in view.items.items():
            files.add(path, item)
        for space in (folded[:length] for length in range(1, len(folded))):
            if space not in spaces:
                connection.execute(_space(space).sql(dialect=DIALECT))
                spaces.add(space)
        connection.execute(_view(folded, view).sql(dialect=DIALECT))
        size = sum(item.size_bytes for item in view.items.values())
        shown.append(
            Shown(
                table=meant.table.name,
                snapshots=snapshots,
                files=len(set(view.items.values())),
                bytes=size,
            )
        )
    return tuple(shown)


def _snapshots(meant: Meant, asof: datetime | None) -> tuple[LakeSnapshot, ...]:
    """Return the snapshots that a name shows. Raises: ConfigError if there was none yet."""
    table = meant.table
    if meant.kind == "current":
        found = table.current if asof is None else table.asof(asof)
    else:
        found = tuple(one for one in table.snapshots if asof is None or one.moment <= asof)
    if not found:
        raise ConfigError(
            f"{table.name} has no complete snapshot at or before {utc_text(asof)}",
            hint=f"its first one is of {utc_text(table.snapshots[0].moment)}",
        )
    return found


def _space(parts: Parts) -> exp.Expression:
    """Return the statement that makes a database in memory, or a schema in it."""
    if len(parts) == 1:
        memory = exp.Literal.string(":memory:")
        return exp.Attach(this=exp.alias_(memory, parts[0], quoted=True))
    return exp.Create(this=_table(parts), kind="SCHEMA")


def _view(parts: Parts, view: Source) -> exp.Expression:
    return exp.Create(this=_table(parts), kind="VIEW", expression=view.query)


def _table(parts: Parts) -> exp.Table:
    table, *above = reversed(parts)
    db, catalog = [*above, None, None][:2]
    return exp.table_(table, db=db, catalog=catalog, quoted=True)


def _shut(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave nothing open but the objects of the statement's tables, and the folder to spill to."""
    for setting in _SETTINGS:
        connection.execute(setting)


# --- running --------------------------------------------------------------------------------------


def _as_texts(columns: Sequence[AnswerColumn], unique: Sequence[str]) -> exp.Select:
    """Return a SELECT of the answer's values as text; `unique` are its names in the view."""
    chosen = []
    for column, name in zip(columns, unique, strict=True):
        value: exp.Expression = exp.column(name, quoted=True)
        if column.is_json:
            value = exp.Anonymous(this="to_json", expressions=[value])
        text = exp.cast(value, exp.DataType.build(exp.DType.TEXT))
        chosen.append(exp.alias_(text, name, quoted=True))
    return exp.select(*chosen).from_(exp.table_(_ANSWER, quoted=True))


def _until_done(connection: duckdb.DuckDBPyConnection, call: Callable[[], T]) -> T:
    """Call in a thread of its own: DuckDB does not look for Ctrl-C while it works."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 (raised where the result is awaited)
            done.set_exception(error)

    try:
        threading.Thread(target=run, name="query", daemon=True).start()
        return done.result()
    except KeyboardInterrupt:
        for _ in range(_INTERRUPTS):
            connection.interrupt()  # is forgotten where the statement has not begun yet
            if wait([done], _INTERRUPT_S).done:
                break
        raise


@contextmanager
def _translated(files: LakeFiles) -> Iterator[None]:
    """Turn DuckDB's errors into ours: a read that failed, or the statement's own fault."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(
            f"the statement needs more memory than it may have: {error}",
            hint="raise limits.memory or limits.scratch, or ask for less at a time",
        ) from error
    except duckdb.Error as error:
        if files.failure is not None:
            raise files.failure from error
        raise ConfigError(f"DuckDB cannot run the statement: {error}") from error
