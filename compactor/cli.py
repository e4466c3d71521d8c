"""Flags in; result on stdout, progress and logs on stderr, and an exit code out.

A command loads the configuration, calls one function of the pipeline, and prints what it returns.
Heavy imports happen inside the commands, so that `--help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import (
    __version__,
    audit_tables_commands,
    batch_commands,
    evidence_commands,
    progress,
    retention_commands,
)
from .catalog_commands import catalog_command
from .ddl_commands import ddl_command
from .errors import CompactorError, ConfigError
from .fingerprint_commands import fingerprint_command
from .flags import Json, config_of_flags, leave, print_result, settings, write_file
from .iceberg_commands import iceberg_command
from .query_commands import query_command
from .report_commands import report_command, write_audit

if TYPE_CHECKING:
    from .model import RunResult

EXIT_CODES = """
Exit codes: 0 done or nothing to do | 1 unexpected | 2 usage or configuration |
3 source: an export is unreadable, incomplete or unknown, the other tables were done |
4 store or permission | 5 verification failed | 6 signature or evidence | 130 interrupted
"""

app = typer.Typer(
    name="compactor",
    help="Database exports in S3: find duplicates and tiny files, compact into sorted, typed, "
    "date-partitioned Parquet, prove that nothing was lost, lock it under Object Lock.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:  # before a command is asked for
        print(f"compactor {__version__}")
        raise typer.Exit


@app.callback()
def common(
    config: Annotated[
        Path, typer.Option("-c", "--config", help="Configuration file (TOML).", metavar="FILE")
    ] = Path("compactor.toml"),
    log_format: Annotated[
        str, typer.Option(help="Logs on stderr as 'text' or 'json' lines.", metavar="FORMAT")
    ] = "text",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no logs.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="More logs.")] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    if log_format not in ("text", "json"):
        raise ConfigError(f"--log-format takes 'text' or 'json', not {log_format!r}")
    settings.config, settings.log_format, settings.quiet = config, log_format, quiet
    progress.configure(log_format, verbose=verbose, quiet=quiet)


@app.command("scan")
def scan_command(
    as_json: Json = False,
    footers: Annotated[
        bool, typer.Option("--footers", help="Count rows: one ranged GET per object.")
    ] = False,
) -> None:
    """Take stock of the sources: exports, tables, duplicates, tiny files, what is incomplete.

    Reads listings and the exports' own small files; writes nothing.

    Example: compactor -c shop.toml scan --footers
    """
    from . import pipeline, report

    found = pipeline.take_stock(config_of_flags(), footers=footers)
    print_result(found, report.scan_text, as_json)
    leave(3 if any(finding.severity == "error" for finding in found.findings) else 0)


@app.command("plan")
def plan_command(
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write the plan here.", metavar="FILE"),
    ] = None,
) -> None:
    """Show what `run` would do: tables, date columns, files, bytes, requests, cost. Writes nothing.

    Example: compactor plan -o plan.json && compactor run --plan plan.json
    """
    from . import pipeline, report
    from .model import to_json

    plan = pipeline.preview(config_of_flags())
    if output is not None:
        write_file(output, to_json(plan, indent=1) + "\n")
    print_result(plan, report.plan_text, as_json)
    leave(3 if any(finding.severity == "error" for finding in plan.findings) else 0)


@app.command("run")
def run_command(
    as_json: Json = False,
    plan_file: Annotated[
        Path | None,
        typer.Option(
            "--plan", help="Do exactly this plan; refuse if the source changed.", metavar="FILE"
        ),
    ] = None,
    accept_retention: Annotated[
        bool,
        typer.Option(
            "--accept-retention",
            help="Lock under COMPLIANCE whatever it costs; see the plan's lock lines. Not needed "
            "below archive.retention_ceiling_usd.",
        ),
    ] = False,
) -> None:
    """Do the whole line: scan, plan, compact, verify, archive, report. Safe to repeat.

    A second run does nothing; a run that was killed is finished by the next one.

    Example: compactor -c shop.toml --log-format json run --json
    """
    from . import pipeline

    config = config_of_flags()
    fixed = _read_plan(plan_file) if plan_file else None
    with progress.show(settings.log_format, quiet=settings.quiet) as show:
        done = pipeline.run(
            config,
            fixed=fixed,
            show=show,
            load_report=_load_report,
            accept_retention=accept_retention,
        )
    from . import report

    print_result(done.result, report.text, as_json)
    leave(done.exit_code)


@app.command("reconcile")
def reconcile_command(
    # one parameter per flag: this is how Typer learns of them
    dsn: Annotated[
        str | None,
        typer.Option(
            help="Count there: postgresql://user@host:5432/db or mysql://user@host:3306/db. "
            "Better in the variable COMPACTOR_DSN: a command line can be seen by others.",
            metavar="URL",
        ),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(
            help="Take the counts from here: CSV with the header database,table,rows,at or JSON.",
            metavar="FILE",
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="Only this table, as database.table; repeatable.", metavar="NAME"),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Tables of this run; else the latest snapshot of each.", metavar="ID"),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also nulls, min, max, sum or length per column.")
    ] = False,
    at_snapshot: Annotated[
        bool,
        typer.Option("--at-snapshot", help="The database is the restored snapshot, nothing newer."),
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(
            help="Count rows for which this holds: those that were there at the snapshot.",
            metavar="CONDITION",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Of one statement; 0 for no limit.", metavar="SECONDS")
    ] = 3600.0,
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write the JSON here.", metavar="FILE"),
    ] = None,
) -> None:
    """Hold the rows of export, lake and archive against the database, or a counts file.

    Reads only. A database that went on since the snapshot is "not verified", with the difference
    explained; say --at-snapshot of a restored one, or give --where.

    Example: compactor -c shop.toml reconcile --dsn postgresql://reader@db/shop --profile
    """
    from . import pipeline, reconcile, report
    from .dsn import parse_dsn
    from .model import to_json

    if dsn is None and counts is None:  # a file that is named wins over a variable that is set
        dsn = os.environ.get("COMPACTOR_DSN")
    options = reconcile.ReconcileOptions(
        dsn=parse_dsn(dsn) if dsn else None,
        counts=counts,
        tables=tuple(table or ()),
        run_id=run,
        profile=profile,
        at_snapshot=at_snapshot,
        where=where,
        timeout_s=timeout,
    )
    with progress.show(settings.log_format, quiet=settings.quiet) as show:
        found = reconcile.reconcile(config_of_flags(), options, clock=pipeline.utc_now, show=show)
    if output is not None:
        write_file(output, to_json(found, indent=1) + "\n")
    print_result(found, report.reconcile_text, as_json)
    leave(found.exit_code)


@app.command("audit")
def audit_command(
    # one parameter per flag: this is how Typer learns of them
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read the objects back: digest, rows, fingerprint.")
    ] = False,
    sample: Annotated[
        str | None,
        typer.Option(
            help="With --deep, only so much, such as 1%/day: each object on its own day of 100.",
            metavar="SHARE",
        ),
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(help="Tell which locks end within this time, such as 90d.", metavar="TIME"),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            help="A link that must still be in the chain: what an earlier audit printed.",
            metavar="NUMBER:SHA256",
        ),
    ] = None,
    first: Annotated[
        int,
        typer.Option(
            help="The oldest link there must be, where older ones have ended and were removed.",
            metavar="NUMBER",
            min=0,
        ),
    ] = 0,
    keys: Annotated[
        Path | None,
        typer.Option(help="Trusted keys; else those of the configuration.", metavar="FILE"),
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option(
            help="Keep here what was read when, and the last link; an interrupted audit goes on.",
            metavar="FILE",
        ),
    ] = None,
    as_json: Json = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Also write the JSON here.", metavar="FILE"),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also one page with everything inside.", metavar="FILE")
    ] = None,
    pdf: Annotated[
        Path | None,
        typer.Option(help="Also for filing: PDF/A, needs compactor[pdf].", metavar="FILE"),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Also one row per check.", metavar="FILE")
    ] = None,
) -> None:
    """Check chain, signatures, every version, lock and schedule. Reads only.

    Everything is told, not just the first fault. What may not be read is "not verified".

    Example: compactor -c shop.toml audit --deep --sample 1%/day --coverage read.jsonl --within 90d
    """
    from . import audit, pipeline, report
    from .model import to_json

    options = audit.AuditOptions(
        deep=deep,
        sample=sample,
        within=audit.parse_within(within) if within else None,
        head=audit.parse_head(head) if head else None,
        first=first,
        keys=keys,
        coverage=coverage,
    )
    with progress.show(settings.log_format, quiet=settings.quiet) as show:
        found = audit.audit(config_of_flags(), options, clock=pipeline.utc_now, show=show)
    if output is not None:
        write_file(output, to_json(found, indent=1) + "\n")
    write_audit(found, html=html, pdf=pdf, csv=csv)
    print_result(found, report.audit_text, as_json)
    leave(found.exit_code)


def _load_report() -> Callable[[RunResult], str]:
    from . import report

    report.load()
    return report.html


app.command("report")(report_command)
app.command("iceberg")(iceberg_command)
app.command("queries")(audit_tables_commands.queries_command)
app.command("catalog")(catalog_command)
app.command("ddl")(ddl_command)
app.command("query")(query_command)
app.command("fingerprint")(fingerprint_command)


@app.command("init")
def init_command(
    output: Annotated[Path, typer.Argument(metavar="FILE")] = Path("compactor.toml"),
) -> None:
    """Write a configuration file with every key, its default and what it means.

    Example: compactor init shop.toml
    """
    from .config import example

    if output.exists():
        raise ConfigError(f"{output} exists already; name another file")
    write_file(output, example())
    print(f"{output}: set source.urls and lake.url, then run: compactor -c {output} scan")


@app.command("demo")
def demo_command(
    folder: Annotated[
        Path, typer.Argument(help="Where report and configuration go.", metavar="FOLDER")
    ] = Path("demo"),
) -> None:
    """Start a real S3 server with Object Lock here, export a shop, run the whole line on it.

    Needs no AWS account; stops what it started. Under a minute.

    Example: compactor demo /tmp/demo
    """
    from . import demo

    leave(demo.demo(folder))


retention_commands.add_to(app)
app.add_typer(batch_commands.batch_app, name="batch")
app.add_typer(evidence_commands.key_app, name="key")
app.add_typer(evidence_commands.evidence_app, name="evidence")


def _read_plan(path: Path) -> Any:
    from .model import Plan

    try:
        return Plan.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is not a plan: {error}", hint="write one with: compactor plan -o FILE"
        ) from error


@contextmanager
def _errors() -> Iterator[None]:
    """Turn errors into one message on stderr and the promised exit code."""
    try:
        yield
    except CompactorError as error:
        print(f"compactor: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as leaving:
        # Typer makes an exit with 130 of Ctrl-C, and says nothing
        if isinstance(leaving, SystemExit) and leaving.code != 130:
            raise
        print("compactor: interrupted; what a run began, the next one finishes", file=sys.stderr)
        sys.exit(130)


def main() -> None:
    """Run the command that the arguments ask for."""
    with _errors():
        app(prog_name="compactor")
