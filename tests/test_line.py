"""The whole line between two folders: names, edges, order, partitions, chunks, repeats, plans."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import make_exports as make
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from lines import (
    NULL_DAY,
    Line,
    assert_good,
    assert_same_rows,
    by_name,
    read_pyarrow,
    told,
    touch_new,
)

from compactor import compact, feed, lake, pipeline, stage
from compactor.errors import SourceError
from compactor.feed import Excerpt
from compactor.model import Plan, TableResult, to_json
from compactor.sample_exports import Column, Layout, RdsExport

# --- names ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, make.Exported, pipeline.Done]:
    line = Line(tmp_path_factory.mktemp("names"))
    export = make.hostile_names(line.source)
    return line, export, line.run(compact={"grain": "day"})


@pytest.mark.parametrize("name", make.NAMES)
def test_no_name_loses_or_mixes_up_a_value(
    named: tuple[Line, make.Exported, pipeline.Done], name: str
) -> None:
    line, export, done = named
    table = by_name(done.result)[name]
    assert table.status == "done"
    names = ["id", "created_at", *make.NAMES[name]]
    assert [column.source_name for column in table.columns] == names
    assert_same_rows(line, table)
    # the catalogue itself, not only the files that were written of it
    texts = [tuple(row.values())[2:] for row in _rows(export.tables[name])]
    assert Counter(row[2:] for row in line.rows(table)) == Counter(texts)


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    numbered = table.rename_columns([str(n) for n in range(table.num_columns)])
    return numbered.to_pylist()


@pytest.mark.parametrize("name", make.NAMES)
def test_a_lake_with_these_names_is_read_by_every_engine(
    named: tuple[Line, make.Exported, pipeline.Done], name: str
) -> None:
    """As users read it: the snapshot's folder at once, `dt` from the folders' names."""
    line, _, done = named
    table = by_name(done.result)[name]
    files = [str(path) for path in line.files(table)]
    folder = line.files(table)[0].parents[1]
    names = [column.name for column in table.columns]
    expected = {1: date(2026, 9, 1), 2: date(2026, 9, 2), 3: None}

    with duckdb.connect() as connection:
        read = connection.sql(
            "SELECT * FROM read_parquet($1, hive_partitioning = true)", params=[files]
        ).to_arrow_table()
    assert dict(zip(read["id"].to_pylist(), read["dt"].to_pylist(), strict=True)) == expected
    assert read.schema.names == [*names, "dt", "snapshot"]

    kind = ds.partitioning(pa.schema([("dt", pa.date32())]), flavor="hive")
    own = ds.dataset(str(folder), format="parquet", partitioning=kind).to_table()
    assert dict(zip(own["id"].to_pylist(), own["dt"].to_pylist(), strict=True)) == expected
    assert own.schema.names == [*names, "dt"]

    # left to itself, Polars takes the snapshot's name for a time that it cannot parse
    folders = {"snapshot": pl.String, "dt": pl.Date}
    frame = pl.scan_parquet(files, glob=False, hive_schema=folders).collect()
    assert dict(frame.select("id", "dt").rows()) == expected
    assert frame.columns == [*names, "snapshot", "dt"]


def test_columns_named_like_partitions_are_kept_under_another_name_and_told(
    named: tuple[Line, make.Exported, pipeline.Done],
) -> None:
    table = by_name(named[2].result)["public.partition_names"]
    names = {column.source_name: column.name for column in table.columns}
    assert names["dt"] == "dt_1"
    assert names["snapshot"] == "snapshot_1"
    assert names["dt_1"] not in ("dt", "dt_1")
    assert len(set(names.values())) == len(names)
    messages = [one.message for one in told(named[2].result, "name_changed", table.table)]
    for name in ("dt", "snapshot", "dt_1"):
        assert any(f"{name!r} is written as {names[name]!r}" in message for message in messages)


def test_columns_that_differ_only_in_case_stay_apart(
    named: tuple[Line, make.Exported, pipeline.Done],
) -> None:
    table = by_name(named[2].result)["public.case_twins"]
    names = [column.name for column in table.columns]
    assert len({name.lower() for name in names}) == len(names)
    assert len(told(named[2].result, "name_changed", table.table)) == 3


def test_tables_with_plain_names_are_not_said_to_have_changed_ones(
    named: tuple[Line, make.Exported, pipeline.Done],
) -> None:
    about = {finding.table for finding in told(named[2].result, "name_changed")}
    assert about == {"public.partition_names", "public.case_twins", "public.long_names"}


# --- edges ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["none", "day"])
def edges(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Line, make.Exported, pipeline.Done, str]:
    line = Line(tmp_path_factory.mktemp("edges"))
    export = make.edge_tables(line.source)
    return line, export, line.run(compact={"grain": request.param}), request.param


def test_tables_at_the_edges_keep_every_row(
    edges: tuple[Line, make.Exported, pipeline.Done, str],
) -> None:
    line, export, done, _ = edges
    assert_good(done)
    tables = by_name(done.result)
    assert tables.keys() == export.tables.keys()
    for name, rows in export.tables.items():
        assert tables[name].source_rows == rows.num_rows, name
        assert_same_rows(line, tables[name])


def test_a_table_without_rows_is_done_and_described(
    edges: tuple[Line, make.Exported, pipeline.Done, str],
) -> None:
    tables = by_name(edges[2].result)
    for name in ("public.no_rows", "public.only_marker"):
        table = tables[name]
        assert (table.status, table.output_rows) == ("done", 0)
        assert [column.source_name for column in table.columns] == [
            *("id", "day", "at", "amount", "note", "ok", "small", "data", "ratio")
        ]


def test_an_empty_text_is_not_null_and_null_is_no_text(
    edges: tuple[Line, make.Exported, pipeline.Done, str],
) -> None:
    line, export, done, _ = edges
    rows = {row[0]: row[1] for row in line.rows(by_name(done.result)["public.empty_text"])}
    assert rows == dict(enumerate(export.tables["public.empty_text"]["note"].to_pylist()))


def test_equal_rows_are_all_there(edges: tuple[Line, make.Exported, pipeline.Done, str]) -> None:
    rows = edges[0].rows(by_name(edges[2].result)["public.duplicates"])
    assert (len(rows), len(set(rows))) == (30, 1)


def test_five_hundred_columns_stay_in_their_order(
    edges: tuple[Line, make.Exported, pipeline.Done, str],
) -> None:
    table = by_name(edges[2].result)["public.wide"]
    assert [column.name for column in table.columns] == ["id", *(f"c{n:03d}" for n in range(499))]


def test_rows_without_a_day_are_kept_apart_and_counted(
    edges: tuple[Line, make.Exported, pipeline.Done, str],
) -> None:
    line, _, done, grain = edges
    table = by_name(done.result)["public.undated"]
    findings = told(done.result, "undated_rows", table.table)
    if grain == "none":
        assert findings == []
        assert [partition.value for partition in table.partitions] == [""]
        return
    assert {partition.value: partition.rows for partition in table.partitions} == {
        "2026-09-01": 1,
        NULL_DAY: 3,
    }
    (finding,) = findings
    assert finding.model_extra["rows"] == 3
    undated = [path for path in line.files(table) if path.parent.name == f"dt={NULL_DAY}"]
    assert {row[0] for path in undated for row in read_pyarrow(path, ["id"])} == {1, 2, 3}


# --- order and partitions -------------------------------------------------------------------------

_EVENTS = (
    *(Column("id", "bigint"), Column("at", "timestamp with time zone"), Column("text", "text")),
    Column("amount", "numeric"),
)


def _events(rows: int, *, days: int, width: int = 60, null_every: int = 0) -> pa.Table:
    """Return rows in random order, texts that cannot be compressed, seconds that repeat."""
    lot = random.Random(7)
    start = datetime(2026, 8, 30, tzinfo=UTC)
    moments = [
        start + timedelta(seconds=lot.randrange(days * 86_400) // 30 * 30) for _ in range(rows)
    ]
    ids = list(range(rows))
    lot.shuffle(ids)
    return pa.table(
        {
            "id": ids,
            "at": [
                None
                if null_every and number % null_every == 0
                else f"{moment:%Y-%m-%d %H:%M:%S}+00"
                for number, moment in enumerate(moments)
            ],
            "text": [base64.b85encode(lot.randbytes(width)).decode() for _ in range(rows)],
            "amount": [f"{number}.25" for number in range(rows)],
        }
    )


def _write(line: Line, rows: pa.Table, export_id: str = "events", files: int = 4) -> None:
    export = RdsExport(line.source, export_id, make.SNAPSHOT)
    export.table("public.events", _EVENTS, rows, Layout(files=files))
    export.finish()


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, TableResult]:
    """A table of three days and undated rows, several files a day."""
    line = Line(tmp_path_factory.mktemp("sorted"))
    _write(line, _events(60_000, days=3, width=100, null_every=4))
    done = line.run(compact={"grain": "day", "target_file_size": "1MiB"})
    assert_good(done)
    return line, done.result.tables[0]


def test_folders_whose_names_look_like_patterns_are_taken_as_they_stand(tmp_path: Path) -> None:
    line = Line(tmp_path / "la[k]e *?'s")
    _write(line, _events(2_000, days=3, width=20, null_every=4))
    scratch = tmp_path / "t[m]p*?"
    scratch.mkdir()
    done = line.run(compact={"grain": "day"}, limits={"scratch_dir": str(scratch)})
    assert_good(done)
    assert done.result.tables[0].output_rows == 2_000


def test_no_row_is_lost_between_days_and_files(cut: tuple[Line, TableResult]) -> None:
    line, table = cut
    assert_same_rows(line, table)
    assert [partition.value for partition in table.partitions] == [
        *("2026-08-30", "2026-08-31", "2026-09-01"),
        NULL_DAY,
    ]


def test_every_file_is_sorted_and_follows_the_one_before(cut: tuple[Line, TableResult]) -> None:
    line, table = cut
    assert table.partition_column == "at"
    for partition in table.partitions:
        assert len(partition.objects) >= 2, partition.value
        keys = [
            (row[0] is None, row[0], row[1])
            for item in partition.objects
            for row in read_pyarrow(line.lake / item.key, ["at", "id"])
        ]
        assert len(keys) == partition.rows
        assert keys == sorted(keys), partition.value


def test_every_row_lies_in_the_folder_of_its_own_day(cut: tuple[Line, TableResult]) -> None:
    line, table = cut
    for path in line.files(table):
        days = {row[0] and row[0].date().isoformat() for row in read_pyarrow(path, ["at"])}
        expected = None if NULL_DAY in path.parent.name else path.parent.name.removeprefix("dt=")
        assert days == {expected}


def test_files_come_near_the_size_that_was_asked_for(cut: tuple[Line, TableResult]) -> None:
    sizes = [item.size_bytes for part in cut[1].partitions for item in part.objects]
    assert max(sizes) <= 1.2 * (1 << 20)
    assert min(sizes) >= 0.3 * (1 << 20)


def test_parts_are_numbered_from_zero_without_gaps(cut: tuple[Line, TableResult]) -> None:
    for partition in cut[1].partitions:
        numbers = [item.key.rpartition("/")[2].split("-")[1] for item in partition.objects]
        assert numbers == [f"{number:05d}" for number in range(len(numbers))]


@pytest.mark.parametrize(
    ("grain", "folders"),
    [
        ("day", ["2026-08-30", "2026-08-31", "2026-09-01", "2026-09-02"]),
        ("month", ["2026-08-01", "2026-09-01"]),
        ("year", ["2026-01-01"]),
        ("none", [""]),
    ],
)
def test_a_coarser_grain_names_the_first_day(
    tmp_path: Path, grain: str, folders: list[str]
) -> None:
    line = Line(tmp_path)
    _write(line, _events(400, days=4))
    done = line.run(compact={"grain": grain})
    assert_good(done)
    (table,) = done.result.tables
    assert table.grain == grain
    assert [partition.value for partition in table.partitions] == folders
    assert_same_rows(line, table)
    for path in line.files(table):
        for (moment,) in read_pyarrow(path, ["at"]):
            day = moment.date()
            first = {
                "day": day,
                "month": day.replace(day=1),
                "year": day.replace(month=1, day=1),
                "none": None,
            }[grain]
            folder = path.parent.name
            assert folder == (f"dt={first}" if first else "snapshot=20261006T034712Z")


def test_the_time_zone_decides_the_day_of_moments_and_not_of_local_times(tmp_path: Path) -> None:
    line = Line(tmp_path)
    export = RdsExport(line.source, "zones", make.SNAPSHOT)
    moments = ["2026-07-01 21:30:00+00", "2026-07-01 22:30:00+00", "2026-12-31 23:30:00+00"]
    for name, kind in (("moments", "timestamp with time zone"), ("local", "timestamp")):
        texts = moments if name == "moments" else [text.removesuffix("+00") for text in moments]
        kind = kind if name == "moments" else "timestamp without time zone"
        columns = (Column("id", "bigint"), Column("created_at", kind))
        export.table(f"public.{name}", columns, pa.table({"id": [1, 2, 3], "created_at": texts}))
    export.finish()
    done = line.run(compact={"grain": "day", "timezone": "Europe/Berlin"})
    assert_good(done)
    days = {
        table.table: {
            partition.value: sorted(row[0] for row in read_pyarrow(line.lake / item.key, ["id"]))
            for partition in table.partitions
            for item in partition.objects
        }
        for table in done.result.tables
    }
    assert days["public.moments"] == {"2026-07-01": [1], "2026-07-02": [2], "2027-01-01": [3]}
    assert days["public.local"] == {"2026-07-01": [1, 2], "2026-12-31": [3]}
    stored = {row[0]: row[1] for row in line.rows(by_name(done.result)["public.moments"])}
    assert stored[1] == datetime(2026, 7, 1, 21, 30, tzinfo=UTC)  # the moment itself has not moved


def test_configured_columns_decide_partition_and_order(tmp_path: Path) -> None:
    line = Line(tmp_path)
    export = RdsExport(line.source, "own", make.SNAPSHOT)
    columns = (
        *(Column("id", "bigint"), Column("created_at", "date"), Column("paid_on", "date")),
        Column("region", "text"),
    )
    rows = {
        "id": range(40),
        "created_at": ["2026-01-01"] * 40,
        "paid_on": [f"2026-02-{n % 2 + 1:02d}" for n in range(40)],
        "region": [f"r{n * 7 % 5}" for n in range(40)],
    }
    export.table("public.t", columns, pa.table(rows), Layout(files=3))
    export.finish()
    own = {"date_column": "paid_on", "grain": "day", "sort_by": ["region", "id"]}
    done = line.run(tables={"shop.public.t": own})
    assert_good(done)
    (table,) = done.result.tables
    assert [partition.value for partition in table.partitions] == ["2026-02-01", "2026-02-02"]
    for path in line.files(table):
        keys = read_pyarrow(path, ["region", "id"])
        assert keys == sorted(keys)


def test_a_date_column_that_stays_text_still_files_rows_by_their_day(tmp_path: Path) -> None:
    line = Line(tmp_path)
    rows = _events(300, days=2)
    texts = rows["at"].to_pylist()
    texts[17] = "infinity"
    texts[100] = "0044-03-15 12:00:00+00 BC"
    _write(line, rows.set_column(1, "at", [texts]))
    done = line.run(compact={"grain": "day"})
    assert_good(done)
    (table,) = done.result.tables
    assert [partition.value for partition in table.partitions] == [
        *("2026-08-30", "2026-08-31"),
        NULL_DAY,
    ]
    assert_same_rows(line, table)
    for path in line.files(table):
        found = [row[0] for row in read_pyarrow(path, ["at"])]
        assert found == sorted(found)
        if NULL_DAY in path.parent.name:
            assert set(found) == {"infinity", "0044-03-15 12:00:00+00 BC"}
        else:
            assert {text[:10] for text in found} == {path.parent.name.removeprefix("dt=")}


# --- larger than scratch --------------------------------------------------------------------------


# --- many tiny objects ----------------------------------------------------------------------------


def test_both_readers_agree_on_some_objects_of_a_table_that_is_decoded_once(tmp_path: Path) -> None:
    line = Line(tmp_path)
    _write(line, _events(1_040, days=3), files=520)
    done = line.run(compact={"grain": "day"})
    assert_good(done)
    (table,) = done.result.tables
    assert_same_rows(line, table)
    (check,) = [check for check in table.checks if "decoded twice" in check.subject]
    assert (check.name, check.status) == ("second_engine", "pass")
    assert check.subject.startswith("31 objects")
    assert check.expected == check.actual
    assert check.expected.startswith("62 rows, ")


def test_a_reader_that_reads_wrongly_fails_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(tmp_path)
    _write(line, _events(1_040, days=3), files=520)

    def wrong(*, rows: pa.Table, **others: Any) -> Excerpt:
        return Excerpt(rows=rows.set_column(0, "id", pa.array([7, 7], pa.int64())), **others)

    monkeypatch.setattr(stage, "Excerpt", wrong)
    done = line.run(compact={"grain": "day"})
    (table,) = done.result.tables
    assert (table.status, done.exit_code) == ("failed", 5)
    assert [c.subject for c in table.checks if c.status == "fail"] == [
        "31 objects of the source, decoded twice"
    ]


def _excerpts_of_one_object(line: Line, monkeypatch: pytest.MonkeyPatch) -> TableResult:
    """Run a table of one object, of which each second batch of 1,000 rows is decoded twice."""
    _write(line, _events(4_500, days=3), files=1)
    (source,) = (path for path in line.source.rglob("*.parquet"))
    monkeypatch.setattr(stage, "READ_TWICE_BYTES", source.stat().st_size // 2 + 1)
    monkeypatch.setattr(stage, "BATCH_ROWS", 1_000)
    (table,) = _once(line, monkeypatch).result.tables
    return table


def test_of_a_large_object_both_readers_decode_rows_spread_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _excerpts_of_one_object(Line(tmp_path), monkeypatch)
    found = {c.subject: c for c in table.checks if "decoded twice" in c.subject}
    assert {
        (subject, check.status, check.expected.split(",")[0]) for subject, check in found.items()
    } == {
        ("rows 1 to 1000 of an object of the source, decoded twice", "pass", "1000 rows"),
        ("rows 2001 to 3000 of an object of the source, decoded twice", "pass", "1000 rows"),
        ("rows 4001 to 4500 of an object of the source, decoded twice", "pass", "500 rows"),
    }
    assert len({check.expected for check in found.values()}) == 3


def test_rows_of_another_place_in_an_object_fail_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*, first_row: int, **others: Any) -> Excerpt:
        return Excerpt(first_row=max(0, first_row - 1), **others)

    monkeypatch.setattr(stage, "Excerpt", wrong)
    table = _excerpts_of_one_object(Line(tmp_path), monkeypatch)
    assert table.status == "failed"
    assert len([check for check in table.checks if check.status == "fail"]) == 2


# --- loaded while being staged --------------------------------------------------------------------


def _once(line: Line, monkeypatch: pytest.MonkeyPatch) -> pipeline.Done:
    """Run a table that counts as large, so that its rows are decoded once."""
    monkeypatch.setattr(stage, "STREAM_BYTES", 1)
    return line.run(compact={"grain": "day"})


def _decoded_twice(table: TableResult) -> list[str]:
    return [check.status for check in table.checks if "decoded twice" in check.subject]


def test_a_large_table_is_loaded_while_it_is_being_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(tmp_path)
    _write(line, _events(200_000, days=3), files=2)
    again: list[object] = []
    monkeypatch.setattr(compact, "restore", lambda *_: again.append(1))
    done = _once(line, monkeypatch)
    assert_good(done)
    assert not again
    (table,) = done.result.tables
    assert _decoded_twice(table) == ["pass"]
    assert_same_rows(line, table)


@pytest.mark.parametrize("value", ["infinity", "2026-08-30 12:00:00.1234567+00"])
def test_a_value_that_the_first_object_did_not_announce_has_the_table_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    line = Line(tmp_path)
    rows = _events(2_000, days=3)
    texts = [*rows["at"].to_pylist()[:-1], value]
    _write(line, rows.set_column(1, "at", [texts]), files=4)
    done = _once(line, monkeypatch)
    assert_good(done)
    (table,) = done.result.tables
    assert {c.name: (c.type, c.kept_values) for c in table.columns}["at"] == ("VARCHAR", 1)
    assert_same_rows(line, table)


def test_columns_that_differ_are_matched_by_name_though_loading_had_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(tmp_path)
    export = RdsExport(line.source, "events", make.SNAPSHOT)
    rows = _events(2_000, days=3)
    export.table("public.events", _EVENTS, rows, Layout(files=4))
    export.finish()
    last = max(line.source.rglob("*.parquet"))
    pq.write_table(pq.read_table(last).select(["amount", "text", "id", "at"]), last)
    done = _once(line, monkeypatch)
    assert_good(done)
    (table,) = done.result.tables
    assert_same_rows(line, table)


def test_an_object_that_cannot_be_read_stops_a_table_whose_loading_had_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(tmp_path)
    _write(line, _events(2_000, days=3), files=4)
    last = max(line.source.rglob("*.parquet"))
    last.write_bytes(last.read_bytes()[:-100])
    done = _once(line, monkeypatch)
    (table,) = done.result.tables
    assert (table.status, done.exit_code) == ("failed", 3)
    assert last.name in str(told(done.result, "unreadable_object")[0])


def test_a_table_that_fails_at_once_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows, and those of the next table, are more than may wait between decoder and loader."""
    monkeypatch.setattr(feed.Feed.__init__, "__defaults__", (1_000,))
    line = Line(tmp_path)
    export = RdsExport(line.source, "events", make.SNAPSHOT)
    for name in ("a", "b", "c"):
        export.table(f"public.{name}", _EVENTS, _events(4_000, days=3), Layout(files=4))
    export.finish()
    monkeypatch.setattr(stage, "STREAM_BYTES", 1)
    foreign = line.lake / lake.table_prefix("shop", "public.a", make.SNAPSHOT) / "foreign.parquet"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"somebody else's")
    done = line.run(compact={"grain": "day"})
    tables = by_name(done.result)
    assert [tables[f"public.{name}"].status for name in "abc"] == ["failed", "done", "done"]
    assert_same_rows(line, tables["public.c"])


def test_a_table_larger_than_scratch_is_decoded_once_for_each_of_its_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "STREAM_BYTES", 1)
    line, done = _in_chunks(tmp_path)
    assert_good(done)
    (table,) = done.result.tables
    assert _decoded_twice(table) == ["pass"] * 6
    assert_same_rows(line, table)


def _in_chunks(folder: Path, **change: str) -> tuple[Line, pipeline.Done]:
    """Run a table of six files, one at a time; `change` sets values of the last row."""
    line = Line(folder)
    rows = _events(6_000, days=3)
    for name, value in change.items():
        texts = [*rows[name].to_pylist()[:-1], value]
        rows = rows.set_column(rows.schema.get_field_index(name), name, [texts])
    _write(line, rows, files=6)
    files = [path.stat().st_size for path in line.source.rglob("*.parquet")]
    assert len(files) == 6
    scratch = {"scratch": f"{8 * max(files)}B"}
    return line, line.run(compact={"grain": "day"}, limits=scratch)


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, pipeline.Done]:
    return _in_chunks(tmp_path_factory.mktemp("chunks"))


def test_a_table_larger_than_scratch_keeps_every_row_and_passes_every_check(
    chunked: tuple[Line, pipeline.Done],
) -> None:
    line, done = chunked
    assert_good(done)
    (table,) = done.result.tables
    assert_same_rows(line, table)
    assert {check.name for check in table.checks if check.status == "pass"} >= {
        *("footer_rows", "rows", "fingerprint", "lossless", "profile", "second_engine"),
    }


def test_the_chunks_of_a_table_never_share_a_file_name(
    chunked: tuple[Line, pipeline.Done],
) -> None:
    line, done = chunked
    (table,) = done.result.tables
    keys = [item.key for partition in table.partitions for item in partition.objects]
    assert len(keys) == len(set(keys)) == 3 * 6
    assert line.data_files() == set(keys)
    for partition in table.partitions:
        numbers = [item.key.rpartition("/")[2].split("-")[1] for item in partition.objects]
        assert numbers == [f"{number:05d}" for number in range(6)]
        assert sum(item.rows for item in partition.objects) == partition.rows
    for path in line.files(table):
        keys_of_rows = read_pyarrow(path, ["at", "id"])
        assert keys_of_rows == sorted(keys_of_rows)


def test_a_table_in_chunks_has_the_same_fingerprints_as_at_once(
    chunked: tuple[Line, pipeline.Done], tmp_path: Path
) -> None:
    line = Line(tmp_path)
    _write(line, _events(6_000, days=3), files=6)
    (whole,) = line.run(compact={"grain": "day"}).result.tables
    (table,) = chunked[1].result.tables
    assert table.fingerprint == whole.fingerprint
    assert [(one.value, one.rows, one.fingerprint) for one in table.partitions] == [
        (one.value, one.rows, one.fingerprint) for one in whole.partitions
    ]


def test_one_bad_value_in_the_last_object_decides_for_every_chunk(tmp_path: Path) -> None:
    line, done = _in_chunks(tmp_path, amount="NaN", at="-infinity")
    assert_good(done)
    (table,) = done.result.tables
    types = {column.name: (column.type, column.kept_text) for column in table.columns}
    assert types["amount"] == types["at"] == ("VARCHAR", True)
    assert_same_rows(line, table)
    findings = told(done.result, "kept_text")
    assert {one.model_extra["column"]: one.model_extra["values"] for one in findings} == {
        "amount": 1,
        "at": 1,
    }
    assert {one.model_extra["examples"][0] for one in findings} == {"NaN", "-infinity"}


def test_a_larger_scale_in_the_last_object_widens_every_chunk(tmp_path: Path) -> None:
    line, done = _in_chunks(tmp_path, amount="0.123456789")
    assert_good(done)
    (table,) = done.result.tables
    assert {column.name: column.type for column in table.columns}["amount"] == "DECIMAL(38,9)"
    assert_same_rows(line, table)
    assert max(row[3].as_tuple().exponent for row in line.rows(table)) == -9
    assert Decimal("0.123456789") in {row[3] for row in line.rows(table)}


def test_findings_of_a_table_in_chunks_are_told_once(tmp_path: Path) -> None:
    line = Line(tmp_path)
    export = RdsExport(line.source, "names", make.SNAPSHOT)
    columns = (Column("id", "bigint"), Column("dt", "date"), Column("note", "date"))
    rows = {"id": range(60), "dt": ["2026-01-01"] * 60, "note": ["infinity"] * 60}
    export.table("public.t", columns, pa.table(rows), Layout(files=6))
    export.finish()
    done = line.run(limits={"scratch": "1KiB"}, compact={"grain": "day", "date_column": "note"})
    assert_good(done)
    for kind in ("name_changed", "kept_text", "undated_rows"):
        assert len(told(done.result, kind)) == 1, kind
    (undated,) = told(done.result, "undated_rows")
    assert undated.model_extra["rows"] == 60


# --- again ----------------------------------------------------------------------------------------


def test_a_second_run_does_nothing_at_all(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.mixed_layouts(line.source)
    assert_good(line.run())
    before = line.state()
    again = line.run()
    assert (again.result.status, again.exit_code) == ("nothing_to_do", 0)
    assert again.result.tables == ()
    assert again.result.manifest is None
    assert line.state() == before


def test_the_next_run_takes_only_what_is_new(tmp_path: Path) -> None:
    line = Line(tmp_path)
    _write(line, _events(50, days=1), "monday")
    line.run()
    before = line.state()
    export = RdsExport(line.source, "tuesday", make.SNAPSHOT + timedelta(days=1))
    export.table("public.events", _EVENTS, _events(70, days=1))
    export.finish()
    done = line.run()
    assert_good(done)
    (table,) = done.result.tables
    assert (table.export_id, table.source_rows) == ("tuesday", 70)
    assert_same_rows(line, table)
    after = line.state()
    assert {key: after[key] for key in before} == before
    new = {key for key in after.keys() - before.keys() if not key.startswith("_compactor/")}
    assert all("/snapshot=20261007T034712Z/" in key for key in new)
    assert line.run().result.status == "nothing_to_do"


def test_other_options_for_a_stored_table_are_refused_and_double_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    _write(line, _events(50, days=3))
    line.run(compact={"grain": "day"})
    before = line.data_files()
    done = line.run(compact={"grain": "month"})
    assert (done.result.status, done.exit_code) == ("failed", 4)
    (table,) = done.result.tables
    assert "already holds 3 objects of another run" in table.error
    assert "twice" in table.error
    assert line.data_files() == before
    assert done.result.manifest is None
    assert line.run(compact={"grain": "day"}).result.status == "nothing_to_do"


def test_an_export_that_was_written_again_in_place_is_refused_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path)
    _write(line, _events(50, days=3))
    line.run()
    before = line.data_files()
    _write(line, _events(60, days=3))
    done = line.run()
    assert done.exit_code == 4
    assert "another source" in done.result.tables[0].error
    assert line.data_files() == before


def test_the_manifest_names_every_object_with_its_digest(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.mixed_layouts(line.source)
    done = line.run()
    manifest = line.manifest(done.result)
    named = {
        item["key"]: (item["size_bytes"], item["sha256"])
        for table in manifest["tables"]
        for partition in table["partitions"]
        for item in partition["objects"]
    }
    assert named.keys() == line.data_files()
    for key, (size, digest) in named.items():
        content = (line.lake / key).read_bytes()
        assert (len(content), _sha256(content)) == (size, digest)
    body = Path(done.result.manifest.url).read_bytes()
    assert _sha256(body) == done.result.manifest.sha256


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- plans ----------------------------------------------------------------------------------------


def _saved(plan: Plan, folder: Path) -> Plan:
    """Write a plan to a file and read it again, as `plan -o` and `run --plan` do."""
    path = folder / "plan.json"
    path.write_text(to_json(plan, indent=1), encoding="utf-8")
    return Plan.model_validate_json(path.read_bytes())


def test_the_same_source_gives_the_same_plan(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.mixed_layouts(line.source)
    first, second = line.plan(), line.plan()
    assert first == second
    assert len(first.plan_id) == 64
    assert line.plan(compact={"grain": "day"}).plan_id != first.plan_id
    assert not line.lake.exists() or line.state() == {}


def test_a_plan_is_carried_out_as_it_was_printed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.mixed_layouts(line.source)
    plan = _saved(line.plan(), tmp_path)
    done = line.run(fixed=plan)
    assert_good(done)
    assert done.result.plan_id == plan.plan_id
    found = {table.table: (table.task_id, table.source_files) for table in done.result.tables}
    assert found == {table.table: (table.task_id, table.source_files) for table in plan.tables}
    assert json.loads(_run_document(line, done, "plan.json"))["plan_id"] == plan.plan_id


def _run_document(line: Line, done: pipeline.Done, name: str) -> str:
    return (line.lake / "_compactor" / "runs" / done.result.run_id / name).read_text("utf-8")


def test_a_plan_that_was_cut_does_only_what_it_names(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.mixed_layouts(line.source)
    plan = line.plan()
    cut = plan.model_copy(update={"tables": plan.tables[1:2]})
    done = line.run(fixed=_saved(cut, tmp_path))
    assert_good(done)
    assert [table.table for table in done.result.tables] == [plan.tables[1].table]
    rest = line.run()
    assert_good(rest)
    assert len(rest.result.tables) == len(plan.tables) - 1


def test_an_export_that_came_later_is_not_part_of_the_plan(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.old_export(line.source)
    plan = line.plan()
    make.mixed_layouts(line.source)
    done = line.run(fixed=plan)
    assert_good(done)
    assert {table.export_id for table in done.result.tables} == {"old-2020"}


@pytest.mark.parametrize("change", ["changed", "vanished", "added", "table vanished", "options"])
def test_a_plan_is_refused_when_the_source_is_not_what_it_was(tmp_path: Path, change: str) -> None:
    line = Line(tmp_path)
    make.mixed_layouts(line.source)
    plan = _saved(line.plan(), tmp_path)
    folder = line.source / "mixed/shop/public.flat"
    path = min(folder.glob("*.parquet"))
    options = {}
    match change:
        case "changed":
            content = path.read_bytes()
            touch_new(path, content)  # as long as before
        case "vanished":
            path.unlink()
        case "added":
            new = path.name.replace("part-00000", "part-00099")
            (folder / new).write_bytes(path.read_bytes())
        case "table vanished":
            for one in [*folder.iterdir()]:
                one.unlink()
            folder.rmdir()
        case "options":
            options = {"tables": {"shop.public.flat": {"grain": "day"}}}
    with pytest.raises(SourceError, match=r"public\.flat of mixed") as refused:
        line.run(fixed=plan, **options)
    assert refused.value.exit_code == 3
    assert "public.batch" not in str(refused.value)
    assert not line.lake.exists() or line.state() == {}
    assert list(line.scratch.iterdir()) == []


def test_a_plan_that_has_been_carried_out_does_nothing_the_second_time(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.old_export(line.source)
    plan = line.plan()
    assert_good(line.run(fixed=plan))
    before = line.state()
    again = line.run(fixed=plan)
    assert (again.result.status, again.exit_code) == ("nothing_to_do", 0)
    assert line.state() == before
