"""DSSE envelopes: sign bytes, and tell whether who signed them was trusted then.

In:  bytes and the name of their type; a key; trusted keys.
Out: the envelope as JSON; the payload of an envelope that verifies.
IO:  none but what the key does (AWS KMS).

Format: https://github.com/secure-systems-lab/dsse/blob/master/envelope.md (DSSE v1, read on
2026-11-25). What is signed is the pre-authentication encoding of type and payload.
"""

from __future__ import annotations

import binascii
import json
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError

from ..errors import EvidenceError, SignatureError
from ..model import to_json, utc_text
from .keys import SigningKey, TrustedKeys


def sign(key: SigningKey, payload: bytes, payload_type: str) -> bytes:
    """Return a signed envelope whose signature has been verified.

    Raises: EvidenceError if the key cannot be used; SignatureError if what it gave is no signature
            of these bytes.
    """
    envelope = Envelope(payload, payload_type, {})
    try:
        envelope.sign(key.signer)
    except (BotoCoreError, ClientError) as error:
        raise EvidenceError(
            f"{key.uri} did not sign: {error}", hint="is kms:Sign permitted, and the key enabled?"
        ) from error
    try:
        envelope.verify([key.signer.public_key], 1)
    except VerificationError as error:
        raise SignatureError(
            f"{key.uri} gave a signature that key {key.keyid} does not verify"
        ) from error
    return to_json(envelope.to_dict()).encode()


def open_envelope(body: bytes, where: str, payload_type: str) -> Envelope:
    """Read an envelope, without a look at its signatures.

    Raises: EvidenceError if these bytes are no envelope with a payload of this type.
    """
    try:
        envelope = Envelope.from_dict(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, FormatError, binascii.Error) as error:
        raise EvidenceError(f"{where} is not a DSSE envelope: {error!r}") from error
    if envelope.payload_type != payload_type:
        raise EvidenceError(
            f"{where}: expected a payload of type {payload_type}, found {envelope.payload_type!r}"
        )
    return envelope


def verify(envelope: Envelope, keys: TrustedKeys, at: datetime, where: str) -> str:
    """Return the id of the trusted key that signed. It must have been valid at that moment.

    Raises: SignatureError naming what was expected and found.
    """
    if not envelope.signatures:
        raise SignatureError(f"{where} is not signed: expected a signature, found none")
    problems = []
    for keyid in envelope.signatures:
        known = keys.named(keyid)
        valid = [key for key in known if key.is_valid(at)]
        if not known:
            names = ", ".join(sorted({key.keyid for key in keys.keys})) or "none"
            problems.append(f"key {keyid} is not trusted; trusted are: {names}")
        elif not valid:
            periods = ", ".join(key.period() for key in known)
            problems.append(f"key {keyid} was not valid at {utc_text(at)}: it is trusted {periods}")
        else:
            try:
                envelope.verify([valid[0].key], 1)
            except VerificationError:
                problems.append(
                    f"the signature of key {keyid} does not fit: expected one of these bytes, "
                    "found one of others; the content was changed, or another key has signed"
                )
            else:
                return keyid
    raise SignatureError(
        f"{where} is not signed as expected: " + "; ".join(problems),
        hint="is the file of trusted keys complete? if so, find out who wrote this",
    )
