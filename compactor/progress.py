"""What a run says while it works: a progress bar on a terminal, one line per event in a batch job.

Only names, counts and sizes are said; never values of rows, never credentials. Everything goes to
stderr: stdout is for the result.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

log = logging.getLogger("compactor")


class Progress(Protocol):
    def begin(self, tables: int, size_bytes: int) -> None: ...
    def advance(self, size_bytes: int) -> None: ...
    def table(self, name: str, what: str, **facts: object) -> None: ...


class Quiet:
    """Says nothing; for library use and tests."""

    def begin(self, tables: int, size_bytes: int) -> None: ...
    def advance(self, size_bytes: int) -> None: ...
    def table(self, name: str, what: str, **facts: object) -> None: ...


class Lines:
    """One log line per event; works where nobody watches."""

    def begin(self, tables: int, size_bytes: int) -> None:
        event("begin", tables=tables, bytes=size_bytes)

    def advance(self, size_bytes: int) -> None: ...

    def table(self, name: str, what: str, **facts: object) -> None:
        event(what, table=name, **facts)


class Bar:
    """A progress bar by source bytes, with the time left; the line shows what is being done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Rich

        self.rich = Rich(
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar = self.rich.add_task("", total=None, what="taking stock")

    def begin(self, tables: int, size_bytes: int) -> None:
        self.rich.update(self._bar, total=size_bytes, what=f"{tables} tables")

    def advance(self, size_bytes: int) -> None:
        self.rich.advance(self._bar, size_bytes)

    def table(self, name: str, what: str, **facts: object) -> None:
        self.rich.update(self._bar, what=f"{what} {name[:48]}")


@contextmanager
def show(log_format: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Give the progress that fits: a bar on a terminal, lines elsewhere."""
    if quiet:
        yield Quiet()
    elif log_format == "text" and sys.stderr.isatty():
        bar = Bar()
        with bar.rich:
            yield bar
    else:
        yield Lines()


def event(what: str, **facts: object) -> None:
    """Log one event with its facts."""
    log.info(what, extra={"facts": facts})


def warning(what: str, **facts: object) -> None:
    """Log what the user should look at, though the work goes on."""
    log.warning(what, extra={"facts": facts})


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        facts = getattr(record, "facts", {})
        shown = (f"{k}={json.dumps(v, ensure_ascii=False, default=str)}" for k, v in facts.items())
        return " ".join([at, record.getMessage(), *shown])


def configure(log_format: str, *, verbose: bool = False, quiet: bool = False) -> None:
    """Set up the package's own logger; the root logger is left alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    log.handlers[:] = [handler]
    level = logging.DEBUG if verbose else logging.INFO
    log.setLevel(logging.CRITICAL if quiet else level)
    log.propagate = False
