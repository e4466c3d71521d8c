"""The DMS targets that demo and tests write look like those that DMS writes, and are understood."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from keys import exports, options

from compactor.dms_statistics import parse_table_statistics
from compactor.readers.dms import DMS
from compactor.sample_exports.dms import DmsShop, DmsTarget, write_dms_shop

LOADED = datetime(2026, 10, 1, 3, 47, 12, tzinfo=UTC)
NOW = LOADED + timedelta(days=30)


def written(folder: Path) -> dict[str, datetime]:
    """Return when each file below a folder was written, by key."""
    return {
        path.relative_to(folder).as_posix(): datetime.fromtimestamp(path.stat().st_mtime, UTC)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def shop(folder: Path, **settings: Any) -> DmsShop:
    return write_dms_shop(DmsTarget(folder, **settings), LOADED)


def seen(folder: Path, now: datetime = NOW, **how: Any) -> dict[str, Any]:
    files = written(folder)
    control: dict[str, bytes | None] = {
        key: (folder / key).read_bytes() for key in files if key.endswith(".dfm")
    }
    keys = {key: at for key, at in files.items() if key not in control}
    return exports(DMS, keys, control, options(now=now, **how))


@pytest.mark.parametrize("format", ["parquet", "csv", "csv.gz"])
@pytest.mark.parametrize("delimiter", ["SLASH", "NONE"])
def test_the_reader_finds_all_that_was_written(format: str, delimiter: str, tmp_path: Path) -> None:
    made = shop(tmp_path, format=format, date_delimiter=delimiter, bucket_folder="dms/")
    found = seen(tmp_path)
    days = [f"dms/ changes-2026-10-0{day}" for day in (2, 3, 4)]
    assert sorted(found) == [
        *days,
        *("dms/ control", "dms/ load public.customers", "dms/ load public.orders"),
    ]
    assert {facts.status for facts in found.values()} == {"complete"}
    assert [facts.findings for facts in found.values()] == [()] * 6
    assert found["dms/ load public.orders"].snapshot == LOADED + timedelta(seconds=60 + 17)
    assert sorted(made.changes) == [name.removeprefix("dms/ changes-") for name in days]


def test_the_counter_of_a_full_load_is_upper_case_hex_beyond_0f(tmp_path: Path) -> None:
    shop(tmp_path)
    names = sorted(path.name for path in (tmp_path / "public/orders").glob("LOAD*"))
    assert len(names) == 18
    assert {"LOAD0000000A.parquet", "LOAD00000010.parquet", "LOAD00000012.parquet"} <= set(names)


def test_modification_times_are_those_that_were_asked_for(tmp_path: Path) -> None:
    shop(tmp_path)
    files = written(tmp_path)
    assert files["public/customers/LOAD00000001.parquet"] == LOADED
    assert files["public/orders/LOAD00000002.parquet"] == LOADED + timedelta(seconds=61)
    last = files["public/orders/2026/10/04/20261004-230500000.parquet"]
    assert last == datetime(2026, 10, 4, 23, 5, tzinfo=UTC)
    assert seen(tmp_path, now=last)["dms changes-2026-10-04"].is_open
    assert seen(tmp_path, now=last)["dms changes-2026-10-03"].status == "complete"


def test_the_timestamp_is_required_text_and_only_changes_have_an_operation(tmp_path: Path) -> None:
    made = shop(tmp_path)
    load = pq.ParquetFile(tmp_path / "public/orders/LOAD00000001.parquet")
    assert load.schema_arrow.names[:2] == ["dms_ts", "id"]
    assert not load.schema_arrow.field("dms_ts").nullable
    assert load.schema_arrow.field("dms_ts").type == pa.string()
    assert load.schema_arrow.field("id").nullable
    assert load.metadata.row_group(0).column(0).compression == "UNCOMPRESSED"
    (change,) = (tmp_path / "public/orders/2026/10/02").glob("20261002-0905*.parquet")
    events = pq.read_table(change)
    assert events.column_names[:3] == ["Op", "dms_ts", "id"]
    assert set(events["Op"].to_pylist()) == {"I", "U", "D"}
    assert events["dms_ts"][0].as_py() == "2026-10-02 09:05:00.000000"
    read = sum(
        pq.read_metadata(path).num_rows
        for path in (tmp_path / "public/orders/2026").rglob("*.parquet")
    )
    assert read == sum(by_table["public.orders"] for by_table in made.changes.values()) > 0


def test_a_full_load_may_have_the_operation_too(tmp_path: Path) -> None:
    shop(tmp_path, op_in_full_load=True, timestamp_column="")
    rows = pq.read_table(tmp_path / "public/customers/LOAD00000001.parquet")
    assert rows.column_names[:2] == ["Op", "id"]
    assert set(rows["Op"].to_pylist()) == {"I"}


def test_csv_has_no_header_and_spells_null(tmp_path: Path) -> None:
    shop(tmp_path / "plain", format="csv")
    shop(tmp_path / "zipped", format="csv.gz")
    content = (tmp_path / "plain/public/customers/LOAD00000001.csv").read_bytes()
    lines = content.decode().splitlines()
    assert lines[0] == "2026-10-01 03:47:12.000000,1,Customer 1,c1@example.org,0"
    assert lines[6].split(",")[3] == "NULL"
    zipped = (tmp_path / "zipped/public/customers/LOAD00000001.csv.gz").read_bytes()
    assert gzip.decompress(zipped) == content


def test_statistics_and_descriptions_name_the_rows_that_were_written(tmp_path: Path) -> None:
    made = shop(tmp_path / "aws")
    rows = parse_table_statistics(made.target.statistics()).rows
    assert {".".join(name): count for name, count in rows.items()} == made.rows
    found = seen(tmp_path / "aws", dms_rows=rows)
    assert found["dms load public.orders"].tables[0].declared_rows == made.rows["public.orders"]

    shop(tmp_path / "qlik", with_dfm=True, format="csv")
    found = seen(tmp_path / "qlik")
    assert found["dms load public.orders"].tables[0].declared_rows == made.rows["public.orders"]
    assert found["dms load public.orders"].findings == ()
    path = tmp_path / "qlik/public/customers/LOAD00000001.dfm"
    assert json.loads(path.read_bytes())["fileInfo"]["content"] == "data"


def test_the_same_calls_write_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        shop(tmp_path / folder, with_dfm=True, format="csv.gz")
    files = written(tmp_path / "a")
    assert files == written(tmp_path / "b")
    assert len(files) > 40
    for key in files:
        assert (tmp_path / "a" / key).read_bytes() == (tmp_path / "b" / key).read_bytes()
