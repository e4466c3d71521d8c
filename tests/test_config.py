"""The configuration file: every key shown, every mistake named, all of them at once."""

from __future__ import annotations

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from compactor.config import (
    ArchiveConfig,
    Config,
    DmsConfig,
    TableConfig,
    example,
    load_config,
    parse_config,
    place_below,
)
from compactor.errors import ConfigError
from compactor.quantities import parse_retain, parse_settle, parse_size

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
NEEDED: dict[str, Any] = {"source": {"urls": ["in"]}, "lake": {"url": "out"}}


def problems(**sections: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config({**NEEDED, **sections})
    return str(caught.value)


# --- the example ----------------------------------------------------------------------------------


def test_the_example_loads_and_is_what_the_command_init_writes() -> None:
    config = load_config(EXAMPLE)
    assert config.source.urls == ("s3://acme-exports/",)
    assert example() == EXAMPLE.read_text(encoding="utf-8")


def sections() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, field in Config.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        found[name] = models[0]
    return found


@pytest.mark.parametrize("section", [*sections(), "tables"])
def test_the_example_shows_every_key_of_every_section(section: str) -> None:
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))[section]
    if section == "tables":
        (shown,) = shown.values()
    assert set(shown) == set(sections()[section].model_fields)


@pytest.mark.parametrize("section", [name for name in sections() if name != "tables"])
def test_what_the_example_shows_is_the_default(section: str) -> None:
    shown = sections()[section].model_validate(
        tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))[section]
    )
    for name, field in sections()[section].model_fields.items():
        if field.default is not PydanticUndefined:
            assert getattr(shown, name) == field.default, name


def test_the_example_shows_every_key_about_dms() -> None:
    shown = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))["source"]["dms"]
    assert set(shown) == set(DmsConfig.model_fields)


def test_the_example_names_every_section() -> None:
    assert set(tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))) == set(Config.model_fields)


# --- mistakes -------------------------------------------------------------------------------------


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file") as caught:
        load_config(tmp_path / "none.toml")
    assert "config.example.toml" in caught.value.hint


@pytest.mark.parametrize("content", [b"[source", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML"):
        load_config(path)


def test_a_folder_in_place_of_a_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("given", "place", "suggestion"),
    [
        ({"comapct": {}}, "comapct", "compact"),
        ({"compact": {"target_size": "1MiB"}}, "compact.target_size", "target_file_size"),
        ({"limits": {"memroy": "2GiB"}}, "limits.memroy", "memory"),
        ({"archive": {"url": "s3://a/", "retian": "7y"}}, "archive.retian", "retain"),
        ({"tables": {"shop.public.a": {"sort": []}}}, "tables.shop.public.a.sort", "sort_by"),
        ({"source": {"urls": ["x"], "url": "y"}}, "source.url", "urls"),
        ({"source": {"urls": ["x"], "dms": {"folder": []}}}, "source.dms.folder", "folders"),
    ],
)
def test_an_unknown_key_is_refused_with_the_one_that_was_meant(
    given: dict[str, Any], place: str, suggestion: str
) -> None:
    assert f"{place}: unknown key; did you mean {suggestion!r}?" in problems(**given)


def test_a_key_that_resembles_nothing_is_refused_without_a_guess() -> None:
    assert "lake.zzz: unknown key" in problems(lake={"url": "x", "zzz": 1})
    assert "did you mean" not in problems(lake={"url": "x", "zzz": 1})


def test_all_problems_are_told_at_once() -> None:
    told = problems(
        source={},
        lake={"url": ""},
        archive={"url": "/mnt/vault", "mode": "NONE", "retain": "soon"},
        compact={"grain": "week", "timezone": "Mars/Olympus", "compression_level": 99},
        limits={"memory": "much", "concurrency": 0},
    )
    for place in (
        *("source.urls: missing", "lake.url", "archive.url: an archive needs S3 Object Lock"),
        *("archive.mode", "archive.retain: 'soon' is not a period", "compact.grain"),
        *("compact.timezone: 'Mars/Olympus'", "compact.compression_level"),
        *("limits.memory: 'much' is not a size", "limits.concurrency"),
    ):
        assert place in told
    assert len(told.splitlines()) == 11


def test_secrets_have_no_place_in_the_file() -> None:
    for key in ("access_key", "secret_key", "endpoint_url", "region"):
        assert f"source.{key}: unknown key" in problems(source={"urls": ["x"], key: "y"})


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("1KiB", 1 << 10),
        ("256MiB", 256 << 20),
        ("1.5GiB", 3 << 29),
        ("2 TiB", 2 << 40),
        ("500MB", 500_000_000),
        (" 1GB ", 10**9),
    ],
)
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "12", "MiB", "1 mib", "1e3MiB", "-1MiB", "1MiB2", "∞GiB"])
def test_a_size_without_a_clear_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "period"), [("30d", (30, "d")), ("18mo", (18, "mo")), (" 7 y ", (7, "y"))]
)
def test_periods_are_read(text: str, period: tuple[int, str]) -> None:
    assert parse_retain(text) == period


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), (" 1 h ", 3600), ("0s", 0)]
)
def test_times_to_wait_are_read_in_seconds_minutes_and_hours(text: str, seconds: int) -> None:
    assert parse_settle(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "m", "15 min", "-1m", "1.5h", "1d", "9000h", "1h30m"])
def test_a_time_to_wait_without_a_clear_unit_is_refused(text: str) -> None:
    assert "source.settle" in problems(source={"urls": ["x"], "settle": text})


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("s3://acme/in/", (0, "")),
        ("s3://acme/in", (0, "")),
        ("s3://acme/in/a/b", (0, "a/b/")),
        ("s3://acme/in/a/b//", (0, "a/b/")),
        ("s3://acme/inbox/", None),
        ("s3://acme/", None),
        ("s3://other/in/a/", None),
        ("exports/a", (1, "a/")),
        ("./exports", (1, "")),
        ("exports/../exports/a/", (1, "a/")),
        ("exports2", None),
    ],
)
def test_a_folder_is_found_in_the_source_that_holds_it(
    place: str, expected: tuple[int, str] | None
) -> None:
    assert place_below(["s3://acme/in", "exports/"], place) == expected


@pytest.mark.parametrize("given", [{"files": ["s3://b/x/"]}, {"dms": {"folders": ["s3://b/x/"]}}])
def test_a_folder_outside_of_every_source_is_refused(given: dict[str, Any]) -> None:
    told = problems(source={"urls": ["s3://a/"], **given})
    assert "s3://b/x/ does not lie in any of the urls" in told
    parse_config({**NEEDED, "source": {"urls": ["s3://a/", "s3://b/"], **given}})


def test_what_is_no_task_is_refused() -> None:
    arn = "arn:aws:dms:us-east-1:111122223333:task:EXAMPLE"
    parse_config({**NEEDED, "source": {"urls": ["x"], "dms": {"task_arns": [arn]}}})
    for wrong in ("EXAMPLE", arn.replace("task", "rep"), arn.replace("dms", "rds"), f"{arn}:x"):
        told = problems(source={"urls": ["x"], "dms": {"task_arns": [wrong]}})
        assert "source.dms.task_arns" in told


@pytest.mark.parametrize("text", ["", "0d", "7", "y", "7 years", "-1y", "1.5y", "7Y", "6m", "7y1d"])
def test_a_period_that_could_be_misread_is_refused(text: str) -> None:
    """`6m` may be months or minutes."""
    with pytest.raises(ValueError, match="is not a period"):
        parse_retain(text)


def test_a_period_beyond_the_calendar_is_a_configuration_error() -> None:
    assert "archive.retain" in problems(archive={"url": "s3://a/", "retain": "99999y"})


@pytest.mark.parametrize("size", ["1KiB", "5GiB", "0MiB"])
def test_a_file_size_that_would_make_tiny_or_unstorable_files_is_refused(size: str) -> None:
    assert "between 1MiB and 4GiB" in problems(compact={"target_file_size": size})


@pytest.mark.parametrize("size", ["0B", "1MiB"])
def test_a_memory_limit_that_no_engine_can_work_in_is_refused(size: str) -> None:
    assert "limits.memory" in problems(limits={"memory": size})


def test_limits_are_numbers_of_bytes() -> None:
    config = parse_config({**NEEDED, "limits": {"memory": "2GiB", "scratch": "1GiB"}})
    assert (config.limits.memory_bytes(), config.limits.scratch_bytes()) == (2 << 30, 1 << 30)
    automatic = parse_config(NEEDED).limits
    assert 0 < automatic.memory_bytes() < 1 << 50
    assert automatic.scratch_bytes() > 0


def test_a_table_overrides_what_it_names_and_inherits_the_rest() -> None:
    config = parse_config(
        {
            **NEEDED,
            "compact": {"grain": "month", "on_lossy": "fail", "date_column": "at"},
            "tables": {"shop.public.orders": {"grain": "day", "sort_by": ["id"]}},
        }
    )
    orders = config.table("shop", "public.orders")
    assert orders == TableConfig(date_column="at", grain="day", sort_by=("id",), on_lossy="fail")
    other = config.table("shop", "public.other")
    assert other == TableConfig(date_column="at", grain="month", sort_by=None, on_lossy="fail")


def test_no_archive_is_made_up_where_none_is_configured() -> None:
    assert parse_config(NEEDED).archive is None
    assert ArchiveConfig(url="s3://a/").mode == "COMPLIANCE"


def test_a_configuration_cannot_be_changed_later() -> None:
    config = parse_config(NEEDED)
    with pytest.raises(ValueError, match="frozen"):
        config.lake.url = "elsewhere"  # type: ignore[misc]
