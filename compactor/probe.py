"""Which types hold every value of a table: from its schema, its description, and its values.

In:  staged files (or rows that are decoded already), the export's column descriptions.
Out: rules, one per column.
IO:  scratch only.

1. `propose`   rules from schema and description
2. `probe`     looks at values: which fail their round trip, how many digits they have
3. `tune`      decides: another decimal scale, or keep the text
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from . import types
from .model import SourceColumn
from .sql import rows
from .staged_rows import typed_rows
from .types import FileColumn, Rule

if TYPE_CHECKING:
    import duckdb

SAMPLE_ROWS = 20_000
"""Rows that the first guess at types looks at."""


def file_columns(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], names: Sequence[str]
) -> tuple[FileColumn, ...]:
    """Return the columns of some files; `names` are the true names, which DuckDB may have altered.

    DuckDB takes names without regard to case and renames the second of `id` and `ID`.
    """
    described = rows(connection, "compact/describe", {"files": list(files)})
    exact = {name: name for name in names}
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.lower(), name)
    by_place = [row["column_name"] for row in described]
    in_order = len(by_place) == len(names)
    return tuple(
        FileColumn(
            read_name=row["column_name"],
            source_name=names[place]
            if in_order
            else exact.get(row["column_name"]) or folded[row["column_name"].lower()],
            read_type=row["column_type"],
        )
        for place, row in enumerate(described)
    )


def propose(
    connection: duckdb.DuckDBPyConnection,
    sample: Sequence[str],
    names: Sequence[str],
    described: Sequence[SourceColumn],
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Choose rules from the schema alone; also return notes on names that had to change."""
    return types.rules(file_columns(connection, sample, names), described)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """What the values of one parsed column are like."""

    lossy: int
    examples: tuple[str, ...]
    digits: int
    scale: int
    by_digits: Mapping[int, int] = field(default_factory=dict)
    """For decimals: values by the number of their digits before the point."""
    widest: tuple[str, ...] = ()
    """Those with the most digits before the point."""

    def merged(self, other: ColumnFacts) -> ColumnFacts:
        return ColumnFacts(
            lossy=self.lossy + other.lossy,
            examples=tuple(sorted({*self.examples, *other.examples})[:5]),
            digits=max(self.digits, other.digits),
            scale=max(self.scale, other.scale),
            by_digits=Counter(self.by_digits) + Counter(other.by_digits),
            widest=tuple(sorted({*self.widest, *other.widest}, key=_most_digits)[:5]),
        )


def _most_digits(number: str) -> tuple[int, str]:
    return -len(number.lstrip("-").partition(".")[0]), number


def probe(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    rules: Sequence[Rule],
    limit: int | None = None,
) -> dict[int, ColumnFacts]:
    """Count, per parsed column, the values that fail the round trip. One pass over those columns.

    `limit` looks at the first rows only.
    """
    parsed = [rule for rule in rules if rule.parsed]
    if not parsed:
        return {}
    flagged = exp.select(
        *[exp.column(rule.staged_name) for rule in parsed],
        *[
            exp.alias_(
                types.is_lossy(rule, exp.column(rule.scratch_name)), f"b{rule.no}", copy=False
            )
            for rule in parsed
        ],
    ).from_(typed_rows(parsed).subquery("t", copy=False), copy=False)
    if limit is not None:
        flagged = flagged.limit(limit, copy=False)
    select = exp.select(*[metric for rule in parsed for metric in _probe_metrics(rule)]).from_(
        flagged.subquery("flagged", copy=False), copy=False
    )
    sql = select.sql(dialect="duckdb", copy=False)
    row = connection.execute(sql, {"files": list(files)}).fetchone()
    assert row is not None
    facts: dict[int, ColumnFacts] = {}
    for place, rule in enumerate(parsed):
        lossy, examples, digits, scale, by_digits, widest = row[place * 6 : place * 6 + 6]
        facts[rule.no] = ColumnFacts(
            lossy=lossy,
            examples=tuple(str(example) for example in examples or ()),
            digits=digits or 0,
            scale=scale or 0,
            by_digits=by_digits or {},
            widest=tuple(sorted(widest or (), key=_most_digits)),
        )
    return facts


_NUMBER = "regexp_full_match(given, '-?[0-9]+([.][0-9]+)?')"
# which scale fits is not known yet: lossy is what no DECIMAL can hold
_NO_DECIMAL = "NOT number OR strlen(replace(ltrim(given, '-'), '.', '')) > 38"
_BEFORE = "strlen(ltrim(split_part(given, '.', 1), '-'))"
_PROBE = ("count_if(lossy)", "min(given, 5) FILTER (WHERE lossy)")
_PROBE_NOTHING_MORE = ("0", "0", "NULL", "NULL")
_PROBE_DIGITS = (
    "max(before) FILTER (WHERE number)",
    "max(strlen(split_part(given, '.', 2))) FILTER (WHERE number)",
    "histogram(before) FILTER (WHERE number)",
    "arg_max(given, before, 5) FILTER (WHERE number)",
)


def _probe_metrics(rule: Rule) -> list[exp.Expression]:
    """Return the six aggregates that make a column's facts."""
    given: exp.Expression = exp.column(rule.staged_name)
    if rule.how == "micros":  # the only source that is no text, and examples are shown
        given = exp.cast(given, "VARCHAR", dialect="duckdb")
    number: exp.Expression = exp.null()
    before: exp.Expression = exp.null()
    lossy: exp.Expression = exp.column(f"b{rule.no}")
    more = _PROBE_NOTHING_MORE
    if rule.how == "decimal":
        more = _PROBE_DIGITS
        number = _fragment(_NUMBER, given=given)
        before = _fragment(_BEFORE, given=given)
        lossy = _fragment(_NO_DECIMAL, given=given, number=number)
    return [
        _fragment(text, given=given, number=number, before=before, lossy=lossy)
        for text in (*_PROBE, *more)
    ]


@functools.cache
def _parsed(text: str) -> exp.Expression:
    parsed: exp.Expression = exp.maybe_parse(text, dialect="duckdb")
    return parsed


def _fragment(text: str, **columns: exp.Expression) -> exp.Expression:
    """Parse a fixed text in which each column stands for an expression."""
    parsed = _parsed(text).copy()

    def put(node: exp.Expression) -> exp.Expression:
        return exp.paren(columns[node.name].copy()) if isinstance(node, exp.Column) else node

    return parsed.transform(put, copy=False)


def tune(rules: Sequence[Rule], facts: Mapping[int, ColumnFacts]) -> tuple[Rule, ...]:
    """Fit decimals to their values; leave columns as text whose values do not survive."""
    return tuple(_tuned(rule, facts.get(rule.no)) for rule in rules)


def _tuned(rule: Rule, facts: ColumnFacts | None) -> Rule:
    if facts is None or not rule.parsed:
        return rule
    if rule.how != "decimal":
        return rule.keep_text(facts.lossy, facts.examples) if facts.lossy else rule
    if facts.lossy:
        return rule.keep_text(facts.lossy, facts.examples)
    if facts.digits + facts.scale > 38:
        # each value fits, but not all in one type: told are those without room for the scale
        room = 38 - facts.scale
        wide = sum(count for digits, count in facts.by_digits.items() if digits > room)
        return rule.keep_text(wide, [one for one in facts.widest if _most_digits(one)[0] < -room])
    declared = int(rule.target[8:].split(",")[0])
    width = declared if declared - facts.scale >= facts.digits else 38
    return replace(rule, target=types.decimal_type(width, facts.scale))


def tuned_from(plain: Sequence[Rule], tuned: Sequence[Rule]) -> list[Rule]:
    """Return the tuned rules, but those that keep text as they were before."""
    return [rule if now.kept_text else now for rule, now in zip(plain, tuned, strict=True)]
