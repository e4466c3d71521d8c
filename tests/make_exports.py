"""Small exports for the whole test-suite: odd names, edges, drift, damage, unfinished tasks.

Every function writes below the given folder and returns what a test needs to know about it.
`make_types` and `make_partitions` hold the two large catalogues and are offered from here as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from make_partitions import Families, Family, partition_rows, partitioned_twice
from make_types import TypedColumn, TypesExport, TypesTable, all_types_mysql, all_types_postgres

from compactor.sample_exports import Column, Layout, RdsExport, part_name, write_part

__all__ = [
    "DAMAGES",
    "Damaged",
    "Exported",
    "Families",
    "Family",
    "TypedColumn",
    "TypesExport",
    "TypesTable",
    "all_types_mysql",
    "all_types_postgres",
    "colliding_folders",
    "damaged",
    "edge_tables",
    "failed",
    "hostile_names",
    "in_progress",
    "inconsistent",
    "mixed_layouts",
    "old_export",
    "partition_rows",
    "partitioned_twice",
    "schema_drift",
    "stray_objects",
    "twice_delivered",
]

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
_ID_NOTE = (Column("id", "bigint"), Column("note", "text"), Column("created_at", "date"))

Damage = Literal[
    "page_bytes",
    "silent_page_bytes",
    "truncated",
    "zero_bytes",
    "not_parquet",
    "wrong_footer",
    "footer_of_other",
]
DAMAGES: tuple[Damage, ...] = get_args(Damage)


@dataclass(frozen=True)
class Exported:
    """An export, and the rows that each of its tables has (empty where that does not matter)."""

    root: Path
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    outputs: Mapping[str, str | None] = field(default_factory=dict)
    """For `schema_drift`: the type that the drifting column must get."""


@dataclass(frozen=True)
class Damaged:
    """An export with one broken object: `broken` is its path below the export's folder."""

    root: Path
    broken: str
    bad: str = "public.bad"
    good: str = "public.good"


# --- names ----------------------------------------------------------------------------------------

NAMES: Mapping[str, tuple[str, ...]] = {
    "public.MixedCase": ("CustomerId", "lower", "UPPER"),
    "public.select": ("select", "from", "where", "group", "order", "table", "user", "limit"),
    "public.größe_表_🎁": ("größe", "名前", "🎁", "é", "e\u0301", "ß", "İ"),
    "public.order.items.v2": ("a.b", "a", "b", "a.b.c"),
    "my.schema.with.dots": ("x",),
    "public.with space": ("x",),
    "public.it's": ("it's", 'say_"hi"', "back`tick", "back\\slash", "--", "/*", "*/"),
    "public.dt=2026-01-01": ("x",),
    "public.100%": ("%s", "$1", "?", "$file", "*", "a/b", "[0]", "%20", "#"),
    "public.<b>bold<b>&amp": ("<script>alert`1`<", "&amp", "$x"),
    "public.partition_names": ("dt", "snapshot", "dt_1", "year", "month", "database"),
    "public.engine_names": ("filename", "file_row_number", "file_index", "rowid", "_rowid_"),
    "public.scratch_names": ("s0", "c0", "s1", "c1", "row_hash", "day", "fingerprint", "rows"),
    "public.case_twins": ("Name", "name", "NAME", "name_1"),
    "public.long_names": ("c" * 63, "C" * 63, "d" * 200),
    "public.spark_names": ("_SUCCESS", "_temporary", "part-00000", "__HIVE_DEFAULT_PARTITION__"),
    # the exporter skips tables with such columns; a file may hold them all the same
    "public.injection": ("'); DROP TABLE orders; --", '"; DELETE FROM x; --', "a b", "{x}", "a=b"),
}
"""Table -> its columns besides `id` and `created_at`. Some differ only in case or normal form."""


def hostile_names(folder: Path, export_id: str = "names") -> Exported:
    """Write three rows into each table of NAMES; every value says its column's position and row."""
    export = RdsExport(folder, export_id, SNAPSHOT)
    tables = {}
    for name, texts in NAMES.items():
        columns = (
            *(Column("id", "bigint"), Column("created_at", "date")),
            *(Column(text, "text") for text in texts),
        )
        values: list[Any] = [[1, 2, 3], ["2026-09-01", "2026-09-02", None]]
        values += [[f"{n}.{row}" for row in range(3)] for n in range(len(texts))]
        export_type = [column.arrow_type("postgres") for column in columns]
        arrays = [pa.array(v, t) for v, t in zip(values, export_type, strict=True)]
        tables[name] = pa.Table.from_arrays(arrays, names=[column.name for column in columns])
        _write_as_is(export, name, columns, [tables[name]])
    return Exported(export.finish(), tables)


def colliding_folders(folder: Path, export_id: str = "collision") -> Exported:
    """Write two tables into one folder: `a b` and `a_b` are the same name to the exporter."""
    export = RdsExport(folder, export_id, SNAPSHOT)
    tables = {"public.a b": partition_rows(1), "public.a_b": partition_rows(100)}
    columns = [Column("id", "bigint"), Column("label", "text"), Column("amount", "numeric")]
    for name, rows in tables.items():
        export.table(name, columns, rows, Layout(files=2))
    return Exported(export.finish(), tables)


# --- shapes ---------------------------------------------------------------------------------------


def edge_tables(folder: Path, export_id: str = "edges") -> Exported:
    """Write tables at the edges: no rows, one row, 500 columns, equal rows, NULL and empty text."""
    export = RdsExport(folder, export_id, SNAPSHOT)
    typed = (
        *(Column("id", "bigint"), Column("day", "date"), Column("at", "timestamp with time zone")),
        *(Column("amount", "numeric"), Column("note", "text"), Column("ok", "boolean")),
        *(Column("small", "smallint"), Column("data", "bytea"), Column("ratio", "real")),
    )
    row = {"id": 1, "day": "2026-09-01", "at": "2026-09-01 10:00:00+00", "amount": "1.50"}
    row |= {"note": "", "ok": True, "small": 7, "data": b"\x00", "ratio": 0.5}
    schema = pa.schema([(c.name, c.arrow_type("postgres")) for c in typed])
    one = pa.Table.from_pylist([row], schema=schema)
    nulls = pa.Table.from_pylist([{"id": n} for n in range(10)], schema=schema)
    wide = (Column("id", "bigint"), *(Column(f"c{n:03d}", "text") for n in range(499)))
    texts = ["", None, "NULL", "null", " ", "\\N", "\u00a0", "''", '""', None]
    tables: dict[str, tuple[Sequence[Column], pa.Table, Layout]] = {
        "public.no_rows": (typed, one.slice(0, 0), Layout(files=1)),
        "public.only_marker": (typed, one.slice(0, 0), Layout(files=0)),
        "public.one_row": (typed, one, Layout()),
        "public.duplicates": (typed, pa.concat_tables([one] * 30), Layout(files=3)),
        "public.nulls": (typed, nulls, Layout(files=2)),
        "public.all_null_rows": (typed[1:], nulls.drop_columns(["id"]), Layout(files=2)),
        "public.empty_text": (
            _ID_NOTE,
            pa.table({"id": range(10), "note": texts, "created_at": ["2026-09-01"] * 10}),
            Layout(files=2),
        ),
        "public.wide": (
            wide,
            pa.table({c.name: [n + k for n in range(20)] for k, c in enumerate(wide)}),
            Layout(files=2),
        ),
        "public.one_column": ((Column("id", "bigint"),), pa.table({"id": [3, 1, 2]}), Layout()),
        "public.undated": (
            _ID_NOTE,
            pa.table(
                {
                    "id": range(4),
                    "note": list("abcd"),
                    "created_at": ["2026-09-01", None, "infinity", "0044-03-15 BC"],
                }
            ),
            Layout(),
        ),
        "public.more_parts_than_rows": (typed, nulls.slice(0, 3), Layout(files=20)),
    }
    for name, (columns, rows, layout) in tables.items():
        export.table(name, columns, rows, layout)
    return Exported(export.finish(), {name: rows for name, (_, rows, _) in tables.items()})


def schema_drift(folder: Path, export_id: str = "drift") -> Exported:
    """Write tables whose files differ in schema; `value` is the column that drifts.

    `outputs` holds the type that keeps every value, None where no single type does: the table must
    be reported, and no value lost.
    """
    export = RdsExport(folder, export_id, SNAPSHOT)
    ids, more = pa.array([1, 2], pa.int64()), pa.array([3, 4], pa.int64())

    def pair(first: pa.Array, second: pa.Array | None) -> list[pa.Table]:
        other = {"id": more} if second is None else {"id": more, "value": second}
        return [pa.table({"id": ids, "value": first}), pa.table(other)]

    old_price = pa.array([Decimal("1.50"), Decimal("99999999.99")], pa.decimal128(10, 2))
    new_price = pa.array([Decimal("0.0001"), None], pa.decimal128(12, 4))
    cases: dict[str, tuple[str, list[pa.Table], str | None]] = {
        "public.int_widths": (
            "integer",
            pair(pa.array([1, None], pa.int32()), pa.array([2**40, -1], pa.int64())),
            "BIGINT",
        ),
        "public.small_ints": (
            "smallint",
            pair(pa.array([1, -1], pa.int16()), pa.array([70000, 0], pa.int32())),
            "INTEGER",
        ),
        "public.missing_first": (
            "text",
            list(reversed(pair(pa.array(["a", ""]), None))),
            "VARCHAR",
        ),
        "public.missing_last": ("text", pair(pa.array(["a", ""]), None), "VARCHAR"),
        "public.missing_date": ("date", pair(pa.array(["2026-09-01", None]), None), "DATE"),
        "public.floats": (
            "real",
            pair(pa.array([0.5, 1.5], pa.float32()), pa.array([0.1, 1e300], pa.float64())),
            "DOUBLE",
        ),
        "public.decimals": ("decimal", pair(old_price, new_price), "DECIMAL(12,4)"),
        "public.column_order": (
            "text",
            [
                pa.table({"id": ids, "value": ["a", "b"]}),
                pa.table({"value": ["c", "d"], "id": more}),
            ],
            "VARCHAR",
        ),
        "public.name_case": (
            "text",
            [
                pa.table({"id": ids, "value": ["a", "b"]}),
                pa.table({"id": more, "Value": ["c", "d"]}),
            ],
            None,
        ),
        "public.number_or_text": (
            "text",
            pair(pa.array([1, 2], pa.int32()), pa.array(["x", "2"])),
            None,
        ),
        "public.bytes_or_text": (
            "text",
            pair(pa.array([b"\xff", b"a"]), pa.array(["x", ""])),
            None,
        ),
    }
    for name, (kind, parts, _) in cases.items():
        _write_as_is(export, name, (Column("id", "bigint"), Column("value", kind)), parts)
    outputs = {name: output for name, (_, _, output) in cases.items()}
    return Exported(export.finish(), outputs=outputs)


def mixed_layouts(folder: Path, export_id: str = "mixed") -> Exported:
    """Write one export that uses every folder layout, with markers and without, and two in one."""
    export = RdsExport(folder, export_id, SNAPSHOT)
    layouts = {
        "public.flat": Layout(style="flat", files=3),
        "public.batch": Layout(folders=12, files=2),
        "public.cluster": Layout(folders=12, files=2, style="cluster"),
        "public.unmarked": Layout(folders=2, files=2, success=False),
    }
    tables = {}
    for n, (name, layout) in enumerate(layouts.items()):
        tables[name] = partition_rows(1000 * n, 48)
        export.table(name, _PARTITION_COLUMNS, tables[name], layout)
    first, second = partition_rows(9000), partition_rows(9100)
    tables["public.both"] = pa.concat_tables([first, second])
    export.table("public.both", _PARTITION_COLUMNS, {"": first, "1": second}, Layout(files=2))
    return Exported(export.finish(), tables)


_PARTITION_COLUMNS = (
    Column("id", "bigint"),
    Column("label", "text"),
    Column("amount", "numeric", precision=12),
    Column("created_at", "timestamp without time zone"),
)


def old_export(folder: Path, export_id: str = "old-2020") -> Exported:
    """Write an export of 2020: flat folders, and sidecars with three keys per column."""
    export = RdsExport(folder, export_id, SNAPSHOT.replace(year=2020))
    tables = {"public.flat": partition_rows(1, 30)}
    layout = Layout(style="flat", files=3)
    export.table("public.flat", _PARTITION_COLUMNS, tables["public.flat"], layout)
    root = export.finish()
    for path in root.glob("export_tables_info_*.json"):
        info = json.loads(path.read_text(encoding="utf-8"))
        for entry in info["perTableStatus"]:
            for mapping in entry.get("schemaMetadata", {}).get("originalTypeMappings", []):
                for key in [key for key in mapping if key.startswith("originalN")]:
                    del mapping[key]
                for key in ("originalCharMaxLength", "originalDateTimePrecision"):
                    del mapping[key]
                del mapping["ordinalPosition"]
        path.write_text(json.dumps(info), encoding="utf-8")
    return Exported(root, tables)


# --- states of an export task ---------------------------------------------------------------------


def in_progress(folder: Path, export_id: str = "running") -> Exported:
    """Write what a running task has written so far: data, no sidecars, one folder unmarked."""
    export = RdsExport(folder, export_id, SNAPSHOT)
    tables = {"public.done": partition_rows(1), "public.started": partition_rows(100)}
    export.table("public.done", _PARTITION_COLUMNS, tables["public.done"], Layout(files=2))
    layout = Layout(files=2, success=False)
    export.table("public.started", _PARTITION_COLUMNS, tables["public.started"], layout)
    return Exported(export.root, tables)


def failed(folder: Path, export_id: str = "failed", status: str = "FAILED") -> Exported:
    """Write a task that ended as FAILED (or CANCELED): one table done, one cut off."""
    export = RdsExport(folder, export_id, SNAPSHOT, status=status)
    tables = {"public.done": partition_rows(1), "public.cut": partition_rows(100)}
    export.table("public.done", _PARTITION_COLUMNS, tables["public.done"], Layout(files=2))
    layout = Layout(files=2, success=False)
    export.table("public.cut", _PARTITION_COLUMNS, tables["public.cut"], layout, status=None)
    export.list_table("public.cut", _PARTITION_COLUMNS, ranges=9, done=2, status=status)
    return Exported(export.finish(), tables)


def inconsistent(folder: Path, export_id: str = "inconsistent") -> Exported:
    """Write a COMPLETE export whose sidecars and folders do not fit together.

    `public.missing` is listed without a folder, `public.unlisted` the reverse, `public.short` has
    ranges that were not read, `public.failed` is FAILED, `public.skipped` was skipped, and
    `public.fine` is fine.
    """
    export = RdsExport(folder, export_id, SNAPSHOT)
    tables = {
        f"public.{name}": partition_rows(100 * n)
        for n, name in enumerate(("fine", "unlisted", "short", "failed"))
    }
    for name, rows in tables.items():
        export.table(name, _PARTITION_COLUMNS, rows, Layout(files=2), status=None)
    export.list_table("public.fine", _PARTITION_COLUMNS, ranges=2)
    export.list_table("public.short", _PARTITION_COLUMNS, ranges=5, done=4)
    export.list_table("public.failed", _PARTITION_COLUMNS, ranges=2, status="FAILED")
    export.list_table("public.missing", _PARTITION_COLUMNS, ranges=2)
    export.skip("shop.public.skipped", "PERMISSIONS_DO_NOT_EXIST", "skippedTables")
    return Exported(export.finish(), tables)


def stray_objects(folder: Path, export_id: str = "stray") -> tuple[Exported, set[str], set[str]]:
    """Write a good export with other objects in it.

    Returns the export, the paths of known left-overs of Spark and of consoles, and the paths of
    objects that nobody can name; paths are below `folder`.
    """
    export = RdsExport(folder, export_id, SNAPSHOT)
    rows = partition_rows(1)
    table = export.table("public.t", _PARTITION_COLUMNS, rows, Layout(files=2))
    root = export.finish()
    known = [
        table / "1" / "_temporary" / "0" / "part-00000",
        table / "1" / "_committed_123",
        table / "1" / "_started_123",
        table / "1_$folder$",
        root / "shop_$folder$",
    ]
    unknown = [
        folder / "README.txt",
        root / "notes.json",
        root / "shop" / "loose.parquet",
        table / "1" / "part-00000.csv",
        table / "1" / "data.parquet",
        folder / "old" / "dump.sql.gz",
    ]
    for path in (*known, *unknown):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if path in known else b"something")

    def below(paths: Sequence[Path]) -> set[str]:
        return {path.relative_to(folder).as_posix() for path in paths}

    return Exported(root, {"public.t": rows}), below(known), below(unknown)


def twice_delivered(folder: Path, *, differing: bool = False) -> tuple[Exported, Exported]:
    """Write one snapshot exported twice, cut into other files the second time.

    `differing` changes one value of one row of `public.b` in the second export; `public.a` is equal
    in both always.
    """
    found = []
    for export_id, files in (("daily-1", 3), ("daily-2", 5)):
        export = RdsExport(folder, export_id, SNAPSHOT)
        tables = {"public.a": partition_rows(1, 40), "public.b": partition_rows(100, 40)}
        if differing and export_id == "daily-2":
            labels = tables["public.b"]["label"].to_pylist()
            labels[17] = "changed"
            tables["public.b"] = tables["public.b"].set_column(1, "label", [labels])
        for name, rows in tables.items():
            export.table(name, _PARTITION_COLUMNS, rows, Layout(files=files))
        found.append(Exported(export.finish(), tables))
    return found[0], found[1]


# --- damage ---------------------------------------------------------------------------------------


def damaged(folder: Path, kind: Damage, export_id: str = "damaged") -> Damaged:
    """Write an export of a good table and one that has a broken object.

    `page_bytes`: a flipped bit in a page. `silent_page_bytes`: one that DuckDB decodes into a wrong
    value without an error; only the page's checksum tells. `truncated`: cut off in the middle.
    `zero_bytes`, `not_parquet`: what the names say. `wrong_footer`: its length is beyond the file.
    `footer_of_other`: the footer of another file of the same table.
    """
    export = RdsExport(folder, export_id, SNAPSHOT)
    for n, name in enumerate(("public.good", "public.bad")):
        export.table(name, _PARTITION_COLUMNS, partition_rows(1000 * n, 300), Layout(files=3))
    root = export.finish()
    paths = sorted(export.table_folder("public.bad").rglob("*.parquet"))
    broken = paths[1]
    content = broken.read_bytes()
    match kind:
        case "page_bytes":
            content = _flip(content, _page_span(broken)[0] + 40)
        case "silent_page_bytes":
            content = _silent_flip(broken)
        case "truncated":
            content = content[: len(content) // 2]
        case "zero_bytes":
            content = b""
        case "not_parquet":
            content = b"id,label\n1,a\n" * 50
        case "wrong_footer":
            content = content[:-8] + (1 << 30).to_bytes(4, "little") + b"PAR1"
        case "footer_of_other":
            content = _body(content) + _footer(paths[2].read_bytes())
    broken.write_bytes(content)
    return Damaged(root, broken.relative_to(root).as_posix())


def _footer(content: bytes) -> bytes:
    return content[-8 - int.from_bytes(content[-8:-4], "little") :]


def _body(content: bytes) -> bytes:
    return content[: len(content) - len(_footer(content))]


def _flip(content: bytes, position: int, bit: int = 1) -> bytes:
    return content[:position] + bytes([content[position] ^ bit]) + content[position + 1 :]


def _page_span(path: Path, column: int = 0) -> tuple[int, int]:
    """Return where the pages of one column are in a file."""
    chunk = pq.read_metadata(path).row_group(0).column(column)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    return start, start + chunk.total_compressed_size


def _silent_flip(path: Path) -> bytes:
    """Return a file with one flipped bit that DuckDB reads without an error, to other values."""
    content = path.read_bytes()
    with duckdb.connect() as connection:

        def read() -> list[tuple[Any, ...]] | None:
            try:
                return connection.execute(
                    "SELECT id, label, amount, created_at FROM read_parquet($1)", [str(path)]
                ).fetchall()
            except duckdb.Error:
                return None

        true = read()
        for column in (3, 0, 2):
            start, end = _page_span(path, column)
            for position in range(start + 40, end):
                path.write_bytes(_flip(content, position))
                if read() not in (None, true):
                    return path.read_bytes()
    raise AssertionError("DuckDB noticed every flipped bit")


def _write_as_is(
    export: RdsExport, name: str, columns: Sequence[Column], parts: Sequence[pa.Table]
) -> None:
    """Write one file per table, each with its own schema, and list the table."""
    folder = export.table_folder(name) / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_SUCCESS").touch()
    for index, part in enumerate(parts):
        write_part(folder / part_name(index, export.job_id(f"{name}/1")), part)
    export.list_table(name, columns, ranges=len(parts))
