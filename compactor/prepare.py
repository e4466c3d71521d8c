"""Bring a chunk of a table to scratch, and say which object is to blame if it is no use.

In:  a planned table, the listing of its objects, their store.
Out: `Prepared`, or an error that names objects and columns.
IO:  source reads, scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from . import probe, stage_text, types
from .errors import ObjectUnreadable, SchemaDrift
from .feed import Feed, First
from .formats import FORMATS
from .formats.interface import Fields
from .model import PlanTable, SourceColumn
from .progress import Progress
from .reading import ParquetRows, Rows, TextRows
from .second_engine import Profiled, source_columns
from .sql import cursor
from .stage import MAX_NAMED, Staged, goes_once, stage
from .store.interface import Store, Wanted
from .types import Rule


@dataclass(slots=True)
class Prepared:
    """A chunk whose objects are on local disk."""

    staged: Staged
    folder: Path
    plain: tuple[Rule, ...] = ()
    tuned: tuple[Rule, ...] = ()
    """What the first file said of the types."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A chunk on its way to scratch. Whoever does not load it must `feed.leave()`."""

    feed: Feed
    prepared: Future[Prepared]


def begin(
    pool: Executor,
    table: PlanTable,
    wanted: Sequence[Wanted],
    store: Store,
    folder: Path,
    progress: Progress,
    fields: Fields | None = None,
) -> Coming:
    """Let `pool` prepare a chunk, and pass its rows on as they are decoded if it is a large one."""
    feed = Feed()
    if table.read_as is not None or not goes_once(wanted):
        feed.void()
    return Coming(feed, pool.submit(prepare, table, wanted, store, folder, progress, feed, fields))


def prepare(
    table: PlanTable,
    wanted: Sequence[Wanted],
    store: Store,
    folder: Path,
    progress: Progress,
    feed: Feed | None = None,
    fields: Fields | None = None,
) -> Prepared:
    """Stage one chunk. `fields` are the columns of a text format, where they are known already."""
    folder.mkdir(parents=True, exist_ok=True)

    def advance(objects: int, size: int) -> None:
        progress.advance(size)

    try:
        if table.read_as is not None:
            text = TextRows(FORMATS[table.format], table.read_as)
            return _prepare_text(
                table, stage_text.fetch(store, wanted, folder, text, advance), text, folder, fields
            )
        reading = ParquetRows(columns=described(table))
        guess = _Guess(table)

        def profile_as(path: Path) -> tuple[Profiled, ...]:
            try:
                schema = pq.read_schema(path).remove_metadata()
            except (pa.ArrowException, OSError) as error:
                raise ObjectUnreadable(f"{path.name} cannot be read: {error}") from error
            alone = reading.alone(path, schema.names)
            columns = guess.profile_as(path, alone)
            if feed is not None:
                for name in alone.added():
                    schema = schema.append(pa.field(name, pa.string()))
                feed.open(First(schema=schema, plain=guess.plain, tuned=guess.tuned))
            return columns

        staged = stage(store, wanted, folder, reading, profile_as, advance, feed)
    finally:
        if feed is not None:
            feed.close()
    return Prepared(staged=staged, folder=folder, plain=guess.plain, tuned=guess.tuned)


def _prepare_text(
    table: PlanTable, staged: Staged, reading: TextRows, folder: Path, fields: Fields | None
) -> Prepared:
    """Choose the columns, unless they are known, and let the second engine read every object."""
    guess = _Guess(table)
    if staged.unreadable or not staged.files:
        return Prepared(staged=staged, folder=folder)
    if fields is None:
        survey = stage_text.survey(staged, reading)
        fields = reading.format.fields(survey, reading.of_objects())
    reading.fields = fields
    (sample,) = staged.sample()
    stage_text.profile(staged, reading, guess.profile_as(Path(sample), reading))
    return Prepared(staged=staged, folder=folder, plain=guess.plain, tuned=guess.tuned)


class _Guess:
    """What one file says of the types of a whole table."""

    def __init__(self, table: PlanTable) -> None:
        self._table = table
        self.plain: tuple[Rule, ...] = ()
        self.tuned: tuple[Rule, ...] = ()

    def profile_as(self, path: Path, reading: Rows) -> tuple[Profiled, ...]:
        with cursor() as connection:
            reading.open(connection, by_name=False)
            self.plain, _ = propose(connection, [path], reading, self._table.table)
            try:
                facts = probe.probe(connection, [str(path)], self.plain, probe.SAMPLE_ROWS)
            except duckdb.Error as error:
                raise ObjectUnreadable(f"{path.name} cannot be read: {error}") from error
        self.tuned = probe.tune(self.plain, facts)
        return source_columns(self.tuned)


def described(table: PlanTable) -> tuple[SourceColumn, ...]:
    """Return the source types of a Parquet table: the export's, else those configured."""
    types = table.types or {}
    return table.columns or tuple(
        SourceColumn(name=name, source_type=kind) for name, kind in types.items()
    )


def propose(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], reading: Rows, table: str
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Choose rules for the columns of some files; their true names are read from the files."""
    try:
        names = reading.names(paths)
        files = [str(path) for path in paths]
        return probe.propose(connection, files, names, reading.described)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise ObjectUnreadable(f"the columns of {table} cannot be read: {error}") from error


def blame(table: PlanTable, staged: Staged, error: ObjectUnreadable) -> ObjectUnreadable:
    """Return the error with the object that causes it: the first that cannot be read by itself."""
    if error.key:
        return error
    there = [(Path(p), item) for p, item in zip(staged.paths, staged.wanted, strict=True) if p]
    for path, item in there:
        try:
            with cursor() as connection:
                staged.reading.open(connection, by_name=False)
                propose(connection, [path], staged.reading, table.table)
        except ObjectUnreadable as own:
            message = own.message.replace(str(path), item.key)
            return ObjectUnreadable(f"{item.key}: {message}", key=item.key, hint=error.hint)
    if len(there) == 1:
        key = there[0][1].key
        return ObjectUnreadable(f"{key}: {error.message}", key=key, hint=error.hint)
    return error


def refuse_unreadable(table: PlanTable, staged: Staged) -> None:
    """Raise one error that names every object that cannot be read (many: the first ones)."""
    if staged.failed_store is not None:
        raise staged.failed_store
    if not staged.unreadable:
        return
    named = sorted(staged.unreadable, key=lambda error: error.key)
    lines = [error.message for error in named[:MAX_NAMED]]
    if len(named) > MAX_NAMED:
        lines.append(f"... and {len(named) - MAX_NAMED} more")
    raise ObjectUnreadable(
        f"{table.table}: {len(named)} of {len(staged.wanted)} objects cannot be used\n  "
        + "\n  ".join(lines),
        key=named[0].key,
        hint=named[0].hint,
    )


def unified(
    connection: duckdb.DuckDBPyConnection,
    table: PlanTable,
    sample: Sequence[Path],
    reading: Rows,
    rules: Sequence[Rule],
) -> list[str]:
    """Return the columns that differ between the files; refuse what would lose values.

    `sample` has one file of each schema; `rules` are for all of them together.
    """
    by_name = {rule.source_name.lower(): rule for rule in rules}
    spelled = {name for path in sample for name in reading.names([path])}
    if len(spelled) > len({name.lower() for name in spelled}):
        raise SchemaDrift(
            f"{table.table}: its objects have different columns, and some column names "
            "differ only in case, so they cannot be matched by name",
            hint="export the table again",
        )
    differing: set[str] = set()
    declared = {column.name.lower() for column in table.columns}
    for path in sample:
        columns = probe.file_columns(connection, [str(path)], reading.names([path]))
        found = {column.source_name.lower(): column for column in columns}
        strange = sorted(found.keys() - declared) if declared else []
        if strange:
            raise SchemaDrift(
                f"{table.table}: some of its objects have columns that others lack and "
                f"the export's metadata does not know: {', '.join(strange[:5])}",
                hint="a footer may be damaged: export the table again",
            )
        differing |= {by_name[name].source_name for name in by_name.keys() - found.keys()}
        for name, column in found.items():
            target = by_name[name].read_type
            if column.read_type == target:
                continue
            differing.add(column.source_name)
            if not types.widens(column.read_type, target):
                raise SchemaDrift(
                    f"{table.table}: column {column.source_name!r} is {column.read_type} "
                    f"in some objects, and {target} would not hold every value of it",
                    hint="export the table again; schema_drift that loses values is refused",
                )
    return sorted(differing)
