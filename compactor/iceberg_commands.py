"""`compactor iceberg`: the lake's files as Iceberg tables."""

from __future__ import annotations

from typing import Annotated

import typer

from . import progress
from .config import Place
from .flags import Json, config_of_flags, leave, print_result, settings


def iceberg_command(
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="database.table; else all.", metavar="TABLE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be registered.")
    ] = False,
    place: Annotated[
        Place | None,
        typer.Option(help="Whose objects tables read; else as configured.", metavar="lake|archive"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add the lake's files to Iceberg tables: one Iceberg snapshot per export snapshot.

    No file is rewritten. Repeating it registers only what is new. Needs compactor[iceberg] and the
    catalog's properties: `iceberg` in [catalog].

    Example: compactor -c shop.toml iceberg shop.public.orders
    """
    from .catalog import iceberg
    from .report.iceberg import iceberg_text

    options = iceberg.Options(tables=tuple(tables or ()), place=place, dry_run=dry_run)
    with progress.show(settings.log_format, quiet=settings.quiet) as show:
        found = iceberg.register(config_of_flags(), options, show=show)
    print_result(found, iceberg_text, as_json)
    leave(found.exit_code)
