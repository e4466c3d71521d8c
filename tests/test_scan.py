"""Taking stock: listings, sidecars, footers. On local folders, and on a store that misbehaves."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from listings import COLUMNS, NOW, entry, part, sidecars

from compactor import footers, scan
from compactor.detect import detect
from compactor.errors import ConfigError, Denied, NotFound, StoreError
from compactor.inventory import INVENTORY_SCHEMA, Detected, Inventory
from compactor.model import DateStats, Table
from compactor.store import open_store
from compactor.store.interface import LISTING_SCHEMA, Store, Wanted


class MemoryStore:
    """A store that holds objects in memory, counts what it is asked, and fails where it is told."""

    url = "s3://memory/"

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.broken: dict[str, Exception] = {}
        self.hidden: set[str] = set()
        self.tail_requests: list[tuple[str, int]] = []

    def list(self, prefix: str = "") -> Iterator[pa.Table]:
        rows = [
            {"key": key, "size_bytes": len(content), "etag": str(hash(content))}
            | {"modified_at": NOW, "version_id": None}
            for key, content in self.objects.items()
            if key.startswith(prefix)
        ]
        for start in range(0, len(rows), 7):
            yield pa.Table.from_pylist(rows[start : start + 7], schema=LISTING_SCHEMA)

    def get(self, key: str) -> bytes:
        if key in self.hidden:
            raise NotFound(f"{key} is gone", key=key)
        if key in self.broken:
            raise self.broken[key]
        return self.objects[key]

    def tails(self, wanted: Sequence[Wanted], length: int) -> Iterator[tuple[int, bytes]]:
        for index, want in reversed(list(enumerate(wanted))):
            self.tail_requests.append((want.key, length))
            yield index, self.get(want.key)[-length:]


def parquet(rows: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(rows, sink, **options)
    return sink.getvalue()


def orders(first: int, count: int, days: Sequence[str | None]) -> bytes:
    rows = {
        "id": pa.array(range(first, first + count), pa.int64()),
        "label": ["x"] * count,
        "created_at": pa.array([days[n % len(days)] for n in range(count)], pa.string()),
    }
    return parquet(pa.table(rows))


def export(tables: dict[str, list[bytes]]) -> dict[str, bytes]:
    """Return the objects of an export: files per table, and sidecars that list the tables."""
    objects: dict[str, bytes] = dict(
        sidecars("exp", [entry(f"shop.public.{name}", COLUMNS) for name in tables])
    )
    for name, files in tables.items():
        objects[f"exp/shop/public.{name}/1/_SUCCESS"] = b""
        for number, content in enumerate(files):
            objects[f"exp/shop/public.{name}/1/{part(number)}"] = content
    return objects


def take(store: Store, folder: Path) -> tuple[Inventory, Detected]:
    found = scan.scan([store], folder)
    return found, detect(found, folder, NOW)


def sample(store: Store, found: Detected, folder: Path, per_table: int = 3) -> dict[str, Any]:
    tables = {
        t.table_no: t.table for e in found.exports for t in e.tables if t.can_be_taken and t.files
    }
    stats = scan.sample([store], found.assigned, tables, per_table)
    return {tables[number]: told for number, told in stats.items()}


# --- listing --------------------------------------------------------------------------------------


def test_the_listing_has_one_row_per_object_of_every_source(tmp_path: Path) -> None:
    for name in ("one", "two"):
        for number in range(3):
            path = tmp_path / name / f"folder {number}" / "a.bin"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x" * number)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = scan.scan([open_store(str(tmp_path / name)) for name in ("one", "two")], scratch)
    rows = pq.read_table(found.listing)
    assert rows.schema == INVENTORY_SCHEMA
    assert found.objects == rows.num_rows == 6
    assert {(r["source"], r["key"], r["size_bytes"]) for r in rows.to_pylist()} == {
        (source, f"folder {number}/a.bin", number) for source in (0, 1) for number in range(3)
    }
    assert found.control == {}


def test_an_empty_source_gives_an_empty_listing(tmp_path: Path) -> None:
    found, seen = take(MemoryStore({}), tmp_path)
    assert found.objects == 0
    assert seen.exports == ()
    assert seen.findings == ()


def test_many_small_pages_become_one_file(tmp_path: Path) -> None:
    store = MemoryStore({f"k{number:04d}": b"" for number in range(1000)})
    found = scan.scan([store], tmp_path)
    assert pq.read_metadata(found.listing).num_row_groups == 1
    assert found.objects == 1000


def test_sidecars_are_fetched_byte_for_byte_and_nothing_else_is(tmp_path: Path) -> None:
    objects = export({"orders": [orders(0, 5, ["2026-09-01"])]})
    objects["exp/notes.json"] = b"{}"
    objects["exp/shop/public.orders/export_info.json"] = b"{}"
    found = scan.scan([MemoryStore(objects)], tmp_path)
    assert found.control == {
        (0, key): content for key, content in objects.items() if "/export_" in key and "_exp" in key
    }


def test_a_sidecar_that_has_gone_meanwhile_makes_its_export_unreadable(tmp_path: Path) -> None:
    store = MemoryStore(export({"orders": [orders(0, 5, ["2026-09-01"])]}))
    store.hidden.add("exp/export_info_exp.json")
    found, seen = take(store, tmp_path)
    assert found.not_fetched == {(0, "exp/export_info_exp.json")}
    assert {finding.kind for finding in seen.findings} == {"unreadable_object", "incomplete_export"}
    assert seen.exports[0].status == "unknown"


def test_tables_go_on_without_a_sidecar_that_has_gone_and_do_not_ask_for_it(tmp_path: Path) -> None:
    objects: dict[str, bytes] = dict(
        sidecars("exp", [entry(f"shop.public.{name}") for name in "ab"], per_file=1)
    )
    objects |= {f"exp/shop/public.{name}/1/{part()}": orders(0, 5, ["x"]) for name in "ab"}
    store = MemoryStore(objects)
    store.hidden.add("exp/export_tables_info_exp_from_1_to_1.json")
    found, seen = take(store, tmp_path)
    tables = {table.table: table for table in seen.exports[0].tables}
    assert [name for name, table in tables.items() if table.can_be_taken] == ["public.b"]
    assert {(0, key) for table in tables.values() for key in table.control} == found.control.keys()


def test_a_sidecar_of_absurd_size_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "CONTROL_BYTES", 20)
    found, seen = take(MemoryStore(export({"orders": []})), tmp_path)
    assert found.control == {}
    assert len(found.not_fetched) == 2
    assert "unreadable_object" in {finding.kind for finding in seen.findings}


def test_a_store_that_refuses_sidecars_stops_the_scan(tmp_path: Path) -> None:
    store = MemoryStore(export({"orders": []}))
    store.broken["exp/export_info_exp.json"] = Denied("no kms:Decrypt")
    with pytest.raises(Denied):
        scan.scan([store], tmp_path)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "a"), ("a", "a/"), ("a", "a/b"), ("a/b/c", "a/b")]
)
def test_a_source_inside_another_is_refused(tmp_path: Path, one: str, other: str) -> None:
    stores = [open_store(str(tmp_path / name)) for name in (one, other)]
    with pytest.raises(ConfigError, match="count twice"):
        scan.scan(stores, tmp_path)


def test_sources_whose_names_begin_alike_are_two_sources(tmp_path: Path) -> None:
    stores = [open_store(str(tmp_path / name)) for name in ("exports", "exports-2")]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert scan.scan(stores, scratch).objects == 0


# --- row counts -----------------------------------------------------------------------------------


def rows_of(store: Store, folder: Path) -> dict[str, Table]:
    _, seen = take(store, folder)
    counted = scan.footers([store], seen.assigned, seen.exports)
    return {table.table: table for table in counted[0].tables}


def test_footers_give_the_rows_of_each_table_with_one_request_each(tmp_path: Path) -> None:
    files = [orders(0, 5, ["2026-09-01"]), orders(5, 7, ["2026-09-02"])]
    store = MemoryStore(export({"orders": files, "empty": []}))
    tables = rows_of(store, tmp_path)
    assert tables["public.orders"].rows == 12
    assert tables["public.empty"].rows == 0
    assert len(store.tail_requests) == 2


def test_tables_that_are_not_there_have_no_rows_to_count(tmp_path: Path) -> None:
    objects = export({"orders": [orders(0, 5, ["x"])]})
    skipped = {"target": "shop.public.s", "warningMessage": {"skippedTables": [{"reason": "R"}]}}
    entries = [entry("shop.public.orders"), entry("shop.public.gone"), skipped]
    objects = {key: content for key, content in objects.items() if ".json" not in key}
    tables = rows_of(MemoryStore(objects | sidecars("exp", entries)), tmp_path)
    assert {name: table.rows for name, table in tables.items()} == {
        "public.gone": None,
        "public.orders": 5,
        "public.s": None,
    }


def test_a_footer_longer_than_the_first_answer_is_asked_for_again(tmp_path: Path) -> None:
    wide = parquet(pa.table({"c" * 90 + str(n): ["x"] for n in range(700)}))
    footer = int.from_bytes(wide[-8:-4], "little") + 8
    assert footers.FIRST_BYTES < footer < len(wide)
    store = MemoryStore(export({"wide": [wide], "orders": [orders(0, 3, ["2026-09-01"])]}))
    tables = rows_of(store, tmp_path)
    assert (tables["public.wide"].rows, tables["public.orders"].rows) == (1, 3)
    assert [key for key, length in store.tail_requests if length > footers.FIRST_BYTES] == [
        f"exp/shop/public.wide/1/{part()}"
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"id,label\n1,a\n" * 50,
        orders(0, 5, ["2026-09-01"])[:-3],
        orders(0, 5, ["2026-09-01"])[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1",
        b"PAR1" + b"\xff" * 40 + (40).to_bytes(4, "little") + b"PAR1",
        b"PAR1" + bytes(4) + b"PAR1",
    ],
)
def test_an_object_without_a_footer_leaves_its_tables_rows_unknown(
    tmp_path: Path, content: bytes
) -> None:
    store = MemoryStore(
        export({"bad": [orders(0, 5, ["2026-09-01"]), content], "good": [orders(0, 4, ["x"])]})
    )
    tables = rows_of(store, tmp_path)
    assert tables["public.bad"].rows is None
    assert tables["public.bad"].unreadable == (f"exp/shop/public.bad/1/{part(1)}",)
    assert tables["public.good"].rows == 4


def test_an_object_that_has_gone_does_not_hide_the_others(tmp_path: Path) -> None:
    store = MemoryStore(export({"bad": [orders(0, 5, ["x"])], "good": [orders(0, 4, ["x"])]}))
    store.hidden.add(f"exp/shop/public.bad/1/{part()}")
    tables = rows_of(store, tmp_path)
    assert (tables["public.bad"].rows, tables["public.good"].rows) == (None, 4)


def test_counted_rows_and_unreadable_objects_show_in_what_is_detected(tmp_path: Path) -> None:
    store = MemoryStore(export({"bad": [b"not Parquet at all"], "good": [orders(0, 4, ["x"])]}))
    found, seen = take(store, tmp_path)
    counted = scan.footers([store], seen.assigned, seen.exports)
    again = detect(found, tmp_path, NOW, counted=counted)
    assert {table.table: table.rows for table in again.exports[0].tables} == {
        "public.bad": None,
        "public.good": 4,
    }
    (finding,) = [f for f in again.findings if f.kind == "unreadable_object"]
    assert finding.severity == "error"
    assert f"s3://memory/exp/shop/public.bad/1/{part()}" in finding.message


def test_a_store_that_fails_is_not_taken_for_a_bad_object(tmp_path: Path) -> None:
    store = MemoryStore(export({"orders": [orders(0, 5, ["x"])]}))
    _, seen = take(store, tmp_path)
    store.broken[f"exp/shop/public.orders/1/{part()}"] = StoreError("503 SlowDown, eight times")
    with pytest.raises(StoreError, match="SlowDown"):
        scan.footers([store], seen.assigned, seen.exports)
    with pytest.raises(StoreError, match="SlowDown"):
        sample(store, seen, tmp_path)


# --- samples --------------------------------------------------------------------------------------


def test_the_first_the_middle_and_the_last_object_are_sampled(tmp_path: Path) -> None:
    files = [orders(n, 4, [f"2026-{n + 1:02d}-15 10:00:00"]) for n in range(11)]
    store = MemoryStore(export({"orders": files}))
    _, seen = take(store, tmp_path)
    told = sample(store, seen, tmp_path)
    keys = sorted(key for key, _ in store.tail_requests)
    assert keys == [f"exp/shop/public.orders/1/{part(n)}" for n in (0, 5, 10)]
    assert told["public.orders"] == (
        DateStats(
            column="created_at",
            type="text",
            first_day="2026-01-15",
            last_day="2026-11-15",
            null_share=0.0,
        ),
    )


@pytest.mark.parametrize("files", [1, 2, 3])
def test_a_table_of_few_objects_is_sampled_without_asking_twice(tmp_path: Path, files: int) -> None:
    store = MemoryStore(export({"orders": [orders(n, 2, ["2026-09-01"]) for n in range(files)]}))
    _, seen = take(store, tmp_path)
    sample(store, seen, tmp_path)
    assert len(store.tail_requests) == files


def test_only_the_tables_asked_for_are_sampled(tmp_path: Path) -> None:
    store = MemoryStore(export({name: [orders(0, 2, ["2026-09-01"])] for name in "abc"}))
    _, seen = take(store, tmp_path)
    assert scan.sample([store], seen.assigned, [2]).keys() == {2}
    assert len(store.tail_requests) == 1


def test_an_unreadable_sample_says_nothing_and_stops_nothing(tmp_path: Path) -> None:
    store = MemoryStore(
        export({"bad": [b"", b"no Parquet here"], "good": [orders(0, 2, ["2026-09-01"])]})
    )
    _, seen = take(store, tmp_path)
    assert sample(store, seen, tmp_path).keys() == {"public.good"}


def stats_of(rows: pa.Table, **options: Any) -> dict[str, tuple[str, str | None, str | None]]:
    footer = pq.read_metadata(io.BytesIO(parquet(rows, **options)))
    return {s.column: (s.type, s.first_day, s.last_day) for s in footers.date_stats([footer])}


def test_dates_are_read_from_text_and_from_every_date_type() -> None:
    days = [date(1969, 12, 31), date(2026, 10, 5)]
    moments = [datetime(1969, 12, 31, 23, 59), datetime(2026, 10, 5, 0, 1)]  # noqa: DTZ001
    columns = {
        "text_day": pa.array([str(day) for day in days]),
        "text_moment": pa.array([f"{moment}+00" for moment in moments]),
        "day": pa.array(days, pa.date32()),
        "ms": pa.array(moments, pa.timestamp("ms")),
        "us": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "ns": pa.array(moments, pa.timestamp("ns")),
    }
    told = stats_of(pa.table(columns))
    assert told.keys() == columns.keys()
    assert {(first, last) for _, first, last in told.values()} == {("1969-12-31", "2026-10-05")}
    assert {name: kind for name, (kind, _, _) in told.items()} == {
        **dict.fromkeys(["text_day", "text_moment"], "text"),
        "day": "date",
        **dict.fromkeys(["ms", "us", "ns"], "timestamp"),
    }


def test_what_is_no_date_is_left_out() -> None:
    columns = {
        "words": ["apple", "pear"],
        "numbers_as_text": ["2026", "20261005"],
        "long_number": ["2026-10-051", "2026-10-051"],
        "bytes": pa.array([b"\xff\xfe", b"\x00"], pa.binary()),
        "zero": ["0000-00-00", "0000-00-00"],
        "days_of_a_list": pa.array([[date(2026, 1, 1)], []], pa.list_(pa.date32())),
    }
    assert stats_of(pa.table(columns)) == {}


def test_dates_beyond_the_calendar_give_no_day_and_no_error() -> None:
    far = pa.array([-(2**31) + 1, 2**31 - 1], pa.int32()).cast(pa.date32())
    later = pa.array([-(2**62), 2**62], pa.int64()).cast(pa.timestamp("us"))
    told = stats_of(pa.table({"far": far, "later": later}))
    assert told == {"far": ("date", None, None), "later": ("timestamp", None, None)}


@pytest.mark.parametrize(
    ("values", "first", "last"),
    [
        (["2026-09-01", "infinity"], "2026-09-01", None),
        (["-infinity", "2026-09-01"], None, "2026-09-01"),
        (["0044-03-15 BC", "2026-09-01"], None, "2026-09-01"),
        (["0000-00-00", "2026-09-01"], None, "2026-09-01"),
        (["2026-02-30", "2026-09-01"], None, "2026-09-01"),
    ],
)
def test_postgres_oddities_hide_only_one_end(
    values: list[str], first: str | None, last: str | None
) -> None:
    assert stats_of(pa.table({"at": values}))["at"] == ("text", first, last)


def test_nulls_are_a_share_of_all_sampled_rows() -> None:
    some = pa.table({"at": pa.array(["2026-09-01", None, None, None])})
    none = pa.table({"at": pa.array([None] * 4, pa.string())})
    parts = [pq.read_metadata(io.BytesIO(parquet(rows))) for rows in (some, none)]
    (told,) = footers.date_stats(parts)
    assert (told.null_share, told.first_day) == (0.875, "2026-09-01")


def test_a_text_without_any_value_is_told_as_all_null() -> None:
    footer = pq.read_metadata(io.BytesIO(parquet(pa.table({"at": pa.array([None], pa.string())}))))
    (told,) = footers.date_stats([footer])
    assert (told.null_share, told.first_day) == (1.0, None)


def test_footers_without_statistics_leave_types_and_nothing_else() -> None:
    rows = pa.table({"day": pa.array([date(2026, 1, 1)]), "text": ["2026-01-01"]})
    assert stats_of(rows, write_statistics=False) == {"day": ("date", None, None)}


def test_a_real_export_of_a_local_folder_goes_through(tmp_path: Path) -> None:
    root = tmp_path / "source"
    for key, content in export({"orders": [orders(0, 9, ["2026-09-01", None])]}).items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    store = open_store(str(root))
    found, seen = take(store, scratch)
    assert json.loads(found.control[0, "exp/export_info_exp.json"])["status"] == "COMPLETE"
    (told,) = sample(store, seen, scratch)["public.orders"]
    assert told.null_share == pytest.approx(4 / 9, abs=1e-4)
    assert seen.exports[0].snapshot == datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
