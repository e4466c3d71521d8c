"""Short words for the sqlglot expressions that engines are written in. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

_MOST_ARGUMENTS = 50
"""Of one call: PostgreSQL takes 100 (https://www.postgresql.org/docs/18/runtime-config-preset.html,
`max_function_args`), Trino 127 (MAX_ARGUMENTS of its ConcatFunction); read 2026-11."""


def call(name: str, *arguments: exp.Expression) -> exp.Expression:
    """Return a call by that very name; arguments may be used elsewhere, too."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


def text(value: str) -> exp.Expression:
    return exp.Literal.string(value)


def number(value: int) -> exp.Expression:
    return exp.Literal.number(value)


def cast(value: exp.Expression, kind: str, dialect: str) -> exp.Expression:
    """Return a cast, also of a cast to another DECIMAL, which `exp.cast` would leave out."""
    return exp.Cast(this=value.copy(), to=exp.DataType.build(kind, dialect=dialect))


def add(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    return exp.Add(this=_operand(left), expression=_operand(right))


def minus(left: exp.Expression, right: exp.Expression) -> exp.Expression:
    return exp.Sub(this=_operand(left), expression=_operand(right))


def times(left: exp.Expression, right: int) -> exp.Expression:
    return exp.Mul(this=_operand(left), expression=number(right))


def whole_division(left: exp.Expression, right: int) -> exp.Expression:
    """Return a quotient without its fraction: `//` of DuckDB, DIV of Spark and MySQL."""
    return exp.IntDiv(this=_operand(left), expression=number(right))


def remainder(left: exp.Expression, right: int) -> exp.Expression:
    return exp.Mod(this=_operand(left), expression=number(right))


def _operand(value: exp.Expression) -> exp.Expression:
    return exp.paren(value) if isinstance(value, exp.Binary) else value.copy()


def is_zero(value: exp.Expression) -> exp.Expression:
    return exp.EQ(this=value.copy(), expression=number(0))


def one_or_zero(value: exp.Expression) -> exp.Expression:
    """Return `1` or `0` for a condition, NULL for NULL."""
    return (
        exp.Case().when(value.copy(), text("1")).when(exp.not_(exp.paren(value.copy())), text("0"))
    )


def without_trailing(value: exp.Expression, character: str) -> exp.Expression:
    return exp.Trim(this=value.copy(), expression=text(character), position="TRAILING")


def without_zeros(value: exp.Expression) -> exp.Expression:
    """Return the text of a number with a point, without the zeros at its end, and a bare point."""
    return without_trailing(without_trailing(value, "0"), ".")


def has_point(found_at: exp.Expression) -> exp.Expression:
    return exp.GT(this=found_at, expression=number(0))


def concat(parts: Sequence[exp.Expression]) -> exp.Expression:
    """Concatenate any number of texts, none of which may be NULL."""
    if not parts:
        return text("")
    while len(parts) > 1:
        parts = [
            call("CONCAT", *group) if len(group) > 1 else group[0]
            for group in (
                parts[start : start + _MOST_ARGUMENTS]
                for start in range(0, len(parts), _MOST_ARGUMENTS)
            )
        ]
    return parts[0]
