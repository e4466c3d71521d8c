"""The specification of docs/fingerprint.md once more, in plain Python; its vectors; nasty rows.

Nothing here comes from `compactor`: what engines give is held against it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlglot import exp

DOC = Path(__file__).parent.parent / "docs" / "fingerprint.md"

Value = Any
Row = dict[str, Value]


def canonical(value: Value) -> str | None:
    """Return the canonical text of a value, by its Python type."""
    match value:
        case None:
            return None
        case bool():
            return "1" if value else "0"
        case int():
            return str(value)
        case Decimal():
            text = format(value, "f")
            if "." in text:
                text = text.rstrip("0").rstrip(".")
            return "0" if value == 0 else text
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            micros = (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001
            return str((micros + 500) // 1000)
        case date():
            return str((value - date(1970, 1, 1)).days)
        case str():
            return value
        case bytes():
            return value.hex()
    raise AssertionError(type(value))


def row_text(values: Iterable[Value]) -> str:
    """Return the text of a row, of values in the order of their columns' names."""
    texts = [canonical(value) for value in values]
    return "".join("N" if one is None else f"{len(one.encode())}:{one}" for one in texts)


def lanes(text: str) -> tuple[int, int]:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return int(digest[:15], 16), int(digest[15:30], 16)


def fingerprint(rows: Sequence[Row], names: Iterable[str] | None = None) -> tuple[int, str]:
    """Return count and digest."""
    found = [
        lanes(row_text(row[name] for name in sorted(names or row, key=str.encode))) for row in rows
    ]
    return len(rows), f"{sum(one for one, _ in found)}-{sum(two for _, two in found)}"


# --- types and literals of each engine ------------------------------------------------------------

_TYPES = {
    "trino": {"BLOB": "VARBINARY"},
    "spark": {"VARCHAR": "STRING", "BLOB": "BINARY", "TIMESTAMPTZ": "TIMESTAMP"},
    "postgres": {"VARCHAR": "TEXT", "BLOB": "BYTEA"},
    "mysql": {"BIGINT": "SIGNED", "TIMESTAMP": "DATETIME(6)", "VARCHAR": "CHAR", "BLOB": "BINARY"},
}
_FROM_HEX = {"trino": "FROM_HEX", "postgres": "DECODE"}


def literal(value: Value, kind: str, dialect: str) -> exp.Expr:
    """Return an expression of a value, typed; `kind` is the DuckDB type."""
    if kind == "BLOB" and value is not None:
        text = exp.Literal.string(value.hex())
        more = [exp.Literal.string("hex")] if dialect == "postgres" else []
        name = _FROM_HEX.get(dialect, "UNHEX")
        return exp.Anonymous(this=name, expressions=[text, *more])
    if kind == "BOOLEAN" and dialect == "mysql":
        return exp.null() if value is None else exp.Literal.number(int(value))
    if kind == "TIMESTAMPTZ" and dialect == "mysql":  # for a session in UTC
        value = value and value.astimezone(UTC).replace(tzinfo=None)
        kind = "TIMESTAMP"
    written: exp.Expr = exp.null() if value is None else exp.Literal.string(str(value))
    if isinstance(value, int) and not isinstance(value, bool):
        written = exp.Literal.string(str(value))
    target = _TYPES.get(dialect, {}).get(kind, kind)
    return exp.Cast(this=written, to=exp.DataType.build(target, dialect=dialect, udt=True))


def rows_of(rows: Sequence[Row], kinds: dict[str, str], dialect: str) -> exp.Subquery:
    """Return rows as a subquery; `kinds` are DuckDB types by column."""
    selects = [
        exp.select(
            *[
                exp.alias_(literal(row[name], kind, dialect), name, quoted=True)
                for name, kind in kinds.items()
            ]
        )
        for row in rows
    ]
    whole: exp.Query = selects[0]
    for one in selects[1:]:
        whole = exp.union(whole, one, distinct=False)
    return whole.subquery("made")


# --- the document's vectors -----------------------------------------------------------------------


@dataclass(frozen=True)
class Vector:
    kind: str
    value: Value
    canonical: str

    @property
    def id(self) -> str:
        return f"{self.kind} {self.value!r}"


def value_of(text: str, kind: str) -> Value:
    """Return the value that the document writes; text and bytes are JSON strings there."""
    if text == "NULL":
        return None
    match kind.partition("(")[0]:
        case "BOOLEAN":
            return text == "true"
        case "BIGINT":
            return int(text)
        case "DECIMAL":
            return Decimal(text)
        case "DATE":
            return date.fromisoformat(text)
        case "TIMESTAMP" | "TIMESTAMPTZ":
            return datetime.fromisoformat(text)
        case "VARCHAR":
            return json.loads(text)
        case "BLOB":
            return bytes.fromhex(text)
    raise AssertionError(kind)


def _cells(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without back quotes."""
    part = DOC.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[cell.strip().strip("`") for cell in row] for row in cells]


def vectors() -> list[Vector]:
    return [
        Vector(kind, value_of(value, kind), json.loads(text))
        for kind, value, text in _cells("Values")
    ]


@dataclass(frozen=True)
class Example:
    """The document's table: columns with types, rows with what is made of them, the result."""

    kinds: dict[str, str]
    rows: list[Row]
    texts: list[str]
    digests: list[str]
    result: tuple[int, str]


def example() -> Example:
    kinds = dict(_cells("Columns"))
    rows, texts, digests = [], [], []
    for values, text, digest in _cells("Rows"):
        written = json.loads(values)
        rows.append(
            {
                name: value_of("NULL" if one is None else _spelled(one, kinds[name]), kinds[name])
                for (name, one) in zip(kinds, written, strict=True)
            }
        )
        texts.append(json.loads(text))
        digests.append(digest)
    ((count, digest),) = _cells("Result")
    return Example(kinds, rows, texts, digests, (int(count), digest))


def _spelled(one: str, kind: str) -> str:
    return json.dumps(one) if kind == "VARCHAR" else one


# --- nasty rows -----------------------------------------------------------------------------------

KINDS = {
    "flag": "BOOLEAN",
    "n": "BIGINT",
    "amount": "DECIMAL(38,10)",
    "ratio": "DECIMAL(4,4)",
    "whole": "DECIMAL(20,0)",
    "day": "DATE",
    "local": "TIMESTAMP",
    "note": "VARCHAR",
    "note2": "VARCHAR",
    "data": "BLOB",
}


def _row(**values: Value) -> Row:
    return dict.fromkeys(KINDS) | values


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


NASTY: list[Row] = [
    _row(),
    _row(flag=True, n=0, note="", note2=None, data=b""),
    _row(flag=False, n=0, note=None, note2="", data=None),
    _row(n=-(2**63), amount=Decimal("-0.0000000001"), ratio=Decimal("0.0005")),
    _row(n=2**63 - 1, amount=Decimal("0E-10"), ratio=Decimal("-0.9999")),
    _row(amount=Decimal("1234567890123456789012345678.0123456789"), whole=Decimal(2**64 - 1)),
    _row(amount=Decimal("-100.0000000000"), whole=Decimal(0), ratio=Decimal("0.0000")),
    _row(amount=Decimal("0.0000012000"), whole=Decimal(100), ratio=Decimal("0.1000")),
    _row(day=date(1, 1, 1), local=_at("1969-12-31 23:59:59.999500")),
    _row(day=date(9999, 12, 31), local=_at("1969-12-31 23:59:59.999499")),
    _row(day=date(1582, 10, 10), local=_at("9999-12-31 23:59:59.999000")),
    _row(day=date(1969, 12, 31), local=_at("0001-01-01 00:00:00")),
    _row(day=date(2024, 2, 29), local=_at("2026-03-29 02:30:00.123456")),
    _row(day=date(1900, 3, 1), local=_at("1883-11-18 12:03:58.000500")),
    _row(note="ab", note2="c", data=b"\x00\xff"),
    _row(note="a", note2="bc", data=b"'\\"),
    _row(note="Größe 🎁 é e\u0301", note2="1:a", data=b"text"),
    _row(note="N", note2='it\'s \\ "q" `b` %s $1 :x ?\n\t', data=bytes(range(256))),
    _row(note=" padded  ", note2="\u202e\ufeff\U0010ffff"),
]
"""No NUL character, which PostgreSQL cannot hold, and no year that MySQL does not know."""
