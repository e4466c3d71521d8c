"""The views over external tables, in Athena's SQL (Trino). Pure.

In:  a `CatalogTable`. Out: `View`s.

A view names the complete snapshots one by one: changing it is the one step that shows a snapshot to
readers, whole. sqlglot builds every expression, so a hostile name is a quoted identifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlglot import exp

from ..lake_tables import LakeSnapshot
from ..model import utc_text
from .layout import DAY_KEY, SNAPSHOT_KEY, CatalogColumn, CatalogTable, ExternalTable
from .names import SUFFIXES

DIALECT = "trino"
MOST_BYTES = 200_000
"""Of one view's SQL. Athena takes statements of 262,144 bytes
(https://docs.aws.amazon.com/athena/latest/ug/service-limits.html), Glue a view's text, in base64,
of 409,600 characters (https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html)."""
FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_HOW_TO_ASK = "WHERE TIMESTAMP '...' >= snapshot_from AND TIMESTAMP '...' < snapshot_until"

_SNAPSHOT_COLUMNS = (
    ("snapshot", "VARCHAR"),
    ("taken_at", "TIMESTAMP"),
    ("rows", "BIGINT"),
    ("files", "BIGINT"),
    ("bytes", "BIGINT"),
    ("fingerprint", "VARCHAR"),
    ("checks_passed", "INTEGER"),
    ("checks_not_verified", "INTEGER"),
    ("archived", "BOOLEAN"),
    ("run_id", "VARCHAR"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    database: str
    name: str
    query: exp.Query
    columns: tuple[CatalogColumn, ...]
    comment: str
    left_out: int = 0
    """Oldest snapshots that are not in it, because it would be too long."""

    @property
    def sql(self) -> str:
        """The SELECT, as Athena takes it."""
        return self.query.sql(dialect=DIALECT)


def views(table: CatalogTable) -> tuple[View, ...]:
    """Return the three views of a table; see `layout.py`."""
    return (_current(table), _fitting(table, _asof), _fitting(table, _snapshots))


def names_of(table: CatalogTable) -> tuple[str, ...]:
    return (table.name, *(f"{table.name}{suffix}" for suffix in SUFFIXES[:2]))


def _current(table: CatalogTable) -> View:
    columns = _columns(table)
    shown = {one.label for one in table.source.current}
    asked = [
        _select(table, external, columns, sorted(shown & _labels(external)))
        for external in table.externals
        if shown & _labels(external)
    ]
    what = "all windows" if table.source.holds_changes else "the latest complete snapshot"
    return View(
        database=table.database,
        name=table.name,
        query=_union(asked),
        columns=columns,
        comment=f"{table.source.name}: {what}",
    )


def _fitting(
    table: CatalogTable, build: Callable[[CatalogTable, Sequence[LakeSnapshot]], View]
) -> View:
    """Build a view of as many snapshots as fit, the newest first."""
    snapshots = table.source.snapshots
    keep = len(snapshots)
    while True:
        view = build(table, snapshots[len(snapshots) - keep :])
        size = len(view.sql.encode())
        if size <= MOST_BYTES or keep == 1:
            return view
        keep = max(1, min(keep - 1, keep * MOST_BYTES // size))


def _asof(table: CatalogTable, shown: Sequence[LakeSnapshot]) -> View:
    columns = _columns(table)
    begins, ends = {one.label: one.moment for one in shown}, _ends(table)
    asked = []
    for external in table.externals:
        labels = _labels(external)
        inside = [one for one in shown if one.label in labels]
        if not inside:
            continue
        select = _select(table, external, columns, [one.label for one in inside])
        asked.append(
            select.select(
                exp.alias_(_cases(inside, begins), "snapshot_from", quoted=True),
                exp.alias_(_cases(inside, ends), "snapshot_until", quoted=True),
            )
        )
    times = tuple(
        CatalogColumn(
            name=name, duckdb_type="TIMESTAMP", hive_type="timestamp", trino_type="timestamp(3)"
        )
        for name in ("snapshot_from", "snapshot_until")
    )
    return View(
        database=table.database,
        name=f"{table.name}_asof",
        query=_union(asked),
        columns=(*columns, *times),
        comment=f"{table.source.name} as of any time: {_HOW_TO_ASK}",
        left_out=len(table.source.snapshots) - len(shown),
    )


def _ends(table: CatalogTable) -> dict[str, datetime]:
    """Return until when each snapshot is the latest one; windows of events end never."""
    moments = [one.moment for one in table.source.snapshots]
    if table.source.holds_changes:
        return {one.label: FOR_EVER for one in table.source.snapshots}
    following = [*moments[1:], FOR_EVER]
    return {one.label: end for one, end in zip(table.source.snapshots, following, strict=True)}


def _cases(inside: Sequence[LakeSnapshot], moments: dict[str, datetime]) -> exp.Expression:
    if len(inside) == 1:
        return _timestamp(moments[inside[0].label])
    # not Case.when: it copies all that is there, and there may be thousands
    return exp.Case(
        this=exp.column(SNAPSHOT_KEY, quoted=True),
        ifs=[
            exp.If(this=exp.Literal.string(one.label), true=_timestamp(moments[one.label]))
            for one in inside
        ],
    )


def _snapshots(table: CatalogTable, shown: Sequence[LakeSnapshot]) -> View:
    hive = {"VARCHAR": "string", "INTEGER": "int", "TIMESTAMP": "timestamp"}
    trino = {"TIMESTAMP": "timestamp(3)"}
    return View(
        database=table.database,
        name=f"{table.name}_snapshots",
        query=snapshots_query(shown),
        columns=tuple(
            CatalogColumn(
                name=name,
                duckdb_type=kind,
                hive_type=hive.get(kind, kind.lower()),
                trino_type=trino.get(kind, kind.lower()),
            )
            for name, kind in _SNAPSHOT_COLUMNS
        ),
        comment=f"{table.source.name}: its complete snapshots",
        left_out=len(table.source.snapshots) - len(shown),
    )


def snapshots_query(shown: Sequence[LakeSnapshot]) -> exp.Select:
    """Return a SELECT of one row a snapshot, for Athena and DuckDB alike."""
    rows = [exp.Tuple(expressions=_snapshot_row(one)) for one in shown]
    names = [exp.to_identifier(name, quoted=True) for name, _ in _SNAPSHOT_COLUMNS]
    values = exp.Values(
        expressions=rows,
        alias=exp.TableAlias(this=exp.to_identifier("known"), columns=names),
    )
    return exp.select(
        *[
            exp.alias_(exp.cast(exp.column(name, quoted=True), kind), name, quoted=True)
            for name, kind in _SNAPSHOT_COLUMNS
        ]
    ).from_(values)


def _snapshot_row(one: LakeSnapshot) -> list[exp.Expression]:
    statuses = [check.status for check in one.result.checks]
    archived = bool(one.objects) and all(
        len(part.archived) >= len(part.objects) for part in one.result.partitions
    )
    numbers = [one.result.output_rows, len(one.objects), sum(o.size_bytes for o in one.objects)]
    return [
        exp.Literal.string(one.label),
        _timestamp(one.moment),
        *(exp.Literal.number(number) for number in numbers),
        exp.Literal.string(one.result.fingerprint),
        exp.Literal.number(statuses.count("pass")),
        exp.Literal.number(statuses.count("not_verified")),
        exp.true() if archived else exp.false(),
        exp.Literal.string(one.run_id),
    ]


# --- what they share ------------------------------------------------------------------------------


def _labels(external: ExternalTable) -> set[str]:
    return {one.label for one in external.snapshots}


def _columns(table: CatalogTable) -> tuple[CatalogColumn, ...]:
    """Return what views show: columns of all generations, those that differ as text, the keys."""
    merged: dict[str, CatalogColumn] = {}
    for external in reversed(table.externals):
        for column in external.columns:
            known = merged.setdefault(column.name, column)
            if known.hive_type != column.hive_type:
                merged[column.name] = CatalogColumn(
                    name=column.name,
                    duckdb_type="VARCHAR",
                    hive_type="string",
                    trino_type="varchar",
                    comment="as text: its type is not the same in all snapshots",
                )
    keys = max((external.keys for external in table.externals), key=len)
    return (*merged.values(), *keys)


def _select(
    table: CatalogTable,
    external: ExternalTable,
    columns: Sequence[CatalogColumn],
    labels: Sequence[str],
) -> exp.Select:
    own = {column.name: column for column in (*external.columns, *external.keys)}
    chosen = []
    for column in columns:
        name = exp.column(column.name, quoted=True)
        value: exp.Expression = name
        if column.name not in own:
            value = exp.cast(exp.null(), column.trino_type, dialect=DIALECT)
        elif own[column.name].trino_type != column.trino_type:
            value = _as_text(name, own[column.name])
        chosen.append(exp.alias_(value, column.name, quoted=True))
    return (
        exp.select(*chosen)
        .from_(exp.table_(external.name, db=table.database, quoted=True))
        .where(
            exp.column(SNAPSHOT_KEY, quoted=True).isin(
                *[exp.Literal.string(label) for label in labels]
            )
        )
    )


def _as_text(value: exp.Expression, column: CatalogColumn) -> exp.Expression:
    if column.trino_type == "varbinary":
        return exp.Hex(this=value)
    if column.trino_type.startswith(("array", "map", "row")):
        as_json = exp.cast(value, "JSON", dialect=DIALECT)
        return exp.JSONFormat(this=as_json)
    return exp.cast(value, "VARCHAR", dialect=DIALECT)


def _union(asked: Sequence[exp.Select]) -> exp.Query:
    whole: exp.Query = asked[0]
    for one in asked[1:]:
        whole = exp.union(whole, one, distinct=False)
    return whole


def _timestamp(moment: datetime) -> exp.Expression:
    text = (utc_text(moment) or "").removesuffix("Z").replace("T", " ")
    return exp.cast(exp.Literal.string(text), "TIMESTAMP", dialect=DIALECT)


__all__ = ["DAY_KEY", "SNAPSHOT_KEY", "View", "names_of", "snapshots_query", "views"]
