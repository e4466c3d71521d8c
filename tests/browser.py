"""Chromium without a window: what it makes of a page, and what it would ask the network for."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest


def chromium(*arguments: str, profile: Path) -> subprocess.CompletedProcess[str]:
    binary = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if binary is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    quiet = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    )
    return subprocess.run(
        [binary, *quiet, f"--user-data-dir={profile}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def dom(page_text: str, folder: Path) -> tuple[str, str, list[str]]:
    """Open a page in a browser; return its document after scripts ran, complaints, requests.

    The browser's own errands count as "not an origin" in its log, and resolve no host.
    """
    folder.mkdir(exist_ok=True)
    file, log = folder / "report.html", folder / "net.json"
    file.write_text(page_text, encoding="utf-8")
    done = chromium(
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--log-net-log={log}",
        "--dump-dom",
        file.as_uri(),
        profile=folder / "profile",
    )
    complaints = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    events = json.loads(log.read_text(encoding="utf-8", errors="replace"))["events"]
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    requests = [one["url"] for one in asked if one["initiator"] != "not an origin"]
    return done.stdout, complaints, requests
