"""DynamoDB exports as the second engine reads them: Python's own gzip, JSON and base64.

Shares nothing with the reading by DuckDB but the kinds of the columns (see `dynamodb.py`). Here
each line is held against what its kinds promise, and whoever finds something else stops: DuckDB
would show NULL.

In:  a local file. Out: Arrow tables, counts, and days. IO: local reads, each gzip trailer verified.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..model import DateStats
from . import json_text
from .interface import Fields, Malformed

MAX_LINE_BYTES = 16 << 20
"""Longest line that is read for certain. An item has at most 400 KB, of which JSON can make three
megabytes (`{"NULL":true},` counts as two bytes), and a change holds two of them. DuckDB takes twice
this size as a buffer for each thread."""
BATCH_BYTES, BATCH_ROWS, BATCH_VALUES = 8 << 20, 16_384, 4 << 20
"""What a batch holds at most: text, rows, and rows times columns."""
_READ_BYTES = 1 << 20
SPACE = b" \t\r"
_KEY = "key "

Item = dict[str, Any]
Get = Callable[[Item], Any]


# --- lines ----------------------------------------------------------------------------------------


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield what a gzip file holds, in blocks. Raises: Malformed"""
    with gzip.open(path) as file:
        while True:
            try:
                block = file.read(_READ_BYTES)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise Malformed(f"expected a whole gzip file, found: {error}") from error
            if not block:
                return
            yield block


def lines(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield whole lines by the handful, with the number of the first one. Raises: Malformed"""
    number, waiting, size, unfinished = 1, list[bytes](), 0, 0
    for block in _blocks(path):
        waiting.append(block)
        size += len(block)
        ends = block.rfind(b"\n") + 1
        unfinished = len(block) - ends if ends else unfinished + len(block)
        if unfinished > MAX_LINE_BYTES:
            number += sum(one.count(b"\n") for one in waiting)
            raise Malformed(f"line {number}: expected at most {MAX_LINE_BYTES} bytes, found more")
        if size >= BATCH_BYTES and ends:
            whole, _, rest = b"".join(waiting).rpartition(b"\n")
            found = whole.split(b"\n")
            yield number, found
            number += len(found)
            waiting, size = [rest], len(rest)
    yield number, b"".join(waiting).split(b"\n")


def count(path: Path) -> int:
    """Count the lines that are not empty, without looking into them. Raises: Malformed"""
    return sum(bool(line.strip(SPACE)) for _, some in lines(path) for line in some)


# --- columns --------------------------------------------------------------------------------------


def decode(path: Path, fields: Fields, root: str, view: str) -> Iterator[pa.Table]:
    """Yield the rows of a file, in batches of some megabytes of text. Raises: Malformed"""
    from . import dynamodb_arrow  # with Arrow's functions, which no run over Parquet waits for

    fast = dynamodb_arrow.reader(fields) if root == "Item" else None
    columns = [_column(field.kind, field.name, root, view) for field in fields.fields]
    types = [kind for kind, _ in columns]
    schema = pa.schema(list(zip(fields.names, types, strict=True)))
    getters = [get for _, get in columns]
    most = max(1, min(BATCH_ROWS, BATCH_VALUES // (len(getters) or 1)))
    for first, some in lines(path):
        for start in range(0, len(some), most):
            numbered = [
                (number, text)
                for number, line in enumerate(some[start : start + most], first + start)
                if (text := line.strip(SPACE))
            ]
            table = fast([line for _, line in numbered]) if fast and numbered else None
            yield _thorough(numbered, schema, getters, root) if table is None else table


def _thorough(
    numbered: Sequence[tuple[int, bytes]], schema: pa.Schema, getters: Sequence[Get], root: str
) -> pa.Table:
    """Read lines one by one. Raises: Malformed, naming the line"""
    values: list[list[Any]] = [[] for _ in getters]
    number = 0
    try:
        for number, line in numbered:  # noqa: B007 # for the error
            item = _parse(line, root)
            for get, column in zip(getters, values, strict=True):
                column.append(get(item))
    except (ValueError, OverflowError, RecursionError) as error:  # also of JSON, UTF-8, base64
        raise Malformed(f"line {number}: {error}") from error
    numbers = [number for number, _ in numbered]
    arrays = [_array(column, field, numbers) for column, field in zip(values, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: list[Any], field: pa.Field, numbers: Sequence[int]) -> pa.Array:
    try:
        return pa.array(values, field.type)
    except UnicodeEncodeError as error:  # half of a surrogate pair: JSON can spell it
        bad = next(no for no, value in zip(numbers, values, strict=True) if not _is_text(value))
        raise Malformed(f"line {bad}: column {field.name!r}: {error}") from error


def _is_text(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return not any(
        isinstance(text, str) and "\ud800" <= character <= "\udfff"
        for text in texts
        for character in text or ""
    )


def _parse(line: bytes, root: str) -> Item:
    """Return what a line says, with the line itself under an empty name."""
    text = line.decode()
    item = json_text.DECODER.decode(text)
    if not isinstance(item, dict):
        raise ValueError(f"expected {{{root!r}: ...}}, found {text[:40]}")
    for name in ("Keys", root) if root != "Item" else (root,):
        if not isinstance(item.get(name, {} if name == "NewImage" else None), dict):
            raise ValueError(f"expected {{{name!r}: {{...}}}}, found {text[:40]}")
    item[""] = text
    return item


def _column(kind: str, name: str, root: str, view: str) -> tuple[pa.DataType, Get]:
    """Return the Arrow type of a column, and the function that finds its value in a line."""
    text = pa.string()
    match kind:
        case "line":
            return text, lambda item: item[""]
        case "ion":
            return text, lambda item: item["Ion"]
        case "nulls":
            return pa.list_(text), lambda item: _nulls(item.get(root))
        case "old":
            return (
                text,
                lambda item: json_text.text(item["OldImage"]) if "OldImage" in item else None,
            )
        case "time":
            return pa.timestamp("us"), _write_time
        case "event":
            put = "insert" if view == "NEW_AND_OLD_IMAGES" else "put"
            return text, lambda item: _event(item, put)
        case _:
            pass  # an attribute
    root = "Keys" if kind.startswith(_KEY) else root
    kind = kind.removeprefix(_KEY)
    type_, convert = _KINDS[kind]
    descriptor = kind.partition(":")[0]

    def get(item: Item) -> Any:
        typed = item.get(root, _NOTHING).get(name)
        if typed is None:
            return None
        if descriptor in typed and len(typed) == 1:
            return convert(typed[descriptor])
        if typed == _NULL:
            return None
        if descriptor == "mixed":
            return json_text.text(typed)
        raise ValueError(
            f"attribute {name!r}: expected {descriptor}, found {json_text.text(typed)[:80]}"
        )

    return type_, get


_NOTHING: Item = {}
_NULL = {"NULL": True}


def _string(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a string, found {json_text.text(value)[:80]}")
    return value


def _bool(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"expected true or false, found {json_text.text(value)[:80]}")
    return value


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_string(value), validate=True)
    except binascii.Error as error:
        raise ValueError(f"expected base64, found {value[:80]!r}: {error}") from error


def _list(convert: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def get(value: Any) -> list[Any]:
        if type(value) is not list:
            raise ValueError(f"expected a list, found {json_text.text(value)[:80]}")
        return [convert(element) for element in value]

    return get


def _element(descriptor: str) -> Callable[[Any], str]:
    def get(value: Any) -> str:
        if type(value) is not dict or list(value) != [descriptor]:
            raise ValueError(f"expected {descriptor} in a list, found {json_text.text(value)[:80]}")
        return _string(value[descriptor])

    return get


def _object(value: Any) -> str:
    if type(value) is not dict:
        raise ValueError(f"expected a typed value, found {json_text.text(value)[:80]}")
    return json_text.text(value)


_TEXTS = pa.list_(pa.string())
_KINDS: dict[str, tuple[pa.DataType, Callable[[Any], Any]]] = {
    "S": (pa.string(), _string),
    "N": (pa.string(), _string),
    "B": (pa.binary(), _bytes),
    "BOOL": (pa.bool_(), _bool),
    "SS": (_TEXTS, _list(_string)),
    "NS": (_TEXTS, _list(_string)),
    "BS": (pa.list_(pa.binary()), _list(_bytes)),
    "L:S": (_TEXTS, _list(_element("S"))),
    "L:N": (_TEXTS, _list(_element("N"))),
    "L:": (_TEXTS, _list(_object)),
    "L": (_TEXTS, _list(_object)),
    "M": (pa.string(), _object),
    "NULL": (pa.string(), lambda value: None),
    "mixed": (pa.string(), _object),
}


def _nulls(image: Item | None) -> list[str] | None:
    if image is None:
        return None
    return sorted(name for name, typed in image.items() if typed == _NULL)


_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 # the column has no time zone, its moments are UTC


def _write_time(item: Item) -> datetime:
    match item:
        case {"Metadata": {"WriteTimestampMicros": {"N": str(micros)}}}:
            return _EPOCH + timedelta(microseconds=int(micros))
        case _:
            raise ValueError("expected Metadata with WriteTimestampMicros")


def _event(item: Item, put: str) -> str:
    if "NewImage" not in item:
        return "delete"
    return "update" if "OldImage" in item else put


# --- days -----------------------------------------------------------------------------------------

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.]\d+)?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
_UNITS = (1, 10**3, 10**6)
_FIRST, _LAST = 631_152_000, 4_102_444_800
"""Seconds of 1990-01-01 and 2100-01-01: numbers between them may be moments."""


_NO_ITEMS = (
    *(ValueError, zlib.error, AttributeError, KeyError, TypeError),
    *(OverflowError, RecursionError),
)
"""What comes of looking for dates in something that is no export."""


def peek(
    head: bytes, *, changes: bool, read: Callable[[bytes], Item] = json.loads
) -> tuple[DateStats, ...]:
    """Say which attributes could date rows: those of which every value seen is a day or a moment.

    `type` is `text` for ISO dates, `epoch` for numbers, `timestamp` for the time of a change.
    """
    try:
        text = zlib.decompressobj(31).decompress(head)
        images = [read(line) for line in text.split(b"\n")[:-1] if line.strip(SPACE)]
        return _change_stats(images) if changes else _item_stats([one["Item"] for one in images])
    except _NO_ITEMS:
        return ()


def _change_stats(changes: Sequence[Item]) -> tuple[DateStats, ...]:
    days = [_write_time(change).date().isoformat() for change in changes]
    if not days:
        return ()
    return (
        DateStats(
            column="write_time",
            type="timestamp",
            first_day=min(days),
            last_day=max(days),
            null_share=0.0,
        ),
    )


def _item_stats(items: Sequence[Item]) -> tuple[DateStats, ...]:
    given: dict[str, list[Item]] = {}
    for item in items:
        for name, typed in item.items():
            if typed != _NULL:
                given.setdefault(name, []).append(typed)
    found = []
    for name, values in sorted(given.items()):
        kind, days = _days(values)
        if days:
            found.append(
                DateStats(
                    column=name,
                    type=kind,
                    first_day=min(days),
                    last_day=max(days),
                    null_share=round(1 - len(values) / len(items), 4),
                )
            )
    return tuple(found)


def _days(values: Sequence[Item]) -> tuple[str, list[str]]:
    """Return the days of an attribute's values; none if one of them is no day."""
    if all("S" in value for value in values):
        return "text", _iso_days([value["S"] for value in values])
    if all("N" in value for value in values):
        return "epoch", _epoch_days([value["N"] for value in values])
    return "", []


def _iso_days(texts: Sequence[str]) -> list[str]:
    days = []
    for text in texts:
        found = _ISO.fullmatch(text)
        if found is None:
            return []
        try:
            days.append(date.fromisoformat(found[1]).isoformat())
        except ValueError:  # such as 2026-02-31
            return []
    return days


def _epoch_days(texts: Sequence[str]) -> list[str]:
    try:
        numbers = [Decimal(text) for text in texts]
    except InvalidOperation:
        return []
    for unit in _UNITS:
        if all(_FIRST * unit <= number < _LAST * unit for number in numbers):
            return [
                datetime.fromtimestamp(int(number) // unit, UTC).date().isoformat()
                for number in numbers
            ]
    return []
