"""Run contestants over one export, in alternating order, and look at what they wrote."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .machine import REPOSITORY
from .process import Measured, measure

OURS = "compactor"
PORTABLE = "compactor, portable fingerprint"
"""The same with `verify.portable`."""


@dataclass(frozen=True)
class Contestant:
    """`command(target)` is the process to measure; it writes to `target`, a folder or s3:// url."""

    name: str
    command: Callable[[str], Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)
    cap_s: float | None = None


@dataclass(frozen=True)
class Run:
    """One measured process, what it wrote and what it asked of the S3 server."""

    measured: Measured
    files: int = 0
    rows: int = 0
    bytes: int = 0
    sorted_files: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass
class Result:
    """All runs of one contestant in one case."""

    case: str
    contestant: str
    rows: int
    source_files: int
    runs: list[Run] = field(default_factory=list)

    @property
    def error(self) -> str | None:
        return next((run.error for run in self.runs if run.error), None)

    @property
    def is_capped(self) -> bool:
        return any(run.measured.is_capped for run in self.runs)

    def median(self, value: Callable[[Run], float]) -> float:
        return statistics.median(value(run) for run in self.runs)

    @property
    def seconds(self) -> float:
        return self.median(lambda run: run.measured.seconds)


@dataclass
class Place:
    """Where contestants write, how it is read back, and who counts the requests."""

    work: Path
    env: Mapping[str, str] = field(default_factory=dict)
    bucket: str | None = None
    prefix: str = ""
    take_counts: Callable[[], Counter[str]] = Counter
    used: int = 0

    def fresh_target(self) -> str:
        self.used += 1
        if self.bucket:
            return f"s3://{self.bucket}/{self.prefix}{self.used:03d}"
        return str(self.work / f"lake-{self.used:03d}")

    def read_back(self, target: str) -> dict[str, int]:
        """Return what lies at `target` (see readback.py), and remove local copies of it."""
        folder = Path(target)
        if self.bucket:
            folder = self.work / "copy"
            folder.mkdir()
            place = target.removeprefix("s3://") + "/"
            child("tests.bench.s3data", "download", str(folder), place, env=self.env)
        found: dict[str, int] = json.loads(child("tests.bench.readback", str(folder)))
        shutil.rmtree(folder, ignore_errors=True)
        return found


def contest(
    case: str,
    contestants: Sequence[Contestant],
    place: Place,
    *,
    rows: int,
    source_files: int,
    runs: int,
) -> list[Result]:
    """Measure every contestant `runs` times; every second round goes in reverse order.

    A contestant that failed or was stopped at its cap is not started again in this case.
    """
    results = {c.name: Result(case, c.name, rows, source_files) for c in contestants}
    for number in range(runs):
        for contestant in contestants if number % 2 == 0 else reversed(contestants):
            result = results[contestant.name]
            if result.error or result.is_capped:
                continue
            run = _run(contestant, place, rows)
            result.runs.append(run)
            log_run(case, contestant.name, number + 1, run)
    return list(results.values())


def _run(contestant: Contestant, place: Place, rows: int) -> Run:
    target = place.fresh_target()
    command = contestant.command(target)
    place.take_counts()
    folder = place.work / "process"
    folder.mkdir(exist_ok=True)
    measured = measure(
        command, env={**place.env, **contestant.env}, folder=folder, cap_s=contestant.cap_s
    )
    requests = dict(place.take_counts())
    try:
        if measured.is_capped:
            return Run(measured, requests=requests)
        if measured.exit_code != 0:
            tail = (folder / "stderr").read_text(errors="replace")[-3000:]
            return Run(measured, error=f"exit code {measured.exit_code}; stderr ends:\n{tail}")
        is_ours = contestant.name in (OURS, PORTABLE)
        report = _report(folder / "stdout") if is_ours else {}
        found = place.read_back(target)
        wrong = _wrong(found, rows, report if is_ours else None)
        return Run(measured, **found, requests=requests, report=report, error=wrong)
    finally:
        shutil.rmtree(folder)
        if not place.bucket:
            shutil.rmtree(target, ignore_errors=True)


def _report(stdout: Path) -> dict[str, Any]:
    """Return of `compactor run --json` what the table shows: status and counted checks."""
    answer = json.loads(stdout.read_text())
    checks = Counter(check["status"] for table in answer["tables"] for check in table["checks"])
    return {"status": answer["status"], "checks": dict(checks)}


def _wrong(found: Mapping[str, int], rows: int, report: Mapping[str, Any] | None) -> str | None:
    """Say what is wrong with the result of a run that ended well."""
    if found["rows"] != rows:
        return f"wrote {found['rows']:,} rows instead of {rows:,}"
    if report is not None and (report["status"] != "done" or report["checks"].get("fail")):
        return f"ended well, but reported {report}"
    return None


def log_run(case: str, name: str, number: int, run: Run) -> None:
    took = run.measured
    what = "stopped at the cap after" if took.is_capped else "took"
    print(
        f"  {case}: {name}, run {number}, {what} {took.seconds:.1f} s (CPU {took.cpu_seconds:.1f},"
        f" load before {took.load_before:.1f})",
        file=sys.stderr,
        flush=True,
    )
    if run.error:
        print(f"  {case}: {name} FAILED: {run.error}", file=sys.stderr, flush=True)


def child(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run one of our helper modules in a process of its own and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
