"""What a catalog holds of the lake's tables: names that stay, generations, complete snapshots."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lake_values import ARCHIVE, LAKE, daily, label, laid_out, only, result, run

from compactor import lake_tables
from compactor.catalog import names, types
from compactor.catalog.layout import layout
from compactor.catalog.views import MOST_BYTES, views
from compactor.errors import ConfigError, StoreError
from compactor.lake_tables import only_archived

HOSTILE = (
    *("orders", "Orders", "ORDERS", "orders_asof", "orders_data", "orders_data_2"),
    *("orders_snapshots", "or-ders", "or ders", "表", "", "1", "_", "a" * 300, "A" * 300),
)


# --- names ----------------------------------------------------------------------------------------


def family(name: str) -> set[str]:
    """Return every name that is registered for a table with a plain name, up to two generations."""
    return {name, f"{name}_asof", f"{name}_snapshots", f"{name}_data", f"{name}_data_2"}


@given(
    st.lists(
        st.one_of(
            st.sampled_from(HOSTILE),
            st.text(max_size=12),
            st.text(alphabet=string.ascii_letters + "_-. ", max_size=4),
        ),
        unique=True,
        max_size=40,
    )
)
def test_whatever_tables_are_called_no_two_share_a_name_and_athena_takes_each(
    found: list[str],
) -> None:
    made = names.unique(found)
    assert list(made) == found
    for name in made.values():
        assert all(re.fullmatch(r"[a-z_][a-z0-9_]{0,254}", one) for one in family(name)), name
    for one in made.values():
        others = [other for other in made.values() if other != one]
        assert all(family(one).isdisjoint(family(other)) for other in others)
    assert len(set(made.values())) == len(made)


def test_a_table_that_comes_later_takes_no_name_from_one_that_is_registered() -> None:
    before = names.unique(["public.orders", "public.items"])
    after = names.unique(["public.orders", "public.items", "public_orders", "public.Orders_data"])
    assert {name: after[name] for name in before} == dict(before)
    assert after["public_orders"].startswith("public_orders_")


def test_a_table_called_like_the_digest_of_another_does_not_take_its_name() -> None:
    told_apart = names.unique(["a_b", "a b"])["a b"]
    made = names.unique(["a_b", told_apart, "a b"])
    assert len(set(made.values())) == 3
    assert made["a b"].startswith(told_apart)


def test_names_depend_on_all_tables_and_not_on_those_that_are_asked_for() -> None:
    tables = daily(result("public.a b", 0), result("public.a_b", 1))
    every = {one.source.table: one.name for one in laid_out(tables)}
    for table in tables.tables:
        (alone,) = layout(tables, [table], LAKE)
        assert alone.name == every[table.table]
    assert every["public.a b"] == "public_a_b"


def test_databases_that_would_be_called_alike_are_told_apart_and_ours_is_free() -> None:
    tables = daily(
        *(result("t", n, database=name) for n, name in enumerate(("Shop", "shop", "compactor")))
    )
    made = [one.database for one in laid_out(tables)]
    assert len(set(made)) == 3
    assert names.TABLES_OF_OURS not in made
    assert {one.database[:2] for one in laid_out(tables, database_prefix="x_")} == {"x_"}


def test_a_table_that_is_not_there_is_told_with_the_nearest_name() -> None:
    tables = daily(result("public.orders", 0))
    with pytest.raises(ConfigError, match=r"public\.order'") as caught:
        tables.choose(["shop.public.order"])
    assert "shop.public.orders" in caught.value.hint


# --- generations ----------------------------------------------------------------------------------


def test_a_column_of_another_type_begins_a_table_of_its_own_and_views_show_it_as_text() -> None:
    table = only(
        laid_out(
            daily(
                result("t", 0, columns={"id": "BIGINT", "paid": "DATE"}),
                result("t", 1, columns={"id": "BIGINT", "paid": "VARCHAR"}),
            )
        )
    )
    first, second = table.externals
    assert (first.name, second.name) == ("t_data", "t_data_2")
    assert [one.label for one in first.snapshots] == [label(0)]
    assert [one.hive_type for one in first.columns] == ["bigint", "date"]
    assert [one.hive_type for one in second.columns] == ["bigint", "string"]
    current, asof, _ = views(table)
    assert [one.trino_type for one in current.columns] == ["bigint", "varchar", "varchar"]
    assert '"t_data"' not in current.sql
    assert '"t_data"' in asof.sql
    assert '"t_data_2"' in asof.sql


def test_days_where_there_were_none_begin_a_table_of_their_own() -> None:
    table = only(laid_out(daily(result("t", 0, 5), result("t", 1, {"2026-01-01": 5}))))
    assert [one.has_days for one in table.externals] == [False, True]


def test_a_snapshot_without_rows_fits_every_generation() -> None:
    table = only(
        laid_out(daily(result("t", 0, {"2026-01-01": 5}), result("t", 1, 0), result("t", 2, {})))
    )
    (external,) = table.externals
    assert len(external.snapshots) == 3
    assert [part.values for part in external.partitions] == [(label(0), "2026-01-01")]


def test_an_older_snapshot_that_comes_later_moves_nothing_that_is_registered() -> None:
    known = [
        run(0, result("t", 5, columns={"v": "DATE"})),
        run(1, result("t", 6, columns={"v": "VARCHAR"})),
    ]
    late = run(2, result("t", 1, columns={"v": "DATE"}))
    before = only(laid_out(lake_tables.collect(known)))
    after = only(laid_out(lake_tables.collect([*known, late])))
    assert after.externals[:2] == before.externals
    assert [one.label for one in after.externals[2].snapshots] == [label(1)]


def test_columns_that_come_and_go_are_all_in_the_table_the_newest_snapshots_first() -> None:
    table = only(
        laid_out(
            daily(
                result("t", 0, columns={"id": "BIGINT", "gone": "DATE"}),
                result("t", 1, columns={"new": "DATE", "id": "BIGINT"}),
            )
        )
    )
    (external,) = table.externals
    assert [one.name for one in external.columns] == ["new", "id", "gone"]


# --- columns --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "", "n" * 256])
def test_a_column_whose_name_glue_refuses_is_left_out_and_told(name: str) -> None:
    table = only(laid_out(daily(result("t", 0, columns={"id": "BIGINT", name: "VARCHAR"}))))
    assert [one.name for one in table.externals[0].columns] == ["id"]
    (warning,) = table.warnings
    assert repr(name[:60]) in warning


def test_a_column_of_a_type_that_athena_has_not_is_left_out_and_told() -> None:
    columns = {"id": "BIGINT", "span": "INTERVAL", "odd": 'STRUCT("a b" INTEGER)'}
    table = only(laid_out(daily(result("t", 0, columns=columns))))
    assert [one.name for one in table.externals[0].columns] == ["id"]
    assert ["'span'" in told or "'odd'" in told for told in table.warnings] == [True, True]


def test_a_comment_is_one_line_that_glue_takes_and_says_where_the_column_is_from() -> None:
    told = result("t", 0, columns={"v": "TIMESTAMP WITH TIME ZONE"})
    (column,) = told.columns
    odd = column.model_copy(update={"source_name": "V\n" * 200, "source_type": "timestamptz"})
    table = only(laid_out(daily(told.model_copy(update={"columns": (odd,)}))))
    comment = table.externals[0].columns[0].comment
    assert comment.startswith("source: timestamptz; named 'V")
    assert len(comment) == 255
    assert "\n" not in comment


@pytest.mark.parametrize(
    ("duckdb_type", "hive", "trino", "redshift"),
    [
        ("BOOLEAN", "boolean", "boolean", "boolean"),
        ("TINYINT", "tinyint", "tinyint", "smallint"),
        ("SMALLINT", "smallint", "smallint", "smallint"),
        ("INTEGER", "int", "integer", "integer"),
        ("BIGINT", "bigint", "bigint", "bigint"),
        ("FLOAT", "float", "real", "real"),
        ("DOUBLE", "double", "double", "double precision"),
        ("DECIMAL(38,9)", "decimal(38,9)", "decimal(38,9)", "decimal(38,9)"),
        ("VARCHAR", "string", "varchar", "varchar(65535)"),
        ("BLOB", "binary", "varbinary", "varbyte(1024000)"),
        ("DATE", "date", "date", "date"),
        ("TIMESTAMP", "timestamp", "timestamp(3)", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp", "timestamp(3)", "timestamp"),
        ("VARCHAR[]", "array<string>", "array(varchar)", "array<varchar(65535)>"),
        ("MAP(VARCHAR, INTEGER)", "map<string,int>", "map(varchar,integer)", None),
        (
            "STRUCT(a INTEGER, B DECIMAL(4,1)[])",
            "struct<a:int,b:array<decimal(4,1)>>",
            "row(a integer,b array(decimal(4,1)))",
            None,
        ),
    ],
)
def test_a_type_has_its_word_in_every_catalog(
    duckdb_type: str, hive: str, trino: str, redshift: str | None
) -> None:
    assert types.hive(duckdb_type) == hive
    assert types.trino(duckdb_type) == trino
    if redshift is not None:
        assert types.redshift(duckdb_type) == redshift


@pytest.mark.parametrize("kind", ["INTERVAL", "UUID", "HUGEINT", "TIME", "no type("])
def test_a_type_without_a_word_is_refused(kind: str) -> None:
    with pytest.raises(types.NoSuchType):
        types.hive(kind)


# --- partitions and places ------------------------------------------------------------------------


def test_a_partition_is_where_the_manifest_says_and_never_where_nothing_lies() -> None:
    table = only(laid_out(daily(result("a b/%", 0, {"2026-01-01": 5, "2026-01-02": 0}))))
    (external,) = table.externals
    (part,) = external.partitions
    assert part.location == f"{LAKE}shop/a b%2F%25/snapshot={label(0)}/dt=2026-01-01/"
    assert part.location.startswith(external.location)
    assert (part.rows, part.files, part.bytes) == (5, 1, 50)


def test_a_partition_in_two_folders_is_an_error() -> None:
    one = result("t", 0, {"2026-01-01": 5})
    (part,) = one.partitions
    twin = part.objects[0].model_copy(update={"key": "elsewhere/x.parquet"})
    split = part.model_copy(update={"objects": (*part.objects, twin)})
    tables = daily(one.model_copy(update={"partitions": (split,)}))
    with pytest.raises(StoreError, match="2 folders"):
        laid_out(tables)


def test_only_what_lies_whole_in_that_archive_is_read_there() -> None:
    whole = result("t", 0, {"2026-01-01": 5}, is_archived=True)
    half = result("t", 1, {"2026-01-01": 5, "2026-01-02": 5}, is_archived=True)
    first, second = half.partitions
    half = half.model_copy(
        update={"partitions": (first, second.model_copy(update={"archived": ()}))}
    )
    elsewhere = result("t", 2, is_archived=True)
    never = result("u", 0)
    tables = lake_tables.collect(
        [
            run(0, whole, never, archive=ARCHIVE),
            run(1, half, archive=ARCHIVE),
            run(2, elsewhere, archive="s3://other/"),
        ]
    )
    table = only(laid_out(only_archived(tables, ARCHIVE), url=ARCHIVE))
    assert [one.label for one in table.source.snapshots] == [label(0)]
    assert table.externals[0].partitions[0].location.startswith(ARCHIVE)


def test_a_snapshot_that_several_runs_name_is_there_once_as_the_one_that_knows_more() -> None:
    tables = lake_tables.collect(
        [
            run(0, result("t", 0), archive=None),
            run(1, result("t", 0, is_archived=True), archive=ARCHIVE),
            run(2, result("t", 0), archive=None),
        ]
    )
    ((one,),) = [table.snapshots for table in tables.tables]
    assert one.run_id == "run-0001"


# --- views ----------------------------------------------------------------------------------------


def test_windows_of_events_belong_together_and_none_ends() -> None:
    changes = [result("carts", n, database="dynamodb_changes", system="dynamodb") for n in (0, 1)]
    current, asof, _ = views(only(laid_out(daily(*changes))))
    assert label(0) in current.sql
    assert label(1) in current.sql
    assert asof.sql.count("9999-12-31") == 2
    states = views(only(laid_out(daily(result("carts", 0), result("carts", 1)))))
    assert label(0) not in states[0].sql


def test_views_of_many_snapshots_hold_the_newest_ones_that_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("compactor.catalog.views.MOST_BYTES", MOST_BYTES // 20)
    table = only(laid_out(daily(*(result("t", n) for n in range(150)))))
    current, asof, snapshots = views(table)
    assert current.left_out == 0
    for view in (asof, snapshots):
        assert 0 < view.left_out < 149
        assert len(view.sql.encode()) <= MOST_BYTES // 20
        assert label(149) in view.sql
        assert label(0) not in view.sql
        assert label(view.left_out) in view.sql
        assert label(view.left_out - 1) not in view.sql
