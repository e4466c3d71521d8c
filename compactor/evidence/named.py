"""What the chain names and what the store lists, side by side in a scratch database.

In:  links and their statements; the listing of versions.
Out: named versions in batches; keys that are shadowed, versions that nothing names.
IO:  DuckDB on scratch; LIST of versions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
from pydantic import ValidationError

from ..errors import NotFound
from ..sql import query, rows
from ..store.interface import Store
from .chain import Link
from .deep import PartFacts
from .inspect import NO_LINK, Named, destroyed, longest, named_others, named_parts
from .predicate import Statement, timestamp_key
from .records import RECORDS, Record

_MOMENT = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("version_id", pa.string()),
        ("size_bytes", pa.int64()),
        ("sha256", pa.string()),
        ("lock_mode", pa.string()),
        ("retain_until", _MOMENT),
        ("legal_hold", pa.bool_()),
        ("rows", pa.int64()),
        ("link", pa.int64()),
        ("snapshot", _MOMENT),
        ("part", pa.int64()),
    ]
)
_COLUMNS = tuple(_SCHEMA.names)
_WAITING = 20_000


class NamedVersions:
    """Grows link by link; complete after `flush`. `objects` and `bytes` count versions once."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, store: Store, *, is_archive: bool
    ) -> None:
        self._connection = connection
        self._store = store
        self._is_archive = is_archive
        self._waiting: list[tuple[Any, ...]] = []
        self._parts: dict[int, PartFacts] = {}
        self._stamps: dict[str, tuple[int, datetime | None]] = {}
        self._destroyed: list[str] = []
        self.objects = 0
        self.bytes = 0
        connection.execute(query("audit/make_named"))
        connection.execute(query("audit/make_listed"))

    def add_link(self, link: Link, said: Statement | None) -> None:
        """Add a link itself, and all that it names."""
        until = longest(said) if said is not None else None
        self._add(
            Named(
                key=link.key,
                version_id=link.version_id,
                size_bytes=len(link.body),
                sha256=link.sha256,
                lock_mode=None,
                retain_until=until,
                legal_hold=False,
                rows=None,
                link=link.number,
                snapshot=None,
                part=None,
            )
        )
        self._stamps[timestamp_key(link.number)] = (link.number, until)
        if said is None:
            return
        first = len(self._parts)
        for part in named_parts(said, is_archive=self._is_archive, first=first):
            self._parts[part.part] = PartFacts(
                part.name, part.fingerprint, part.engine, part.columns
            )
            for item in part.objects:
                self._add(item)
        for item in named_others(said, is_archive=self._is_archive):
            self._add(item)
        self._destroyed += destroyed(said)

    def _add(self, item: Named) -> None:
        self._waiting.append(tuple(getattr(item, column) for column in _COLUMNS))
        if len(self._waiting) >= _WAITING:
            self._insert()

    def _insert(self) -> None:
        columns = list(zip(*self._waiting, strict=True)) or [()] * len(_COLUMNS)
        self._waiting = []
        arrays = [
            pa.array(values, kind) for values, kind in zip(columns, _SCHEMA.types, strict=True)
        ]
        self._load("audit/add_named", pa.table(arrays, schema=_SCHEMA), {})

    def _load(self, statement: str, table: pa.Table, parameters: dict[str, Any]) -> None:
        for place, column in enumerate(table.schema):
            if column.type == _MOMENT:  # UTC without saying so: DuckDB asks for more of a zone
                plain = table[place].cast(pa.timestamp("us"))
                table = table.set_column(place, column.name, plain)
        self._connection.register("batch", table)
        self._connection.execute(query(statement), parameters)
        self._connection.unregister("batch")

    def flush(self) -> None:
        self._insert()
        names = pa.table({"name": pa.array(self._destroyed, pa.string())})
        self._load("audit/drop_destroyed", names, {})
        for batch in self.batches(_WAITING):
            self.objects += len(batch)
            self.bytes += sum(item.size_bytes or 0 for item in batch)

    def list_versions(self, *, left_out: str) -> None:
        """List all versions and delete markers. Raises: Denied, StoreError."""
        for page in self._store.list_versions():
            self._load("audit/add_listed", page, {"left_out": left_out})
        self._add_companions()

    def _add_companions(self) -> None:
        """Name what no link can name: its own time stamp, and records of acts that nobody signed.

        The first version of each counts. A record counts if it reads as one; without a link it
        excuses nothing but itself.
        """
        found: dict[str, dict[str, Any]] = {}
        for row in self.unnamed():
            key = row["key"]
            if not row["is_delete_marker"] and (key in self._stamps or self._is_record(key)):
                found.setdefault(key, row)
        for key, row in found.items():
            number, until = self._stamps.get(key, (NO_LINK, None))
            self._add(
                Named(
                    key=key,
                    version_id=row["version_id"],
                    size_bytes=row["size_bytes"],
                    sha256=None,
                    lock_mode=None,
                    retain_until=until,
                    legal_hold=False,
                    rows=None,
                    link=number,
                    snapshot=None,
                    part=None,
                )
            )
        self._insert()

    def _is_record(self, key: str) -> bool:
        if not key.startswith(RECORDS):
            return False
        try:
            Record.model_validate_json(self._store.get(key))
        except (ValidationError, NotFound):  # no record, or hidden by a delete marker
            return False
        return True

    # --- what is there ---

    def batches(self, size: int) -> Iterator[Sequence[Named]]:
        """Yield every named version once, in order of keys."""
        found = self._connection.cursor().execute(query("audit/versions"))
        while some := found.fetchmany(size):
            yield [_named(row) for row in some]

    def parts(self) -> dict[int, PartFacts]:
        return self._parts

    def members(self, parts: set[int]) -> dict[int, list[Named]]:
        """Return all objects of some partitions."""
        found: dict[int, list[Named]] = {}
        for batch in self.batches(_WAITING):
            for item in batch:
                if item.part in parts:
                    found.setdefault(item.part, []).append(item)
        return found

    def shadowed(self) -> list[dict[str, Any]]:
        return rows(self._connection, "audit/shadowed")

    def unnamed(self) -> list[dict[str, Any]]:
        return rows(self._connection, "audit/unnamed")

    def keys(self) -> int:
        return int(rows(self._connection, "audit/count_keys")[0]["keys"])

    def listed(self) -> int:
        return int(rows(self._connection, "audit/count_listed")[0]["versions"])


def _named(row: Sequence[Any]) -> Named:
    values: dict[str, Any] = {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
        for name, value in zip(_COLUMNS, row, strict=True)
    }
    return Named(**values)
