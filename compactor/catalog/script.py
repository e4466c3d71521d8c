"""A whole lake's DDL as one script: statements in order, warnings before the table they are about.

In:  `CatalogTable`s. Out: a `Script`, and its text. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from . import ddl, redshift
from .ddl import Statement, TableDdl, one_line
from .layout import CatalogTable
from .projection import ONLY_ATHENA

NO_COLUMN = "nothing is printed for it, because none of its columns can be declared"
Dialect = Literal["athena", "spark", "redshift"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    warnings: tuple[str, ...]
    """About all of it."""
    databases: tuple[Statement, ...]
    tables: tuple[TableDdl, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """All of them, in the order in which they must be run."""
        return (*self.databases, *(one for table in self.tables for one in table.statements))

    @property
    def all_warnings(self) -> tuple[str, ...]:
        return (*self.warnings, *(told for table in self.tables for told in table.warnings))

    @property
    def text(self) -> str:
        """The script: each statement ends with a semicolon at the end of a line, and no line within
        one does."""
        parts = [*_comments(self.warnings), *map(ended, self.databases)]
        for table in self.tables:
            parts += [f"\n-- {one_line(table.name)}", *_comments(table.warnings)]
            parts += map(ended, table.statements)
        return "\n".join(parts)


def script(
    tables: Sequence[CatalogTable], dialect: Dialect, warnings: Iterable[str], *, projected: bool
) -> Script:
    """Return the script of these tables. `warnings` come first; `projected` is for Athena."""
    told = list(warnings)
    told += [f"{table.source.name}: {NO_COLUMN}" for table in tables if not _has_columns(table)]
    tables = [table for table in tables if _has_columns(table)]
    databases = sorted({table.database for table in tables})
    if dialect == "redshift":
        begin = [one for name in databases for one in redshift.create_schemas(name)]
        made = [redshift.create(table) for table in tables]
        told += redshift.WARNINGS
    else:
        spark = dialect == "spark"
        begin = [ddl.create_database(name) for name in databases]
        made = [ddl.create(table, spark=spark, projected=projected) for table in tables]
    if any(one.kind == "properties" for table in made for one in table.statements):
        told.append(ONLY_ATHENA)
    return Script(warnings=tuple(told), databases=tuple(begin), tables=tuple(made))


def _has_columns(table: CatalogTable) -> bool:
    return all(external.columns for external in table.externals)


def _comments(warnings: Iterable[str]) -> list[str]:
    return [f"-- warning: {one_line(told)}" for told in warnings]


def ended(statement: Statement) -> str:
    """Return a statement as a script has it."""
    return f"{statement.sql};"
