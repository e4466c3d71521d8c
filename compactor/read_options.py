"""What a configuration says of the sources, as readers that go by keys alone take it.

In:  a configuration, the time. Out: `ReadOptions`, and findings about DMS's statistics.
IO:  reads the statistics files that it names, asks AWS about the tasks that it names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from .config import Config, place_below
from .dms_statistics import Statistics, ask, parse_table_statistics
from .errors import ConfigError, NotFound
from .model import Finding
from .quantities import parse_settle
from .readers.interface import ReadOptions
from .readers.sidecar import Unusable
from .store import open_store


def read_options(
    config: Config, now: datetime, asked: Callable[[str], Statistics] = ask
) -> tuple[ReadOptions, tuple[Finding, ...]]:
    """Return the options, and what of DMS's statistics cannot be used.

    Raises: ConfigError if a file of statistics is missing or is none; StoreError, Denied.
    """
    source = config.source
    statistics = [_file(place) for place in source.dms.statistics]
    statistics += [asked(arn) for arn in source.dms.task_arns]
    known = Statistics.together(statistics)
    folders = _places(source.urls, source.dms.folders)
    options = ReadOptions(
        now=now,
        settle=parse_settle(source.settle),
        plain=tuple(_places(source.urls, source.files)),
        # the same BucketFolder may be meant in two sources
        dms_folders=tuple(dict.fromkeys(key for _, key in folders)),
        dms_rows=known.rows,
    )
    return options, known.findings


def _places(urls: tuple[str, ...], folders: tuple[str, ...]) -> list[tuple[int, str]]:
    found = [place_below(urls, folder) for folder in folders]
    return list(dict.fromkeys(place for place in found if place is not None))  # config checked it


def _file(place: str) -> Statistics:
    hint = "write the answer of `aws dms describe-table-statistics` to that file"
    folder, _, name = place.rpartition("/")
    is_url = "://" in place
    try:
        content = open_store(f"{folder}/").get(name) if is_url else Path(place).read_bytes()
    except (NotFound, OSError) as error:
        raise ConfigError(
            f"source.dms.statistics: {place} cannot be read: {error}", hint=hint
        ) from error
    try:
        return parse_table_statistics(content, place)
    except Unusable as error:
        raise ConfigError(
            f"source.dms.statistics: {place} cannot be used: {error}", hint=hint
        ) from error
