"""A lake on a real S3 server with an archive, two snapshots in which days differ, and its copy.

    lake = make_lake(server, folder)     # four runs; what they returned is in `lake.runs`

1. `shop-1`, without an archive. 2. the same, adopted and locked. 3. `shop-2`: a day is lost, one
changed, one is new, one has fewer rows; a table has a column more. 4. `shop-3`, without an archive
again: one good table and one whose object is damaged.

What tests expect is worked out in Python from what the runs returned, or from the rows below.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from conftest import S3Server
from s3_line import archive_settings

from compactor import pipeline
from compactor.config import parse_config
from compactor.model import RunResult
from compactor.sample_exports import Column, Layout, RdsExport

MOMENTS = [datetime(2026, 10, day, 3, 47, 12, tzinfo=UTC) for day in (6, 7, 8)]
FIRST, SECOND, THIRD = (f"202610{day:02}T034712Z" for day in (6, 7, 8))
DAY = date(2026, 9, 1)
HOSTILE = """public.we"ird'; -- x"""
COLUMNS = [Column("id", "bigint"), Column("note", "text"), Column("created_at", "date")]
MORE = [*COLUMNS, Column("city", "text")]
Row = tuple[Any, ...]


def _orders(day: int, count: int, note: str = "as it was") -> list[Row]:
    return [(day * 100 + n, note, DAY + timedelta(days=day)) for n in range(count)]


ORDERS = [
    [row for day in range(6) for row in _orders(day, 10)] + [(9001, "no date", None)],
    [
        *_orders(0, 10),  # same
        *_orders(1, 10)[:4],  # lost six rows of ten
        *_orders(2, 9),
        (209, "another note", DAY + timedelta(days=2)),  # one row changed
        *_orders(3, 10),
        *_orders(3, 10)[:1],  # one row twice
        *_orders(5, 9),  # day 4 is gone; a loss that is no alarm
        *_orders(6, 9),  # new
        (9001, "no date", None),
    ],
]
"""Rows of `public.orders` in the two snapshots."""


def _arrow(rows: list[Row], columns: list[Column]) -> pa.Table:
    lists = [list(values) for values in zip(*rows, strict=True)]
    lists[2] = [None if day is None else day.isoformat() for day in lists[2]]
    return pa.table({c.name: v for c, v in zip(columns, lists, strict=True)})


def _export(folder: Path, number: int) -> Path:
    export = RdsExport(folder, f"shop-{number + 1}", MOMENTS[number])
    if number == 2:
        export.table("public.late", COLUMNS, _arrow(_orders(7, 3), COLUMNS))
        broken = export.table("public.broken", COLUMNS, _arrow(_orders(7, 3), COLUMNS))
        root = export.finish()
        for path in broken.rglob("*.parquet"):
            path.write_bytes(path.read_bytes()[:-64] + b"x" * 64)
        return root
    export.table("public.orders", COLUMNS, _arrow(ORDERS[number], COLUMNS), Layout(files=3))
    items = _arrow(_orders(1, 8), COLUMNS)
    export.table("public.items", COLUMNS, [items.slice(0, 5), items.slice(5)], Layout(folders=2))
    export.table("public.items_p1", COLUMNS, items.slice(0, 5))
    export.table("public.items_p2", COLUMNS, items.slice(5))
    export.table(HOSTILE, COLUMNS, _arrow(_orders(2, 4), COLUMNS))
    export.table(
        "public.none", COLUMNS, _arrow(_orders(0, 1), COLUMNS).slice(0, 0), Layout(files=0)
    )
    if number == 0:
        export.table("public.people", COLUMNS, _arrow(_orders(0, 5), COLUMNS))
    else:
        people = [(*row, "Bonn") for row in _orders(0, 5)]
        export.table("public.people", MORE, _arrow(people, MORE))
    return export.finish()


@dataclass(frozen=True)
class AthenaLake:
    runs: list[RunResult]
    url: str
    copy: Path
    """What lies below the lake's URL, here."""

    @property
    def manifests(self) -> list[Path]:
        return sorted(self.copy.glob("_compactor/runs/*/manifest.json"))


def make_lake(server: S3Server, folder: Path) -> AthenaLake:
    client = server.client()
    names = {kind: f"{kind}-{uuid.uuid4().hex}" for kind in ("source", "lake", "vault")}
    for kind, name in names.items():
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=kind == "vault")
    settings: dict[str, Any] = {
        "source": {"urls": [f"s3://{names['source']}/"]},
        "lake": {"url": f"s3://{names['lake']}/tables/"},
        "limits": {"scratch_dir": str(folder / "scratch"), "memory": "1GiB"},
        "tables": {"shop.public.orders": {"grain": "day", "date_column": "created_at"}},
    }
    locked = settings | {"archive": archive_settings(names["vault"])}
    runs = []
    for export, one in ((0, settings), (None, locked), (1, locked), (2, settings)):
        if export is not None:
            root = _export(folder / "exports", export)
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                key = f"{root.name}/{path.relative_to(root).as_posix()}"
                client.put_object(Bucket=names["source"], Key=key, Body=path.read_bytes())
        runs.append(pipeline.run(parse_config(one)).result)
    copy = folder / "copy"
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=names["lake"])
    for item in (item for page in pages for item in page.get("Contents", ())):
        path = copy / item["Key"].removeprefix("tables/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(client.get_object(Bucket=names["lake"], Key=item["Key"])["Body"].read())
    return AthenaLake(runs=runs, url=settings["lake"]["url"], copy=copy)
