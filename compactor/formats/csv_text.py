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

DuckDB reads *converted* files (`convert`): decompressed, lines ended by LF, no blank lines, and a
header whose names are spelled as hexadecimal digits. So its sniffer, which trims names, takes them
without regard to case and guesses what ends a line, has nothing to guess. Values are not touched.
`decode` and `rows` take converted files as well as the objects themselves.

Formats: https://www.rfc-editor.org/rfc/rfc4180;
https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.S3.html (CsvDelimiter, CsvNullValue,
Rfc4180, AddColumnName), both read 2026-11.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
from sqlglot import exp

from ..errors import ConfigError
from ..model import DateStats
from ..sql import query
from .columns import create, filled, known_types
from .dates import date_stats
from .interface import Field, Fields, FormatOptions, Malformed, Survey
from .text import BLOCK_BYTES, MAX_RECORD_BYTES, beginning, blocks, check_utf8

if TYPE_CHECKING:
    import duckdb

_MARK = "compactor:"
"""Before the digits of each name in the header of a converted file."""
_CONVERTED = re.compile(rb"(?:compactor:(?:[0-9a-f]{2})+)")
_BY_NAME = "by name"


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Patterns over bytes, for one delimiter. None of them backtracks."""

    delimiter: bytes
    value: re.Pattern[bytes]
    values: re.Pattern[bytes]
    """As many values as there are, each with its delimiter, and one more."""
    records: re.Pattern[bytes]
    """As many whole records as there are."""
    started: re.Pattern[bytes]
    """A record of which more may come."""


@functools.cache
def _grammar(delimiter: str) -> _Grammar:
    """Raises: ConfigError if the delimiter cannot be one."""
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise ConfigError(
            f"{delimiter!r} cannot be the delimiter of CSV: expected one ASCII character that is "
            "no quote and ends no line"
        )
    between = re.escape(delimiter.encode())
    plain = rb'[^"\r\n' + between + rb"]*+"
    value = rb'(?:"[^"]*+"(?:"[^"]*+")*+|' + plain + rb")"
    values = rb"(?:" + value + between + rb")*+"
    cut = rb'(?:"(?:[^"]++|"")*+(?:"\r?)?|' + plain + rb"\r?)"
    return _Grammar(
        delimiter=delimiter.encode(),
        value=re.compile(value),
        values=re.compile(values + value),
        records=re.compile(rb"(?:" + values + value + rb"\r?\n)*+"),
        started=re.compile(values + cut),
    )


def _records(path: Path, grammar: _Grammar) -> Iterator[tuple[int, bytes]]:
    """Yield (number of its first line, whole records); every record ends in a line break.

    All that is yielded is well-formed CSV and UTF-8. Raises: Malformed
    """
    line, rest = 1, b""
    for block in blocks(path):
        rest += block
        end = _whole(rest, grammar)
        if end:
            yield _checked(rest[:end], line)
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        if not grammar.started.fullmatch(rest) or len(rest) > MAX_RECORD_BYTES:
            raise _malformed(rest, line, grammar)
    if rest:
        rest += b"\n"
        if _whole(rest, grammar) != len(rest):
            raise _malformed(rest, line, grammar)
        yield _checked(rest, line)


def _whole(block: bytes, grammar: _Grammar) -> int:
    """Return where the last whole record ends (or the last one before something malformed)."""
    if b'"' not in block and block.count(b"\r") == block.count(b"\r\n"):
        return block.rfind(b"\n") + 1
    found = grammar.records.match(block)
    return found.end() if found else 0


def _checked(block: bytes, line: int) -> tuple[int, bytes]:
    check_utf8(block, line)
    return line, block


def _malformed(rest: bytes, line: int, grammar: _Grammar) -> Malformed:
    """Say what is wrong with the record that `rest` begins with."""
    if len(rest) > MAX_RECORD_BYTES and grammar.started.fullmatch(rest):
        return Malformed(
            f"line {line}: a record of more than {MAX_RECORD_BYTES >> 20} MiB begins here; a quote "
            "that is not closed looks like that"
        )
    found = grammar.values.match(rest)
    place = found.end() if found else 0
    line += rest.count(b"\n", 0, place)
    if rest[place : place + 1] != b'"':
        what = "a carriage return that ends no line and is not in quotes"
        if rest[place : place + 1] != b"\r":
            what = "text after a closing quote"
        return Malformed(f"line {line}: {what}")
    before = rest[place - 1 : place]
    if place == 0 or before in (grammar.delimiter, b"\n"):
        return Malformed(f"line {line}: the quote that opens here is never closed")
    return Malformed(
        f"line {line}: a quote inside a value that is not in quotes; expected the value in quotes "
        "and its own quotes doubled"
    )


def _cells(record: bytes, grammar: _Grammar) -> list[bytes]:
    """Return the values of one well-formed record, unquoted."""
    record = record.removesuffix(b"\n").removesuffix(b"\r")
    cells, place = [], 0
    while True:
        found = grammar.value.match(record, place)
        assert found is not None
        cell = found[0]
        cells.append(cell[1:-1].replace(b'""', b'"') if cell.startswith(b'"') else cell)
        if found.end() >= len(record):
            return cells
        place = found.end() + 1


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns of one object."""

    names: tuple[str, ...] = ()
    unnamed: frozenset[int] = frozenset()
    """Places of the columns that have no name of their own."""
    stands: bool = False
    """Whether a record of the object names the columns."""


def _header(first: bytes, line: int, options: FormatOptions, grammar: _Grammar) -> _Header:
    """Return the columns that the first record of an object tells. Raises: Malformed"""
    cells = _cells(first, grammar)
    if all(_CONVERTED.fullmatch(cell) for cell in cells):
        digits = [cell.decode().removeprefix(_MARK) for cell in cells]
        return _Header(tuple(bytes.fromhex(one).decode() for one in digits), stands=True)
    named = [cell.decode() for cell in cells] if options.header else list(options.names)
    named = named or [""] * len(cells)
    if len(named) != len(cells):
        raise Malformed(
            f"line {line}: expected {len(named)} values, as many as names are configured, found "
            f"{len(cells)}"
        )
    unnamed = frozenset(place for place, name in enumerate(named) if not name)
    names = tuple(name or f"column_{place}" for place, name in enumerate(named, 1))
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise Malformed(f"line {line}: two columns are named {twice[0]!r}")
    return _Header(names, unnamed if options.header else frozenset(), options.header)


def _opened(path: Path, options: FormatOptions) -> tuple[_Header, Iterator[tuple[int, bytes]]]:
    """Return the columns of an object, and its rows as blocks of whole records with line numbers.

    Raises: Malformed, here or while the blocks are taken.
    """
    grammar = _grammar(options.delimiter)
    given = _records(path, grammar)
    blank: list[tuple[int, bytes]] = []
    for line, block in given:
        content = block.lstrip(b"\r\n")
        if not content:
            blank.append((line, block))
            continue
        start = len(block) - len(content)
        found = grammar.values.match(content)
        assert found is not None
        end = content.index(b"\n", found.end()) + 1
        at = line + block.count(b"\n", 0, start)
        header = _header(content[:end], at, options, grammar)
        if header.stands:
            rest = (at + content.count(b"\n", 0, end), content[end:])
            return header, _chain([rest], given)
        return header, _chain([*blank, (line, block)], given)
    if blank and not options.header and len(options.names) < 2:
        return _Header(options.names or ("column_1",)), iter(blank)
    return _Header(), iter(())


def _chain(
    first: Sequence[tuple[int, bytes]], more: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, bytes]]:
    yield from (one for one in first if one[1])
    yield from more


class Csv:
    """The `Format` of CSV objects."""

    name = "csv"
    ready = False
    decodes_objects = True

    def convert(self, source: Path, target: Path, options: FormatOptions) -> None:
        """Write the file that DuckDB reads; see the module. Raises: Malformed"""
        header, given = _opened(source, options)
        with target.open("wb") as file:
            if header.names:
                spelled = [_spelled(name).encode() for name in header.names]
                file.write(options.delimiter.encode().join(spelled) + b"\n")
            for _, block in given:
                file.write(_plain(block, len(header.names), options.null_text))

    def rows(self, path: Path, options: FormatOptions) -> int:
        """Count the records by their line breaks outside of quotes. Raises: Malformed"""
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
            header, _ = _opened(Path(file), options)
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
        _grammar(options.delimiter)
        if not fields.fields:
            create(connection, filled(query("formats/no_columns"), {}), macro)
            return
        values: dict[str, exp.Expression] = {
            "delimiter": exp.Literal.string(options.delimiter),
            "null_text": exp.Literal.string(options.null_text),
        }
        if fields.fields[0].kind == _BY_NAME:
            statement = filled(query("formats/csv_by_name"), values)
            _choose(statement, fields)
        else:
            values["columns"] = exp.Struct(
                expressions=[
                    exp.PropertyEQ(
                        this=exp.to_identifier(f"f{no}"), expression=exp.Literal.string("VARCHAR")
                    )
                    for no in range(len(fields.fields))
                ]
            )
            statement = filled(query("formats/csv_by_place"), values)
        create(connection, statement, macro)

    def decode(self, path: Path, fields: Fields, options: FormatOptions) -> Iterator[pa.Table]:
        """Yield the rows as Arrow's own parser reads them. Raises: Malformed, naming the line"""
        header, given = _opened(path, options)
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
        grammar = _grammar(options.delimiter)
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
            header = _header(records[:end], 1, options, grammar)
            rows = records[end:] if header.stands else records
            table = _parsed(1, rows, header, options) if rows.strip(b"\r\n") else None
        except Malformed:
            return ()  # what is wrong will be said when the whole object is read
        if table is None:
            return ()
        values = {name: table.column(place).to_pylist() for place, name in enumerate(header.names)}
        return date_stats(values)


# --- conversion -----------------------------------------------------------------------------------

_LINE_BREAKS = re.compile(rb"(?<=\n)\n+")


def _spelled(name: str) -> str:
    return _MARK + name.encode().hex()


def _plain(block: bytes, width: int, null_text: str) -> bytes:
    """Return records with their lines ended by LF; blank lines go, or stand for themselves."""
    if b"\r" not in block and b"\n\n" not in block and not block.startswith(b"\n"):
        return block
    parts = block.split(b'"')  # well-formed: every second part is inside of quotes
    parts[::2] = [part.replace(b"\r\n", b"\n") for part in parts[::2]]
    if width == 1 and not null_text:
        return b'"'.join(parts)  # a blank line is NULL for DuckDB, too
    instead = b'""\n' if width == 1 else b""  # an empty text that is not NULL has to be quoted
    if parts[0].startswith(b"\n"):
        content = parts[0].lstrip(b"\n")
        parts[0] = instead * (len(parts[0]) - len(content)) + content
    parts[::2] = [
        _LINE_BREAKS.sub(lambda found: instead * len(found[0]), part) if b"\n\n" in part else part
        for part in parts[::2]
    ]
    return b'"'.join(parts)


def _choose(macro: exp.Expression, fields: Fields) -> None:
    """Let the macro of csv_by_name give the fields as f0, f1, ..., in place."""
    spelled = [_spelled(name) for name in fields.names]
    none = exp.select(
        *[
            exp.alias_(exp.cast(exp.null(), "VARCHAR", dialect="duckdb"), name, quoted=True)
            for name in spelled
        ]
    ).where(exp.false())
    for table in list(macro.find_all(exp.Table)):
        if table.name == "no_rows":
            table.replace(none.subquery("no_rows"))
    outer = macro.expression
    assert isinstance(outer, exp.Select)
    columns = [
        exp.alias_(exp.column(name, quoted=True), f"f{no}") for no, name in enumerate(spelled)
    ]
    outer.select(
        *columns, exp.column("compactor source file", quoted=True), append=False, copy=False
    )


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
        self._converted = b""

    def add(self, block: bytes) -> None:
        if len(self._converted) < len(_MARK):
            self._converted += block.lstrip(b"\r\n")[: len(_MARK)]
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
        has_header = options.header or self._converted == _MARK.encode()
        wide = self._delimiter in self._first
        if not filled:
            return self._blank if not has_header and len(options.names) < 2 else 0
        if not has_header:
            return filled + (0 if wide else self._blank)
        return filled - 1 + (0 if wide else self._blank - self._leading)


# --- the second parser ----------------------------------------------------------------------------


def _parsed(line: int, block: bytes, header: _Header, options: FormatOptions) -> pa.Table:
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
        raise _misfit(line, block, width, options.delimiter) or Malformed(
            f"from line {line}: {error}"
        ) from error
    return table if width > 1 else table.slice(1)


def _misfit(line: int, block: bytes, width: int, delimiter: str) -> Malformed | None:
    """Return the error for the first record that has another number of values."""
    grammar = _grammar(delimiter)
    place = 0
    while place < len(block):
        found = grammar.values.match(block, place)
        assert found is not None
        end = block.index(b"\n", found.end()) + 1
        record = block[place:end]
        count = len(_cells(record, grammar))
        if count != width and not (width > 1 and not record.strip(b"\r\n")):
            return Malformed(f"line {line}: expected {width} values, found {count}")
        line += record.count(b"\n")
        place = end
    return None
