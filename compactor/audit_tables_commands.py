"""`compactor queries`: the questions of auditors and analysts, as SQL for Athena or DuckDB."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .catalog.names import TABLES_OF_OURS
from .errors import ConfigError
from .flags import Json, config_of_flags

if TYPE_CHECKING:
    from .catalog.audit_queries import AuditQuery
    from .catalog.layout import CatalogTable

_SNAPSHOT = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class Dialect(StrEnum):
    ATHENA = "athena"
    DUCKDB = "duckdb"


def queries_command(
    # one parameter per flag: this is how Typer learns of them
    name: Annotated[
        str | None, typer.Argument(help="The query to print; else all are listed.", metavar="NAME")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Only this table.", metavar="DATABASE.TABLE")
    ] = None,
    from_snapshot: Annotated[
        str | None,
        typer.Option("--from", help="The earlier of two snapshots.", metavar="SNAPSHOT"),
    ] = None,
    to_snapshot: Annotated[
        str | None, typer.Option("--to", help="The later one.", metavar="SNAPSHOT")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Another value that it takes; repeatable.", metavar="NAME=VALUE"
        ),
    ] = None,
    dialect: Annotated[
        Dialect, typer.Option(help="For DuckDB it is a whole script.")
    ] = Dialect.ATHENA,
    database: Annotated[
        str, typer.Option(help="Where our views are, for Athena.", metavar="NAME")
    ] = TABLES_OF_OURS,
    as_json: Json = False,
) -> None:
    """Print a query over the manifests, or list all: what is verified, locked, changed, lost.

    Names are filled in, quoted. The views that queries need: compactor ddl --manifests. For DuckDB
    the script reads the lake's manifests itself. Reads only.

    Example: compactor queries rows_per_day --table shop.public.orders --dialect duckdb | duckdb
    """
    from .catalog import audit_queries, changed_rows

    given = _given(table, from_snapshot, to_snapshot, values or ())
    known = audit_queries.audit_queries()
    if name is None:
        if given:
            raise ConfigError("values are for one query", hint="name it: compactor queries NAME")
        print(_listing(known, as_json))
        return
    if name == audit_queries.CHANGED_ROWS:
        comment, text = changed_rows.COMMENT, _changed_rows(given, dialect)
    else:
        one = audit_queries.filled(_find(known, name), given)
        comment, text = one.comment, _text(one, dialect, database)
    print(json.dumps({"name": name, "sql": text}) if as_json else f"{comment}\n{text}")


def _given(
    table: str | None, before: str | None, after: str | None, values: Sequence[str]
) -> dict[str, str]:
    """Return the values that flags give, by the names under which queries take them."""
    if (before is None) != (after is None):
        raise ConfigError("--from and --to go together; without both, the last two are compared")
    flags = {"table_name": table, "from_snapshot": before, "to_snapshot": after}
    given = {name: value for name, value in flags.items() if value is not None}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set takes NAME=VALUE, not {text!r}")
        given[name] = value
    for name in ("from_snapshot", "to_snapshot"):
        if name in given and not _SNAPSHOT.fullmatch(given[name]):
            raise ConfigError(
                f"{given[name]!r} is not a snapshot",
                hint="write it as its folder: 20261006T034712Z",
            )
    return given


def _listing(known: tuple[AuditQuery, ...], as_json: bool) -> str:
    from .catalog import changed_rows
    from .catalog.audit_queries import CHANGED_ROWS

    rows = [(one.name, one.answers, one.takes) for one in known]
    rows.append((CHANGED_ROWS, changed_rows.ANSWERS, changed_rows.TAKES))
    if as_json:
        keys = ("name", "answers", "takes")
        return json.dumps({"queries": [dict(zip(keys, row, strict=True)) for row in rows]})
    width = max(len(name) for name, _, _ in rows)
    lines = []
    for name, answers, takes in rows:
        values = ", ".join(f"{key}={value}" if value else key for key, value in takes.items())
        lines += [f"{name:<{width}}  {answers}", f"{'':<{width}}    takes: {values}"]
    return "\n".join(lines)


def _find(known: tuple[AuditQuery, ...], name: str) -> AuditQuery:
    import difflib

    from .catalog.audit_queries import CHANGED_ROWS

    by_name = {one.name: one for one in known}
    if name not in by_name:
        near = difflib.get_close_matches(name, [*by_name, CHANGED_ROWS], 1)
        raise ConfigError(
            f"there is no query {name!r}",
            hint=f"did you mean {near[0]}?" if near else "list them: compactor queries",
        )
    return by_name[name]


def _text(one: AuditQuery, dialect: Dialect, database: str) -> str:
    if dialect is Dialect.DUCKDB:
        from .catalog.to_duckdb import script

        return script(one.query, config_of_flags().lake.url).rstrip("\n")
    from .catalog.audit_queries import qualified

    return qualified(one.query, database).sql(dialect="trino", pretty=True)


def _changed_rows(given: dict[str, str], dialect: Dialect) -> str:
    """Read the lake's manifests, and write the query for the columns of one table."""
    from .catalog import audit_queries, changed_rows, to_duckdb

    strange = sorted(given.keys() - changed_rows.TAKES.keys())
    if strange or "table_name" not in given:
        raise ConfigError(
            f"query {audit_queries.CHANGED_ROWS} takes no {strange[0]}"
            if strange
            else f"query {audit_queries.CHANGED_ROWS} is about one table",
            hint="say --table database.table, and --from and --to if they are not the last two",
        )
    table, url = _catalog_table(given["table_name"])
    pair = changed_rows.choose(table, given.get("from_snapshot"), given.get("to_snapshot"))
    if dialect is Dialect.DUCKDB:
        made = changed_rows.for_duckdb(table, *pair, url)
        text = f"{to_duckdb.text(made.query)};"
    else:
        made = changed_rows.for_athena(table, *pair)
        text = made.query.sql(dialect="trino", pretty=True)
    for column in made.left_out:
        print(f"not compared: {column}", file=sys.stderr)
    print(f"from {pair[0].label} to {pair[1].label}", file=sys.stderr)
    return text


def _catalog_table(name: str) -> tuple[CatalogTable, str]:
    """Return what the catalog holds of one table, and the URL below which its objects lie."""
    from .catalog import layout
    from .lake_tables import lying_in, read_tables, url_of
    from .store import open_store

    config = config_of_flags()
    tables = read_tables(open_store(config.lake.url, concurrency=config.limits.concurrency))
    url = url_of(config, config.catalog.place)
    tables = lying_in(config, config.catalog.place, tables)
    chosen = tables.choose((name,))
    (table,) = layout.layout(tables, chosen, url, config.catalog.database_prefix)
    return table, url
