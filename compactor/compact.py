"""Restore types, sort, and write one table (or one chunk of it) as Parquet files on local disk.

In:  `Staged` files, the export's column descriptions, options.
Out: `Loaded` (rules, partitions with rows and fingerprint of the source) and `Part` files.
IO:  scratch only.

Rules come from `probe`. Two steps:

1. `restore`   tunes rules on one file per schema and calls `load`: one pass over the source that
               types, checks the round trip, hashes each row, and sorts; only if a value failed its
               round trip, it lets `probe` look at every value, and loads again
2. `write`     one file per range of the sorted table

Row hashes are taken from the typed source rows *before* the sort and travel with them, so that
whatever the sort, its spilling, or the writer might lose or change shows in the comparison with
the files that are read back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from . import types
from .errors import ObjectUnreadable, SourceError
from .model import HIVE_NULL, Grain
from .portable import proof
from .probe import SAMPLE_ROWS, probe, tune, tuned_from
from .scratch import file_sha256
from .sql import query, rows
from .staged_rows import hashed_rows
from .types import Rule

if TYPE_CHECKING:
    import duckdb


ROW_GROUP_BYTES = 128 << 20
"""Uncompressed size aimed at for a row group; never below DuckDB's own 122,880 rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactOptions:
    date_column: str | None
    grain: Grain
    sort_by: tuple[str, ...]
    timezone: str
    target_bytes: int
    compression_level: int
    fail_on_lossy: bool = False
    portable: bool = False
    """Whether to compute the portable fingerprint, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition as the source holds it. `fingerprint` is (sum of h1, sum of h2), `portable`
    the sums of the portable one."""

    value: str
    rows: int
    fingerprint: tuple[int, int]
    first_row: int
    last_row: int
    portable: proof.Sums = proof.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    rules: tuple[Rule, ...]
    partitions: tuple[Partition, ...]
    lossy: dict[int, int]
    """Rows in which the round trip failed, by the number of the (first such) column."""

    @property
    def rows(self) -> int:
        return sum(partition.rows for partition in self.partitions)

    @property
    def fingerprint(self) -> tuple[int, int]:
        return add_up(partition.fingerprint for partition in self.partitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One written file, still on local disk."""

    value: str
    """Folder value of `dt`; empty in an undivided table."""
    number: int
    """Counts the files of its partition from 0."""
    path: Path
    rows: int
    size_bytes: int
    sha256: str


def add_up(fingerprints: Any) -> tuple[int, int]:
    first = second = 0
    for one, two in fingerprints:
        first, second = first + one, second + two
    return first, second


def fingerprint_text(rows: int, fingerprint: tuple[int, int]) -> str:
    """Return count and both sums as text; equal exactly if all three are equal."""
    return f"{rows}-{fingerprint[0]:x}-{fingerprint[1]:x}"


# --- restore ----------------------------------------------------------------------------


def find_rule(rules: Sequence[Rule], name: str | None) -> Rule | None:
    """Find a column by the name the source or the output gives it."""
    if name is None:
        return None
    for rule in rules:
        if rule.source_name == name:
            return rule
    for rule in rules:
        if name.lower() in (rule.source_name.lower(), rule.output_name):
            return rule
    known = ", ".join(rule.source_name for rule in rules[:20])
    raise SourceError(
        f"there is no column {name!r}; the table has {known}",
        hint="correct date_column or sort_by of this table in the configuration",
    )


def sort_rules(rules: Sequence[Rule], options: CompactOptions) -> list[Rule]:
    """Return the columns to sort by after the date: configured, else `id`, else the first one."""
    if options.sort_by:
        return [rule for name in options.sort_by if (rule := find_rule(rules, name))]
    orderable = [
        rule
        for rule in rules
        if not rule.target.endswith(("]", ")")) or rule.target.startswith("DECIMAL")
    ]
    named = [rule for rule in orderable if rule.source_name.lower() == "id"]
    return named or orderable[:1]


def load(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    rules: Sequence[Rule],
    options: CompactOptions,
) -> Loaded:
    """Fill the table `sorted` from the source. Look at `lossy` before using it."""
    dated = find_rule(rules, options.date_column)
    day = types.day(dated, options.grain, options.timezone)
    # a typed date orders the partitions by itself, and its day can be told later; not so text
    is_text = dated is not None and dated.target == "VARCHAR"
    order: list[exp.Expression] = []
    if is_text:
        order.append(exp.column("dt"))
    keys = [dated] if dated else []
    keys += [rule for rule in sort_rules(rules, options) if rule is not dated]
    order += [exp.column(rule.scratch_name) for rule in keys]
    order.append(_tie_breaker())
    select = hashed_rows(rules, day if is_text else None, portable=options.portable).order_by(
        *[exp.Ordered(this=column, nulls_first=False) for column in order], copy=False
    )
    connection.execute("DROP TABLE IF EXISTS sorted")
    create = exp.Create(
        this=exp.Table(this=exp.to_identifier("sorted")), kind="TABLE", expression=select
    )
    connection.execute(create.sql(dialect="duckdb", copy=False), {"files": list(files)})
    dated_rows = exp.select("*", exp.alias_(exp.column("rowid"), "row_no")).from_("sorted")
    if not is_text:
        dated_rows = dated_rows.select(exp.alias_(day, "dt"))
    view = exp.Create(
        this=exp.Table(this=exp.to_identifier("dated")),
        kind="VIEW",
        replace=True,
        expression=dated_rows,
    )
    connection.execute(view.sql(dialect="duckdb", copy=False))
    lossy = {row["bad"]: row["rows"] for row in rows(connection, "compact/lossy")}
    found = partitions(connection, portable=options.portable)
    return Loaded(rules=tuple(rules), partitions=found, lossy=lossy)


def _tie_breaker() -> exp.Expression:
    """Order rows whose keys are equal, so that the same rows always give the same files.

    Half of a row's hash does: with a timestamp and an id of 64 bits, the sort's key is 23 bytes
    long. DuckDB moves keys of up to 24 bytes with the rows; longer ones lie elsewhere, and take 27
    bytes a row more (measured 2026-11, DuckDB 2.0.0: 2 to 4 % of the processor time of a run).
    """
    half = exp.BitwiseRightShift(this=exp.column("h1"), expression=exp.Literal.number(32))
    return exp.cast(half, "UINTEGER", dialect="duckdb")


def partitions(
    connection: duckdb.DuckDBPyConnection, *, portable: bool = False
) -> tuple[Partition, ...]:
    sums = proof.read(connection, "compact/portable_partitions", "value") if portable else {}
    found = []
    for row in rows(connection, "compact/partitions"):
        if row["last_row"] - row["first_row"] + 1 != row["rows"]:
            raise SourceError(
                f"partition {row['value']!r} is not contiguous in the sorted table: this is a bug; "
                "please report it with the type of the date column"
            )
        found.append(
            Partition(
                value=row["value"],
                rows=row["rows"],
                fingerprint=(int(row["sum1"]), int(row["sum2"])),
                first_row=row["first_row"],
                last_row=row["last_row"],
                portable=sums.get(row["value"], proof.NOTHING),
            )
        )
    return tuple(found)


def restore(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    plain: Sequence[Rule],
    sample: Sequence[str],
    options: CompactOptions,
    guess: Sequence[Rule] | None = None,
) -> Loaded:
    """Load the table with types that hold every value: usually in one pass over the source.

    `plain` are rules from the schema alone. A sample tunes them, unless that was done before
    (`guess`); if a value outside the sample
    still fails its round trip, every value is counted, the rules are decided finally, and the
    table is loaded again.
    """
    tuned = tuple(guess or tune(plain, probe(connection, sample, plain, SAMPLE_ROWS)))
    doubtful = [rule for rule, now in zip(plain, tuned, strict=True) if now.kept_text]
    if doubtful:
        tuned = tune(tuned_from(plain, tuned), probe(connection, files, doubtful))
    loaded = load(connection, files, tuned, options)
    return load_again(connection, files, plain, options) if loaded.lossy else loaded


def load_again(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    plain: Sequence[Rule],
    options: CompactOptions,
) -> Loaded:
    """Load a table of which a value has failed its round trip, after a look at every value."""
    return load(connection, files, tune(plain, probe(connection, files, plain)), options)


# --- write -------------------------------------------------------------------------------------


def write(
    connection: duckdb.DuckDBPyConnection,
    loaded: Loaded,
    folder: Path,
    options: CompactOptions,
    *,
    bytes_per_row: float,
    first_numbers: dict[str, int],
) -> Iterator[Part]:
    """Write every partition, in files near the target size; yield them in partition order.

    `first_numbers` counts the files each partition already has from earlier chunks.
    """
    part = exp.select(
        *[
            exp.alias_(exp.column(rule.scratch_name), rule.output_name, quoted=True)
            for rule in loaded.rules
        ]
    ).from_("sorted")
    connection.execute(
        "CREATE OR REPLACE MACRO part(first_row, last_row) AS TABLE "
        + part.sql(dialect="duckdb")
        + " WHERE rowid BETWEEN first_row AND last_row"
    )
    rows_per_file = max(1, int(options.target_bytes / max(bytes_per_row, 0.001)))
    jobs = _ranges(loaded, rows_per_file, folder, first_numbers, options.grain)
    row_group = _row_group_rows(connection, loaded)

    def run(job: tuple[str, int, int, int, Path]) -> Part:
        value, number, first, last, path = job
        cursor = connection.cursor()
        try:
            cursor.execute(
                query("compact/write"),
                {
                    "first_row": first,
                    "last_row": last,
                    "path": str(path),
                    "level": options.compression_level,
                    "row_group": row_group,
                },
            )
        finally:
            cursor.close()
        return Part(
            value=value,
            number=number,
            path=path,
            rows=last - first + 1,
            size_bytes=path.stat().st_size,
            sha256=file_sha256(path),
        )

    pool = ThreadPoolExecutor((os.cpu_count() or 2) + 1, thread_name_prefix="write")
    try:
        yield from pool.map(run, jobs)
    finally:  # who goes away does not want the other files
        pool.shutdown(cancel_futures=True)


def _ranges(
    loaded: Loaded, rows_per_file: int, folder: Path, numbers: dict[str, int], grain: Grain
) -> list[tuple[str, int, int, int, Path]]:
    """Cut each partition into equal ranges of at most `rows_per_file` rows."""
    jobs: list[tuple[str, int, int, int, Path]] = []
    for partition in loaded.partitions:
        value = partition.value or (HIVE_NULL if grain != "none" else "")
        files = -(-partition.rows // rows_per_file)
        for number in range(files):
            first = partition.first_row + partition.rows * number // files
            last = partition.first_row + partition.rows * (number + 1) // files - 1
            place = numbers.get(value, 0)
            numbers[value] = place + 1
            jobs.append((value, place, first, last, folder / f"{len(jobs):08d}.parquet"))
    if not loaded.partitions and grain == "none":
        jobs.append(("", numbers.setdefault("", 0), 0, -1, folder / "00000000.parquet"))
    return jobs


def _row_group_rows(connection: duckdb.DuckDBPyConnection, loaded: Loaded) -> int:
    """Return the rows of a row group of about ROW_GROUP_BYTES, from the first rows' width."""
    width = 0.0
    texts = [rule for rule in loaded.rules if rule.target in ("VARCHAR", "BLOB")]
    if texts:
        sizes = [
            exp.Avg(
                this=exp.Anonymous(
                    this="strlen" if rule.target == "VARCHAR" else "octet_length",
                    expressions=[exp.column(rule.scratch_name)],
                )
            )
            for rule in texts
        ]
        few = exp.select("*").from_("sorted").limit(20_000)
        sql = exp.select(*sizes).from_(few.subquery("few")).sql(dialect="duckdb")
        averages: Any = connection.execute(sql).fetchone()
        width = sum(average or 0 for average in averages) + 4 * len(texts)
    width += 8 * (len(loaded.rules) - len(texts))
    return max(122_880, min(4_000_000, int(ROW_GROUP_BYTES / max(width, 1))))


def translate(error: Exception, files: Mapping[str, str]) -> ObjectUnreadable:
    """Name the object behind a DuckDB error; scratch paths become keys."""
    message = str(error)
    for path, key in files.items():
        if path in message:
            return ObjectUnreadable(f"{key}: {message.replace(path, key)}", key=key)
    return ObjectUnreadable(f"DuckDB cannot read the table: {message}")
