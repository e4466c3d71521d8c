"""Columns of the lake as an Iceberg schema, and which snapshots one Iceberg table can hold. Pure.

In:  `LakeSnapshot`s. Out: pyiceberg schemas; generations.

A column's type may widen from snapshot to snapshot where Iceberg allows it (int to long, float to
double, more digits of a decimal): https://iceberg.apache.org/spec/#schema-evolution (read 2026-11).
Any other change begins a **generation**, a table of its own, as in `layout.py`; unlike there,
snapshots with and without days share a table.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyiceberg import types as iceberg
from pyiceberg.schema import Schema
from pyiceberg.types import IcebergType, NestedField
from sqlglot import exp
from sqlglot.expressions import DType as T

from ..errors import NoSuchType, SourceError
from ..lake_tables import LakeSnapshot
from .types import parse

_PLAIN: dict[T, IcebergType] = {
    T.BOOLEAN: iceberg.BooleanType(),
    T.TINYINT: iceberg.IntegerType(),
    T.SMALLINT: iceberg.IntegerType(),
    T.INT: iceberg.IntegerType(),
    T.BIGINT: iceberg.LongType(),
    T.FLOAT: iceberg.FloatType(),
    T.DOUBLE: iceberg.DoubleType(),
    T.DATE: iceberg.DateType(),
    T.TIMESTAMP: iceberg.TimestampType(),
    T.TIMESTAMPNTZ: iceberg.TimestampType(),  # how sqlglot parses DuckDB's TIMESTAMP
    T.TIMESTAMPTZ: iceberg.TimestamptzType(),
    T.TEXT: iceberg.StringType(),
    T.VARCHAR: iceberg.StringType(),
    T.VARBINARY: iceberg.BinaryType(),
}
_WIDER: tuple[tuple[IcebergType, IcebergType], ...] = (
    (iceberg.IntegerType(), iceberg.LongType()),
    (iceberg.FloatType(), iceberg.DoubleType()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """Snapshots that one Iceberg table can hold, the oldest first."""

    snapshots: tuple[LakeSnapshot, ...]
    types: Mapping[str, str]
    """Column -> the first DuckDB type that a snapshot knows: one without rows may know none."""

    def schema(self, one: LakeSnapshot) -> tuple[Schema, tuple[str, ...]]:
        """Return the columns of one snapshot, all of them optional, and warnings.

        Columns whose type nobody knows yet are not there: no snapshot of this generation has a row.

        Raises: SourceError for names that Iceberg cannot tell apart.
        """
        ids = itertools.count(1)
        fields, warnings = [], []
        for column in one.result.columns:
            kind = column.type or self.types.get(column.name, "")
            if not kind:
                continue
            try:
                made = iceberg_type(kind, ids)
            except NoSuchType as error:
                warnings.append(f"column {column.name!r} is left out: {error.message}")
                continue
            fields.append(
                NestedField(field_id=next(ids), name=column.name, field_type=made, required=False)
            )
        try:
            return Schema(*fields), tuple(warnings)
        except ValueError as error:  # `a.b` beside a field b of a struct a
            raise SourceError(f"Iceberg cannot tell the columns apart: {error}") from error


def generations(
    snapshots: Sequence[LakeSnapshot], shown: Sequence[LakeSnapshot]
) -> tuple[Generation, ...]:
    """Divide the snapshots of a table into those that one Iceberg table can hold.

    A snapshot joins the latest generation or begins the next, in the order of runs, as in
    `layout.generations`. Only those of `shown` are in the result (of an archive, say, that has not
    got all yet), so a generation may be without any; numbers follow from all snapshots.
    """
    made: list[set[datetime]] = []
    known: list[dict[str, str]] = []
    widest_now: dict[str, IcebergType] = {}
    for one in sorted(snapshots, key=lambda each: (each.first_run, each.moment)):
        own = _types(one)
        joined = {name: widest(widest_now.get(name, kind), kind) for name, kind in own.items()}
        if not made or None in joined.values():
            made.append(set())
            known.append({})
            widest_now, joined = {}, dict(own)
        made[-1].add(one.moment)
        widest_now |= {name: kind for name, kind in joined.items() if kind is not None}
        for column in one.result.columns:
            if column.type:
                known[-1].setdefault(column.name, column.type)
    of_moment = {one.moment: one for one in shown}
    return tuple(
        Generation(
            snapshots=tuple(of_moment[one] for one in sorted(moments & of_moment.keys())),
            types=types,
        )
        for moments, types in zip(made, known, strict=True)
    )


def _types(one: LakeSnapshot) -> dict[str, IcebergType]:
    found: dict[str, IcebergType] = {}
    for column in one.result.columns:
        if column.type and is_known(column.type):
            found[column.name] = iceberg_type(column.type, itertools.count(1))
    return found


def widest(one: IcebergType, other: IcebergType) -> IcebergType | None:
    """Return the type to which Iceberg can promote both; None if there is none.

    Lists, maps and structs must be equal; both must have been given ids from the same number on.
    """
    if one == other:
        return one
    for narrow, wide in _WIDER:
        if {one, other} == {narrow, wide}:
            return wide
    if isinstance(one, iceberg.DecimalType) and isinstance(other, iceberg.DecimalType):
        if one.scale != other.scale:
            return None
        return one if one.precision >= other.precision else other
    return None


def is_known(duckdb_type: str) -> bool:
    try:
        iceberg_type(duckdb_type, itertools.count(1))
    except NoSuchType:
        return False
    return True


def iceberg_type(duckdb_type: str, ids: Iterator[int]) -> IcebergType:
    """Return the Iceberg type of a DuckDB type; `ids` gives what is nested its field ids.

    Raises: NoSuchType
    """
    return _type(parse(duckdb_type), duckdb_type, ids)


def _type(kind: exp.DataType, whole: str, ids: Iterator[int]) -> IcebergType:
    match kind.this:
        case T.DECIMAL if len(kind.expressions) == 2:
            precision, scale = (int(part.name) for part in kind.expressions)
            return iceberg.DecimalType(precision, scale)
        case T.ARRAY | T.LIST:
            element = _type(kind.expressions[0], whole, ids)
            return iceberg.ListType(next(ids), element, element_required=False)
        case T.MAP:
            key, value = (_type(part, whole, ids) for part in kind.expressions)
            return iceberg.MapType(next(ids), key, next(ids), value, value_required=False)
        case T.STRUCT:
            parts = [(part.name, _type(part.kind, whole, ids)) for part in kind.expressions]
            return iceberg.StructType(
                *(NestedField(next(ids), name, part, required=False) for name, part in parts)
            )
        case _ if kind.this in _PLAIN:
            return _PLAIN[kind.this]
        case _:
            raise NoSuchType(f"type {whole!r} cannot be declared: Iceberg has no such type")
