"""The commands about S3 Batch Operations: `batch submit`, `batch report`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from .flags import Json, config_of_flags, leave, print_result

batch_app = typer.Typer(
    help='Copies by S3 Batch Operations, where archive.method = "batch".\n\n'
    "Example: compactor batch submit 20261006T080211Z-91c4a7d0",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Run = Annotated[str, typer.Argument(help="The run that handed tables over.", metavar="RUN")]


@batch_app.command("submit")
def submit(
    run: Run,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="New jobs, where the first could not begin. What they copied before gets another "
            "locked version.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Create the jobs that a run has prepared. Repeating it creates none twice.

    Example: compactor batch submit 20261006T080211Z-91c4a7d0
    """
    from . import batch_copy, report

    found = batch_copy.submit(config_of_flags(), run, again=again)
    print_result(found, report.jobs_text, as_json)


@batch_app.command("report")
def report_command(
    run: Run,
    at: Annotated[
        str | None,
        typer.Option(help="A report's manifest.json, or a folder of reports.", metavar="URL"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Read the completion reports of a run's jobs, look at every version, finish what is whole.

    Example: compactor batch report 20261006T080211Z-91c4a7d0
    """
    from . import batch_report, report

    found = batch_report.report(config_of_flags(), run, url=at, clock=lambda: datetime.now(UTC))
    print_result(found, report.reported_text, as_json)
    leave(found.exit_code)
