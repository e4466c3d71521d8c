"""A small export on a real S3 server, with a lake and an archive, behind a proxy that watches.

    place.run()                      # the whole line, in this process
    place.run_and_kill(Kill(...))    # in a process of its own, which gets SIGKILL at that request

What lies in the buckets afterwards is read by boto3 and pyarrow, not by the code under test.
"""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from conftest import S3Server
from faulty_s3 import FaultyS3

from compactor import pipeline, report
from compactor.config import Config, parse_config
from compactor.sample_exports import Column, Layout, RdsExport

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
RETAIN = "30y"
UNTIL = datetime(2056, 10, 6, 3, 47, 12, tzinfo=UTC)
CEILING_USD = 1.0
COLUMNS = (Column("id", "bigint"), Column("note", "text"), Column("created_at", "date"))
READS = ("GET", "HEAD", "LIST")
Rows = list[tuple[int, str, date]]
"""(id, note, created_at) in the order of ids."""


@dataclass(frozen=True, slots=True)
class Kill:
    """At which request a process is killed: the `nth` whose method and key fit (whole, regular).

    `before`: the server never sees that request. Otherwise it is carried out, and nobody hears so.
    """

    method: str
    key: str
    nth: int = 1
    before: bool = True


class WatchedS3(FaultyS3):
    """Remembers every request, and kills a process at one of them."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.requests: list[tuple[str, str]] = []
        self._kill: Kill | None = None
        self._seen = 0
        self._victim: subprocess.Popen[bytes] | None = None
        self._has_victim = threading.Event()
        self._in_flight = 0
        self._idle = threading.Condition()

    def arm(self, kill: Kill) -> None:
        self._kill, self._seen, self._victim = kill, 0, None
        self._has_victim.clear()

    def victim_is(self, process: subprocess.Popen[bytes]) -> None:
        self._victim = process
        self._has_victim.set()

    def disarm(self) -> None:
        """Wait until nothing of the killed process is on its way any more."""
        self._kill = None
        with self._idle:
            self._idle.wait_for(lambda: self._in_flight == 0)

    def take_fault(self, method: str, key: str) -> Any:
        with self._lock:
            self.requests.append((method, key))
            is_due = self._is_due(method, key, before=True)
        if is_due:
            self._strike()
            return "reset"
        return super().take_fault(method, key)

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        path, _, query = target.partition("?")
        name = "LIST" if "list-type=2" in query else method
        with self._idle:
            self._in_flight += 1
        try:
            answer = super().forward(method, target, headers, body)
            with self._lock:
                is_due = self._is_due(name, unquote(path.lstrip("/")), before=False)
            if is_due:
                self._strike()
            return answer
        finally:
            with self._idle:
                self._in_flight -= 1
                self._idle.notify_all()

    def _is_due(self, method: str, key: str, *, before: bool) -> bool:
        kill = self._kill
        if kill is None or kill.before != before:
            return False
        if not (re.fullmatch(kill.method, method) and re.fullmatch(kill.key, key)):
            return False
        self._seen += 1
        return self._seen == kill.nth

    def _strike(self) -> None:
        assert self._has_victim.wait(30)
        assert self._victim is not None
        self._victim.send_signal(signal.SIGKILL)
        self._victim.wait(30)  # dead before its request is answered, or refused

    def sent(self, method: str, key: str = ".*") -> list[str]:
        """Return the keys (with their bucket) of the requests that fit, in order."""
        with self._lock:
            return [
                name
                for verb, name in self.requests
                if re.fullmatch(method, verb) and re.fullmatch(key, name)
            ]

    def writes(self) -> list[tuple[str, str]]:
        with self._lock:
            return [request for request in self.requests if request[0] not in READS]

    def forgive(self) -> None:
        """Take back the faults that have not happened."""
        with self._lock:
            self._faults.clear()

    def forget(self) -> None:
        with self._lock:
            self.requests.clear()


# --- what is exported -----------------------------------------------------------------------------


def rows(first: int, count: int, *, days: int = 1, start: date = date(2026, 7, 1)) -> Rows:
    return [
        (number, f"note {number * 7919 % 101}", start + timedelta(days=days * (number - first)))
        for number in range(first, first + count)
    ]


def as_exported(wanted: Rows) -> pa.Table:
    """Return rows as the exporter writes them: PostgreSQL's dates are text."""
    ids, notes, days = zip(*wanted, strict=True) if wanted else ((), (), ())
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "note": pa.array(notes, pa.string()),
            "created_at": pa.array([day.isoformat() for day in days], pa.string()),
        }
    )


ORDERS = rows(1, 60, days=1)
CUSTOMERS = rows(1001, 8)
SHOP: Mapping[str, Rows] = {
    "public.orders": ORDERS,
    "public.customers": CUSTOMERS,
    "public.empty": [],
}
"""Two months, so two parts, from four objects; one part from one object; nothing from nothing."""
LAYOUTS = {"public.orders": Layout(folders=2, files=2), "public.empty": Layout(files=0)}


def write_shop(
    folder: Path,
    tables: Mapping[str, Rows] = SHOP,
    *,
    export_id: str = "shop-1",
    snapshot: datetime = SNAPSHOT,
) -> Path:
    export = RdsExport(folder, export_id, snapshot)
    for name, wanted in tables.items():
        export.table(name, COLUMNS, as_exported(wanted), LAYOUTS.get(name, Layout()))
    return export.finish()


def archive_settings(vault: str) -> dict[str, Any]:
    """Return the section of an archive that lets a test lock what it likes."""
    return {
        "url": f"s3://{vault}/tables/",
        "retain": RETAIN,
        "max_retain": "40y",
        "retention_ceiling_usd": CEILING_USD,
    }


# --- where it lies --------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Place:
    """Three buckets, the proxy before them, and a configuration that names them."""

    server: S3Server
    proxy: WatchedS3
    folder: Path
    source: str
    lake: str
    vault: str
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, server: S3Server, proxy: WatchedS3, folder: Path, names: Sequence[str]) -> Self:
        source, lake, vault = names
        settings = {
            "source": {"urls": [f"s3://{source}/"]},
            "lake": {"url": f"s3://{lake}/tables/"},
            "archive": archive_settings(vault),
            "limits": {"scratch_dir": str(folder / "scratch"), "memory": "1GiB"},
            "tables": {"shop.public.orders": {"grain": "month"}},
        }
        return cls(
            server=server,
            proxy=proxy,
            folder=folder,
            source=source,
            lake=lake,
            vault=vault,
            settings=settings,
        )

    def __post_init__(self) -> None:
        self.client = self.server.client()
        """Past the proxy: what tests do themselves is not counted."""

    @property
    def config(self) -> Config:
        return parse_config(self.settings)

    def deliver(self, root: Path, prefix: str = "") -> None:
        """Upload an export's folder."""
        for path in sorted(root.rglob("*")):
            if path.is_file():
                key = f"{prefix}{root.name}/{path.relative_to(root).as_posix()}"
                self.client.put_object(Bucket=self.source, Key=key, Body=path.read_bytes())

    def without_archive(self) -> dict[str, Any]:
        return {name: text for name, text in self.settings.items() if name != "archive"}

    # --- runs ---

    def run(self, **options: Any) -> pipeline.Done:
        self.proxy.forget()
        return pipeline.run(self.config, load_report=lambda: report.html, **options)

    def command(self, *arguments: str, code: str = "") -> list[str]:
        """Return the command line; with `code`, that is done before the command begins."""
        file = self.folder / "compactor.toml"
        file.write_text(_toml(self.settings))
        begin = ["-c", f"{code}\nfrom compactor.cli import main\nmain()"]
        return [
            sys.executable,
            *(begin if code else ["-m", "compactor"]),
            *("-c", str(file), *arguments),
        ]

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command in a process of its own."""
        self.proxy.forget()
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=120, check=False
        )

    def run_and_kill(self, kill: Kill) -> None:
        """Run until that request comes, and not a moment longer."""
        self.proxy.forget()
        self.proxy.arm(kill)
        process = subprocess.Popen(
            self.command("-q", "run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.proxy.victim_is(process)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{kill} never came: {said.decode()}"
        self.proxy.disarm()

    def run_and_die(self, where: str, nth: int = 1, *, before: bool = True) -> None:
        """Run until the `nth` call of `module:function`; the process kills itself around it."""
        self.proxy.forget()
        done = subprocess.run(
            self.command("-q", "run", code=DIE.format(where, nth, before)),
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, f"{where} never came: {done.stderr.decode()}"
        self.proxy.disarm()

    # --- what is there ---

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def body(self, bucket: str, key: str, version: str | None = None) -> bytes:
        which = {"VersionId": version} if version else {}
        return self.client.get_object(Bucket=bucket, Key=key, **which)["Body"].read()

    def table(self, bucket: str, table: str) -> Rows:
        """Return the rows of every data object below a table's folder, as a reader finds them."""
        found: Rows = []
        for key in self.keys(bucket, f"tables/shop/{table}/"):
            if "/_control/" not in key:
                part = pq.ParquetFile(io.BytesIO(self.body(bucket, key))).read()
                columns = [part[name].to_pylist() for name in ("id", "note", "created_at")]
                found += zip(*columns, strict=True)
        return sorted(found)

    def versions(self) -> dict[str, list[str]]:
        """Return the version ids of every key of the archive; there are no delete markers."""
        found: dict[str, list[str]] = {}
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.vault)
        for page in pages:
            assert not page.get("DeleteMarkers")
            for item in page.get("Versions", ()):
                found.setdefault(item["Key"], []).append(item["VersionId"])
        return found

    def scratch(self) -> list[str]:
        """Return what is left of earlier runs."""
        folder = self.folder / "scratch"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def data_puts(self) -> Counter[str]:
        """Count the writes of data objects to the lake, by key."""
        return Counter(self.proxy.sent("PUT", rf"{self.lake}/tables/shop/.*\.parquet"))


DIE = """
import functools, importlib, itertools, os, signal
place, nth, before = {!r}, {!r}, {!r}
module, _, path = place.partition(":")
owner, (*above, name) = importlib.import_module(module), path.split(".")
for part in above:
    owner = getattr(owner, part)
inner, calls = getattr(owner, name), itertools.count(1)
@functools.wraps(inner)
def outer(*args, **options):
    is_due = next(calls) == nth
    if is_due and before:
        os.kill(os.getpid(), signal.SIGKILL)
    result = inner(*args, **options)
    if is_due:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, name, outer)
"""


def _toml(settings: Mapping[str, Any], above: str = "") -> str:
    """Write a configuration; JSON's texts, numbers and lists are TOML's as well."""
    plain = {name: one for name, one in settings.items() if not isinstance(one, dict)}
    text = f"[{above}]\n" if above else ""
    text += "".join(f"{name} = {json.dumps(one)}\n" for name, one in plain.items())
    for name, one in settings.items():
        if isinstance(one, dict):
            quoted = json.dumps(name)
            text += _toml(one, f"{above}.{quoted}" if above else quoted)
    return text
