"""Every way into the line, behind one face: write an export of given rows, spoil it, read it back.

    system = SYSTEMS["dms csv"](line.source)
    (orders,) = system.deliver(1, {"orders": [[row, row], [row]]}).values()
    system.read(orders)        # the rows as they lie in the export's own files

Nothing here asks the product what an export holds: files are read with pyarrow, `json`, `gzip` and
Amazon's Ion parser. Exports are numbered; number `n` is of the n-th day after `FIRST`.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from amazon.ion import simpleion

from compactor.sample_exports import Column, DynamoDbExport, RdsExport, change
from compactor.sample_exports.dms import DmsTarget, touch

FIRST = datetime(2026, 10, 1, 3, 47, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""When tests run the line first: long after any export but one that is still open."""
COLUMNS = ("id", "note", "day", "price")
Columns = tuple[str, str, str, str]
Row = tuple[int, str | None, date | None, Decimal | None]
Objects = Sequence[Sequence[Row]]
"""Rows by the object they are written to."""
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
TWINS: Columns = ("ID", "Note", "note", "id")
ODD_COLUMNS: tuple[Columns, ...] = (
    ("dt", "snapshot", "it's", 'say "hi"'),
    ("größe 表", "a.b", " space ", "'; DROP TABLE x; --"),
    TWINS,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One table of one export: what a result must call it, and the objects that hold its rows."""

    export_id: str
    database: str
    table: str
    objects: tuple[Path, ...]
    control: tuple[Path, ...] = ()
    columns: Columns = COLUMNS

    @property
    def name(self) -> tuple[str, str, str]:
        return self.export_id, self.database, self.table


def canonical(row: Sequence[Any]) -> tuple[int, str | None, str | None, str | None]:
    """Return a row by what its values mean: text, typed and restored ones are equal."""
    number, note, day, price = row
    return (
        int(number),
        note,
        None if day is None else str(day)[:10],
        None if price is None else str(Decimal(str(price)).normalize()),
    )


def written(objects: Objects) -> Counter[tuple[Any, ...]]:
    return Counter(canonical(row) for rows in objects for row in rows)


class System(ABC):
    name: ClassVar[str]
    system: ClassVar[str]
    """As a scan names it."""
    declares_rows: ClassVar[bool] = False
    damages: ClassVar[tuple[str, ...]] = ("flipped", "truncated", "empty")
    counted: ClassVar[tuple[str, ...]] = ()
    """Damage that no reader can see, because less is well-formed as well: only a count shows it."""
    holds: ClassVar[tuple[str, ...]] = ("not settled",)
    """Ways in which an export may not be complete yet."""
    odd_tables: ClassVar[tuple[str, ...]] = (
        *("it's", 'say "hi"', "größe 表 🎁", "a.b.c", "dt", "snapshot", "Orders", "orders"),
        "100% [0]* a+b&c <b>",
    )
    odd_columns: ClassVar[tuple[Columns, ...]] = ODD_COLUMNS
    empty: ClassVar[tuple[Objects, ...]] = ([[]],)
    """Objects of a table without rows."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.settings: dict[str, Any] = {}
        """`source` section of the configuration."""
        self.tables: dict[str, Any] = {}
        """`tables` section of the configuration."""

    @abstractmethod
    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        """Write a complete export; `at` is another moment than that of its number."""

    @abstractmethod
    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        """Read one object with nothing of the product."""

    def hold(
        self, how: str, n: int, tables: Mapping[str, Objects]
    ) -> tuple[dict[str, Delivered], Callable[[], None]]:
        """Write an export that is not complete at NOW; returns what completes it a day later."""
        assert how == "not settled"
        return self.deliver(n, tables, at=NOW - timedelta(minutes=1)), lambda: None

    def read(self, table: Delivered) -> Counter[tuple[Any, ...]]:
        return Counter(
            canonical(row) for path in table.objects for row in self.rows_of(path, table.columns)
        )

    def damage(self, path: Path, how: str) -> Callable[[], None]:
        """Spoil an object, and return what restores it. Its time stays."""
        whole, moment = path.read_bytes(), path.stat().st_mtime_ns

        def put(content: bytes) -> None:
            path.write_bytes(content)
            os.utime(path, ns=(moment, moment))

        spoiled = {
            "flipped": lambda: self.flipped(path, whole),
            "truncated": lambda: whole[: len(whole) * 2 // 3],
            "empty": lambda: b"",
        }[how]()
        assert spoiled != whole
        put(spoiled)
        return lambda: put(whole)

    def flipped(self, path: Path, content: bytes) -> bytes:
        """Return the object with one changed byte inside what is compressed."""
        return _flip(content, len(content) // 2)


def _flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def _text(value: object) -> str | None:
    """Spell a value as databases do: no exponents."""
    return (
        format(value, "f") if isinstance(value, Decimal) else None if value is None else str(value)
    )


def _arrow(rows: Sequence[Row], columns: Columns, scale: int = 2) -> pa.Table:
    """Return rows with types of their own."""
    kinds = (pa.int64(), pa.string(), pa.date32(), pa.decimal128(18, scale))
    values = [[row[place] for row in rows] for place in range(len(columns))]
    arrays = [pa.array(some, kind) for some, kind in zip(values, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=list(columns))


def _scale(objects: Objects) -> int:
    """Return how many decimals the Parquet objects of a table have: as the database declares it."""
    prices = [row[3] for rows in objects for row in rows if row[3] is not None]
    return 2 if all(price == round(price, 2) for price in prices) else 9


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
    with pq.ParquetFile(path) as file:
        content = file.read()
    names = content.schema.names
    chosen = [content.column(names.index(name)).to_pylist() for name in columns]
    yield from zip(*chosen, strict=True)


def _last_page_byte(path: Path, content: bytes) -> bytes:
    """Flip the last byte of the first column's pages: their checksum covers it."""
    chunk = pq.read_metadata(path).row_group(0).column(0)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    return _flip(content, start + chunk.total_compressed_size - 1)


# --- RDS ------------------------------------------------------------------------------------------


class Rds(System):
    name = "rds"
    system = "rds"
    holds = ("no export_info", "no folder")
    empty = ([], [[]])

    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        export = RdsExport(self.source, f"shop-{n}", at or FIRST + timedelta(days=n))
        kinds = ("bigint", "text", "date", "numeric")
        declared = [Column(name, kind) for name, kind in zip(columns, kinds, strict=True)]
        folders = {}
        for table, objects in tables.items():
            data = {str(no): self._as_text(rows, columns) for no, rows in enumerate(objects, 1)}
            folders[table] = export.table(f"public.{table}", declared, data)
            if not objects:
                folders[table].mkdir(parents=True)
                (folders[table] / "_SUCCESS").touch()
        root = export.finish()
        control = tuple(sorted(path for path in root.iterdir() if path.is_file()))
        return {
            table: Delivered(
                export_id=f"shop-{n}",
                database="shop",
                table=f"public.{table}",
                objects=tuple(sorted(folder.rglob("*.parquet"))),
                control=control,
                columns=columns,
            )
            for table, folder in folders.items()
        }

    def hold(
        self, how: str, n: int, tables: Mapping[str, Objects]
    ) -> tuple[dict[str, Delivered], Callable[[], None]]:
        done = self.deliver(n, tables)
        late = self.source.parent / f"late-{self.name}-{n}"
        if how == "no export_info":
            early = self.source / f"shop-{n}" / f"export_info_shop-{n}.json"
        else:
            early = next(iter(done.values())).objects[0].parent.parent
        early.rename(late)
        return done, lambda: _check(late.rename(early))

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        yield from _parquet_rows(path, columns)

    def flipped(self, path: Path, content: bytes) -> bytes:
        return _last_page_byte(path, content)

    @staticmethod
    def _as_text(rows: Sequence[Row], columns: Columns) -> pa.Table:
        """PostgreSQL's dates and numbers are exported as text."""
        arrays = [
            pa.array([row[0] for row in rows], pa.int64()),
            pa.array([row[1] for row in rows], pa.string()),
            pa.array([_text(row[2]) for row in rows], pa.string()),
            pa.array([_text(row[3]) for row in rows], pa.string()),
        ]
        return pa.Table.from_arrays(arrays, names=list(columns))


def _check(moved: Path) -> None:
    assert moved.exists()


# --- DynamoDB -------------------------------------------------------------------------------------


def _item(row: Row, columns: Columns) -> dict[str, dict[str, Any]]:
    """Return a row as an item; what is NULL is left out, or spelled as NULL."""
    number, note, day, price = row
    item = {columns[0]: {"N": str(number)}}
    item[columns[1]] = {"NULL": True} if note is None else {"S": note}
    if day is not None:
        item[columns[2]] = {"S": day.isoformat()}
    if price is not None:
        item[columns[3]] = {"N": format(price, "f")}
    return item


def _untyped(item: Mapping[str, Mapping[str, Any]], columns: Columns) -> Sequence[Any]:
    return [
        None if "NULL" in typed else next(iter(typed.values()))
        for typed in (item.get(name, {"NULL": True}) for name in columns)
    ]


class DynamoDbJson(System):
    name = "dynamodb json"
    system = "dynamodb"
    declares_rows = True
    holds = ("no summary", "no object")
    empty = ([[]], [[], []])
    odd_tables = ("...", "a.b-c_D", "Orders", "orders", "dt-", "snapshot", "_compactor", "---")
    output: ClassVar[Any] = "DYNAMODB_JSON"
    database = "dynamodb"

    def export(self, n: int, table: str) -> DynamoDbExport:
        moment = FIRST + timedelta(days=n)
        return DynamoDbExport(table=table, moment=moment, output=self.output, prefix=self.name)

    def lines(self, rows: Sequence[Row], columns: Columns, export: DynamoDbExport) -> list[Any]:
        return [_item(row, columns) for row in rows]

    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        found = {}
        for table, objects in tables.items():
            export = self.export(n, table)
            lines = [self.lines(rows, columns, export) for rows in objects]
            root = export.write(self.source, lines)
            listed = (root / "manifest-files.json").read_text().splitlines()
            found[table] = Delivered(
                export_id=export.export_id,
                database=self.database,
                table=table,
                objects=tuple(self.source / json.loads(one)["dataFileS3Key"] for one in listed),
                control=tuple(sorted(path for path in root.iterdir() if path.is_file())),
                columns=columns,
            )
        return found

    def hold(
        self, how: str, n: int, tables: Mapping[str, Objects]
    ) -> tuple[dict[str, Delivered], Callable[[], None]]:
        done = self.deliver(n, tables)
        late = self.source.parent / f"late-{self.name}-{n}"
        late.mkdir()
        moved = []
        for number, table in enumerate(done.values()):
            early = table.objects[0]
            if how == "no summary":
                early = next(one for one in table.control if one.name == "manifest-summary.json")
            moved.append((early, early.rename(late / str(number))))

        def finish() -> None:
            for early, kept in moved:
                kept.rename(early)

        return done, finish

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            yield _untyped(json.loads(line)["Item"], columns)


class DynamoDbIon(DynamoDbJson):
    name = "dynamodb ion"
    output = "ION"

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        stream = io.BytesIO(gzip.decompress(path.read_bytes()))
        for value in simpleion.load(stream, single_value=False):
            item = value["Item"]
            found = [item.get(name) for name in columns]
            yield [
                None if one is None or type(one).__name__ == "IonPyNull" else one for one in found
            ]


class DynamoDbChanges(DynamoDbJson):
    name = "dynamodb changes"
    database = "dynamodb_changes"

    def export(self, n: int, table: str) -> DynamoDbExport:
        moment = FIRST + timedelta(days=n)
        since = moment - timedelta(days=1)
        return DynamoDbExport(table=table, moment=moment, since=since, prefix=self.name)

    def lines(self, rows: Sequence[Row], columns: Columns, export: DynamoDbExport) -> list[Any]:
        assert export.since is not None
        found = []
        for row in rows:
            item = _item(row, columns)
            found.append(change(export.since, {columns[0]: item[columns[0]]}, new=item))
        return found

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            yield _untyped(json.loads(line)["NewImage"], columns)


# --- DMS ------------------------------------------------------------------------------------------


class DmsLoad(System):
    name = "dms parquet load"
    system = "dms"
    declares_rows = True

    def __init__(self, source: Path) -> None:
        super().__init__(source)
        self.targets: dict[int, DmsTarget] = {}
        folder = self.name.replace(" ", "-")
        self.settings = {"dms": {"folders": [str(source / folder / str(n)) for n in range(10)]}}

    def target(self, n: int) -> DmsTarget:
        folder = f"{self.name.replace(' ', '-')}/{n}"
        made = DmsTarget(self.source, bucket_folder=folder, with_dfm=True)
        return self.targets.setdefault(n, made)

    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        target, found = self.target(n), {}
        for table, objects in tables.items():
            parts = [_arrow(rows, columns, _scale(objects)) for rows in objects]
            moment = at or FIRST + timedelta(days=n)
            paths = list(self._write(target, table, parts, moment))
            found[table] = Delivered(
                export_id=self.export_id(n, target, table, moment),
                database=self.schema + self.suffix,
                table=f"{self.schema}.{table}",
                objects=tuple(paths),
                control=tuple(path.with_name(f"{path.name.split('.')[0]}.dfm") for path in paths),
                columns=columns,
            )
        return found

    suffix: ClassVar[str] = ""

    @property
    def schema(self) -> str:
        return self.name.replace(" ", "_")

    def export_id(self, n: int, target: DmsTarget, table: str, moment: datetime) -> str:
        return f"{target.bucket_folder}/ load {self.schema}.{table}"

    def _write(
        self, target: DmsTarget, table: str, parts: Sequence[pa.Table], at: datetime
    ) -> Iterator[Path]:
        """Write each part as the file of its number: a full load of its own would begin at 1."""
        count = max(len(parts), 1)
        paths = target.full_load(self.schema, table, parts[0].slice(0, 0), at, files=count)
        for path, part in zip(paths, parts, strict=True):
            target._write(path, target._with_columns(part, None, [at] * part.num_rows), at)
        yield from paths

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        yield from _parquet_rows(path, columns)

    def flipped(self, path: Path, content: bytes) -> bytes:
        """DMS writes no checksums of pages: what can be noticed is a changed header of one."""
        chunk = pq.read_metadata(path).row_group(0).column(0)
        return _flip(content, chunk.dictionary_page_offset or chunk.data_page_offset)


class DmsChanges(DmsLoad):
    name = "dms parquet changes"
    declares_rows = False
    holds = ("not settled", "the day is not over")
    suffix = "_changes"

    def target(self, n: int) -> DmsTarget:
        made = DmsTarget(self.source, bucket_folder=f"{self.name.replace(' ', '-')}/0")
        return self.targets.setdefault(0, made)

    def export_id(self, n: int, target: DmsTarget, table: str, moment: datetime) -> str:
        return f"{target.bucket_folder}/ changes-{FIRST + timedelta(days=n):%Y-%m-%d}"

    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        found = super().deliver(n, tables, columns)
        if at is not None:
            for path in (path for table in found.values() for path in table.objects):
                touch(path, at)
        return {
            name: Delivered(
                export_id=one.export_id,
                database=one.database,
                table=one.table,
                objects=one.objects,
                columns=columns,
            )
            for name, one in found.items()
        }

    def hold(
        self, how: str, n: int, tables: Mapping[str, Objects]
    ) -> tuple[dict[str, Delivered], Callable[[], None]]:
        if how == "not settled":
            return super().hold(how, n, tables)
        n = (NOW.date() - FIRST.date()).days
        return self.deliver(n, tables), lambda: None

    def _write(
        self, target: DmsTarget, table: str, parts: Sequence[pa.Table], at: datetime
    ) -> Iterator[Path]:
        for number, part in enumerate(parts):
            moment = at + timedelta(seconds=number)
            ops = ["IUD"[place % 3] for place in range(part.num_rows)]
            yield target.changes(self.schema, table, part, ops, moment)


class DmsCsv(DmsLoad):
    name = "dms csv"

    def target(self, n: int) -> DmsTarget:
        folder = f"{self.name.replace(' ', '-')}/{n}"
        made = DmsTarget(self.source, bucket_folder=folder, format="csv", with_dfm=True)
        return self.targets.setdefault(n, made)

    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        found = super().deliver(n, tables, columns, at=at)
        for one in found.values():
            self.tables[f"{one.database}.{one.table}"] = {
                "csv_columns": ["dms_ts", *columns],
                "csv_null": "NULL",
                "types": {columns[2]: "date", columns[3]: "numeric"},
            }
        return found

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        yield from _csv_rows(path, ["dms_ts", *columns], columns, null="NULL")

    def flipped(self, path: Path, content: bytes) -> bytes:
        return _no_utf8(content)

    counted = ("empty",)


def _no_utf8(content: bytes) -> bytes:
    """Change one letter of a text to a byte that no UTF-8 has."""
    place = content.index(b"plain note")
    return content[:place] + b"\xff" + content[place + 1 :]


def _csv_rows(
    path: Path, header: Sequence[str] | None, columns: Sequence[str], null: str
) -> Iterator[Sequence[Any]]:
    content = path.read_bytes()
    if not content:
        return
    table = pa_csv.read_csv(
        io.BytesIO(content),
        read_options=pa_csv.ReadOptions(column_names=header),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header or columns, pa.string()),
            null_values=[null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    names = table.schema.names
    chosen = [table.column(names.index(name)).to_pylist() for name in columns]
    yield from zip(*chosen, strict=True)


# --- plain folders --------------------------------------------------------------------------------


class Plain(System):
    """Plain folders: `landing/<kind>/<kind>-<n>/<table>/`."""

    system = "files"
    suffix: ClassVar[str]

    def __init__(self, source: Path) -> None:
        super().__init__(source)
        self.root = source / "landing" / self.name.replace(" ", "-")
        self.settings = {"files": [str(self.root)]}

    def deliver(
        self,
        n: int,
        tables: Mapping[str, Objects],
        columns: Columns = COLUMNS,
        *,
        at: datetime | None = None,
    ) -> dict[str, Delivered]:
        found = {}
        for table, objects in tables.items():
            folder = self.root / f"{self.root.name}-{n}" / table
            paths = []
            for number, rows in enumerate(objects):
                self.scale = _scale(objects)
                for path, content in self.files(folder, f"{number:03d}", rows, columns):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
                    touch(path, at or FIRST + timedelta(days=n))
                    paths.append(path)
            found[table] = Delivered(
                export_id=folder.relative_to(self.source).as_posix(),
                database="files",
                table=folder.relative_to(self.root).as_posix(),
                objects=tuple(sorted(paths)),
                columns=columns,
            )
            self.tables[f"files.{found[table].table}"] = self.overrides(columns)
        return found

    def files(
        self, folder: Path, name: str, rows: Sequence[Row], columns: Columns
    ) -> Iterator[tuple[Path, bytes]]:
        yield folder / f"{name}{self.suffix}", self.body(rows, columns)

    def overrides(self, columns: Columns) -> dict[str, Any]:
        return {"types": {columns[2]: "date", columns[3]: "numeric"}}

    def body(self, rows: Sequence[Row], columns: Columns) -> bytes:
        raise NotImplementedError


class PlainParquet(Plain):
    """Partitioned by day, as Spark and Hive write it."""

    name = "plain parquet"
    suffix = ".parquet"
    odd_columns = (*ODD_COLUMNS[:2], ("ID", "Note", "day", "id"))

    def overrides(self, columns: Columns) -> dict[str, Any]:
        return {"types": {columns[2]: "date"}}

    def files(
        self, folder: Path, name: str, rows: Sequence[Row], columns: Columns
    ) -> Iterator[tuple[Path, bytes]]:
        by_day: dict[date | None, list[Row]] = {}
        for row in rows:
            by_day.setdefault(row[2], []).append(row)
        for day, some in (by_day or {date(2026, 7, 1): []}).items():
            value = HIVE_NULL if day is None else day.isoformat()
            part = _arrow(some, columns, self.scale).drop_columns([columns[2]])
            body = io.BytesIO()
            pq.write_table(part, body, compression="zstd", write_page_checksum=True)
            yield (
                folder / f"{quote(columns[2], safe='')}={value}" / f"{name}.parquet",
                body.getvalue(),
            )

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        name, _, value = path.parent.name.partition("=")
        assert unquote(name) == columns[2]
        day = None if value == HIVE_NULL else value
        for number, note, price in _parquet_rows(path, (columns[0], columns[1], columns[3])):
            yield number, note, day, price

    def flipped(self, path: Path, content: bytes) -> bytes:
        return _last_page_byte(path, content)


class PlainCsv(Plain):
    name = "plain csv"
    suffix = ".csv"
    damages = ("flipped", "truncated")

    def body(self, rows: Sequence[Row], columns: Columns) -> bytes:
        lines = [",".join(map(_quoted, columns))]
        lines += [",".join(_quoted(_text(value)) for value in row) for row in rows]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        yield from _csv_rows(path, None, columns, null="")

    def flipped(self, path: Path, content: bytes) -> bytes:
        return _no_utf8(content)


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


class PlainJson(Plain):
    name = "plain json lines"
    suffix = ".jsonl.gz"

    def overrides(self, columns: Columns) -> dict[str, Any]:
        return {"types": {columns[2]: "date"}}

    def body(self, rows: Sequence[Row], columns: Columns) -> bytes:
        lines = []
        for row in rows:
            number, note, day, price = row
            texts = [str(number), json.dumps(note, ensure_ascii=False), json.dumps(_text(day))]
            texts.append(_text(price) or "null")
            names = [json.dumps(name) for name in columns]
            pairs = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
            lines.append("{" + ", ".join(pairs) + "}\n")
        return gzip.compress("".join(lines).encode(), mtime=0)

    def rows_of(self, path: Path, columns: Columns) -> Iterator[Sequence[Any]]:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            item = json.loads(line, parse_float=Decimal)
            yield [item[name] for name in columns]


SYSTEMS: Mapping[str, type[System]] = {
    one.name: one
    for one in (
        *(Rds, DynamoDbJson, DynamoDbIon, DynamoDbChanges),
        *(DmsLoad, DmsChanges, DmsCsv),
        *(PlainParquet, PlainCsv, PlainJson),
    )
}


def merged(systems: Sequence[System]) -> dict[str, Any]:
    """Return the sections of one configuration for several systems."""
    files = [place for one in systems for place in one.settings.get("files", ())]
    folders = [place for one in systems for place in one.settings.get("dms", {}).get("folders", ())]
    tables: dict[str, Any] = {}
    for one in systems:
        assert not tables.keys() & one.tables.keys()
        tables |= one.tables
    return {"source": {"files": files, "dms": {"folders": folders}}, "tables": tables}
