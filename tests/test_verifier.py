"""The mathematics of verify.py, held against RFC 8032's vectors and against cryptography."""

from __future__ import annotations

import ast
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import SSlibKey

from compactor.evidence import verifier
from compactor.evidence.keys import TrustedKey, TrustedKeys
from compactor.evidence.verifier import P256, P384, Curve, Problem, ecdsa, ed25519, read_keys

# https://www.rfc-editor.org/rfc/rfc8032#section-7.1: public key, message, signature
RFC_8032 = {
    "TEST 1": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    "TEST SHA(abc)": (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
}
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVES = {
    "P-256": (P256, ec.SECP256R1(), hashes.SHA256()),
    "P-384": (P384, ec.SECP384R1(), hashes.SHA384()),
}


def agrees(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@pytest.mark.parametrize("name", RFC_8032)
def test_the_vectors_of_rfc_8032_verify(name: str) -> None:
    public, message, signature = map(bytes.fromhex, RFC_8032[name])

    assert agrees(public, signature, message)
    assert ed25519(public, signature, message)
    assert not ed25519(public, signature, message + b"\0")


@settings(max_examples=60, deadline=None)
@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=300), data=st.data())
def test_ed25519_agrees_with_cryptography(seed: bytes, message: bytes, data: st.DataObject) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519(public, signature, message)

    whole = bytearray(public + signature + message)
    at = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[at // 8] ^= 1 << at % 8
    changed = bytes(whole[:32]), bytes(whole[32:96]), bytes(whole[96:])
    assert not ed25519(*changed)
    assert not agrees(*changed)


@settings(max_examples=100, deadline=None)
@given(public=st.binary(max_size=40), signature=st.binary(max_size=70), message=st.binary())
def test_ed25519_says_no_to_anything_else(public: bytes, signature: bytes, message: bytes) -> None:
    assert not ed25519(public, signature, message)


def test_the_second_form_of_an_ed25519_signature_is_refused() -> None:
    public, message, signature = map(bytes.fromhex, RFC_8032["TEST 2"])
    s = int.from_bytes(signature[32:], "little") + ORDER

    assert not ed25519(public, signature[:32] + s.to_bytes(32, "little"), message)


@pytest.mark.parametrize("y", [2**255 - 19, 2**255 - 18, 2**255 - 1, 2])
def test_a_key_that_is_no_canonical_point_is_refused(y: int) -> None:
    message, signature = (bytes.fromhex(part) for part in RFC_8032["TEST 2"][1:])

    assert not ed25519(y.to_bytes(32, "little"), signature, message)


@pytest.mark.parametrize("name", CURVES)
@settings(max_examples=20, deadline=None)
@given(secret=st.integers(1, 2**255), message=st.binary(max_size=300), data=st.data())
def test_ecdsa_agrees_with_cryptography(
    name: str, secret: int, message: bytes, data: st.DataObject
) -> None:
    curve, kind, digest = CURVES[name]
    key = ec.derive_private_key(secret % (curve.n - 1) + 1, kind)
    signature = key.sign(message, ec.ECDSA(digest))
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    assert ecdsa(curve, point, signature, message)

    r, s = decode_dss_signature(signature)
    wrong = data.draw(st.sampled_from(["r", "s", "message", "point", "zero", "large"]))
    body, other = message, signature
    if wrong == "message":
        body += b"x"
    elif wrong == "point":
        point = _another(curve, point)
    else:
        r, s = {"r": (r ^ 1, s), "s": (r, s ^ 1), "zero": (0, s), "large": (r + curve.n, s)}[wrong]
        other = encode_dss_signature(r, s)
    assert not ecdsa(curve, point, other, body)


def _another(curve: Curve, point: bytes) -> bytes:
    """Return the point's negative: a valid key, and not the one that signed."""
    y = curve.p - int.from_bytes(point[curve.size :], "big")
    return point[: curve.size] + y.to_bytes(curve.size, "big")


@settings(max_examples=100, deadline=None)
@given(signature=st.binary(max_size=80))
def test_ecdsa_says_no_to_what_is_no_signature(signature: bytes) -> None:
    point = b"".join(half.to_bytes(32, "big") for half in P256.g)

    assert not ecdsa(P256, point, signature, b"message")
    assert not ecdsa(P256, point[:-1] + b"\0", signature, b"message")


# --- keys -----------------------------------------------------------------------------------------


def entry(public: Any, scheme: str) -> TrustedKey:
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keyid = SSlibKey.from_crypto(public, scheme=scheme).keyid
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return TrustedKey(keyid=keyid, scheme=scheme, public=pem, valid_from=since)


MAKE = {
    "ed25519": Ed25519PrivateKey.generate,
    "ecdsa-sha2-nistp256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ecdsa-sha2-nistp384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsassa-pss-sha256": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-pkcs1v15-sha512": lambda: rsa.generate_private_key(65537, 2048),
}


@pytest.mark.parametrize("scheme", MAKE)
def test_the_id_of_a_key_must_be_that_of_its_public_key(scheme: str) -> None:
    """Else a pack could show the id that one expects beside another key."""
    known = entry(MAKE[scheme]().public_key(), scheme)
    other = entry(MAKE[scheme]().public_key(), scheme)

    (found,) = read_keys(TrustedKeys(keys=(known,)).model_dump_json().encode(), "keys")
    assert (found.keyid, found.scheme) == (known.keyid, scheme)
    swapped = known.model_copy(update={"public": other.public})
    with pytest.raises(Problem, match=f"expected key id {other.keyid}"):
        read_keys(TrustedKeys(keys=(swapped,)).model_dump_json().encode(), "keys")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "expected keys"),
        (b'{"keys": [1]}', "expected keyid"),
        (b'{"keys": [{"keyid": "a", "scheme": "ed25519", "public": "A\\n*\\nB"}]}', "no PEM"),
        (b'{"keys": [{"keyid": "a", "scheme": "ed25519", "public": "A\\nAAAA\\nB"}]}', "no public"),
    ],
)
def test_a_file_that_holds_no_keys_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(Problem, match=told):
        read_keys(body, "keys")


# --- the file itself ------------------------------------------------------------------------------


def test_it_imports_nothing_but_the_standard_library_and_no_network() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=module, level=level):
                assert level == 0
                assert module is not None
                found.add(module.split(".")[0])
            case _:
                pass
    assert {"hashlib", "json", "zipfile"} <= found <= sys.stdlib_module_names
    assert not found & {"socket", "ssl", "http", "urllib", "subprocess", "asyncio", "importlib"}
