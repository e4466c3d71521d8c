"""What a query for one day reads of an export and of the lake made of it.

The lake is made by the command users type. The queries run in a child process, `python -m
tests.bench.benefit LAKE`: an engine of its own for each, no caches but those of the system. One
query more runs first, and is not told: it imports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .contest import Result, Run, child, log_run
from .machine import REPOSITORY
from .process import Measured

if TYPE_CHECKING:
    from compactor.benefit import Read

EXPORT_TEXT, EXPORT_DATES, LAKE = "export, as text", "export, as dates", "lake"
SIDES = (EXPORT_TEXT, EXPORT_DATES, LAKE)
ALL, TWO = "one day, all columns", "one day, two columns"
EVERYTHING = "everything, all columns"
COLUMNS = ("created_at", "amount")
"""Of the query for two columns."""


def contest(
    case: str,
    config: Path,
    lake: str,
    *,
    rows: int,
    source_files: int,
    runs: int,
    env: Mapping[str, str] | None = None,
) -> list[Result]:
    """Make the lake unless an earlier call did, then query it and its source `runs` times."""
    command = [sys.executable, "-m", "compactor", "-q", "-c", str(config), "run"]
    whole = {**os.environ, **(env or {})}
    subprocess.run(command, cwd=REPOSITORY, env=whole, stdout=subprocess.DEVNULL, check=True)
    results: dict[str, Result] = {}
    for number in range(1, runs + 1):
        load = os.getloadavg()[0]
        for name, read in json.loads(child("tests.bench.benefit", lake, env=env)):
            result = results.setdefault(name, Result(case, name, rows, source_files))
            result.runs.append(_run(read, load))
            log_run(case, name, number, result.runs[-1])
    return list(results.values())


def _run(read: Mapping[str, Any], load: float) -> Run:
    took = Measured(
        seconds=read["seconds"],
        cpu_seconds=0.0,
        peak_rss_bytes=0,
        exit_code=0,
        is_capped=False,
        load_before=load,
    )
    return Run(
        took,
        files=read["files"],
        bytes=read["bytes"],
        requests={"GET": read["requests"]},
        report={"usd": read["usd"]},
    )


def main(lake_url: str) -> None:
    """Query the only table of a lake and of its source; print (name, read) as JSON."""
    from compactor.lake_tables import read_tables
    from compactor.measured_benefit import lake_objects, measure, measure_all, source_objects
    from compactor.store import open_store

    lake = open_store(lake_url)
    (table,) = read_tables(lake).tables
    result = table.latest.result
    source = open_store(result.source_url)
    names = [column.name for column in result.columns]
    measure_all(lake, lake_objects(result.partitions[:1]), names)
    found: list[tuple[str, Read]] = []
    for name, columns in ((ALL, None), (TWO, COLUMNS)):
        one = measure(result, source, lake, columns)
        assert one is not None
        assert one.as_dates is not None
        for side, read in zip(SIDES, (one.as_text, one.as_dates, one.after), strict=True):
            found.append((f"{name}: {side}", read))
    before, after = source_objects(result, source), lake_objects(result.partitions)
    found.append((f"{EVERYTHING}: {LAKE}", measure_all(lake, after, names)))
    names = [column.source_name for column in result.columns]
    found.append((f"{EVERYTHING}: export", measure_all(source, before, names)))
    print(json.dumps([(name, read.model_dump()) for name, read in found]))


if __name__ == "__main__":
    main(*sys.argv[1:])
