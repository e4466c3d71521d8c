"""`compactor catalog`: the Glue Data Catalog."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from . import progress
from .config import Place
from .flags import Json, config_of_flags, leave, print_result, settings, write_file


def catalog_command(
    # one parameter per flag: this is how Typer learns of them
    tables: Annotated[
        list[str] | None,
        typer.Argument(help="As database.table; all of them if none is given.", metavar="TABLE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done; write nothing.")
    ] = False,
    place: Annotated[
        Place | None,
        typer.Option(help="Whose objects tables read; else as configured.", metavar="lake|archive"),
    ] = None,
    count: Annotated[
        bool,
        typer.Option("--count", help="Then have Athena count the rows of each partition. Costs."),
    ] = False,
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write the JSON here.", metavar="FILE"),
    ] = None,
) -> None:
    """Register tables, partitions and views in AWS Glue, for Athena. Safe to repeat.

    A snapshot shows up whole; nothing is ever dropped; what is not ours is not touched.

    Example: compactor -c shop.toml catalog shop.public.orders --dry-run
    """
    from . import report
    from .catalog.register import CatalogOptions, register
    from .model import to_json

    options = CatalogOptions(tables=tuple(tables or ()), place=place, dry_run=dry_run, count=count)
    with progress.show(settings.log_format, quiet=settings.quiet) as show:
        found = register(config_of_flags(), options, wait=time.sleep, show=show)
    if output is not None:
        write_file(output, to_json(found, indent=1) + "\n")
    print_result(found, report.catalog_text, as_json)
    leave(found.exit_code)
