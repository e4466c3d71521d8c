"""DynamoDB's items become columns, and two engines that share no code read the same values."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from compactor import sql
from compactor.formats import FORMATS
from compactor.formats.interface import Fields, FormatOptions

ITEMS = FORMATS["dynamodb_json"]
CHANGES = FORMATS["dynamodb_json_changes"]
ALL_TYPES = (
    '{"Item":{"id":{"S":"K3TXQk84Si"},"a":{"BOOL":false},"b":{"NULL":true},'
    '"c":{"SS":["8gfX8dh0xa","fRjHZJ2Ce9"]},"d":{"NS":["3","2"]},'
    '"e":{"L":[{"N":"1"},{"S":"Dsb87qc6Es"}]},'
    '"f":{"M":{"h":{"NULL":true},"i":{"BOOL":true},"g":{"N":"9"}}},'
    '"j":{"B":"aGVsbG8="},"k":{"BS":["aXMgZmFzdA==","c2N5bGxhZGI="]},"n":{"N":"1.50"}}}'
)
"""An item with all ten types, shaped like those of a real export."""


def write(path: Path, lines: Sequence[str | bytes]) -> Path:
    """Write an object of an export; no lines make the 20 bytes of an empty one."""
    content = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    path.write_bytes(gzip.compress(content, mtime=0))
    return path


class Read:
    """What both engines make of some objects."""

    def __init__(self, format_name: str, paths: Sequence[Path], options: FormatOptions) -> None:
        one = FORMATS[format_name]
        files = [str(path) for path in paths]
        connection = sql.connect()
        self.survey = one.survey(connection, files, options)
        self.fields: Fields = one.fields(self.survey, options)
        one.open_source(connection, self.fields, options)
        found = connection.sql("SELECT * FROM staged($files)", params={"files": files})
        self.types = dict(zip(self.fields.names, map(str, found.types), strict=False))
        self.files = found.project('"compactor source file"').fetchall()
        table = found.to_arrow_table()
        self.columns = {
            name: table.column(f"f{place}").combine_chunks()
            for place, name in enumerate(self.fields.names)
        }
        decoded = [batch for path in paths for batch in one.decode(path, self.fields, options)]
        self.decoded = pa.concat_tables(decoded)
        self.rows = sum(one.rows(path) for path in paths)

    def column(self, name: str) -> list[Any]:
        """Return the values of a column, which both engines must have alike."""
        assert self.decoded.column_names == self.fields.names
        mine, other = self.columns[name], self.decoded.column(name).combine_chunks()
        assert mine.type == other.type
        assert mine.equals(other)
        assert len(mine) == self.rows
        values: list[Any] = mine.to_pylist()
        return values

    def table(self) -> dict[str, list[Any]]:
        return {name: self.column(name) for name in self.fields.names}


def read(
    tmp_path: Path, *lines: str | bytes, format_name: str = "dynamodb_json", **options: Any
) -> Read:
    path = write(tmp_path / "object.json.gz", lines)
    return Read(format_name, [path], FormatOptions(**options))


def test_each_of_the_ten_types_has_its_column_in_both_engines(tmp_path: Path) -> None:
    found = read(tmp_path, ALL_TYPES)
    assert found.table() == {
        "a": [False],
        "b": [None],
        "c": [["8gfX8dh0xa", "fRjHZJ2Ce9"]],
        "d": [["3", "2"]],
        "e": [['{"N":"1"}', '{"S":"Dsb87qc6Es"}']],
        "f": ['{"h":{"NULL":true},"i":{"BOOL":true},"g":{"N":"9"}}'],
        "id": ["K3TXQk84Si"],
        "j": [b"hello"],
        "k": [[b"is fast", b"scylladb"]],
        "n": ["1.50"],
        "null_attributes": [["b"]],
        "item": [ALL_TYPES],
    }
    assert found.types == {
        "a": "BOOLEAN",
        "b": "VARCHAR",
        "c": "VARCHAR[]",
        "d": "VARCHAR[]",
        "e": "VARCHAR[]",
        "f": "VARCHAR",
        "id": "VARCHAR",
        "j": "BLOB",
        "k": "BLOB[]",
        "n": "VARCHAR",
        "null_attributes": "VARCHAR[]",
        "item": "VARCHAR",
    }
    assert {one.name: one.source_type for one in found.fields.fields if one.source_type} == {
        "n": "numeric"
    }
    assert json.loads(found.column("item")[0])["Item"]["n"] == {"N": "1.50"}
