"""Formats other than Parquet: how rows lie in an object, for both engines.

A format is read twice, by code that has nothing in common: DuckDB reads the files through the macro
that `open_source` defines, the second engine takes what `decode` yields; their numbers are compared
like those of Parquet. Both show a value *as delivered*: what it becomes is decided by `types`.

Columns are not known before every object was looked at (`survey`): DynamoDB's items and JSON lines
have a schema each. The surveys of several chunks add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from ..model import DateStats, FormatOptions

if TYPE_CHECKING:
    import duckdb

__all__ = ["Field", "Fields", "Format", "FormatOptions", "Malformed", "Survey", "add_survey"]

Survey = dict[str, dict[str, int]]
"""Column name -> what its values are, in the format's own words -> number of rows. Names are in
the order in which columns shall come."""


class Malformed(ValueError):
    """An object is not what its format says; tells the line, what was expected, what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column that will be read."""

    name: str
    """As the source calls it; may hold anything, and may differ from another only in case."""
    kind: str = ""
    """What its values are, in the format's own words."""
    source_type: str = ""
    """Declared type by which `types` restores it; empty: as delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """The columns of a table, and what a person should know about how they were chosen."""

    fields: tuple[Field, ...]
    mixed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns whose rows do not agree on a type, with the kinds found: kept as JSON text."""
    left_out: tuple[str, ...] = ()
    """Attributes beyond `max_columns`, the most frequent first; they are in the item's text."""

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.fields]


class Format(Protocol):
    name: str
    """As tables of a scan and of a plan name it: `csv`, `json_lines`, `dynamodb_json`, ..."""
    ready: bool
    """False if `convert` must make a file of each object first."""
    decodes_objects: bool
    """The second engine decodes the object itself, not what `convert` made of it."""

    @property
    def is_converted(self) -> bool:
        """Neither engine reads the format: both read what one library made of it."""
        ...

    def convert(self, source: Path, target: Path, options: FormatOptions) -> None:
        """Write what both engines will read. Raises: Malformed"""
        ...

    def rows(self, path: Path, options: FormatOptions) -> int:
        """Count the rows without parsing them, as independently of the parsers as the format
        allows. Verifies the gzip trailer. Raises: Malformed"""
        ...

    def survey(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], options: FormatOptions
    ) -> Survey:
        """Look at every row of some files. Raises: duckdb.Error, Malformed"""
        ...

    def fields(self, survey: Survey, options: FormatOptions) -> Fields:
        """Choose the columns; the same survey gives the same columns. Pure."""
        ...

    def open_source(
        self,
        connection: duckdb.DuckDBPyConnection,
        fields: Fields,
        options: FormatOptions,
        macro: str = "staged",
    ) -> None:
        """Define the temporary table macro staged(files VARCHAR[]), or one of another name.

        Its columns are `f0`, `f1`, ... in the order of the fields (names are hostile), and
        `compactor source file` (VARCHAR), the path as it stands in `files`.
        """
        ...

    def decode(self, path: Path, fields: Fields, options: FormatOptions) -> Iterator[pa.Table]:
        """Yield a file's rows in bounded batches, for the second engine: columns named as the
        fields, in their order, with the Arrow types that correspond to what DuckDB reads.

        Verifies the gzip trailer. Raises: Malformed, naming the line."""
        ...

    def peek(self, head: bytes, options: FormatOptions) -> tuple[DateStats, ...]:
        """Say which columns could date rows, from the first bytes of an object (cut anywhere, still
        compressed). Empty where nothing can be said; never raises for content."""
        ...


def add_survey(total: Survey, more: Survey) -> None:
    """Add a survey to a total, in place."""
    for name, kinds in more.items():
        known = total.setdefault(name, {})
        for kind, rows in kinds.items():
            known[kind] = known.get(kind, 0) + rows
