"""Keys for tests, and envelopes verified without the code under test."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from compactor.evidence.keys import SigningKey, TrustedKey, TrustedKeys, new_key

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def make_key(folder: Path, name: str = "compactor.key") -> SigningKey:
    return new_key(folder / name)


def write_trusted(path: Path, *keys: TrustedKey) -> str:
    path.write_text(TrustedKeys(keys=keys).model_dump_json())
    return str(path)


def pae(payload_type: str, payload: bytes) -> bytes:
    """https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, by hand."""
    kind = payload_type.encode()
    parts = [b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload]
    return b" ".join(parts)


def opened(body: bytes, public_pem: str) -> dict[str, Any]:
    """Return the statement in an envelope whose ed25519 signature holds; raise if it does not."""
    envelope = json.loads(body)
    assert set(envelope) == {"payload", "payloadType", "signatures"}
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    (signature,) = envelope["signatures"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    key = load_pem_public_key(public_pem.encode())
    assert isinstance(key, Ed25519PublicKey)
    key.verify(base64.b64decode(signature["sig"]), pae(envelope["payloadType"], payload))
    found = json.loads(payload)
    assert isinstance(found, dict)
    return found


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def lines_of(bodies: list[bytes], public: str) -> list[dict[str, Any]]:
    """Return the predicates of links that make one line, verified by hand."""
    before = (-1, "0" * 64)
    found = []
    for number, body in enumerate(bodies):
        predicate = opened(body, public)["predicate"]
        told = predicate["predecessor"]
        assert (predicate["number"], told["number"], told["envelope_sha256"]) == (number, *before)
        before = (number, sha256(body))
        found.append(predicate)
    return found
