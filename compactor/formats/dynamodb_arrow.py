"""Items of DynamoDB exports by way of Arrow's JSON reader: several times as fast as Python's.

It says nothing about what is wrong with a line: wherever it stops, or its answer is not plainly
what the kinds of the columns promise, there is no table, and `dynamodb_rows` reads the same lines
with Python's own parser, which either finds nothing wrong or names the line.

Arrow cannot show a part of a line as it was written. For columns that hold JSON text it says which
lines have a value; that is then looked for in the line, and only it is read by Python.

Pure: lines in, table out.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from . import json_text
from .interface import Field, Fields

MOST_ATTRIBUTES = 250
"""Arrow's effort grows with the square of their number: from 400 on Python is faster."""

_TEXTS = pa.list_(pa.string())
_DELIVERED: dict[str, pa.DataType] = {
    "S": pa.string(),
    "N": pa.string(),
    "B": pa.string(),
    "BOOL": pa.bool_(),
    "SS": _TEXTS,
    "NS": _TEXTS,
    "BS": _TEXTS,
    "L:S": pa.list_(pa.struct([("S", pa.string())])),
    "L:N": pa.list_(pa.struct([("N", pa.string())])),
    "NULL": pa.bool_(),
    "L": pa.list_(pa.struct([])),
    "L:": pa.list_(pa.struct([])),
    "M": pa.struct([]),
    "mixed": pa.struct([]),
}
"""Kinds of columns, and the types that their values have in JSON; what is in a value of which the
text is wanted is passed over."""
_JSON_TEXT = frozenset(("L", "L:", "M", "mixed"))
_OWN = frozenset(("line", "ion", "nulls"))

Read = Callable[[Sequence[bytes]], pa.Table | None]


class _Unexpected(ValueError):
    """Arrow's answer is not what the columns promise."""


def reader(fields: Fields) -> Read | None:
    """Return the function that reads lines of full exports, none of them empty; None if some column
    needs another way."""
    kinds = {field.kind for field in fields.fields}
    if not kinds <= _DELIVERED.keys() | _OWN:
        return None
    attributes = [field for field in fields.fields if field.kind in _DELIVERED]
    members = [(field.name, _typed(field.kind)) for field in attributes]
    if "nulls" in kinds:
        members += [(name, _typed("NULL")) for name in fields.left_out]
    if len(members) > MOST_ATTRIBUTES:
        return None
    schema = pa.schema([("Item", pa.struct(members)), ("Ion", pa.string())])
    # where something is passed over, values with two descriptors are, too: the survey refuses those
    unknown = "ignore" if fields.left_out or kinds & _JSON_TEXT else "error"
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unknown)

    def read(lines: Sequence[bytes]) -> pa.Table | None:
        try:
            return _read(lines, fields.fields, options)
        except (ValueError, RecursionError):  # Arrow's errors are ValueErrors
            return None  # whoever asked reads the lines again, and raises what there is to raise

    return read


def _typed(kind: str) -> pa.DataType:
    if kind == "mixed":
        return pa.struct([("NULL", pa.bool_())])
    descriptor = kind.partition(":")[0]
    both = {descriptor: _DELIVERED[kind], "NULL": pa.bool_()}
    return pa.struct(list(both.items()))


def _read(lines: Sequence[bytes], fields: Sequence[Field], options: pj.ParseOptions) -> pa.Table:
    delivered = pa.array(lines, pa.binary()).cast(pa.string())  # refuses what is not UTF-8
    text = b"\n".join(lines)
    found = pj.read_json(
        io.BytesIO(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=options,
    )
    if found.num_rows != len(lines):
        raise _Unexpected("not one item in each line")
    items = found.column("Item").combine_chunks()
    if items.null_count:
        raise _Unexpected("a line without item")
    nulls = _nulls(items)
    values: dict[str, Callable[[Field], pa.Array]] = {
        "line": lambda field: delivered,
        "ion": lambda field: found.column("Ion").combine_chunks(),
        "nulls": lambda field: _names(nulls, len(lines)),
        **dict.fromkeys(_JSON_TEXT, lambda field: _json_text(items, field, delivered)),
    }
    arrays = [
        values[field.kind](field) if field.kind in values else _value(items, field)
        for field in fields
    ]
    return pa.Table.from_arrays(arrays, names=[field.name for field in fields])


def _nulls(items: pa.StructArray) -> dict[str, pa.Array]:
    """Return, by attribute that has some, where it is NULL."""
    found = {}
    for place, member in enumerate(items.type):
        typed = items.field(place)
        is_null = pc.struct_field(typed, "NULL")
        has_value = pc.is_valid(is_null)
        for other in member.type:
            if other.name != "NULL":
                has_other = pc.is_valid(pc.struct_field(typed, other.name))
                if pc.any(pc.and_(has_value, has_other)).as_py():
                    raise _Unexpected("more than one descriptor")
                has_value = pc.or_(has_value, has_other)
        # of others than these two nothing is known: of mixed columns, and of those left out
        if has_value.true_count != len(typed) - typed.null_count and len(member.type) > 1:
            raise _Unexpected("another descriptor than the column's")
        if is_null.null_count < len(is_null):
            if not pc.all(is_null).as_py():
                raise _Unexpected("NULL that is not true")
            found[member.name] = pc.is_valid(is_null)
    return found


def _names(nulls: dict[str, pa.Array], count: int) -> pa.Array:
    """Return, for each row, the sorted names of its attributes that are NULL."""
    rows, names = [pa.array([], pa.uint64())], [pa.array([], pa.string())]
    per_row = pa.repeat(pa.scalar(0, pa.int32()), count)
    for name, is_null in nulls.items():
        rows.append(pc.indices_nonzero(is_null))
        names.append(pa.repeat(name, len(rows[-1])))
        per_row = pc.add(per_row, is_null.cast(pa.int32()))
    pairs = pa.table([pa.concat_arrays(rows), pa.concat_arrays(names)], names=["row", "name"])
    pairs = pairs.sort_by([("row", "ascending"), ("name", "ascending")])
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(per_row)])
    return pa.ListArray.from_arrays(offsets, pairs.column("name").combine_chunks())


def _value(items: pa.StructArray, field: Field) -> pa.Array:
    if field.kind == "NULL":
        return pa.nulls(len(items), pa.string())
    descriptor, _, element = field.kind.partition(":")
    found = pc.struct_field(pc.struct_field(items, field.name), descriptor)
    match field.kind:
        case "B":
            return _decoded(found)
        case "SS" | "NS" | "BS" | "L:S" | "L:N":
            elements = found.flatten()
            if element:
                elements = pc.struct_field(elements, element)
            if elements.null_count:
                raise _Unexpected("an element of another type")
            if field.kind == "BS":
                elements = _decoded(elements)
            return _list(found, elements)
        case _:
            return found


def _json_text(items: pa.StructArray, field: Field, lines: pa.Array) -> pa.Array:
    """Return the JSON text of an attribute's values, or of the elements of its lists."""
    typed = pc.struct_field(items, field.name)
    is_null = pc.is_valid(pc.struct_field(typed, "NULL"))
    wanted = pc.and_(pc.is_valid(typed), pc.invert(is_null))
    descriptor = "" if field.kind == "mixed" else field.kind[0]
    label = json.dumps(field.name, ensure_ascii=False) + ":"
    if descriptor:
        label += f'{{"{descriptor}":'
    texts: list[Any] = [None] * len(lines)
    for row, line in zip(
        pc.indices_nonzero(wanted).to_pylist(), lines.filter(wanted).to_pylist(), strict=True
    ):
        # no value outlives its turn: many small objects kept are searched for cycles by Python
        value = _found(line, label, field.name, descriptor)
        texts[row] = _elements(value) if descriptor == "L" else json_text.text(value)
    return pa.array(texts, _TEXTS if descriptor == "L" else pa.string())


def _elements(value: Any) -> list[str]:
    if any(type(element) is not dict for element in value):
        raise _Unexpected("an element without descriptor")
    return [json_text.text(element) for element in value]


def _found(line: str, label: str, name: str, descriptor: str) -> Any:
    """Return an attribute's value, of which Arrow says that it is there.

    A label that follows no backslash begins outside of any string, because a string's own quotes
    are escaped. If there is no other one, and it is as deep in the line as attributes are, it is
    the attribute's. (Braces in strings can feign a depth, but the attribute itself would then have
    to be spelled differently than one of the same name inside another's value.)
    """
    place = line.find(label)
    if (
        place > 0
        and line[place - 1] != "\\"
        and line.find(label, place + 1) < 0
        and line.count("{", 0, place) - line.count("}", 0, place) == _DEPTH
    ):
        value, end = json_text.DECODER.raw_decode(line, place + len(label))
        if not descriptor or line[end : end + 1] == "}":
            return value
    typed = json_text.DECODER.decode(line)["Item"][name]
    return typed[descriptor] if descriptor else typed


_DEPTH = 2
"""Braces that are open where an item's attributes begin: the line's and the item's."""


def _list(like: pa.ListArray, elements: pa.Array) -> pa.Array:
    """Return a list with other elements; where it is NULL it has none."""
    lengths = pc.fill_null(pc.list_value_length(like), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    return pa.ListArray.from_arrays(offsets, elements, mask=pc.is_null(like))


def _decoded(texts: pa.Array) -> pa.Array:
    def decode(text: Any) -> bytes | None:
        return None if text is None else base64.b64decode(text, validate=True)

    return pa.array([decode(text) for text in texts.to_pylist()], pa.binary())
