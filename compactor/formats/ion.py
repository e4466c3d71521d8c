"""DynamoDB exports in Amazon Ion, made into lines of JSON that both engines can read.

Each line of such an object begins with Ion's version marker and holds one item:

    $ion_1_0 {Item:{Authors:$dynamodb_SS::["Author1","Author2"],Id:103.,PageCount:6d2}}

| Ion                                               | descriptor    |
|---------------------------------------------------|---------------|
| string, decimal, blob, bool, null                 | S, N, B, BOOL, NULL |
| list, struct                                      | L, M          |
| list with `$dynamodb_SS::`, `_NS::` or `_BS::`    | SS, NS, BS    |

Whatever else Ion can say (floats, symbols, timestamps, ...) is in no export, and refused. Numbers
are spelled as DynamoDB spells them: digits without an exponent, without zeros at the end of a
fraction. The line as it was delivered goes along, under `Ion`.

Both engines read what is made here; what they cannot see is whether it was made rightly. That rests
on `amazon.ion`, Amazon's own parser, and on the tests.

In:  a gzip file. Out: another one. IO: local files.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html (read on
2026-11-25). No real export in Ion is public: changes are taken with and without a `Record` around
their members.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from . import dynamodb_rows
from .interface import Malformed

_SETS = {"$dynamodb_SS": "SS", "$dynamodb_NS": "NS", "$dynamodb_BS": "BS"}
_IMAGES = ("Keys", "OldImage", "NewImage")
_LARGEST, _SMALLEST = 125, -130
"""Powers of ten that DynamoDB's numbers have: what is beyond would be spelled with endless zeros.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
"""


def convert(source: Path, target: Path, *, changes: bool) -> None:
    """Write each line of an object as JSON. Raises: Malformed, naming the line"""
    read = reader(changes=changes)
    with gzip.open(target, "wt", compresslevel=1, encoding="utf-8", newline="\n") as file:
        for first, lines in dynamodb_rows.lines(source):
            for number, line in enumerate(lines, first):
                if not line.strip(dynamodb_rows.SPACE):
                    continue
                try:
                    item = read(line)
                except ValueError as error:
                    raise Malformed(f"line {number}: {error}") from error
                file.write(json.dumps(item, ensure_ascii=False, separators=(",", ":")) + "\n")


def reader(*, changes: bool) -> Callable[[bytes], dict[str, Any]]:
    """Return the function that makes a line of JSON's values. It raises ValueError."""
    from amazon.ion import simpleion  # only who reads Ion pays for it
    from amazon.ion.exceptions import IonException

    bare = simpleion.IonPyValueModel.MAY_BE_BARE
    model = bare | simpleion.IonPyValueModel.STRUCT_AS_STD_DICT

    def read(line: bytes) -> dict[str, Any]:
        text = line.strip(dynamodb_rows.SPACE)
        delivered = text.decode()
        try:
            found = simpleion.load(io.BytesIO(text), single_value=True, value_model=model)
        except IonException as error:
            raise ValueError(f"expected Ion, found {delivered[:40]!r}: {error}") from error
        if type(found) is not dict:
            raise ValueError(f"expected a struct, found {delivered[:40]!r}")
        members = _change(found) if changes else {"Item": _item(found.get("Item"))}
        return {"Ion": delivered, **members}

    return read


def _change(found: dict[Any, Any]) -> dict[str, Any]:
    inside = found.get("Record", found)
    if type(inside) is not dict or type(inside.get("Metadata")) is not dict:
        raise ValueError(f"expected Metadata, found {', '.join(map(str, found))}")
    time = {"WriteTimestampMicros": _typed(inside["Metadata"].get("WriteTimestampMicros"))}
    images = {name: _item(inside[name]) for name in _IMAGES if name in inside}
    return {"Metadata": time, **images}


def _item(found: Any) -> dict[str, Any]:
    if type(found) is not dict:
        raise ValueError(f"expected an item, found {type(found).__name__}")
    return {_name(name): _typed(value) for name, value in found.items()}


def _name(name: Any) -> str:
    if type(name) is not str:  # a symbol without text
        raise ValueError(f"expected the name of an attribute, found {name!r}")
    return name


def _typed(value: Any) -> dict[str, Any]:
    """Return a value with its descriptor. Bare Python types are those of values that carry nothing
    else: anything annotated, or of one of Ion's other types, has a type of the library's."""
    kind = type(value)
    if value is None:
        return {"NULL": True}
    if kind is str:
        return {"S": value}
    if kind is bool:
        return {"BOOL": value}
    if kind in (Decimal, int):
        return {"N": _number(value)}
    if kind is bytes:
        return {"B": base64.b64encode(value).decode("ascii")}
    if kind is dict:
        return {"M": _item(value)}
    if kind is list:
        return {"L": [_typed(element) for element in value]}
    if descriptor := _set(value):
        elements = [_typed(element) for element in value]
        if all(descriptor[0] in element for element in elements):
            return {descriptor: [element[descriptor[0]] for element in elements]}
    raise ValueError(f"expected a value of DynamoDB's, found {value!r:.80} ({kind.__name__})")


def _set(value: Any) -> str | None:
    """Return the descriptor of a list that is marked as a set."""
    from amazon.ion.core import IonType

    marks = [mark.text for mark in getattr(value, "ion_annotations", ())]
    if getattr(value, "ion_type", None) is not IonType.LIST or len(marks) != 1:
        return None
    return _SETS.get(marks[0])


def _number(value: Decimal | int) -> str:
    number = Decimal(value)
    if not number:
        return "0"
    if not _SMALLEST <= number.adjusted() <= _LARGEST:
        raise ValueError(f"expected a number of 1E-130 to 9.99E+125, found {number}")
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
