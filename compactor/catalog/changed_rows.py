"""Which rows differ between two snapshots of a table, as one query. Pure.

In:  a `CatalogTable` and two of its snapshots. Out: a sqlglot expression, and what it leaves out.

Rows are compared as a multiset: each row counts +1 where the later snapshot has it and -1 where
the earlier one has it, and those whose sum is not zero have changed. A row that was updated is
`removed` as it was and `added` as it is. No key is needed, NULL equals NULL, and a row that was
there three times and now is there once is `removed` twice.

Columns are compared that both snapshots have, with one type. Athena reads timestamps to the
millisecond: a smaller change is not seen there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from ..errors import ConfigError
from ..lake_tables import LakeSnapshot
from .layout import SNAPSHOT_KEY, CatalogTable
from .to_duckdb import as_pattern

ANSWERS = "which rows differ between two snapshots of one table?"
TAKES = {"table_name": "", "from_snapshot": "", "to_snapshot": ""}
COMMENT = """\
-- changed_rows: which rows differ between two snapshots of one table?
-- returns: change (`added`, `removed`; a row that was updated is both), times (how often), then the
--          columns that both snapshots have with one type. NULL equals NULL.
-- Athena rounds timestamps to the millisecond: it does not see smaller changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRows:
    query: exp.Query
    left_out: tuple[str, ...]
    """Columns that are not compared, each with the reason."""


def choose(
    table: CatalogTable, before: str | None, after: str | None
) -> tuple[LakeSnapshot, LakeSnapshot]:
    """Return the two snapshots of these labels, or the last two.

    Raises: ConfigError for a label that is not there, twice the same one, or a single snapshot.
    """
    known = {one.label: one for one in table.source.snapshots}
    labels = list(known)
    last = f"{table.source.name} has: {', '.join(labels[-5:])}"
    for label in (before, after):
        if label is not None and label not in known:
            raise ConfigError(f"{table.source.name} has no snapshot {label!r}", hint=last)
    later = after or labels[-1]
    earlier = before or next((one for one in reversed(labels) if one < later), None)
    if earlier is None or earlier == later:
        raise ConfigError(
            f"there are no two snapshots of {table.source.name} to compare", hint=last
        )
    return known[earlier], known[later]


def for_athena(table: CatalogTable, before: LakeSnapshot, after: LakeSnapshot) -> ChangedRows:
    """Return the query over the external tables that hold these snapshots."""
    return _changed_rows(table, (before, after), [_registered(table, o) for o in (before, after)])


def for_duckdb(
    table: CatalogTable, before: LakeSnapshot, after: LakeSnapshot, url: str
) -> ChangedRows:
    """Return the query over the files of these snapshots, below `url`."""
    return _changed_rows(table, (before, after), [_files(one, url) for one in (before, after)])


def _registered(table: CatalogTable, one: LakeSnapshot) -> exp.Select:
    external = next(each for each in table.externals if one in each.snapshots)
    label = exp.Literal.string(one.label)
    return (
        exp.select()
        .from_(exp.table_(external.name, db=table.database, quoted=True))
        .where(exp.column(SNAPSHOT_KEY, quoted=True).eq(label))
    )


def _files(one: LakeSnapshot, url: str) -> exp.Select | None:
    """Return what reads the files of a snapshot; None if it has no file, and so no row."""
    if not one.objects:
        return None
    base = as_pattern(url)
    files = exp.Array(expressions=[exp.Literal.string(f"{base}{item.key}") for item in one.objects])
    options = {"hive_partitioning": exp.false(), "union_by_name": exp.true()}
    named = [
        exp.PropertyEQ(this=exp.to_identifier(name), expression=value)
        for name, value in options.items()
    ]
    return exp.select().from_(exp.Anonymous(this="read_parquet", expressions=[files, *named]))


def _changed_rows(
    table: CatalogTable,
    pair: tuple[LakeSnapshot, LakeSnapshot],
    asked: Sequence[exp.Select | None],
) -> ChangedRows:
    names, left_out = _columns(table, pair)
    if not names or not any(asked):
        raise ConfigError(
            f"snapshots {pair[0].label} and {pair[1].label} of {table.source.name} have no "
            f"{'row' if names else 'column'} that could be compared"
        )
    change, times, side = _own_names(("change", "times", "side"), names)
    columns = [exp.column(name, quoted=True) for name in names]
    signed = [
        select.select(
            *[column.copy() for column in columns],
            exp.alias_(exp.Literal.number(sign), side, quoted=True),
        )
        for select, sign in zip(asked, (-1, 1), strict=True)
        if select is not None
    ]
    sides = signed[0] if len(signed) == 1 else exp.union(*signed, distinct=False)
    total = exp.Sum(this=exp.column(side, quoted=True))
    kind = (
        exp.Case()
        .when(exp.GT(this=total, expression=exp.Literal.number(0)), exp.Literal.string("added"))
        .else_(exp.Literal.string("removed"))
    )
    query = (
        exp.select(
            exp.alias_(kind, change, quoted=True),
            exp.alias_(exp.Abs(this=total.copy()), times, quoted=True),
            *[column.copy() for column in columns],
        )
        .from_(sides.subquery("sides"))
        .group_by(*[column.copy() for column in columns])
        .having(exp.NEQ(this=total.copy(), expression=exp.Literal.number(0)))
    )
    return ChangedRows(query=query, left_out=left_out)


def _columns(
    table: CatalogTable, pair: tuple[LakeSnapshot, LakeSnapshot]
) -> tuple[list[str], tuple[str, ...]]:
    """Return the columns that can be compared, and why others cannot."""
    types = [{column.name: column.type for column in one.result.columns} for one in pair]
    declared = {column.name for external in table.externals for column in external.columns}
    names, left_out = [], []
    for name in dict.fromkeys((*types[1], *types[0])):
        before, after = (one.get(name) for one in types)
        if before is None or after is None:
            left_out.append(f"{name!r}: only one of the two snapshots has it")
        elif before and after and before != after:  # of a table without rows none is known
            left_out.append(f"{name!r}: it is {before} in one snapshot and {after} in the other")
        elif name not in declared:
            left_out.append(f"{name!r}: Athena has no type for {after}")
        else:
            names.append(name)
    return names, tuple(left_out)


def _own_names(wanted: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return names for columns of ours that no column of the table has, in any case."""
    lower = {name.lower() for name in taken}
    made = []
    for name in wanted:
        while name in lower:
            name = f"{name}_"
        made.append(name)
    return made
