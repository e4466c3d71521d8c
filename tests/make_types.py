"""Exports that hold every row of the exporter's type mapping, with what each column must become.

Expected values are worked out here with the standard library alone, so that a mistake in an engine
cannot hide itself. Normal and nasty values are in separate columns: one nasty value decides about
its whole column.

Mapping: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
(read 2026-11)
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from compactor.sample_exports import Column, Layout, RdsExport

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)


@dataclass(frozen=True)
class TypedColumn:
    """A column, its values as delivered and typed (both in the order of `id`), and its new type."""

    column: Column
    delivered: tuple[Any, ...]
    output: str
    """DuckDB type that the compacted column has."""
    kept_text: bool
    typed: tuple[Any, ...]
    """Values after compaction: `date`, `datetime` (aware for TIMESTAMP WITH TIME ZONE), `Decimal`,
    `str`, `bytes`, ..."""

    @property
    def name(self) -> str:
        return self.column.name


@dataclass(frozen=True)
class TypesTable:
    """One table; its first column is `id`, 1 to `rows`."""

    name: str
    columns: tuple[TypedColumn, ...]
    rows: int

    def __getitem__(self, name: str) -> TypedColumn:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True)
class TypesExport:
    root: Path
    database: str
    tables: tuple[TypesTable, ...]

    def __getitem__(self, name: str) -> TypesTable:
        return next(table for table in self.tables if table.name == name)


@dataclass(frozen=True)
class _Spec:
    column: Column
    output: str
    values: tuple[Any, ...]
    kept: bool = False


def _pg(name: str, kind: str, output: str, *values: Any, precision: int = 0) -> _Spec:
    return _Spec(Column(name, kind, precision=precision), output, values)


def _kept(name: str, kind: str, *values: Any, precision: int = 0, output: str = "VARCHAR") -> _Spec:
    return _Spec(Column(name, kind, precision=precision), output, values, kept=True)


def _my(
    name: str, kind: str, output: str, *values: Any, precision: int = 0, scale: int = 0
) -> _Spec:
    return _Spec(Column(name, kind, precision=precision, scale=scale), output, values)


_LONG = "lang " * 4_000
_HUGE = "123456789012345678901234567890.123456789012345678901234567890"  # 60 digits

POSTGRES_NORMAL = (
    _pg("c_bigint", "bigint", "BIGINT", 0, -(2**63), 2**63 - 1),
    _pg("c_bigserial", "bigint", "BIGINT", 1, 2, 3),
    _pg("c_integer", "integer", "INTEGER", 0, -(2**31), 2**31 - 1),
    _pg("c_serial", "integer", "INTEGER", 1, 2, 3),
    _pg("c_smallint", "smallint", "INTEGER", 0, -(2**15), 2**15 - 1),
    _pg("c_smallserial", "smallint", "INTEGER", 1, 2, 3),
    _pg("c_real", "real", "FLOAT", 0.0, -1.5, 3.4028234663852886e38, float("inf")),
    _pg("c_double", "double precision", "DOUBLE", 0.1, -2.5e-300, 1.7976931348623157e308),
    _pg(
        *("c_numeric_12_2", "numeric", "DECIMAL(12,2)", "0.00", "-1234567890.12"),
        *("9999999999.99", "1.50"),
        precision=12,
    ),
    _pg("c_numeric", "numeric", "DECIMAL(38,4)", "1", "-0.125", "100", "12.5000"),
    _pg("c_numeric_whole", "numeric", "DECIMAL(38,0)", "9" * 38, "-" + "9" * 38, "0", "1200"),
    _pg("c_numeric_38_10", "numeric", "DECIMAL(38,10)", "1" * 28 + ".0000000001", precision=38),
    _pg("c_numeric_3_5", "numeric", "DECIMAL(38,5)", "0.00123", "-0.00999", precision=3),
    # numeric(5,-2) holds seven digits, the last two of them zeros: more than its precision says
    _pg(
        *("c_numeric_5_minus_2", "numeric", "DECIMAL(38,0)", "1234500", "-9999900"),
        precision=5,
    ),
    _pg("c_money", "money", "VARCHAR", "$1,234.56", "-$1,234.56", "$0.00"),
    _pg("c_boolean", "boolean", "BOOLEAN", True, False),
    _pg("c_char", "character", "VARCHAR", "DE   ", "ÄÖ   ", "     "),
    _pg("c_varchar", "character varying", "VARCHAR", "", "NULL", " blank ", "Größe 🎁"),
    _pg("c_text", "text", "VARCHAR", "a\nb\tc\\", "'\"`;--", _LONG, "2024-01-01", "0"),
    _pg("c_name", "name", "VARCHAR", "pg_class"),
    _pg("c_xml", "xml", "VARCHAR", "<a b='1'>x</a>"),
    _pg("c_enum", "USER-DEFINED", "VARCHAR", "happy", "sad"),
    _pg("c_bytea", "bytea", "BLOB", b"", b"\x00\xff\xfe", b"text", b"\\x41"),
    _pg(
        *("c_date", "date", "DATE", "2024-02-29", "0001-01-01", "9999-12-31", "1582-10-10"),
        *("1969-12-31", "1900-03-01"),
    ),
    _pg("c_time", "time without time zone", "VARCHAR", "12:34:56.789", "24:00:00", "00:00:00"),
    _pg(
        *("c_timetz", "time with time zone", "VARCHAR", "12:34:56+00", "12:34:56.5+05:30"),
        *("24:00:00-03:30:15",),
    ),
    _pg(
        *("c_timestamp", "timestamp without time zone", "TIMESTAMP", "2024-03-05 12:34:56"),
        *("2024-03-05 12:34:56.123456", "2024-03-05 12:34:56.1", "0001-01-01 00:00:00"),
        *("9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999", "2024-03-05 12:34:56.0012"),
    ),
    _pg(
        *("c_timestamptz", "timestamp with time zone", "TIMESTAMP WITH TIME ZONE"),
        *("2024-03-05 12:34:56+00", "2024-03-05 12:34:56.123456+00", "2024-03-05 12:34:56.5+05:30"),
        *("1883-11-17 12:00:00-03:30:15", "0001-01-01 00:00:00+00", "9999-12-31 23:59:59+00"),
        *("1800-01-01 00:00:00.25+00:53:28", "2024-07-01 00:00:00-09:30"),
    ),
    _pg(
        *("c_interval", "interval", "VARCHAR", "1 year 2 mons 3 days 04:05:06.789"),
        *("-1 days +02:03:00", "00:00:00"),
    ),
    _pg("c_uuid", "uuid", "VARCHAR", "00000000-0000-0000-0000-000000000000"),
    _pg("c_json", "json", "VARCHAR", '{"a":1,  "a":2}', "null", "[]"),
    _pg("c_jsonb", "jsonb", "VARCHAR", '{"a": 1.50, "ü": "🎁"}', '"text"', "1e400"),
    _pg("c_array", "ARRAY", "VARCHAR", "{1,2,NULL}", '{"a,b","c\\"d"}', "[0:1]={1,2}", "{}"),
    _pg("c_bit", "bit", "VARCHAR", "0101", "0000"),
    _pg("c_varbit", "bit varying", "VARCHAR", "", "1"),
    _pg("c_composite", "USER-DEFINED", "VARCHAR", '(1,b,"c d")', "(,,)"),
    _pg("c_domain", "text", "VARCHAR", "anna@example.com"),
    # information_schema names a domain's base type; the exporter writes text whatever that is
    _Spec(Column("c_domain_integer", "integer", written=pa.string()), "VARCHAR", ("007", "12")),
    _pg("c_int4range", "int4range", "VARCHAR", "[1,10)", "empty"),
    _pg("c_numrange", "numrange", "VARCHAR", "[1.5,)"),
    _pg("c_daterange", "daterange", "VARCHAR", "[2024-01-01,2024-02-01)"),
    _pg("c_tsrange", "tsrange", "VARCHAR", '["2024-01-01 00:00:00","2024-01-02 00:00:00")'),
    _pg("c_tstzrange", "tstzrange", "VARCHAR", '["2024-01-01 00:00:00+00",)'),
    _pg("c_int8multirange", "int8multirange", "VARCHAR", "{[1,3),[5,8)}"),
    _pg("c_point", "point", "VARCHAR", "(1.5,-2)"),
    _pg("c_line", "line", "VARCHAR", "{1,-1,0}"),
    _pg("c_lseg", "lseg", "VARCHAR", "[(0,0),(1,1)]"),
    _pg("c_box", "box", "VARCHAR", "(1,1),(0,0)"),
    _pg("c_path", "path", "VARCHAR", "[(0,0),(1,1)]"),
    _pg("c_polygon", "polygon", "VARCHAR", "((0,0),(1,1),(1,0))"),
    _pg("c_circle", "circle", "VARCHAR", "<(0,0),2>"),
    _pg("c_inet", "inet", "VARCHAR", "192.168.0.1/24", "::1"),
    _pg("c_cidr", "cidr", "VARCHAR", "10.0.0.0/8"),
    _pg("c_macaddr", "macaddr", "VARCHAR", "08:00:2b:01:02:03"),
    _pg("c_macaddr8", "macaddr8", "VARCHAR", "08:00:2b:01:02:03:04:05"),
    _pg("c_pg_lsn", "pg_lsn", "VARCHAR", "16/B374D848"),
    _pg("c_tsvector", "tsvector", "VARCHAR", "'cat':2 'fat':1A"),
    _pg("c_tsquery", "tsquery", "VARCHAR", "'fat' & !'cat'"),
)
POSTGRES_NASTY = (
    _kept("c_date_bc", "date", "2024-03-05", "0044-03-15 BC"),
    _kept("c_date_infinity", "date", "infinity", "-infinity", "2024-03-05"),
    _kept("c_date_far", "date", "10000-01-01", "5874897-12-31", "2024-03-05"),
    _kept("c_ts_bc", "timestamp without time zone", "0044-03-15 12:34:56 BC"),
    _kept("c_ts_infinity", "timestamp without time zone", "2024-03-05 12:34:56", "infinity"),
    _kept("c_ts_far", "timestamp without time zone", "294276-12-31 23:59:59.999999"),
    _kept("c_tz_bc", "timestamp with time zone", "0044-03-15 12:34:56+00:53:28 BC"),
    _kept("c_tz_infinity", "timestamp with time zone", "2024-03-05 12:34:56+00", "-infinity"),
    _kept("c_tz_far", "timestamp with time zone", "10000-01-01 00:00:00+00"),
    _kept("c_numeric_nan", "numeric", "1.5", "NaN"),
    _kept("c_numeric_nan_12_2", "numeric", "1.50", "NaN", precision=12),
    _kept("c_numeric_infinity", "numeric", "Infinity", "-Infinity", "1"),
    _kept("c_numeric_60", "numeric", _HUGE, "1"),
    # 38 digits before the point and one behind it: 39 in all
    _kept("c_numeric_39", "numeric", "9" * 38, "0.5"),
)


def _wkb(kind: int, *numbers: float) -> bytes:
    return struct.pack("<BI", 1, kind) + struct.pack(f"<{len(numbers)}d", *numbers)


_POINT = _wkb(1, 7.1, 50.7)
_RING = struct.pack("<I", 4) + struct.pack("<8d", 0, 0, 1, 0, 1, 1, 0, 0)
_LINE = struct.pack("<BII", 1, 2, 2) + struct.pack("<4d", 0, 0, 1, 1)
_POLYGON = struct.pack("<BII", 1, 3, 1) + _RING


def _multi(kind: int, *parts: bytes) -> bytes:
    return struct.pack("<BII", 1, kind, len(parts)) + b"".join(parts)


MYSQL_NORMAL = (
    _my("c_bigint", "bigint", "BIGINT", 0, -(2**63), 2**63 - 1),
    _my(
        *("c_bigint_unsigned", "bigint unsigned", "DECIMAL(20,0)"),
        *(Decimal(0), Decimal(2**63), Decimal(2**64 - 1)),
        precision=20,
    ),
    _my("c_int", "int", "INTEGER", 0, -(2**31), 2**31 - 1),
    _my("c_int_unsigned", "int unsigned", "BIGINT", 0, 2**32 - 1),
    _my("c_mediumint", "mediumint", "INTEGER", -(2**23), 2**23 - 1),
    _my("c_mediumint_unsigned", "mediumint unsigned", "BIGINT", 0, 2**24 - 1),
    _my("c_smallint", "smallint", "INTEGER", -(2**15), 2**15 - 1),
    _my("c_smallint_unsigned", "smallint unsigned", "INTEGER", 0, 2**16 - 1),
    _my("c_tinyint", "tinyint", "INTEGER", -128, 127),
    _my("c_tinyint_unsigned", "tinyint unsigned", "INTEGER", 0, 255),
    _Spec(Column("c_tinyint_unsigned_2020", "tinyint", written=pa.int32()), "INTEGER", (0, 255)),
    _my("c_bit", "bit", "BLOB", b"\x01", b"\x00", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    _my(
        *("c_decimal_9_2", "decimal", "DECIMAL(9,2)", Decimal("-1234567.89"), Decimal("0.10")),
        precision=9,
        scale=2,
    ),
    _my(
        *("c_decimal_18_4", "decimal", "DECIMAL(18,4)", Decimal("12345678901234.5678")),
        precision=18,
        scale=4,
    ),
    _my(
        *("c_decimal_38_10", "decimal", "DECIMAL(38,10)", Decimal("9" * 28 + ".9999999999")),
        precision=38,
        scale=10,
    ),
    _my("c_decimal_65_30", "decimal", "DECIMAL(38,30)", "1.5" + "0" * 29, precision=65, scale=30),
    _my("c_numeric_10_0", "numeric", "DECIMAL(10,0)", Decimal(9999999999), precision=10),
    _my("c_float", "float", "DOUBLE", 0.5, -1.25),
    _my("c_double", "double", "DOUBLE", 0.1, 1.7976931348623157e308),
    _my("c_char", "char", "VARCHAR", b"DE", "Größe".encode(), "🎁".encode(), b""),
    _my("c_binary", "binary", "BLOB", b"ab\x00\x00"),
    _my("c_varbinary", "varbinary", "BLOB", b"", b"\xc3\x28"),
    _my("c_tinyblob", "tinyblob", "BLOB", b"\x00"),
    _my("c_blob", "blob", "BLOB", b"looks like text"),
    _my("c_mediumblob", "mediumblob", "BLOB", bytes(range(256))),
    _my("c_longblob", "longblob", "BLOB", b"x" * 20_000),
    _my("c_varchar", "varchar", "VARCHAR", "", "NULL", "Größe 🎁"),
    _my("c_tinytext", "tinytext", "VARCHAR", "a"),
    _my("c_text", "text", "VARCHAR", "a\nb\\"),
    _my("c_mediumtext", "mediumtext", "VARCHAR", _LONG),
    _my("c_longtext", "longtext", "VARCHAR", "0000-00-00"),
    _my("c_enum", "enum", "VARCHAR", "small", ""),
    _my("c_set", "set", "VARCHAR", "a,b", ""),
    _my("c_json", "json", "VARCHAR", '{"a": 1}', "null"),
    _my("c_date", "date", "DATE", "1000-01-01", "9999-12-31", "2024-02-29"),
    _my("c_time", "time", "VARCHAR", "-838:59:59", "838:59:59", "12:00:00.123456", "00:00:00"),
    _my(
        *("c_datetime", "datetime", "TIMESTAMP", datetime(1000, 1, 1)),  # noqa: DTZ001
        *(datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(2024, 2, 29, 1)),  # noqa: DTZ001
    ),
    _my("c_timestamp", "timestamp", "TIMESTAMP", datetime(2038, 1, 19, 3, 14, 7)),  # noqa: DTZ001
    _my("c_year", "year", "INTEGER", 1901, 2155, 0),
    _my("c_geometry", "geometry", "BLOB", _POINT),
    _my("c_point", "point", "BLOB", _POINT),
    _my("c_linestring", "linestring", "BLOB", _LINE),
    _my("c_polygon", "polygon", "BLOB", _POLYGON),
    _my("c_multipoint", "multipoint", "BLOB", _multi(4, _POINT)),
    _my("c_multilinestring", "multilinestring", "BLOB", _multi(5, _LINE)),
    _my("c_multipolygon", "multipolygon", "BLOB", _multi(6, _POLYGON)),
    _my("c_geometrycollection", "geometrycollection", "BLOB", _multi(7, _POINT, _LINE)),
)
MYSQL_NASTY = (
    _kept("c_date_zero", "date", "0000-00-00", "2024-03-05"),
    _kept("c_date_zero_day", "date", "2024-03-00", "2024-00-00"),
    _kept("c_char_latin1", "char", b"caf\xe9", b"plain", output="BLOB"),
    _kept("c_decimal_60", "decimal", _HUGE, "1." + "0" * 30, precision=60),
)
_ADJUSTED = pa.timestamp("us", "UTC")
MYSQL_ADJUSTED = tuple(
    # Spark marks the timestamps it writes as adjusted to UTC; the documents do not say which it is
    _Spec(
        Column(f"c_{kind}", kind, written=_ADJUSTED),
        "TIMESTAMP WITH TIME ZONE",
        (datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)),
    )
    for kind in ("datetime", "timestamp")
)


def all_types_postgres(folder: Path, export_id: str = "types-postgres") -> TypesExport:
    """Write every type of a PostgreSQL export, normal and nasty values in tables of their own."""
    export = RdsExport(folder, export_id, SNAPSHOT)
    tables = (
        _write(export, "public.all_types", POSTGRES_NORMAL),
        _write(export, "public.nasty_types", POSTGRES_NASTY),
    )
    return TypesExport(export.finish(), export.database, tables)


def all_types_mysql(folder: Path, export_id: str = "types-mysql") -> TypesExport:
    """Write every type of a MySQL export, normal and nasty values in tables of their own."""
    export = RdsExport(folder, export_id, SNAPSHOT, engine="mysql")
    tables = (
        _write(export, "shop.all_types", MYSQL_NORMAL),
        _write(export, "shop.nasty_types", MYSQL_NASTY),
        _write(export, "shop.adjusted_times", MYSQL_ADJUSTED),
    )
    return TypesExport(export.finish(), export.database, tables)


def _write(export: RdsExport, name: str, specs: Sequence[_Spec]) -> TypesTable:
    """Write one table; the last row is NULL in every column but `id`."""
    rows = max(len(spec.values) for spec in specs) + 1
    ids = _Spec(Column("id", "bigint"), "BIGINT", tuple(range(1, rows + 1)))
    columns = []
    for spec in (ids, *specs):
        delivered = tuple(itertools.islice((*spec.values, *[None] * rows), rows))
        typed = delivered if spec.kept else tuple(_typed(v, spec.output) for v in delivered)
        columns.append(TypedColumn(spec.column, delivered, spec.output, spec.kept, typed))
    data = pa.table(
        {c.name: pa.array(c.delivered, c.column.arrow_type(export.engine)) for c in columns}
    )
    export.table(name, [c.column for c in columns], data, Layout(files=2))
    return TypesTable(name, tuple(columns), rows)


def _typed(value: Any, output: str) -> Any:
    """Return what a delivered value is in its restored type."""
    if isinstance(value, bytes):
        return value.decode() if output == "VARCHAR" else value
    if not isinstance(value, str):
        return value
    match output.split("(")[0]:
        case "DATE":
            return date.fromisoformat(value)
        case "TIMESTAMP":
            return datetime.fromisoformat(value)
        case "TIMESTAMP WITH TIME ZONE":
            moment = datetime.fromisoformat(value)
            # not astimezone(): it cannot pass the ends of the calendar
            return moment.replace(tzinfo=UTC) - (moment.utcoffset() or timedelta())
        case "DECIMAL":
            return Decimal(value)
    return value
