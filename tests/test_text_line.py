"""CSV and JSON lines of plain folders through the whole line."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from lines import Line, assert_good

from compactor import pipeline
from compactor.model import TableResult
from compactor.sample_exports.dms import touch

LOADED = datetime(2026, 10, 1, 3, 47, 12, tzinfo=UTC)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def put(line: Line, key: str, content: bytes) -> None:
    path = line.source / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    touch(path, LOADED)


def run(line: Line, **sections: Any) -> pipeline.Done:
    folders = {"urls": [str(line.source)], "files": [str(line.source)]}
    return line.run(source=folders, **sections)


def lake(line: Line, table: TableResult) -> tuple[list[str], Counter[tuple[Any, ...]]]:
    return [one.source_name for one in table.columns], Counter(line.rows(table))


def test_csv_becomes_a_typed_table(line: Line) -> None:
    put(line, "orders/a.csv", b'id,note,amount,at\r\n1,"a ""b""\n,",1.50,2026-10-01 10:00:00\r\n')
    put(line, "orders/b.csv", gzip.compress(b'at,ID,id\n,x,2\n2026-10-02 00:00:00,"",3\n\n'))
    put(line, "orders/c.csv", b"")
    types = {"types": {"at": "timestamp", "amount": "numeric"}}
    done = run(line, tables={"files.orders": types})
    assert_good(done)
    (table,) = done.result.tables
    assert lake(line, table) == (
        ["id", "note", "amount", "at", "ID"],
        Counter(
            [
                (
                    "1",
                    'a "b"\n,',
                    Decimal("1.50"),
                    datetime.fromisoformat("2026-10-01 10:00"),
                    None,
                ),
                ("2", None, None, None, "x"),
                ("3", None, None, datetime.fromisoformat("2026-10-02"), ""),
            ]
        ),
    )


def test_json_lines_become_a_table_that_keeps_each_line(line: Line) -> None:
    first = '{"id": 1, "at": "2026-10-01", "n": 12345678901234567890.50, "o": {"x": 1.10}}'
    second = '{"id": 2, "Id": true, "n": -0.5, "m": "#x"}'
    third = '{"m": 5}'
    put(line, "events/a.jsonl", f"{first}\n\n{second}\r\n".encode())
    put(line, "events/b.json", gzip.compress(third.encode()))
    done = run(line, tables={"files.events": {"types": {"at": "date"}}})
    assert_good(done)
    (table,) = done.result.tables
    names, rows = lake(line, table)
    assert sorted(names) == sorted(["id", "at", "n", "o", "Id", "m", "item"])
    expected = [
        {
            "id": 1,
            "at": date(2026, 10, 1),
            "n": Decimal("12345678901234567890.50"),
            "o": '{"x":1.10}',
            "item": first,
        },
        {"id": 2, "Id": True, "n": Decimal("-0.5"), "m": '"#x"', "item": second},
        {"m": "5", "item": third},
    ]
    assert rows == Counter(tuple(one.get(name) for name in names) for one in expected)


@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("t/a.csv", b'a,b\n1,"x\ny"\n3\n', "line 4: expected 2 values, found 1"),
        ("t/a.csv", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-1], "gzip data is damaged"),
        ("t/a.jsonl", b'{"a": 1}\n{"a": 1, "a": 2}\n', "line 2: the key 'a' stands twice"),
        ("t/a.jsonl", b'{"a": 1}\n[1]\n', "line 2: expected a JSON object"),
        ("t/a.jsonl", b'{"a": 1}\n{"a": }\n', "line 2: expected JSON"),
    ],
)
def test_a_malformed_object_is_named_and_the_other_tables_go_on(
    line: Line, key: str, content: bytes, said: str
) -> None:
    put(line, key, content)
    put(line, "good/a.csv", b"a\n1\n")
    done = run(line)
    assert done.exit_code == 3
    assert {one.table: one.status for one in done.result.tables}.get("good") == "done"
    messages = [one.message for one in done.result.findings]
    assert any(key in message and said in message for message in messages), messages
