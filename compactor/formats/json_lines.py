"""JSON lines: one JSON object on each line that is not empty.

In:  files of lines, plain or gzip, UTF-8. Out: the most frequent keys as columns, and each line's
     exact text in the column `FormatOptions.item_column`.

| values of a key    | column                                                                   |
|--------------------|--------------------------------------------------------------------------|
| strings            | text; its source type is configured, else unknown                        |
| numbers            | text as written (`1.10`, `1e2`), of source type `numeric` if not configured |
| booleans           | BOOLEAN                                                                  |
| objects or arrays  | JSON text without spaces, its numbers as written                         |
| different ones     | JSON text of whatever stands there, and told in `Fields.mixed`           |

* A key that is absent and one that is null are both NULL: only the item's text tells them apart.
* Keys are taken exactly: `id` and `ID` are two. A key that stands twice in one object, at any
  depth, is refused: readers take the first or the last.
* Refused as well is what is not JSON though some readers take it: NaN, trailing commas, a lone half
  of a surrogate pair, a line that is no object.
* Without an item column nothing may be lost: then more than `max_columns` keys are an error.

DuckDB reads converted files: decompressed and without a byte order mark, otherwise unchanged.

Formats: https://jsonlines.org, https://www.rfc-editor.org/rfc/rfc8259,
https://www.rfc-editor.org/rfc/rfc6901 (JSON pointers), all read 2026-11.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring
from json.scanner import make_scanner
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from ..errors import ConfigError
from ..model import DateStats
from ..sql import query
from . import json_text
from .columns import create, filled, known_types
from .dates import date_stats
from .interface import Field, Fields, FormatOptions, Malformed, Survey
from .text import MAX_RECORD_BYTES, beginning, blocks, check_utf8

_SPACE = b" \t\r"
"""What may stand between the parts of JSON, but for the line break."""
ITEM, MIXED = "item", "mixed"
_PLAIN = frozenset(("string", "number", "boolean"))


class JsonLines:
    """The `Format` of objects with one JSON object on each line."""

    name = "json_lines"
    ready = False
    is_converted = False
    decodes_objects = True

    def convert(self, source: Path, target: Path, options: FormatOptions) -> None:
        """Write the file that DuckDB reads; see the module. Raises: Malformed"""
        with target.open("wb") as file:
            file.writelines(blocks(source))

    def rows(self, path: Path, options: FormatOptions) -> int:
        """Count the lines that are not empty. Raises: Malformed"""
        rows, started = 0, False
        for block in blocks(path):
            first, *others = block.split(b"\n")
            started = started or bool(first.strip(_SPACE))
            if others:
                rows += started + sum(1 for line in others[:-1] if line.strip(_SPACE))
                started = bool(others[-1].strip(_SPACE))
        return rows + started

    def survey(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], options: FormatOptions
    ) -> Survey:
        """Find the keys of all objects, and what they hold. Raises: Malformed, duckdb.Error"""
        found: Survey = {}
        for name, kind, rows in _surveyed(connection, files):
            found.setdefault(name, {})[kind] = rows
        return found

    def fields(self, survey: Survey, options: FormatOptions) -> Fields:
        """Choose the most frequent keys; the item's text comes last.

        Raises: ConfigError if that would lose keys, or a type is configured for none of them.
        """
        known_types(survey, options)
        frequent = sorted(survey, key=lambda name: -sum(survey[name].values()))
        left_out = tuple(frequent[options.max_columns :])
        if left_out and not options.item_column:
            raise ConfigError(
                f"{len(survey)} keys are more than max_columns = {options.max_columns}, and "
                "without item_column the values of the others would be lost: "
                f"{', '.join(left_out[:5])}",
                hint="give item_column a name, or raise max_columns",
            )
        kinds = {name: tuple(sorted(set(survey[name]) - {"null"})) for name in survey}
        fields = [
            _field(name, kinds[name], options) for name in survey if name not in set(left_out)
        ]
        if options.item_column:
            fields.append(Field(name=_free(options.item_column, survey), kind=ITEM))
        mixed = {one.name: kinds[one.name] for one in fields if one.kind == MIXED}
        return Fields(fields=tuple(fields), mixed=mixed, left_out=left_out)

    def open_source(
        self,
        connection: duckdb.DuckDBPyConnection,
        fields: Fields,
        options: FormatOptions,
        macro: str = "staged",
    ) -> None:
        """Define the macro staged(files) over converted files."""
        connection.execute(query("formats/numbers_again"))
        pointers: dict[str, list[str]] = {"values": [], "parts": []}
        columns: list[exp.Expr] = []
        for no, field in enumerate(fields.fields):
            if field.kind == ITEM:
                column: exp.Expression = exp.column("item")
            elif field.kind in _PLAIN:
                pointers["values"].append(_pointer(field.name))
                column = _plain_value(field.kind, len(pointers["values"]))
            else:
                pointers["parts"].append(_pointer(field.name))
                column = _call("numbers_again", _nth("parts", len(pointers["parts"])))
            columns.append(exp.alias_(column, f"f{no}"))
        lists = {
            name: exp.cast(
                exp.array(*[exp.Literal.string(one) for one in given]),
                "VARCHAR[]",
                dialect="duckdb",
            )
            for name, given in pointers.items()
        }
        statement = filled(query("formats/json_lines"), lists)
        outer = statement.expression
        assert isinstance(outer, exp.Select)
        file = exp.column("compactor source file", quoted=True)
        outer.select(*columns, file, append=False, copy=False)
        create(connection, statement, macro)

    def decode(self, path: Path, fields: Fields, options: FormatOptions) -> Iterator[pa.Table]:
        """Yield the rows as Python's own parser reads them. Raises: Malformed, naming the line"""
        known = {*fields.names, *fields.left_out}
        for first, lines in _lines(path):
            numbers, items, objects = [], [], []
            names: set[str] = set()
            for number, line in enumerate(lines, first):
                if item := line.strip(" \t\r"):
                    one = _object(item, number)
                    names.update(one)
                    numbers.append(number)
                    items.append(item)
                    objects.append(one)
            unknown = names - known
            if unknown:
                name = min(unknown)
                number = next(n for n, one in zip(numbers, objects, strict=True) if name in one)
                raise Malformed(
                    f"line {number}: the key {name!r} was not there when it was surveyed"
                )
            if objects:
                yield _table(objects, items, numbers, fields)

    def peek(self, head: bytes, options: FormatOptions) -> tuple[DateStats, ...]:
        """Say which keys look like days or moments, from the whole lines at the beginning."""
        whole = beginning(head).rpartition(b"\n")[0]
        try:
            check_utf8(whole, 1)
            lines = [line.strip(" \t\r") for line in whole.decode("utf-8").split("\n")]
            objects = [_object(line, number) for number, line in enumerate(lines, 1) if line]
        except Malformed:
            return ()  # what is wrong will be said when the whole object is read
        texts: dict[str, list[str | None]] = {}
        numbers: dict[str, list[str | None]] = {}
        for name in {name: None for one in objects for name in one}:
            values = [one.get(name) for one in objects]
            given = [value for value in values if value is not None]
            if all(isinstance(value, _Number) for value in given):
                numbers[name] = values
            elif all(isinstance(value, str) and not isinstance(value, _Number) for value in given):
                texts[name] = values
        return date_stats(texts, numbers)


def _field(name: str, kinds: Sequence[str], options: FormatOptions) -> Field:
    kind = kinds[0] if len(kinds) == 1 else MIXED if kinds else "string"
    source_type = options.types.get(name, "numeric" if kind == "number" else "")
    return Field(name=name, kind=kind, source_type=source_type if kind in _PLAIN else "")


def _free(name: str, taken: Survey) -> str:
    """Return a name for the item's column that is no key: Arrow's columns are found by name."""
    number = 0
    free = name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


# --- DuckDB ---------------------------------------------------------------------------------------


def _surveyed(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str]
) -> list[tuple[str, str, int]]:
    statement = query("formats/json_lines_survey")
    try:
        return connection.execute(statement, {"files": list(files)}).fetchall()
    except duckdb.Error:
        # DuckDB miscounts lines; what Python's parser refuses as well is told with the right one
        for file in files:
            for first, lines in _lines(Path(file)):
                for number, line in enumerate(lines, first):
                    if item := line.strip(" \t\r"):
                        _object(item, number)
        raise


def _pointer(name: str) -> str:
    """Return the JSON pointer of a key, as it is called in a marked object."""
    marked = f"#{name}" if name.startswith("#") else name
    return "/" + marked.replace("~", "~0").replace("/", "~1")


def _call(name: str, *args: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(args))


def _nth(values: str, place: int) -> exp.Expression:
    return _call("list_extract", exp.column(values), exp.Literal.number(place))


def _plain_value(kind: str, place: int) -> exp.Expression:
    value = _nth("plain_values", place)
    if kind == "boolean":
        return exp.cast(value, "BOOLEAN", dialect="duckdb")
    mark = exp.Literal.string("#")
    rest = _call("substr", value.copy(), exp.Literal.number(2))
    return exp.Case().when(_call("starts_with", value.copy(), mark), rest).else_(value)


# --- the second parser ----------------------------------------------------------------------------


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class _Refused(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise _Refused(f"the key {twice!r} stands twice in one object")
    return made


def _no_number(text: str) -> Any:
    raise _Refused(f"{text} is no JSON")


_decoder = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_no_number, object_pairs_hook=_unique
)
_scan = make_scanner(_decoder)  # type: ignore[arg-type] # a decoder is what it takes
# spaces around a line are off already: what `decode` of the decoder looks for costs a fifth


def _object(line: str, number: int) -> dict[str, Any]:
    """Parse a line without spaces around it. Raises: Malformed, naming it"""
    try:
        found, end = _scan(line, 0)
    except StopIteration as error:
        raise Malformed(f"line {number}: expected JSON at character {error.value + 1}") from error
    except json.JSONDecodeError as error:
        raise Malformed(
            f"line {number}: expected JSON, at character {error.pos + 1}: {error.msg}"
        ) from error
    except (_Refused, RecursionError) as error:
        raise Malformed(f"line {number}: {error}") from error
    if not isinstance(found, dict):
        raise Malformed(f"line {number}: expected a JSON object, found {line[:40]!r}")
    if end != len(line):
        raise Malformed(
            f"line {number}: expected one object, found more at character {end + 1}: "
            f"{line[end : end + 40]!r}"
        )
    if "\\ud" in line or "\\uD" in line:
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise Malformed(f"line {number}: half of a surrogate pair by itself") from error
    return found


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of the first line, lines). Raises: Malformed"""
    number, rest = 1, b""
    for block in blocks(path):
        whole, ended, more = block.rpartition(b"\n")
        if not ended:
            rest += block
            _check_length(rest, number)
            continue
        text = rest + whole
        _check_length(text, number)
        check_utf8(text, number)
        lines = text.decode("utf-8").split("\n")
        yield number, lines
        number += len(lines)
        rest = more
    check_utf8(rest, number)
    yield number, [rest.decode("utf-8")]


def _check_length(text: bytes, number: int) -> None:
    """Raises: Malformed if the first line is too long; others are shorter than what is read"""
    if len(text) > MAX_RECORD_BYTES and b"\n" not in text[: MAX_RECORD_BYTES + 1]:
        most = MAX_RECORD_BYTES >> 20
        raise Malformed(f"line {number}: expected at most {most} MiB in a line, found more")


def _table(
    objects: Sequence[dict[str, Any]],
    items: Sequence[str],
    numbers: Sequence[int],
    fields: Fields,
) -> pa.Table:
    columns, schema = [], []
    for field in fields.fields:
        kind = pa.bool_() if field.kind == "boolean" else pa.string()
        values: Sequence[Any]
        if field.kind == ITEM:
            values = items
        else:
            values = [one.get(field.name) for one in objects]
            if field.kind not in _PLAIN:
                values = _parts(values, numbers)
        try:
            columns.append(pa.array(values, kind))
        except pa.ArrowException as error:
            raise _unfit(field, values, kind, numbers) from error
        schema.append(pa.field(field.name, kind))
    return pa.table(columns, schema=pa.schema(schema))


def _parts(values: Sequence[Any], numbers: Sequence[int]) -> list[str | None]:
    """Return the JSON text of each value. Raises: Malformed"""
    made: list[str | None] = []
    try:
        for value in values:
            made.append(None if value is None else _json(value))  # noqa: PERF401 # see below
    except RecursionError as error:
        number = numbers[len(made)]
        raise Malformed(f"line {number}: objects or arrays are nested too deeply") from error
    return made


def _unfit(
    field: Field, values: Sequence[Any], kind: pa.DataType, numbers: Sequence[int]
) -> Malformed:
    """Return the error for the first value that cannot stand in its column."""
    number = numbers[0]
    for number, value in zip(numbers, values, strict=True):  # noqa: B007 # needed after the loop
        try:
            pa.array([value], kind)
        except pa.ArrowException:
            break
    return Malformed(f"line {number}: {field.name!r} is no {field.kind}, as it was when surveyed")


def _json(value: Any) -> str:
    """Return the JSON text of a part of an object as DuckDB writes it, its numbers as written."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{_quoted(k)}:{_json(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join([_json(one) for one in value]) + "]"
    return {True: "true", False: "false", None: "null"}[value]


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    return json_text.text(text) if "\\u00" in quoted else quoted
