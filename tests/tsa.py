"""A time-stamping authority on this machine: a CA, its certificate for stamps, `openssl ts`.

openssl makes the answers, so that what the client verifies was not made by the client's library.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

OPENSSL = shutil.which("openssl")
_CONFIG = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ess_cert_id_alg = sha256
"""


class TestAuthority:
    """Answers on 127.0.0.1. `misbehave` is called with each answer and returns what is sent."""

    __test__ = False

    def __init__(self, folder: Path, name: str = "test authority") -> None:
        folder.mkdir()
        self._folder = folder
        self.root = folder / "root.pem"
        self.chain = folder / "chain.pem"
        self.queries: list[bytes] = []
        self.status = 200
        self.misbehave = lambda answer: answer
        self._make(name)
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/timestamp-query"
                authority.queries.append(query)
                body = authority.misbehave(authority.answer(query))
                self.send_response(authority.status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, query: bytes) -> bytes:
        """Return a TimeStampResp, as openssl makes it."""
        asked, answered = self._folder / "query.tsq", self._folder / "answer.tsr"
        asked.write_bytes(query)
        self._openssl(
            *("-reply", "-config", str(self._folder / "tsa.cnf"), "-queryfile", str(asked)),
            *("-signer", str(self._folder / "tsa.pem"), "-inkey", str(self._folder / "tsa.key")),
            *("-out", str(answered)),
        )
        return answered.read_bytes()

    def verified(self, answer: bytes, body: bytes) -> str:
        """Return what openssl says of a stamp over bytes; raises if it does not verify."""
        stamp, data = self._folder / "check.tsr", self._folder / "check.data"
        stamp.write_bytes(answer)
        data.write_bytes(body)
        return self._openssl(
            *("-verify", "-in", str(stamp), "-data", str(data), "-CAfile", str(self.root)),
            *("-untrusted", str(self._folder / "tsa.pem")),
        )

    def _openssl(self, *arguments: str) -> str:
        assert OPENSSL is not None
        command = [OPENSSL, "ts", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def _make(self, name: str) -> None:
        root_key, own_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        top, own = (
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{part} of the {name}")])
            for part in ("root", "stamps")
        )
        now = datetime.now(UTC)

        def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(top)
                .public_key(key.public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=1))
                .not_valid_after(now + timedelta(days=30))
            )

        is_ca = x509.BasicConstraints(ca=True, path_length=None)
        root = builder(top, root_key).add_extension(is_ca, critical=True)
        stamps = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        leaf = builder(own, own_key).add_extension(stamps, critical=True)
        pems = [
            one.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM) for one in (root, leaf)
        ]
        self.root.write_bytes(pems[0])
        self.chain.write_bytes(pems[0] + pems[1])
        (self._folder / "tsa.pem").write_bytes(pems[1])
        (self._folder / "tsa.key").write_bytes(
            own_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (self._folder / "serial").write_text("01\n")
        (self._folder / "tsa.cnf").write_text(_CONFIG.format(folder=self._folder))
