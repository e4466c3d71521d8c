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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .errors import ConfigError
from .prices import ATHENA_SMALLEST_BYTES
from .words import name, plural, size, visible, width_of

if TYPE_CHECKING:
    from .query import Answer, AnswerColumn, Shown
    from .query_model import Read, TableList

ROWS = 200
"""Longest table."""
_CELL = 60
"""Longest value in a table."""
_GAP = 2
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_WHOLE = (*_SIGNED, *(f"U{kind}" for kind in _SIGNED))
_BINARY = ("FLOAT", "DOUBLE")

Texts = Sequence[str | None]


def write_csv(answer: Answer, out: TextIO) -> int:
    """Write CSV; return the rows."""
    out.write(_csv_line([column.name for column in answer.columns]))
    rows = 0
    for batch in answer.texts():
        out.writelines(map(_csv_line, batch))
        rows += len(batch)
    return rows


def _csv_line(texts: Texts) -> str:
    return ",".join(map(_csv_value, texts)) + "\r\n"


def _csv_value(text: str | None) -> str:
    if text is None:
        return ""
    # four searches: a regular expression takes ten times as long
    if not text or "," in text or '"' in text or "\n" in text or "\r" in text:
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


def write_document(answer: Answer, out: TextIO, read: Callable[[], Read]) -> int:
    """Write what `query_model.Answered` describes; return the rows."""
    columns = [{"name": column.name, "type": column.type} for column in answer.columns]
    out.write(f'{{"columns":{_dumps(columns)},"rows":')
    rows = write_json(answer, out)
    out.write(f',"read":{_dumps(read().model_dump())}}}\n')
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
    """Return ISO 8601 of DuckDB's `2026-10-06 03:47:12.5+00`; sessions are in UTC."""
    day, _, time = text.partition(" ")
    return (
        f"{day}T{time.removesuffix('+00')}{'Z' if time.endswith('+00') else ''}" if time else text
    )


def _unique(columns: Sequence[AnswerColumn]) -> list[str]:
    """Return the names as JSON. Raises: ConfigError if two are the same."""
    names = [column.name for column in columns]
    for one in names:
        if names.count(one) > 1:
            raise ConfigError(
                f"two columns of the answer are called {one!r}", hint="name one with AS"
            )
    return [_dumps(one) for one in names]


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
    if answer.is_plan:
        out.writelines(f"{visible(row[1] or '', lines=True)}\n" for row in rows)
        return len(rows)
    columns = [
        _Column(column, [row[at] for row in rows]) for at, column in enumerate(answer.columns)
    ]
    shown = _fitting(columns, width)
    for line in _lines(shown, len(rows)):
        out.write(f"{line}\n")
    note = f"the first {ROWS} rows; there are more" if has_more else plural(len(rows), "row")
    if hidden := columns[len(shown) :]:
        names = visible(", ".join(column.title for column in hidden), 2 * _CELL)
        note += f"; {plural(len(hidden), 'column')} not shown: {names}"
    out.write(f"({note})\n")
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

    def __init__(self, column: AnswerColumn, texts: Texts) -> None:
        kind = column.type
        self.title = visible(column.name, _CELL)
        self.is_number = kind in _WHOLE or kind in _BINARY or kind.startswith("DECIMAL")
        self.cells = [_cell(text) for text in texts]
        self.width = max(map(width_of, [self.title, *self.cells]))

    def padded(self, shown: str) -> str:
        space = " " * (self.width - width_of(shown))
        return space + shown if self.is_number else shown + space


def _cell(text: str | None) -> str:
    """Return a value in one line; NULL and the text NULL are not the same."""
    if text is None:
        return "NULL"
    return json.dumps(text) if text in ("", "NULL") else visible(text, _CELL)


def _fitting(columns: list[_Column], width: int | None) -> list[_Column]:
    """Return the first columns, as many as the width has room for; one at least."""
    taken = 0
    for number, column in enumerate(columns):
        taken += column.width + (_GAP if number else 0)
        if number and width is not None and taken > width:
            return columns[:number]
    return columns


def _lines(columns: list[_Column], rows: int) -> Iterator[str]:
    gap = " " * _GAP
    yield gap.join(column.padded(column.title) for column in columns).rstrip()
    yield gap.join("-" * column.width for column in columns)
    for at in range(rows):
        yield gap.join(column.padded(column.cells[at]) for column in columns).rstrip()


# --- what was read, what there is -----------------------------------------------------------------


def read_text(shown: Sequence[Shown], read: Read) -> str:
    """Return, for each name of a statement, what was asked; and what was read."""
    lines = [f"{name(one.table)}: {_snapshots_text(one)}" for one in shown]
    lines.append(
        f"read {read.files:,} of {plural(read.of_files, 'file')}, "
        f"{size(read.bytes)} of {size(read.of_bytes)}, "
        f"{plural(read.requests, 'request')}, {read.seconds:.2f} s"
    )
    if read.of_files:
        least = ATHENA_SMALLEST_BYTES
        note = f" ({least // 10**6} MB minimum)" if read.bytes < least else ""
        lines[-1] += f"; Athena would have billed ${read.athena_usd:.5f}{note}"
    return "\n".join(lines)


def _snapshots_text(one: Shown) -> str:
    newest = one.snapshots[-1]
    if len(one.snapshots) == 1:
        return f"snapshot {newest.label}"
    return f"{len(one.snapshots)} snapshots, the newest {newest.label}"


def list_text(found: TableList) -> str:
    """Return the tables that can be asked, each with its columns."""
    lines = []
    for one in found.tables:
        lines.append(
            f"{name(one.name)}  {name(f'{one.database}.{one.table}')}  {plural(one.rows, 'row')}, "
            f"{plural(one.files, 'file')}, {size(one.bytes)}; "
            f"{plural(one.snapshots, 'snapshot')}, the newest {one.latest}"
        )
        columns = ", ".join(f"{name(column.name)} {name(column.type)}" for column in one.columns)
        lines.append(f"    {columns}")
    return "\n".join(lines)
