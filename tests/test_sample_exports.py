"""The sample exports look like AWS's own: names, Parquet types and sidecars (FORMATS A)."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compactor.sample_exports import (
    Column,
    Layout,
    RdsExport,
    ShopSize,
    write_mysql_shop,
    write_postgres_shop,
)

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
SMALL = ShopSize(customers=50, products=20, orders=400, events=300, tiny_files=30)

# The layout that readers of RDS exports rely on
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PART = re.compile(
    rf"(?P<export>[^/]+)/(?P<db>[^/]+)/(?P<table>[^/]+\.[^/]+)/"
    rf"(?:(?P<batch>[0-9A-Za-z]{{1,12}})/)?part-\d{{5}}-{UUID}-c000\.gz\.parquet"
)


def files_of(root: Path) -> list[str]:
    found = (p.relative_to(root.parent).as_posix() for p in root.rglob("*") if p.is_file())
    return sorted(found)


def parquet_types(folder: Path) -> dict[str, tuple[str, str]]:
    """Physical and logical type per column, of one file below `folder`."""
    schema = pq.ParquetFile(next(iter(sorted(folder.rglob("*.parquet"))))).schema
    found = {}
    for column in map(schema.column, range(len(schema.names))):
        width = f"({column.length})" if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else ""
        logical = str(column.logical_type).split(", is_from")[0]
        found[column.name] = (column.physical_type + width, logical)
    return found


def rows_of(folder: Path) -> int:
    return sum(pq.read_metadata(path).num_rows for path in folder.rglob("*.parquet"))


def sidecars(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    info = json.loads((root / f"export_info_{root.name}.json").read_text(encoding="utf-8"))
    paths = root.glob(f"export_tables_info_{root.name}_from_*_to_*.json")
    by_range = sorted(paths, key=lambda path: int(path.stem.split("_from_")[1].split("_")[0]))
    entries = [json.loads(path.read_text(encoding="utf-8"))["perTableStatus"] for path in by_range]
    return info, [entry for part in entries for entry in part]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("postgres")
    return write_postgres_shop(folder, "shop-2026-10-06", SNAPSHOT, SMALL)


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write_mysql_shop(tmp_path_factory.mktemp("mysql"), "mysql-1", SNAPSHOT, SMALL)


def test_every_object_of_the_shops_has_a_name_that_aws_writes(postgres: Any, mysql: Any) -> None:
    for root in (postgres.root, mysql.root):
        for name in files_of(root):
            control = re.fullmatch(r".*/(_SUCCESS|export_(info|tables_info)_.*\.json)", name)
            assert control or PART.fullmatch(name), name


def test_every_row_of_the_shops_is_in_the_files(postgres: Any, mysql: Any) -> None:
    for shop in (postgres, mysql):
        found = {name: rows_of(shop.root / "shop" / name) for name in shop.rows}
        assert found == shop.rows


def test_a_partitioned_parent_holds_the_rows_of_its_partitions(postgres: Any) -> None:
    folder = postgres.root / "shop"
    for parent, leaves in postgres.partitions.items():
        twice = [sorted(pq.read_table(folder / parent).to_pylist(), key=lambda row: row["id"])]
        tables = [pq.read_table(folder / leaf) for leaf in leaves if postgres.rows[leaf]]
        rows = pa.concat_tables(tables).to_pylist()
        twice.append(sorted(rows, key=lambda row: row["id"]))
        assert twice[0] == twice[1]
        assert len(list((folder / parent).iterdir())) == len(leaves)


def test_a_detached_partition_shares_no_row_with_the_parent(postgres: Any) -> None:
    parent = pq.read_table(postgres.root / "shop" / "public.orders")
    detached = pq.read_table(postgres.root / "shop" / "public.orders_2025_12")
    assert detached.schema == parent.schema
    assert detached.num_rows > 0
    assert not set(detached["id"].to_pylist()) & set(parent["id"].to_pylist())


def test_postgres_types_are_the_exporters(postgres: Any) -> None:
    text = ("BYTE_ARRAY", "String")
    types = parquet_types(postgres.root / "shop" / "public.orders")
    assert types["id"] == ("INT64", "None")
    assert types["customer_id"] == ("INT32", "None")
    assert types["tenant_id"] == ("INT32", "Int(bitWidth=16, isSigned=true)")
    assert types["weight_kg"] == ("DOUBLE", "None")
    assert types["gift"] == ("BOOLEAN", "None")
    texts = {"amount", "tax_rate", "created_at", "paid_at", "ship_on", "batch_uuid", "shipping"}
    assert {types[name] for name in texts | {"tags", "status", "channel", "note"}} == {text}


def test_mysql_types_are_the_exporters(mysql: Any) -> None:
    orders = parquet_types(mysql.root / "shop" / "shop.orders")
    micros = ("INT64", "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds")
    assert orders == {
        "id": ("FIXED_LEN_BYTE_ARRAY(9)", "Decimal(precision=20, scale=0)"),
        "order_no": ("BYTE_ARRAY", "None"),
        "customer_id": ("INT64", "None"),
        "total": ("INT64", "Decimal(precision=12, scale=2)"),
        "status": ("BYTE_ARRAY", "String"),
        "flags": ("BYTE_ARRAY", "None"),
        "exchange_rate": ("FIXED_LEN_BYTE_ARRAY(9)", "Decimal(precision=20, scale=10)"),
        "placed_at": micros,
        "updated_at": micros,
        "delivery_time": ("BYTE_ARRAY", "String"),
        "fiscal_year": ("INT32", "None"),
        "details": ("BYTE_ARRAY", "String"),
        "note": ("BYTE_ARRAY", "String"),
    }
    customers = parquet_types(mysql.root / "shop" / "shop.customers")
    assert customers["loyalty_level"] == ("INT32", "Int(bitWidth=16, isSigned=true)")
    assert customers["newsletter"] == ("INT32", "None")
    assert customers["avatar"] == ("BYTE_ARRAY", "None")


def test_files_are_gzip_with_page_checksums_and_without_an_arrow_schema(postgres: Any) -> None:
    path = next((postgres.root / "shop" / "public.customers").rglob("*.parquet"))
    metadata = pq.read_metadata(path)
    assert metadata.row_group(0).column(0).compression == "GZIP"
    assert not metadata.metadata

    damaged = bytearray(path.read_bytes())
    damaged[metadata.row_group(0).column(0).data_page_offset + 60] ^= 1
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(pa.BufferReader(bytes(damaged)), page_checksum_verification=True)


def test_sidecars_have_the_keys_of_a_real_export(postgres: Any) -> None:
    info, entries = sidecars(postgres.root)
    assert list(info) == [
        *("exportTaskIdentifier", "sourceArn", "exportOnly", "snapshotTime", "taskStartTime"),
        *("taskEndTime", "s3Bucket", "s3Prefix", "exportedFilesPath", "iamRoleArn", "kmsKeyId"),
        *("status", "percentProgress", "totalExportedDataInGB"),
    ]
    assert info["snapshotTime"] == "Oct 6, 2026, 3:47:12 AM"
    assert (info["exportedFilesPath"], info["status"]) == ("shop-2026-10-06", "COMPLETE")
    assert info["sourceArn"].endswith(":snapshot:rds:shop-prod-2026-10-06-03-47")

    skipped, *tables = entries
    assert skipped == {
        "target": "postgres",
        "warningMessage": {"skippedDatabase": [{"reason": "DATABASE_IS_EMPTY"}]},
    }
    assert {entry["target"] for entry in tables} == {f"shop.{name}" for name in postgres.rows}
    orders = next(entry for entry in tables if entry["target"] == "shop.public.orders")
    assert list(orders) == ["target", "tableStatistics", "schemaMetadata", "status", "sizeGB"]
    partitioning = orders["tableStatistics"]["partitioningInfo"]
    assert partitioning["numberOfPartitions"] == partitioning["numberOfCompletedPartitions"] > 1
    assert partitioning["constraintType"] == "CTID"
    created_at = orders["schemaMetadata"]["originalTypeMappings"][10]
    assert created_at == {
        "columnName": "created_at",
        "originalType": "timestamp without time zone",
        "expectedExportedType": "binary (UTF8)",
        "originalCharMaxLength": 0,
        "originalNumPrecision": 0,
        "originalDateTimePrecision": 0,
        "ordinalPosition": 11,
    }


def test_mysql_targets_have_two_parts(mysql: Any) -> None:
    _, entries = sidecars(mysql.root)
    assert [entry["target"] for entry in entries] == list(mysql.rows)
    by_name = {
        mapping["columnName"]: (mapping["originalType"], mapping["expectedExportedType"])
        for mapping in entries[1]["schemaMetadata"]["originalTypeMappings"]
    }
    assert by_name["id"] == ("bigint", "fixed_len_byte_array(9) (DECIMAL(20,0))")
    assert by_name["placed_at"] == ("datetime", "int64 (TIMESTAMP_MICROS)")
    assert by_name["order_no"] == ("char", "binary")


def test_the_same_call_writes_the_same_bytes(tmp_path: Path, postgres: Any) -> None:
    again = write_postgres_shop(tmp_path, "shop-2026-10-06", SNAPSHOT, SMALL)
    names = files_of(again.root)
    assert names == files_of(postgres.root)
    digests = [
        {name: hashlib.sha256((root.parent / name).read_bytes()).hexdigest() for name in names}
        for root in (again.root, postgres.root)
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("style", "folders"),
    [
        ("batch", ["1", "2", "3"]),
        ("cluster", ["1", "2", "3"]),
        ("flat", [""]),
    ],
)
def test_layouts_spread_all_rows_in_order(tmp_path: Path, style: Any, folders: list[str]) -> None:
    export = RdsExport(tmp_path, "e", SNAPSHOT)
    rows = pa.table({"id": list(range(100))})
    layout = Layout(folders=3, files=9, style=style)
    folder = export.table("public.t", [Column("id", "bigint")], rows, layout)
    parts = [path for name in folders for path in sorted((folder / name).glob("part-*"))]
    assert len(parts) == 9 * len(folders)
    assert [v for path in parts for v in pq.read_table(path)["id"].to_pylist()] == list(range(100))
    assert all((folder / name / "_SUCCESS").stat().st_size == 0 for name in folders)
    # an empty range of the exporter leaves a gap in the numbers
    assert [path.name[:10] for path in parts[6:8]] == ["part-00006", "part-00008"]


def test_cluster_folders_go_on_with_letters() -> None:
    names = list(Layout(folders=40, style="cluster").names())
    assert names[8:11] == ["9", "a", "b"]
    assert len(set(names)) == 40


def test_empty_tables_have_one_part_or_only_the_marker(tmp_path: Path) -> None:
    export = RdsExport(tmp_path, "e", SNAPSHOT)
    columns, none = [Column("id", "bigint")], pa.table({"id": pa.array([], pa.int64())})
    part = export.table("public.part", columns, none, Layout(files=1))
    marker = export.table("public.marker", columns, none, Layout(files=0))
    assert rows_of(part) == 0
    assert [path.name for path in marker.rglob("*") if path.is_file()] == ["_SUCCESS"]
    assert len(list(part.rglob("*.parquet"))) == 1
    with pytest.raises(ValueError, match="cannot hold 1 rows"):
        export.table("public.lost", columns, pa.table({"id": [1]}), Layout(files=0))


def test_long_exports_have_several_table_sidecars(tmp_path: Path) -> None:
    export = RdsExport(tmp_path, "e_1", SNAPSHOT, entries_per_sidecar=4, prefix="daily/rds")
    for n in range(9):
        export.table(f"public.t{n}", [Column("id", "bigint")], pa.table({"id": [n]}))
    root = export.finish()
    assert root == tmp_path / "daily" / "rds" / "e_1"
    assert sorted(path.name for path in root.glob("*.json")) == [
        "export_info_e_1.json",
        "export_tables_info_e_1_from_1_to_4.json",
        "export_tables_info_e_1_from_5_to_8.json",
        "export_tables_info_e_1_from_9_to_10.json",
    ]
    assert len(sidecars(root)[1]) == 10  # with the skipped database
    assert sidecars(root)[0]["exportedFilesPath"] == "daily/rds/e_1"


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("java", "Oct 6, 2026, 12:07:12 PM"),
        ("java20", "Oct 6, 2026, 12:07:12\u202fPM"),
        ("iso", "2026-10-06T12:07:12Z"),
    ],
)
def test_moments_are_spelled_as_java_does(tmp_path: Path, style: Any, expected: str) -> None:
    noon = SNAPSHOT.replace(hour=12, minute=7)
    root = RdsExport(tmp_path, "e", noon, date_style=style).finish()
    assert sidecars(root)[0]["snapshotTime"] == expected


def test_characters_that_cannot_be_in_a_path_become_underscores(tmp_path: Path) -> None:
    export = RdsExport(tmp_path, "e", SNAPSHOT)
    folder = export.table('public.a b"c`d\\e', [Column("id", "bigint")], pa.table({"id": [1]}))
    assert folder.name == "public.a_b_c_d_e"
    assert sidecars(export.finish())[1][1]["target"] == 'shop.public.a b"c`d\\e'
