"""An export full of partitioned tables, and of tables that only look as if they were partitions.

Each family says what a correct decision is: which tables the parent is proven to hold, and which
stay tables of their own though their names suggest otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from compactor.sample_exports import Column, Layout, RdsExport

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
ROWS = 12
COLUMNS = (
    Column("id", "bigint"),
    Column("label", "text"),
    Column("amount", "numeric", precision=12),
    Column("created_at", "timestamp without time zone"),
)
PATTERNS: Mapping[str, tuple[str, ...]] = {
    "numbers": ("_1", "_2", "_3", "_10"),
    "with_default": ("_0", "_1", "_default"),
    "partman_month": ("_p2026_07", "_p2026_08", "_p2026_09"),
    "partman_day": ("_p20260901", "_p20260902"),
    "y_m": ("_y2026m08", "_y2026m09"),
    "month": ("_2026_08", "_2026_09", "_default"),
    "month_plain": ("_202608", "_202609"),
    "quarter": ("_2026_q1", "_2026_q2"),
    "day": ("_2026_09_30", "_2026_10_01"),
    "year": ("_2025", "_2026"),
    "tenant": ("_acme", "_globex", "_initech"),
}
"""Names that people and pg_partman give to partitions, by the table they are made from."""


@dataclass(frozen=True)
class Family:
    """A table, and the tables whose names say that they could be its partitions."""

    parent: str
    covered: tuple[str, ...] = ()
    """The parent holds exactly the rows of these: they need not be stored again."""
    separate: tuple[str, ...] = ()
    """These hold rows that the parent has not, or not in that way: tables of their own."""
    why: str = ""


@dataclass(frozen=True)
class Families:
    root: Path
    families: tuple[Family, ...]
    rows: dict[str, int] = field(default_factory=dict)
    """Rows per table, every table of the export."""

    def __getitem__(self, parent: str) -> Family:
        return next(family for family in self.families if family.parent == parent)

    @property
    def covered(self) -> set[str]:
        return {name for family in self.families for name in family.covered}


def partitioned_twice(
    folder: Path, export_id: str = "twice", *, children: int = 40, patterns: bool = True
) -> Families:
    """Write every way in which tables repeat each other, or seem to.

    `children` is the number of partitions of `public.many`; `patterns` adds one partitioned table
    per naming pattern.
    """
    builder = _Builder(RdsExport(folder, export_id, SNAPSHOT))
    if patterns:
        for name, suffixes in PATTERNS.items():
            builder.partitioned(f"public.{name}", suffixes)
    first = date(2024, 1, 1)
    days = [f"_p{first + timedelta(n):%Y%m%d}" for n in range(children)]
    builder.partitioned("public.many", days, rows=2)
    for scenario in _SCENARIOS:
        scenario(builder)
    return Families(builder.export.finish(), tuple(builder.families), builder.rows)


def partition_rows(start: int, rows: int = ROWS) -> pa.Table:
    """Return rows numbered from `start`; no two starts share a row."""
    numbers = range(start, start + rows)
    moment = datetime(2026, 7, 1)  # noqa: DTZ001 - PostgreSQL's timestamp has no zone
    return pa.table(
        {
            "id": pa.array(numbers, pa.int64()),
            "label": [f"label {n % 5}" for n in numbers],
            "amount": [f"{n * 7 % 1000}.{n % 100:02d}" for n in numbers],
            "created_at": [f"{moment + timedelta(hours=n)}" for n in numbers],
        }
    )


class _Builder:
    """Writes tables with rows that are new each time, and notes what was written."""

    def __init__(self, export: RdsExport) -> None:
        self.export = export
        self.families: list[Family] = []
        self.rows: dict[str, int] = {}
        self._next = 1

    def fresh(self, rows: int = ROWS) -> pa.Table:
        self._next += rows
        return partition_rows(self._next - rows, rows)

    def write(
        self, name: str, rows: pa.Table | Sequence[pa.Table], columns: Sequence[Column] = COLUMNS
    ) -> None:
        count = rows.num_rows if isinstance(rows, pa.Table) else sum(r.num_rows for r in rows)
        self.rows[name] = count
        self.export.table(name, columns, rows, Layout(files=1 if count else 0))

    def family(self, parent: str, **facts: tuple[str, ...] | str) -> None:
        self.families.append(Family(parent, **facts))  # type: ignore[arg-type]

    def partitioned(self, parent: str, suffixes: Sequence[str], rows: int = ROWS) -> None:
        """Write a parent and its partitions; a default partition is empty, as it often is."""
        leaves = {
            f"{parent}{suffix}": self.fresh(0 if suffix == "_default" else rows)
            for suffix in suffixes
        }
        self.write(parent, list(leaves.values()))
        for name, part in leaves.items():
            self.write(name, part)
        self.family(parent, covered=tuple(leaves), why="partitions by name")


def _two_levels(builder: _Builder) -> None:
    """Partitions that are partitioned again: every row is exported three times."""
    months = {}
    below: list[str] = []
    for month in ("2026_08", "2026_09"):
        middle = f"public.sales_{month}"
        parts = {f"{middle}_{region}": builder.fresh() for region in ("eu", "us")}
        for name, rows in parts.items():
            builder.write(name, rows)
        below += parts
        months[middle] = pa.concat_tables(parts.values())
        builder.write(middle, list(parts.values()))
    builder.write("public.sales", list(months.values()))
    builder.family("public.sales", covered=(*months, *below), why="sub-partitions")


def _uneven_levels(builder: _Builder) -> None:
    """Only one of the partitions is partitioned again."""
    eu, us, old = builder.fresh(), builder.fresh(), builder.fresh()
    builder.write("public.calls_2026_eu", eu)
    builder.write("public.calls_2026_us", us)
    builder.write("public.calls_2026", [eu, us])
    builder.write("public.calls_2025", old)
    builder.write("public.calls", [pa.concat_tables([eu, us]), old])
    names = ("_2026", "_2026_eu", "_2026_us", "_2025")
    covered = tuple(f"public.calls{name}" for name in names)
    builder.family("public.calls", covered=covered, why="sub-partitions of one partition")


def _other_schema(builder: _Builder) -> None:
    recent, old = builder.fresh(), builder.fresh()
    builder.write("public.tickets", [recent, old])
    builder.write("public.tickets_2026", recent)
    builder.write("archive.tickets_2025", old)
    covered = ("public.tickets_2026", "archive.tickets_2025")
    builder.family("public.tickets", covered=covered, why="a partition in another schema")


def _column_order(builder: _Builder) -> None:
    """A table attached as a partition keeps its own order of columns."""
    first, second = builder.fresh(), builder.fresh()
    builder.write("public.visits", [first, second])
    builder.write("public.visits_2026_08", first)
    builder.write("public.visits_2026_09", second, tuple(reversed(COLUMNS)))
    covered = ("public.visits_2026_08", "public.visits_2026_09")
    builder.family("public.visits", covered=covered, why="another order of columns")


def _inherited(builder: _Builder) -> None:
    """INHERITS without rows in the parent itself: the parent's folder holds the children's rows."""
    first, second = builder.fresh(), builder.fresh()
    builder.write("public.alarms", pa.concat_tables([first, second]))
    builder.write("public.alarms_1", first)
    builder.write("public.alarms_2", second)
    covered = ("public.alarms_1", "public.alarms_2")
    builder.family("public.alarms", covered=covered, why="INHERITS, all rows in children")


def _inherited_own_rows(builder: _Builder) -> None:
    """INHERITS with rows of the parent's own: the children do not add up to the parent."""
    own, first, second = builder.fresh(5), builder.fresh(), builder.fresh()
    builder.write("public.devices", pa.concat_tables([own, first, second]))
    builder.write("public.devices_1", first)
    builder.write("public.devices_2", second)
    separate = ("public.devices_1", "public.devices_2")
    builder.family("public.devices", separate=separate, why="INHERITS, the parent has own rows")


def _detached(builder: _Builder) -> None:
    first, second, gone = builder.fresh(), builder.fresh(), builder.fresh()
    builder.write("public.bills", [first, second])
    builder.write("public.bills_2026_08", first)
    builder.write("public.bills_2026_09", second)
    builder.write("public.bills_2025_12", gone)
    covered = ("public.bills_2026_08", "public.bills_2026_09")
    builder.family(
        "public.bills", covered=covered, separate=("public.bills_2025_12",), why="detached"
    )


def _unrelated(builder: _Builder) -> None:
    builder.write("public.parcels", builder.fresh())
    builder.write("public.parcels_1", builder.fresh())
    builder.family("public.parcels", separate=("public.parcels_1",), why="same columns, other rows")
    builder.write("public.stock", builder.fresh())
    columns = (Column("id", "bigint"), Column("note", "text"))
    notes = pa.table({"id": [1, 2], "note": ["a", "b"]})
    builder.write("public.stock_notes", notes, columns)
    builder.family("public.stock", separate=("public.stock_notes",), why="other columns")


def _recombined(builder: _Builder) -> None:
    """Each column alone has the parent's values; the rows are other ones."""
    rows = builder.fresh()
    builder.write("public.pairs", rows)
    builder.write("public.pairs_1", _shifted(rows, "label", "amount"))
    builder.family("public.pairs", separate=("public.pairs_1",), why="values combined differently")
    first, second = builder.fresh(), builder.fresh()
    builder.write("public.couples", [first, second])
    builder.write("public.couples_1", first)
    builder.write("public.couples_2", _shifted(second, "amount"))
    builder.family(
        "public.couples",
        separate=("public.couples_1", "public.couples_2"),
        why="one of two combines values differently, so the other leaves the parent short",
    )


def _shifted(rows: pa.Table, *names: str) -> pa.Table:
    """Move the values of some columns one row on."""
    for name in names:
        values = pa.concat_tables([rows.select([name]).slice(1), rows.select([name]).slice(0, 1)])
        rows = rows.set_column(rows.schema.get_field_index(name), name, values[name])
    return rows


def _wider(builder: _Builder) -> None:
    """A child with one more column, as INHERITS allows: dropping it would lose that column."""
    rows = builder.fresh()
    builder.write("public.meters", rows)
    wide = rows.append_column("serial", [[f"S{n}" for n in range(rows.num_rows)]])
    builder.write("public.meters_2026", wide, (*COLUMNS, Column("serial", "text")))
    builder.family("public.meters", separate=("public.meters_2026",), why="one more column")


def _same_rows_twice(builder: _Builder) -> None:
    """Equal rows count as often as they are there."""
    rows, other = builder.fresh(), builder.fresh()
    builder.write("public.clicks", [rows, pa.concat_tables([rows, other])])
    builder.write("public.clicks_1", rows)
    builder.write("public.clicks_2", pa.concat_tables([rows, other]))
    covered = ("public.clicks_1", "public.clicks_2")
    builder.family("public.clicks", covered=covered, why="the same rows in two partitions")
    rows, other = builder.fresh(), builder.fresh()
    builder.write("public.taps", [rows, other])
    builder.write("public.taps_1", pa.concat_tables([rows, rows]))
    builder.family("public.taps", separate=("public.taps_1",), why="its rows are there only once")


def _partial_copy(builder: _Builder) -> None:
    """Somebody's copy of a few rows: the parent has them, but it is made up without the copy."""
    first, second = builder.fresh(), builder.fresh()
    builder.write("public.letters", [first, second])
    builder.write("public.letters_1", first)
    builder.write("public.letters_2", second)
    builder.write("public.letters_3", first.slice(2, 5))
    covered = ("public.letters_1", "public.letters_2")
    separate = ("public.letters_3",)
    builder.family("public.letters", covered=covered, separate=separate, why="a copy of some rows")


def _one_row_changed(builder: _Builder) -> None:
    """All counts fit; one value of one row does not."""
    first, second = builder.fresh(), builder.fresh()
    labels = second["label"].to_pylist()
    changed = second.set_column(1, "label", [[*labels[:-1], "label X"]])
    builder.write("public.trips", [first, second])
    builder.write("public.trips_1", first)
    builder.write("public.trips_2", changed)
    separate = ("public.trips_1", "public.trips_2")
    builder.family("public.trips", separate=separate, why="one value differs")


def _prefixes(builder: _Builder) -> None:
    """`order_lines` is no partition of `order`, and its partitions are not `order`'s."""
    builder.write("public.order", builder.fresh())
    builder.partitioned("public.order_lines", ("_0", "_1"))
    lines = ("public.order_lines", "public.order_lines_0", "public.order_lines_1")
    builder.family("public.order", separate=lines[:1], why="a name that begins alike")


_SCENARIOS = (
    _two_levels,
    _uneven_levels,
    _other_schema,
    _column_order,
    _inherited,
    _inherited_own_rows,
    _detached,
    _unrelated,
    _recombined,
    _wider,
    _same_rows_twice,
    _partial_copy,
    _one_row_changed,
    _prefixes,
)
