"""A counts file: rows per table, as somebody who could ask the database wrote them down.

In:  a CSV or JSON file. Out: `Counted` values. IO: reads that file.

CSV has the header `database,table,rows` or `database,table,rows,at`; JSON is a list of objects with
these keys. Tables are named as exports name them: `shop` + `public.orders` from PostgreSQL, `shop`
+ `shop.orders` from MySQL. `rows` is a whole number. `at` is the moment that the number describes,
ISO 8601 with its offset (`2026-10-06T03:47:12Z`), or empty. What does not fit is refused, all
mistakes at once, each with its line.

CSV: RFC 4180, https://www.rfc-editor.org/rfc/rfc4180 (UTF-8; a byte order mark is taken off).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import ConfigError

_NEEDED = ("database", "table", "rows")
_COLUMNS = (*_NEEDED, "at")
_SHOWN = 20
_WHOLE = re.compile(r"[0-9]{1,18}")
_BLANK = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    database: str
    table: str
    rows: int
    at: datetime | None


def read_counts(path: Path) -> tuple[Counted, ...]:
    """Read a counts file; `.json` is JSON, anything else CSV.

    Raises: ConfigError if it cannot be read, or with every line that does not fit.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: byte {error.start}") from error
    return parse_counts(text, is_json=path.suffix.lower() == ".json", where=str(path))


def parse_counts(text: str, *, is_json: bool, where: str) -> tuple[Counted, ...]:
    """Parse the text of a counts file; pure. Raises as `read_counts` does."""
    found: dict[tuple[str, str], tuple[int, Counted]] = {}
    problems: list[str] = []
    for line, entry in _entries(text, is_json, problems):
        try:
            counted = _counted(entry)
        except ValueError as error:
            problems.append(f"line {line}: {error}")
            continue
        key = (counted.database, counted.table)
        if key in found:
            name = f"{counted.database} {counted.table}"
            problems.append(f"line {line}: {name} is counted already in line {found[key][0]}")
        else:
            found[key] = (line, counted)
    if not found and not problems:
        problems.append("line 1: no table is counted")
    if problems:
        more = f"\n  ... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        told = "\n  ".join(problems[:_SHOWN])
        raise ConfigError(
            f"{where} is not a counts file:\n  {told}{more}",
            hint="CSV with the header database,table,rows,at, or a JSON list of such objects",
        )
    return tuple(counted for _, counted in found.values())


def _entries(text: str, is_json: bool, problems: list[str]) -> Iterator[tuple[int, Any]]:
    """Yield (line, entry); what ends the reading is added to the problems."""
    entries = _json_entries(text) if is_json else _csv_entries(text)
    try:
        yield from entries
    except json.JSONDecodeError as error:
        problems.append(f"line {error.lineno}: {error.msg}")
    except csv.Error as error:
        problems.append(f"line {text.count(chr(10)) + 1} or before: {error}")
    except Unusable as error:
        problems.append(str(error))


class Unusable(ValueError):
    """The rest of the file cannot be told apart; the message has the line."""


def _csv_entries(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    if tuple(header) not in (_NEEDED, _COLUMNS):
        raise Unusable(
            f"line 1: the header is {','.join(header)[:200]!r}, not 'database,table,rows,at'"
        )
    line = reader.line_num + 1
    for cells in reader:
        first, line = line, reader.line_num + 1
        if not cells:
            continue  # an empty line, as at the end of many files
        if len(cells) != len(header):
            raise Unusable(f"line {first}: {len(cells)} values under {len(header)} headings")
        entry: dict[str, Any] = dict(zip(header, cells, strict=True))
        if _WHOLE.fullmatch(entry["rows"]):
            entry["rows"] = int(entry["rows"])
        yield first, entry


def _json_entries(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the objects of a list one by one, so that each has its line."""
    decoder = json.JSONDecoder(object_pairs_hook=_no_key_twice)
    place = _skip(text, 0)
    if text[place : place + 1] != "[":
        raise json.JSONDecodeError("a list of objects is expected", text, place)
    place = _skip(text, place + 1)
    is_first = True
    while text[place : place + 1] != "]":
        if not is_first:
            if text[place : place + 1] != ",":
                raise json.JSONDecodeError("',' or ']' is expected", text, place)
            place = _skip(text, place + 1)
        line = text.count("\n", 0, place) + 1
        try:
            entry, place = decoder.raw_decode(text, place)
        except Unusable as error:
            raise Unusable(f"line {line}: {error}") from error
        except RecursionError as error:
            raise Unusable(f"line {line}: too deep") from error
        yield line, entry
        place, is_first = _skip(text, place), False
    if _skip(text, place + 1) != len(text):
        raise json.JSONDecodeError("nothing is expected after the list", text, place + 1)


def _skip(text: str, place: int) -> int:
    blank = _BLANK.match(text, place)
    assert blank is not None  # it matches nothing at all, too
    return blank.end()


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise Unusable("a key is there twice")
    return dict(pairs)


def _counted(entry: Any) -> Counted:
    """Check one entry. Raises: ValueError saying what does not fit."""
    if not isinstance(entry, Mapping):
        raise ValueError("not an object")
    unknown = sorted(entry.keys() - set(_COLUMNS))
    missing = [name for name in _NEEDED if name not in entry]
    if unknown or missing:
        told = [f"unknown key {name!r}" for name in unknown]
        raise ValueError(", ".join([*told, *(f"{name!r} is missing" for name in missing)]))
    for name in ("database", "table"):
        if not isinstance(entry[name], str) or not entry[name]:
            raise ValueError(f"{name} is {entry[name]!r}, not a name")
    rows = entry["rows"]
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0:
        raise ValueError(f"rows is {rows!r}, not a whole number")
    return Counted(
        database=entry["database"], table=entry["table"], rows=rows, at=_moment(entry.get("at"))
    )


def _moment(text: Any) -> datetime | None:
    if text is None or text == "":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise ValueError(f"at is {text!r}, not a moment such as 2026-10-06T03:47:12Z")
    return moment.astimezone(UTC)
