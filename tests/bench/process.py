"""Run one command and measure it from outside: wall time, CPU time, peak memory.

`ru_maxrss` starts from what the parent held when it forked, so the harness must stay small:
whatever needs memory (generating, uploading, reading back) runs in a child process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """What one process took. `peak_rss_bytes`: of the largest of it and its children."""

    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    exit_code: int
    is_capped: bool
    load_before: float


def measure(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    cap_s: float | None,
) -> Measured:
    """Run `command` in `folder`, output into `stdout` and `stderr` there; kill it at `cap_s`."""
    load = os.getloadavg()[0]
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder), **env},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        capped = threading.Event()

        def end() -> None:
            capped.set()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(cap_s, end) if cap_s else None
        try:
            if timer:
                timer.start()
            _pid, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            end()
            raise
        finally:
            if timer:
                timer.cancel()
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Measured(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_rss_bytes=usage.ru_maxrss * 1024,
        exit_code=process.returncode,
        is_capped=capped.is_set(),
        load_before=load,
    )
