"""RFC 3161 time stamps: an outside authority says when a link was there.

In:  the bytes of an envelope; the URL of a time-stamping authority (TSA), its certificates.
Out: the answer (TimeStampResp, DER), verified.
IO:  one HTTP request.

`openssl ts -verify -in <number>.tsr -data <number>.dsse.json -CAfile tsa.pem` verifies the same.
Format: https://www.rfc-editor.org/rfc/rfc3161 (2.4; transport: 3.4), read on 2026-11-25.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.x509 import (
    Certificate,
    ExtendedKeyUsage,
    ExtensionNotFound,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..errors import ConfigError, EvidenceError, SignatureError

TIMEOUT_S = 20.0
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Authority:
    """A TSA, and the certificates that its answers must lead to."""

    url: str
    certificates: tuple[Certificate, ...]


def open_authority(url: str, certificates: Path) -> Authority:
    """Return the TSA of a configuration.

    Raises: ConfigError if the certificates cannot be read, or the client is not installed.
    """
    try:
        import rfc3161_client  # noqa: F401 (an extra)
    except ImportError as error:
        raise ConfigError(
            "evidence.tsa needs the package rfc3161-client",
            hint="install it with: pip install 'compactor[timestamp]'",
        ) from error
    try:
        found = load_pem_x509_certificates(certificates.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"evidence.tsa_certificate: {certificates} cannot be read: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"evidence.tsa_certificate: {certificates} holds no certificate in PEM: {error}"
        ) from error
    return Authority(url, tuple(found))


def request(authority: Authority, body: bytes) -> tuple[bytes, datetime]:
    """Have bytes stamped; return the verified answer, and the time it says.

    Raises: EvidenceError if there is no answer; SignatureError if the answer does not verify.
    """
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    builder = TimestampRequestBuilder().data(body).hash_algorithm(HashAlgorithm.SHA256)
    asked = builder.build()
    answer = _post(authority.url, asked.as_bytes())
    return answer, verify(authority, answer, body, nonce=asked.nonce)


def verify(
    authority: Authority, answer: bytes, body: bytes, *, nonce: int | None = None
) -> datetime:
    """Verify a time stamp over bytes; return its time (UTC).

    Raises: SignatureError if it is none, is of other bytes, or was made by somebody else.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    builder = VerifierBuilder(nonce=nonce)
    for certificate in authority.certificates:
        if _stamps(certificate) and len(authority.certificates) > 1:
            builder = builder.tsa_certificate(certificate)
        else:
            builder = builder.add_root_certificate(certificate)
    try:
        found = decode_timestamp_response(answer)
        builder.build().verify_message(found, body)
        return found.tst_info.gen_time
    except (ValueError, VerificationError) as error:
        raise SignatureError(
            f"the time stamp of {authority.url} does not verify: expected one of SHA-256 "
            f"{hashlib.sha256(body).hexdigest()} by a certificate in evidence.tsa_certificate: "
            f"{error}"
        ) from error


def _stamps(certificate: Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in usage


def _post(url: str, query: bytes) -> bytes:
    sent = urllib.request.Request(  # http or https: the configuration checked it
        url,
        data=query,
        headers={
            "Content-Type": "application/timestamp-query",
            "Accept": "application/timestamp-reply",
        },
    )
    try:
        with urllib.request.urlopen(sent, timeout=TIMEOUT_S) as answer:
            content: bytes = answer.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{url} gave no time stamp: {error}") from error
    return content
