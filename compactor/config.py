"""TOML file -> frozen `Config`.

Every key, with its default, is shown in `config.example.toml`; unknown keys are refused with a
suggestion, and all problems are reported at once. Secrets have no place here: endpoint, region and
credentials come from where the AWS tools take them.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from .errors import ConfigError

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)\s*$")
_UNIT = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} | {
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_MOST = {"d": 365_000, "mo": 12_000, "y": 1_000}
_LEAST_MEMORY = 64 << 20
_RETAIN = re.compile(r"^\s*(\d+)\s*(d|mo|y)\s*$")


def parse_size(text: str) -> int:
    """Return the bytes of `256MiB`, `2GiB`, `500MB`."""
    match = _SIZE.match(text)
    if not match:
        raise ValueError(
            f"{text!r} is not a size; write a number and a unit, such as 256MiB or 2GiB"
        )
    return int(float(match[1]) * _UNIT[match[2]])


def parse_retain(text: str) -> tuple[int, Literal["d", "mo", "y"]]:
    """Return (number, unit) of `30d`, `18mo`, `7y`."""
    match = _RETAIN.match(text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a period; write 30d, 18mo or 7y")
    unit: Any = match[2]
    if int(match[1]) > _MOST[unit]:
        raise ValueError(f"{text!r} is longer than 1000 years")
    return int(match[1]), unit


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceConfig(_Section):
    urls: tuple[str, ...] = Field(min_length=1)
    inventory: dict[str, str] = {}
    """Source url -> place of its S3 Inventories: a configuration's folder, or a manifest.json."""

    @field_validator("inventory")
    @classmethod
    def _of_a_source(cls, places: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        urls = info.data.get("urls", ())  # not there if it has problems of its own
        for url, place in places.items():
            if urls and url not in urls:
                raise ValueError(f"{url!r} is none of source.urls; write it as it stands there")
            if not place:
                raise ValueError(f"{url!r} has no place; name the folder of its inventories")
        return places


class LakeConfig(_Section):
    url: str = Field(min_length=1)


class ArchiveConfig(_Section):
    url: str
    mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE"
    retain: str = "7y"
    legal_hold: bool = False
    storage_class: str = "STANDARD"

    @field_validator("retain")
    @classmethod
    def _retain(cls, text: str) -> str:
        parse_retain(text)
        return text

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        if not text.startswith("s3://"):
            raise ValueError("an archive needs S3 Object Lock, so its url starts with s3://")
        return text


class CompactConfig(_Section):
    target_file_size: str = "256MiB"
    date_column: str = "auto"
    grain: Literal["auto", "day", "month", "year", "none"] = "auto"
    timezone: str = "UTC"
    """Zone whose calendar days `timestamptz` values are filed under."""
    on_lossy: Literal["keep_text", "fail"] = "keep_text"
    """What to do with a column whose source type cannot be restored for every value."""
    compression_level: int = Field(default=3, ge=1, le=22)

    @field_validator("target_file_size")
    @classmethod
    def _size(cls, text: str) -> str:
        if not (1 << 20) <= parse_size(text) <= 4 << 30:
            raise ValueError("target_file_size must lie between 1MiB and 4GiB")
        return text

    @field_validator("timezone")
    @classmethod
    def _zone(cls, text: str) -> str:
        from zoneinfo import ZoneInfo, available_timezones

        if text != "UTC" and text not in available_timezones():
            raise ValueError(f"{text!r} is not a time zone name such as UTC or Europe/Berlin")
        return text if text == "UTC" else ZoneInfo(text).key


class TableConfig(_Section):
    """Overrides for one table; what is not given is taken from `[compact]`."""

    date_column: str | None = None
    grain: Literal["auto", "day", "month", "year", "none"] | None = None
    sort_by: tuple[str, ...] | None = None
    on_lossy: Literal["keep_text", "fail"] | None = None


class LimitsConfig(_Section):
    memory: str = "auto"
    scratch: str = "auto"
    scratch_dir: str = "auto"
    concurrency: int = Field(default=128, ge=1, le=1024)

    @field_validator("memory", "scratch")
    @classmethod
    def _size(cls, text: str) -> str:
        if text != "auto":
            parse_size(text)
        return text

    @field_validator("memory")
    @classmethod
    def _enough(cls, text: str) -> str:
        if text != "auto" and parse_size(text) < _LEAST_MEMORY:
            raise ValueError("memory must be at least 64MiB")
        return text

    def memory_bytes(self) -> int:
        """Return the memory limit: as given, or 60 % of the machine's (or container's) memory."""
        if self.memory != "auto":
            return parse_size(self.memory)
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cgroup = Path("/sys/fs/cgroup/memory.max")
        if cgroup.exists() and (text := cgroup.read_text().strip()).isdigit():
            total = min(total, int(text))
        return int(total * 0.6)

    def scratch_path(self) -> Path:
        return Path(tempfile.gettempdir() if self.scratch_dir == "auto" else self.scratch_dir)

    def scratch_bytes(self) -> int:
        """Return the scratch limit: as given, or 80 % of what is free on that disk."""
        if self.scratch != "auto":
            return parse_size(self.scratch)
        return int(shutil.disk_usage(self.scratch_path()).free * 0.8)


class Config(_Section):
    source: SourceConfig
    lake: LakeConfig
    archive: ArchiveConfig | None = None
    compact: CompactConfig = CompactConfig()
    limits: LimitsConfig = LimitsConfig()
    tables: dict[str, TableConfig] = {}

    def table(self, database: str, table: str) -> TableConfig:
        """Return the settings of one table, overrides merged over `[compact]`."""
        own = self.tables.get(f"{database}.{table}", TableConfig())
        return TableConfig(
            date_column=own.date_column or self.compact.date_column,
            grain=own.grain or self.compact.grain,
            sort_by=own.sort_by,
            on_lossy=own.on_lossy or self.compact.on_lossy,
        )


def load_config(path: Path) -> Config:
    """Read and check a TOML file.

    Raises: ConfigError naming every problem at once.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"no configuration file at {path}",
            hint="copy config.example.toml and edit it, or name another file with -c",
        ) from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    return parse_config(data, where=str(path))


def parse_config(data: dict[str, Any], where: str = "configuration") -> Config:
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        problems = "\n".join(f"  {_explain(problem)}" for problem in error.errors())
        raise ConfigError(f"{where} cannot be used:\n{problems}") from error


def _explain(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            close = difflib.get_close_matches(str(problem["loc"][-1]), _known(problem["loc"]), n=1)
            return f"{place}: unknown key" + (f"; did you mean {close[0]!r}?" if close else "")
        case "missing":
            return f"{place}: missing"
        case _:
            return f"{place}: {problem['msg'].removeprefix('Value error, ')}"


def _known(loc: tuple[Any, ...]) -> list[str]:
    sections: dict[str, type[BaseModel]] = {
        "source": SourceConfig,
        "lake": LakeConfig,
        "archive": ArchiveConfig,
        "compact": CompactConfig,
        "limits": LimitsConfig,
        "tables": TableConfig,
    }
    owner = Config if len(loc) == 1 else sections.get(str(loc[0]), Config)
    return list(owner.model_fields)


def example() -> str:
    """Return the commented example configuration: from the wheel, else from the checkout."""
    name = "config.example.toml"
    for path in (Path(__file__).parent / name, Path(__file__).parent.parent / name):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(f"{name} is missing from the installation")
