"""Readers that go by keys alone, asked of DuckDB: keys in, claimed objects and groups out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from compactor import sql
from compactor.readers.interface import ExportFacts, Group, Reader, ReadOptions

NOW = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=300)

_CLAIMED = """
CREATE TEMP TABLE claimed (
    source INTEGER, key VARCHAR, system VARCHAR, root VARCHAR, unit VARCHAR, database VARCHAR,
    "table" VARCHAR, folder VARCHAR, format VARCHAR, keyed MAP(VARCHAR, VARCHAR)
)"""
_FREE = "CREATE TEMP TABLE free AS SELECT * FROM listed"


def options(**changes: Any) -> ReadOptions:
    return ReadOptions(**({"now": NOW} | changes))


def claimed(
    reader: Reader,
    keys: Iterable[str] | Mapping[int, Iterable[str]],
    how: ReadOptions | None = None,
) -> list[dict[str, Any]]:
    """Return what a reader claims of the keys of one source, or of several, sorted by key."""
    by_source = isinstance(keys, Mapping) and all(isinstance(source, int) for source in keys)
    sources: Any = keys if by_source else {0: keys}
    places = [(source, key) for source, some in sources.items() for key in some]
    folders = [key[: key.rfind("/") + 1] for _, key in places]
    listed = pa.table(
        {
            "source": pa.array([source for source, _ in places], pa.int32()),
            "key": pa.array([key for _, key in places], pa.string()),
            "folder": pa.array(folders, pa.string()),
            "name": pa.array(
                [key[len(folder) :] for (_, key), folder in zip(places, folders, strict=True)],
                pa.string(),
            ),
            "size_bytes": pa.array([1000] * len(places), pa.int64()),
            "modified_at": pa.array([OLD] * len(places), pa.timestamp("us", "UTC")),
        }
    )
    with sql.cursor() as connection:
        connection.register("listed", listed)
        connection.execute(_FREE)
        connection.execute(_CLAIMED)
        connection.execute(sql.query(reader.claims), reader.parameters(how or options()))
        found = connection.sql("SELECT * FROM claimed ORDER BY source, key").to_arrow_table()
    return [row | {"keyed": dict(row["keyed"] or ())} for row in found.to_pylist()]


def groups(
    reader: Reader, keys: Mapping[str, datetime] | Iterable[str], how: ReadOptions | None = None
) -> list[Group]:
    """Return the groups of the keys of one source, written when the mapping says."""
    moments = keys if isinstance(keys, Mapping) else dict.fromkeys(keys, OLD)
    together: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    names = ("root", "unit", "database", "table", "format")
    for row in claimed(reader, moments, how):
        together.setdefault(tuple(row[name] for name in names), []).append(row)
    return [
        Group(
            source=0,
            **dict(zip(names, place, strict=True)),
            folder=min(row["folder"] for row in rows),
            files=len(rows),
            bytes=1000 * len(rows),
            first_at=min(moments[row["key"]] for row in rows),
            last_at=max(moments[row["key"]] for row in rows),
            first_name=min(row["key"].rpartition("/")[2] for row in rows),
            last_name=max(row["key"].rpartition("/")[2] for row in rows),
        )
        for place, rows in sorted(together.items())
    ]


def exports(
    reader: Reader,
    keys: Mapping[str, datetime] | Iterable[str],
    control: Mapping[str, bytes | None] | None = None,
    how: ReadOptions | None = None,
) -> dict[str, ExportFacts]:
    """Return the exports that a reader sees in the keys of one source, by their names."""
    assert reader.group is not None
    found = list(reader.group(groups(reader, keys, how), control or {}, how or options()))
    by_name = {facts.export_id: facts for facts in found}
    assert len(by_name) == len(found), "two exports with one name"
    return by_name
