"""Runs with `verify.portable`: the manifest's digest, per partition, proven on both sides."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from pathlib import Path

import duckdb
import make_exports as make
import make_partitions
import make_types
import portable_lake as lake
import portable_rows as spec
import pytest
from lines import NULL_DAY, Line, assert_good

from compactor import report, stage
from compactor.model import PartitionResult, TableResult
from compactor.portable.asked import Options, fingerprint
from compactor.portable.proof import Proof
from compactor.sample_exports import Column, RdsExport

DIGITS = "digits below the millisecond, rounded half up: Athena reads no more of a timestamp"


def month(row: spec.Row) -> str:
    return NULL_DAY if row["local"] is None else f"{row['local']:%4Y-%m}-01".zfill(10)


def test_the_manifest_has_what_plain_python_computes_of_table_and_partitions(
    tmp_path: Path,
) -> None:
    _, table = lake.made(tmp_path)
    assert table.portable is not None
    assert (table.portable.rows, table.portable.digest) == spec.fingerprint(lake.ROWS, lake.COVERED)
    assert table.portable.version == 1
    assert list(table.portable.columns) == sorted(lake.COVERED)
    assert table.portable.left_out == {
        "at": DIGITS,
        "local": DIGITS,
        "many": "INTEGER[]: nested values have no common text",
        "ratio8": "binary floating point: engines print it differently",
    }
    months = defaultdict(list)
    for row in lake.ROWS:
        months[month(row)].append(row)
    expected = {day: spec.fingerprint(rows, lake.COVERED) for day, rows in months.items()}
    found = {part.value: (part.rows, part.portable) for part in table.partitions}
    assert found == expected
    assert len(found) == 6
    checks = [check for check in table.checks if check.name == "portable"]
    assert {check.subject for check in checks} == {f"dt={day}" for day in expected}
    assert {check.status for check in checks} == {"pass"}
    assert TableResult.model_validate_json(table.model_dump_json()) == table


def test_digests_of_partitions_add_up_to_the_tables(tmp_path: Path) -> None:
    _, table = lake.made(tmp_path)
    lanes = [str(part.portable).split("-") for part in table.partitions]
    assert table.portable is not None
    assert table.portable.digest == "-".join(
        str(sum(map(int, lane))) for lane in zip(*lanes, strict=True)
    )


@pytest.mark.parametrize("limits", [{"scratch": "1KiB"}, {"memory": "64MiB"}])
def test_a_table_in_chunks_has_the_same_digest(tmp_path: Path, limits: dict[str, str]) -> None:
    line = Line(tmp_path)
    lake.write(line)
    table = lake.run(line, limits=limits)
    assert table.portable is not None
    assert (table.portable.rows, table.portable.digest) == spec.fingerprint(lake.ROWS, lake.COVERED)


def test_rows_taken_over_while_staging_have_the_same_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "STREAM_BYTES", 1)
    line = Line(tmp_path)
    lake.write(line)
    table = lake.run(line, limits={"scratch": "1KiB"})
    assert any("taken over from pyarrow" in check.source for check in table.checks)
    assert table.portable is not None
    assert (table.portable.rows, table.portable.digest) == spec.fingerprint(lake.ROWS, lake.COVERED)


def test_a_table_that_covers_its_partitions_has_one_and_they_have_none(tmp_path: Path) -> None:
    line = Line(tmp_path)
    made = RdsExport(line.source, "twice", make.SNAPSHOT)
    columns = [Column("id", "bigint"), Column("label", "text"), Column("amount", "numeric")]
    parts = [make_partitions.partition_rows(start) for start in (0, 100)]
    made.table("public.events", columns, parts)
    for number, part in enumerate(parts):
        made.table(f"public.events_p{number}", columns, part)
    made.finish()
    done = line.run(verify={"portable": True})
    assert_good(done)
    found = {table.table: table.portable is None for table in done.result.tables}
    expected = {"public.events": False, "public.events_p0": True, "public.events_p1": True}
    assert found == expected
    assert_lake_gives_the_manifest(line, [one for one in done.result.tables if one.portable])


def assert_lake_gives_the_manifest(line: Line, tables: list[TableResult]) -> None:
    with duckdb.connect() as connection:
        for table in tables:
            found = fingerprint(
                line.config(),
                Options(table=f"{table.database}.{table.table}", dialect="duckdb"),
            )
            (expected,) = found.expected
            assert table.portable is not None
            assert connection.execute(found.sql).fetchone() == (expected.rows, expected.digest)
            assert expected.digest == table.portable.digest


def test_every_type_of_the_exporter_is_covered_or_left_out_by_name(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make_types.all_types_postgres(line.source)
    make_types.all_types_mysql(line.source)
    done = line.run(verify={"portable": True})
    assert_good(done)
    assert_lake_gives_the_manifest(line, list(done.result.tables))
    told = {}
    for table in done.result.tables:
        assert table.portable is not None
        names = {column.name for column in table.columns}
        assert names == {*table.portable.columns, *table.portable.left_out}
        both = {*table.portable.columns} & {*table.portable.left_out}
        assert {table.portable.left_out[name] for name in both} <= {DIGITS}
        told |= {name: table.portable.left_out.get(name, "") for name in names}
    for name in ("c_interval", "c_money", "c_real", "c_double", "c_xml"):
        assert told[name], name
    for name in ("c_uuid", "c_enum", "c_numeric", "c_bytea", "c_boolean", "c_date", "c_char"):
        assert told[name] == "", name


def test_the_report_shows_it_as_page_sheet_and_json(tmp_path: Path) -> None:
    line = Line(tmp_path)
    lake.write(line)
    result = line.run(**lake.sections(line)).result
    (table,) = result.tables
    assert table.portable is not None
    digest = table.portable.digest
    assert f"{table.portable.rows}, {digest}" in report.html(result)
    header, row = csv.reader(io.StringIO(report.tables_csv(result)))
    assert dict(zip(header, row, strict=True))["portable_digest"] == digest
    assert report.run_report(result).run.tables[0].portable == table.portable


def test_without_it_nothing_is_computed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    lake.write(line)
    table = lake.run(line, verify={"portable": False})
    assert table.portable is None
    assert {part.portable for part in table.partitions} == {None}
    assert "portable" not in {check.name for check in table.checks}


def test_sums_that_differ_fail_the_check_of_their_partition() -> None:
    proof = Proof()
    for value in ("2026-10-05", "2026-10-06"):
        proof.add_source(value, (5, 7))
    proof.add_written("2026-10-05", (2, 3))
    proof.add_written("2026-10-05", (3, 4))
    proof.add_written("2026-10-06", (5, 8))
    found = {
        check.subject: (check.status, check.expected, check.actual) for check in proof.checks()
    }
    assert found == {
        "dt=2026-10-05": ("pass", "5-7", "5-7"),
        "dt=2026-10-06": ("fail", "5-7", "5-8"),
    }


def test_a_value_that_changes_while_it_is_written_fails_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of the written files that sees another value: the check is not decoration."""
    from compactor.portable import proof

    made = proof.with_lanes
    seen = []

    def changed(below, rules):
        seen.append(below)
        if len(seen) == 1:
            return made(below, rules)
        return made(below, [rule for rule in rules if rule.output_name != "note"])

    monkeypatch.setattr(proof, "with_lanes", changed)
    line = Line(tmp_path)
    lake.write(line)
    done = line.run(**lake.sections(line))
    (table,) = done.result.tables
    assert table.status == "failed"
    assert {check.name for check in table.checks if check.status == "fail"} == {"portable"}
    assert done.exit_code == 5


def test_manifests_of_earlier_versions_load() -> None:
    old = {"value": "", "rows": 1, "fingerprint": "1-2", "objects": []}
    assert PartitionResult.model_validate(old).portable is None
