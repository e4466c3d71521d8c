"""Which Parquet type each column gets, and the SQL expressions that restore and check it.

In:  the columns that DuckDB sees in the staged files, the export's own description of them.
Out: one `Rule` per column, and sqlglot expressions over it. Pure: no IO.

Exports from PostgreSQL deliver dates, timestamps and numerics as text, exports from MySQL deliver
CHAR as bare bytes. A rule restores the source type; the *round trip* then says whether that was
lossless: text -> typed -> the same text. A value that does not survive makes the whole column keep
its text. Documented other spellings of the same value, which count as equal:

* trailing zeros of a fraction (`1.50` and `1.5`, `12:00:00.120` and `12:00:00.12`);
* a `timestamptz` written with another offset than `+00`: the instant is kept, checked by computing
  it a second time from the local time and the offset. PostgreSQL itself stores only the instant.

Types without a restored form stay text on purpose: Athena has no TIME, INTERVAL or UUID type, and
`money`, arrays and ranges depend on settings that the export does not carry.

Names inside the scratch database are ours (`s0` as delivered, `c0` typed); a source name appears
only as a quoted identifier made by sqlglot. Mapping tables:
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
(read 2026-11)
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from .model import Grain, SourceColumn

How = Literal["as_is", "cast", "date", "timestamp", "timestamptz", "decimal", "utf8", "micros"]
PARSED: frozenset[How] = frozenset(
    ("date", "timestamp", "timestamptz", "decimal", "utf8", "micros")
)

_TEXT_TO: dict[str, How] = {
    "date": "date",
    "timestamp": "timestamp",
    "timestamp without time zone": "timestamp",
    "datetime": "timestamp",
    "timestamp with time zone": "timestamptz",
    "timestamptz": "timestamptz",
    "numeric": "decimal",
    "decimal": "decimal",
}
_BYTES_THAT_ARE_TEXT = frozenset(
    (
        "char",
        "character",
        "bpchar",
        "varchar",
        "tinytext",
        "text",
        "mediumtext",
        "longtext",
        "enum",
        "set",
        "json",
    )
)
# What Athena cannot read, or reads wrongly, becomes the next type that holds every value.
_SAFE_TYPE = {
    "TINYINT": "INTEGER",
    "SMALLINT": "INTEGER",
    "UTINYINT": "INTEGER",
    "USMALLINT": "INTEGER",
    "UINTEGER": "BIGINT",
    "UBIGINT": "DECIMAL(20,0)",
    "TIME": "VARCHAR",
    "TIME WITH TIME ZONE": "VARCHAR",
    "TIME_NS": "VARCHAR",
    "UUID": "VARCHAR",
    "INTERVAL": "VARCHAR",
    "BIT": "VARCHAR",
    "JSON": "VARCHAR",
    "TIMESTAMP_S": "TIMESTAMP",
    "TIMESTAMP_MS": "TIMESTAMP",
}
# Athena has no nanoseconds ; most columns of this type hold none.
_MICROS = {"TIMESTAMP_NS": "TIMESTAMP", "TIMESTAMPTZ_NS": "TIMESTAMP WITH TIME ZONE"}
PARTITION_NAMES = frozenset(("dt", "snapshot"))
"""Names of the partition folders: a data column of that name would hide the folder's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileColumn:
    """A column as DuckDB reads it from the staged files."""

    read_name: str
    source_name: str
    read_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How one column is restored. `no` gives its scratch name, `c<no>`."""

    no: int
    read_name: str
    source_name: str
    source_type: str
    read_type: str
    output_name: str
    target: str
    how: How
    kept_text: bool = False
    kept_values: int = 0
    examples: tuple[str, ...] = ()

    @property
    def scratch_name(self) -> str:
        return f"c{self.no}"

    @property
    def staged_name(self) -> str:
        """Scratch name of the column as it was delivered."""
        return f"s{self.no}"

    @property
    def parsed(self) -> bool:
        return self.how in PARSED

    @property
    def scale(self) -> int:
        return int(self.target.rstrip(")").split(",")[1]) if self.how == "decimal" else 0

    def keep_text(self, values: int, examples: Sequence[str]) -> Rule:
        """Return the rule that leaves this column as it was delivered, nanoseconds as text."""
        kept = replace(self, how="as_is", target=self.read_type)
        if self.how == "micros":
            kept = replace(self, how="cast", target="VARCHAR")
        return replace(kept, kept_text=True, kept_values=values, examples=tuple(examples[:5]))


def rules(
    columns: Iterable[FileColumn], described: Iterable[SourceColumn]
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Choose a rule for each column; also return notes about names that had to change."""
    types = {column.name: column for column in described}
    lowered = {column.name.lower(): column for column in types.values()}
    taken: set[str] = set(PARTITION_NAMES)
    made: list[Rule] = []
    notes: list[str] = []
    for no, column in enumerate(columns):
        known = types.get(column.source_name) or lowered.get(column.source_name.lower())
        # no engine takes an empty name
        name = _free_name(column.source_name.lower() or "unnamed", taken)
        taken.add(name)
        if name != column.source_name.lower():
            notes.append(f"column {column.source_name!r} is written as {name!r}")
        made.append(_rule(no, column, known, name))
    return tuple(made), tuple(notes)


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _rule(no: int, column: FileColumn, known: SourceColumn | None, name: str) -> Rule:
    source_type = known.source_type if known else ""
    declared = source_type.lower().strip()
    how: How = "as_is"
    target = column.read_type
    if column.read_type == "VARCHAR" and declared in _TEXT_TO:
        how = _TEXT_TO[declared]
        target = {
            "date": "DATE",
            "timestamp": "TIMESTAMP",
            "timestamptz": "TIMESTAMP WITH TIME ZONE",
            "decimal": decimal_type(known.precision if known else 0, 0),
        }[how]
    elif column.read_type == "BLOB" and declared in _BYTES_THAT_ARE_TEXT:
        how, target = "utf8", "VARCHAR"
    elif column.read_type in _MICROS:
        how, target = "micros", _MICROS[column.read_type]
    elif (safe := _safe_type(column.read_type)) != column.read_type:
        how, target = "cast", safe
    return Rule(
        no=no,
        read_name=column.read_name,
        source_name=column.source_name,
        source_type=source_type,
        read_type=column.read_type,
        output_name=name,
        target=target,
        how=how,
    )


_WHOLE = (
    "TINYINT",
    "UTINYINT",
    "SMALLINT",
    "USMALLINT",
    "INTEGER",
    "UINTEGER",
    "BIGINT",
    "UBIGINT",
)
_UNSIGNED = frozenset(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"))
_BITS = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "BIGINT": 63, "HUGEINT": 127} | {
    "UTINYINT": 8,
    "USMALLINT": 16,
    "UINTEGER": 32,
    "UBIGINT": 64,
    "FLOAT": 24,
    "DOUBLE": 53,
}
"""Bits that a whole number may have and still be held exactly."""


def widens(narrow: str, wide: str) -> bool:
    """True if every value of one DuckDB type is held exactly by the other."""
    if narrow == wide:
        return True
    if narrow.startswith("DECIMAL") and wide.startswith("DECIMAL"):
        (width, scale), (room, decimals) = _decimal(narrow), _decimal(wide)
        return scale <= decimals and width - scale <= room - decimals
    if narrow in _WHOLE and wide.startswith("DECIMAL"):
        room, decimals = _decimal(wide)
        return 1 << _BITS[narrow] <= int(f"1{'0' * (room - decimals)}")
    if (narrow, wide) == ("FLOAT", "DOUBLE"):
        return True
    if wide in _UNSIGNED and narrow not in _UNSIGNED:
        return False
    return narrow in _WHOLE and _BITS.get(wide, 0) >= _BITS[narrow]


def _decimal(type_name: str) -> tuple[int, int]:
    width, scale = type_name[8:-1].split(",")
    return int(width), int(scale)


def _safe_type(read_type: str) -> str:
    return "VARCHAR" if read_type.startswith("ENUM(") else _SAFE_TYPE.get(read_type, read_type)


def decimal_type(precision: int, scale: int) -> str:
    """Return `DECIMAL(p,s)`: the declared precision where it can hold the scale, else 38."""
    width = precision if 0 < precision <= 38 and scale <= precision else 38
    return f"DECIMAL({width},{scale})"


# --- expressions ------------------------------------------------------------------------------


def _source(rule: Rule) -> exp.Column:
    return exp.column(rule.staged_name)


def _text(value: exp.Expression) -> exp.Expression:
    return exp.cast(value, _kind("VARCHAR"))


def _to(value: exp.Expression, type_name: str, *, attempt: bool) -> exp.Expression:
    return (exp.TryCast if attempt else exp.Cast)(this=value, to=_kind(type_name))


def _kind(type_name: str) -> exp.DataType:
    return _parsed_kind(type_name).copy()


@functools.cache
def _parsed_kind(type_name: str) -> exp.DataType:
    return exp.DataType.build(type_name, dialect="duckdb")


def _call(name: str, *args: exp.Expression | str | int) -> exp.Expression:
    return exp.Anonymous(
        this=name,
        expressions=[
            arg
            if isinstance(arg, exp.Expression)
            else (exp.Literal.string(arg) if isinstance(arg, str) else exp.Literal.number(arg))
            for arg in args
        ],
    )


def value(rule: Rule) -> exp.Expression:
    """Return the typed value of a source column; NULL where it cannot be typed."""
    match rule.how:
        case "as_is":
            return _source(rule)
        case "cast":
            return _to(_source(rule), rule.target, attempt=False)
        case "utf8":
            return _call("try", _call("decode", _source(rule)))
        case _:
            return _to(_source(rule), rule.target, attempt=True)


def _in_years(typed: exp.Expression, kind: str) -> exp.Expression:
    """True for years 1 to 9999: what both Athena and a `yyyy-MM-dd` folder can hold."""
    low = exp.cast(exp.Literal.string("0001-01-01"), _kind(kind))
    high = exp.cast(exp.Literal.string("10000-01-01"), _kind(kind))
    return exp.And(
        this=exp.GTE(this=typed.copy(), expression=low),
        expression=exp.LT(this=typed.copy(), expression=high),
    )


def is_lossy(rule: Rule, typed: exp.Expression) -> exp.Expression:
    """Return an expression that is true where the round trip of one value fails.

    `typed` is the already computed value (a reference), so that nothing is parsed twice. A CASE and
    not AND/OR: DuckDB evaluates its branches only for the rows that reach them, so the costly
    spellings are looked at only where plain equality fails.
    """
    if not rule.parsed:
        return exp.false()
    source = _source(rule)
    spelled: exp.Expression | None = None
    if rule.how == "utf8":
        same = exp.EQ(this=_call("encode", typed), expression=source.copy())
    elif rule.how == "micros":
        nanos = _call("epoch_ns", typed)
        same = exp.EQ(this=nanos, expression=_call("epoch_ns", source.copy()))
    else:
        same = exp.EQ(this=_text(typed), expression=source.copy())
        spelled = _other_spelling(rule, source, typed)
    case = exp.Case().when(source.is_(exp.null()), exp.false(), copy=False)
    if rule.how in ("date", "timestamp", "timestamptz"):
        outside = exp.not_(_in_years(typed, rule.target), copy=False)
        case = case.when(outside, exp.true(), copy=False)
    case = case.when(same, exp.false(), copy=False)
    if spelled is not None:
        case = case.when(spelled, exp.false(), copy=False)
    return case.else_(exp.true(), copy=False)


def _other_spelling(
    rule: Rule, source: exp.Expression, typed: exp.Expression
) -> exp.Expression | None:
    match rule.how:
        case "timestamp":
            return exp.EQ(this=_text(typed), expression=_without_zeros(source))
        case "timestamptz":
            return _same_instant(source, typed)
        case "decimal":
            return exp.EQ(this=_without_zeros(_text(typed)), expression=_without_zeros(source))
        case _:
            return None


def _without_zeros(text: exp.Expression) -> exp.Expression:
    """Strip the trailing zeros of a fraction, and a point that is then the last character.

    A text that ends in a point is no spelling of PostgreSQL's, and stays as it is.
    """
    stripped = _call("rtrim", _call("rtrim", text.copy(), "0"), ".")
    fraction = exp.And(
        this=_call("contains", text.copy(), "."),
        expression=exp.not_(_call("suffix", text.copy(), ".")),
    )
    return exp.Case().when(fraction, stripped, copy=False).else_(text.copy(), copy=False)


_OFFSET = r"([+-])(\d{2})(?::(\d{2}))?(?::(\d{2}))?$"
_LOCAL = r"^(.*?)[+-]\d{2}(?::\d{2}){0,2}$"


def _same_instant(source: exp.Expression, typed: exp.Expression) -> exp.Expression:
    """True where local time minus offset, computed here, is the instant that the cast found."""

    def part(group: int) -> exp.Expression:
        found = _call("nullif", _call("regexp_extract", source.copy(), _OFFSET, group), "")
        return exp.Coalesce(
            this=_to(found, "BIGINT", attempt=True), expressions=[exp.Literal.number(0)]
        )

    local_text = _call("regexp_extract", source.copy(), _LOCAL, 1)
    local = _to(local_text, "TIMESTAMP", attempt=True)
    seconds = exp.Add(
        this=exp.Add(
            this=exp.Mul(this=exp.paren(part(2)), expression=exp.Literal.number(3600)),
            expression=exp.Mul(this=exp.paren(part(3)), expression=exp.Literal.number(60)),
        ),
        expression=part(4),
    )
    sign = (
        exp.Case()
        .when(
            exp.EQ(
                this=_call("regexp_extract", source.copy(), _OFFSET, 1),
                expression=exp.Literal.string("-"),
            ),
            exp.Literal.number(-1000000),
        )
        .else_(exp.Literal.number(1000000))
    )
    offset = exp.Mul(this=exp.paren(seconds), expression=exp.paren(sign))
    instant = exp.Sub(this=_call("epoch_us", local), expression=exp.paren(offset))
    whole = exp.or_(
        exp.EQ(this=_text(local.copy()), expression=local_text.copy()),
        exp.EQ(this=_text(local.copy()), expression=_without_zeros(local_text)),
    )
    same = exp.EQ(this=_call("epoch_us", typed), expression=instant)
    return exp.And(this=same, expression=exp.paren(whole))


def day(rule: Rule | None, grain: Grain, timezone: str) -> exp.Expression:
    """Return the partition day of a row (DATE), NULL where it has no usable date.

    Usable is a finite date of the years 1 to 9999. Coarser grains give the first day of the month
    or year. A number is a moment: seconds, milliseconds or microseconds since 1970, see `_moment`.
    """
    if rule is None or grain == "none":
        return exp.cast(exp.null(), _kind("DATE"))
    typed: exp.Expression
    zoned = "with time zone" in f"{rule.target} {rule.source_type}".lower()
    if (number := _number(rule)) is not None:
        typed, zoned = _moment(number), True
    elif rule.target == "VARCHAR":
        typed = _moment_of_text(_source(rule), timezone, zoned=zoned)
    else:
        typed = exp.column(rule.scratch_name)
    if zoned and timezone != "UTC":
        typed = exp.AtTimeZone(this=exp.paren(typed), zone=exp.Literal.string(timezone))
    date = exp.TryCast(this=typed, to=_kind("DATE"))
    if grain != "day":
        truncated = _call("date_trunc", grain, date)
        date = exp.TryCast(this=truncated, to=_kind("DATE"))
    return exp.Case().when(_in_years(date, "DATE"), date.copy())


_WITH_OFFSET = r":\d{2}(?:[.,]\d+)?\s?(?:Z|z|[+-]\d{2}(?::?\d{2})?)$"


def _moment_of_text(text: exp.Expression, timezone: str, *, zoned: bool) -> exp.Expression:
    """Return when a text says it was: a TIMESTAMPTZ if `zoned`, else a TIMESTAMP in its own zone,
    or in `timezone` where it has an offset (`2026-10-06T23:30:00-05:00`)."""
    # TRY_CAST reads `0044-03-15 01:00:00 BC` as a year of our era
    is_ours = exp.not_(_call("suffix", text.copy(), "BC"))
    instant = _to(text.copy(), "TIMESTAMPTZ", attempt=True)
    if zoned:
        return exp.Case().when(is_ours, instant)
    at_zone = exp.AtTimeZone(this=exp.paren(instant), zone=exp.Literal.string(timezone))
    with_offset = _call("regexp_matches", text.copy(), _WITH_OFFSET)
    plain = _to(text.copy(), "TIMESTAMP", attempt=True)
    return exp.Case().when(is_ours, exp.Case().when(with_offset, at_zone).else_(plain))


def _number(rule: Rule) -> exp.Expression | None:
    """Return a column's whole numbers, also of kept text; None if it is not one of numbers."""
    if rule.target == "VARCHAR":
        if _TEXT_TO.get(rule.source_type.lower().strip()) != "decimal":
            return None
        return _call("floor", _to(_source(rule), "DECIMAL(38,6)", attempt=True))
    if rule.target in ("FLOAT", "DOUBLE") or rule.target.startswith("DECIMAL"):
        return _call("floor", exp.column(rule.scratch_name))
    if rule.target in _WHOLE:  # these as they are: `floor` makes DOUBLE of them
        return exp.column(rule.scratch_name)
    return None


_EPOCH_UNITS = ((10**11, 10**6), (10**14, 10**3), (10**17, 1))
"""Magnitude up to which a number counts seconds, milliseconds, microseconds; microseconds of each.
All three end in the year 5138. Milliseconds and microseconds of before 1973-03-03 cannot be told
from the next larger unit, and are taken for it."""


def _moment(number: exp.Expression) -> exp.Expression:
    """Return the instant (TIMESTAMPTZ) that a number of some unit since 1970 means, else NULL."""
    whole = _to(number, "BIGINT", attempt=True)
    case = exp.Case()
    for below, micros in _EPOCH_UNITS:
        near = exp.Between(
            this=whole.copy(),
            low=exp.Literal.number(1 - below),
            high=exp.Literal.number(below - 1),
        )
        case = case.when(near, exp.Mul(this=whole.copy(), expression=exp.Literal.number(micros)))
    return _call("make_timestamptz", case)


def row_hashes(names: Sequence[str]) -> tuple[exp.Expression, exp.Expression]:
    """Return two 64-bit hashes of a row, combined in opposite column orders: 128 bits together.

    DuckDB's `hash()` may change between versions: numbers are compared within one run only.
    """
    # each value is hashed once: DuckDB computes an expression that stands twice only once
    columns = [_call("hash", exp.column(name)) for name in names]
    first = _call("hash", *columns)
    second = _call("hash", *[column.copy() for column in reversed(columns)], "compactor")
    # hash(a, b) is close to f(a) XOR f(b): mixed once more before it is added up, so that values
    # exchanged between two rows cannot cancel out in the sum
    return _call("hash", first), _call("hash", second)
