"""Where the rows of a snapshot are, for each dialect: in the lake, or in the source. Pure.

In:  a snapshot as its manifest names it, the layout of catalogs, which day is meant.
Out: `Rows`: what to select from, which rows, and the day of each.

Athena, Trino and Spark read the external table of the catalog, DuckDB the objects themselves,
PostgreSQL and MySQL the table that was exported.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ..catalog.layout import DAY_KEY, SNAPSHOT_KEY, CatalogTable
from ..catalog.to_duckdb import as_pattern
from ..errors import ConfigError
from ..lake_tables import LakeSnapshot
from ..model import HIVE_NULL, OutputColumn, PartitionResult
from .canonical import PortableColumn, covered
from .engines import ENGINES, SOURCES, Dialect
from .expressions import call, text
from .statement import Rows

_FILE = "compactor source file"
"""Name for DuckDB's column of file names, which no column of a table has."""
_FOLDER_OF_A_DAY = r"/dt=([^/]*)/[^/]*$"
_POSTGRES_DAYS = {"day": "YYYY-MM-DD", "month": "YYYY-MM-01", "year": "YYYY-01-01"}
_MYSQL_DAYS = {"day": "%Y-%m-%d", "month": "%Y-%m-01", "year": "%Y-01-01"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Rows that are asked for."""

    snapshot: LakeSnapshot
    catalog: CatalogTable
    partition: PartitionResult | None
    """One partition; None for all."""
    by_day: bool
    url: str
    """Of the lake or archive, with the trailing slash."""
    timezone: str
    """Zone whose days an instant was filed under."""


def rows_of(wanted: Wanted, dialect: Dialect) -> Rows:
    """Return where a dialect finds the rows.

    Raises: ConfigError where it cannot find them, with the reason.
    """
    if dialect == "duckdb":
        return _objects(wanted)
    if dialect in SOURCES:
        return _source_table(wanted, dialect)
    return _external_table(wanted)


# --- the lake -------------------------------------------------------------------------------------


def _objects(wanted: Wanted) -> Rows:
    parts = [wanted.partition] if wanted.partition else wanted.snapshot.result.partitions
    urls = [text(f"{as_pattern(wanted.url)}{item.key}") for part in parts for item in part.objects]
    if not urls:
        raise ConfigError(
            f"{wanted.catalog.source.name} as of {wanted.snapshot.label} has no objects: it has no "
            "rows, and there is nothing that DuckDB could read",
            hint="the fingerprint of no rows is 0 and 0-0",
        )
    options = {"hive_partitioning": exp.false(), "filename": text(_FILE)}
    reader = call(
        "READ_PARQUET",
        exp.Array(expressions=urls),
        *[exp.EQ(this=exp.column(name), expression=value) for name, value in options.items()],
    )
    folder = call("REGEXP_EXTRACT", _quoted(_FILE), text(_FOLDER_OF_A_DAY), exp.Literal.number(1))
    day = exp.Nullif(this=folder, expression=text(HIVE_NULL))
    return Rows(place=exp.Table(this=reader), day=day if wanted.by_day else None)


def _external_table(wanted: Wanted) -> Rows:
    label = wanted.snapshot.label
    external = next(
        one
        for one in wanted.catalog.externals
        if label in [snapshot.label for snapshot in one.snapshots]
    )
    where: exp.Expr = exp.EQ(this=_quoted(SNAPSHOT_KEY), expression=text(label))
    if wanted.partition is not None and external.has_days:
        where = exp.and_(where, _is_day(_quoted(DAY_KEY), wanted.partition.value))
    return Rows(
        place=exp.table_(external.name, db=external.database, quoted=True),
        where=where,
        day=_quoted(DAY_KEY) if wanted.by_day else None,
    )


def _is_day(day: exp.Expression, value: str) -> exp.Expression:
    if value == HIVE_NULL:
        return day.is_(exp.null())
    return exp.EQ(this=day, expression=text(value))


# --- the source -----------------------------------------------------------------------------------


def _source_table(wanted: Wanted, dialect: Dialect) -> Rows:
    result = wanted.snapshot.result
    name = f"{result.database}.{result.table}"
    if result.system not in ("", "rds"):
        raise ConfigError(
            f"{name} was exported by {result.system}, which writes rows in its own way: what "
            "the database would print is not known",
            hint="RDS and Aurora exports can be compared with their database",
        )
    schema, _, table = result.table.partition(".")
    place = exp.Table(
        this=exp.to_identifier(table or schema, quoted=True),
        db=exp.to_identifier(schema, quoted=True) if table else None,
    )
    if wanted.partition is None and not wanted.by_day:
        return Rows(place=place)
    day = _day(wanted, dialect, name)
    chosen = wanted.partition
    return Rows(
        place=place,
        where=_is_day(day.copy(), chosen.value) if chosen else None,
        day=day if wanted.by_day else None,
    )


def _day(wanted: Wanted, dialect: Dialect, name: str) -> exp.Expression:
    """Return the partition's folder value of a row, as text."""
    result = wanted.snapshot.result
    found = _date_column(result.columns, result.partition_column)
    if found is None:
        raise ConfigError(
            f"{name} is divided by {result.partition_column}, which is no date or timestamp in the "
            f"lake: {dialect} cannot tell the days apart in the same way",
            hint="ask for the whole table, or for a dialect that reads the lake",
        )
    zoned = found.kind == "instant"
    if zoned and dialect == "mysql" and wanted.timezone != "UTC":
        raise ConfigError(
            f"{name} is divided by days of {wanted.timezone}, and MySQL knows time zones only "
            "where somebody has loaded them",
            hint="ask for the whole table, or for a dialect that reads the lake",
        )
    value = _quoted(found.source_name)
    if dialect == "mysql":
        if zoned or found.source_type == "timestamp":
            seconds = call("FLOOR", call("UNIX_TIMESTAMP", value))
            value = call("TIMESTAMPADD", exp.var("SECOND"), seconds, text("1970-01-01"))
        return call("DATE_FORMAT", value, text(_MYSQL_DAYS[result.grain]))
    if zoned:
        value = exp.AtTimeZone(this=value, zone=text(wanted.timezone))
    moment = exp.cast(value, "TIMESTAMP", dialect=ENGINES[dialect].printed)
    return call("TO_CHAR", moment, text(_POSTGRES_DAYS[result.grain]))


def _date_column(columns: tuple[OutputColumn, ...], name: str | None) -> PortableColumn | None:
    for column in covered(columns).columns:
        if name in (column.source_name, column.name):
            return column if column.kind in ("date", "timestamp", "instant") else None
    return None


def _quoted(name: str) -> exp.Expression:
    return exp.column(exp.to_identifier(name, quoted=True))
