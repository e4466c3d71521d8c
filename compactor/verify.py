"""Compare what was read with what was written: nothing lost, doubled or changed.

In:  the loaded table, its written parts, the stored objects, profiles of both sides.
Out: `Check` values, each with both numbers and where they came from.
IO:  reads parts on scratch (DuckDB) and the bytes that the lake returns (Polars).

Steps: (1) `read_back` reads the written files with DuckDB; (2) `read_stored` reads what the lake
holds with Polars; (3) `checks` compares, and is pure. A check never raises: a difference is a
result. Whoever calls decides that a failed check stops the table.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from sqlglot import exp

from . import types
from .model import HIVE_NULL, Check, CheckStatus, Grain
from .portable import proof
from .profile import (
    ColumnProfile,
    from_sql,
    merge_metrics,
    sql_metrics,
)
from .scratch import file_sha256
from .second_engine import output_columns, scan_written
from .sql import query, rows
from .store.interface import Wanted
from .types import Rule

Fingerprint = tuple[int, int]


@dataclass(slots=True)
class Side:
    """Rows and fingerprint per partition, as one side sees them."""

    rows: dict[str, int] = field(default_factory=dict)
    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)

    def add(self, value: str, rows: int, fingerprint: Fingerprint) -> None:
        one, two = self.fingerprints.get(value, (0, 0))
        self.rows[value] = self.rows.get(value, 0) + rows
        self.fingerprints[value] = (one + fingerprint[0], two + fingerprint[1])

    @property
    def total_rows(self) -> int:
        return sum(self.rows.values())


@dataclass(slots=True)
class Declared:
    """Objects of which the export says something, and those that are as it says."""

    digests: int = 0
    tags: int = 0
    same_tags: int = 0


@dataclass(slots=True)
class Evidence:
    """Everything that was counted while one table went through; grows chunk by chunk."""

    grain: Grain
    footer_rows: int = 0
    decoded_rows: int = 0
    decoded_once: bool = False
    """DuckDB took over rows that pyarrow had decoded, instead of reading the objects itself."""
    declared_rows: int | None = None
    is_text: bool = False
    """Rows of the source were counted without a parser: it has no footers."""
    is_converted: bool = False
    """Both engines read what one library made of the source, because neither reads its format."""
    declared: Declared = field(default_factory=lambda: Declared())
    source: Side = field(default_factory=Side)
    written: Side = field(default_factory=Side)
    source_profiles: dict[int, ColumnProfile] = field(default_factory=dict)
    written_profiles: dict[int, ColumnProfile] = field(default_factory=dict)
    stored_profiles: dict[int, ColumnProfile] = field(default_factory=dict)
    stored_rows: int = 0
    portable: proof.Proof | None = None
    """None where `verify.portable` is off."""
    lossy: dict[int, int] = field(default_factory=dict)
    """Rows in which the round trip of a column failed, by column number."""
    read_twice: list[tuple[str, str, str]] = field(default_factory=list)
    """(what was read, fingerprint of its rows as pyarrow and as DuckDB decode them)"""
    digests: list[tuple[str, str, str | None, str]] = field(default_factory=list)
    """(partition, expected sha256, sha256 the store keeps, sha256 of the bytes read back)"""
    unreadable: dict[str, str] = field(default_factory=dict)
    """What DuckDB says of a written file that it cannot read, by partition."""

    def merge_profiles(self, side: str, profiles: dict[int, ColumnProfile]) -> None:
        target: dict[int, ColumnProfile] = getattr(self, f"{side}_profiles")
        for no, profile in profiles.items():
            target.setdefault(no, ColumnProfile()).merge(profile)


# --- 1. DuckDB reads the written files ------------------------------------------------------------


def read_back(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    values: dict[str, str],
    evidence: Evidence,
) -> None:
    """Read written files and add rows, fingerprints and profiles to the evidence.

    `values` maps the local path of each file to its partition value.
    """
    if not values:
        return
    connection.execute(query("compact/staged"))
    try:
        halves = _read_files(connection, rules, list(values), evidence)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        # some file cannot be read: its rows are missing, which the checks of its partition say
        good = [path for path in values if _is_readable(connection, rules, path, values, evidence)]
        if not good:
            return
        halves = _read_files(connection, rules, good, evidence)
    for row in rows(connection, "verify/written_files"):
        evidence.written.add(
            values[row["file_name"]], row["rows"], (int(row["sum1"]), int(row["sum2"]))
        )
    if evidence.portable is not None:
        for path, sums in proof.read(connection, "verify/portable_files", "file_name").items():
            evidence.portable.add_written(values[path], sums)
    evidence.merge_profiles("written", _written_profiles(connection, rules, halves=halves))


def _is_readable(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    path: str,
    values: dict[str, str],
    evidence: Evidence,
) -> bool:
    try:
        _read_files(connection, rules, [path], evidence)
    except duckdb.Error as error:
        evidence.unreadable.setdefault(values[path], str(error).splitlines()[0])
        return False
    return True


def _read_files(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    files: Sequence[str],
    evidence: Evidence,
) -> bool:
    """Fill the temporary table `written`; return whether decimals had to be summed in halves."""
    portable = evidence.portable is not None
    try:
        _read_written(connection, rules, files, halves=False, portable=portable)
    except duckdb.OutOfRangeException:
        _read_written(connection, rules, files, halves=True, portable=portable)
        return True
    return False


def _read_written(
    connection: duckdb.DuckDBPyConnection,
    rules: Sequence[Rule],
    files: Sequence[str],
    *,
    halves: bool,
    portable: bool,
) -> None:
    named = exp.select(
        *[
            exp.alias_(exp.column(rule.output_name, quoted=True), rule.scratch_name)
            for rule in rules
        ],
        exp.column("compactor source file", quoted=True).as_("file_name"),
    ).from_(exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")]))
    first, second = types.row_hashes([rule.scratch_name for rule in rules])
    metrics = [
        exp.alias_(metric, f"m{rule.no}_{number}", copy=False)
        for rule in rules
        for number, metric in enumerate(
            sql_metrics(exp.column(rule.scratch_name), rule.target, halves=halves)
        )
    ]
    if portable:
        named = proof.with_lanes(named, rules)
        metrics += proof.sums()
    select = (
        exp.select(
            exp.column("file_name"),
            exp.alias_(exp.Count(this=exp.Star()), "rows"),
            exp.alias_(exp.Sum(this=first), "sum1"),
            exp.alias_(exp.Sum(this=second), "sum2"),
            *metrics,
        )
        .from_(named.subquery("named", copy=False), copy=False)
        .group_by("file_name", copy=False)
    )
    create = "CREATE OR REPLACE TEMP TABLE written AS " + select.sql(dialect="duckdb", copy=False)
    connection.execute(create, {"files": list(files)})


def _written_profiles(
    connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule], *, halves: bool
) -> dict[int, ColumnProfile]:
    """Add up the per-file metrics of the temporary table `written`."""
    select = exp.select(
        *[
            metric
            for rule in rules
            for metric in merge_metrics(
                [f"m{rule.no}_{number}" for number in range(4)], rule.target, halves=halves
            )
        ]
    ).from_("written", copy=False)
    row = connection.execute(select.sql(dialect="duckdb", copy=False)).fetchone()
    assert row is not None
    return {
        rule.no: from_sql(rule.target, (row[place * 4] or 0, *row[place * 4 + 1 : place * 4 + 4]))
        for place, rule in enumerate(rules)
    }


# --- 2. Polars reads what the lake holds ----------------------------------------------------------


def read_stored(
    rules: Sequence[Rule], stored: Sequence[tuple[str, Path, str, str | None]], evidence: Evidence
) -> None:
    """Digest and profile the bytes that came back from the lake.

    `stored` holds (partition value, local path of the bytes read, expected sha256, sha256 that the
    store keeps) per object. An object whose bytes are not those that were written is digested only:
    no reader is let loose on it, and its rows are missing from the count.
    """
    import polars as pl

    good = []
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="digest") as pool:
        digests = pool.map(file_sha256, [path for _, path, _, _ in stored])
    for (value, path, expected, kept), read in zip(stored, digests, strict=True):
        evidence.digests.append((value, expected, kept, read))
        if read == expected:
            good.append(path)
    if not good:
        return
    try:
        count, profiles = scan_written(good, output_columns(rules))
    except (pl.exceptions.PolarsError, OSError):
        return  # nothing was counted: the checks of the second engine say so
    evidence.stored_rows += count
    evidence.merge_profiles("stored", profiles)


# --- what the export says of its objects --------------------------------------------------------


def count_declared(wanted: Sequence[Wanted], same_tags: int, declared: Declared) -> None:
    """Count the objects of which the export says something; digests were compared on arrival."""
    said = [item.declared for item in wanted if item.declared is not None]
    declared.digests += sum(one.md5 is not None for one in said)
    declared.tags += sum(one.etag is not None for one in said)
    declared.same_tags += same_tags


# --- 3. compare -----------------------------------------------------------------------------------


def checks(evidence: Evidence, rules: Sequence[Rule]) -> tuple[Check, ...]:
    """Return every check of one table; pure."""
    return (
        *_row_totals(evidence),
        *_partitions(evidence),
        *_digests(evidence),
        *_lossless(evidence, rules),
        *_profiles(evidence, rules),
    )


def _equal(name: str, subject: str, expected: object, actual: object, source: str) -> Check:
    return Check(
        name=name,
        subject=subject,
        expected=str(expected),
        actual=str(actual),
        status="pass" if expected == actual else "fail",
        source=source,
    )


def _row_totals(evidence: Evidence) -> Iterable[Check]:
    total = sum(evidence.source.rows.values())
    taken = "rows decoded from the source (DuckDB)"
    if evidence.decoded_once:
        taken = "rows taken over from pyarrow, typed and hashed (DuckDB)"
    if evidence.declared_rows is None:
        yield Check(
            name="declared_rows",
            subject="table",
            expected=None,
            actual=str(total),
            status="not_verified",
            source="this export system ships no row counts; compare with the database to verify",
        )
    else:
        yield _equal(
            "declared_rows", "table", evidence.declared_rows, total, "export tool; rows read"
        )
    yield _equal(
        "line_rows" if evidence.is_text else "footer_rows",
        "table",
        evidence.footer_rows,
        total,
        f"rows of the source counted without a parser; {taken}"
        if evidence.is_text
        else f"Parquet footers of the source (pyarrow); {taken}",
    )
    yield from _declared_objects(evidence.declared)
    yield _equal(
        "second_engine",
        "rows of the source",
        evidence.decoded_rows,
        total,
        f"{_decoder(evidence)}; {taken}",
    )
    for what, by_pyarrow, by_duckdb in evidence.read_twice:
        yield _equal(
            "second_engine",
            what,
            by_pyarrow,
            by_duckdb,
            "decoded with checksums by pyarrow; decoded by DuckDB; hashed by DuckDB",
        )
    yield _equal(
        "second_engine",
        "rows in the lake",
        total,
        evidence.stored_rows,
        "source (DuckDB); bytes read back from the lake (Polars)",
    )


def _decoder(evidence: Evidence) -> str:
    if evidence.is_converted:
        return "objects converted by one library, then decoded by Python and pyarrow"
    if evidence.is_text:
        return "objects decoded by another parser (Python, pyarrow)"
    return "source pages decoded with checksums (pyarrow)"


def _declared_objects(declared: Declared) -> Iterable[Check]:
    if declared.digests:
        yield _equal(
            "declared_md5",
            "table",
            f"{declared.digests} objects",
            f"{declared.digests} objects",
            "MD5 in the export's manifest; bytes that were fetched (one that differs fails the "
            "table)",
        )
    if declared.tags:
        yield Check(
            name="declared_etag",
            subject="table",
            expected=f"{declared.tags} objects",
            actual=f"{declared.same_tags} objects",
            status="pass" if declared.same_tags == declared.tags else "not_verified",
            source="ETag in the export's manifest; ETag in the listing, or computed from the bytes "
            "that were fetched, as S3 does for an upload in one part",
        )


def _name(value: str) -> str:
    return f"dt={value}" if value else "table"


def _partitions(evidence: Evidence) -> Iterable[Check]:
    origin = "typed source rows before sorting (DuckDB); written files read back (DuckDB)"
    values = sorted({*evidence.source.rows, *evidence.written.rows})
    for value in values:
        expected, actual = (side.rows.get(value, 0) for side in (evidence.source, evidence.written))
        problem = evidence.unreadable.get(value)
        told = f"{origin}; a file of it cannot be read back: {problem}" if problem else origin
        yield _equal("rows", _name(value), expected, actual, told)
        prints = [
            "{:x}-{:x}".format(*side.fingerprints.get(value, (0, 0)))
            for side in (evidence.source, evidence.written)
        ]
        yield _equal("fingerprint", _name(value), prints[0], prints[1], origin)


def _digests(evidence: Evidence) -> Iterable[Check]:
    by_value: dict[str, list[tuple[str, str | None, str]]] = {}
    for value, expected, kept, read in evidence.digests:
        by_value.setdefault(value, []).append((expected, kept, read))
    for value, digests in sorted(by_value.items()):
        count = len(digests)
        good = sum(1 for expected, kept, read in digests if kept == expected == read)
        unknown = sum(1 for expected, kept, read in digests if kept is None and expected == read)
        status: CheckStatus = "pass" if good == count else "fail"
        if good + unknown == count and unknown:
            status = "not_verified"
        yield Check(
            name="stored_sha256",
            subject=_name(value),
            expected=f"{count} objects",
            actual=f"{good} objects" + (f", {unknown} without a stored digest" if unknown else ""),
            status=status,
            source="SHA-256 computed before the upload; digest the store keeps, "
            "and the bytes read back from it",
        )


def _lossless(evidence: Evidence, rules: Sequence[Rule]) -> Iterable[Check]:
    for rule in rules:
        if rule.parsed:
            yield _equal(
                "lossless",
                rule.output_name,
                "0 values changed",
                f"{evidence.lossy.get(rule.no, 0)} values changed",
                f"{rule.source_type} as delivered, to {rule.target} and back, every row (DuckDB)",
            )


def _profiles(evidence: Evidence, rules: Sequence[Rule]) -> Iterable[Check]:
    for rule in rules:
        source = evidence.source_profiles.get(rule.no, ColumnProfile())
        written = evidence.written_profiles.get(rule.no, ColumnProfile())
        stored = evidence.stored_profiles.get(rule.no, ColumnProfile())
        if source.unparsed:
            # counted by the second engine, typed by the first: said, not hidden
            yield Check(
                name="profile",
                subject=rule.output_name,
                expected=f"values {source.values + source.unparsed}",
                actual=f"values {written.values}",
                status="not_verified"
                if source.values + source.unparsed == written.values
                else "fail",
                source=f"source (pyarrow, Polars: {source.unparsed} values in a spelling that only "
                "DuckDB reads, so only counted); written files (DuckDB)",
            )
        else:
            yield _equal(
                "profile",
                rule.output_name,
                source.text(),
                written.text(),
                "source (pyarrow, Polars); written files (DuckDB)",
            )
        yield _equal(
            "second_engine",
            rule.output_name,
            written.text(),
            stored.text(),
            "written files (DuckDB); bytes read back from the lake (Polars)",
        )


def partition_of(value: str, grain: Grain) -> str:
    """Return the folder value of a partition that the sorted table calls `value`."""
    return value or (HIVE_NULL if grain != "none" else "")
