"""DynamoDB exports: which columns they get, and how DuckDB reads them.

An object is gzipped lines of JSON, each of them an item whose values carry their types:

    {"Item":{"id":{"S":"K3TXQk84Si"},"c":{"SS":["8gfX8dh0xa"]},"f":{"M":{"h":{"NULL":true}}}}}

or, of an incremental export, what happened to an item in the window:

    {"Metadata":{"WriteTimestampMicros":{"N":"1768387654353205"}},"Keys":{...},"OldImage":{...},
     "NewImage":{...}}

| values of an attribute                      | column                                             |
|---------------------------------------------|----------------------------------------------------|
| S                                           | text                                               |
| N                                           | text, declared `numeric`: DECIMAL if lossless      |
| BOOL, B                                     | BOOLEAN, BLOB                                      |
| SS, NS, L whose elements are all S or all N | VARCHAR[], elements as delivered                   |
| BS                                          | BLOB[]                                             |
| other L                                     | VARCHAR[], each element's JSON text (`{"N":"1"}`)  |
| M                                           | JSON text of what is inside, types included        |
| nothing but NULL                            | text, always NULL                                  |
| items that disagree                         | JSON text of the typed value (`{"S":"x"}`)         |

An attribute that is NULL, and one that is not there, are both NULL: `null_attributes` names the
former. JSON text is minified, its strings escaped only where JSON asks for it; the item's column
holds the line exactly as it was delivered.

In:  local files. Out: the macro staged(files), and the columns. IO: local reads.
What the second engine reads is in `dynamodb_rows`, which shares nothing with this but the names.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html and
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html (read on
2026-11-25)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from ..errors import ConfigError
from ..model import DateStats
from ..sql import query, rows
from ..staged_rows import FILE_NAME, define_macro
from . import dynamodb_rows, ion
from .interface import Field, Fields, FormatOptions, Malformed, Survey

if TYPE_CHECKING:
    import duckdb

DESCRIPTORS = frozenset(("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"))
KEY = "key "
"""Before the kind of a key attribute of a change: read from `Keys`, which deletes have, too."""
MIXED = "mixed"
MAX_LINE_BYTES = dynamodb_rows.MAX_LINE_BYTES


@dataclass(slots=True, kw_only=True)
class DynamoDb:
    """Implements `Format` for full exports and for changes, in JSON and (not `ready`) in Ion."""

    name: str
    changes: bool
    ready: bool = True
    decodes_objects: bool = False

    @property
    def is_converted(self) -> bool:
        return not self.ready

    def convert(self, source: Path, target: Path, options: FormatOptions) -> None:
        assert not self.ready, f"{self.name} is read as it is"
        ion.convert(source, target, changes=self.changes)

    def rows(self, path: Path, options: FormatOptions) -> int:
        return dynamodb_rows.count(path)

    def survey(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[str], options: FormatOptions
    ) -> Survey:
        found = _survey(connection, files, self._root, needed=not self.changes)
        if self.changes:
            keys = _survey(connection, files, "Keys", needed=True)
            for name, kinds in keys.items():
                found.setdefault(name, {}).update(
                    {f"{KEY}{kind}": items for kind, items in kinds.items()}
                )
        return dict(sorted(found.items()))

    def fields(self, survey: Survey, options: FormatOptions) -> Fields:
        """Choose the columns. Raises: ConfigError if attributes would be lost"""
        columns, mixed = {}, {}
        for name, kinds in survey.items():
            columns[name] = _field(name, kinds)
            if columns[name].kind.endswith(MIXED):
                mixed[name] = tuple(sorted(kinds))
        chosen = _most_frequent(survey, options.max_columns)
        left_out = tuple(name for name in _by_frequency(survey) if name not in chosen)
        if left_out and not options.item_column:
            raise ConfigError(
                f"of {len(survey)} attributes, {len(left_out)} do not become columns (the limit is "
                f"{options.max_columns}), and without a column for the item's text they would be "
                f"lost: {', '.join(map(repr, left_out[:5]))}",
                hint="raise max_columns, or give item_column a name",
            )
        taken = {name.lower() for name in survey}
        own = [columns[name] for name in survey if name in chosen]
        own.sort(key=lambda field: not field.kind.startswith(KEY))
        before, after = _extra(
            options, changes=self.changes, taken=taken, text="line" if self.ready else "ion"
        )
        return Fields(
            fields=(*before, *own, *after),
            mixed={name: kinds for name, kinds in mixed.items() if name in chosen},
            left_out=left_out,
        )

    def open_source(
        self,
        connection: duckdb.DuckDBPyConnection,
        fields: Fields,
        options: FormatOptions,
        macro: str = "staged",
    ) -> None:
        for helper in ("formats/dynamodb_nulls", "formats/dynamodb_bytes"):
            connection.execute(query(helper))
        define_macro(connection, macro, _select(fields, self._root, options.view))

    def decode(self, path: Path, fields: Fields, options: FormatOptions) -> Iterator[pa.Table]:
        return dynamodb_rows.decode(path, fields, self._root, options.view)

    def peek(self, head: bytes, options: FormatOptions) -> tuple[DateStats, ...]:
        if self.ready:
            return dynamodb_rows.peek(head, changes=self.changes)
        return dynamodb_rows.peek(head, changes=self.changes, read=ion.reader(changes=self.changes))

    @property
    def _root(self) -> str:
        return "NewImage" if self.changes else "Item"


# --- columns --------------------------------------------------------------------------------------


def _survey(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], root: str, *, needed: bool
) -> Survey:
    """Return the attributes below one member of the lines. Raises: Malformed"""
    parameters = {
        "files": list(files),
        "names": f"$.{root}",
        "values": f"$.{root}.*",
        "lists": f"$.{root}.*.L",
    }
    found: Survey = {}
    for row in rows(connection, "formats/dynamodb_survey", parameters):
        name, kind, items = row["attribute"], row["kind"], row["items"]
        if name is None and kind == "twice":
            raise Malformed(f"{items} lines name an attribute twice in {root!r}; expected once")
        if name is None:
            if needed:
                raise Malformed(f"{items} lines have no {root!r}; expected {{{root!r}: ...}}")
        elif kind.partition(":")[0] not in DESCRIPTORS:
            raise Malformed(
                f"attribute {name!r} has {kind or 'no type'!r} in {items} items; expected one of "
                f"{', '.join(sorted(DESCRIPTORS))}"
            )
        else:
            kinds = found.setdefault(name, {})
            kind = kind if kind in ("L:", "L:S", "L:N") else kind.partition(":")[0]
            kinds[kind] = kinds.get(kind, 0) + items
    return found


def _field(name: str, kinds: Mapping[str, int]) -> Field:
    """Choose the one kind that holds every value of an attribute."""
    of_keys = {kind.removeprefix(KEY) for kind in kinds if kind.startswith(KEY)}
    prefix = KEY if of_keys else ""
    found = (of_keys or set(kinds)) - {"NULL"}
    lists = {kind for kind in found if kind.startswith("L")}
    if len(lists) > 1:  # an empty list is like any other
        with_elements = lists - {"L:"}
        found = (found - lists) | (with_elements if len(with_elements) == 1 else {"L"})
    if len(found) > 1:
        return Field(name=name, kind=prefix + MIXED)
    kind = found.pop() if found else "NULL"
    return Field(name=name, kind=prefix + kind, source_type="numeric" if kind == "N" else "")


def _by_frequency(survey: Survey) -> list[str]:
    """Return attributes, keys first, then the most frequent; ties by name."""

    def order(name: str) -> tuple[bool, int, str]:
        kinds = survey[name]
        is_key = any(kind.startswith(KEY) for kind in kinds)
        return not is_key, -sum(kinds.values()), name

    return sorted(survey, key=order)


def _most_frequent(survey: Survey, most: int) -> set[str]:
    # a zero byte ends SQL text, and no engine takes it in a column's name
    return set([name for name in _by_frequency(survey) if "\0" not in name][:most])


def _extra(
    options: FormatOptions, *, changes: bool, taken: set[str], text: str
) -> tuple[list[Field], list[Field]]:
    """Return the columns before and after the attributes, under names that none of these has."""

    def free(name: str) -> str:
        found, number = name, 0
        while found.lower() in taken:
            number += 1
            found = f"{name}_{number}"
        taken.add(found.lower())
        return found

    before, after = [], []
    if changes:
        before = [
            Field(name=free("write_time"), kind="time"),
            Field(name=free("event"), kind="event"),
        ]
        after = [Field(name=free("old_image"), kind="old")]
    after.append(Field(name=free("null_attributes"), kind="nulls"))
    if options.item_column:
        after.append(Field(name=free(options.item_column), kind=text))
    return before, after


# --- DuckDB ---------------------------------------------------------------------------------------


def _call(name: str, *args: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(args))


_text = exp.Literal.string
_EVENT_VIEW = "NEW_AND_OLD_IMAGES"


def _select(fields: Fields, root: str, view: str) -> exp.Select:
    """Select `f0`, `f1`, ... and the file. All values of a line are looked up at once: three to
    four times as fast as one by one."""
    pointers: list[str] = []
    values: list[exp.Expression] = []

    def at(pointer: str) -> exp.Expression:
        pointers.append(pointer)
        return _call("list_extract", exp.column("found"), exp.Literal.number(len(pointers)))

    for field in fields.fields:
        extra = _extra_value(field, root, view, at)
        values.append(_value(field, root, at) if extra is None else extra)
    columns = [exp.alias_(value, f"f{no}") for no, value in enumerate(values)]
    line = exp.column("json")
    found = _call("json_extract_string", line, exp.array(*map(_text, pointers), dialect="duckdb"))
    lines = exp.select(
        line.copy(), exp.column(FILE_NAME, quoted=True), exp.alias_(found, "found")
    ).from_(
        _call(
            "read_ndjson_objects",
            exp.column("files"),
            _named("compression", _text("gzip")),  # staged files have other names
            _named("maximum_object_size", exp.Literal.number(MAX_LINE_BYTES)),
            _named("filename", _text(FILE_NAME)),
        )
    )
    return exp.select(*columns, exp.column(FILE_NAME, quoted=True)).from_(lines.subquery("lines"))


def _named(name: str, value: exp.Expression) -> exp.Expression:
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=value)


At = Callable[[str], exp.Expression]
"""Remembers a JSON pointer, and returns the expression of what is there."""


def _extra_value(field: Field, root: str, view: str, at: At) -> exp.Expression | None:
    """Return what a column that is no attribute holds; None for an attribute."""
    match field.kind:
        case "line":
            return exp.cast(exp.column("json"), "VARCHAR", dialect="duckdb")
        case "ion":
            return at("/Ion")
        case "nulls":
            paths = (_text(f"$.{root}"), _text(f"$.{root}.*"))
            return _call("dynamodb_nulls", exp.column("json"), *paths)
        case "old":
            return at("/OldImage")
        case "time":
            micros = exp.cast(at("/Metadata/WriteTimestampMicros/N"), "BIGINT", dialect="duckdb")
            return _call("make_timestamp", micros)
        case "event":
            old, new = at("/OldImage"), at("/NewImage")
            put = "insert" if view == _EVENT_VIEW else "put"
            return (
                exp.Case()
                .when(new.is_(exp.null()), _text("delete"))
                .when(old.is_(exp.null()), _text(put))
                .else_(_text("update"))
            )
        case _:
            return None


def _value(field: Field, root: str, at: At) -> exp.Expression:
    """Return the value of an attribute, as its kind says."""
    kind = field.kind.removeprefix(KEY)
    root = "Keys" if field.kind.startswith(KEY) else root
    escaped = field.name.replace("~", "~0").replace("/", "~1")
    typed = f"/{root}/{escaped}"
    match kind:
        case "S" | "N" | "M":
            return at(f"{typed}/{kind}")
        case "BOOL":
            return exp.cast(at(f"{typed}/BOOL"), "BOOLEAN", dialect="duckdb")
        case "B":
            return _call("from_base64", at(f"{typed}/B"))
        case "SS" | "NS":
            return _call("json_extract_string", at(f"{typed}/{kind}"), _text("$[*]"))
        case "BS":
            return _call("dynamodb_bytes", at(f"{typed}/BS"))
        case "L:S" | "L:N":
            path = f"$[*].{kind[2:]}"
            return _call("json_extract_string", at(f"{typed}/L"), _text(path))
        case "L" | "L:":
            return _call("json_extract_string", at(f"{typed}/L"), _text("$[*]"))
        case "NULL":
            return exp.cast(exp.null(), "VARCHAR", dialect="duckdb")
        case "mixed":
            return exp.Nullif(this=at(typed), expression=_text('{"NULL":true}'))
        case _:
            raise AssertionError(f"no such kind: {field.kind}")
