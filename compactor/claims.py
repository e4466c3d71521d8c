"""Objects that belong to a table by name, wherever they lie: listed in a manifest, or told by key.

In:  facts of exports that list their objects; readers that go by keys alone.
Out: facts of the exports that such readers found; per table what is there and what is not.
IO:  the temporary tables `claimed` and `free` of `detect`'s connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .readers.interface import ExportFacts, Group, Reader, ReadOptions
from .sql import query, rows

if TYPE_CHECKING:
    import duckdb

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Owner = tuple[int, str, str]
"""(root_no, database, table)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What the listing has of the objects that one table claims."""

    files: int = 0
    missing: int = 0
    missing_keys: tuple[str, ...] = ()
    """Up to five."""
    folders: int = 0
    format: str


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table `claimed`."""
    connection.execute(query("detect/make_claimed"))


def listed(
    connection: duckdb.DuckDBPyConnection, source: int, reader: Reader, facts: ExportFacts
) -> None:
    """Claim the objects that an export lists by name."""
    for table in facts.tables:
        if table.objects is None:
            continue
        connection.register("listed_objects", table.objects)
        place = table.places[0]
        connection.execute(
            query("detect/claim_listed"),
            {
                "source": source,
                "system": reader.system,
                "root": facts.root,
                "unit": facts.unit,
                "database": place.database,
                "table": place.table,
                "folder": facts.root + place.folder,
                "format": table.format,
            },
        )
        connection.unregister("listed_objects")


def by_keys(
    connection: duckdb.DuckDBPyConnection,
    reader: Reader,
    listing: str,
    control: str,
    options: ReadOptions,
) -> dict[int, list[Group]]:
    """Let a reader claim what nobody else knows; return what it found, by source."""
    made = connection.execute(query("detect/free"), {"listing": listing, "control": control})
    if made.fetchall() == [(0,)]:
        return {}  # the usual case, and the reader's query would take a while to find nothing
    connection.execute(query(reader.claims), reader.parameters(options))
    found: dict[int, list[Group]] = {}
    for row in rows(connection, "detect/groups", {"system": reader.system}):
        # DuckDB needs a package of its own to return a TIMESTAMPTZ to Python
        moments = [row.pop(name) for name in ("first_us", "last_us")]
        # an S3 Inventory may lack the times: what may be of just now is not taken
        first_at, last_at = (
            options.now if us is None else _EPOCH + timedelta(microseconds=us) for us in moments
        )
        group = Group(**row, first_at=first_at, last_at=last_at)
        found.setdefault(group.source, []).append(group)
    return found


def tables(connection: duckdb.DuckDBPyConnection, listing: str) -> dict[Owner, Claimed]:
    """Return what is there of every table that claims objects."""
    return {
        (row["root_no"], row["database"], row["table"]): Claimed(
            files=row["files"],
            missing=row["missing"],
            missing_keys=tuple(row["missing_keys"] or ()),
            folders=row["folders"],
            format=row["format"],
        )
        for row in rows(connection, "detect/claimed_tables", {"listing": listing})
    }


def described(
    reader: Reader,
    groups: Mapping[int, Sequence[Group]],
    control: Mapping[tuple[int, str], bytes],
    options: ReadOptions,
) -> Iterator[tuple[int, ExportFacts]]:
    """Let a reader say what the groups it found are."""
    if reader.group is None:
        return
    for source, found in groups.items():
        own = {key: content for (of, key), content in control.items() if of == source}
        for facts in reader.group(found, own, options):
            yield source, facts


def owners(roots: Sequence[Any]) -> pa.Table:
    """Return the roots as the queries on `claimed` join them."""
    return pa.table(
        {
            "root_no": pa.array([root.number for root in roots], pa.int32()),
            "source": pa.array([root.source for root in roots], pa.int32()),
            "system": pa.array([root.reader.system for root in roots], pa.string()),
            "root": pa.array([root.facts.root for root in roots], pa.string()),
            "unit": pa.array([root.facts.unit for root in roots], pa.string()),
        }
    )
