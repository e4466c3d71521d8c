"""An HTTP proxy on loopback that stands in front of an S3 server and misbehaves on demand.

    with FaultyS3(endpoint) as proxy:
        proxy.inject("slow_down", method="GET", key=r"a/.*", times=2)
        ...                                 # use proxy.endpoint
        assert proxy.count("GET") == 3

The Host header goes through as the client sent it, so signatures stay valid. Faults:

    slow_down   503 SlowDown                        deny      403 AccessDenied
    condition   412 PreconditionFailed
    hang        no answer until the proxy closes    reset     connection reset before forwarding
    truncate    half of the body, then the end      flip      one wrong byte (PUT: in the request)
    lose        forwarded, then the connection is reset instead of an answer
    late        reset at once, forwarded just before the next request of this method and key
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

Kind = Literal[
    "slow_down", "deny", "condition", "hang", "truncate", "flip", "lose", "late", "reset"
]
_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(slots=True)
class _Fault:
    kind: Kind
    method: str
    key: re.Pattern[str]
    times: int


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FaultyS3:
    def __init__(self, backend: str) -> None:
        self.backend = urlsplit(backend).netloc
        self._faults: list[_Fault] = []
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[dict[str, str], bytes]] = {}
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def inject(self, kind: Kind, *, method: str = ".*", key: str = ".*", times: int = 1) -> None:
        """Misbehave for the next `times` requests with this method and key (regular expressions).

        A key begins with the bucket: `bucket/a/b`. Listings have the method LIST.
        """
        with self._lock:
            self._faults.append(_Fault(kind, method, re.compile(key), times))

    def count(self, method: str) -> int:
        """Return how many requests came in: GET, PUT, HEAD, LIST, POST, DELETE."""
        with self._lock:
            return self._counts[method]

    def reset_counts(self) -> None:
        with self._lock:
            self._counts.clear()

    def pending_faults(self) -> int:
        """Return how many injected faults have not happened: a test should leave none."""
        with self._lock:
            return sum(fault.times for fault in self._faults)

    def take_fault(self, method: str, key: str) -> Kind | None:
        with self._lock:
            self._counts[method] += 1
            for fault in self._faults:
                if fault.times and re.fullmatch(fault.method, method) and fault.key.fullmatch(key):
                    fault.times -= 1
                    return fault.kind
            return None

    def keep(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        with self._lock:
            self._kept[method, target] = headers, body

    def send_kept(self, method: str, target: str) -> None:
        with self._lock:
            kept = self._kept.pop((method, target), None)
        if kept is not None:
            self.forward(method, target, *kept)

    def forward(self, method: str, target: str, headers: dict[str, str], body: bytes) -> _Answer:
        connection = http.client.HTTPConnection(self.backend, timeout=30)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return _Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: FaultyS3

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that went away is no error here
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _handle(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = dict(self.headers.items())
        path, _, query = self.path.partition("?")
        method = "LIST" if "list-type=2" in query else self.command
        fault = proxy.take_fault(method, unquote(path.lstrip("/")))
        request = (self.command, self.path, headers, body)
        proxy.send_kept(self.command, self.path)
        match fault:
            case "slow_down":
                self._answer_error(503, "SlowDown")
            case "deny":
                self._answer_error(403, "AccessDenied")
            case "condition":
                self._answer_error(412, "PreconditionFailed")
            case "hang":
                proxy.closing.wait()
                self.close_connection = True
            case "reset":
                self._reset()
            case "late":
                proxy.keep(*request)
                self._reset()
            case "lose":
                proxy.forward(*request)
                self._reset()
            case "flip" if self.command == "PUT":
                self._answer(proxy.forward(self.command, self.path, headers, _flipped(body)))
            case "flip":
                answer = proxy.forward(*request)
                self._answer(_Answer(answer.status, answer.headers, _flipped(answer.body)))
            case "truncate":
                answer = proxy.forward(*request)
                self._answer(answer, sent=len(answer.body) // 2)
                self.close_connection = True
            case None:
                self._answer(proxy.forward(*request))

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _handle

    def _answer(self, answer: _Answer, sent: int | None = None) -> None:
        self.send_response_only(answer.status)
        length = str(len(answer.body))
        for name, value in answer.headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in _HOP:
                self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(answer.body[:sent])

    def _answer_error(self, status: int, code: str) -> None:
        xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>"
        body = b"" if self.command == "HEAD" else xml.encode()
        self._answer(_Answer(status, [("Content-Type", "application/xml")], body))

    def _reset(self) -> None:
        """Close with RST, as a connection that broke does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body
