"""The words of each engine for a canonical text, a row's digest and its sum. Pure.

In:  expressions over a column. Out: sqlglot expressions that its dialect prints.

docs/fingerprint.md says what each text is; here is how DuckDB, Trino (Athena), Spark, PostgreSQL
and MySQL (MariaDB) are asked for it. NULL stays NULL. Where an engine's own text depends on a
session's settings (time zone, DateStyle, sql_mode), another way is taken. Functions are called by
names that these pages list (all read 2026-11):
https://duckdb.org/docs/stable/sql/functions/overview, https://trino.io/docs/current/functions.html,
https://spark.apache.org/docs/latest/api/sql/, https://www.postgresql.org/docs/18/functions.html,
https://dev.mysql.com/doc/refman/8.4/en/functions.html, https://mariadb.com/docs/server/reference
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

from sqlglot import exp

from .canonical import LANE_DIGITS, LANES, PADDED, PortableColumn
from .expressions import (
    add,
    call,
    cast,
    concat,
    has_point,
    is_zero,
    minus,
    number,
    one_or_zero,
    remainder,
    text,
    times,
    whole_division,
    without_trailing,
    without_zeros,
)

Dialect = Literal["duckdb", "athena", "trino", "spark", "postgres", "mysql"]

_EPOCH = "1970-01-01"
_YEAR_0_MS = 62_167_219_200_000
"""Milliseconds from 0000-01-01 to 1970-01-01: no MySQL time is earlier."""
_SCIENTIFIC_SCALE = 6
"""Java prints a decimal of a larger scale with an exponent where it is below 0.000001:
https://docs.oracle.com/javase/8/docs/api/java/math/BigDecimal.html#toString-- (read 2026-11)"""


class Engine(ABC):
    """One engine's words. `printed` is the sqlglot dialect."""

    printed: str
    character: str = "VARCHAR"

    def canonical(self, column: PortableColumn, value: exp.Expression) -> exp.Expression:
        """Return the canonical text of a column's values; NULL for NULL."""
        match column.kind:
            case "integer":
                return self.integer(value)
            case "decimal":
                return self.decimal(value, column)
            case "boolean":
                return one_or_zero(value)
            case "date":
                return self.string(self.days(value))
            case "timestamp":
                return self.string(self.milliseconds(value, column))
            case "instant":
                return self.string(self.milliseconds_utc(value, column))
            case "text":
                return self.text(value, column)
            case "binary":
                return self.hex(value)

    def row_text(self, texts: Sequence[exp.Expression]) -> exp.Expression:
        """Return `N` or `<bytes>:<text>` for each canonical text, in their order."""
        return concat([self._framed(one) for one in texts])

    def _framed(self, one: exp.Expression) -> exp.Expression:
        framed = concat([self.string(self.size(one)), text(":"), one])
        return exp.Case().when(one.copy().is_(exp.null()), text("N")).else_(framed)

    def lanes(self, row_hash: exp.Expression) -> tuple[exp.Expression, ...]:
        """Return the whole numbers that a row adds to the sums."""
        return tuple(
            self.lane(call("SUBSTR", row_hash, number(1 + at * LANE_DIGITS), number(LANE_DIGITS)))
            for at in range(LANES)
        )

    def digest(self, lanes: Sequence[exp.Expression]) -> exp.Expression:
        """Return `<sum>-<sum>`; `0-0` of no rows."""
        parts: list[exp.Expression] = []
        for lane in lanes:
            total = exp.Coalesce(this=exp.Sum(this=lane.copy()), expressions=[number(0)])
            parts += [text("-"), self.string(total)]
        return concat(parts[1:])

    def string(self, value: exp.Expression) -> exp.Expression:
        return cast(value, self.character, self.printed)

    def size(self, value: exp.Expression) -> exp.Expression:
        """Return the bytes that a text has in UTF-8."""
        return call("OCTET_LENGTH", value)

    def integer(self, value: exp.Expression) -> exp.Expression:
        return self.string(value)

    def decimal(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        """Return plain digits, without zeros at the end of the fraction."""
        return without_zeros(self.string(value)) if column.scale else self.string(value)

    def text(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        return value.copy()

    def hex(self, value: exp.Expression) -> exp.Expression:
        return call("LOWER", call("HEX", value))

    def milliseconds_utc(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        return self.milliseconds(value, column)

    @abstractmethod
    def days(self, value: exp.Expression) -> exp.Expression:
        """Return whole days since 1970-01-01."""

    @abstractmethod
    def milliseconds(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        """Return milliseconds of the wall clock since 1970-01-01, rounded half up."""

    @abstractmethod
    def sha256(self, value: exp.Expression) -> exp.Expression:
        """Return the SHA-256 of a text's UTF-8, in hexadecimal digits."""

    @abstractmethod
    def lane(self, digits: exp.Expression) -> exp.Expression:
        """Return the number that hexadecimal digits mean, in a type whose sum is exact."""


class _DuckDB(Engine):
    printed = "duckdb"

    def size(self, value: exp.Expression) -> exp.Expression:
        return call("STRLEN", value)

    def decimal(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        if column.scale and column.scale == column.precision:  # it prints `.05` else
            wider = f"DECIMAL({column.precision + 1}, {column.scale})"
            value = cast(value, wider, self.printed)
        return super().decimal(value, column)

    def days(self, value: exp.Expression) -> exp.Expression:
        return minus(value, exp.cast(text(_EPOCH), "DATE"))

    def milliseconds(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        micros = add(call("EPOCH_US", value), number(500))
        below = exp.LT(this=remainder(micros, 1000), expression=number(0))
        down = exp.Case().when(below, number(1)).else_(number(0))
        return minus(whole_division(micros, 1000), down)  # the quotient was cut towards 0

    def sha256(self, value: exp.Expression) -> exp.Expression:
        return call("SHA256", value)

    def lane(self, digits: exp.Expression) -> exp.Expression:
        return cast(concat([text("0x"), digits]), "UBIGINT", self.printed)


class _Trino(Engine):
    printed = "trino"

    def size(self, value: exp.Expression) -> exp.Expression:
        return call("LENGTH", call("TO_UTF8", value))

    def hex(self, value: exp.Expression) -> exp.Expression:
        return call("LOWER", call("TO_HEX", value))

    def days(self, value: exp.Expression) -> exp.Expression:
        return call("DATE_DIFF", text("day"), exp.cast(text(_EPOCH), "DATE"), value)

    def milliseconds(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        start, rounded = (
            cast(moment, "TIMESTAMP(3)", self.printed) for moment in (text(_EPOCH), value)
        )
        return call("DATE_DIFF", text("millisecond"), start, rounded)

    def sha256(self, value: exp.Expression) -> exp.Expression:
        return call("TO_HEX", call("SHA256", call("TO_UTF8", value)))

    def lane(self, digits: exp.Expression) -> exp.Expression:
        whole = call("FROM_BASE", digits, number(16))
        return cast(whole, "DECIMAL(38, 0)", self.printed)


class _Spark(Engine):
    printed = "spark"
    character = "STRING"

    def decimal(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        if column.scale <= _SCIENTIFIC_SCALE:
            return super().decimal(value, column)
        printed = self.string(value)  # -1.20E-8
        mantissa = call("SUBSTRING_INDEX", printed, text("E"), number(1))
        digits = call("TRANSLATE", mantissa, text("-."), text(""))
        exponent = call("SUBSTRING_INDEX", printed, text("E"), number(-1))
        zeros = minus(exp.Neg(this=self._int(exponent)), number(1))
        negative = exp.LT(this=value.copy(), expression=number(0))
        sign = exp.Case().when(negative, text("-")).else_(text(""))
        plain = concat([sign, text("0."), call("REPEAT", text("0"), zeros), digits])
        is_scientific = has_point(call("INSTR", printed, text("E")))
        return without_zeros(exp.Case().when(is_scientific, plain).else_(printed))

    def _int(self, value: exp.Expression) -> exp.Expression:
        return cast(value, "INT", self.printed)

    def days(self, value: exp.Expression) -> exp.Expression:
        return call("UNIX_DATE", value)

    def milliseconds(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        half = exp.Interval(this=text("500"), unit=exp.var("MICROSECOND"))
        return call("UNIX_MILLIS", add(value, half))  # which rounds down

    def sha256(self, value: exp.Expression) -> exp.Expression:
        return call("SHA2", cast(value, "BINARY", self.printed), number(256))

    def lane(self, digits: exp.Expression) -> exp.Expression:
        whole = call("CONV", digits, number(16), number(10))
        return cast(whole, "DECIMAL(28, 0)", self.printed)


class _Postgres(Engine):
    printed = "postgres"

    def size(self, value: exp.Expression) -> exp.Expression:
        return call("OCTET_LENGTH", self._utf8(value))

    def _utf8(self, value: exp.Expression) -> exp.Expression:
        return call("CONVERT_TO", value, text("UTF8"))

    def decimal(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        """The source's own scale is not known, nor is it the same for all of its values."""
        printed = self.string(value)
        with_point = has_point(call("STRPOS", printed, text(".")))
        return exp.Case().when(with_point, without_zeros(printed)).else_(printed)

    def text(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        """By the type's output function, as COPY does: a cast loses the blanks of CHAR, and gives
        an inet a mask."""
        return exp.Case().when(exp.not_(value.copy().is_(exp.null())), call("CONCAT", value))

    def hex(self, value: exp.Expression) -> exp.Expression:
        return call("ENCODE", value, text("hex"))

    def days(self, value: exp.Expression) -> exp.Expression:
        return minus(value, exp.cast(text(_EPOCH), "DATE"))

    def milliseconds(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        """By fields: before PostgreSQL 14, EXTRACT(epoch ...) is a float with too few digits."""

        def field(name: str) -> exp.Expression:
            return exp.Extract(this=exp.var(name), expression=value.copy())

        day = cast(self.days(exp.cast(value.copy(), "DATE")), "BIGINT", self.printed)
        micros = exp.paren(add(field("MICROSECONDS"), number(500)))
        rounded = call("FLOOR", exp.Div(this=micros, expression=number(1000)))
        minutes = add(times(field("HOUR"), 3_600_000), times(field("MINUTE"), 60_000))
        whole = add(minutes, rounded)
        return add(times(day, 86_400_000), cast(whole, "BIGINT", self.printed))

    def milliseconds_utc(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        in_utc = exp.AtTimeZone(this=value.copy(), zone=text("UTC"))
        return self.milliseconds(exp.paren(in_utc), column)

    def sha256(self, value: exp.Expression) -> exp.Expression:
        return call("ENCODE", call("SHA256", self._utf8(value)), text("hex"))

    def lane(self, digits: exp.Expression) -> exp.Expression:
        bits = cast(concat([text("x"), digits]), f"BIT({4 * LANE_DIGITS})", self.printed)
        return cast(bits, "BIGINT", self.printed)


class _MySQL(Engine):
    printed = "mysql"
    character = "CHAR"

    def string(self, value: exp.Expression) -> exp.Expression:
        """In UTF-8, whatever the character set of column and connection."""
        return exp.Cast(this=value.copy(), to=_UTF8MB4)

    def size(self, value: exp.Expression) -> exp.Expression:
        return call("LENGTH", value)

    def integer(self, value: exp.Expression) -> exp.Expression:
        return self.string(add(value, number(0)))  # the zeros of ZEROFILL and YEAR are no digits

    def decimal(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        printed = self.integer(value)
        with_point = has_point(call("LOCATE", text("."), printed))
        return (
            exp.Case()
            .when(is_zero(value), text("0"))  # there is a -0.00
            .when(with_point, without_zeros(printed))
            .else_(printed)
        )

    def text(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        printed = self.string(value)
        # under PAD_CHAR_TO_FULL_LENGTH there are blanks that CHAR never holds
        return without_trailing(printed, " ") if column.source_type in PADDED else printed

    def days(self, value: exp.Expression) -> exp.Expression:
        return call("DATEDIFF", value, text(_EPOCH))

    def milliseconds(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        if column.source_type == "timestamp":
            return self.milliseconds_utc(value, column)
        unit, start = exp.var("MICROSECOND"), text(f"{_EPOCH} 00:00:00")
        return self._rounded(call("TIMESTAMPDIFF", unit, start, value))

    def milliseconds_utc(self, value: exp.Expression, column: PortableColumn) -> exp.Expression:
        """UNIX_TIMESTAMP gives what a TIMESTAMP holds, whatever the time zone of the session."""
        micros = times(call("UNIX_TIMESTAMP", value), 1_000_000)
        return self._rounded(cast(micros, "SIGNED", self.printed))

    def _rounded(self, micros: exp.Expression) -> exp.Expression:
        positive = add(micros, number(1000 * _YEAR_0_MS + 500))  # DIV cuts towards 0
        return minus(whole_division(positive, 1000), number(_YEAR_0_MS))

    def sha256(self, value: exp.Expression) -> exp.Expression:
        return call("SHA2", value, number(256))

    def lane(self, digits: exp.Expression) -> exp.Expression:
        whole = call("CONV", digits, number(16), number(10))
        return cast(whole, "DECIMAL(38, 0)", self.printed)


_UTF8MB4 = exp.DataType(this=exp.DType.CHARACTER_SET, kind=exp.var("utf8mb4"))

ENGINES: Mapping[Dialect, Engine] = {
    "duckdb": _DuckDB(),
    "athena": _Trino(),
    "trino": _Trino(),
    "spark": _Spark(),
    "postgres": _Postgres(),
    "mysql": _MySQL(),
}
SOURCES: frozenset[Dialect] = frozenset(("postgres", "mysql"))
"""Dialects of databases that tables come from; the others read the lake."""
