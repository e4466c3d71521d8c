"""How the rows of one table's staged files are read, by DuckDB and by the second engine.

In:  paths. Out: columns, a macro for DuckDB, Arrow tables. IO: scratch reads.

Rows may lack columns whose value follows from an object's key (`Wanted.keyed`: hive partitions, the
operation of a full load). They are added where no file of the table has a column of that name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from . import staged_rows
from .formats.interface import Fields, Format, FormatOptions
from .model import SourceColumn
from .store.interface import Wanted

if TYPE_CHECKING:
    import duckdb

Keyed = tuple[tuple[str, str | None], ...]
BATCH_ROWS = 122_880


class Rows(Protocol):
    """The files of one table."""

    keyed: dict[str, Keyed]
    """By path; only for files that have any."""

    @property
    def described(self) -> tuple[SourceColumn, ...]:
        """Columns with their source types, where somebody knows them."""
        ...

    def names(self, paths: Iterable[Path]) -> list[str]:
        """Return the true names of the columns of some files, in the order that DuckDB has."""
        ...

    def open(self, connection: duckdb.DuckDBPyConnection, *, by_name: bool) -> None:
        """Define the macro staged(files)."""
        ...

    def decode(self, path: Path) -> Iterator[pa.Table]:
        """Yield a file's rows for the second engine, in batches. Raises: ValueError, OSError"""
        ...


@dataclass(slots=True)
class ParquetRows:
    columns: tuple[SourceColumn, ...] = ()
    keyed: dict[str, Keyed] = field(default_factory=dict)
    key_names: set[str] = field(default_factory=set)
    """Columns that any key of the table adds."""
    own: set[str] = field(default_factory=set)
    """Lower-cased names of columns that some file has itself."""
    having: dict[str, set[str]] = field(default_factory=dict)
    """The same by path."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def described(self) -> tuple[SourceColumn, ...]:
        return self.columns

    def alone(self, path: Path, names: Iterable[str]) -> ParquetRows:
        """Return how one file is read by itself, while others may still be coming."""
        found = ParquetRows(columns=self.columns, key_names=set(self.key_names))
        if str(path) in self.keyed:
            found.keyed[str(path)] = self.keyed[str(path)]
        found.saw(str(path), names)
        return found

    def names(self, paths: Iterable[Path]) -> list[str]:
        found: dict[str, None] = {}
        for path in paths:
            found.update(dict.fromkeys(pq.read_schema(path).names))
        folded = {name.lower() for name in found}
        return [
            *found,
            *(name for name in self.contested() if name.lower() not in folded),
            *self.added(),
        ]

    def expect(self, wanted: Iterable[Wanted]) -> None:
        """Take note of the columns that keys will add."""
        self.key_names |= {name for item in wanted for name, _ in item.keyed}

    def saw(self, path: str, names: Iterable[str]) -> None:
        """Take note of the columns of a file."""
        if self.key_names:
            own = {name.lower() for name in names}
            with self._lock:
                self.own |= own
                self.having[path] = own

    def added(self) -> list[str]:
        """Return the columns that only keys give, in a fixed order."""
        return _added(self.key_names, self.own)

    def contested(self) -> list[str]:
        """Return the columns that keys give to those files that lack them, in a fixed order."""
        return sorted(name for name in self.key_names if name.lower() in self.own)

    def open(self, connection: duckdb.DuckDBPyConnection, *, by_name: bool) -> None:
        if not self.key_names:
            staged_rows.open_source(connection, by_name=by_name)
            return
        values = {
            path: [
                (name, value)
                for name, value in pairs
                if name.lower() not in self.having.get(path, ())
            ]
            for path, pairs in self.keyed.items()
        }
        staged_rows.open_keyed_parquet(connection, values, self.added(), self.contested())

    def decode(self, path: Path) -> Iterator[pa.Table]:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield self.complete(file.schema_arrow.empty_table(), str(path))
            for batch in file.iter_batches(BATCH_ROWS):
                yield self.complete(pa.Table.from_batches([batch]), str(path))

    def complete(self, table: pa.Table, path: str) -> pa.Table:
        """Return the rows of a file with the columns that its key adds."""
        if not self.key_names:
            return table
        own = {name.lower() for name in table.schema.names}
        return _complete(table, self.keyed.get(path, ()), _added(self.key_names, own))


@dataclass(slots=True)
class TextRows:
    format: Format
    options: FormatOptions
    fields: Fields = field(default_factory=lambda: Fields(fields=()))
    keyed: dict[str, Keyed] = field(default_factory=dict)
    objects: dict[str, Path] = field(default_factory=dict)
    """The objects themselves, by the path of what was made of them for DuckDB."""

    def of_others(self) -> TextRows:
        """Return how other files with the same columns are read."""
        return TextRows(self.format, self.options, self.fields)

    @property
    def described(self) -> tuple[SourceColumn, ...]:
        own = [SourceColumn(name=f.name, source_type=f.source_type) for f in self.fields.fields]
        types = self.options.types
        return (
            *own,
            *(SourceColumn(name=n, source_type=types.get(n, "")) for n in self.added()),
        )

    def of_objects(self) -> FormatOptions:
        """Return the options without what concerns columns that only keys add."""
        added = {name for pairs in self.keyed.values() for name, _ in pairs}
        types = {name: kind for name, kind in self.options.types.items() if name not in added}
        return self.options.model_copy(update={"types": types})

    def names(self, paths: Iterable[Path]) -> list[str]:
        return [*self.fields.names, *self.added()]

    def added(self) -> list[str]:
        names = {name for pairs in self.keyed.values() for name, _ in pairs}
        return _added(names, {name.lower() for name in self.fields.names})

    def open(self, connection: duckdb.DuckDBPyConnection, *, by_name: bool) -> None:
        if not self.keyed:
            self.format.open_source(connection, self.fields, self.options)
            return
        self.format.open_source(connection, self.fields, self.options, macro="staged_files")
        staged_rows.add_keyed(connection, self.keyed, self.added())

    def decode(self, path: Path) -> Iterator[pa.Table]:
        own, added = self.keyed.get(str(path), ()), self.added()
        given = self.objects.get(str(path), path)
        for table in self.format.decode(given, self.fields, self.options):
            yield _complete(table, own, added)


def _added(names: Iterable[str], own: set[str]) -> list[str]:
    return sorted(name for name in names if name.lower() not in own)


def _complete(table: pa.Table, own: Keyed, added: Sequence[str]) -> pa.Table:
    values = dict(own)
    for name in added:
        column = pa.repeat(pa.scalar(values.get(name), pa.string()), table.num_rows)
        table = table.append_column(name, column)
    return table
