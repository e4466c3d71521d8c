"""`compactor query`: SQL over the tables of lake or archive, answered on this machine."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from . import progress
from .config import Place
from .errors import ConfigError
from .flags import config_of_flags, print_result, settings

if TYPE_CHECKING:
    from .query import Answer

_MODE = 0o644
_FORMATS = ("table", "csv", "json", "parquet")


def query_command(
    # one parameter per flag: this is how Typer learns of them
    statement: Annotated[
        str | None, typer.Argument(metavar="SQL", help="One statement; - reads it from stdin.")
    ] = None,
    tables: Annotated[
        bool, typer.Option("--tables", help="List the tables, with names, rows and columns.")
    ] = False,
    asof: Annotated[
        str | None,
        typer.Option(
            help="Tables as they were known then, such as 2026-10-06 (the end of that day, UTC).",
            metavar="MOMENT",
        ),
    ] = None,
    place: Annotated[
        Place, typer.Option(help="archive: the locked versions themselves.", metavar="lake|archive")
    ] = "lake",
    form: Annotated[
        str, typer.Option("--format", help="table, csv, json or parquet.", metavar="FORMAT")
    ] = "table",
    as_json: Annotated[
        bool, typer.Option("--json", help="Columns, rows, and what was read, as one JSON object.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write here; parquet needs it.", metavar="FILE"),
    ] = None,
) -> None:
    """Ask tables of the lake by name, in DuckDB's SQL. Reads only; says how much it read.

    Only complete snapshots are seen. A table can be called shop.public.orders,
    shop.public_orders (its name in Athena), or orders where only one table fits. NAME_all has
    all snapshots, NAME_snapshots lists them. Conditions on dt and snapshot spare whole files.

    Example: compactor query "SELECT count(*) FROM shop.public.orders WHERE dt = '2026-10-05'"
    """
    from . import query
    from .query_output import list_text

    begun = time.monotonic()
    if form not in _FORMATS:
        raise ConfigError(f"--format takes {', '.join(_FORMATS)}, not {form!r}")
    if tables == (statement is not None):
        raise ConfigError("give one statement, or --tables", hint='compactor query "SELECT ..."')
    if tables:
        listed = query.list_tables(config_of_flags(), place)
        print_result(listed, list_text, as_json or form == "json")
        return
    text = sys.stdin.read() if statement == "-" else str(statement)
    moment = parse_moment(asof) if asof else None
    with query.answer(config_of_flags(), text, asof=moment, place=place) as found:
        _write(found, "document" if as_json else form, output, begun)
        if not settings.quiet:
            _tell(found, begun)


def parse_moment(text: str) -> datetime:
    """Return the moment of `20261006T034712Z`, `2026-10-06T03:47:12Z`; of a day, its end, in UTC.

    Raises: ConfigError
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no moment", hint="write 2026-10-06 or 2026-10-06T03:47:12Z"
        ) from error
    if len(text) == len("2026-10-06"):  # a snapshot of that day is one that was known that day
        moment += timedelta(days=1, microseconds=-1)
    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)


def _write(found: Answer, form: str, output: Path | None, begun: float) -> None:
    from . import query_output

    if form == "parquet":
        if output is None:
            raise ConfigError("Parquet is no text; name a file with -o")
        with _new_file(output) as path:
            query_output.write_parquet(found, path)
        return
    with _text(output) as out:
        match form:
            case "csv":
                query_output.write_csv(found, out)
            case "json":
                query_output.write_json(found, out)
                out.write("\n")
            case "document":
                query_output.write_document(found, out, lambda: found.read(_since(begun)))
            case _:
                width = shutil.get_terminal_size().columns if out.isatty() else None
                query_output.write_table(found, out, width)


def _since(begun: float) -> float:
    return time.monotonic() - begun


def _tell(found: Answer, begun: float) -> None:
    """Say on stderr which snapshots were asked, and what was read of them."""
    from .query_output import read_text

    read = found.read(_since(begun))
    if settings.log_format == "json":
        progress.event("read", **read.model_dump())
        return
    typer.echo(read_text(found.shown, read), err=True)


@contextmanager
def _text(output: Path | None) -> Iterator[TextIO]:
    """Give stdout, or a file that has its name once it is whole."""
    if output is not None:
        with _new_file(output) as path, path.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError as error:
        # `| head` has seen enough: https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from error


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a file beside a path, and move it there when all is written. Raises: ConfigError"""
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(number)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    new = Path(name)
    try:
        yield new
        new.chmod(_MODE)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
