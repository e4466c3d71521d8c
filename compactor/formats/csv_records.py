"""Where the records of CSV begin and end, and which columns they have.

In:  a file. Out: blocks of whole records, well-formed and UTF-8; the columns of the file. IO: reads
the file. Values are left as they stand: both engines parse them by themselves.

The grammar is that of RFC 4180, with lines that end in LF or CRLF; see `csv_text`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError
from .interface import FormatOptions, Malformed
from .text import BLOCK_BYTES, MAX_RECORD_BYTES, blocks, check_utf8

MARK = "compactor:"
"""Before the digits of each name in the header of a converted file."""
CONVERTED = f'"{MARK}'.encode()
"""How a converted file begins."""
_CONVERTED_NAME = re.compile(rb"compactor:(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Grammar:
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
def grammar_of(delimiter: str) -> Grammar:
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
    return Grammar(
        delimiter=delimiter.encode(),
        value=re.compile(value),
        values=re.compile(values + value),
        records=re.compile(rb"(?:" + values + value + rb"\r?\n)*+"),
        started=re.compile(values + cut),
    )


def check(options: FormatOptions) -> None:
    """Raises: ConfigError if no CSV can be read with these options"""
    grammar_of(options.delimiter)
    if any(char in options.null_text for char in (options.delimiter, '"', "\r", "\n", "\x1a")):
        raise ConfigError(
            f"{options.null_text!r} cannot be null_text: it has to stand as a value without quotes"
        )


def records(path: Path, grammar: Grammar) -> Iterator[tuple[int, bytes]]:
    """Yield (number of its first line, whole records); every record ends in a line break.

    All that is yielded is well-formed CSV and UTF-8. Raises: Malformed
    """
    line, rest = 1, b""
    most = MAX_RECORD_BYTES
    for block in blocks(path):
        rest += block
        if line == 1 and rest.startswith(CONVERTED):
            most = 2 * MAX_RECORD_BYTES + BLOCK_BYTES  # escaped, or found too long a block later
        end = _whole(rest, grammar)
        if end:
            yield _checked(rest[:end], line)
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        if not grammar.started.fullmatch(rest) or len(rest) > most:
            raise _malformed(rest, line, grammar)
    if rest:
        rest += b"\n"
        if rest.endswith(b"\r\n") or _whole(rest, grammar) != len(rest):
            raise _malformed(rest, line, grammar)
        yield _checked(rest, line)


def _whole(block: bytes, grammar: Grammar) -> int:
    """Return where the last whole record ends (or the last one before something malformed)."""
    if b'"' not in block and block.count(b"\r") == block.count(b"\r\n"):
        return block.rfind(b"\n") + 1
    found = grammar.records.match(block)
    return found.end() if found else 0


def _checked(block: bytes, line: int) -> tuple[int, bytes]:
    check_utf8(block, line)
    return line, block


def _malformed(rest: bytes, line: int, grammar: Grammar) -> Malformed:
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


def cells_of(record: bytes, grammar: Grammar) -> list[bytes]:
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
class Header:
    """The columns of one object."""

    names: tuple[str, ...] = ()
    stands: bool = False
    """Whether a record of the object names the columns."""
    is_converted: bool = False


def header_of(first: bytes, line: int, options: FormatOptions, grammar: Grammar) -> Header:
    """Return the columns that the first record of an object tells. Raises: Malformed"""
    cells = cells_of(first, grammar)
    if all(_CONVERTED_NAME.fullmatch(cell) for cell in cells):
        digits = [cell.decode().removeprefix(MARK) for cell in cells]
        return Header(
            tuple(bytes.fromhex(one).decode() for one in digits), stands=True, is_converted=True
        )
    named = [cell.decode() for cell in cells] if options.header else list(options.names)
    named = named or [""] * len(cells)
    if len(named) != len(cells):
        raise Malformed(
            f"line {line}: expected {len(named)} values, as many as names are configured, found "
            f"{len(cells)}"
        )
    names = tuple(name or f"column_{place}" for place, name in enumerate(named, 1))
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise Malformed(f"line {line}: two columns are named {twice[0]!r}")
    return Header(names, options.header)


def opened(path: Path, options: FormatOptions) -> tuple[Header, Iterator[tuple[int, bytes]]]:
    """Return the columns of an object, and its rows as blocks of whole records with line numbers.

    Raises: Malformed, here or while the blocks are taken.
    """
    check(options)
    grammar = grammar_of(options.delimiter)
    given = records(path, grammar)
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
        header = header_of(content[:end], at, options, grammar)
        if header.stands:
            rest = (at + content.count(b"\n", 0, end), content[end:])
            return header, _chain([rest], given)
        return header, _chain([*blank, (line, block)], given)
    if blank and not options.header and len(options.names) < 2:
        return Header(options.names or ("column_1",)), iter(blank)
    return Header(), iter(())


def _chain(
    first: Sequence[tuple[int, bytes]], more: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, bytes]]:
    yield from (one for one in first if one[1])
    yield from more


@functools.cache
def _of_width(delimiter: str, width: int) -> re.Pattern[bytes]:
    """Return the pattern of as many whole records as there are with so many values."""
    grammar = grammar_of(delimiter)
    value = grammar.value.pattern
    record = b"(?:%b%b){%d}%b" % (value, re.escape(grammar.delimiter), width - 1, value)
    return re.compile(rb"(?:" + record + rb"\r?\n|\r?\n)*+")


def misfit(line: int, block: bytes, width: int, delimiter: str) -> Malformed | None:
    """Return the error for the first record that has another number of values."""
    grammar = grammar_of(delimiter)
    fitting = _of_width(delimiter, width).match(block)
    assert fitting is not None
    place = fitting.end()
    line += block.count(b"\n", 0, place)
    while place < len(block):
        found = grammar.values.match(block, place)
        assert found is not None
        end = block.index(b"\n", found.end()) + 1
        record = block[place:end]
        count = len(cells_of(record, grammar))
        if count != width and not (width > 1 and not record.strip(b"\r\n")):
            return Malformed(f"line {line}: expected {width} values, found {count}")
        line += record.count(b"\n")
        place = end
    return None
