"""The catalogues of test exports hold what they say: a wrong expectation there would hide bugs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import make_exports as make
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TEXT = ("BYTE_ARRAY", "String")
BYTES = ("BYTE_ARRAY", "None")
INT32 = ("INT32", "None")
INT64 = ("INT64", "None")
INT16 = ("INT32", "Int(bitWidth=16, isSigned=true)")
MICROS = ("INT64", "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds")

# The documented mapping; every PostgreSQL type that is not here is text.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_ExportSnapshot.data-types.html
POSTGRES = {
    "bigint": INT64,
    "integer": INT32,
    "smallint": INT16,
    "real": ("FLOAT", "None"),
    "double precision": ("DOUBLE", "None"),
    "boolean": ("BOOLEAN", "None"),
    "bytea": BYTES,
}
MYSQL = {
    "bigint": INT64,
    "bigint unsigned": ("FIXED_LEN_BYTE_ARRAY(9)", "Decimal(precision=20, scale=0)"),
    "int": INT32,
    "int unsigned": INT64,
    "mediumint": INT32,
    "mediumint unsigned": INT64,
    "smallint": INT32,
    "smallint unsigned": INT32,
    "tinyint": INT32,
    "tinyint unsigned": INT16,
    "float": ("DOUBLE", "None"),
    "double": ("DOUBLE", "None"),
    "datetime": MICROS,
    "timestamp": MICROS,
    "year": INT32,
    **dict.fromkeys(("date", "time", "varchar", "enum", "set", "json"), TEXT),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), TEXT),
    **dict.fromkeys(("bit", "char", "binary", "varbinary"), BYTES),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), BYTES),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon", "multipoint"), BYTES),
    **dict.fromkeys(("multilinestring", "multipolygon", "geometrycollection"), BYTES),
}
MYSQL_DECIMALS = {
    9: ("INT32", "Decimal(precision=9, scale=2)"),
    10: ("INT64", "Decimal(precision=10, scale=0)"),
    18: ("INT64", "Decimal(precision=18, scale=4)"),
    38: ("FIXED_LEN_BYTE_ARRAY(16)", "Decimal(precision=38, scale=10)"),
    60: TEXT,
    65: TEXT,
}


def read(folder: Path) -> pa.Table:
    parts = [pq.ParquetFile(path).read() for path in sorted(folder.rglob("*.parquet"))]
    return pa.concat_tables(parts)


def bag(folder: Path) -> Counter[tuple[Any, ...]]:
    """The rows of a table as a multiset, whatever the order of its columns."""
    if not list(folder.rglob("*.parquet")):
        return Counter()
    table = read(folder)
    columns = [table[name].to_pylist() for name in sorted(table.column_names)]
    return Counter(zip(*columns, strict=True))


def physical(folder: Path) -> dict[str, tuple[str, str]]:
    schema = pq.ParquetFile(next(folder.rglob("*.parquet"))).schema
    found = {}
    for column in map(schema.column, range(len(schema.names))):
        width = f"({column.length})" if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else ""
        logical = str(column.logical_type).split(", is_from")[0]
        found[column.name] = (column.physical_type + width, logical)
    return found


def test_postgres_types_cover_the_mapping_table(tmp_path: Path) -> None:
    export = make.all_types_postgres(tmp_path)
    seen = set()
    for table in export.tables:
        types = physical(export.root / "shop" / table.name)
        for column in table.columns:
            kind = column.column.source_type
            seen.add(kind)
            expected = TEXT if "domain" in column.name else POSTGRES.get(kind, TEXT)
            assert types[column.name] == expected, column.name
    assert set(POSTGRES) <= seen
    assert {"numeric", "money", "date", "time with time zone", "interval", "ARRAY"} <= seen


def test_mysql_types_cover_the_mapping_table(tmp_path: Path) -> None:
    export = make.all_types_mysql(tmp_path)
    seen = set()
    for table in export.tables[:2]:
        types = physical(export.root / "shop" / table.name)
        for column in table.columns:
            kind, precision = column.column.source_type, column.column.precision
            seen.add(kind)
            if kind in ("decimal", "numeric"):
                expected = MYSQL_DECIMALS[precision]
            else:
                expected = INT32 if column.name.endswith("_2020") else MYSQL[kind]
            assert types[column.name] == expected, column.name
    assert set(MYSQL) | {"decimal", "numeric"} == seen
    adjusted = physical(export.root / "shop" / "shop.adjusted_times")
    assert "isAdjustedToUTC=true" in adjusted["c_datetime"][1]


@pytest.mark.parametrize("write", [make.all_types_postgres, make.all_types_mysql])
def test_values_of_all_types_are_delivered_as_described(tmp_path: Path, write: Any) -> None:
    export = write(tmp_path)
    for table in export.tables:
        found = read(export.root / export.database / table.name)
        assert found["id"].to_pylist() == list(range(1, table.rows + 1))
        for column in table.columns:
            assert tuple(found[column.name].to_pylist()) == column.delivered, column.name
            assert column.kept_text == (table.name.endswith("nasty_types") and column.name != "id")


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> make.Families:
    return make.partitioned_twice(tmp_path_factory.mktemp("families"), children=20)


def test_covered_tables_make_up_their_parent(families: make.Families) -> None:
    folder = families.root / "shop"
    for family in families.families:
        if not family.covered:
            continue
        lowest = [
            name
            for name in family.covered
            if not any(other.startswith(f"{name}_") for other in family.covered)
        ]
        total: Counter[tuple[Any, ...]] = Counter()
        for name in lowest:
            total += bag(folder / name)
        assert total == bag(folder / family.parent), family.parent
        assert all(bag(folder / name) <= total for name in family.covered)


def test_separate_tables_do_not_make_up_the_parent(families: make.Families) -> None:
    folder = families.root / "shop"
    for family in families.families:
        parent = bag(folder / family.parent)
        contained = [bag(folder / name) for name in family.separate]
        contained = [rows for rows in contained if rows <= parent]
        total: Counter[tuple[Any, ...]] = Counter()
        for rows in contained:
            total += rows
        assert not family.separate or total != parent, family.parent


def test_columns_of_recombined_rows_look_equal_one_by_one(families: make.Families) -> None:
    parent = read(families.root / "shop" / "public.pairs")
    child = read(families.root / "shop" / "public.pairs_1")
    for name in parent.column_names:
        assert sorted(parent[name].to_pylist()) == sorted(child[name].to_pylist())
    assert parent.to_pylist() != child.to_pylist()


def test_every_table_of_the_families_is_listed_with_its_rows(families: make.Families) -> None:
    for name, rows in families.rows.items():
        assert bag(families.root / "shop" / name).total() == rows
    named = {name for f in families.families for name in (f.parent, *f.covered, *f.separate)}
    assert named == set(families.rows)
    assert len(families["public.many"].covered) == 20


def test_hostile_names_are_in_the_files_as_they_are(tmp_path: Path) -> None:
    export = make.hostile_names(tmp_path)
    for name, rows in export.tables.items():
        folder = export.root / "shop" / name.replace(" ", "_")
        schema = pq.ParquetFile(next(folder.rglob("*.parquet"))).schema_arrow
        assert schema.names == ["id", "created_at", *make.NAMES[name]]
        assert read(folder).to_pydict() == rows.to_pydict()


def test_edge_tables_have_their_rows(tmp_path: Path) -> None:
    export = make.edge_tables(tmp_path)
    for name, rows in export.tables.items():
        found = bag(export.root / "shop" / name)
        assert found.total() == rows.num_rows, name
    assert len(export.tables["public.wide"].column_names) == 500
    assert len(list((export.root / "shop" / "public.only_marker").rglob("*.parquet"))) == 0
    assert len(list((export.root / "shop" / "public.no_rows").rglob("*.parquet"))) == 1
    notes = read(export.root / "shop" / "public.empty_text")["note"]
    assert (notes.null_count, notes.to_pylist().count("")) == (2, 1)


def test_drifting_files_differ_in_schema(tmp_path: Path) -> None:
    export = make.schema_drift(tmp_path)
    for name in export.outputs:
        paths = sorted((export.root / "shop" / name).rglob("*.parquet"))
        schemas = {str(pq.ParquetFile(path).schema_arrow) for path in paths}
        assert len(schemas) == len(paths) == 2, name


def test_layouts_are_mixed_in_one_export(tmp_path: Path) -> None:
    export = make.mixed_layouts(tmp_path)
    for name, rows in export.tables.items():
        assert bag(export.root / "shop" / name).total() == rows.num_rows
    both = export.root / "shop" / "public.both"
    assert {path.parent.name for path in both.rglob("*.parquet")} == {"public.both", "1"}


def test_an_old_export_has_three_keys_per_column(tmp_path: Path) -> None:
    export = make.old_export(tmp_path)
    (path,) = export.root.glob("export_tables_info_*.json")
    entry = json.loads(path.read_text(encoding="utf-8"))["perTableStatus"][1]
    for mapping in entry["schemaMetadata"]["originalTypeMappings"]:
        assert list(mapping) == ["columnName", "originalType", "expectedExportedType"]


def test_unfinished_exports_say_so(tmp_path: Path) -> None:
    assert not list(make.in_progress(tmp_path).root.glob("*.json"))
    root = make.failed(tmp_path).root
    info = json.loads((root / "export_info_failed.json").read_text(encoding="utf-8"))
    assert (info["status"], info["percentProgress"]) == ("FAILED", 41)
    assert "failureCause" in info


def test_an_inconsistent_export_disagrees_with_its_folders(tmp_path: Path) -> None:
    root = make.inconsistent(tmp_path).root
    (path,) = root.glob("export_tables_info_*.json")
    entries = json.loads(path.read_text(encoding="utf-8"))["perTableStatus"]
    listed = {entry["target"].rpartition(".")[2] for entry in entries}
    folders = {folder.name.rpartition(".")[2] for folder in (root / "shop").iterdir()}
    assert folders - listed == {"unlisted"}
    assert listed - folders == {"missing", "skipped", "postgres"}


def test_stray_objects_exist_beside_a_good_table(tmp_path: Path) -> None:
    export, known, unknown = make.stray_objects(tmp_path)
    assert all((tmp_path / name).is_file() for name in known | unknown)
    assert len(list((export.root / "shop" / "public.t" / "1").glob("part-*.gz.parquet"))) == 2


@pytest.mark.parametrize("differing", [False, True])
def test_a_snapshot_delivered_twice_is_equal_but_for_one_row(
    tmp_path: Path, differing: bool
) -> None:
    first, second = make.twice_delivered(tmp_path, differing=differing)
    infos = [
        json.loads(next(export.root.glob("export_info_*.json")).read_text(encoding="utf-8"))
        for export in (first, second)
    ]
    for key in ("sourceArn", "snapshotTime"):
        assert infos[0][key] == infos[1][key]
    rows = [bag(export.root / "shop" / "public.b") for export in (first, second)]
    assert (rows[0] - rows[1]).total() == int(differing)
    assert bag(first.root / "shop" / "public.a") == bag(second.root / "shop" / "public.a")


@pytest.mark.parametrize("kind", make.DAMAGES)
def test_damage_is_real_and_in_one_object_only(tmp_path: Path, kind: make.Damage) -> None:
    export = make.damaged(tmp_path, kind)
    for path in export.root.rglob("*.parquet"):
        file = path.relative_to(export.root).as_posix()
        if file == export.broken:
            with pytest.raises((OSError, pa.ArrowInvalid)):
                pq.ParquetFile(path, page_checksum_verification=True).read()
        else:
            assert pq.ParquetFile(path, page_checksum_verification=True).read().num_rows == 100


def test_silent_damage_gives_wrong_values_in_duckdb(tmp_path: Path) -> None:
    export = make.damaged(tmp_path / "a", "silent_page_bytes")
    good = make.damaged(tmp_path / "b", "zero_bytes")
    path = export.root / export.broken
    found = duckdb.read_parquet(str(path)).fetchall()
    true = make.partition_rows(1000, 300).slice(100, 100).to_pylist()
    assert good.broken == export.broken
    assert found != [tuple(row.values()) for row in true]
    assert len(found) == 100
