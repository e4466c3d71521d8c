"""CSV: plain exports of other tools, and DMS targets with DataFormat=csv.

In:  files with records as RFC 4180 has them, plain or gzip, UTF-8. Out: every value as text.

* A value with quotes, delimiters or line breaks is quoted, its quotes doubled. A quote anywhere
  else, text around quotes, or a carriage return that ends no line is refused: readers disagree
  on what they mean (DuckDB drops spaces around quotes, others keep them with the quotes).
* Lines end in LF or CRLF, also mixed; line breaks inside quotes are kept as they are.
* `FormatOptions.null_text` (default: nothing) without quotes is NULL, the same in quotes is text.
  So is any other text, `NULL` or `\\N`, unless it is the `null_text`.
* A blank line is a record where there is one column, and nothing where there are more.
* The header names the columns; it comes before any row, blank lines before it do not count. A
  column without a name is called by its place, `column_3`. Two columns of one name are refused.
* Objects may have other columns, in another order: they are matched by exact name.
* Zero bytes, or nothing but a header, are no rows.

DuckDB reads *converted* files (`convert`): decompressed, each record on one line that ends in LF,
no blank lines, line breaks inside of values escaped (the macro puts them back), and a header whose
names are spelled as hexadecimal digits. Left to itself, DuckDB 2.0.0 trims names and takes them
without regard to case, loses all rows of a file whose first line break is a CRLF inside quotes, and
cannot read lines of which some end in CRLF; and its parallel reader takes a line break inside
quotes for the end of a record where its buffers meet.

`decode` and `rows` take the objects themselves as well as converted files. The lines that they name
are those of the file they are given: it should be the object itself, which also makes them
independent of the conversion.

DMS writes its NULLs as CsvNullValue, which is `NULL` where nobody has set it, and quotes values
with quotes or line breaks in them (Rfc4180): a text that is the CsvNullValue is lost at the source.

Formats: https://www.rfc-editor.org/rfc/rfc4180;
https://docs.aws.amazon.com/dms/latest/APIReference/API_S3Settings.html (CsvNullValue, Rfc4180,
AddColumnName; as in the service model of botocore), read 2026-11.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
from sqlglot import exp

from ..model import DateStats
from ..sql import query
from .columns import create, filled, known_types
from .csv_records import CONVERTED, MARK, Header, check, grammar_of, header_of, misfit, opened
from .dates import date_stats
from .interface import Field, Fields, FormatOptions, Malformed, Survey
from .text import BLOCK_BYTES, beginning, blocks, check_utf8

if TYPE_CHECKING:
    import duckdb

_BY_NAME = "by name"


class Csv:
    """The `Format` of CSV objects."""

    name = "csv"
    ready = False
    is_converted = False
    decodes_objects = True

    def convert(self, source: Path, target: Path, options: FormatOptions) -> None:
        """Write the file that DuckDB reads; see the module. Raises: Malformed"""
        header, given = opened(source, options)
        with target.open("wb") as file:
            if header.names:
                spelled = [f'"{_spelled(name)}"'.encode() for name in header.names]
                file.write(options.delimiter.encode().join(spelled) + b"\n")
            for line, block in given:
                if wrong := misfit(line, block, len(header.names), options.delimiter):
                    raise wrong
                file.write(_plain(block, len(header.names), options.null_text))

    def rows(self, path: Path, options: FormatOptions) -> int:
        """Count the records by their line breaks outside of quotes. Raises: Malformed"""
        check(options)
        count = _Count(options.delimiter.encode())
        for block in blocks(path):
            count.add(block)
        return count.rows(options)

    def survey(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], options: FormatOptions
    ) -> Survey:
        """Read the header of each file. A column's kind is its place, and counts objects, not rows.

        Raises: Malformed
        """
        found: Survey = {}
        for file in files:
            header, _ = opened(Path(file), options)
            for place, name in enumerate(header.names, 1):
                kinds = found.setdefault(name, {})
                kind = f"column {place} of {len(header.names)}"
                kinds[kind] = kinds.get(kind, 0) + 1
        return found

    def fields(self, survey: Survey, options: FormatOptions) -> Fields:
        """Take every column. Raises: ConfigError if a type is configured for none of them."""
        known_types(survey, options)
        kinds = {kind for kinds in survey.values() for kind in kinds}
        alike = kinds == {f"column {place} of {len(survey)}" for place in range(1, len(survey) + 1)}
        alike = alike and all(len(kinds) == 1 for kinds in survey.values())
        return Fields(
            fields=tuple(
                Field(
                    name=name,
                    kind=next(iter(kinds)) if alike else _BY_NAME,
                    source_type=options.types.get(name, ""),
                )
                for name, kinds in survey.items()
            )
        )

    def open_source(
        self,
        connection: duckdb.DuckDBPyConnection,
        fields: Fields,
        options: FormatOptions,
        macro: str = "staged",
    ) -> None:
        """Define the macro staged(files) over converted files."""
        check(options)
        if not fields.fields:
            create(connection, filled(query("formats/no_columns"), {}), macro)
            return
        values: dict[str, exp.Expression] = {
            "delimiter": exp.Literal.string(options.delimiter),
            "null_text": exp.Literal.string(options.null_text),
        }
        connection.execute(query("formats/csv_unescaped"))
        names = [f"f{no}" for no in range(len(fields.fields))]
        if fields.fields[0].kind == _BY_NAME:
            names = [_spelled(name) for name in fields.names]
            statement = filled(query("formats/csv_by_name"), values)
            for table in list(statement.find_all(exp.Table)):
                if table.name == "no_rows":
                    table.replace(_no_rows(names))
        else:
            text = exp.Literal.string("VARCHAR")
            values["columns"] = exp.Struct(
                expressions=[
                    exp.PropertyEQ(this=exp.to_identifier(name), expression=text.copy())
                    for name in names
                ]
            )
            statement = filled(query("formats/csv_by_place"), values)
        _choose(statement, names)
        create(connection, statement, macro)

    def decode(self, path: Path, fields: Fields, options: FormatOptions) -> Iterator[pa.Table]:
        """Yield the rows as Arrow's own parser reads them. Raises: Malformed, naming the line"""
        header, given = opened(path, options)
        unknown = sorted(set(header.names) - set(fields.names))
        if unknown:
            raise Malformed(f"line 1: the column {unknown[0]!r} was not there when it was surveyed")
        schema = pa.schema([(name, pa.string()) for name in fields.names])
        for line, block in given:
            table = _parsed(line, block, header, options)
            if not table.num_rows:
                continue
            places = {name: place for place, name in enumerate(header.names)}
            missing = pa.nulls(table.num_rows, pa.string())
            columns = [
                table.column(places[name]) if name in places else missing for name in fields.names
            ]
            yield pa.table(columns, schema=schema)

    def peek(self, head: bytes, options: FormatOptions) -> tuple[DateStats, ...]:
        """Say which columns look like days, from the whole records at the beginning."""
        grammar = grammar_of(options.delimiter)
        text = beginning(head).lstrip(b"\r\n")
        found = grammar.records.match(text)
        records = text[: found.end() if found else 0]
        if not records:
            return ()
        first = grammar.values.match(records)
        assert first is not None
        end = records.index(b"\n", first.end()) + 1
        try:
            check_utf8(records, 1)
            header = header_of(records[:end], 1, options, grammar)
            rows = records[end:] if header.stands else records
            table = _parsed(1, rows, header, options) if rows.strip(b"\r\n") else None
        except Malformed:
            return ()  # what is wrong will be said when the whole object is read
        if table is None:
            return ()
        values = {name: table.column(place).to_pylist() for place, name in enumerate(header.names)}
        return date_stats(values)


# --- conversion -----------------------------------------------------------------------------------

_BLANK_LINES = re.compile(rb"(?<=\n)\n+")
_ESCAPE = b"\x1a"
_ESCAPES = {_ESCAPE: _ESCAPE + b"0", b"\n": _ESCAPE + b"1", b"\r": _ESCAPE + b"2"}
"""How a converted file spells what stands in a value; the escape itself comes first."""


def _spelled(name: str) -> str:
    """Return how the header of a converted file calls a column."""
    return MARK + name.encode().hex()


def _plain(block: bytes, width: int, null_text: str) -> bytes:
    """Return records each of which is one line, ended by LF. Blank lines go, or are written out."""
    block = block.replace(_ESCAPE, _ESCAPES[_ESCAPE])
    parts = block.split(b'"')  # well-formed: every second part is inside of quotes
    if b"\r" in block:
        parts[::2] = [part.replace(b"\r\n", b"\n") for part in parts[::2]]
        parts[1::2] = [part.replace(b"\r", _ESCAPES[b"\r"]) for part in parts[1::2]]
    parts[1::2] = [part.replace(b"\n", _ESCAPES[b"\n"]) for part in parts[1::2]]
    if width > 1 or null_text:  # where there is one column, DuckDB as well takes a blank for NULL
        # an empty text that is not NULL has to be quoted
        _fill_blanks(parts, b'""\n' if width == 1 else b"")
    return b'"'.join(parts)


def _fill_blanks(parts: list[bytes], instead: bytes) -> None:
    """Put something in the place of blank lines; `parts` are inside of quotes every second time."""
    content = parts[0].lstrip(b"\n")
    parts[0] = instead * (len(parts[0]) - len(content)) + content
    parts[::2] = [
        _BLANK_LINES.sub(lambda found: instead * len(found[0]), part) if b"\n\n" in part else part
        for part in parts[::2]
    ]


def _unescaped(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values of a converted file as they were."""
    import pyarrow.compute as pc  # no run over Parquet waits for it

    if not pc.any(pc.match_substring(values, _ESCAPE.decode())).as_py():
        return values
    for given, spelled in reversed(_ESCAPES.items()):
        values = pc.replace_substring(values, spelled.decode(), given.decode())
    return values


def _choose(macro: exp.Expression, names: Sequence[str]) -> None:
    """Let the macro give columns of its source as f0, f1, ..., unescaped; in place."""
    outer = macro.expression
    assert isinstance(outer, exp.Select)
    columns = [
        exp.alias_(
            exp.Anonymous(this="unescaped", expressions=[exp.column(name, quoted=True)]), f"f{no}"
        )
        for no, name in enumerate(names)
    ]
    outer.select(
        *columns, exp.column("compactor source file", quoted=True), append=False, copy=False
    )


def _no_rows(names: Sequence[str]) -> exp.Expression:
    """Return a table of all columns, without rows."""
    none = exp.cast(exp.null(), "VARCHAR", dialect="duckdb")
    columns = [exp.alias_(none.copy(), name, quoted=True) for name in names]
    return exp.select(*columns).where(exp.false()).subquery("no_rows")


# --- counting -------------------------------------------------------------------------------------

_BLANK = re.compile(rb"(?<=\n)\n")


class _Count:
    """Counts records by line breaks outside of quotes, without looking at values."""

    def __init__(self, delimiter: bytes) -> None:
        self._delimiter = delimiter
        self._inside = False
        self._ends = b"\n"  # line breaks at the end of what has been counted
        self._filled = 0
        self._blank = 0
        self._leading = 0
        self._first = b""
        """The first record, without what stands in quotes."""
        self._first_ended = False
        self._start = b""

    def add(self, block: bytes) -> None:
        if len(self._start) < len(CONVERTED):
            self._start += block[: len(CONVERTED)]
        parts = block.split(b'"')
        outside = b"x".join(parts[self._inside :: 2])
        if self._inside:
            outside = b"x" + outside
        self._inside ^= not len(parts) % 2
        if self._inside:
            outside += b"x"
        self._lines(outside.replace(b"\r", b""))

    def _lines(self, text: bytes) -> None:
        """Count the lines of text from which everything in quotes has been taken."""
        breaks = text.count(b"\n")
        joined = self._ends[-1:] + text
        blank = len(_BLANK.findall(joined)) if b"\n\n" in joined else 0
        if not self._filled and not self._first:
            leading = len(text) - len(text.lstrip(b"\n"))
            self._leading += leading
        if not self._first_ended:
            line, ended, _ = text.lstrip(b"\n" if not self._first else b"").partition(b"\n")
            self._first += line
            self._first_ended = bool(ended)
        self._blank += blank
        self._filled += breaks - blank
        if text:
            self._ends = text[-1:]

    def rows(self, options: FormatOptions) -> int:
        """Return the number of rows. Raises: Malformed if a quote is open at the end."""
        if self._inside:
            raise Malformed("a quote is never closed: the last record has no end")
        filled = self._filled + (self._ends != b"\n")
        has_header = options.header or self._start.startswith(CONVERTED)
        wide = self._delimiter in self._first
        if not filled:
            return self._blank if not has_header and len(options.names) < 2 else 0
        if not has_header:
            return filled + (0 if wide else self._blank)
        return filled - 1 + (0 if wide else self._blank - self._leading)


# --- the second parser ----------------------------------------------------------------------------


def _parsed(line: int, block: bytes, header: Header, options: FormatOptions) -> pa.Table:
    """Parse whole records with Arrow. Raises: Malformed, naming the line"""
    width = len(header.names)
    names = [str(place) for place in range(width)]
    # Arrow takes a byte order mark off each block, and has none of blocks without a record: a
    # blank line before them is skipped, or makes one row that is taken off again
    given = pa.py_buffer(b"\n" + block)
    if width > 1 and not block.strip(b"\r\n"):
        return pa.table({name: pa.array([], pa.string()) for name in names})
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(given),
            read_options=pa_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=len(block) + BLOCK_BYTES
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=options.delimiter, newlines_in_values=True, ignore_empty_lines=width > 1
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[options.null_text],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise misfit(line, block, width, options.delimiter) or Malformed(
            f"from line {line}: {error}"
        ) from error
    table = table if width > 1 else table.slice(1)
    if header.is_converted:
        columns = [_unescaped(table.column(name)) for name in names]
        table = pa.table(columns, names=names)
    return table
