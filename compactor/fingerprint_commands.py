"""`compactor fingerprint`: the SQL that recomputes a table's fingerprint in another engine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .flags import Json, config_of_flags, print_result, write_file


class Engine(StrEnum):
    """Who will run the statement."""

    duckdb = "duckdb"
    athena = "athena"
    trino = "trino"
    spark = "spark"
    postgres = "postgres"
    mysql = "mysql"


def fingerprint_command(
    # one parameter per flag: this is how Typer learns of them
    table: Annotated[str, typer.Argument(help="As database.table.", metavar="TABLE")],
    dialect: Annotated[
        Engine, typer.Option(help="Who will run it: postgres and mysql read the source's table.")
    ] = Engine.duckdb,
    snapshot: Annotated[
        str | None,
        typer.Option(help="Such as 20261006T034712Z; else the latest.", metavar="LABEL"),
    ] = None,
    partition: Annotated[
        str | None, typer.Option(help="Only this day, such as 2026-10-05.", metavar="DAY")
    ] = None,
    by_partition: Annotated[
        bool, typer.Option("--by-partition", help="One row a day, not one for all.")
    ] = False,
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write the SQL here.", metavar="FILE"),
    ] = None,
) -> None:
    """Print one statement that recomputes a table's fingerprint, and what it should give.

    The same count and digest in DuckDB, Athena, Trino, Spark, PostgreSQL and MySQL prove the same
    rows, without compactor. Manifests have them where [verify] says portable = true.

    Example: compactor fingerprint shop.public.orders --dialect postgres | psql -d restored
    """
    from .portable.asked import Options, fingerprint
    from .report.fingerprint import fingerprint_text

    found = fingerprint(
        config_of_flags(),
        Options(
            table=table,
            dialect=dialect.value,
            snapshot=snapshot,
            partition=partition,
            by_partition=by_partition,
        ),
    )
    if output is not None:
        write_file(output, fingerprint_text(found) + "\n")
    print_result(found, fingerprint_text, as_json)
