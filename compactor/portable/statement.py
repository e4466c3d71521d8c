"""The fingerprint of a table or partition as one SELECT. Pure.

In:  what is covered, the rows to read (`FROM`, and which of them), the dialect.
Out: a sqlglot SELECT: `row_count`, `digest`, and `dt` before them where days are told apart.

Names of columns are hostile; sqlglot quotes them. Inside, canonical texts are called `text1`, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from .canonical import LANES, PortableColumn
from .engines import ENGINES, SOURCES, Dialect, Engine

ROWS = "row_count"
DIGEST = "digest"
DAY = "dt"
LANES_OF_A_ROW = tuple(f"lane{number + 1}" for number in range(LANES))
_TEXT = "row_text"
_HASH = "row_hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Where the rows are: a table or table function, which of them, and the day of each."""

    place: exp.Expression
    where: exp.Expr | None = None
    day: exp.Expression | None = None
    """Text `yyyy-MM-dd`, NULL where a row has none; given to have one fingerprint a day."""


def statement(columns: Sequence[PortableColumn], rows: Rows, dialect: Dialect) -> exp.Select:
    """Return the SELECT that computes the fingerprint of these rows."""
    engine = ENGINES[dialect]
    by_source = dialect in SOURCES
    values = [
        exp.column(column.source_name if by_source else column.name, quoted=True)
        for column in columns
    ]
    texts = _texts(engine, columns, values)
    days = [exp.alias_(rows.day.copy(), DAY)] if rows.day is not None else []
    day = [exp.column(DAY)] if days else []
    nothing = [] if texts or days else [exp.alias_(exp.null(), "nothing")]
    select = exp.Select().select(*days, *texts, *nothing, copy=False).from_(rows.place.copy())
    if rows.where is not None:
        select = select.where(rows.where.copy())
    for made in _steps(engine, texts):
        select = _over(select, day, made)
    whole = _over(
        select,
        day,
        [
            exp.alias_(exp.Count(this=exp.Star()), ROWS),
            exp.alias_(engine.digest([exp.column(lane) for lane in LANES_OF_A_ROW]), DIGEST),
        ],
    )
    return whole.group_by(exp.column(DAY)).order_by(exp.column(DAY)) if day else whole


def with_lanes(
    below: exp.Select, columns: Sequence[PortableColumn], names: Sequence[str]
) -> exp.Select:
    """Return the rows of a DuckDB select with what each of them adds to the sums.

    `names` are those that the columns have there.
    """
    engine = ENGINES["duckdb"]
    texts = _texts(engine, columns, [exp.column(name) for name in names])
    for made in (texts, *_steps(engine, texts)):
        below = _over(below, [exp.Star()], made)
    return below


def _texts(
    engine: Engine, columns: Sequence[PortableColumn], values: Sequence[exp.Expression]
) -> list[exp.Expr]:
    return [
        exp.alias_(engine.canonical(column, value), f"text{number}")
        for number, (column, value) in enumerate(zip(columns, values, strict=True), start=1)
    ]


def _steps(engine: Engine, texts: Sequence[exp.Expr]) -> list[list[exp.Expr]]:
    """Return what is made of the canonical texts, one upon the other."""
    row_text = engine.row_text([exp.column(one.alias) for one in texts])
    lanes = zip(engine.lanes(exp.column(_HASH)), LANES_OF_A_ROW, strict=True)
    return [
        [exp.alias_(row_text, _TEXT)],
        [exp.alias_(engine.sha256(exp.column(_TEXT)), _HASH)],
        [exp.alias_(lane, name) for lane, name in lanes],
    ]


def _over(below: exp.Select, kept: Sequence[exp.Expr], columns: Sequence[exp.Expr]) -> exp.Select:
    select = exp.Select().select(*[one.copy() for one in kept], *columns, copy=False)
    return select.from_(below.subquery("r", copy=False), copy=False)
