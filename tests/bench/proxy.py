"""A slow, counting way to an S3 server: HAProxy on loopback, with a Lua action that sleeps.

Every request waits `latency_ms` before it is passed on, however many are in flight: that is what
distance to a region feels like. The proxy also counts requests by bucket and kind, so that all
contestants are counted alike, from outside.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

INSTALL_HINT = "HAProxy is not installed; on Debian or Ubuntu: apt-get install haproxy"

_LUA = """\
local counts = {}

-- the kind of a request: LIST is a GET of a bucket, everything else goes by its method
local function kind(method, key, query)
  if method == "GET" and key == "" then return "LIST" end
  if method == "POST" and query:find("delete") then return "DELETE" end
  return method
end

core.register_action("count_and_wait", {"http-req"}, function(txn)
  local bucket, key = txn.f:path():match("^/([^/]*)/?(.*)$")
  local name = bucket .. " " .. kind(txn.f:method(), key, txn.f:query() or "")
  counts[name] = (counts[name] or 0) + 1
  if LATENCY_MS > 0 then core.msleep(LATENCY_MS) end
end)

-- answers all counts and starts again from zero
core.register_service("counts", "http", function(applet)
  local lines = {}
  for name, number in pairs(counts) do lines[#lines + 1] = name .. " " .. number end
  counts = {}
  local body = table.concat(lines, "\\n")
  applet:set_status(200)
  applet:add_header("content-length", tostring(#body))
  applet:start_response()
  applet:send(body)
end)
"""

_CONFIG = """\
global
  maxconn 8192
  nbthread 1
  lua-load {lua}
defaults
  mode http
  timeout connect 10s
  timeout client 300s
  timeout server 300s
frontend s3
  bind 127.0.0.1:{port}
  http-request lua.count_and_wait
  default_backend server
frontend counts
  bind 127.0.0.1:{counts_port}
  http-request use-service lua.counts
backend server
  http-reuse always
  server s3 {server} maxconn 4096
"""


def find_haproxy() -> str | None:
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


class SlowProxy:
    """`with SlowProxy(endpoint, 25, folder) as proxy:` - the same server, 25 ms away."""

    def __init__(self, endpoint: str, latency_ms: int, folder: Path) -> None:
        self._server = urlsplit(endpoint).netloc
        self._latency_ms = latency_ms
        self._folder = folder
        self._port, self._counts_port = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        program = find_haproxy()
        if program is None:
            raise FileNotFoundError(INSTALL_HINT)
        lua = self._folder / f"wait-{self._latency_ms}.lua"
        lua.write_text(f"local LATENCY_MS = {self._latency_ms}\n{_LUA}")
        config = self._folder / f"haproxy-{self._latency_ms}.cfg"
        config.write_text(
            _CONFIG.format(
                lua=lua, port=self._port, counts_port=self._counts_port, server=self._server
            )
        )
        log = self._folder / f"haproxy-{self._latency_ms}.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [program, "-db", "-f", str(config)], stdout=output, stderr=subprocess.STDOUT
            )
        if not self._answers():
            self._process.kill()
            raise RuntimeError(f"HAProxy did not start:\n{log.read_text()}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.take_counts()
            except OSError:
                time.sleep(0.05)
            else:
                return True
        return False

    def take_counts(self) -> Counter[str]:
        """Return requests as `{"bucket KIND": number}` since the last call."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._counts_port}/", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return Counter({line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
