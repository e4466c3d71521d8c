"""Iceberg tables over the lake's files, read back by pyiceberg and DuckDB."""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import make_exports as make
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Command
from lines import Line, assert_good
from moto import mock_aws
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.expressions import (
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    IsNaN,
    IsNull,
    LessThan,
)
from pyiceberg.table import Table
from pyiceberg.types import DecimalType, DoubleType, LongType
from s3_line import DIE, Place, rows, write_shop

from compactor import pipeline
from compactor.catalog import iceberg, iceberg_catalog, iceberg_files
from compactor.catalog.iceberg import IcebergTable, Options, Registered
from compactor.catalog.iceberg_types import generations
from compactor.config import CatalogConfig
from compactor.errors import ConfigError
from compactor.lake_tables import read_tables
from compactor.report.iceberg import iceberg_text
from compactor.sample_exports import Column, Layout, RdsExport
from compactor.sample_exports.dms import DmsTarget
from compactor.store import open_store

T0 = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ID = Column("id", "bigint")
ORDERS = "public.orders"


@dataclass
class House:
    """A lake in a folder, and an Iceberg catalog in SQLite beside it."""

    line: Line
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    runs: int = 0

    @property
    def properties(self) -> dict[str, str]:
        return {
            "type": "sql",
            "uri": f"sqlite:///{self.folder / 'catalog.db'}",
            "warehouse": str(self.folder / "warehouse"),
        }

    def deliver(
        self,
        moment: datetime,
        columns: Sequence[Column],
        rows: Mapping[str, Sequence[Any]],
        *,
        table: str = ORDERS,
    ) -> None:
        """Write an export with one table, and run the line."""
        export = RdsExport(self.line.source, f"shop-{moment:%Y%m%dT%H%M%S}", moment)
        kinds = pa.schema([(one.name, one.arrow_type("postgres")) for one in columns])
        export.table(table, columns, pa.table(dict(rows), schema=kinds), Layout())
        export.finish()
        self.runs += 1  # a second apart: the order of runs is that of their seconds
        now = datetime.now(UTC) + timedelta(seconds=self.runs)
        assert_good(pipeline.run(self.line.config(**self.settings), clock=lambda: now))

    def register(self, *tables: str, **options: Any) -> Registered:
        config = self.line.config(catalog={"iceberg": self.properties}, **self.settings)
        return iceberg.register(config, Options(tables=tables, **options))

    def catalog(self) -> Catalog:
        return load_catalog("compactor", **self.properties)

    def table(self, name: str = "public_orders_iceberg", database: str = "shop") -> Table:
        return self.catalog().load_table((database, name))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Line(tmp_path), tmp_path)


def as_of(table: Table, moment: datetime) -> int:
    """Return the id of the snapshot that is tagged like this moment."""
    found = table.snapshot_by_name(f"{moment:%Y%m%dT%H%M%SZ}")
    assert found is not None
    return found.snapshot_id


def ids(table: Table, moment: datetime | None = None) -> list[int]:
    scan = table.scan(snapshot_id=as_of(table, moment) if moment else None)
    return sorted(scan.to_arrow().column("id").to_pylist())


def planned(table: Table, **scan: Any) -> list[str]:
    return sorted(task.file.file_path for task in table.scan(**scan).plan_files())


def only(found: Registered) -> IcebergTable:
    (table,) = found.tables
    return table


# --- on S3: time travel, nothing rewritten --------------------------------------------------------


def s3_house(place: Place) -> dict[str, str]:
    """Add an Iceberg catalog in SQLite, with its warehouse in the source's bucket, to a place."""
    properties = {
        "type": "sql",
        "uri": f"sqlite:///{place.folder / 'catalog.db'}",
        "warehouse": f"s3://{place.source}/warehouse/",
    }
    place.settings["catalog"] = {"iceberg": properties}
    place.settings["source"] = {"urls": [f"s3://{place.source}/exports/"]}
    return properties


def s3_table(properties: Mapping[str, str]) -> Table:
    catalog = load_catalog("compactor", **{"py-io-impl": iceberg_catalog.FILE_IO}, **properties)
    return catalog.load_table(("shop", "public_orders_iceberg"))


def s3_deliver(place: Place, moment: datetime, state: Any) -> None:
    name = f"shop-{moment:%Y%m%d}"
    root = write_shop(place.folder, {ORDERS: state}, export_id=name, snapshot=moment)
    place.deliver(root, "exports/")
    assert place.run().exit_code == 0


def listing(place: Place, bucket: str) -> list[tuple[str, str, datetime]]:
    pages = place.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [
        (item["Key"], item["ETag"], item["LastModified"])
        for page in pages
        for item in page.get("Contents", ())
    ]


def test_each_snapshot_is_read_by_its_tag_from_the_files_of_the_lake(place: Place) -> None:
    properties = s3_house(place)
    place.settings.pop("archive")
    states = {T0: rows(1, 60), T0 + DAY: rows(30, 50)}
    for moment, state in states.items():
        s3_deliver(place, moment, state)
    before = listing(place, place.lake)
    found = iceberg.register(place.config, Options())
    assert listing(place, place.lake) == before
    assert (found.status, found.exit_code, found.url) == ("done", 0, f"s3://{place.lake}/tables/")
    assert [one.rows for one in only(found).snapshots] == [60, 50]

    table = s3_table(properties)
    for moment, state in states.items():
        read = table.scan(snapshot_id=as_of(table, moment)).to_arrow()
        assert read.schema.names == ["id", "note", "created_at"]
        got = zip(*(read.column(name).to_pylist() for name in read.schema.names), strict=True)
        assert sorted(got) == state
        summary = table.snapshot_by_id(as_of(table, moment)).summary
        assert int(summary["total-records"]) == int(summary["compactor.rows"]) == len(state)
    assert ids(table) == list(range(30, 80))
    assert table.properties["gc.enabled"] == "false"

    place.proxy.forget()
    kept = (place.folder / "catalog.db").read_bytes()
    assert iceberg.register(place.config, Options()).status == "nothing_to_do"
    assert place.proxy.writes() == []
    assert (place.folder / "catalog.db").read_bytes() == kept


def test_the_archive_can_be_read_in_place_of_the_lake(place: Place) -> None:
    properties = s3_house(place)
    s3_deliver(place, T0, rows(1, 60))
    found = iceberg.register(place.config, Options(place="archive"))
    assert (found.exit_code, only(found).status) == (0, "registered")
    table = s3_table(properties)
    assert {url.split("/")[2] for url in planned(table)} == {place.vault}
    assert ids(table) == list(range(1, 61))
    mixed = iceberg.register(place.config, Options(place="lake"))
    assert mixed.exit_code == 2
    assert f"reads s3://{place.vault}/tables/, not s3://{place.lake}/" in (only(mixed).error or "")


# --- names, values, days --------------------------------------------------------------------------


PATHS = {"public.größe_表_🎁", "public.order.items.v2", "public.100%", "public.partition_names"}
PATHS |= {"public.case_twins", "public.long_names", "public.injection"}
"""Names that may be taken for something else in a path, a mapping or a partition."""


def test_no_name_loses_a_value(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {table: columns for table, columns in make.NAMES.items() if table in PATHS}
    assert len(names) == len(PATHS)
    monkeypatch.setattr(make, "NAMES", names)
    make.hostile_names(house.line.source)
    house.settings = {"compact": {"grain": "day"}}
    done = house.line.run(**house.settings)
    assert_good(done)
    before = house.line.state()
    found = house.register()
    assert house.line.state() == before
    assert {one.status for one in found.tables} == {"registered"}
    results = {one.table: one for one in done.result.tables}
    assert len(results) == len({one.name for one in found.tables}) == len(names)
    catalog = house.catalog()
    for one in found.tables:
        result = results[one.table]
        read = catalog.load_table(tuple(one.name.split("."))).scan().to_arrow()
        places = [read.schema.names.index(column.name) for column in result.columns]
        columns = [read.column(place).to_pylist() for place in places]
        assert Counter(zip(*columns, strict=True)) == Counter(house.line.rows(result)), one.name
    text = iceberg_text(found)
    assert all(char.isprintable() for line in text.splitlines() for char in line)


VALUES = (
    *(ID, Column("text", "text"), Column("number", "numeric"), Column("ratio", "double precision")),
    *(Column("data", "bytea"), Column("born", "date"), Column("day", "date")),
)


def equal_to(name: str, value: Any) -> BooleanExpression:
    if value is None:
        return IsNull(name)
    if isinstance(value, float) and math.isnan(value):
        return IsNaN(name)
    return EqualTo(name, value)


def test_bounds_never_hide_a_value(house: House) -> None:
    """Each row has a file of its own, so its bounds are the value itself, cut short."""
    rows = {
        "id": [-(2**63), 2**63 - 1, 0, 1, None],
        "text": ["a" * 40, "\ud7ff" * 20, "\U0010ffff" * 20, "", None],
        "number": ["-" + "9" * 36 + ".25", "9" * 36 + ".25", "0.5", "-1.28", None],
        "ratio": [-0.0, float("inf"), float("nan"), -1.5, None],
        "data": [b"\xff" * 20, b"\x00", b"", b"\x80" * 17, None],
        "born": ["0001-01-01", "9999-12-31", "1969-12-31", "1970-01-01", None],
        "day": [f"2026-09-0{number}" for number in range(1, 6)],
    }
    house.settings = {"compact": {"date_column": "day", "grain": "day"}}
    house.deliver(T0, VALUES, rows)
    assert only(house.register()).snapshots[0].files == 5
    table = house.table()
    read = table.scan().to_arrow()
    assert isinstance(table.schema().find_field("number").field_type, DecimalType)
    for name in rows:
        for value in read.column(name).to_pylist():
            found = planned(table, row_filter=equal_to(name, value))
            is_nan = isinstance(value, float) and math.isnan(value)
            assert found, (name, value)
            assert len(found) <= 2 or is_nan  # footers do not count what is no number
    assert planned(table, row_filter=EqualTo("text", "b" * 40)) == []


def test_lists_maps_and_structs_are_read_by_their_names(house: House) -> None:
    nested = {
        "id": [1, 2],
        "part": [{"a": 1, "B": "x"}, None],
        "tags": [["q", None], []],
        "prices": pa.array([[("k", 1.5)], []], pa.map_(pa.string(), pa.float64())),
    }
    tables = {"nested": pa.table(nested), "twins": pa.table({"a": [{"b": 1}], "a.b": [2]})}
    for name, content in tables.items():
        (house.line.source / name).mkdir()
        pq.write_table(content, house.line.source / name / "rows.parquet")
    files = [str(house.line.source / name) for name in tables]
    house.settings = {"source": {"urls": [str(house.line.source)], "files": files}}
    pipeline.run(house.line.config(**house.settings), clock=lambda: datetime.now(UTC) + DAY)
    found = house.register()
    states = {one.table: one for one in found.tables}
    assert states["nested"].status == "registered"
    read = house.table("nested_iceberg", "files").scan().to_arrow()
    assert read.to_pylist() == tables["nested"].to_pylist()
    assert (found.exit_code, states["twins"].status) == (3, "failed")
    assert "cannot tell the columns apart" in (states["twins"].error or "")


DATED = (ID, Column("created_at", "timestamp with time zone"))


def dated(days: int, hour: int = 12) -> dict[str, list[Any]]:
    start = datetime(2026, 8, 30, hour, tzinfo=UTC)
    moments = [f"{start + number * DAY:%Y-%m-%d %H:%M:%S}+00" for number in range(days)]
    return {"id": list(range(days)), "created_at": [*moments[:-1], None]}


@pytest.mark.parametrize(
    ("compact", "partitioned_by", "files_of_a_day"),
    [
        ({"grain": "day"}, "day(created_at)", 1),
        ({"grain": "none"}, "", 1),
    ],
)
def test_a_query_of_one_day_plans_only_files_of_that_day(
    house: House, compact: dict[str, str], partitioned_by: str, files_of_a_day: int
) -> None:
    house.settings = {"compact": {"date_column": "created_at", **compact}}
    house.deliver(T0, DATED, dated(90, 22))
    snapshot = only(house.register()).snapshots[0]
    assert snapshot.partitioned_by == partitioned_by
    table = house.table()
    day = datetime(2026, 9, 15, tzinfo=UTC)
    one_day = And(
        GreaterThanOrEqual("created_at", day.isoformat()),
        LessThan("created_at", (day + DAY).isoformat()),
    )
    assert len(planned(table, row_filter=one_day)) == files_of_a_day
    assert table.scan(row_filter=one_day).to_arrow().column("id").to_pylist() == [16]
    assert len(planned(table)) == snapshot.files
    assert len(planned(table, row_filter="created_at is null")) == 1


def test_days_of_another_time_zone_are_no_iceberg_days(house: House) -> None:
    house.settings = {"compact": {"grain": "day", "timezone": "Europe/Berlin"}}
    start = datetime(2026, 9, 1, 20, tzinfo=UTC)
    times = [start + number * timedelta(hours=3) for number in range(60)]
    rows = {"id": list(range(60)), "created_at": [f"{one:%Y-%m-%d %H:%M:%S}+00" for one in times]}
    house.deliver(T0, DATED, rows)
    snapshot = only(house.register()).snapshots[0]
    assert (snapshot.partitioned_by, snapshot.files) == ("", 9)
    table = house.table()
    one_day = And(
        GreaterThanOrEqual("created_at", "2026-09-03T00:00:00+00:00"),
        LessThan("created_at", "2026-09-04T00:00:00+00:00"),
    )
    assert len(planned(table, row_filter=one_day)) == 2
    assert table.scan(row_filter=one_day).to_arrow().num_rows == 8


def test_partitions_may_differ_from_snapshot_to_snapshot(house: House) -> None:
    grains = ("day", "none", "year", "month")
    for number, grain in enumerate(grains):
        house.settings = {"compact": {"date_column": "created_at", "grain": grain}}
        house.deliver(T0 + number * DAY, DATED, dated(4 + number))
        shutil.rmtree(house.line.source)  # else a run would do it again with the next grain
    found = only(house.register())
    assert [one.partitioned_by for one in found.snapshots] == [
        *("day(created_at)", "", "year(created_at)", "month(created_at)")
    ]
    table = house.table()
    for number in range(4):
        assert ids(table, T0 + number * DAY) == list(range(4 + number))
    assert len(planned(table, row_filter="created_at > '2026-09-04T00:00:00+00:00'")) == 1


def test_files_that_two_snapshots_name_stay_as_they_are(house: House) -> None:
    house.settings = {"compact": {"date_column": "created_at", "grain": "day"}}
    house.deliver(T0, DATED, dated(4))
    house.register()
    house.deliver(T0 + DAY, DATED, dated(6))
    runs = sorted((house.line.lake / "_compactor" / "runs").iterdir())
    first, second = (json.loads((run / "manifest.json").read_text()) for run in runs)
    shared = {part["value"]: part["objects"] for part in first["tables"][0]["partitions"]}
    for part in second["tables"][0]["partitions"][:2]:  # as if nothing had changed in these days
        part["objects"] = shared[part["value"]]
    (runs[1] / "manifest.json").write_text(json.dumps(second))
    (snapshot,) = only(house.register()).snapshots
    assert (snapshot.files, snapshot.added_files, snapshot.removed_files) == (6, 4, 2)
    table = house.table()
    assert (ids(table, T0), ids(table)) == (list(range(4)), list(range(6)))
    house.deliver(T0 + 2 * DAY, DATED, dated(3))
    assert only(house.register()).snapshots[0].removed_files == 6
    assert [ids(house.table(), T0 + number * DAY) for number in (1, 2)] == [
        list(range(6)),
        list(range(3)),
    ]


def test_duckdb_reads_the_planned_files_and_finds_the_same(house: House) -> None:
    house.settings = {"compact": {"grain": "day"}}
    house.deliver(T0, DATED, dated(30))
    house.deliver(T0 + DAY, DATED, {"id": [], "created_at": []})
    house.deliver(T0 + 2 * DAY, DATED, dated(40))
    house.register()
    table = house.table()
    assert planned(table, snapshot_id=as_of(table, T0 + DAY)) == []
    for moment in (T0, T0 + 2 * DAY):
        version = as_of(table, moment)
        files = planned(table, snapshot_id=version)
        with duckdb.connect() as engine:
            (sums,) = engine.execute(
                "SELECT count(*), sum(id)::BIGINT, count(created_at) FROM read_parquet($1)", [files]
            ).fetchall()
        read = table.scan(snapshot_id=version).to_arrow()
        assert sums == (
            read.num_rows,
            sum(read.column("id").to_pylist()),
            read.num_rows - read.column("created_at").null_count,
        )


def test_a_run_that_is_killed_around_a_commit_is_finished_by_the_next_one(house: House) -> None:
    for number in range(3):
        house.deliver(T0 + number * DAY, (ID,), {"id": [number]})
    config = configure(house, inline(house.properties))
    for before, nth in ((True, 2), (False, 1)):
        code = DIE.format("pyiceberg.catalog.sql:SqlCatalog.commit_table", nth, before)
        program = f"{code}\nfrom compactor.cli import main\nmain()"
        died = subprocess.run(
            [sys.executable, "-c", program, "-q", "-c", str(config), "iceberg"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr
    found = only(house.register())
    assert (found.known_snapshots, len(found.snapshots)) == (2, 1)
    table = house.table()
    assert [ids(table, T0 + number * DAY) for number in range(3)] == [[0], [1], [2]]
    assert ids(table) == [2]
    assert len(table.metadata.snapshots) == 3


# --- what changes from snapshot to snapshot -------------------------------------------------------


def test_columns_are_added_widened_and_kept_by_field_id(house: House) -> None:
    narrow = (
        *(ID, Column("count", "integer"), Column("ratio", "real"), Column("gone", "text")),
        Column("amount", "numeric"),
    )
    first = {"id": [1], "count": [7], "ratio": [0.5], "gone": ["old"], "amount": ["1.25"]}
    house.deliver(T0, narrow, first)
    wide = (
        *(Column("new.column", "text"), ID, Column("count", "bigint")),
        *(Column("ratio", "double precision"), Column("amount", "numeric")),
    )
    second = {"new.column": ["new"], "id": [2], "count": [2**40], "ratio": [1e300]}
    house.deliver(T0 + DAY, wide, second | {"amount": ["123456789012345678901.25"]})
    house.register()
    house.deliver(T0 + 2 * DAY, narrow, first | {"id": [3]})
    found = only(house.register())
    assert (found.status, found.known_snapshots) == ("registered", 2)
    table = house.table()
    was = table.schemas()[table.snapshot_by_id(as_of(table, T0)).schema_id]
    now = table.schema()
    assert [one.name for one in now.fields] == [one.name for one in narrow] + ["new.column"]
    assert [one.field_id for one in was.fields] == [one.field_id for one in now.fields][:-1]
    assert now.find_field("count").field_type == LongType()
    assert now.find_field("ratio").field_type == DoubleType()
    assert table.scan(snapshot_id=as_of(table, T0)).to_arrow().to_pylist() == [
        {"id": 1, "count": 7, "ratio": 0.5, "gone": "old", "amount": Decimal("1.25")}
    ]
    (middle,) = table.scan(snapshot_id=as_of(table, T0 + DAY)).to_arrow().to_pylist()
    assert (middle["count"], middle["gone"], middle["new.column"]) == (2**40, None, "new")
    (last,) = table.scan().to_arrow().to_pylist()
    assert (last["id"], last["count"], last["new.column"]) == (3, 7, None)
    # narrow files under a wide column keep usable bounds
    assert planned(table, row_filter=EqualTo("count", 8)) == []
    assert planned(table, row_filter=EqualTo("amount", Decimal("1.25"))) != []


def test_a_type_that_cannot_widen_begins_a_table_of_its_own(house: House) -> None:
    columns = (ID, Column("day", "date"))
    house.deliver(T0, columns, {"id": [1], "day": ["2026-09-01"]})
    house.register()
    house.deliver(T0 + DAY, columns, {"id": [2], "day": ["2026-13-45"]})
    house.deliver(T0 + 2 * DAY, columns, {"id": [3], "day": ["soon"]})
    found = house.register()
    first, second = found.tables
    assert (first.status, second.status) == ("up_to_date", "registered")
    assert (first.name, second.name) == (
        "shop.public_orders_iceberg",
        "shop.public_orders_iceberg_2",
    )
    assert "the latest snapshot is in shop.public_orders_iceberg_2" in first.warnings[0]
    assert "the latest snapshot is in" in iceberg_text(found)
    assert ids(house.table()) == [1]
    table = house.table("public_orders_iceberg_2")
    assert [ids(table, T0 + DAY), ids(table)] == [[2], [3]]

    # an archive that has got the later ones only gives them the same table
    (lake_table,) = read_tables(open_store(str(house.line.lake))).tables
    parts = generations(lake_table.snapshots, lake_table.snapshots[1:])
    assert [[one.label for one in part.snapshots] for part in parts] == [
        [],
        ["20261007T034712Z", "20261008T034712Z"],
    ]

    # a later run names the first snapshot again, as one does that adds an archive
    runs = house.line.lake / "_compactor" / "runs"
    first_run = min(path.name for path in runs.iterdir())
    told = (runs / first_run / "manifest.json").read_text()
    (runs / "later").mkdir()
    (runs / "later" / "manifest.json").write_text(told.replace(first_run, "later"))
    assert house.register().status == "nothing_to_do"


def test_a_snapshot_that_comes_late_is_there_by_its_tag_and_not_the_current_state(
    house: House,
) -> None:
    columns = (ID, Column("note", "text"))
    for moment, number in ((T0, 1), (T0 + 2 * DAY, 3)):
        house.deliver(moment, columns, {"id": [number], "note": ["x"]})
    house.register()
    house.deliver(T0 + DAY, columns, {"id": [2], "note": ["x"]})
    found = only(house.register())
    assert [(one.snapshot[:8], one.is_current) for one in found.snapshots] == [("20261007", False)]
    assert "older than the newest one" in found.warnings[0]
    house.deliver(T0 + 3 * DAY, columns, {"id": [4], "note": ["x"]})
    house.register()
    table = house.table()
    assert [ids(table, T0 + number * DAY) for number in range(4)] == [[1], [2], [3], [4]]
    assert ids(table) == [4]
    history = [entry.snapshot_id for entry in table.history()]
    assert history == [as_of(table, T0 + number * DAY) for number in (0, 2, 3)]
    assert house.register().status == "nothing_to_do"


def test_windows_of_changes_are_appended_the_late_one_as_well(house: House) -> None:
    target = DmsTarget(house.line.source)

    def window(day: int, first: int) -> None:
        rows = pa.table({"id": [first, first + 1]})
        target.changes("s", "t", rows, ["I", "U"], T0 + day * DAY)
        house.line.run()

    window(0, 10)
    window(2, 30)
    assert only(house.register()).name == "s_changes.s_t_iceberg"
    window(1, 20)
    found = only(house.register())
    assert [one.is_current for one in found.snapshots] == [True]
    table = house.table("s_t_iceberg", "s_changes")
    assert ids(table) == [10, 11, 20, 21, 30, 31]
    assert len(table.metadata.snapshots) == 3


def test_a_table_that_never_had_a_row_waits_until_it_has_one(house: House) -> None:
    columns = (ID, Column("note", "text"))
    export = RdsExport(house.line.source, "shop-0", T0)
    export.table(ORDERS, columns, pa.table({"id": [], "note": []}), Layout(files=0))
    export.finish()
    assert_good(house.line.run())
    assert only(house.register()).status == "empty"
    house.deliver(T0 + DAY, columns, {"id": [1], "note": ["x"]})
    assert [one.rows for one in only(house.register()).snapshots] == [0, 1]
    table = house.table()
    assert (ids(table, T0), ids(table)) == ([], [1])
    assert house.register().status == "nothing_to_do"


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "warehouse", ["lake", "lake/iceberg", "lake/shop/public.orders/snapshot=1", ""]
)
def test_metadata_never_goes_among_the_files_of_the_lake(house: House, warehouse: str) -> None:
    properties = house.properties | {"warehouse": str(house.folder / warehouse)}
    config = house.line.config(catalog={"iceberg": properties})
    with pytest.raises(ConfigError, match="must not lie in each other"):
        iceberg.register(config, Options())


def test_a_database_in_the_catalog_that_lies_in_the_lake_is_refused(house: House) -> None:
    house.deliver(T0, (ID,), {"id": [1]})
    inside = house.line.lake / "shop"
    house.catalog().create_namespace("shop", {"location": str(inside)})
    before = house.line.state()
    found = house.register()
    assert (found.exit_code, only(found).status) == (2, "failed")
    assert "must not lie in each other" in (only(found).snapshots[0].error or "")
    assert house.line.state() == before


def test_a_table_of_that_name_that_is_not_ours_is_left_alone(house: House) -> None:
    house.deliver(T0, (ID,), {"id": [1]})
    house.deliver(T0 + DAY, (ID,), {"id": [1]}, table="public.users")
    catalog = house.catalog()
    catalog.create_namespace("shop")
    schema = pa.schema([("theirs", pa.string())])
    catalog.create_table("shop.public_orders_iceberg", schema=schema)
    found = house.register()
    states = {one.table: one for one in found.tables}
    assert found.exit_code == 2
    assert "not the table of shop.public.orders" in (states[ORDERS].error or "")
    assert states["public.users"].status == "registered"
    assert house.table().schema().column_names == ["theirs"]


def test_a_snapshot_whose_file_is_gone_fails_alone(house: House) -> None:
    for number in range(3):
        house.deliver(T0 + number * DAY, (ID,), {"id": [number]})
    path = next(house.line.lake.rglob("snapshot=20261007*/**/*.parquet"))
    content = path.read_bytes()
    path.unlink()
    found = house.register()
    table = only(found)
    assert (found.exit_code, table.status) == (3, "failed")
    assert [one.status for one in table.snapshots] == ["registered", "failed", "registered"]
    assert path.name in (table.snapshots[1].error or "")
    assert "FAILED" in iceberg_text(found)
    path.write_bytes(content)
    assert only(house.register()).snapshots[0].is_current is False
    assert ids(house.table(), T0 + DAY) == [1]
    assert ids(house.table()) == [2]


def test_a_file_with_other_rows_than_the_manifest_names_is_not_registered(house: House) -> None:
    house.deliver(T0, (ID,), {"id": [1, 2, 3]})
    manifest = next(house.line.lake.rglob("manifest.json"))
    told = manifest.read_text()
    manifest.write_text(told.replace('"rows":3,"sha256"', '"rows":4,"sha256"'))
    found = house.register()
    assert found.exit_code == 4
    assert "has 3 rows; the manifest" in (only(found).snapshots[0].error or "")
    assert house.catalog().list_namespaces() == []


def test_two_that_register_at_once_never_add_a_window_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = DmsTarget(house.line.source)
    for day in range(2):
        target.changes("s", "t", pa.table({"id": [day]}), ["I"], T0 + day * DAY)
        house.line.run()
        if day == 0:
            house.register()
    read, others = iceberg_files.read, [house.register]

    def while_another_registers(*arguments: Any) -> Any:
        if others:
            assert others.pop()().status == "done"
        return read(*arguments)

    monkeypatch.setattr(iceberg_files, "read", while_another_registers)
    found = house.register()
    assert found.exit_code == 4
    assert "somebody else changed the table" in (only(found).snapshots[0].error or "")
    assert ids(house.table("s_t_iceberg", "s_changes")) == [0, 1]
    assert house.register().status == "nothing_to_do"


# --- the command ----------------------------------------------------------------------------------


def configure(house: House, iceberg_properties: str) -> Path:
    path = house.folder / "compactor.toml"
    path.write_text(
        f"[source]\nurls = ['{house.line.source}']\n[lake]\nurl = '{house.line.lake}'\n"
        f"[limits]\nscratch_dir = '{house.line.scratch}'\n"
        f"[catalog]\niceberg = {iceberg_properties}\n"
    )
    return path


def inline(properties: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name} = '{text}'" for name, text in properties.items()) + "}"


def test_the_command_shows_registers_and_then_has_nothing_to_do(
    house: House, command: Command
) -> None:
    house.deliver(T0, (ID,), {"id": [1, 2]})
    config = configure(house, inline(house.properties))
    would = command("-c", config, "iceberg", "--dry-run", "--json")
    assert (would.code, would.json["tables"][0]["status"]) == (0, "to_register")
    assert house.catalog().list_namespaces() == []
    done = command("-c", config, "iceberg", "shop.public.orders")
    assert (done.code, done.out.splitlines()[0]) == (0, "REGISTERED")
    assert f"version {as_of(house.table(), T0)}" in done.out
    again = command("-c", config, "iceberg", "--json")
    assert (again.code, again.json["status"]) == (0, "nothing_to_do")
    wrong = command("-c", config, "iceberg", "shop.public.order")
    assert wrong.code == 2
    assert "did you mean shop.public.orders?" in wrong.err


def test_the_examples_in_the_documentation_load() -> None:
    text = (Path(__file__).parent.parent / "docs" / "iceberg.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    examples = [line.removeprefix("# ") for line in block.splitlines() if "iceberg = {" in line]
    assert len(examples) == 2
    for example in examples:
        properties = tomllib.loads(example)["iceberg"]
        assert example in iceberg_catalog.EXAMPLES
        assert CatalogConfig(iceberg=properties).iceberg == properties


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ("{}", "no Iceberg catalog is configured"),
        ("{type = 'nonsense'}", "cannot open the Iceberg catalog 'compactor'"),
        ("{type = 'sql'}", "URI missing"),
    ],
)
def test_a_catalog_that_is_not_configured_is_told_with_examples(
    house: House, command: Command, properties: str, told: str
) -> None:
    said = command("-c", configure(house, properties), "iceberg")
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert 'type = "glue"' in said.err
    assert 'type = "sql"' in said.err


def test_a_catalog_that_does_not_answer_is_told(house: House, command: Command) -> None:
    house.deliver(T0, (ID,), {"id": [1]})
    broken = house.properties | {"uri": f"sqlite:///{house.folder / 'no' / 'such' / 'folder.db'}"}
    said = command("-c", configure(house, inline(broken)), "iceberg")
    assert said.code == 4
    assert "unable to open database file" in said.err


def test_a_catalog_without_a_warehouse_is_told_what_to_write(
    house: House, command: Command
) -> None:
    house.deliver(T0, (ID,), {"id": [1]})
    bare = {name: text for name, text in house.properties.items() if name != "warehouse"}
    said = command("-c", configure(house, inline(bare)), "iceberg", "--json")
    assert (said.code, said.json["status"]) == (4, "failed")
    assert "name a warehouse" in said.json["tables"][0]["snapshots"][0]["error"]


def test_without_the_extra_the_command_says_how_to_install_it(
    house: House, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyiceberg.catalog", None)
    said = command("-c", configure(house, inline(house.properties)), "iceberg")
    assert said.code == 2
    assert "pip install 'compactor[iceberg]'" in said.err


@mock_aws
def test_a_glue_catalog_is_a_matter_of_configuration(house: House) -> None:
    house.deliver(T0, (ID,), {"id": [1]})
    house.deliver(T0 + DAY, (ID,), {"id": [1, 2]})
    properties = {
        "type": "glue",
        "glue.region": "us-east-1",
        "warehouse": str(house.folder / "warehouse"),
    }
    config = house.line.config(catalog={"iceberg": properties})
    assert iceberg.register(config, Options()).status == "done"
    assert iceberg.register(config, Options()).status == "nothing_to_do"
    table = load_catalog("any", **properties).load_table("shop.public_orders_iceberg")
    assert (ids(table, T0), ids(table)) == ([1], [1, 2])
