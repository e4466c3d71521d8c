"""Which table of the lake a name in somebody's SQL means. Pure.

In:  `LakeTables`, names as SQL has them. Out: `Meant`, or an error with the nearest names.

A table `public.orders` of the database `shop` can be called

    shop."public.orders"    shop.public.orders    "shop.public.orders"    its name in the lake
    shop.public_orders                                                    its name in the catalog
    shop.orders  public.orders  "public.orders"  public_orders  orders    where only one table fits

Each of them may end in `_all` (all snapshots, with the column `snapshot`) or `_snapshots` (one row
a snapshot). A table that is really called so comes first. As in SQL, case does not matter, unless
two tables differ in nothing else.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from .catalog.layout import catalog_names
from .errors import ConfigError
from .lake_tables import LakeTable, LakeTables
from .query_statement import Parts, Reference

Kind = Literal["current", "all", "snapshots"]
SUFFIXES: dict[str, Kind] = {"_all": "all", "_snapshots": "snapshots"}
MOST_PARTS = 3
"""DuckDB's names: database, schema, table."""


@dataclass(frozen=True, slots=True)
class Meant:
    """What one name stands for."""

    parts: Parts
    """As it was written."""
    table: LakeTable
    kind: Kind


class Names:
    """All names of all tables of a lake."""

    def __init__(self, tables: LakeTables, database_prefix: str = "") -> None:
        self._tables = tables
        self._full: dict[Parts, list[LakeTable]] = defaultdict(list)
        self._short: dict[Parts, list[LakeTable]] = defaultdict(list)
        self._called = catalog_names(tables, database_prefix)
        for table in tables.tables:
            catalog = self._called[table.database, table.table]
            for parts in _full_names(table, catalog):
                self._full[_folded(parts)].append(table)
            for parts in _short_names(table, catalog):
                self._short[_folded(parts)].append(table)

    def catalog_name(self, table: LakeTable) -> str:
        """Return `shop.public_orders`: needs no quotes in most cases."""
        return ".".join(self._called[table.database, table.table])

    def resolve(self, reference: Reference) -> Meant | None:
        """Return what a name means; None if it means nothing but what WITH gives that name.

        Raises: ConfigError
        """
        try:
            return self.find(reference.parts)
        except ConfigError:
            if reference.may_be_local:
                return None
            raise

    def find(self, parts: Parts) -> Meant:
        """Return what a name means. Raises: ConfigError if that is nothing, or several tables."""
        if len(parts) <= MOST_PARTS:
            for base, kind in _readings(parts):
                for known in (self._full, self._short):
                    tables = _closest(known.get(_folded(base), []), base)
                    if len(tables) > 1:
                        raise self._ambiguous(parts, tables)
                    if tables:
                        return Meant(parts, tables[0], kind)
        raise self._unknown(parts)

    def _ambiguous(self, parts: Parts, tables: Sequence[LakeTable]) -> ConfigError:
        names = ", ".join(sorted(self.catalog_name(one) for one in tables))
        return ConfigError(
            f"{'.'.join(parts)!r} may mean {len(tables)} tables: {names}",
            hint="write one of these names",
        )

    def _unknown(self, parts: Parts) -> ConfigError:
        written = ".".join(parts)
        for name, why in self._tables.covered.items():
            if _folded((written,)) in (_folded((name,)), _folded((name.partition(".")[2],))):
                return ConfigError(
                    f"{name} is not stored by itself: its rows are in {why}",
                    hint="ask for that table",
                )
        known = {_folded((self.catalog_name(one),))[0] for one in self._tables.tables}
        known |= {".".join(short) for short in (*self._full, *self._short)}
        near = difflib.get_close_matches(written.lower(), sorted(known), 1)
        return ConfigError(
            f"no manifest names a table {written!r}",
            hint=f"did you mean {near[0]}?" if near else "compactor query --tables lists them all",
        )


def _full_names(table: LakeTable, catalog: tuple[str, str]) -> set[Parts]:
    names: set[Parts] = {(table.database, table.table), catalog, (table.name,)}
    dotted = (table.database, *table.table.split("."))
    return names | ({dotted} if len(dotted) == MOST_PARTS else set())


def _short_names(table: LakeTable, catalog: tuple[str, str]) -> set[Parts]:
    last = table.table.rpartition(".")[2]
    schema_table = tuple(table.table.split("."))
    names: set[Parts] = {(table.table,), (catalog[1],), (last,), (table.database, last)}
    names |= {(catalog[0], table.table), (catalog[0], last), (table.database, catalog[1])}
    return names | ({schema_table} if len(schema_table) < MOST_PARTS else set())


def _readings(parts: Parts) -> Iterator[tuple[Parts, Kind]]:
    yield parts, "current"
    for suffix, kind in SUFFIXES.items():
        if parts[-1].lower().endswith(suffix):
            yield (*parts[:-1], parts[-1][: -len(suffix)]), kind


def _closest(tables: list[LakeTable], written: Parts) -> list[LakeTable]:
    """Return those that are written in the same case, if there are such; each once."""
    end = f".{'.'.join(written)}"
    each = {id(one): one for one in tables}  # one table may have a name for several reasons
    exact = [one for one in each.values() if f".{one.name}".endswith(end)]
    return exact or list(each.values())


def _folded(parts: Parts) -> Parts:
    return tuple(part.lower() for part in parts)
