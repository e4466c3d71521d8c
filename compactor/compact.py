"""Restore types, sort, and write one table (or one chunk of it) as Parquet files on local disk.

In:  `Staged` files, the export's column descriptions, options.
Out: `Loaded` (rules, partitions with rows and fingerprint of the source) and `Part` files.
IO:  scratch only.

Order of steps, each in one function:

1. `propose`   rules from schema and description
2. `restore`   tunes them on one file per schema and calls `load`: one pass over the source that
               types, checks the round trip, hashes each row, and sorts
3.             only if a value failed its round trip: counts such values in every column, decides
               (other decimal scale, or keep the text), and loads again
4. `write`     one file per range of the sorted table

Row hashes are taken from the typed source rows *before* the sort and travel with them, so that
whatever the sort, its spilling, or the writer might lose or change shows in the comparison with
the files that are read back.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from . import types
from .errors import ObjectUnreadable, SourceError
from .model import HIVE_NULL, Grain, SourceColumn
from .sql import query, rows
from .types import FileColumn, Rule

if TYPE_CHECKING:
    import duckdb


ROW_GROUP_BYTES = 128 << 20
"""Uncompressed size aimed at for a row group; never below DuckDB's own 122,880 rows."""


SAMPLE_ROWS = 20_000
"""Rows that the first guess at types looks at."""
FILE_NAME = "compactor source file"
"""Name of the column that tells a row's file, in queries/compact/staged*.sql."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactOptions:
    date_column: str | None
    grain: Grain
    sort_by: tuple[str, ...]
    timezone: str
    target_bytes: int
    compression_level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition as the source holds it. `fingerprint` is (sum of h1, sum of h2)."""

    value: str
    rows: int
    fingerprint: tuple[int, int]
    first_row: int
    last_row: int


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


# --- 1. rules -------------------------------------------------------------------------------------


def open_source(connection: duckdb.DuckDBPyConnection, *, by_name: bool) -> None:
    """Define the macro staged(files), for equal or for differing columns."""
    connection.execute(query("compact/staged_by_name" if by_name else "compact/staged"))


def use_decoded(connection: duckdb.DuckDBPyConnection, tables: Sequence[pa.Table]) -> None:
    """Let the macro staged(files) give rows that are decoded already, whatever its argument."""
    connection.register("decoded_rows", pa.concat_tables(tables))
    connection.execute(query("compact/staged_decoded"))


def file_columns(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], names: Sequence[str]
) -> tuple[FileColumn, ...]:
    """Return the columns of some files; `names` are the true names, which DuckDB may have altered.

    DuckDB takes names without regard to case and renames the second of `id` and `ID`.
    """
    described = rows(connection, "compact/describe", {"files": list(files)})
    exact = {name: name for name in names}
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.lower(), name)
    by_place = [row["column_name"] for row in described]
    in_order = len(by_place) == len(names)
    return tuple(
        FileColumn(
            read_name=row["column_name"],
            source_name=names[place]
            if in_order
            else exact.get(row["column_name"]) or folded[row["column_name"].lower()],
            read_type=row["column_type"],
        )
        for place, row in enumerate(described)
    )


def propose(
    connection: duckdb.DuckDBPyConnection,
    sample: Sequence[str],
    names: Sequence[str],
    described: Sequence[SourceColumn],
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Choose rules from the schema alone; also return notes on names that had to change."""
    return types.rules(file_columns(connection, sample, names), described)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFacts:
    """What the values of one parsed column are like."""

    lossy: int
    examples: tuple[str, ...]
    digits: int
    scale: int
    by_digits: Mapping[int, int] = field(default_factory=dict)
    """For decimals: values by the number of their digits before the point."""
    widest: tuple[str, ...] = ()
    """Those with the most digits before the point."""

    def merged(self, other: ColumnFacts) -> ColumnFacts:
        return ColumnFacts(
            lossy=self.lossy + other.lossy,
            examples=tuple(sorted({*self.examples, *other.examples})[:5]),
            digits=max(self.digits, other.digits),
            scale=max(self.scale, other.scale),
            by_digits=Counter(self.by_digits) + Counter(other.by_digits),
            widest=tuple(sorted({*self.widest, *other.widest}, key=_most_digits)[:5]),
        )


def _most_digits(number: str) -> tuple[int, str]:
    return -len(number.lstrip("-").partition(".")[0]), number


def probe(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    rules: Sequence[Rule],
    limit: int | None = None,
) -> dict[int, ColumnFacts]:
    """Count, per parsed column, the values that fail the round trip. One pass over those columns.

    `limit` looks at the first rows only.
    """
    parsed = [rule for rule in rules if rule.parsed]
    if not parsed:
        return {}
    flagged = exp.select(
        *[exp.column(rule.staged_name) for rule in parsed],
        *[
            exp.alias_(types.is_lossy(rule, exp.column(rule.scratch_name)), f"b{rule.no}")
            for rule in parsed
        ],
    ).from_(_typed_rows(parsed).subquery("t"))
    if limit is not None:
        flagged = flagged.limit(limit)
    sql = exp.select(*[metric for rule in parsed for metric in _probe_metrics(rule)]).from_(
        flagged.subquery("flagged")
    )
    row = connection.execute(sql.sql(dialect="duckdb"), {"files": list(files)}).fetchone()
    assert row is not None
    facts: dict[int, ColumnFacts] = {}
    for place, rule in enumerate(parsed):
        lossy, examples, digits, scale, by_digits, widest = row[place * 6 : place * 6 + 6]
        facts[rule.no] = ColumnFacts(
            lossy=lossy,
            examples=tuple(str(example) for example in examples or ()),
            digits=digits or 0,
            scale=scale or 0,
            by_digits=by_digits or {},
            widest=tuple(sorted(widest or (), key=_most_digits)),
        )
    return facts


_NUMBER = "regexp_full_match(given, '-?[0-9]+([.][0-9]+)?')"
# which scale fits is not known yet: lossy is what no DECIMAL can hold
_NO_DECIMAL = "NOT number OR strlen(replace(ltrim(given, '-'), '.', '')) > 38"
_BEFORE = "strlen(ltrim(split_part(given, '.', 1), '-'))"
_PROBE = ("count_if(lossy)", "min(given, 5) FILTER (WHERE lossy)")
_PROBE_NOTHING_MORE = ("0", "0", "NULL", "NULL")
_PROBE_DIGITS = (
    "max(before) FILTER (WHERE number)",
    "max(strlen(split_part(given, '.', 2))) FILTER (WHERE number)",
    "histogram(before) FILTER (WHERE number)",
    "arg_max(given, before, 5) FILTER (WHERE number)",
)


def _probe_metrics(rule: Rule) -> list[exp.Expression]:
    """Return the six aggregates that make a column's facts."""
    given = exp.column(rule.staged_name)
    number: exp.Expression = exp.null()
    before: exp.Expression = exp.null()
    lossy: exp.Expression = exp.column(f"b{rule.no}")
    more = _PROBE_NOTHING_MORE
    if rule.how == "decimal":
        more = _PROBE_DIGITS
        number = _fragment(_NUMBER, given=given)
        before = _fragment(_BEFORE, given=given)
        lossy = _fragment(_NO_DECIMAL, given=given, number=number)
    return [
        _fragment(text, given=given, number=number, before=before, lossy=lossy)
        for text in (*_PROBE, *more)
    ]


@functools.cache
def _parsed(text: str) -> exp.Expression:
    parsed: exp.Expression = exp.maybe_parse(text, dialect="duckdb")
    return parsed


def _fragment(text: str, **columns: exp.Expression) -> exp.Expression:
    """Parse a fixed text in which each column stands for an expression."""
    parsed = _parsed(text).copy()

    def put(node: exp.Expression) -> exp.Expression:
        return exp.paren(columns[node.name].copy()) if isinstance(node, exp.Column) else node

    return parsed.transform(put)


def tune(rules: Sequence[Rule], facts: Mapping[int, ColumnFacts]) -> tuple[Rule, ...]:
    """Fit decimals to their values; leave columns as text whose values do not survive."""
    return tuple(_tuned(rule, facts.get(rule.no)) for rule in rules)


def _tuned(rule: Rule, facts: ColumnFacts | None) -> Rule:
    if facts is None or not rule.parsed:
        return rule
    if rule.how != "decimal":
        return rule.keep_text(facts.lossy, facts.examples) if facts.lossy else rule
    if facts.lossy:
        return rule.keep_text(facts.lossy, facts.examples)
    if facts.digits + facts.scale > 38:
        # each value fits, but not all in one type: told are those without room for the scale
        room = 38 - facts.scale
        wide = sum(count for digits, count in facts.by_digits.items() if digits > room)
        return rule.keep_text(wide, [one for one in facts.widest if _most_digits(one)[0] < -room])
    declared = int(rule.target[8:].split(",")[0])
    width = declared if declared - facts.scale >= facts.digits else 38
    return replace(rule, target=types.decimal_type(width, facts.scale))


# --- 2. and 3. restore ----------------------------------------------------------------------------


def _typed_rows(rules: Sequence[Rule], *, file_name: bool = False) -> exp.Select:
    """Select the columns as delivered (`s*`) and typed (`c*`)."""
    delivered = exp.select(
        *[exp.alias_(exp.column(rule.read_name, quoted=True), rule.staged_name) for rule in rules]
    ).from_(exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")]))
    typed = exp.select(
        *[exp.alias_(types.value(rule), rule.scratch_name) for rule in rules],
        *[exp.column(rule.staged_name) for rule in rules],
    )
    if file_name:
        delivered = delivered.select(exp.alias_(exp.column(FILE_NAME, quoted=True), "file_name"))
        typed = typed.select(exp.column("file_name"))
    return typed.from_(delivered.subquery("delivered"))


def hashed_rows(
    rules: Sequence[Rule], day: exp.Expression, *, file_name: bool = False
) -> exp.Select:
    """Select dt, c*, h1, h2 and bad (the number of a column that failed, else NULL).

    With `file_name`, also the local path that each row came from.
    """
    bad: exp.Expression = exp.null()
    case = exp.Case()
    for rule in rules:
        if rule.parsed:
            lossy = types.is_lossy(rule, exp.column(rule.scratch_name))
            bad = case = case.when(lossy, exp.Literal.number(rule.no))
    first, second = types.row_hashes([rule.scratch_name for rule in rules])
    select = exp.select(
        exp.alias_(day, "dt"),
        *[exp.column(rule.scratch_name) for rule in rules],
        exp.alias_(first, "h1"),
        exp.alias_(second, "h2"),
        exp.alias_(exp.cast(bad, "INTEGER"), "bad"),
    )
    if file_name:
        select = select.select(exp.column("file_name"))
    return select.from_(_typed_rows(rules, file_name=file_name).subquery("t"))


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
    order: list[exp.Expression] = []
    # a typed date orders the partitions by itself; text does not
    if dated is None or dated.target == "VARCHAR":
        order.append(exp.column("dt"))
    keys = [dated] if dated else []
    keys += [rule for rule in sort_rules(rules, options) if rule is not dated]
    order += [exp.column(rule.scratch_name) for rule in keys]
    order.append(exp.column("h1"))
    select = hashed_rows(rules, day).order_by(
        *[exp.Ordered(this=column, nulls_first=False) for column in order]
    )
    connection.execute("DROP TABLE IF EXISTS sorted")
    create = exp.Create(
        this=exp.Table(this=exp.to_identifier("sorted")), kind="TABLE", expression=select
    )
    connection.execute(create.sql(dialect="duckdb"), {"files": list(files)})
    lossy = {row["bad"]: row["rows"] for row in rows(connection, "compact/lossy")}
    return Loaded(rules=tuple(rules), partitions=partitions(connection), lossy=lossy)


def partitions(connection: duckdb.DuckDBPyConnection) -> tuple[Partition, ...]:
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
    if loaded.lossy:
        facts = probe(connection, files, plain)
        loaded = load(connection, files, tune(plain, facts), options)
    return loaded


def tuned_from(plain: Sequence[Rule], tuned: Sequence[Rule]) -> list[Rule]:
    """Return the tuned rules, but those that keep text as they were before."""
    return [rule if now.kept_text else now for rule, now in zip(plain, tuned, strict=True)]


# --- 4. write -------------------------------------------------------------------------------------


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

    with ThreadPoolExecutor((os.cpu_count() or 2) + 1, thread_name_prefix="write") as pool:
        yield from pool.map(run, jobs)


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


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def translate(error: Exception, files: Mapping[str, str]) -> ObjectUnreadable:
    """Name the object behind a DuckDB error; scratch paths become keys."""
    message = str(error)
    for path, key in files.items():
        if path in message:
            return ObjectUnreadable(f"{key}: {message.replace(path, key)}", key=key)
    return ObjectUnreadable(f"DuckDB cannot read the table: {message}")
