"""How an answer is written: as a table, CSV, JSON or Parquet.

In:  an `Answer`. Out: text or a Parquet file. Rows are written as they come; only a table, which is
for a person, ends after some.

* CSV is RFC 4180, UTF-8, with a header: NULL is nothing at all, an empty text is `""`.
* JSON is an array of objects. Whole numbers and binary floating point are JSON's numbers; a DECIMAL
  is a string, with every digit; moments are ISO 8601; nested values are objects and arrays; NaN and
  infinities, for which JSON has no word, are strings.
* Parquet holds Arrow's types for DuckDB's; a HUGEINT (any sum of integers) is a DECIMAL(38,0).

https://www.rfc-editor.org/rfc/rfc4180 (read 2026-11)
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .errors import ConfigError
from .report.words import plural, visible

if TYPE_CHECKING:
    from .query import Answer, AnswerColumn

ROWS = 200
"""Longest table."""
_CELL = 60
"""Longest value in a table."""
_CELL_LEAST = 8
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE += tuple(f"U{name}" for name in _WHOLE)
_BINARY = ("FLOAT", "DOUBLE")

Texts = Sequence[str | None]


def write_csv(answer: Answer, out: TextIO) -> int:
    """Write CSV; return the rows."""
    return _write_lines(answer, out, [column.name for column in answer.columns])


def _write_lines(answer: Answer, out: TextIO, header: Sequence[str]) -> int:
    out.write(_csv_line(header))
    rows = 0
    for batch in answer.texts():
        out.write("".join(map(_csv_line, batch)))
        rows += len(batch)
    return rows


def _csv_line(texts: Texts) -> str:
    return ",".join(map(_csv_value, texts)) + "\r\n"


def _csv_value(text: str | None) -> str:
    if text is None:
        return ""
    if not text or any(char in text for char in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_json(answer: Answer, out: TextIO) -> int:
    """Write an array of objects; return the rows."""
    names = _unique(answer.columns)
    to_json = [_json_value(column) for column in answer.columns]
    rows = 0
    out.write("[")
    for batch in answer.texts():
        for texts in batch:
            values = (make(text) for make, text in zip(to_json, texts, strict=True))
            fields = ",".join(f"{name}:{value}" for name, value in zip(names, values, strict=True))
            out.write(f"{',' if rows else ''}\n{{{fields}}}")
            rows += 1
    out.write("\n]" if rows else "]")
    return rows


def write_document(answer: Answer, out: TextIO, reads: Callable[[], dict[str, Any]]) -> int:
    """Write an object of columns, rows and what was read; return the rows."""
    columns = [{"name": column.name, "type": column.type} for column in answer.columns]
    out.write(f'{{"columns":{_dumps(columns)},"rows":')
    rows = write_json(answer, out)
    out.write(f',"read":{_dumps(reads())}}}\n')
    return rows


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json_value(column: AnswerColumn) -> Callable[[str | None], str]:
    """Return what makes JSON of a value's text."""
    kind = column.type
    if kind in _WHOLE or kind == "BOOLEAN" or column.is_json:
        return lambda text: "null" if text is None else text
    if kind in _BINARY:
        return lambda text: "null" if text is None else _json_float(text)
    if kind.startswith("TIMESTAMP"):
        return lambda text: "null" if text is None else _dumps(_iso(text))
    return lambda text: "null" if text is None else _dumps(text)


def _json_float(text: str) -> str:
    number = float(text)
    return _dumps(number if math.isfinite(number) else text)


def _iso(text: str) -> str:
    """Return `2026-10-06T03:47:12.5Z` of DuckDB's `2026-10-06 03:47:12.5+00`; sessions are in UTC."""
    day, _, time = text.partition(" ")
    return f"{day}T{time.removesuffix('+00')}{'Z' if time.endswith('+00') else ''}" if time else text


def _unique(columns: Sequence[AnswerColumn]) -> list[str]:
    """Return the names as JSON. Raises: ConfigError if two are the same."""
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two columns of the answer are called {name!r}", hint="name one with AS"
            )
    return [_dumps(name) for name in names]


def write_parquet(answer: Answer, path: Path) -> int:
    """Write a Parquet file; return the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    _unique(answer.columns)
    schema, batches = answer.arrow()
    rows = 0
    try:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
    except pa.ArrowNotImplementedError as error:
        raise ConfigError(
            f"Parquet cannot hold a column of the answer: {error}", hint="cast it to VARCHAR"
        ) from error
    return rows


# --- tables ---------------------------------------------------------------------------------------


def write_table(answer: Answer, out: TextIO, width: int | None) -> int:
    """Write what a terminal of that many characters can show (None: all columns); return the rows.

    Says how many columns are not shown, and that there are more rows: to count them would mean to
    read them.
    """
    rows, has_more = _first(answer.texts())
    columns = [_Column(column, [row[at] for row in rows]) for at, column in enumerate(answer.columns)]
    shown = _fitting(columns, width)
    for line in _lines(shown, len(rows)):
        out.write(f"{line}\n")
    notes = [f"more than {ROWS} rows; the others are not shown" if has_more else ""]
    if len(shown) < len(columns):
        left_out = ", ".join(column.title for column in columns[len(shown) :])
        notes.append(f"{plural(len(columns) - len(shown), 'column')} not shown: {left_out}")
    notes = [note for note in notes if note]
    if not has_more:
        notes.insert(0, plural(len(rows), "row"))
    out.write(f"({'; '.join(notes)})\n")
    return len(rows)


def _first(batches: Iterator[list[tuple[str | None, ...]]]) -> tuple[list[Texts], bool]:
    rows: list[Texts] = []
    for batch in batches:
        rows += batch
        if len(rows) > ROWS:
            return rows[:ROWS], True
    return rows, False


class _Column:
    """One column of a table, as texts that fit into a line."""

    def __init__(self, column: AnswerColumn, texts: Sequence[str | None]) -> None:
        self.title = visible(column.name, _CELL)
        kind = column.type
        self.is_number = kind in _WHOLE or kind in _BINARY or kind.startswith("DECIMAL")
        # NULL stands out from the text NULL, which is in quotes
        self.cells = [
            "NULL" if text is None else '"NULL"' if text == "NULL" else visible(text, _CELL)
            for text in texts
        ]
        self.width = max(map(_cells, [self.title, *self.cells]), default=0)
