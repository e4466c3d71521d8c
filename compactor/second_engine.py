"""The second opinion: Polars profiles the source and what was written (see `profile.py`).

The Arrow tables of *source* files are decoded by pyarrow, which checks page checksums and the gzip
trailer: DuckDB and Polars both decode a flipped bit in a gzip page into a wrong value without an
error. Arrow's and Polars' own parsers type the text, so DuckDB's are checked, too. Written files
are read by Polars itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from .profile import HALF, ColumnProfile, Family, family, plain_float
from .types import Rule

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiled:
    """A column to be profiled by Polars: its Arrow name, and the rule that types it (source side)
    or its written type (output side)."""

    no: int
    name: str
    type_name: str
    rule: Rule | None = None


def source_columns(rules: Iterable[Rule]) -> tuple[Profiled, ...]:
    return tuple(
        Profiled(no=rule.no, name=rule.source_name, type_name=rule.target, rule=rule)
        for rule in rules
    )


def output_columns(rules: Iterable[Rule]) -> tuple[Profiled, ...]:
    return tuple(
        Profiled(no=rule.no, name=rule.output_name, type_name=rule.target) for rule in rules
    )


FEW_CHUNKS = 8


def load() -> None:
    """Import what this module needs: it takes 0.1 s."""
    import polars as pl
    import pyarrow.compute

    _ = pl, pyarrow.compute


class Profiler:
    """Takes Arrow tables and profiles them, in batches of bounded size."""

    def __init__(self, columns: Sequence[Profiled], batch_bytes: int = 16 << 20) -> None:
        self.columns = columns
        self.rows = 0
        self.profiles = {column.no: ColumnProfile() for column in columns}
        self._batch_bytes = batch_bytes
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        if not self.columns:
            return
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= self._batch_bytes:
            self.flush()

    def flush(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for table in joined(waiting):
            self._take(table)

    def _take(self, table: pa.Table) -> None:
        present = set(table.schema.names)
        columns = [column for column in self.columns if column.name in present]
        # names from exports are hostile: inside Polars, too, columns are called by number
        table = table.select([column.name for column in columns])
        table = table.rename_columns([f"c{column.no}" for column in columns])
        for column in columns:  # typed one after the other: bounds the memory
            values = table.column(f"c{column.no}")
            self.profiles[column.no].merge(_profile(values, column))

    def result(self) -> dict[int, ColumnProfile]:
        self.flush()
        return self.profiles


def joined(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """Join tables whose columns are the same; comparing each with the next costs more than that."""
    if not tables:
        return []
    try:
        return [_one_table(tables)]
    except pa.ArrowInvalid:  # columns differ somewhere
        alike: list[list[pa.Table]] = []
        for table in tables:
            if alike and table.schema.equals(alike[-1][0].schema):
                alike[-1].append(table)
            else:
                alike.append([table])
        return [_one_table(group) for group in alike]


def _one_table(tables: Sequence[pa.Table]) -> pa.Table:
    joined = pa.concat_tables(tables)
    # many tiny chunks cost more than their rows
    return joined.combine_chunks() if len(tables) > FEW_CHUNKS else joined


def _profile(values: pa.ChunkedArray, column: Profiled) -> ColumnProfile:
    import polars as pl

    kind = family(column.type_name)
    given = len(values) - values.null_count
    if given == 0:
        return ColumnProfile()
    if kind == "text" and pa.types.is_string(values.type):
        return _text_profile(values)
    try:
        typed = _typed(values, column)
    except (pl.exceptions.PolarsError, pa.ArrowException):
        # this file's column has another type than the first one's: counted, and profiled again
        # once the types of the whole table are decided
        return ColumnProfile(unparsed=given)
    count = typed.len() - typed.null_count()
    result = ColumnProfile(values=count, unparsed=given - count)
    match kind:
        case _ if not _fits(typed, kind):
            return ColumnProfile(unparsed=given)
        case "integer" | "decimal" | "date" | "timestamp":
            number = typed.cast(pl.Int8) if typed.dtype == pl.Boolean else typed.to_physical()
            result.low, result.high = number.min(), number.max()
            result.total = int(number.cast(pl.Int128).sum())
            if _may_wrap(result):
                result.total = sum(number.drop_nulls())
        case "text":
            result.low, result.high = (str(b).encode() for b in (typed.min(), typed.max()))
            result.total = int(typed.str.len_bytes().cast(pl.Int64).sum())
        case "bytes":
            result.total = int(typed.bin.size().cast(pl.Int64).sum())
        case "float":
            nan = typed.is_nan().fill_null(value=False)
            real = typed.filter(~nan).drop_nulls()
            result.total = int(nan.sum())
            if real.len():
                bounds = pl.DataFrame({"low": [real.min()], "high": [real.max()]}).row(0)
                result.low, result.high = (plain_float(bound) for bound in bounds)
        case "other":
            pass
    return result


def _text_profile(values: pa.ChunkedArray) -> ColumnProfile:
    """Profile text that is not typed: Arrow does without the copy that Polars' own form needs."""
    import pyarrow.compute as pc

    bounds = pc.min_max(values)
    return ColumnProfile(
        values=len(values) - values.null_count,
        low=bounds["min"].as_buffer().to_pybytes(),
        high=bounds["max"].as_buffer().to_pybytes(),
        total=pc.sum(pc.binary_length(values)).as_py(),
    )


def _may_wrap(profile: ColumnProfile) -> bool:
    """True if a sum of 128 bits may not have held the total of these values."""
    if profile.low is None or profile.high is None:
        return False
    return bool(max(abs(profile.low), abs(profile.high)) * profile.values >= 1 << 127)


def _fits(typed: pl.Series, kind: Family) -> bool:
    """True if a column has a type that its family is computed on."""
    import polars as pl

    dtype = typed.dtype
    match kind:
        case "integer":
            return dtype.is_integer() or dtype == pl.Boolean
        case "text":
            return dtype == pl.String
        case "bytes":
            return dtype == pl.Binary
        case "float":
            return dtype.is_float()
        case "decimal":
            return dtype.is_decimal()
        case "date":
            return dtype == pl.Date
        case "timestamp":
            return isinstance(dtype, pl.Datetime)
        case _:
            return True


def _typed(values: pa.ChunkedArray, column: Profiled) -> pl.Series:
    """Type source values with the parsers of Arrow, else of Polars; what neither reads is NULL.

    Arrow's are ten times as quick, but stop at the first value that they cannot read.
    """
    import polars as pl

    rule = column.rule
    if rule is not None and rule.how in _ARROW_TYPES and pa.types.is_string(values.type):
        try:
            return _series(values.cast(_ARROW_TYPES[rule.how]))
        except pa.ArrowInvalid:
            return _parsed(_series(values), rule)
    if rule is not None and rule.how == "decimal":
        try:
            return _series(values.cast(pa.decimal128(38, rule.scale)))
        except pa.ArrowInvalid:
            return _parsed(_series(values), rule)
    series = _series(values)
    if rule is not None and rule.how == "utf8":
        return series.cast(pl.String, strict=False)
    kind = family(column.type_name)
    if kind == "decimal":  # of another scale in this file, or a whole number
        scale = int(column.type_name.rstrip(")").split(",")[1])
        return series.cast(pl.Decimal(38, scale))
    if kind == "timestamp" and series.dtype != pl.Datetime("us"):
        return series.cast(pl.Datetime("us"))
    if kind == "text" and series.dtype != pl.String:
        if series.dtype == pl.Time:
            return _time_text(series)
        if isinstance(series.dtype, pl.Datetime):
            return _moment_text(series)
        is_uuid = rule is not None and rule.read_type == "UUID"
        return _uuid_text(series) if is_uuid else series.cast(pl.String)
    return series


def _time_text(times: pl.Series) -> pl.Series:
    """Return times of day as DuckDB spells them: a fraction without trailing zeros, or none."""
    return _without_zeros(times.dt.to_string("%H:%M:%S%.9f"))


def _moment_text(moments: pl.Series) -> pl.Series:
    """Return moments of nanoseconds as DuckDB spells them, in UTC where they have a zone."""
    import polars as pl

    assert isinstance(moments.dtype, pl.Datetime)
    text = _without_zeros(moments.dt.to_string("%Y-%m-%d %H:%M:%S%.9f"))
    return text if moments.dtype.time_zone is None else text + "+00"


def _without_zeros(text: pl.Series) -> pl.Series:
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def _uuid_text(uuids: pl.Series) -> pl.Series:
    """Return UUIDs, which are 16 bytes in Parquet, as everybody spells them."""
    import polars as pl

    digits = uuids.cast(pl.Binary).bin.encode("hex")
    groups = r"^(.{8})(.{4})(.{4})(.{4})(.{12})$"
    return digits.str.replace(groups, "$1-$2-$3-$4-$5")


_ARROW_TYPES: dict[str, pa.DataType] = {
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
}


def _series(values: pa.ChunkedArray) -> pl.Series:
    import polars as pl

    series = pl.from_arrow(values)
    assert isinstance(series, pl.Series)
    return series


def _parsed(text: pl.Series, rule: Rule) -> pl.Series:
    """Type text with Polars' parsers, which make NULL of what they cannot read."""
    import polars as pl

    match rule.how:
        case "date":
            return text.str.to_date("%Y-%m-%d", strict=False)
        case "timestamp" | "timestamptz":
            local = text.str.strip_suffix("+00") if rule.how == "timestamptz" else text
            return local.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        case _:
            wide = pl.Decimal(38, rule.scale)
            parsed = pl.col("v").str.to_decimal(scale=rule.scale).cast(wide)
            return text.to_frame("v").select(parsed)["v"]


def scan_written(
    paths: Sequence[Path], columns: Sequence[Profiled]
) -> tuple[int, dict[int, ColumnProfile]]:
    """Count and profile written files with Polars' own reader, streaming.

    `columns` are in file order.
    """
    import polars as pl

    metrics: list[pl.Expr] = [pl.len().alias("rows")]
    for place, column in enumerate(columns):
        # by position: a name such as ^.*$ would be taken for a pattern
        metrics += [
            metric.alias(f"{place}.{number}")
            for number, metric in enumerate(_lazy_metrics(pl.nth(place), column.type_name))
        ]
    frame = pl.scan_parquet(list(paths), hive_partitioning=False, glob=False).select(metrics)
    row = frame.collect(engine="streaming").row(0)
    profiles = {}
    for place, column in enumerate(columns):
        values, low, high, total = row[1 + place * 4 : 5 + place * 4]
        kind = family(column.type_name)
        if kind == "text":
            low, high = (None if bound is None else bound.encode() for bound in (low, high))
        elif kind == "float":
            low, high = (None if bound is None else plain_float(bound) for bound in (low, high))
        profile = ColumnProfile(values=values, low=low, high=high, total=int(total or 0))
        if kind == "decimal" and _may_wrap(profile):
            profile.total = _total_of_halves(paths, place)
        profiles[column.no] = profile
    return int(row[0]), profiles


def _total_of_halves(paths: Sequence[Path], place: int) -> int:
    """Add up one decimal column whose sum may not fit 128 bits."""
    import polars as pl

    number = pl.nth(place).to_physical().cast(pl.Int128)
    half = pl.lit(HALF).cast(pl.Int128)
    high, low = (number // half), (number - (number // half) * half)
    frame = pl.scan_parquet(list(paths), hive_partitioning=False, glob=False).select(
        high.sum().alias("high"), low.sum().alias("low")
    )
    sums = frame.collect(engine="streaming").row(0)
    return int(sums[0]) * HALF + int(sums[1])


def _lazy_metrics(column: pl.Expr, type_name: str) -> list[pl.Expr]:
    import polars as pl

    none = pl.lit(None, dtype=pl.Int64)
    match family(type_name):
        case "integer":
            number = column.cast(pl.Int8) if type_name == "BOOLEAN" else column
            return [number.count(), number.min(), number.max(), number.cast(pl.Int128).sum()]
        case "decimal" | "date" | "timestamp":
            number = column.to_physical()
            return [number.count(), number.min(), number.max(), number.cast(pl.Int128).sum()]
        case "text":
            total = column.str.len_bytes().cast(pl.Int64).sum()
            return [column.count(), column.min(), column.max(), total]
        case "bytes":
            return [column.count(), none, none, column.bin.size().cast(pl.Int64).sum()]
        case "float":
            real = column.fill_nan(None)
            return [column.count(), real.min(), real.max(), column.is_nan().sum()]
        case _:
            return [column.count(), none, none, pl.lit(0)]
