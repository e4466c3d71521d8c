"""CSV and JSON lines: both engines read the same rows, and say the same of what is malformed."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compactor import sql
from compactor.errors import ConfigError
from compactor.formats import FORMATS
from compactor.formats.interface import (
    Fields,
    Format,
    FormatOptions,
    Malformed,
    add_survey,
)
from compactor.formats.text import BLOCK_BYTES, MAX_RECORD_BYTES
from compactor.model import DateStats

CSV, JSON = FORMATS["csv"], FORMATS["json_lines"]
PLAIN = FormatOptions()
NO_ITEM = FormatOptions(item_column="")
Row = tuple[Any, ...]


@dataclass
class Read:
    """What both engines have read alike."""

    fields: Fields
    rows: list[Row]

    @property
    def names(self) -> list[str]:
        return self.fields.names


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with sql.connect() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def written(folder: Path, contents: Sequence[bytes]) -> list[Path]:
    paths = [folder / f"{number:08d}.object" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def decoded(kind: Format, path: Path, fields: Fields, options: FormatOptions) -> list[Row]:
    rows: list[Row] = []
    for table in kind.decode(path, fields, options):
        assert table.schema.names == fields.names
        columns = [column.to_pylist() for column in table.columns]
        rows += list(zip(*columns, strict=True)) if columns else [()] * table.num_rows
    return rows


def read(
    kind: Format,
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *contents: bytes,
    options: FormatOptions = PLAIN,
) -> Read:
    """Read objects with both engines, from the objects and as converted; all must agree."""
    paths = written(folder, contents)
    ready = [path.with_suffix(".ready") for path in paths]
    for path, target in zip(paths, ready, strict=True):
        kind.convert(path, target, options)
    survey: dict[str, dict[str, int]] = {}
    for target in ready:  # as if each were a chunk of its own
        add_survey(survey, kind.survey(connection, [str(target)], options))
    fields = kind.fields(survey, options)
    kind.open_source(connection, fields, options)
    relation = connection.execute("SELECT * FROM staged($f)", {"f": [str(one) for one in ready]})
    described = [(name, str(type_)) for name, type_, *_ in relation.description or ()]
    expected = [f"f{no}" for no in range(len(fields.fields))] + ["compactor source file"]
    assert [name for name, _ in described] == expected
    by_file: dict[str, list[Row]] = {str(target): [] for target in ready}
    for *values, file in relation.fetchall():
        by_file[file].append(tuple(values))
    rows: list[Row] = []
    for path, target in zip(paths, ready, strict=True):
        found = decoded(kind, path, fields, options)
        assert found == decoded(kind, target, fields, options)
        assert found == by_file[str(target)]
        assert kind.rows(path, options) == len(found) == kind.rows(target, options)
        rows += found
    assert connection.execute(
        "SELECT count(*) FROM staged($f)", {"f": [str(one) for one in ready]}
    ).fetchone() == (len(rows),)
    return Read(fields, rows)


def refused(kind: Format, folder: Path, content: bytes, options: FormatOptions = PLAIN) -> str:
    """Return what decoding says of an object; its columns are a, b, c."""
    from compactor.formats.interface import Field

    (path,) = written(folder, [content])
    fields = Fields(fields=tuple(Field(name=name, kind="string") for name in "abc"))
    with pytest.raises(Malformed) as caught:
        decoded(kind, path, fields, options)
    return str(caught.value)


# --- CSV: values ----------------------------------------------------------------------------------

CSV_TRAPS: list[tuple[str, bytes, list[Row]]] = [
    ("null_and_empty_text_differ", b'a,b\n1,\n"",2\n', [("1", None), ("", "2")]),
    ("only_nulls", b"a,b\n,\n,\n", [(None, None), (None, None)]),
    ("words_for_null_are_texts", b'a,b\nNULL,\\N\nnan,"-"\n', [("NULL", "\\N"), ("nan", "-")]),
    ("doubled_quotes", b'a,b\n"say ""hi""",""""\n', [('say "hi"', '"')]),
    ("delimiter_in_quotes", b'a,b\n"1,2",3\n', [("1,2", "3")]),
    ("line_breaks_in_quotes", b'a,b\n"x\ny","\r\n"\n"\r",z\n', [("x\ny", "\r\n"), ("\r", "z")]),
    ("blank_lines_in_quotes", b'a,b\n"\n\n\nx\n\n",1\n', [("\n\n\nx\n\n", "1")]),
    ("crlf", b"a,b\r\n1,2\r\n3,4\r\n", [("1", "2"), ("3", "4")]),
    ("crlf_and_lf", b'a,b\r\n1,2\n"x\r\ny",4\r\n5,6\n', [("1", "2"), ("x\r\ny", "4"), ("5", "6")]),
    ("no_last_line_break", b'a,b\n1,2\n3,""', [("1", "2"), ("3", "")]),
    ("null_at_the_end", b"a,b\n1,2\n3,", [("1", "2"), ("3", None)]),
    ("spaces_are_kept", b"a,b\n 1 ,\t\n", [(" 1 ", "\t")]),
    ("hash_is_no_comment", b"a,b\n#1,2\n#3,4\n", [("#1", "2"), ("#3", "4")]),
    ("blank_lines_are_nothing", b"\n\na,b\n\n1,2\n\n\n3,4\n\n", [("1", "2"), ("3", "4")]),
    ("blank_crlf_lines", b"\r\na,b\r\n1,2\r\n\r\n3,4\r\n\r\n", [("1", "2"), ("3", "4")]),
    ("one_column", b'a\n1\n\n""\n2\n\n', [("1",), (None,), ("",), ("2",), (None,)]),
    ("one_column_with_crlf", b'a\r\n\r\n""\r\n2', [(None,), ("",), ("2",)]),
    ("one_column_after_blank_lines", b"\n\na\n\n1\n", [(None,), ("1",)]),
    ("byte_order_mark", b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2")]),
    ("mark_before_a_quote", b'\xef\xbb\xbf"a",b\n1,2\n', [("1", "2")]),
    ("mark_as_a_value", b"a,b\n\xef\xbb\xbf1,2\n", [("\ufeff1", "2")]),
    ("mark_in_one_column", b"a\n\xef\xbb\xbf1\n", [("\ufeff1",)]),
    ("nul", b'a,b\n\x00,"\x00"\n', [("\0", "\0")]),
    ("escapes", b'a,b\n"\x1a",\x1a\n\x1a1,\x1a0\n', [("\x1a", "\x1a"), ("\x1a1", "\x1a0")]),
    ("unicode", 'a,b\né,"日本\n😀"\n'.encode(), [("é", "日本\n😀")]),
    ("unicode_line_ends", "a,b\nx\u2028y,\u0085\n".encode(), [("x\u2028y", "\u0085")]),
    ("first_line_break_in_quotes", b'"a\r\nq",b\n1,2\n3,4\n', [("1", "2"), ("3", "4")]),
    ("zero_bytes", b"", []),
    ("only_a_mark", b"\xef\xbb\xbf", []),
    ("only_blank_lines", b"\n\r\n\n", []),
    ("only_a_header", b"a,b\n", []),
    ("only_a_header_and_no_line_break", b"a,b", []),
    ("backslash_is_a_letter", b'a,b\n"x\\",\\"\n'.replace(b'\\"\n', b"\\\n"), [("x\\", "\\")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"), [trap[1:] for trap in CSV_TRAPS], ids=[trap[0] for trap in CSV_TRAPS]
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_both_engines_read_the_same_values_of_csv(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    content: bytes,
    expected: list[Row],
    packed: bool,
) -> None:
    given = gzip.compress(content) if packed else content
    assert read(CSV, connection, folder, given).rows == expected


def test_a_text_for_null_leaves_nothing_an_empty_text(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    options = FormatOptions(null_text="NULL")
    found = read(CSV, connection, folder, b'a,b\n,NULL\n"NULL",""\n\n', options=options)
    assert found.rows == [("", None), ("NULL", "")]
    one = read(CSV, connection, folder, b'\na\n\nNULL\n"NULL"\n\n\n', options=options)
    assert one.rows == [("",), (None,), ("NULL",), ("",), ("",)]


@pytest.mark.parametrize(
    "delimiter", [";", "\t", "|", "^", "a", "6", ":", "\\", "]", "-", " ", "x"]
)
def test_any_delimiter_of_one_character(
    connection: duckdb.DuckDBPyConnection, folder: Path, delimiter: str
) -> None:
    content = f'"x"{delimiter}y\n1{delimiter}"{delimiter},"\n'.encode()
    options = FormatOptions(delimiter=delimiter)
    found = read(CSV, connection, folder, content, options=options)
    assert (found.names, found.rows) == (["x", "y"], [("1", f"{delimiter},")])


@pytest.mark.parametrize("delimiter", ["", "||", '"', "\n", "\r", "é", "\0"])
def test_a_delimiter_that_cannot_be_one_is_a_config_error(folder: Path, delimiter: str) -> None:
    (path,) = written(folder, [b"a,b\n"])
    with pytest.raises(ConfigError, match="cannot be the delimiter"):
        CSV.rows(path, FormatOptions(delimiter=delimiter))


@pytest.mark.parametrize("null_text", ["a,b", 'x"', "x\n"])
def test_a_null_text_that_needs_quotes_is_a_config_error(folder: Path, null_text: str) -> None:
    (path,) = written(folder, [b"a,b\n"])
    with pytest.raises(ConfigError, match="cannot be null_text"):
        CSV.convert(path, folder / "ready", FormatOptions(null_text=null_text))


# --- CSV: columns ---------------------------------------------------------------------------------


def test_columns_are_matched_by_exact_name(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    found = read(
        CSV,
        connection,
        folder,
        b"id,ID\n1,2\n",
        b"ID,id\n1,2\n",
        b"",
        b' id ,"x""\n"\n5,6\n',
        b"ID\n",
        b"ID\n\n7\n",
    )
    assert found.names == ["id", "ID", " id ", 'x"\n']
    assert found.rows == [
        ("1", "2", None, None),
        ("2", "1", None, None),
        (None, None, "5", "6"),
        (None, None, None, None),
        (None, "7", None, None),
    ]


def test_equal_headers_are_read_by_place(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    found = read(CSV, connection, folder, b"b,a\n1,2\n", b"", b"b,a\n3,4\n")
    assert [one.kind for one in found.fields.fields] == ["column 1 of 2", "column 2 of 2"]
    assert (found.names, found.rows) == (["b", "a"], [("1", "2"), ("3", "4")])


def test_a_column_that_is_in_no_object_of_a_call_is_null(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    read(CSV, connection, folder, b"a,b\n1,2\n", b"a,c\n3,4\n")
    first = str(folder / "00000000.ready")
    rows = connection.execute("SELECT f0, f1, f2 FROM staged($f)", {"f": [first]}).fetchall()
    assert rows == [("1", "2", None)]


@pytest.mark.parametrize("name", ['x"y', "f0", "select", "a;DROP TABLE x", "$f", "column0", "\0"])
def test_hostile_names(connection: duckdb.DuckDBPyConnection, folder: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    found = read(CSV, connection, folder, f"{quoted},b\n1,2\n".encode(), b"b\n3\n")
    assert (found.names, found.rows) == ([name, "b"], [("1", "2"), (None, "3")])


def test_columns_without_a_name_are_called_by_their_place(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    found = read(CSV, connection, folder, b',a,""\n1,2,3\n', b",b\n4,5\n")
    assert found.names == ["column_1", "a", "column_3", "b"]
    assert found.rows == [("1", "2", "3", None), ("4", None, None, "5")]


def test_two_columns_of_one_name_are_refused(folder: Path) -> None:
    assert refused(CSV, folder, b"\na,a\n1,2\n") == "line 2: two columns are named 'a'"
    assert "'column_2'" in refused(CSV, folder, b"column_2,\n1,2\n")


def test_without_a_header_names_are_given_or_follow_from_the_place(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    named = FormatOptions(header=False, names=("x", "y"))
    found = read(CSV, connection, folder, b"a,b\n1,2\n", b"", options=named)
    assert (found.names, found.rows) == (["x", "y"], [("a", "b"), ("1", "2")])
    nameless = FormatOptions(header=False)
    found = read(CSV, connection, folder, b"\n1,\n", b"2,3,4", options=nameless)
    assert found.names == ["column_1", "column_2", "column_3"]
    assert found.rows == [("1", None, None), ("2", "3", "4")]
    found = read(CSV, connection, folder, b"\n\n1\n\n", b"\n", options=nameless)
    assert found.rows == [(None,), (None,), ("1",), (None,), (None,)]


def test_a_first_record_with_another_number_of_values_than_names(folder: Path) -> None:
    options = FormatOptions(header=False, names=("a", "b"))
    said = refused(CSV, folder, b"1,2,3\n", options)
    assert said.startswith("line 1: expected 2 values")
    assert said.endswith("found 3")


def test_source_types_are_those_configured(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    options = FormatOptions(types={"b": "numeric"})
    found = read(CSV, connection, folder, b"a,b\nx,1.50\n", options=options)
    assert [one.source_type for one in found.fields.fields] == ["", "numeric"]
    with pytest.raises(ConfigError, match="'c'"):
        read(CSV, connection, folder, b"a,b\n", options=FormatOptions(types={"c": "date"}))


def test_a_column_that_was_not_surveyed_is_refused(folder: Path) -> None:
    assert "'d'" in refused(CSV, folder, b"a,d\n1,2\n")


# --- CSV: malformed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (b"a,b\n1,2\n\n3\n", 4, "expected 2 values, found 1"),
        (b'a,b\n"x\n\ny",2\n1,2,\n', 5, "expected 2 values, found 3"),
        (b"a,b\n1,2\n  \n", 3, "expected 2 values, found 1"),
        (b"a\n1,2\n", 2, "expected 1 values, found 2"),
        (b'a,b\n1,5" pipe\n', 2, "a quote inside a value"),
        (b'a,b\n1,2\n3, "x"\n', 3, "a quote inside a value"),
        (b'a,b\n"x\n"y,2\n', 3, "text after a closing quote"),
        (b'a,b\n"x" ,2\n', 2, "text after a closing quote"),
        (b'a,b\n1,2\n3,"x\n4,5\n', 3, "the quote that opens here is never closed"),
        (b'a,b\n"x\ny","z', 3, "the quote that opens here is never closed"),
        (b"a,b\n1,2\n3\r4,5\n", 3, "a carriage return that ends no line"),
        (b"a,b\n1,2\n3,4\r", 3, "a carriage return that ends no line"),
        (b'a,b\n"\n",1\nx\xff,2\n', 4, "expected UTF-8, found the bytes ff"),
        (b'a,b\n1,"\xed\xa0\x80"\n', 2, "expected UTF-8"),
        (b"a\xff,b\n1,2\n", 1, "expected UTF-8"),
    ],
)
@pytest.mark.parametrize("before", [0, BLOCK_BYTES], ids=["alone", "after_a_block"])
def test_malformed_csv_is_told_with_its_line(
    folder: Path, content: bytes, line: int, what: str, before: int
) -> None:
    head, _, rest = content.partition(b"\n")
    many = before // 1000 if line > 1 else 0
    filler = (b",".join([b"x" * 1000] * (head.count(b",") + 1)) + b"\n") * many
    line = line + many
    said = refused(CSV, folder, head + b"\n" + filler + rest)
    assert said.startswith(f"line {line}: {what}")
    with pytest.raises(Malformed) as caught:  # before DuckDB can stumble over it
        CSV.convert(folder / "00000000.object", folder / "ready", PLAIN)
    assert str(caught.value) == said


def test_a_record_that_never_ends_is_refused_before_it_fills_the_memory(folder: Path) -> None:
    said = refused(CSV, folder, b'a,b\n1,2\n3,"' + b"x,\n" * (MAX_RECORD_BYTES // 2))
    assert said.startswith("line 3: a record of more than 16 MiB")


def test_long_records_within_the_limit_are_read(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    size = MAX_RECORD_BYTES - 100
    content = b'a,b\n1,2\n3,"' + b"\n" * size + b'"\n'
    found = read(CSV, connection, folder, content)
    assert [len(value) for _, value in found.rows] == [1, size]


@pytest.mark.slow
def test_records_are_not_broken_where_buffers_meet(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    value = '"x\n1,2,3\ny' * 9
    out = io.StringIO()
    for number in range(900_000):
        out.write(f'"{value.replace(chr(34), chr(34) * 2)}",,{number}\n')
    content = b"a,b,c\n" + out.getvalue().encode()
    assert len(content) > 64 << 20  # DuckDB's buffer
    (path,) = written(folder, [content])
    ready = folder / "ready"
    CSV.convert(path, ready, PLAIN)
    fields = CSV.fields(CSV.survey(connection, [str(ready)], PLAIN), PLAIN)
    CSV.open_source(connection, fields, PLAIN)
    row = connection.execute(
        "SELECT count(*), count(DISTINCT f0), count(f1), sum(f2::BIGINT) FROM staged($f)",
        {"f": [str(ready)]},
    ).fetchone()
    assert row == (900_000, 1, 0, 900_000 * 899_999 // 2)
    assert CSV.rows(path, PLAIN) == 900_000
    assert sum(table.num_rows for table in CSV.decode(path, fields, PLAIN)) == 900_000


# --- JSON lines -----------------------------------------------------------------------------------


def as_json(**members: Any) -> bytes:
    return json.dumps(members).encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'"x"', "x"),
        (b'""', ""),
        (b"null", None),
        (b"1", "1"),
        (b"-0", "-0"),
        (b"-0.0", "-0.0"),
        (b"1.10", "1.10"),
        (b"1e2", "1e2"),
        (b"1E+400", "1E+400"),
        (b"18446744073709551616", "18446744073709551616"),
        (b"-9223372036854775809", "-9223372036854775809"),
        (b"12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        (b'"#5"', "#5"),
        (b'"##5"', "##5"),
        (b'"\\u00235"', "#5"),
        (b'"1.10"', "1.10"),
        (b'"x,\\"#5"', 'x,"#5'),
        (b'",\\"#5\\",[1.5,"', ',"#5",[1.5,'),
        (b'"a\\u0000b"', "a\0b"),
        (b'"\\u00e9\\/\\ud83d\\ude00"', "é/😀"),
        ('"é日😀\u2028"'.encode(), "é日😀\u2028"),
        (b"true", True),
        (b"false", False),
        (b"{}", "{}"),
        (b"[ ]", "[]"),
        (b"[1.10, -0,\t1e2]", "[1.10,-0,1e2]"),
        (b'{"#x": "#1", "y": ["#2", 2.50, null]}', '{"#x":"#1","y":["#2",2.50,null]}'),
        (b'{"\\u0023": 1.0}', '{"#":1.0}'),
        (b'["\\u0001\\u001f\\u007f\\t\\u000a\\"\\\\"]', '["\\u0001\\u001F\x7f\\t\\n\\"\\\\"]'),
        (b'["\\\\u001f", "\\\\\\u001f"]', '["\\\\u001f","\\\\\\u001F"]'),
        (b'[",\\"#5\\"", "[", "#"]', '[",\\"#5\\"","[","#"]'),
        (b"[" * 300 + b"1.50" + b"]" * 300, "[" * 300 + "1.50" + "]" * 300),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_both_engines_read_the_same_values_of_json(
    connection: duckdb.DuckDBPyConnection, folder: Path, value: bytes, expected: Any, packed: bool
) -> None:
    line = b'{"before": 1, "a": ' + value + b"}"
    found = read(JSON, connection, folder, gzip.compress(line) if packed else line)
    assert found.names == ["before", "a", "item"]
    assert found.rows == [("1", expected, line.decode())]


def test_kinds_become_columns(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    first = b'{"s": "x", "n": 1.5, "b": true, "o": {"k": 1}, "l": [], "z": null, "m": 1}'
    second = b'{"s": null, "n": 2, "l": [2], "m": "#x"}'
    third = b'{"m": {"y": 1.0}}'
    found = read(JSON, connection, folder, first + b"\n" + second, third, options=NO_ITEM)
    kinds = {one.name: (one.kind, one.source_type) for one in found.fields.fields}
    assert kinds == {
        "s": ("string", ""),
        "n": ("number", "numeric"),
        "b": ("boolean", ""),
        "o": ("object", ""),
        "l": ("array", ""),
        "z": ("string", ""),
        "m": ("mixed", ""),
    }
    assert found.fields.mixed == {"m": ("number", "object", "string")}
    assert found.rows == [
        ("x", "1.5", True, '{"k":1}', "[]", None, "1"),
        (None, "2", None, None, "[2]", None, '"#x"'),
        (None, None, None, None, None, None, '{"y":1.0}'),
    ]


def test_arrow_types_are_those_of_duckdb(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    found = read(JSON, connection, folder, b'{"a": 1, "b": true, "c": [1], "d": "x"}')
    path = folder / "00000000.ready"
    read_types = [
        str(kind) for _, kind, *_ in connection.execute(
            "DESCRIBE SELECT * EXCLUDE (\"compactor source file\") FROM staged($f)",
            {"f": [str(path)]},
        ).fetchall()
    ]  # fmt: skip
    assert read_types == ["VARCHAR", "BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR"]
    (table,) = JSON.decode(path, found.fields, PLAIN)
    text, flag = pa.string(), pa.bool_()
    assert table.schema.types == [text, flag, text, text, text]


def test_keys_are_taken_exactly(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    keys = ["A", "a", "", "x.y", "x/y", "x~1y", 'q"\\', "$", "é", "[0]", "*", "/", "#", "##", "#k",
            "0", "n\0l", "\n", "f0", "item", "' || x", "\u2028", "select"]  # fmt: skip
    line = as_json(**{key: f"value of {place}" for place, key in enumerate(keys)})
    found = read(JSON, connection, folder, line + b"\n" + line.replace(b'": "', b'" :1.5, "x')[:0])
    assert found.names == [*keys, "item_1"]
    assert found.rows[0][:-1] == tuple(f"value of {place}" for place in range(len(keys)))
    numbers = as_json(**{key: place + 0.5 for place, key in enumerate(keys)})
    found = read(JSON, connection, folder, numbers)
    assert found.rows[0][:-1] == tuple(f"{place}.5" for place in range(len(keys)))


def test_the_items_text_is_kept_exactly(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    content = b'\xef\xbb\xbf  {"a" :  1.50 }  \r\n\n \t\r\n{"a":"\\u00e9",\t"b":[ ]}\r\n'
    found = read(JSON, connection, folder, content)
    assert [row[-1] for row in found.rows] == ['{"a" :  1.50 }', '{"a":"\\u00e9",\t"b":[ ]}']


def test_the_most_frequent_keys_become_columns(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    content = (
        b'{"rare": 1, "x": 1, "y": 1}\n{"x": 2, "y": 2}\n{"y": 3, "other": 4}\n{"x": 5, "other": 6}'
    )
    options = FormatOptions(max_columns=2)
    found = read(JSON, connection, folder, content, options=options)
    assert found.names == ["x", "y", "item"]
    assert found.fields.left_out == ("other", "rare")
    assert found.rows[2] == (None, "3", '{"y": 3, "other": 4}')
    with pytest.raises(ConfigError, match="without item_column"):
        read(
            JSON, connection, folder, content, options=FormatOptions(max_columns=2, item_column="")
        )


def test_the_items_column_gives_way_to_keys(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    found = read(JSON, connection, folder, b'{"item": 1, "item_1": 2, "ITEM": 3}')
    assert found.names == ["item", "item_1", "ITEM", "item_2"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_objects_without_lines_are_no_rows(
    connection: duckdb.DuckDBPyConnection, folder: Path, content: bytes
) -> None:
    assert read(JSON, connection, folder, content).rows == []


def test_objects_without_keys_are_rows(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    found = read(JSON, connection, folder, b"{}\n{ }\n")
    assert (found.names, found.rows) == (["item"], [("{}",), ("{ }",)])


def test_configured_types_go_before_numeric(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    options = FormatOptions(types={"a": "bigint", "b": "timestamp"})
    found = read(JSON, connection, folder, b'{"a": 1, "b": "x", "c": 1}', options=options)
    assert [one.source_type for one in found.fields.fields] == [
        "bigint",
        "timestamp",
        "numeric",
        "",
    ]
    with pytest.raises(ConfigError, match="'z'"):
        read(JSON, connection, folder, b'{"a": 1}', options=FormatOptions(types={"z": "date"}))


MALFORMED_JSON = [
    (b'{"a": "x", "a": "y"}', "the key 'a' stands twice"),
    (b'{"a": {"k": 1, "k": 1}}', "the key 'k' stands twice"),
    (b'{"a": NaN}', "NaN is no JSON"),
    (b'{"a": -Infinity}', "-Infinity is no JSON"),
    (b'{"a": 1,}', "expected JSON, at character"),
    (b'{"a": 01}', "expected JSON"),
    (b'{"a": "\t"}', "expected JSON"),
    (b'{"a": "\\x"}', "expected JSON"),
    (b'{"a": "\x00"}', "expected JSON"),
    (b'{"a": "x', "expected JSON"),
    (b"{'a': 1}", "expected JSON"),
    (b"nul", "expected JSON at character 1"),
    (b'{"a": "x"} {}', "expected one object, found more at character 11"),
    (b'{"a": "x"}\r{"a": "y"}', "expected one object, found more"),
    (b"[1]", "expected a JSON object, found '[1]'"),
    (b"5", "expected a JSON object, found '5'"),
    (b"null", "expected a JSON object"),
    (b'{"a": "\\ud800"}', "half of a surrogate pair"),
    (b'{"a": ["\\uDFFF"]}', "half of a surrogate pair"),
    (b'{"a": "\xff"}', "expected UTF-8, found the bytes ff"),
    (b'{"d": 1}', "the key 'd' was not there when it was surveyed"),
    (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "maximum recursion depth exceeded"),
]


@pytest.mark.parametrize(("line", "what"), MALFORMED_JSON)
@pytest.mark.parametrize("before", [1, BLOCK_BYTES // 1000], ids=["alone", "after_a_block"])
def test_malformed_json_is_told_with_its_line(
    folder: Path, line: bytes, what: str, before: int
) -> None:
    filler = b'{"a":"%b"}\n' % (b"x" * 1000) * before + b"\n\r\n"
    said = refused(JSON, folder, filler + line + b"\n{}\n")
    assert said.startswith(f"line {before + 3}: {what}")


@pytest.mark.parametrize("line", [line for line, _ in MALFORMED_JSON if b"[[" not in line])
def test_a_survey_that_duckdb_refuses_names_the_line(
    connection: duckdb.DuckDBPyConnection, folder: Path, line: bytes
) -> None:
    (path,) = written(folder, [b'\n{"a": 1}\n' + line + b"\n"])
    try:
        JSON.survey(connection, [str(path)], PLAIN)
    except Malformed as error:
        assert str(error).startswith("line 3: ")  # noqa: PT017 # some are refused by decoding only


def test_a_survey_survives_deep_nesting(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    deep = b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b', "b": {}, "c": null}'
    (path,) = written(folder, [deep + b'\n{"a": 1, "c": true}\n'])
    assert JSON.survey(connection, [str(path)], PLAIN) == {
        "a": {"array": 1, "number": 1},
        "c": {"boolean": 1, "null": 1},
        "b": {"object": 1},
    }


def test_a_line_that_is_too_long_is_refused(folder: Path) -> None:
    content = b'{"a":"x"}\n{"a":"' + b"x" * (17 << 20) + b'"}\n'
    assert refused(JSON, folder, content).startswith("line 2: expected at most 16 MiB")


def test_a_long_line_is_read(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    content = b'{"a":"x"}\n{"a":"' + b"y" * (15 << 20) + b'"}\n'
    found = read(JSON, connection, folder, content, options=NO_ITEM)
    assert [len(row[0]) for row in found.rows] == [1, 15 << 20]


# --- gzip -----------------------------------------------------------------------------------------

SAMPLES = {
    "csv": b"a,b,c\n" + b"".join(f"{n},value {n * n},\n".encode() for n in range(300)),
    "json_lines": b"".join(b'{"a":"x%d","b":"y%d"}\n' % (n, n * n) for n in range(300)),
}


def outcome(kind: Format, path: Path, fields: Fields) -> tuple[list[Row], int] | None:
    """Return what is read of an object; None if decoding and counting both refuse it."""
    try:
        rows = decoded(kind, path, fields, NO_ITEM)
    except Malformed:
        rows = None
    try:
        count = kind.rows(path, NO_ITEM)
    except Malformed:
        count = None
    if rows is None:
        # what no longer begins like gzip is text for the count, which does not look at values
        assert count is None or path.read_bytes()[:2] != b"\x1f\x8b"
        return None
    assert count is not None
    return rows, count


@pytest.mark.parametrize("kind", [CSV, JSON], ids=lambda kind: kind.name)
def test_damaged_gzip_is_never_read_as_other_rows(folder: Path, kind: Format) -> None:
    from compactor.formats.interface import Field

    whole = gzip.compress(SAMPLES[kind.name], mtime=0)
    fields = Fields(fields=tuple(Field(name=name, kind="string") for name in "abc"))
    path = folder / "object"
    path.write_bytes(whole)
    good = outcome(kind, path, fields)
    assert good is not None
    assert good[1] == len(good[0]) == 300
    refusals = 0
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        found = outcome(kind, path, fields)
        assert found in (None, good)  # some bits of the gzip header say nothing
        refusals += found is None
    assert refusals > len(whole) // 7 * 0.9
    for length in range(3, len(whole), 11):
        path.write_bytes(whole[:length])
        assert outcome(kind, path, fields) is None


@pytest.mark.parametrize("kind", [CSV, JSON], ids=lambda kind: kind.name)
def test_gzip_of_several_members_is_one_object(
    connection: duckdb.DuckDBPyConnection, folder: Path, kind: Format
) -> None:
    text = SAMPLES[kind.name]
    members = gzip.compress(text[:100]) + gzip.compress(b"") + gzip.compress(text[100:])
    assert read(kind, connection, folder, members).rows == read(kind, connection, folder, text).rows


@pytest.mark.parametrize("kind", [CSV, JSON], ids=lambda kind: kind.name)
def test_more_after_the_gzip_data_is_refused(folder: Path, kind: Format) -> None:
    content = gzip.compress(SAMPLES[kind.name]) + b"more"
    assert refused(kind, folder, content).startswith("its gzip data is damaged")


# --- any table ------------------------------------------------------------------------------------

TEXT = st.text(
    st.one_of(
        st.sampled_from('",;\n\r #\\\x1a01\ufeff\0{[:é😀'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=8,
)


@st.composite
def csv_tables(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]]]:
    names = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True))
    row = st.lists(st.none() | TEXT, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row, max_size=6))


def written_by_python(
    names: list[str], rows: list[list[str | None]], delimiter: str, line_end: str
) -> bytes:
    """Write texts in quotes and NULL as nothing, with the csv module of Python."""
    out = io.StringIO()
    plain = csv.writer(out, delimiter=delimiter, lineterminator="", quoting=csv.QUOTE_ALL)

    def cell(value: str | None) -> str:
        out.seek(0)
        out.truncate()
        if value is not None:
            plain.writerow([value])
        return out.getvalue()

    lines = [delimiter.join(map(cell, row)) for row in [names, *rows]]
    return "".join(line + line_end for line in lines).encode()


@settings(deadline=None, max_examples=50)
@given(
    tables=st.lists(csv_tables(), min_size=1, max_size=3),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_tables_of_texts_are_read_alike(
    tables: list[tuple[list[str], list[list[str | None]]]], delimiter: str, line_end: str
) -> None:
    contents = [written_by_python(*table, delimiter, line_end) for table in tables]
    options = FormatOptions(delimiter=delimiter)
    with tempfile.TemporaryDirectory() as folder, sql.cursor() as connection:
        found = read(CSV, connection, Path(folder), *contents, options=options)
    expected = [
        tuple(dict(zip(names, row, strict=True)).get(name) for name in found.names)
        for names, rows in tables
        for row in rows
    ]
    assert found.rows == expected
    assert set(found.names) == {name for names, _ in tables for name in names}


NUMBERS = st.one_of(
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)


@st.composite
def json_texts(draw: st.DrawFn, depth: int = 2) -> str:
    """Any JSON value as text: spaces, escapes and spellings of numbers as they come."""
    kind = draw(st.integers(0, 5 if depth else 3))
    space = draw(st.sampled_from(["", " ", "\t"]))
    if kind == 0:
        return json.dumps(draw(TEXT), ensure_ascii=draw(st.booleans()))
    if kind == 1:
        return draw(NUMBERS)
    if kind == 2:
        return draw(st.sampled_from(["true", "false"]))
    if kind == 3:
        return "null"
    parts = draw(st.lists(json_texts(depth - 1), max_size=3))
    if kind == 4:
        return "[" + f"{space},".join(parts) + "]"
    keys = draw(st.lists(TEXT, min_size=len(parts), max_size=len(parts), unique=True))
    members = zip(keys, parts, strict=True)
    return "{" + ",".join(f"{json.dumps(k)}{space}:{space}{v}" for k, v in members) + "}"


@st.composite
def json_items(draw: st.DrawFn) -> str:
    keys = draw(
        st.lists(st.sampled_from(["a", "A", "", "#", "x/y", "é"]) | TEXT, unique=True, max_size=4)
    )
    members = [f"{json.dumps(key)}: {draw(json_texts())}" for key in keys]
    return "{" + ", ".join(members) + "}"


@settings(deadline=None, max_examples=30)
@given(objects=st.lists(st.lists(json_items(), max_size=5), min_size=1, max_size=3))
def test_any_objects_are_read_alike(objects: list[list[str]]) -> None:
    contents = ["\n".join(items).encode() for items in objects]
    with tempfile.TemporaryDirectory() as folder, sql.cursor() as connection:
        found = read(JSON, connection, Path(folder), *contents)
    items = list(itertools.chain(*objects))
    assert [row[-1] for row in found.rows] == items
    # a third reading: texts and booleans as they are, anything else as JSON of the same value
    exact = {"parse_float": str, "parse_int": str}
    for row, item in zip(found.rows, items, strict=True):
        given = json.loads(item)
        spelled = json.loads(item, **exact)
        for field, value in zip(found.fields.fields[:-1], row[:-1], strict=True):
            expected = given.get(field.name)
            if expected is None:
                assert value is None
            elif field.kind in ("string", "boolean"):
                assert value == expected
            elif field.kind == "number":
                assert value == spelled[field.name]
            else:
                assert json.loads(value, **exact) == spelled[field.name]


# --- peek -----------------------------------------------------------------------------------------


def stats(column: str, kind: str, first: str, last: str, null_share: float) -> DateStats:
    return DateStats(
        column=column, type=kind, first_day=first, last_day=last, null_share=null_share
    )


CSV_DAYS = (
    b"id,day,at,zoned,no,empty,bad\n"
    b'1,2026-11-01,"2026-10-31 12:00:00",2026-10-31T00:00:00.5+02:00,2026-11-01,,2026-02-30\n'
    b"2,,2026-11-02 00:00:00,2026-11-03 00:00:00+00,soon,,2026-02-01\n"
)
CSV_EXPECTED = (
    stats("at", "text", "2026-10-31", "2026-11-02", 0.0),
    stats("day", "text", "2026-11-01", "2026-11-01", 0.5),
    stats("zoned", "text", "2026-10-31", "2026-11-03", 0.0),
)
JSON_DAYS = (
    b'{"id": 1, "day": "2026-11-01", "s": 1793491200, "ms": 1793491200123, "x": "2026-11-01"}\n'
    b'{"id": 2, "day": null, "s": 1793577600.5, "us": 1793491200123456, "x": 5}\n'
)
JSON_EXPECTED = (
    stats("day", "text", "2026-11-01", "2026-11-01", 0.5),
    stats("ms", "epoch", "2026-11-01", "2026-11-01", 0.5),
    stats("s", "epoch", "2026-11-01", "2026-11-02", 0.0),
    stats("us", "epoch", "2026-11-01", "2026-11-01", 0.5),
)


@pytest.mark.parametrize(
    ("kind", "content", "cut", "expected"),
    [
        (CSV, CSV_DAYS, b"3,not a da", CSV_EXPECTED),
        (JSON, JSON_DAYS, b'{"id": "not', JSON_EXPECTED),
    ],
    ids=["csv", "json_lines"],
)
def test_the_beginning_of_an_object_tells_which_columns_hold_days(
    kind: Format, content: bytes, cut: bytes, expected: tuple[DateStats, ...]
) -> None:
    assert kind.peek(content, PLAIN) == expected
    assert kind.peek(b"\xef\xbb\xbf" + content + cut, PLAIN) == expected
    packed = gzip.compress(content + cut * 5000)
    assert kind.peek(packed, PLAIN) == expected if cut.endswith(b"\n") else True
    assert kind.peek(packed[:-9], PLAIN) == expected


@settings(deadline=None)
@given(head=st.binary(max_size=60), length=st.integers(0, 200))
def test_peeking_never_raises_for_content(head: bytes, length: int) -> None:
    for kind, content in ((CSV, CSV_DAYS), (JSON, JSON_DAYS)):
        for given_ in (head, content[:length] + head, gzip.compress(content)[:length] + head):
            assert isinstance(kind.peek(given_, PLAIN), tuple)
