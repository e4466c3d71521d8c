"""`compactor ddl`: SQL that makes the lake's tables known to Athena, Spark, Redshift Spectrum."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import progress
from .config import Place
from .errors import ConfigError
from .flags import Json, config_of_flags, write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalog.ddl import Statement
    from .catalog.layout import CatalogTable
    from .config import Config

FROZEN = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes that no query reads:
https://docs.aws.amazon.com/athena/latest/ug/querying-glacier.html (read 2026-11)"""


class Dialect(StrEnum):
    athena = "athena"
    spark = "spark"
    redshift = "redshift"


def ddl_command(
    # one parameter per flag: this is how Typer learns of them
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="Only these, as database.table; else all.", metavar="TABLE"),
    ] = None,
    dialect: Annotated[Dialect, typer.Option(help="Whose SQL.")] = Dialect.athena,
    projection: Annotated[
        bool,
        typer.Option(
            "--projection",
            help="Athena only: days are computed and not registered, where that is possible.",
        ),
    ] = False,
    manifests: Annotated[
        bool,
        typer.Option(
            "--manifests",
            help="Athena only: a table and views over the manifests, for compactor queries.",
        ),
    ] = False,
    place: Annotated[
        Place | None,
        typer.Option(help="Whose objects are read; else catalog.place."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write what is printed here.", metavar="FILE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print SQL for every table: external tables, partitions, views of complete snapshots.

    Reads manifests and runs nothing. Each statement ends with a semicolon at the end of a line; for
    Athena, which takes one at a time, --json gives them one by one.

    Example: compactor -c shop.toml ddl shop.public.orders --dialect spark -o orders.sql
    """
    if projection and dialect is not Dialect.athena:
        raise ConfigError(
            f"--projection is for Athena; {dialect} does not know it", hint="leave it out"
        )
    if manifests:
        _refuse_with_manifests(tables, dialect, projection=projection, place=place)
        _print_manifests(output, as_json=as_json)
        return
    from .catalog.script import script

    config = config_of_flags()
    found, warnings = _tables(config, tables or (), place or config.catalog.place)
    made = script(
        found, dialect.value, [*warnings, *_unsuited(found, dialect)], projected=projection
    )
    for told in made.all_warnings:
        progress.warning(told)
    _say(_json(made.statements) if as_json else made.text, output)


def _say(text: str, output: Path | None) -> None:
    if output is not None:
        write_file(output, text + "\n")
    print(text)


def _refuse_with_manifests(
    tables: list[str] | None, dialect: Dialect, *, projection: bool, place: Place | None
) -> None:
    given = {"a TABLE": tables, "--projection": projection, "--place": place}
    given["--dialect"] = dialect is not Dialect.athena
    for name, is_given in given.items():
        if is_given:
            raise ConfigError(
                f"--manifests is about the lake's manifests, in Athena's SQL: {name} says nothing "
                "of them",
                hint="leave it out",
            )


def _print_manifests(output: Path | None, *, as_json: bool) -> None:
    from .catalog.manifests_ddl import statements
    from .catalog.script import ended

    made = statements(config_of_flags().lake.url)
    _say(_json(made) if as_json else "\n\n".join(map(ended, made)), output)


def _tables(
    config: Config, names: list[str] | tuple[str, ...], place: Place
) -> tuple[tuple[CatalogTable, ...], list[str]]:
    """Return what a catalog holds of the tables in one place, and what to say of the place."""
    from .catalog.layout import layout
    from .lake_tables import lying_in, read_tables, url_of
    from .store import open_store

    store = open_store(config.lake.url)
    url = store.url if place == "lake" else url_of(config, place)
    known = read_tables(store)
    chosen = known.choose(names)
    there = {one.name: one for one in lying_in(config, place, known).tables}
    warnings = [
        f"{one.name}: no snapshot of it is complete in {url}"
        for one in chosen
        if one.name not in there
    ]
    chosen = tuple(there[one.name] for one in chosen if one.name in there)
    if place == "archive" and config.archive and config.archive.storage_class in FROZEN:
        warnings.append(
            f"objects of the class {config.archive.storage_class} must be restored before "
            "anything can query them"
        )
    if not chosen:
        warnings.append(f"there is no complete snapshot of any table in {url}")
    return layout(known, chosen, _url(url), config.catalog.database_prefix), warnings


def _url(place: str) -> str:
    """Return the URL of a place that may be a local folder; Hadoop decodes no character of it."""
    return place if "://" in place else f"file://{place}"


def _unsuited(tables: tuple[CatalogTable, ...], dialect: Dialect) -> list[str]:
    is_local = any(one.location.startswith("file://") for t in tables for one in t.externals)
    if dialect is Dialect.spark or not is_local:
        return []
    return [f"{dialect} reads s3:// only, and this lake is a local folder"]


def _json(statements: Sequence[Statement]) -> str:
    return json.dumps([one.model_dump() for one in statements], ensure_ascii=False, indent=1)
