"""The statements: those that readers can see, what they quote, what the command prints."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import replace
from pathlib import Path

import duckdb
import make_exports as make
import portable_lake as lake
import portable_rows as spec
import pytest
import sqlglot
from commands import Command
from lines import NULL_DAY, Line
from sqlglot import exp
from test_portable import columns_of

from compactor import sql
from compactor.portable.asked import Fingerprint, Options, fingerprint
from compactor.portable.engines import ENGINES, Dialect
from compactor.portable.statement import Rows, statement
from compactor.report.fingerprint import fingerprint_text

SHOWN: dict[str, Dialect] = {
    "fingerprint/duckdb": "duckdb",
    "fingerprint/athena": "athena",
    "fingerprint/spark": "spark",
    "fingerprint/postgres": "postgres",
    "fingerprint/mysql": "mysql",
}


def shown(name: str) -> str:
    dialect = SHOWN[name]
    place = exp.table_("orders", db="shop", quoted=True)
    select = statement(columns_of(spec.example().kinds), Rows(place=place), dialect)
    return (
        f"-- {name}: the fingerprint of the example in docs/fingerprint.md, a table shop.orders\n"
        "-- params:  none\n"
        "-- returns: row_count, digest. Written by tests/test_portable_sql.py\n"
        f"{select.sql(dialect=ENGINES[dialect].printed, pretty=True)}\n"
    )


@pytest.mark.parametrize("name", SHOWN)
def test_the_statements_that_readers_see_are_those_that_are_generated(name: str) -> None:
    if os.environ.get("COMPACTOR_WRITE_GOLDEN"):
        path = Path(__file__).parent.parent / "queries" / f"{name}.sql"
        path.write_text(shown(name), encoding="utf-8")
    assert sql.query(name) == shown(name)


def test_the_statement_that_readers_see_gives_the_documents_result() -> None:
    found = spec.example()
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA shop")
        select = exp.select("*").from_(spec.rows_of(found.rows, found.kinds, "duckdb"))
        table = exp.Create(this=exp.to_table("shop.orders"), kind="TABLE", expression=select)
        connection.execute(table.sql(dialect="duckdb"))
        assert connection.execute(sql.query("fingerprint/duckdb")).fetchone() == found.result


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Line:
    line, _ = lake.made(tmp_path_factory.mktemp("sql_lake"))
    return line


@pytest.fixture
def config(nasty: Line, tmp_path: Path) -> Path:
    path = tmp_path / "compactor.toml"
    path.write_text(
        f"[source]\nurls = [{json.dumps(str(nasty.source))}]\n"
        f"[lake]\nurl = {json.dumps(str(nasty.lake))}\n",
        encoding="utf-8",
    )
    return path


def test_what_is_printed_can_be_run_as_it_is_and_gives_what_its_comments_say(
    config: Path, command: Command, tmp_path: Path
) -> None:
    kept = tmp_path / "fingerprint.sql"
    said = command("-c", config, "fingerprint", lake.TABLE, "-o", kept)
    assert (said.code, said.err) == (0, "")
    assert kept.read_text(encoding="utf-8") == said.out
    count, digest = spec.fingerprint(lake.ROWS, lake.COVERED)
    comments = [line for line in said.out.splitlines() if line.startswith("--")]
    assert f"--   row_count {count}, digest {digest}" in comments
    assert "-- left out: ratio8: binary floating point: engines print it differently" in comments
    assert any(line.startswith("-- left out: local: digits below the mill") for line in comments)
    with duckdb.connect() as connection:
        assert connection.execute(said.out).fetchall() == [(count, digest)]


def test_json_has_the_statement_and_every_number_by_itself(config: Path, command: Command) -> None:
    asked = ("-c", config, "fingerprint", lake.TABLE, "--by-partition", "--json")
    found = command(*asked).json
    assert [one["partition"] for one in found["expected"]][-1] == NULL_DAY
    with duckdb.connect() as connection:
        rows = connection.execute(found["sql"]).fetchall()
    assert [(day or NULL_DAY, count, digest) for day, count, digest in rows] == [
        (one["partition"], one["rows"], one["digest"]) for one in found["expected"]
    ]
    assert {"database", "table", "snapshot", "run_id", "dialect", "columns", "left_out"} <= set(
        found
    )
    assert Fingerprint.model_validate(found).by_partition
    assert set(found["left_out"]) == {"at", "local", "many", "ratio8"}


def test_one_day_reads_the_objects_of_that_day_only(config: Path, command: Command) -> None:
    asked = ("-c", config, "fingerprint", lake.TABLE, "--partition", NULL_DAY, "--json")
    found = command(*asked).json
    assert found["sql"].count(".parquet") == 1
    with duckdb.connect() as connection:
        (given,) = connection.execute(found["sql"]).fetchall()
    (expected,) = found["expected"]
    assert given == (expected["rows"], expected["digest"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["files.nasti"], "did you mean files.nasty?"),
        ([lake.TABLE, "--snapshot", "20200101T000000Z"], "no manifest names a snapshot"),
        ([lake.TABLE, "--partition", "2026-03-02"], "did you mean 2026-03-01?"),
        ([lake.TABLE, "--partition", "2026-03-01", "--by-partition"], "contradict"),
        ([lake.TABLE, "--dialect", "postgres"], "was exported by files"),
        ([lake.TABLE, "--dialect", "mysql"], "was exported by files"),
        ([lake.TABLE, "--dialect", "oracle"], "oracle"),
    ],
)
def test_what_cannot_be_asked_for_is_told(
    config: Path, command: Command, arguments: list[str], told: str
) -> None:
    said = command("-c", config, "fingerprint", *arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_without_digests_in_the_manifest_it_is_told_how_to_get_them(
    command: Command, tmp_path: Path
) -> None:
    line = Line(tmp_path / "plain")
    make.old_export(line.source)
    assert line.run().exit_code == 0
    path = tmp_path / "compactor.toml"
    path.write_text(
        f"[source]\nurls = ['{line.source}']\n[lake]\nurl = '{line.lake}'\n", encoding="utf-8"
    )
    said = command("-c", path, "fingerprint", "shop.public.flat")
    assert said.code == 0
    assert "set portable = true in [verify]" in said.out
    assert "expected" not in said.out
    with duckdb.connect() as connection:
        ((count, _),) = connection.execute(said.out).fetchall()
    assert count == 30
    said = command("-c", path, "fingerprint", "shop.public.flat", "--by-partition")
    assert said.code == 2
    assert "is not divided by days" in said.err


# --- hostile names --------------------------------------------------------------------------------


def test_hostile_names_are_quoted_and_end_no_comment(tmp_path: Path) -> None:
    line = Line(tmp_path)
    make.hostile_names(line.source)
    done = line.run(verify={"portable": True})
    assert done.exit_code == 0
    dialects = itertools.cycle(ENGINES)
    with duckdb.connect() as connection:
        for table in done.result.tables:
            name = f"{table.database}.{table.table}"
            found = fingerprint(line.config(), Options(table=name, dialect="duckdb"))
            (expected,) = found.expected
            given = connection.execute(fingerprint_text(found)).fetchall()
            assert given == [(expected.rows, expected.digest)]
            dialect = next(dialects)
            found = fingerprint(line.config(), Options(table=name, dialect=dialect))
            told = fingerprint_text(found).removesuffix(f"\n{found.sql};")
            assert all(part.startswith("-- ") for part in told.split("\n"))
            assert not set(told) & set("\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u202e\x00")
            (parsed,) = sqlglot.parse(found.sql, ENGINES[dialect].printed)
            assert isinstance(parsed, exp.Select)


def test_columns_of_a_source_are_called_by_their_own_names() -> None:
    kinds = {"id": "BIGINT"}
    (column,) = columns_of(kinds)
    renamed = replace(column, source_name='I"d`')
    for dialect, name in (("postgres", '"I""d`"'), ("mysql", '`I"d```'), ("duckdb", '"id"')):
        rows = Rows(place=exp.to_table("t"))
        assert name in statement([renamed], rows, dialect).sql(dialect=dialect)
