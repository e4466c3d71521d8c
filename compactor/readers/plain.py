"""Plain files below prefixes that a person has named: one table per folder, flat or hive. Pure.

    <prefix>/<path>/[<column>=<value>/ ...]<name>.parquet | .csv[.gz] | .json, .jsonl, .ndjson[.gz]

The table is called like its path below the prefix; objects directly in the prefix belong to a table
called like the prefix's last folder. Each table is an export of its own: it settles by itself, and
its snapshot is the moment of its newest object.

Hidden names (`_` or `.` first) hold no data. Other extensions are left, and reported. So are Delta,
Hudi and Iceberg tables, whose folders hold rows that were deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .interface import ExportFacts, Group, Reader, ReadOptions
from .keyed import by_unit, described, newest, waits_for


def group(
    groups: Sequence[Group], control: Mapping[str, bytes | None], options: ReadOptions
) -> Iterator[ExportFacts]:
    """Yield one export per table. There are no sidecars."""
    for (root, unit), tables in by_unit(groups).items():
        last_at = newest(tables)
        reason = waits_for(last_at, options)
        folder = min(found.folder for formats in tables.values() for found in formats)
        yield ExportFacts(
            export_id=folder.rstrip("/") or "(top)",
            root=root,
            unit=unit,
            status="in_progress" if reason else "complete",
            reason=reason,
            is_open=bool(reason),
            snapshot=last_at,
            tables=tuple(described(formats) for formats in tables.values()),
            has_partition_folders=False,
        )


FILES = Reader(
    system="files",
    control=(),
    markers=(r"(?:^|/)_SUCCESS$", r"_\$folder\$$", r"/$"),
    leftovers=(
        r"(?:^|/)_temporary(?:/|$)",
        r"(?:^|/)_(?:committed|started)_[^/]*$",
        r"(?:^|/)_(?:common_)?metadata$",
        r"(?:^|/)\.[^/]*\.crc$",
    ),
    claims="read/plain",
    parameters=lambda options: {
        "sources": [source for source, _ in options.plain],
        "prefixes": [prefix for _, prefix in options.plain],
    },
    group=group,
)
"""Markers and left-overs are those of RDS exports: Spark writes both."""
