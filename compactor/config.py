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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from .errors import ConfigError
from .model import FormatOptions
from .quantities import parse_period, parse_retain, parse_settle, parse_size

_LEAST_MEMORY = 64 << 20
_TASK_ARN = re.compile(r"^arn:aws[a-z-]*:dms:[a-z0-9-]+:[0-9]{12}:task:[A-Za-z0-9-]+$")
_ROLE_ARN = re.compile(r"^arn:(aws[a-z-]*):iam::([0-9]{12}):role/[\w+=,.@/-]+$")


def place_below(urls: Sequence[str], place: str) -> tuple[int, str] | None:
    """Return (source, key prefix with a trailing slash) of a folder that is or lies in a source."""
    for source, url in enumerate(urls):
        top = f"{_normal(url)}/"
        folder = f"{_normal(place)}/"
        if folder.startswith(top):
            return source, folder.removeprefix(top)
    return None


def _normal(url: str) -> str:
    """Return a URL or folder without trailing slash; local folders are absolute."""
    if "://" in url and not url.startswith("file://"):
        return url.rstrip("/")
    local = url
    if "://" in url:
        from urllib.request import url2pathname  # with an HTTP client, for this alone

        local = url2pathname(urlsplit(url).path)
    return os.path.abspath(local).rstrip("/")  # noqa: PTH100 - without following links


Place = Literal["lake", "archive"]
"""Whose objects are read where a table lies in both."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DmsConfig(_Section):
    """What keys cannot tell of AWS DMS targets; all of it optional."""

    folders: tuple[str, ...] = ()
    """BucketFolder settings: URLs or folders, in a source."""
    statistics: tuple[str, ...] = ()
    """Files with the answer of `aws dms describe-table-statistics`."""
    task_arns: tuple[str, ...] = ()
    """Replication tasks whose statistics are asked of AWS at every run."""

    @field_validator("task_arns")
    @classmethod
    def _arns(cls, arns: tuple[str, ...]) -> tuple[str, ...]:
        for arn in arns:
            if not _TASK_ARN.match(arn):
                raise ValueError(
                    f"{arn!r} is not the ARN of a replication task "
                    "(arn:aws:dms:<region>:<account>:task:<name>)"
                )
        return arns


class SourceConfig(_Section):
    urls: tuple[str, ...] = Field(min_length=1)
    settle: str = "15m"
    """Objects younger than this may still grow, or be followed by others."""
    files: tuple[str, ...] = ()
    """Folders of plain Parquet, CSV or JSON-lines files, in a source."""
    inventory: dict[str, str] = {}
    """Source url -> place of its S3 Inventories: a configuration's folder, or a manifest.json."""
    dms: DmsConfig = DmsConfig()

    @field_validator("settle")
    @classmethod
    def _settle(cls, text: str) -> str:
        parse_settle(text)
        return text

    @model_validator(mode="after")
    def _inside(self) -> SourceConfig:
        for name, places in (("files", self.files), ("dms.folders", self.dms.folders)):
            for place in places:
                if place_below(self.urls, place) is None:
                    raise ValueError(
                        f"{name}: {place} does not lie in any of the urls; name its source there"
                    )
        return self

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
    max_retain: str = "10y"
    """No lock may end later than this from now."""
    retention_ceiling_usd: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What a run may lock under COMPLIANCE without being asked, over the whole retention; 0: no
    ceiling is set, and every run that locks something new needs `--accept-retention`."""
    method: Literal["copy", "batch"] = "copy"
    """`batch`: a run writes what S3 Batch Operations needs to copy; see `batch_copy.py`."""
    batch_role_arn: str = ""
    """Role that S3 Batch Operations takes on."""

    @field_validator("retain", "max_retain")
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

    @model_validator(mode="after")
    def _role(self) -> ArchiveConfig:
        if self.method == "batch" and not _ROLE_ARN.match(self.batch_role_arn):
            raise ValueError(
                "method = 'batch' needs batch_role_arn, the role that S3 Batch Operations takes on "
                f"(arn:aws:iam::<account>:role/<name>), not {self.batch_role_arn!r}"
            )
        return self

    def batch_account(self) -> tuple[str, str]:
        """Return (partition, account) of the role for S3 Batch Operations."""
        match = _ROLE_ARN.match(self.batch_role_arn)
        assert match is not None  # validated with method = "batch"
        return match[1], match[2]


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


class FormatsConfig(_Section):
    """How objects are read that are no Parquet: DynamoDB's items, JSON lines, CSV."""

    item_column: str = "item"
    """Column for an item's exact original text; empty leaves it out."""
    max_columns: int = Field(default=500, ge=1, le=5_000)
    """So many attributes become columns, the most frequent ones."""
    csv_delimiter: str = Field(default=",", min_length=1, max_length=1)
    csv_header: Literal["auto", "yes", "no"] = "auto"
    """`auto`: CSV of DMS has none (its own default), any other CSV has one."""
    csv_null: str = "auto"
    """How CSV spells NULL, unquoted. `auto`: `NULL` in CSV of DMS (CsvNullValue's default), nothing
    at all elsewhere."""


class TableConfig(_Section):
    """Overrides for one table; what is not given is taken from `[compact]` and `[formats]`."""

    date_column: str | None = None
    grain: Literal["auto", "day", "month", "year", "none"] | None = None
    sort_by: tuple[str, ...] | None = None
    on_lossy: Literal["keep_text", "fail"] | None = None
    reconcile_where: str | None = None
    """Condition in the database's SQL: the rows that were there at the snapshot's moment."""
    item_column: str | None = None
    max_columns: int | None = Field(default=None, ge=1, le=5_000)
    csv_delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    csv_header: Literal["auto", "yes", "no"] | None = None
    csv_null: str | None = None
    csv_columns: tuple[str, ...] = ()
    """Names of the columns of CSV objects without header."""
    types: dict[str, str] = {}
    """Source types by column, where the export does not say them: `timestamp`, `numeric`, ..."""


class EvidenceConfig(_Section):
    """Who signs what a run did. Relative paths are those of the working directory."""

    key: str
    """`ed25519:<file>` or `awskms:<id, ARN or alias>`."""
    trusted_keys: str = ""
    """JSON file with the keys that may have signed, and when; empty: `key` alone."""
    tsa: str = ""
    """URL of an RFC 3161 time-stamping authority; empty: no time stamps."""
    tsa_certificate: str = ""
    """PEM file: the authority's root certificate, intermediate ones, perhaps its own."""

    @field_validator("key")
    @classmethod
    def _key(cls, text: str) -> str:
        scheme, _, name = text.partition(":")
        if scheme not in ("ed25519", "awskms") or not name:
            raise ValueError(
                f"{text!r} names no key; write ed25519:<file> or awskms:<id, ARN or alias>"
            )
        return text

    @field_validator("tsa")
    @classmethod
    def _tsa(cls, text: str) -> str:
        parts = urlsplit(text)
        if text and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError(f"{text!r} is no URL of a time-stamping authority")
        if parts.username or parts.password:
            raise ValueError("the URL has a user or password in it; secrets have no place here")
        return text

    @model_validator(mode="after")
    def _together(self) -> EvidenceConfig:
        if bool(self.tsa) != bool(self.tsa_certificate):
            raise ValueError("tsa and tsa_certificate belong together: give both, or neither")
        return self


class AuditConfig(_Section):
    expect: dict[str, str] = {}
    """Database, or database.table -> how often there is a snapshot: `1d`, `12h`, `1mo`."""

    @field_validator("expect")
    @classmethod
    def _periods(cls, expect: dict[str, str]) -> dict[str, str]:
        for period in expect.values():
            parse_period(period)
        return expect


class VerifyConfig(_Section):
    portable: bool = False
    """Also compute the digest that other databases can recompute in SQL: docs/fingerprint.md."""


class CatalogConfig(_Section):
    """What Athena and its like are told of the lake."""

    place: Place = "lake"
    """Whose objects tables read."""
    database_prefix: str = ""
    """Put before the name of each database in the catalog."""
    workgroup: str = "primary"
    """Athena workgroup that counts, for `compactor catalog --count`."""
    output: str = ""
    """s3:// folder for the answers of Athena; empty: the workgroup has one."""
    iceberg: dict[str, str] = {}
    """Properties of the Iceberg catalog, as pyiceberg takes them: type, uri, warehouse, ..."""

    @field_validator("output")
    @classmethod
    def _output(cls, text: str) -> str:
        if text and not text.startswith("s3://"):
            raise ValueError("Athena writes its answers to S3, so output starts with s3://")
        return text


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
    evidence: EvidenceConfig | None = None
    compact: CompactConfig = CompactConfig()
    formats: FormatsConfig = FormatsConfig()
    verify: VerifyConfig = VerifyConfig()
    catalog: CatalogConfig = CatalogConfig()
    audit: AuditConfig = AuditConfig()
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
            reconcile_where=own.reconcile_where,
        )

    def read_as(self, system: str, database: str, table: str, view: str) -> FormatOptions:
        """Return how the objects of a table are read that are no Parquet."""
        own = self.tables.get(f"{database}.{table}", TableConfig())

        def pick(name: str) -> Any:
            value = getattr(own, name)
            return getattr(self.formats, name) if value is None else value

        header, null_text = pick("csv_header"), pick("csv_null")
        if null_text == "auto":
            null_text = "NULL" if system == "dms" else ""
        return FormatOptions(
            view=view,
            item_column=pick("item_column"),
            max_columns=pick("max_columns"),
            delimiter=pick("csv_delimiter"),
            header=system != "dms" if header == "auto" else header == "yes",
            null_text=null_text,
            names=own.csv_columns,
            types=own.types,
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
        "evidence": EvidenceConfig,
        "compact": CompactConfig,
        "formats": FormatsConfig,
        "verify": VerifyConfig,
        "catalog": CatalogConfig,
        "audit": AuditConfig,
        "limits": LimitsConfig,
        "tables": TableConfig,
    }
    owner = Config if len(loc) == 1 else sections.get(str(loc[0]), Config)
    if loc[:2] == ("source", "dms") and len(loc) > 2:
        owner = DmsConfig
    return list(owner.model_fields)


def example() -> str:
    """Return the commented example configuration: from the wheel, else from the checkout."""
    name = "config.example.toml"
    for path in (Path(__file__).parent / name, Path(__file__).parent.parent / name):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ConfigError(f"{name} is missing from the installation")
