"""A DynamoDB table as of a moment, from its full export and the changes after it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot

from compactor import sql
from compactor.model import snapshot_text
from compactor.sample_exports import CartsSize, DynamoDbExport, change, write_carts
from compactor.sample_exports.carts import KEY_NAMES

T0 = datetime(2026, 10, 6, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEYS = ("pk", "sk")
Item = dict[str, dict[str, Any]]


class Lake:
    """Compacted tables as the line leaves them, with as many columns as the query needs."""

    def __init__(self, folder: Path, *, with_zone: bool = True) -> None:
        self.folder = folder
        self.with_zone = with_zone
        self.files: dict[str, list[str]] = {"dynamodb": [], "dynamodb_changes": []}

    def full(self, moment: datetime, items: Sequence[Mapping[str, Any]]) -> None:
        lines = [json.dumps({"Item": item}, ensure_ascii=False) for item in items]
        columns = {"item": pa.array(lines, pa.string())}
        self._write("dynamodb", moment, columns)

    def window(self, until: datetime, *lines: Mapping[str, Any]) -> None:
        kind = pa.timestamp("us", "UTC" if self.with_zone else None)
        micros = [int(line["Metadata"]["WriteTimestampMicros"]["N"]) for line in lines]
        columns = {
            "write_time": pa.array(micros, pa.int64()).cast(kind),
            "event": pa.array([event(line) for line in lines], pa.string()),
            "item": pa.array([json.dumps(line) for line in lines], pa.string()),
        }
        self._write("dynamodb_changes", until, columns)

    def _write(self, database: str, moment: datetime, columns: Mapping[str, pa.Array]) -> None:
        # attributes differ from snapshot to snapshot, and may be named like our own columns
        number = len(self.files[database])
        attributes = {f"a{number}": pa.nulls(len(columns["item"]), pa.string())}
        place = f"{database}/t/snapshot={snapshot_text(moment)}/dt=2026-10-06/part-{number}.parquet"
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({**attributes, **columns}), path)
        self.files[database].append(str(path))

    def lines(self, moment: datetime, keys: Sequence[str] = KEYS) -> list[str]:
        with sql.connect() as connection:
            found = sql.rows(
                connection,
                "dynamodb/as_of",
                {
                    "full": self.files["dynamodb"],
                    "changes": self.files["dynamodb_changes"],
                    "keys": list(keys),
                    "moment": moment,
                },
            )
        return [row["item"] for row in found]

    def as_of(self, moment: datetime, keys: Sequence[str] = KEYS) -> list[Item]:
        """Return the items, sorted by their keys."""
        items = [json.loads(line)["Item"] for line in self.lines(moment, keys)]
        return sorted(items, key=lambda item: [json.dumps(item[name]) for name in keys])


def event(line: Mapping[str, Any]) -> str:
    if "NewImage" not in line:
        return "delete"
    return "update" if "OldImage" in line else "insert"


def item(pk: str, sk: int, value: str = "") -> Item:
    return {"pk": {"S": pk}, "sk": {"N": str(sk)}, "value": {"S": value}}


def put(at: datetime, new: Item, old: Item | None = None) -> dict[str, Any]:
    return change(at, {name: new[name] for name in KEYS}, old=old, new=new)


def gone(at: datetime, old: Item) -> dict[str, Any]:
    return change(at, {name: old[name] for name in KEYS}, old=old)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two windows: `a` is changed in both, `b` is deleted in the second, `c` is inserted."""
    found = Lake(tmp_path)
    found.full(T0, [item("a", 1, "0"), item("a", 2, "0"), item("b", 1, "0")])
    found.window(
        T0 + HOUR,
        put(T0 + 0.5 * HOUR, item("a", 1, "1"), item("a", 1, "0")),
        put(T0 + 0.25 * HOUR, item("c", 1, "1")),
    )
    found.window(
        T0 + 2 * HOUR,
        put(T0 + HOUR, item("a", 1, "2"), item("a", 1, "1")),
        gone(T0 + 1.5 * HOUR, item("b", 1, "0")),
    )
    return found


def test_at_the_full_exports_moment_the_table_is_the_full_export(lake: Lake) -> None:
    assert lake.as_of(T0) == [item("a", 1, "0"), item("a", 2, "0"), item("b", 1, "0")]


def test_inserts_and_updates_of_a_window_count_at_its_end(lake: Lake) -> None:
    assert lake.as_of(T0 + HOUR) == [
        *(item("a", 1, "1"), item("a", 2, "0")),
        *(item("b", 1, "0"), item("c", 1, "1")),
    ]


def test_what_is_written_at_the_moment_itself_belongs_to_the_next_window(lake: Lake) -> None:
    at_end = lake.as_of(T0 + HOUR)
    just_after = lake.as_of(T0 + HOUR + timedelta(microseconds=1))
    assert at_end[0] == item("a", 1, "1")
    assert just_after[0] == item("a", 1, "2")
    assert just_after[1:] == at_end[1:]


def test_a_deletion_takes_the_item_away(lake: Lake) -> None:
    assert lake.as_of(T0 + 2 * HOUR) == [item("a", 1, "2"), item("a", 2, "0"), item("c", 1, "1")]


def test_an_item_may_come_back_after_its_deletion(lake: Lake) -> None:
    lake.window(T0 + 3 * HOUR, put(T0 + 2.5 * HOUR, item("b", 1, "3")))
    assert item("b", 1, "3") in lake.as_of(T0 + 3 * HOUR)
    assert item("b", 1, "3") not in lake.as_of(T0 + 2 * HOUR)


def test_a_moment_in_another_zone_is_the_same_moment(lake: Lake) -> None:
    east = (T0 + HOUR).astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert lake.as_of(east) == lake.as_of(T0 + HOUR)


def test_times_without_a_zone_are_utc_whatever_the_connection_thinks(
    tmp_path: Path, lake: Lake
) -> None:
    plain = Lake(tmp_path / "plain", with_zone=False)
    plain.full(T0, [item("a", 1, "0")])
    plain.window(T0 + HOUR, put(T0 + 0.5 * HOUR, item("a", 1, "1")))
    parameters = {
        "full": plain.files["dynamodb"],
        "changes": plain.files["dynamodb_changes"],
        "keys": list(KEYS),
        "moment": T0 + 0.75 * HOUR,
    }
    for files in (plain.files, lake.files):
        parameters |= {"full": files["dynamodb"], "changes": files["dynamodb_changes"]}
        with sql.connect() as connection:
            connection.execute("SET TimeZone = 'Asia/Tokyo'")
            lines = [row["item"] for row in sql.rows(connection, "dynamodb/as_of", parameters)]
        values = {json.loads(line)["Item"]["value"]["S"] for line in lines}
        assert "1" in values


def test_the_order_of_windows_and_overlaps_do_not_matter(tmp_path: Path, lake: Lake) -> None:
    end = T0 + 2 * HOUR
    expected = lake.as_of(end)
    lake.files["dynamodb_changes"].reverse()
    assert lake.as_of(end) == expected
    lake.window(
        T0 + 1.75 * HOUR,
        gone(T0 + 1.5 * HOUR, item("b", 1, "0")),
        put(T0 + 0.5 * HOUR, item("a", 1, "1"), item("a", 1, "0")),
    )
    assert lake.as_of(end) == expected


def test_a_later_full_export_takes_over_from_its_moment_on(lake: Lake) -> None:
    before = lake.as_of(T0 + HOUR)
    lake.full(T0 + 1.75 * HOUR, [item("z", 9, "full")])
    assert lake.as_of(T0 + HOUR) == before
    assert lake.as_of(T0 + 1.75 * HOUR) == [item("z", 9, "full")]
    assert lake.as_of(T0 + 2 * HOUR) == [item("z", 9, "full")]
    lake.window(T0 + 3 * HOUR, put(T0 + 2.5 * HOUR, item("a", 1, "3")))
    assert lake.as_of(T0 + 3 * HOUR) == [item("a", 1, "3"), item("z", 9, "full")]


def test_without_a_full_export_before_the_moment_it_fails(lake: Lake) -> None:
    with pytest.raises(duckdb.Error, match="no full export at or before the moment"):
        lake.as_of(T0 - timedelta(seconds=1))


@pytest.mark.parametrize("keys", [("pk",), ("pk", "value"), ("sk", "nothing"), ("pk", "sk", "x")])
def test_names_that_are_not_all_of_the_keys_are_refused(lake: Lake, keys: tuple[str, ...]) -> None:
    with pytest.raises(duckdb.Error, match="key attribute"):
        lake.lines(T0 + HOUR, keys)


def test_a_table_may_be_empty_or_without_changes(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.full(T0, [])
    lake.window(T0 + HOUR)
    assert lake.as_of(T0 + HOUR) == []
    lake.window(T0 + 2 * HOUR, put(T0 + HOUR, item("a", 1)))
    assert lake.as_of(T0 + 2 * HOUR) == [item("a", 1)]


@pytest.mark.parametrize(
    "name",
    ["a.b", "a/b", "~", "~1", "$.x", "/y", 'say "hi"', "it's", "1", "*", "größe", "", " ", "a\\b"],
)
def test_keys_may_have_any_name(tmp_path: Path, name: str) -> None:
    lake = Lake(tmp_path)
    old = {name: {"S": "x"}, "v": {"N": "0"}}
    new = {name: {"S": "x"}, "v": {"N": "1"}}
    other = {name: {"S": "y"}, "v": {"N": "0"}}
    lake.full(T0, [old, other])
    lake.window(T0 + HOUR, change(T0, {name: {"S": "x"}}, old=old, new=new))
    found = lake.as_of(T0 + HOUR, (name,))
    assert found == [new, other]


def test_keys_of_different_types_are_different_keys(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.full(T0, [{"k": {"S": "1"}}, {"k": {"N": "1"}}, {"k": {"B": "MQ=="}}])
    lake.window(T0 + HOUR, change(T0, {"k": {"N": "1"}}))
    assert lake.as_of(T0 + HOUR, ("k",)) == [{"k": {"B": "MQ=="}}, {"k": {"S": "1"}}]


def test_a_key_is_the_same_however_its_characters_are_escaped(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.full(T0, [{"k": {"S": "ä/\u2028🎁"}}])  # written as it is; changes are written escaped
    lake.window(T0 + HOUR, change(T0, {"k": {"S": "ä/\u2028🎁"}}))
    assert lake.as_of(T0 + HOUR, ("k",)) == []


def test_untouched_items_keep_their_exact_text(lake: Lake) -> None:
    assert json.dumps({"Item": item("a", 2, "0")}) in lake.lines(T0 + 2 * HOUR)


@pytest.mark.parametrize("view", ["NEW_AND_OLD_IMAGES", "NEW_IMAGE"])
def test_sample_exports_give_the_true_state_at_the_end_of_every_window(
    tmp_path: Path, view: Any
) -> None:
    size = CartsSize(carts=60, windows=4, changed=0.3, removed=0.2, added=0.2)
    template = DynamoDbExport(table="carts", moment=T0, view=view)
    carts = write_carts(tmp_path / "export", T0, size, template)
    lake = Lake(tmp_path / "lake")
    lake.full(T0, [line["Item"] for line in exported(tmp_path / "export", carts.full)])
    for window in carts.windows:
        lake.window(window.moment, *exported(tmp_path / "export", window))
    assert len(carts.states) == 5
    for moment, state in carts.states.items():
        found = lake.as_of(moment, KEY_NAMES)
        assert {key(one): one for one in found} == dict(state)
        assert len(found) == len(state)
    kinds = {
        ("OldImage" in line, "NewImage" in line)
        for window in carts.windows
        for line in exported(tmp_path / "export", window)
    }
    assert len(kinds) == (3 if view == "NEW_AND_OLD_IMAGES" else 2)


def key(one: Item) -> tuple[str, str]:
    return one["customer_id"]["S"], one["cart_no"]["N"]


def exported(folder: Path, export: DynamoDbExport) -> list[dict[str, Any]]:
    """Return the lines of all objects that an export lists."""
    manifest = export.root(folder) / "manifest-files.json"
    keys = [json.loads(line)["dataFileS3Key"] for line in manifest.read_text().splitlines()]
    assert len(keys) == 4
    return [
        json.loads(line)
        for key in keys
        for line in gzip.decompress((folder / key).read_bytes()).splitlines()
    ]


def test_the_spelling_for_athena_can_be_parsed() -> None:
    """It cannot be run here; its grammar at least is Trino's and Athena's."""
    comment = sql.query("dynamodb/as_of").split("-- Athena and Trino")[1].splitlines()[2:]
    text = "\n".join(line.removeprefix("--") for line in comment)
    for dialect in ("trino", "athena"):
        (parsed,) = sqlglot.parse(text, read=dialect)
        assert parsed is not None
        assert {cte.alias for cte in parsed.find_all(sqlglot.exp.CTE)} == {
            *("base", "items", "latest"),
        }
