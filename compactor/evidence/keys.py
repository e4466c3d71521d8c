"""Keys: what signs now, and what may have signed then.

In:  the URI of a key (`ed25519:<file>`, `awskms:<id, ARN or alias>`); the file of trusted keys.
Out: a signer of securesystemslib; the public keys with the time for which each is trusted.
IO:  key files; AWS KMS (kms:GetPublicKey, and kms:Sign when something is signed).

The file of trusted keys is JSON, `compactor key show` prints an entry for it:

    {"keys": [{"keyid": "...", "scheme": "ed25519", "public": "-----BEGIN PUBLIC KEY-----...",
               "valid_from": "2026-01-01T00:00:00Z", "valid_until": null, "note": "the first"}]}

A key is changed by ending one entry and beginning another: what was signed before stays valid. The
key id is that of securesystemslib: the SHA-256 of the key's canonical JSON.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import AwareDatetime, ValidationError, field_serializer
from securesystemslib.exceptions import UnsupportedAlgorithmError
from securesystemslib.signer import AWSSigner, CryptoSigner, Signer, SSlibKey

from ..errors import ConfigError
from ..model import Model, utc_text
from ..progress import warning

ED25519 = "ed25519:"
AWSKMS = "awskms:"


class TrustedKey(Model):
    keyid: str
    scheme: str
    """As securesystemslib names it: `ed25519`, `ecdsa-sha2-nistp256`, `rsassa-pss-sha256`, ..."""
    public: str
    """PEM (SubjectPublicKeyInfo)."""
    valid_from: AwareDatetime
    valid_until: AwareDatetime | None = None
    """The first moment at which it is not valid any more."""
    note: str = ""

    @field_serializer("valid_from", "valid_until")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)

    @cached_property
    def key(self) -> SSlibKey:
        """Raises ValueError if this is no public key."""
        try:
            public = load_pem_public_key(self.public.encode())
            return SSlibKey.from_crypto(public, scheme=self.scheme)
        except UnsupportedAlgorithm as error:
            raise ValueError(str(error)) from error

    def is_valid(self, at: datetime) -> bool:
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)

    def period(self) -> str:
        until = utc_text(self.valid_until)
        return f"from {utc_text(self.valid_from)}" + (f" until {until}" if until else " on")


class TrustedKeys(Model):
    keys: tuple[TrustedKey, ...]

    def named(self, keyid: str) -> tuple[TrustedKey, ...]:
        return tuple(key for key in self.keys if key.keyid == keyid)


def load_trusted(path: Path) -> TrustedKeys:
    """Read the file of trusted keys.

    Raises: ConfigError naming what is wrong with which key.
    """
    try:
        found = TrustedKeys.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"evidence.trusted_keys: {path} cannot be read: {error.strerror}",
            hint="write one with what `compactor key show` prints",
        ) from error
    except ValidationError as error:
        raise ConfigError(f"evidence.trusted_keys: {path} cannot be used: {error}") from error
    for key in found.keys:
        try:
            keyid = key.key.keyid
        except ValueError as error:
            raise ConfigError(
                f"evidence.trusted_keys: {path}: key {key.keyid}: `public` is no PEM of a public "
                f"key for {key.scheme}: {error}"
            ) from error
        if keyid != key.keyid:
            raise ConfigError(
                f"evidence.trusted_keys: {path}: expected key id {keyid} for this public key and "
                f"scheme, found {key.keyid}"
            )
    return found


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that can sign now. `uri` is as configured."""

    uri: str
    signer: Signer
    public: str
    """PEM."""

    @property
    def keyid(self) -> str:
        return self.signer.public_key.keyid

    @property
    def scheme(self) -> str:
        return self.signer.public_key.scheme

    def trusted(self, valid_from: datetime, note: str = "") -> TrustedKey:
        """Return the entry for the file of trusted keys."""
        return TrustedKey(
            keyid=self.keyid,
            scheme=self.scheme,
            public=self.public,
            valid_from=valid_from,
            note=note,
        )


def open_key(uri: str) -> SigningKey:
    """Return the key of a URI.

    Raises: ConfigError if there is no such key, or it is not what its URI says.
    """
    if uri.startswith(ED25519):
        return _from_file(uri, Path(uri.removeprefix(ED25519)))
    if uri.startswith(AWSKMS):
        return _from_kms(uri)
    raise ConfigError(
        f"evidence.key: {uri!r} names no key", hint="write ed25519:<file> or awskms:<id or alias>"
    )


def _from_file(uri: str, path: Path) -> SigningKey:
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(
            f"evidence.key: {path} cannot be read: {error.strerror}",
            hint=f"make a key with `compactor key new {path}`, or leave [evidence] out",
        ) from error
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            f"evidence.key: {path} is not a private key in PEM without a password: {error}"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"evidence.key: {path}: expected an ed25519 key, found another kind")
    if mode & 0o077:
        warning("others can read the signing key", file=str(path), mode=f"{mode & 0o777:o}")
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(uri, CryptoSigner(private), public.decode())


def _from_kms(uri: str) -> SigningKey:
    name = uri.removeprefix(AWSKMS)
    try:
        _, public = AWSSigner.import_(name)
        return SigningKey(uri, AWSSigner(name, public), str(public.keyval["public"]))
    except (BotoCoreError, ClientError, UnsupportedAlgorithmError) as error:
        raise ConfigError(
            f"evidence.key: {uri} cannot be used: {error}",
            hint="it must be an asymmetric KMS key for SIGN_VERIFY; needed are kms:GetPublicKey "
            "and kms:Sign, and a region (AWS_REGION)",
        ) from error


def new_key(path: Path) -> SigningKey:
    """Make a key pair: the private key in `path` (mode 0600), the public one in `path`.pub.

    Raises: ConfigError if either file exists or cannot be written.
    """
    signer = CryptoSigner.generate_ed25519()
    public_path = path.with_name(f"{path.name}.pub")
    try:
        _create(path, signer.private_bytes, 0o600)
        made = _from_file(f"{ED25519}{path}", path)
        _create(public_path, made.public.encode(), 0o644)
    except FileExistsError as error:
        raise ConfigError(
            f"{error.filename} exists already; a key is never overwritten", hint="name another file"
        ) from error
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be written: {error.strerror}") from error
    return made


def _create(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def always(key: SigningKey) -> TrustedKeys:
    """Trust one key at all times: where no file of trusted keys is configured."""
    return TrustedKeys(keys=(key.trusted(datetime.min.replace(tzinfo=UTC)),))
