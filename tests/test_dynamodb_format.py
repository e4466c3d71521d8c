"""DynamoDB's items become columns, and two engines that share no code read the same values."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compactor import probe, sql, staged_rows, types
from compactor.errors import ConfigError
from compactor.formats import FORMATS, dynamodb_arrow
from compactor.formats.interface import Fields, FormatOptions, Malformed, Survey, add_survey
from compactor.model import SourceColumn
from compactor.types import Rule

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


def stripped(path: Path) -> list[bytes]:
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    return [line.strip(b" \t\r") for line in lines if line.strip(b" \t\r")]


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
        fast = dynamodb_arrow.reader(self.fields)
        lines = [line for path in paths for line in stripped(path)]
        self.by_arrow = fast(lines) if fast and lines else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dynamodb_arrow, "reader", lambda fields: None)
            slow = [batch for path in paths for batch in one.decode(path, self.fields, options)]
            assert pa.concat_tables(slow).equals(self.decoded)
        self.rows = sum(one.rows(path, options) for path in paths)

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


# --- columns --------------------------------------------------------------------------------------


def test_absent_and_null_are_told_apart(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"Item":{"id":{"S":"1"},"b":{"NULL":true},"a":{"NULL":true}}}',
        '{"Item":{"id":{"S":"2"}}}',
        '{"Item":{"id":{"S":"3"},"a":{"S":"NULL"}}}',
        r'{"Item":{"id":{"S":"4"},"a":{"NU\u004cL":true}}}',
    )
    assert found.column("a") == [None, None, "NULL", None]
    assert found.column("null_attributes") == [["a", "b"], [], [], ["a"]]


def test_an_attribute_that_is_only_null_does_not_decide_a_type(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"Item":{"a":{"NULL":true},"b":{"NULL":true}}}',
        '{"Item":{"a":{"BOOL":true}}}',
    )
    assert found.types["a"] == "BOOLEAN"
    assert found.column("a") == [None, True]
    assert found.column("b") == [None, None]
    assert found.fields.mixed == {}


def test_items_that_disagree_keep_their_typed_values_and_are_named(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"Item":{"a":{"S":"1"}}}',
        '{"Item":{"a":{"N":"1"}}}',
        '{"Item":{"a":{"NULL":true}}}',
        '{"Item":{"a":{"M":{"x":{"L":[]}}}}}',
        '{"Item":{"b":{"S":"1"}}}',
    )
    assert found.column("a") == ['{"S":"1"}', '{"N":"1"}', None, '{"M":{"x":{"L":[]}}}', None]
    assert found.fields.mixed == {"a": ("M", "N", "NULL", "S")}


def test_lists_are_refined_only_where_all_elements_agree(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"Item":{"numbers":{"L":[{"N":"1"},{"N":"2.0"}]},"some":{"L":[{"S":"x"}]},'
        '"empty":{"L":[]},"deep":{"L":[{"L":[{"S":"x"}]}]}}}',
        '{"Item":{"numbers":{"L":[]},"some":{"L":[{"N":"1"}]},"empty":{"L":[]},'
        '"deep":{"M":{"numbers":{"L":[{"S":"not this one"}]}}}}}',
    )
    assert found.column("numbers") == [["1", "2.0"], []]
    assert found.column("some") == [['{"S":"x"}'], ['{"N":"1"}']]
    assert found.column("empty") == [[], []]
    assert found.column("deep") == [
        '{"L":[{"L":[{"S":"x"}]}]}',
        '{"M":{"numbers":{"L":[{"S":"not this one"}]}}}',
    ]
    assert found.survey["numbers"] == {"L:": 1, "L:N": 1}


def test_the_most_frequent_attributes_become_columns_and_the_others_are_named(
    tmp_path: Path,
) -> None:
    lines = [
        '{"Item":{"rare":{"S":"r"},"id":{"S":"1"},"often":{"NULL":true},"also":{"N":"1"}}}',
        '{"Item":{"id":{"S":"2"},"often":{"S":"o"},"also":{"N":"2"}}}',
        '{"Item":{"id":{"S":"3"},"rarer":{"NULL":true}}}',
    ]
    found = read(tmp_path, *lines, max_columns=2)
    assert found.fields.names == ["also", "id", "null_attributes", "item"]
    assert found.fields.left_out == ("often", "rare", "rarer")
    assert found.column("null_attributes") == [["often"], [], ["rarer"]]
    assert found.column("item") == lines


def test_attributes_are_never_lost_silently(tmp_path: Path) -> None:
    lines = ['{"Item":{"a":{"S":"1"},"b":{"S":"1"}}}']
    with pytest.raises(ConfigError, match=r"limit is 1.*lost: 'b'.*\n.*raise max_columns"):
        read(tmp_path, *lines, max_columns=1, item_column="")
    assert read(tmp_path, *lines, item_column="").fields.names == ["a", "b", "null_attributes"]


def test_a_name_with_a_zero_byte_is_left_to_the_item(tmp_path: Path) -> None:
    line = r'{"Item":{"a\u0000b":{"S":"x\u0000y"},"c":{"S":"x\u0000y"}}}'
    found = read(tmp_path, line)
    assert found.fields.left_out == ("a\0b",)
    assert found.column("c") == ["x\0y"]
    assert found.column("item") == [line]


def test_our_columns_give_way_to_attributes_of_the_same_name(tmp_path: Path) -> None:
    line = '{"Item":{"Item":{"S":"1"},"item_1":{"S":"2"},"null_attributes":{"NULL":true}}}'
    found = read(tmp_path, line)
    assert found.table() == {
        "Item": ["1"],
        "item_1": ["2"],
        "null_attributes": [None],
        "null_attributes_1": [["null_attributes"]],
        "item_2": [line],
    }


def test_the_same_survey_gives_the_same_columns_whatever_its_order() -> None:
    survey = {"b": {"S": 1}, "a": {"N": 2, "S": 1}, "c": {"BOOL": 1}}
    for one in (ITEMS, CHANGES):
        chosen = one.fields(survey, FormatOptions(max_columns=2))
        again = dict(sorted(survey.items(), key=lambda item: item[0], reverse=True))
        assert one.fields(again, FormatOptions(max_columns=2)) == chosen
        assert chosen.left_out == ("c",)


def test_surveys_of_chunks_add_up_to_the_survey_of_all(tmp_path: Path) -> None:
    first = write(tmp_path / "1.json.gz", [ALL_TYPES, '{"Item":{"id":{"N":"1"}}}'])
    second = write(tmp_path / "2.json.gz", [ALL_TYPES, '{"Item":{"zz":{"S":"1"}}}'])
    connection, options = sql.connect(), FormatOptions()
    total: Survey = {}
    for path in (first, second):
        add_survey(total, ITEMS.survey(connection, [str(path)], options))
    assert total == ITEMS.survey(connection, [str(first), str(second)], options)


def test_empty_objects_have_no_rows_and_disturb_nobody(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.json.gz", [])
    assert len(empty.read_bytes()) == 20
    full = write(tmp_path / "full.json.gz", [ALL_TYPES])
    found = Read("dynamodb_json", [empty, full], FormatOptions())
    assert found.column("id") == ["K3TXQk84Si"]
    assert found.files == [(str(full),)]
    alone = Read("dynamodb_json", [empty], FormatOptions())
    assert alone.rows == 0
    assert alone.fields.names == ["null_attributes", "item"]
    assert alone.column("item") == []


def test_spaces_and_empty_lines_are_no_part_of_an_item(tmp_path: Path) -> None:
    found = read(tmp_path, "", ' {"Item": {"a" : {"M": {"x" : {"S":"1"} } } } }\t', "  \r", "")
    assert found.column("a") == ['{"x":{"S":"1"}}']
    assert found.column("item") == ['{"Item": {"a" : {"M": {"x" : {"S":"1"} } } } }']


# --- numbers --------------------------------------------------------------------------------------


def restored(tmp_path: Path, numbers: Sequence[str]) -> tuple[Rule, list[Any]]:
    """Return the rule that the values of a number decide, and what it makes of them."""
    path = write(
        tmp_path / "object.json.gz",
        [f'{{"Item":{{"n":{{"N":"{number}"}}}}}}' for number in numbers],
    )
    connection, options, files = sql.connect(), FormatOptions(item_column=""), [str(path)]
    fields = ITEMS.fields(ITEMS.survey(connection, files, options), options)
    ITEMS.open_source(connection, fields, options)
    (field, _), (column, _) = fields.fields, probe.file_columns(connection, files, fields.names)
    described = [SourceColumn(name=field.name, source_type=field.source_type)]
    rules, _ = types.rules([column], described)
    (rule,) = probe.tune(rules, probe.probe(connection, files, rules))
    found = rows_of(connection, rule, files)
    if lossy := sum(row[-1] is not None for row in found):
        # as the line does with values that fail only while they are loaded
        rule = rule.keep_text(lossy, [])
        found = rows_of(connection, rule, files)
    return rule, [row[0] for row in found]


def rows_of(
    connection: duckdb.DuckDBPyConnection, rule: Rule, files: Sequence[str]
) -> list[tuple[Any, ...]]:
    select = staged_rows.hashed_rows([rule])
    return connection.execute(select.sql(dialect="duckdb"), {"files": files}).fetchall()


@pytest.mark.parametrize(
    ("numbers", "target"),
    [
        (["1", "-20"], "DECIMAL(38,0)"),
        (["1.50", "2"], "DECIMAL(38,2)"),
        (["12345678901234567890123456789012345678"], "DECIMAL(38,0)"),
        (["-0.1234567890123456789012345678901234567"], "DECIMAL(38,37)"),
        (["1234567890123456789.0123456789012345678"], "DECIMAL(38,19)"),
    ],
)
def test_numbers_become_decimals_where_one_type_holds_them_all(
    tmp_path: Path, numbers: list[str], target: str
) -> None:
    rule, values = restored(tmp_path, numbers)
    assert (rule.target, rule.kept_text) == (target, False)
    assert values == [Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    "numbers",
    [
        ["1E+2", "3"],
        ["-0"],
        ["0." + "0" * 129 + "1"],
        ["1E-130"],
        ["9" * 38 + "0" * 88],
        ["12345678901234567890123456789012345678", "0.5"],
        ["9.9999999999999999999999999999999999999E+125"],
    ],
)
def test_numbers_that_no_one_decimal_holds_keep_their_text(
    tmp_path: Path, numbers: list[str]
) -> None:
    rule, values = restored(tmp_path, numbers)
    assert (rule.target, rule.kept_text) == ("VARCHAR", True)
    assert values == numbers


# --- changes --------------------------------------------------------------------------------------

_TIME = '"Metadata":{"WriteTimestampMicros":{"N":"1768387654353205"}}'
_KEYS = '"Keys":{"pk":{"S":"2"},"sk":{"N":"3"}}'
_OLD = '"OldImage":{"sk":{"N":"3"},"pk":{"S":"2"},"test":{"S":"t\\u00e9st"}}'
_NEW = '"NewImage":{"pk":{"S":"2"},"sk":{"N":"3"},"test":{"NULL":true},"a":{"S":"x"}}'


def changes(tmp_path: Path, view: str, *members: Sequence[str]) -> Read:
    lines = [f"{{{','.join([_TIME, _KEYS, *more])}}}" for more in members]
    return read(tmp_path, *lines, format_name="dynamodb_json_changes", view=view)


def test_changes_have_event_keys_both_images_and_time(tmp_path: Path) -> None:
    found = changes(tmp_path, "NEW_AND_OLD_IMAGES", [_NEW], [_OLD, _NEW], [_OLD])
    old = '{"sk":{"N":"3"},"pk":{"S":"2"},"test":{"S":"tést"}}'
    moment = datetime(2026, 1, 14, 10, 47, 34, 353205)  # noqa: DTZ001
    assert found.table() == {
        "write_time": [moment] * 3,
        "event": ["insert", "update", "delete"],
        "pk": ["2"] * 3,
        "sk": ["3"] * 3,
        "a": ["x", "x", None],
        "test": [None] * 3,
        "old_image": [None, old, old],
        "null_attributes": [["test"], ["test"], None],
        "item": found.column("item"),
    }
    assert found.types["write_time"] == "TIMESTAMP"
    assert found.column("item")[2] == f"{{{_TIME},{_KEYS},{_OLD}}}"


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("NEW_IMAGE", ["put", "delete"]),
        ("NEW_AND_OLD_IMAGES", ["insert", "delete"]),
        ("", ["put", "delete"]),
    ],
)
def test_an_insert_is_called_so_only_where_updates_would_look_otherwise(
    tmp_path: Path, view: str, expected: list[str]
) -> None:
    found = changes(tmp_path, view, [_NEW], [])
    assert found.column("event") == expected
    assert found.column("pk") == ["2", "2"]


def test_our_columns_of_changes_give_way_too_and_keys_come_first(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f'{{{_TIME},"Keys":{{"z":{{"S":"1"}}}},"NewImage":{{"z":{{"S":"1"}},"Event":{{"S":"e"}}}}}}',
        format_name="dynamodb_json_changes",
    )
    assert found.fields.names == [
        *("write_time", "event_1", "z", "Event", "old_image", "null_attributes", "item"),
    ]
    assert found.column("Event") == ["e"]
    assert found.column("event_1") == ["put"]


def test_keys_are_columns_whatever_the_limit(tmp_path: Path) -> None:
    line = f'{{{_TIME},"Keys":{{"z":{{"S":"1"}}}}}}'
    more = f'{{{_TIME},"Keys":{{"z":{{"S":"1"}}}},"NewImage":{{"z":{{"S":"1"}},"a":{{"S":"e"}}}}}}'
    found = read(tmp_path, line, more, format_name="dynamodb_json_changes", max_columns=1)
    assert found.column("z") == ["1", "1"]
    assert found.fields.left_out == ("a",)


# --- objects that are not as they should be -------------------------------------------------------


def decode_all(path: Path, fields: Fields | None = None) -> int:
    given = fields or ITEMS.fields({"a": {"S": 1}}, FormatOptions())
    return sum(batch.num_rows for batch in ITEMS.decode(path, given, FormatOptions()))


def many(tmp_path: Path) -> Path:
    return write(
        tmp_path / "many.json.gz",
        [f'{{"Item":{{"a":{{"S":"{no * 7919}"}}}}}}' for no in range(5000)],
    )


def test_a_cut_object_is_refused(tmp_path: Path) -> None:
    path = many(tmp_path)
    assert decode_all(path) == ITEMS.rows(path, FormatOptions()) == 5000
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 9, len(whole) // 2, 12):
        path.write_bytes(whole[:length])
        for look in (lambda path: ITEMS.rows(path, FormatOptions()), decode_all):
            with pytest.raises(Malformed, match="gzip"):
                look(path)


def test_every_flipped_bit_of_the_data_is_seen(tmp_path: Path) -> None:
    path = many(tmp_path)
    whole = path.read_bytes()
    for place in range(12, len(whole) - 4, len(whole) // 40):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        path.write_bytes(bytes(broken))
        for look in (lambda path: ITEMS.rows(path, FormatOptions()), decode_all):
            with pytest.raises(Malformed):
                look(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"Item":{"a":{"S":"x"}}', "delimiter"),
        (b'{"Item":{"a":{"S":"x\xff"}}}', "utf-8"),
        (b'{"Item":{"a":{"S":"\\ud800"}}}', "surrogates"),
        (b'{"Item":{"a":{"S":"x"}}} {}', "Extra data"),
        (b'{"Item":{"a":{"S":5}}}', "found 5"),
        (b'{"Item":{"a":{"S":true}}}', "expected a string, found true"),
        (b'{"Item":{"a":{"N":"5"}}}', "expected S, found"),
        (b'{"Item":{"a":{"S":"x","N":"5"}}}', "expected S, found"),
        (b'{"Item":{"a":"x"}}', "expected S, found"),
        (b'{"Item":[]}', "expected"),
        (b'{"Keys":{}}', "expected"),
        (b'["Item"]', "expected"),
        (b'{"Item":{"a":' + b'{"L":[' * 100_000, "recursion"),
    ],
)
def test_a_line_that_is_no_item_is_named_by_its_number(
    tmp_path: Path, line: bytes, says: str
) -> None:
    good = b'{"Item":{"a":{"S":"x"}}}'
    path = write(tmp_path / "bad.json.gz", [good, b"", good, line, good])
    with pytest.raises(Malformed, match=rf"^line 4: (?s:.*){says}"):
        decode_all(path)


def test_a_line_number_counts_over_batches(tmp_path: Path) -> None:
    long = '{"Item":{"a":{"S":"%s"}}}' % ("x" * 3_000_000)
    path = write(tmp_path / "bad.json.gz", [*[long] * 7, "{", long])
    with pytest.raises(Malformed, match=r"^line 8: "):
        decode_all(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"Item":{"a":{"S":"1"},"a":{"S":"2"}}}', "twice"),
        ('{"Item":{"a":{"X":"1"}}}', "attribute 'a' has 'X'"),
        ('{"Item":{"a":{"S":"1","N":"2"}}}', "attribute 'a' has 'S,N'"),
        ('{"Item":{"a":{}}}', "attribute 'a' has no type|attribute 'a' has 'no type'"),
        ('{"Item":{"a":5}}', "attribute 'a' has"),
        ('{"Keys":{"a":{"S":"1"}}}', "no 'Item'"),
    ],
)
def test_a_survey_refuses_what_no_export_holds(tmp_path: Path, line: str, says: str) -> None:
    path = write(tmp_path / "bad.json.gz", [ALL_TYPES, line])
    with pytest.raises(Malformed, match=says):
        ITEMS.survey(sql.connect(), [str(path)], FormatOptions())


def test_a_survey_names_the_line_that_is_no_json(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json.gz", [ALL_TYPES, ALL_TYPES, '{"Item":{"a":{"S":"'])
    with pytest.raises(duckdb.Error, match=r"in line [34]"):
        ITEMS.survey(sql.connect(), [str(path)], FormatOptions())


def test_items_of_many_megabytes_are_read_by_both(tmp_path: Path) -> None:
    value = '{"NULL":true},' * 400_000 + '{"S":"' + "é" * 4_000_000 + '"}'
    found = read(tmp_path, ALL_TYPES, f'{{"Item":{{"big":{{"L":[{value}]}}}}}}', ALL_TYPES)
    assert found.rows == 3
    assert len(found.column("big")[1]) == 400_001
    assert found.column("id") == ["K3TXQk84Si", None, "K3TXQk84Si"]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "long.json.gz", [ALL_TYPES, '{"Item":{"a":{"S":"' + "x" * 40_000_000])
    for look in (lambda path: ITEMS.rows(path, FormatOptions()), decode_all):
        with pytest.raises(Malformed, match=r"^line 2: expected at most 16777216 bytes"):
            look(path)
    with pytest.raises(duckdb.Error, match="maximum_object_size"):
        ITEMS.survey(sql.connect(), [str(path)], FormatOptions())


# --- both engines, whatever comes -----------------------------------------------------------------

_HOSTILE = [
    *('a"b', "a/b", "a~b", "a~1b", "$", "$.a", "*", "#", "Name", "name", "é", "e\u0301", "'", "''"),
    *("\\", "\\u0041", "{", "[0]", "0", "-1", "item", "null_attributes", " ", "S", "Item", ";--"),
    *("f0", "compactor source file", "\x1f", "\x7f", "\u2028", "😀", "NULL", "%s", "a\nb", "?1"),
]
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_NAMES = st.sampled_from(_HOSTILE) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6
)
_NUMBER = st.decimals(-(10**30), 10**30, allow_nan=False, allow_infinity=False).map(str)
_BASE64 = st.binary(max_size=9).map(lambda value: base64.b64encode(value).decode())
_SCALAR = st.one_of(
    st.fixed_dictionaries({"S": _TEXT}),
    st.fixed_dictionaries({"N": _NUMBER}),
    st.fixed_dictionaries({"B": _BASE64}),
    st.fixed_dictionaries({"BOOL": st.booleans()}),
    st.just({"NULL": True}),
    st.fixed_dictionaries({"SS": st.lists(_TEXT, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"NS": st.lists(_NUMBER, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"BS": st.lists(_BASE64, min_size=1, max_size=3, unique=True)}),
    st.fixed_dictionaries({"L": st.lists(st.fixed_dictionaries({"S": _TEXT}), max_size=3)}),
    st.fixed_dictionaries({"L": st.lists(st.fixed_dictionaries({"N": _NUMBER}), max_size=3)}),
)
_TYPED = st.recursive(
    _SCALAR,
    lambda inner: (
        st.fixed_dictionaries({"L": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries({"M": st.dictionaries(_NAMES, inner, max_size=3)})
    ),
    max_leaves=6,
)
_ITEM = st.dictionaries(_NAMES, _TYPED, max_size=6)
_SPELLING = st.sampled_from([(",", ":"), (", ", " : ")])


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(_ITEM, min_size=1, max_size=6),
    ascii_only=st.booleans(),
    spelling=_SPELLING,
    most=st.sampled_from([2, 500]),
)
def test_both_engines_read_equal_values_from_any_items(
    tmp_path_factory: pytest.TempPathFactory,
    items: list[dict[str, Any]],
    ascii_only: bool,
    spelling: tuple[str, str],
    most: int,
) -> None:
    lines = [
        json.dumps({"Item": item}, ensure_ascii=ascii_only, separators=spelling) for item in items
    ]
    found = read(tmp_path_factory.mktemp("any"), *lines, max_columns=most)
    table = found.table()
    assert len(table) == len(found.fields.names)
    own = found.fields.names[-2:]
    assert table[own[0]] == [
        sorted(name for name, typed in item.items() if typed == {"NULL": True}) for item in items
    ]
    assert table[own[1]] == lines
    for field in found.fields.fields[:-2]:
        for item, value in zip(items, table[field.name], strict=True):
            assert value == expected(item.get(field.name), field.kind)


def expected(typed: dict[str, Any] | None, kind: str) -> Any:
    """Return what a column must hold, worked out from the item alone."""
    if typed is None or "NULL" in typed:
        return None
    if kind == "mixed":
        return compact(typed)
    (value,) = typed.values()
    match kind:
        case "B":
            return base64.b64decode(value)
        case "BS":
            return [base64.b64decode(one) for one in value]
        case "L:S" | "L:N":
            return [one[kind[2:]] for one in value]
        case "L" | "L:":
            return [compact(one) for one in value]
        case "M":
            return compact(value)
        case _:
            return value


def compact(value: Any) -> str:
    """Return JSON text; what must be escaped is spelled here one by one."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(k)}:{compact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return (
        '"' + "".join(_SHORT.get(c) or (f"\\u{ord(c):04X}" if c < " " else c) for c in value) + '"'
    )


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def test_arrow_reads_what_it_is_meant_to_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"Item":{"s":{"S":"x\\u0000\\ud83d\\ude00"},"n":{"N":"1.50"},"b":{"B":"aGVsbG8="},'
        '"flag":{"BOOL":true},"set":{"SS":["a","b"]},"bytes":{"BS":["aA==","aQ=="]},'
        '"list":{"L":[{"N":"1"}]},"none":{"NULL":true}}}',
        '{"Item":{"s":{"NULL":true},"list":{"L":[]},"rare":{"NULL":true},"set":{"NULL":true}}}',
        '{"Item":{"list":{"NULL":true},"n":{"N":"2"},"bytes":{"NULL":true}}}',
        max_columns=8,
    )
    assert found.by_arrow is not None
    assert found.by_arrow.equals(found.decoded)
    assert found.fields.left_out == ("rare",)
    assert found.column("null_attributes") == [
        ["none"],
        ["rare", "s", "set"],
        ["bytes", "list"],
    ]
    assert found.column("bytes") == [[b"h", b"i"], None, None]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"Item":{"a":{"M":{"x":{"S":"1"}}}}}', "1"),
        ('{"Item":{"z":{"M":{"a":{"M":{"x":{"S":"no"}}}}},"a":{"M":{"x":{"S":"1"}}}}}', "1"),
        ('{"Item":{"a":{"M":{"x":{"S":"1"}}},"z":{"M":{"a":{"M":{"x":{"S":"no"}}}}}}}', "1"),
        ('{"Item":{"z":{"M":{"a":{"M":{"x":{"S":"no"}}}}},"\\u0061":{"M":{"x":{"S":"1"}}}}}', "1"),
        ('{"Item":{"z":{"M":{"a":{"M":{"x":{"S":"no"}}}}},"a" :{"M":{"x":{"S":"1"}}}}}', "1"),
        (r'{"Item":{"s":{"S":"\"a\":{\"M\":{"},"a":{"M":{"x":{"S":"1"}}}}}', "1"),
        (r'{"Item":{"s":{"S":"}}}{{\\"},"a":{"M":{"x":{"S":"1"}}}}}', "1"),
        (r'{"Item":{"q\"a":{"M":{"x":{"S":"no"}}},"a":{"M":{"x":{"S":"1"}}}}}', "1"),
        (r'{"Item":{"q\"a":{"M":{"x":{"S":"no"}}},"a": {"M": {"x": {"S": "1"}}}}}', "1"),
        (r'{"Item":{"q\\":{"S":"\\"},"a":{"M":{"x":{"S":"1"}}}}}', "1"),
        ('{"Item":{"q\\"a":{"M":{"x":{"S":"no"}}}}}', None),
        ('{"Item":{"z":{"M":{"a":{"M":{"x":{"S":"no"}}}}}}}', None),
        ('{"Item":{"z":{"M":{"a":{"M":{"x":{"S":"no"}}}}},"a":{"NULL":true}}}', None),
    ],
)
def test_the_text_of_a_map_is_that_of_the_attribute_and_of_nothing_like_it(
    tmp_path: Path, line: str, expected: str | None
) -> None:
    found = read(tmp_path, line, '{"Item":{"a":{"M":{"x":{"S":"1"}}}}}')
    assert found.by_arrow is not None
    assert found.by_arrow.equals(found.decoded)
    text = None if expected is None else f'{{"x":{{"S":"{expected}"}}}}'
    assert found.column("a") == [text, '{"x":{"S":"1"}}']


@pytest.mark.parametrize(
    "line",
    [
        '{"Item":{"a":{"S":"1","N":"2"}}}',
        '{"Item":{"a":{"X":"1"}}}',
        '{"Item":{"a":{"S":null}}}',
        '{"Item":{"a":{"S":5}}}',
        '{"Item":{"a":{"NULL":false}}}',
        '{"Item":{"a":{"S":"x","NULL":true}}}',
        '{"Item":{"l":{"L":[{"N":"1"},{"S":"1"}]}}}',
        '{"Item":{"l":{"L":[null]}}}',
        '{"Item":{"b":{"B":"x"}}}',
        '{"Item":null}',
        '{"Keys":{}}',
        '{"Item":{}} {"Item":{}}',
        '{"Item":{"a":{"S":"\\ud800"}}}',
    ],
)
def test_what_arrow_would_pass_over_is_refused(tmp_path: Path, line: str) -> None:
    survey = {"a": {"S": 1}, "l": {"L:N": 1}, "b": {"B": 1}}
    fields = ITEMS.fields(survey, FormatOptions())
    good = '{"Item":{"a":{"S":"1"},"l":{"L":[{"N":"1"}]}}}'
    path = write(tmp_path / "bad.json.gz", [good, line])
    assert dynamodb_arrow.reader(fields) is not None
    with pytest.raises(Malformed, match=r"^line 2: "):
        decode_all(path, fields)


def test_batches_are_bounded_in_rows_and_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "many.json.gz", ['{"Item":{"a":{"S":"x"}}}'] * 40_000)
    fields = ITEMS.fields({"a": {"S": 1}}, FormatOptions())
    sizes = [batch.num_rows for batch in ITEMS.decode(path, fields, FormatOptions())]
    assert sum(sizes) == 40_000
    assert max(sizes) <= 16_384
    path = write(tmp_path / "wide.json.gz", ['{"Item":{"a":{"S":"%s"}}}' % ("x" * 100_000)] * 300)
    sizes = [batch.num_rows for batch in ITEMS.decode(path, fields, FormatOptions())]
    assert sum(sizes) == 300
    assert max(sizes) <= 100


# --- Ion ------------------------------------------------------------------------------------------

_ION = (
    '$ion_1_0 {Item:{Authors:$dynamodb_SS::["Author1","Author2"],Dimensions:"8.5 x 11.0 x 1.5",'
    "Id:103.,InPublication:false,PageCount:6d2,Price:1.50,none:null,'a b':{{aGVsbG8=}},"
    'ns:$dynamodb_NS::[1.,2d0],bs:$dynamodb_BS::[{{aGVsbG8=}}],l:[1.,"x",null],'
    "m:{\"a/b\":{'q':-0.5}}}}"
)


def from_ion(tmp_path: Path, *lines: str, changes: bool = False) -> Read:
    name = "dynamodb_ion_changes" if changes else "dynamodb_ion"
    source, target = write(tmp_path / "object.ion.gz", lines), tmp_path / "object.json.gz"
    assert not FORMATS[name].ready
    FORMATS[name].convert(source, target, FormatOptions())
    assert FORMATS[name].rows(source, FormatOptions()) == FORMATS[name].rows(
        target, FormatOptions()
    )
    return Read(name, [target], FormatOptions())


def test_an_item_in_ion_has_the_columns_of_one_in_json(tmp_path: Path) -> None:
    found = from_ion(tmp_path, _ION, "", " $ion_1_0 {Item:{Id:1.,m:{x:[{}]}}} ")
    assert found.table() == {
        "Authors": [["Author1", "Author2"], None],
        "Dimensions": ["8.5 x 11.0 x 1.5", None],
        "Id": ["103", "1"],
        "InPublication": [False, None],
        "PageCount": ["600", None],
        "Price": ["1.5", None],
        "a b": [b"hello", None],
        "bs": [[b"hello"], None],
        "l": [['{"N":"1"}', '{"S":"x"}', '{"NULL":true}'], None],
        "m": ['{"a/b":{"M":{"q":{"N":"-0.5"}}}}', '{"x":{"L":[{"M":{}}]}}'],
        "none": [None, None],
        "ns": [["1", "2"], None],
        "null_attributes": [["none"], []],
        "item": [_ION, "$ion_1_0 {Item:{Id:1.,m:{x:[{}]}}}"],
    }


@pytest.mark.parametrize("wrap", ["{%s}", "{Record:{%s}}"])
def test_changes_in_ion_have_the_columns_of_those_in_json(tmp_path: Path, wrap: str) -> None:
    members = 'Metadata:{WriteTimestampMicros:1768387654353205.},Keys:{pk:"2"}'
    lines = [
        "$ion_1_0 " + wrap % members,
        "$ion_1_0 " + wrap % (members + ',OldImage:{pk:"2",a:1.},NewImage:{pk:"2",a:2.}'),
    ]
    found = from_ion(tmp_path, *lines, changes=True)
    assert found.column("event") == ["delete", "update"]
    assert found.column("pk") == ["2", "2"]
    assert found.column("a") == [None, "2"]
    assert found.column("old_image") == [None, '{"pk":{"S":"2"},"a":{"N":"1"}}']
    assert found.column("item") == lines
    assert found.column("write_time")[0] == datetime(2026, 1, 14, 10, 47, 34, 353205)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("ion", "number"),
    [
        ("103.", "103"),
        ("6d2", "600"),
        ("1.50", "1.5"),
        ("-0.", "0"),
        ("0d5", "0"),
        ("-25d-3", "-0.025"),
        ("12345678901234567890123456789012345678.", "12345678901234567890123456789012345678"),
        ("1.2345678901234567890123456789012345678", "1.2345678901234567890123456789012345678"),
        ("99999999999999999999999999999999999999d88", "9" * 38 + "0" * 88),
        ("1d-130", "0." + "0" * 129 + "1"),
    ],
)
def test_numbers_from_ion_keep_every_digit(tmp_path: Path, ion: str, number: str) -> None:
    assert from_ion(tmp_path, f"$ion_1_0 {{Item:{{n:{ion}}}}}").column("n") == [number]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "1e0",
            "nan",
            "2020-01-01T",
            "symbol",
            '{{"clob"}}',
            "(1. 2.)",
            'x::"s"',
            "1d126",
            "1d-131",
        ),
        *(
            "$dynamodb_SS::[1.]",
            '$dynamodb_NS::["a"]',
            "$dynamodb_SS::(1.)",
            "x::[1.]",
            "null.string",
        ),
        *('"\\ud800"', '"', "{$0:1.}", "1d99999999999999999999"),
    ],
)
def test_what_no_export_holds_is_refused_and_not_guessed(tmp_path: Path, value: str) -> None:
    lines = ["$ion_1_0 {Item:{a:1.}}", f"$ion_1_0 {{Item:{{a:{value}}}}}"]
    source = write(tmp_path / "object.ion.gz", lines)
    with pytest.raises(Malformed, match=r"^line 2: "):
        FORMATS["dynamodb_ion"].convert(source, tmp_path / "object.json.gz", FormatOptions())


@pytest.mark.parametrize("line", ["$ion_1_0", "{Item:5}", "{Keys:{}}", "5", "{Item:{}} {Item:{}}"])
def test_a_line_of_ion_that_is_no_item_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    source = write(tmp_path / "object.ion.gz", ["", line])
    for name in ("dynamodb_ion", "dynamodb_ion_changes"):
        with pytest.raises(Malformed, match=r"^line 2: "):
            FORMATS[name].convert(source, tmp_path / "object.json.gz", FormatOptions())


def test_a_cut_object_of_ion_is_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "object.ion.gz", [_ION] * 50)
    source.write_bytes(source.read_bytes()[:-3])
    with pytest.raises(Malformed, match="gzip"):
        FORMATS["dynamodb_ion"].convert(source, tmp_path / "object.json.gz", FormatOptions())


@settings(max_examples=25, deadline=None)
@given(item=_ITEM)
def test_items_are_the_same_from_ion_and_from_json(
    tmp_path_factory: pytest.TempPathFactory, item: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("ion")
    found = from_ion(folder, f"$ion_1_0 {{Item:{ion_text({'M': item})}}}")
    given_json = read(folder, json.dumps({"Item": plain(item)}))
    for name in given_json.fields.names[:-1]:
        assert found.column(name) == given_json.column(name)


def ion_text(typed: dict[str, Any]) -> str:
    """Return the Ion text of a typed value, written by hand from Ion's specification."""
    ((kind, value),) = typed.items()
    match kind:
        case "S":
            return compact(value)
        case "N":
            text = f"{Decimal(value):f}"
            return text if "." in text else f"{text}."
        case "B":
            return f"{{{{{value}}}}}"
        case "BOOL":
            return str(value).lower()
        case "NULL":
            return "null"
        case "L":
            return f"[{','.join(map(ion_text, value))}]"
        case "M":
            return "{" + ",".join(f"{compact(k)}:{ion_text(v)}" for k, v in value.items()) + "}"
        case _:
            return f"$dynamodb_{kind}::[{','.join(ion_text({kind[0]: one}) for one in value)}]"


def plain(value: Any) -> Any:
    """Return typed values with their numbers as DynamoDB spells them."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, inner in value.items():
        if key == "N" and isinstance(inner, str):
            found[key] = number_text(inner)
        elif key == "NS" and isinstance(inner, list):
            found[key] = [number_text(one) for one in inner]
        else:
            found[key] = plain(inner)
    return found


def number_text(text: str) -> str:
    whole, _, fraction = f"{Decimal(text):f}".partition(".")
    fraction = fraction.rstrip("0")
    shown = f"{whole}.{fraction}" if fraction else whole
    return "0" if shown == "-0" else shown


# --- days -----------------------------------------------------------------------------------------


def test_dates_and_moments_are_seen_in_the_first_bytes() -> None:
    items = [
        {
            "iso": {"S": f"2026-01-{day:02d}T10:00:00.000Z"},
            "day": {"S": f"2026-02-{day:02d}"},
            "seconds": {"N": str(1_767_225_600 + 86_400 * day)},
            "millis": {"N": str((1_767_225_600 + 86_400 * day) * 1000)},
            "micros": {"N": str((1_767_225_600 + 86_400 * day) * 1_000_000)},
            "sometimes": {"S": "2026-01-01"} if day % 2 else {"NULL": True},
            "text": {"S": "2026-01-01" if day < 20 else "soon"},
            "no_day": {"S": "2026-02-31"},
            "count": {"N": str(day)},
            "both": {"N": "1767225600"} if day % 2 else {"S": "2026-01-01"},
            "numbers": {"N": "1767225600" if day % 2 else "1767225600000"},
        }
        for day in range(1, 29)
    ]
    lines = "".join(json.dumps({"Item": item}) + "\n" for item in items)
    head = gzip.compress(lines.encode(), mtime=0)
    found = {one.column: one for one in ITEMS.peek(head, FormatOptions())}
    assert {name: (one.type, one.first_day, one.last_day) for name, one in found.items()} == {
        "iso": ("text", "2026-01-01", "2026-01-28"),
        "day": ("text", "2026-02-01", "2026-02-28"),
        "seconds": ("epoch", "2026-01-02", "2026-01-29"),
        "millis": ("epoch", "2026-01-02", "2026-01-29"),
        "micros": ("epoch", "2026-01-02", "2026-01-29"),
        "sometimes": ("text", "2026-01-01", "2026-01-01"),
    }
    assert found["sometimes"].null_share == 0.5
    assert found["iso"].null_share == 0.0


def test_a_head_that_is_cut_anywhere_is_no_error(tmp_path: Path) -> None:
    lines = [
        f'{{"Item":{{"at":{{"S":"2026-01-{day:02d}"}},"x":{{"N":"{day**9}"}}}}}}'
        for day in range(1, 29)
    ]
    whole = write(tmp_path / "object.json.gz", lines).read_bytes()
    seen = {len(ITEMS.peek(whole[:length], FormatOptions())) for length in range(len(whole))}
    assert seen == {0, 1}
    for other in (b"", b"PAR1", gzip.compress(b"5\n[]\n{}\n"), gzip.compress(b'{"Item":5}\n')):
        assert ITEMS.peek(other, FormatOptions()) == ()
        assert CHANGES.peek(other, FormatOptions()) == ()


def test_changes_are_dated_by_their_time_alone() -> None:
    lines = f'{{{_TIME},{_KEYS},"NewImage":{{"at":{{"S":"2026-01-01"}}}}}}\n'
    (found,) = CHANGES.peek(gzip.compress(lines.encode()), FormatOptions())
    assert (found.column, found.type) == ("write_time", "timestamp")
    assert found.first_day == found.last_day == "2026-01-14"


def test_dates_are_seen_in_ion_too() -> None:
    head = gzip.compress(b'$ion_1_0 {Item:{at:"2026-01-01",n:1767225600.,x:1.}}\n$ion_1_0 {It')
    found = FORMATS["dynamodb_ion"].peek(head, FormatOptions())
    assert [(one.column, one.first_day) for one in found] == [
        ("at", "2026-01-01"),
        ("n", "2026-01-01"),
    ]
