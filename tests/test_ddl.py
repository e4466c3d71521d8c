"""`compactor ddl`: SQL that can be run as printed, whatever things are called; what it warns of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import make_exports as make
import pytest
import sqlglot
from commands import Command
from lake_values import LAKE, daily, label, laid_out, only, result
from s3_line import Place, write_shop
from sqlglot import exp
from test_cli import configure

from compactor.catalog import ddl, redshift
from compactor.catalog.projection import Projection, Refusal, project
from compactor.catalog.script import script
from compactor.model import HIVE_NULL, TableResult

NASTY = ("it's", 'say "hi"', "back`tick", "back\\slash", "'); DROP TABLE x; --", "${x}", "a,b;c")


def created(*results: TableResult, **options: Any) -> ddl.TableDdl:
    return ddl.create(only(laid_out(daily(*results))), **options)


def of_kind(made: ddl.TableDdl, kind: str) -> list[str]:
    return [one.sql for one in made.statements if one.kind == kind]


def parsed(sql: str, dialect: str) -> exp.Expression:
    """Parse one statement, strictly: there is no second one in it."""
    (tree,) = sqlglot.parse(sql, dialect=dialect)
    assert tree is not None
    assert not isinstance(tree, exp.Command)
    return tree


# --- tables and partitions ------------------------------------------------------------------------


def test_nasty_columns_comments_and_locations_read_back_as_they_are() -> None:
    one = result("".join(NASTY), 0, columns=dict.fromkeys(NASTY, "VARCHAR"))
    columns = tuple(
        each.model_copy(update={"source_type": name, "source_name": f"x{name}"})
        for each, name in zip(one.columns, NASTY, strict=True)
    )
    made = created(one.model_copy(update={"columns": columns}))
    (sql,) = of_kind(made, "table")
    tree = parsed(sql, "hive")
    found = list(tree.this.expressions)
    assert [each.name for each in found] == list(NASTY)
    for each, name in zip(found, NASTY, strict=True):
        told = each.find(exp.CommentColumnConstraint).this.name
        assert told == f"source: {name}; named {f'x{name}'!r} there"
    place = tree.find(exp.LocationProperty).this.name
    assert place.startswith(f"{LAKE}shop/it%27s")
    (added,) = of_kind(made, "partitions")
    assert f"LOCATION '{place}snapshot={label(0)}/'" in added


def test_partitions_come_a_hundred_at_a_time_and_undated_rows_by_themselves() -> None:
    days = {f"2026-{month:02d}-{day:02d}": 1 for month in range(1, 10) for day in range(1, 26)}
    made = created(result("t", 0, {**days, HIVE_NULL: 7}))
    batches = of_kind(made, "partitions")
    assert [sql.count("PARTITION (") for sql in batches] == [100, 100, 25, 1]
    assert [HIVE_NULL in sql for sql in batches] == [False, False, False, True]
    for value in days:
        assert sum(f"`dt` = '{value}'" in sql for sql in batches) == 1
    assert all(sql.startswith("ALTER TABLE `shop`.`t_data`") for sql in batches)
    assert any("7 rows without a date" in told for told in made.warnings)


def test_a_statement_too_long_for_athena_loses_its_comments_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = result("t", 0)
    (column,) = one.columns
    one = one.model_copy(update={"columns": (column.model_copy(update={"source_type": "int8"}),)})
    assert "source: int8" in of_kind(created(one), "table")[0]
    monkeypatch.setattr(ddl, "MOST_BYTES", 300)
    made = created(one)
    assert "source: int8" not in of_kind(made, "table")[0]
    assert any("without comments" in told for told in made.warnings)


def test_a_column_that_came_later_is_told_because_an_older_table_lacks_it() -> None:
    made = created(result("t", 0), result("t", 1, columns={"id": "BIGINT", "late": "DATE"}))
    (told,) = [told for told in made.warnings if "drop it first" in told]
    assert "'late'" in told
    assert label(0) in told
    assert not any("drop it" in told for told in created(result("t", 0)).warnings)


def test_a_table_none_of_whose_columns_can_be_declared_is_told_and_not_printed() -> None:
    tables = laid_out(daily(result("odd", 0, columns={"span": "INTERVAL"}), result("good", 1)))
    made = script(tables, "athena", (), projected=False)
    assert {one.table for one in made.tables[0].statements if one.kind == "table"} == {"good_data"}
    assert len(made.tables) == 1
    (told,) = made.warnings
    assert told.startswith("shop.odd: nothing is printed")


def test_a_folder_with_percent_signs_is_named_because_athena_does_not_say_how_it_reads_it() -> None:
    (told,) = [told for told in created(result("100%", 0)).warnings if "%" in told]
    assert f"{LAKE}shop/100%25/" in told
    assert not any("%" in told for told in created(result("100%", 0), spark=True).warnings)


# --- projection -----------------------------------------------------------------------------------


def projected(*results: TableResult) -> Projection | Refusal:
    return project(only(laid_out(daily(*results))).externals[-1])


@pytest.mark.parametrize(
    ("grain", "values", "unit"),
    [
        ("day", ("2026-02-27", "2026-03-02"), "DAYS"),
        ("month", ("2025-11-01", "2026-02-01"), "MONTHS"),
        ("year", ("0987-01-01", "2026-01-01"), "YEARS"),
    ],
)
def test_projection_ranges_over_the_days_that_all_snapshots_have(
    grain: str, values: tuple[str, str], unit: str
) -> None:
    first, last = values
    found = projected(
        result("t", 0, {last: 1}, grain=grain), result("t", 1, {first: 1, last: 1}, grain=grain)
    )
    assert isinstance(found, Projection)
    assert dict(found.properties) == {
        "projection.enabled": "true",
        "projection.snapshot.type": "enum",
        "projection.snapshot.values": f"{label(0)},{label(1)}",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.dt.range": f"{first},{last}",
        "projection.dt.interval": "1",
        "projection.dt.interval.unit": unit,
        "storage.location.template": f"{LAKE}shop/t/snapshot=${{snapshot}}/dt=${{dt}}/",
    }


def test_rows_without_a_date_are_told_to_be_invisible_under_projection() -> None:
    found = projected(result("t", 0, {"2026-01-01": 1, HIVE_NULL: 1_234}))
    assert isinstance(found, Projection)
    (told,) = found.warnings
    assert "1,234 rows without a date are INVISIBLE" in told
    assert label(0) in told
    assert HIVE_NULL not in json.dumps(found.properties)
    assert projected(result("t", 0, {"2026-01-01": 1})).warnings == ()


def test_a_range_that_is_mostly_empty_and_a_long_enum_are_told() -> None:
    (sparse,) = projected(result("t", 0, {"2026-01-01": 1, "2026-12-31": 1})).warnings
    assert "365 projected partitions only 2" in sparse
    (many,) = projected(*(result("t", n, {"2026-01-01": 1}) for n in range(60))).warnings
    assert "60 snapshots" in many


def moved(one: TableResult) -> TableResult:
    """Let the first partition point at the objects of another snapshot."""
    part, *others = one.partitions
    (stored,) = part.objects
    key = stored.key.replace(label(1), label(0))
    part = part.model_copy(update={"objects": (stored.model_copy(update={"key": key}),)})
    return one.model_copy(update={"partitions": (part, *others)})


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([result("t", 0, 5)], "not divided by day"),
        ([result("t", 0, {HIVE_NULL: 5})], "none of its rows has a date"),
        (
            [
                result("t", 0, {"2026-01-01": 1}, grain="month"),
                result("t", 1, {"2026-01-01": 1}, grain="day"),
            ],
            r"divided differently \(day, month\)",
        ),
        ([result("t", 0, {"12026-01-01": 1})], "dt=12026-01-01"),
        ([moved(result("t", 1, {"2026-01-01": 1}))], "lies elsewhere"),
    ],
    ids=["no days", "no dates", "grains", "far year", "other folder"],
)
def test_projection_is_refused_where_it_would_be_wrong_and_partitions_are_registered(
    results: list[TableResult], reason: str
) -> None:
    found = projected(*results)
    assert isinstance(found, Refusal)
    made = created(*results, projected=True)
    assert any("no projection" in told and found.reason in told for told in made.warnings)
    assert of_kind(made, "partitions")
    assert "projection" not in "".join(one.sql for one in made.statements)
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found.reason)


def test_a_projected_table_that_is_there_already_gets_the_new_snapshots() -> None:
    made = created(result("t", 0, {"2026-01-01": 1}), projected=True)
    (table,), (properties,) = of_kind(made, "table"), of_kind(made, "properties")
    assert of_kind(made, "partitions") == []
    for sql in (table, properties):
        assert f"'projection.snapshot.values'='{label(0)}'" in sql
    assert properties.startswith("ALTER TABLE `shop`.`t_data`\n  SET TBLPROPERTIES (")


# --- redshift -------------------------------------------------------------------------------------

KINDS = {"id": "BIGINT", "tiny": "TINYINT", "tags": "VARCHAR[]", "ok": "BOOLEAN", "v": "DATE"}


def test_redshift_gets_its_own_words() -> None:
    tables = daily(result("t", 0, {"2026-01-01": 1, HIVE_NULL: 1}, KINDS))
    made = redshift.create(only(laid_out(tables, url="s3://it's\\x/")))
    (sql,) = of_kind(made, "table")
    assert sql.startswith('CREATE EXTERNAL TABLE "shop_data"."t_data" (')
    assert '"tiny" smallint' in sql
    assert "LOCATION 's3://it''s\\\\x/shop/t/'" in sql
    assert '"tags" array<varchar(65535)>' in sql
    assert "COMMENT" not in sql
    assert "TBLPROPERTIES" not in sql
    assert [sql.count("PARTITION (") for sql in of_kind(made, "partitions")] == [1, 1]
    assert any("smallint" in told for told in made.warnings)


def test_redshift_views_are_bound_late_and_show_what_redshift_can_show() -> None:
    other = {**KINDS, "ok": "VARCHAR", "v": "VARCHAR"}
    first = result("t", 0, 1, {**KINDS, "at": "TIMESTAMP"})
    made = redshift.create(only(laid_out(daily(first, result("t", 1, 1, other)))))
    for sql in of_kind(made, "view"):
        tree = parsed(sql, "redshift")
        assert sql.endswith("WITH NO SCHEMA BINDING")
        assert tree.this.db == "shop"
        sources = {one.sql() for one in tree.expression.find_all(exp.Table)}
        assert sources <= {'"shop_data"."t_data"', '"shop_data"."t_data_2"'}
        assert '"tags"' not in sql
        assert '"ok"' not in sql
    asof = of_kind(made, "view")[1]
    assert 'CAST("v" AS VARCHAR(65535))' in asof
    assert 'CAST(NULL AS TIMESTAMP) AS "at"' in asof
    (told,) = [told for told in made.warnings if "not in its views" in told]
    assert "'ok', 'tags'" in told


def test_redshift_reads_the_glue_database_through_an_external_schema() -> None:
    external, own = redshift.create_schemas("shop")
    assert external.sql.split("\n") == [
        'CREATE EXTERNAL SCHEMA IF NOT EXISTS "shop_data"',
        "FROM DATA CATALOG DATABASE 'shop'",
        "IAM_ROLE default",
        "CREATE EXTERNAL DATABASE IF NOT EXISTS",
    ]
    assert own.sql == 'CREATE SCHEMA IF NOT EXISTS "shop"'


# --- the script -----------------------------------------------------------------------------------


def statements_in(text: str) -> list[str]:
    """Divide a script as its help says: a semicolon at the end of a line ends a statement."""
    lines = [line for line in text.split("\n") if not line.startswith("--")]
    return [one.strip() for one in "\n".join(lines).split(";\n") if one.strip()]


@pytest.mark.parametrize("dialect", ["athena", "spark", "redshift"])
def test_no_name_breaks_out_of_its_place_in_the_script(dialect: Any) -> None:
    evil = "x\n; DROP TABLE y;\r\u2028\x85--"
    tables = laid_out(
        daily(
            result(evil, 0, {"2026-01-01": 1}, {"id": "BIGINT", **dict.fromkeys(NASTY, "VARCHAR")}),
            result("plain", 1, {"2026-01-01": 1, HIVE_NULL: 1}),
        )
    )
    made = script(tables, dialect, [evil], projected=dialect == "athena")
    text = f"{made.text}\n"
    assert statements_in(text) == [one.sql for one in made.statements]
    assert not any(line.lstrip().startswith("DROP") for line in text.splitlines())
    for one in made.statements:
        if one.kind == "view":
            parsed(one.sql, {"athena": "athena"}.get(dialect, dialect))
        elif one.kind == "table" and dialect != "redshift":
            parsed(one.sql, "hive")


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path, command: Command) -> Path:
    make.old_export(tmp_path / "source")
    config = configure(tmp_path, tmp_path / "source")
    assert command("-q", "-c", config, "run").code == 0
    return config


def test_the_result_is_sql_on_stdout_and_warnings_are_told_on_stderr_as_well(
    command: Command, shop: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.sql"
    said = command("-c", shop, "--log-format", "json", "ddl", "-o", kept)
    assert said.code == 0
    assert said.out == kept.read_text(encoding="utf-8")
    assert said.out.count("CREATE EXTERNAL TABLE") == 1
    warned = [line.removeprefix("-- warning: ") for line in said.out.split("\n") if "-- w" in line]
    assert warned == [line["event"] for line in said.lines if line["level"] == "warning"]
    assert any("reads s3:// only" in told for told in warned)
    assert command("-q", "-c", shop, "ddl").err == ""


def test_json_gives_the_statements_one_by_one(command: Command, shop: Path) -> None:
    found = command("-q", "-c", shop, "ddl", "--json").json
    assert [one["kind"] for one in found] == ["database", "table", "partitions", *["view"] * 3]
    assert all(one.keys() == {"database", "table", "kind", "sql"} for one in found)
    text = command("-q", "-c", shop, "ddl").out
    assert statements_in(text) == [one["sql"] for one in found]
    assert len({one["table"] for one in found if one["kind"] == "view"}) == 3


def test_a_table_can_be_asked_for_and_one_that_is_not_there_is_told(
    command: Command, shop: Path
) -> None:
    every = command("-q", "-c", shop, "ddl").out
    name = next(
        line[3:]
        for line in every.split("\n")
        if line.startswith("-- ") and "." in line and "warning" not in line
    )
    assert command("-q", "-c", shop, "ddl", name).out == every
    said = command("-c", shop, "ddl", f"{name}x")
    assert (said.code, said.out) == (2, "")
    assert name in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--dialect", "spark", "--projection"), "spark does not know it"),
        (("--place", "archive"), "no archive is configured"),
    ],
)
def test_what_cannot_be_is_a_usage_error(
    arguments: tuple[str, ...], told: str, command: Command, shop: Path
) -> None:
    said = command("-c", shop, "ddl", *arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err


def test_without_a_run_the_user_is_told_to_run_first(command: Command, tmp_path: Path) -> None:
    said = command("-c", configure(tmp_path, tmp_path), "ddl")
    assert (said.code, said.out) == (2, "")
    assert "run compactor run first" in said.err


def test_a_lake_where_every_table_failed_gives_no_statement_and_says_so(
    command: Command, tmp_path: Path
) -> None:
    damaged = make.damaged(tmp_path / "source", "truncated")
    config = configure(tmp_path, tmp_path / "source")
    command("-q", "-c", config, "run")
    text = command("-q", "-c", config, "ddl").out
    assert damaged.good in text
    assert damaged.bad not in text


def test_an_archive_without_the_table_and_a_class_that_cannot_be_read_are_told(
    command: Command, shop: Path
) -> None:
    with shop.open("a", encoding="utf-8") as file:
        file.write('[archive]\nurl = "s3://vault/x/"\nstorage_class = "DEEP_ARCHIVE"\n')
    said = command("-c", shop, "ddl", "--place", "archive")
    assert said.code == 0
    assert statements_in(said.out) == []
    for told in ("must be restored", "no snapshot of it is complete in s3://vault/x/"):
        assert told in said.out
        assert told in said.err
    assert command("-q", "-c", shop, "ddl", "--place", "archive", "--json").json == []


def test_the_archive_is_read_where_it_is_asked_for(place: Place, command: Command) -> None:
    place.deliver(write_shop(place.folder / "export"))
    assert place.run().exit_code == 0
    config = place.command("ddl")[-2]
    lake = command("-q", "-c", config, "ddl", "shop.public.orders").out
    vault = command("-q", "-c", config, "ddl", "shop.public.orders", "--place", "archive").out
    assert f"LOCATION 's3://{place.lake}/tables/shop/public.orders/'" in lake
    assert f"LOCATION 's3://{place.vault}/tables/shop/public.orders/'" in vault
    assert place.lake not in vault
    keys = place.keys(place.vault, "tables/shop/public.orders/")
    folders = {key.rpartition("/")[0] for key in keys if "/_control/" not in key}
    assert {f for f in folders if f"LOCATION 's3://{place.vault}/{f}/'" in vault} == folders
    assert "warning" not in vault
