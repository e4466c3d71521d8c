"""Files of the lake as data files of an Iceberg table: counts, sizes, bounds, partition.

In:  what a manifest names of one snapshot. Out: `LakeFile`s, then pyiceberg `DataFile`s.
IO:  one ranged GET an object (`footers.py`). Nothing but footers is read, and nothing is changed.

Files hold no field ids: a column belongs to the field of its name, by the table's name mapping.
Bounds come from the footers' raw values, because Python's own types hold neither the year 12000 nor
what 38 digits need. https://iceberg.apache.org/spec/#manifests, and
https://iceberg.apache.org/spec/#binary-single-value-serialization (read 2026-11)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq
from pyiceberg.conversions import to_bytes
from pyiceberg.io.pyarrow import parquet_path_to_id_mapping
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, MonthTransform, TimeTransform, YearTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IcebergType,
    NestedField,
    PrimitiveType,
    StringType,
    TimestampType,
    TimestamptzType,
)
from pyiceberg.utils.decimal import bytes_required
from pyiceberg.utils.truncate import (
    truncate_upper_bound_binary_string,
    truncate_upper_bound_text_string,
)

from .. import footers
from ..errors import Changed, ObjectUnreadable
from ..lake_tables import LakeSnapshot
from ..model import Grain
from ..store.interface import Store, Wanted

BOUND_LENGTH = 16
"""Characters, or bytes, of a text's bounds: the default of write.metadata.metrics.default,
https://iceberg.apache.org/docs/latest/configuration/#write-properties (read 2026-11)."""
_TRANSFORMS: Mapping[Grain, TimeTransform[Any]] = {
    "day": DayTransform(),
    "month": MonthTransform(),
    "year": YearTransform(),
}
_DATED = (DateType, TimestampType, TimestamptzType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """Iceberg's hidden partitioning of one snapshot: a date column, cut down to the grain."""

    column: str
    transform: TimeTransform[Any]

    def __str__(self) -> str:
        return f"{self.transform}({self.column})"


@dataclass(slots=True, kw_only=True)
class _Bounds:
    """What footers say of one column so far; raw values as Python compares them."""

    size_bytes: int = 0
    values: int = 0
    nulls: int | None = 0
    low: Any = None
    high: Any = None
    is_usable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeFile:
    """One object as its footer describes it; smaller than the footer, for there may be many."""

    url: str
    size_bytes: int
    rows: int
    offsets: tuple[int, ...]
    """Where row groups begin: a reader may split the file there."""
    columns: Mapping[str, _Bounds]
    """By path in the file, `id`, `tags.list.element`."""


def read(store: Store, one: LakeSnapshot, schema: Schema) -> tuple[LakeFile, ...]:
    """Read the footers of a snapshot's objects, many at a time, for the columns of a schema.

    Raises: ObjectUnreadable; Changed if an object has not the rows that the manifest names;
            StoreError.
    """
    objects = one.objects
    wanted = [
        Wanted(key=item.key, size_bytes=item.size_bytes, etag="", version_id=item.version_id)
        for item in objects
    ]
    kinds: dict[str, IcebergType | None] = dict.fromkeys(parquet_path_to_id_mapping(schema))
    kinds |= {each.name: each.field_type for each in schema.fields if each.name in kinds}
    found: dict[int, LakeFile] = {}
    for index, footer in footers.read(store, wanted):
        item = objects[index]
        if isinstance(footer, ObjectUnreadable):
            raise footer
        if item.rows is not None and footer.num_rows != item.rows:
            raise Changed(
                f"{store.url}{item.key} has {footer.num_rows} rows; the manifest of run "
                f"{one.run_id} names {item.rows}",
                key=item.key,
                hint="find out with compactor audit what happened to it",
            )
        found[index] = LakeFile(
            url=f"{store.url}{item.key}",
            size_bytes=item.size_bytes,
            rows=footer.num_rows,
            offsets=_offsets(footer),
            columns=_columns(footer, kinds),
        )
    return tuple(found[index] for index in sorted(found))


def partitioning(
    one: LakeSnapshot, schema: Schema, files: Sequence[LakeFile]
) -> Partitioning | None:
    """Return the partitioning that the files keep; None if there is none.

    The lake's days are those of a configured time zone, Iceberg's are UTC's, and a date column may
    have stayed text: only where the footers show one value for each file, or no date at all in it,
    is it the same partitioning.
    """
    transform = _TRANSFORMS.get(one.result.grain)
    column = next(
        (each for each in schema.fields if each.name == one.result.partition_column), None
    )
    if transform is None or column is None or not isinstance(column.field_type, _DATED):
        return None
    made = Partitioning(column=column.name, transform=transform)
    return made if all(_keeps(made, column, each) for each in files) else None


def _keeps(made: Partitioning, column: NestedField, file: LakeFile) -> bool:
    known = file.columns.get(column.name)
    if known is None or known.nulls is None:
        return False
    if known.nulls == known.values:
        return True
    if known.nulls or not known.is_usable or known.low is None:
        return False
    ends = [_cut(made, column.field_type, value) for value in (known.low, known.high)]
    return ends[0] is not None and ends[0] == ends[1]


def _cut(made: Partitioning, kind: IcebergType, value: int) -> int | None:
    """Return the partition value; None for a moment that Python's calendar does not reach."""
    try:
        return made.transform.transform(kind)(value)
    except (OverflowError, ValueError):
        return None


def data_files(
    files: Sequence[LakeFile], schema: Schema, spec_id: int, made: Partitioning | None
) -> Iterator[DataFile]:
    """Yield the files as Iceberg's manifests describe them, with the field ids of a schema."""
    ids = parquet_path_to_id_mapping(schema)
    kinds = {each.field_id: each.field_type for each in schema.fields}
    for file in files:
        fields = {ids[path]: known for path, known in file.columns.items() if path in ids}
        yield DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=file.url,
            file_format=FileFormat.PARQUET,
            partition=_record(file, schema, made),
            record_count=file.rows,
            file_size_in_bytes=file.size_bytes,
            column_sizes={number: known.size_bytes for number, known in fields.items()},
            value_counts={number: known.values for number, known in fields.items()},
            null_value_counts={
                number: known.nulls for number, known in fields.items() if known.nulls is not None
            },
            nan_value_counts={},
            lower_bounds=_bounds(fields, kinds, lambda kind, known: _lower(kind, known.low)),
            upper_bounds=_bounds(fields, kinds, lambda kind, known: _upper(kind, known.high)),
            split_offsets=list(file.offsets),
            sort_order_id=None,
            spec_id=spec_id,
            equality_ids=None,
            key_metadata=None,
        )


def _bounds(
    fields: Mapping[int, _Bounds],
    kinds: Mapping[int, IcebergType],
    make: Callable[[PrimitiveType, _Bounds], bytes | None],
) -> dict[int, bytes]:
    """Return the bounds of columns outside of lists, maps and structs."""
    found = {}
    for number, known in fields.items():
        kind = kinds.get(number)
        if isinstance(kind, PrimitiveType) and known.is_usable and known.low is not None:
            bound = make(kind, known)
            if bound is not None:
                found[number] = bound
    return found


def _record(file: LakeFile, schema: Schema, made: Partitioning | None) -> Record:
    if made is None:
        return Record()
    column = next(one for one in schema.fields if one.name == made.column)
    low = file.columns[made.column].low
    return Record(None if low is None else _cut(made, column.field_type, low))


# --- footers --------------------------------------------------------------------------------------


def _columns(
    footer: pq.FileMetaData, kinds: Mapping[str, IcebergType | None]
) -> dict[str, _Bounds]:
    """Return what a footer says of each column; those that the schema lacks are passed over."""
    found: dict[str, _Bounds] = {}
    for group in range(footer.num_row_groups):
        chunks = footer.row_group(group)
        for number in range(chunks.num_columns):
            chunk = chunks.column(number)
            path = chunk.path_in_schema
            if path in kinds:
                _add(found.setdefault(path, _Bounds()), chunk, kinds[path])
    return found


def _offsets(footer: pq.FileMetaData) -> tuple[int, ...]:
    found = []
    for group in range(footer.num_row_groups):
        first = footer.row_group(group).column(0)
        starts = [first.data_page_offset]
        if first.has_dictionary_page and first.dictionary_page_offset:
            starts.append(first.dictionary_page_offset)
        found.append(min(starts))
    return tuple(sorted(found))


def _add(known: _Bounds, chunk: Any, kind: IcebergType | None) -> None:
    known.size_bytes += chunk.total_compressed_size
    known.values += chunk.num_values
    statistics = chunk.statistics if chunk.is_stats_set else None
    if statistics is None or not statistics.has_null_count or known.nulls is None:
        known.nulls = None
    else:
        known.nulls += statistics.null_count
        if statistics.null_count == chunk.num_values:
            return  # no value, so no bounds are missing
    if statistics is None or not statistics.has_min_max:
        known.is_usable = False
        return
    ends = [_value(kind, raw) for raw in (statistics.min_raw, statistics.max_raw)]
    if None in ends:
        known.is_usable = False
        return
    known.low = ends[0] if known.low is None else min(known.low, ends[0])
    known.high = ends[1] if known.high is None else max(known.high, ends[1])


def _value(kind: IcebergType | None, raw: Any) -> Any:
    """Return a raw value of a footer so that Python orders it as Iceberg does; None: unusable."""
    match kind:
        case DecimalType():
            return int.from_bytes(raw, "big", signed=True) if isinstance(raw, bytes) else raw
        case FloatType() | DoubleType():
            return None if math.isnan(raw) else raw
        case StringType():
            try:
                return raw.decode()
            except UnicodeDecodeError:  # a bound that was cut inside a character
                return None
        case _:
            return raw


def _lower(kind: PrimitiveType, value: Any) -> bytes | None:
    if isinstance(kind, StringType | BinaryType):
        value = value[:BOUND_LENGTH]
    elif isinstance(kind, FloatType | DoubleType):
        value = value or -0.0  # Iceberg orders -0.0 before 0.0, writers of Parquet may not
    return _serialized(kind, value)


def _upper(kind: PrimitiveType, value: Any) -> bytes | None:
    if isinstance(kind, StringType):
        value = truncate_upper_bound_text_string(value, BOUND_LENGTH)
    elif isinstance(kind, BinaryType):
        value = truncate_upper_bound_binary_string(value, BOUND_LENGTH)
    elif isinstance(kind, FloatType | DoubleType):
        value = value or 0.0
    return None if value is None else _serialized(kind, value)


def _serialized(kind: PrimitiveType, value: Any) -> bytes | None:
    if isinstance(kind, DecimalType):
        return int(value).to_bytes(bytes_required(value), "big", signed=True)
    try:
        return to_bytes(kind, value)
    except UnicodeEncodeError:  # the next character after U+D7FF is none
        return None
