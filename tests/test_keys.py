"""Keys: made, shown, trusted for a time, in a file or in AWS KMS (as moto plays it)."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import moto.kms.utils
import pytest
from commands import Command
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from lines import Line
from moto import mock_aws
from s3_line import write_shop
from securesystemslib.formats import encode_canonical
from signed import LONG_AGO, make_key, opened, pae, sha256, write_trusted

from compactor.config import parse_config
from compactor.errors import ConfigError, EvidenceError
from compactor.evidence import chain, keys
from compactor.evidence.keys import TrustedKeys, load_trusted, open_key
from compactor.evidence.sign import open_envelope, sign, verify
from compactor.store import open_store

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
IN_TOTO = "application/vnd.in-toto+json"


@pytest.fixture
def line(tmp_path: Path) -> Line:
    line = Line(tmp_path / "line")
    write_shop(line.source)
    return line


# --- files ----------------------------------------------------------------------------------------


def test_a_new_key_is_private_and_its_entry_is_trusted(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "compactor.key"

    said = command("key", "new", path)

    assert said.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    public = (tmp_path / "compactor.key.pub").read_text()
    assert load_pem_public_key(public.encode()) == private.public_key()
    (entry,) = said.json["keys"]
    assert (entry["scheme"], entry["public"], entry["valid_until"]) == ("ed25519", public, None)
    raw = private.public_key().public_bytes_raw().hex()
    canonical = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": raw}}
    assert entry["keyid"] == sha256(str(encode_canonical(canonical)).encode())
    trusted = tmp_path / "keys.json"
    trusted.write_text(said.out)
    assert load_trusted(trusted).keys[0].is_valid(datetime.now(UTC))


def test_a_key_is_never_overwritten(command: Command, tmp_path: Path) -> None:
    for name in ("a", "b.pub"):
        (tmp_path / name).write_text("precious")

    for name in ("a", "b"):
        said = command("key", "new", tmp_path / name)
        assert said.code == 2
        assert "exists already" in said.err
    assert (tmp_path / "a").read_text() == (tmp_path / "b.pub").read_text() == "precious"


def test_the_configured_key_is_shown(command: Command, tmp_path: Path) -> None:
    key = make_key(tmp_path)
    config = tmp_path / "c.toml"
    places = f'[source]\nurls = ["{tmp_path}/in"]\n[lake]\nurl = "{tmp_path}/out"\n'
    config.write_text(f'{places}[evidence]\nkey = "{key.uri}"\n')

    said = command("-c", config, "key", "show")
    named = command("key", "show", key.uri)

    assert [one.json["keys"][0]["keyid"] for one in (said, named)] == [key.keyid] * 2
    config.write_text(places)
    assert "no key is configured" in command("-c", config, "key", "show").err


def pem(key: Any, password: bytes | None = None) -> bytes:
    how = BestAvailableEncryption(password) if password else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not a private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is not a private key"),
        (pem(Ed25519PrivateKey.generate(), b"secret"), "without a password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "expected an ed25519 key"),
    ],
    ids=["empty", "garbage", "encrypted", "another kind"],
)
def test_a_file_that_is_no_ed25519_key_is_refused(
    content: bytes, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.key"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=told):
        open_key(f"ed25519:{path}")


def test_a_run_without_its_key_does_nothing_and_says_how_to_make_one(line: Line) -> None:
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        line.run(evidence={"key": "ed25519:missing.key"})

    assert "compactor key new missing.key" in caught.value.hint
    assert not line.lake.exists()


def test_a_key_that_others_can_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = make_key(tmp_path)
    assert caplog.records == []
    (tmp_path / "compactor.key").chmod(0o644)

    open_key(key.uri)

    assert [record.getMessage() for record in caplog.records] == ["others can read the signing key"]


# --- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"key": "compactor.key"}, "names no key"),
        ({"key": "ed25519:"}, "names no key"),
        ({"key": "gcpkms:x"}, "names no key"),
        ({"key": "ed25519:k", "tsa": "tsa.example.org"}, "is no URL"),
        ({"key": "ed25519:k", "tsa": "ftp://tsa.example.org/"}, "is no URL"),
        ({"key": "ed25519:k", "tsa": "https://u:p@tsa.example.org/"}, "secrets have no place"),
        ({"key": "ed25519:k", "tsa": "https://tsa.example.org/"}, "belong together"),
        ({"key": "ed25519:k", "tsa_certificate": "a.pem"}, "belong together"),
        ({"key": "ed25519:k", "trusted": "a.json"}, "did you mean 'trusted_keys'"),
        ({}, "evidence.key: missing"),
    ],
)
def test_mistakes_in_the_section_are_named(own: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse_config({"source": {"urls": ["in"]}, "lake": {"url": "out"}, "evidence": own})


# --- trusted keys ---------------------------------------------------------------------------------


def test_a_key_is_valid_from_its_first_moment_until_before_its_last(tmp_path: Path) -> None:
    end = NOW + timedelta(days=1)
    entry = make_key(tmp_path).trusted(NOW).model_copy(update={"valid_until": end})
    (read,) = load_trusted(Path(write_trusted(tmp_path / "keys.json", entry))).keys

    tick = timedelta(microseconds=1)
    moments = (NOW - tick, NOW, end - tick, end)
    assert [read.is_valid(at) for at in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"keyid": "0" * 64}, "expected key id [0-9a-f]{64} .*found 0000"),
        ({"public": "no key"}, "`public` is no PEM"),
        ({"scheme": "ecdsa-sha2-nistp256"}, "expected key id|no PEM"),
        ({"valid_from": "2026-01-01T00:00:00"}, "cannot be used"),
        ({"valid_from": "yesterday"}, "cannot be used"),
        ({"more": 1}, "cannot be used"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(
    change: dict[str, Any], told: str, tmp_path: Path
) -> None:
    entry = make_key(tmp_path).trusted(NOW).model_dump(mode="json")
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [entry | change]}))

    with pytest.raises(ConfigError, match=told):
        load_trusted(path)


def test_a_file_of_trusted_keys_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json cannot be read"):
        load_trusted(tmp_path / "none.json")


def test_one_trusted_signature_among_others_is_enough(tmp_path: Path) -> None:
    one, two = make_key(tmp_path, "one"), make_key(tmp_path, "two")
    first, second = (json.loads(sign(key, b"{}", IN_TOTO)) for key in (one, two))
    both = first | {"signatures": first["signatures"] + second["signatures"]}
    envelope = open_envelope(json.dumps(both).encode(), "it", IN_TOTO)

    for key in (one, two):
        trusted = TrustedKeys(keys=(key.trusted(LONG_AGO),))
        assert verify(envelope, trusted, NOW, "it") == key.keyid


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"payload": "e30=", "payloadType": "x", "signatures": []}',
        b'{"payload": "*", "payloadType": "application/vnd.in-toto+json", "signatures": []}',
        b'{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": [1]}',
        b'{"payload": 1, "payloadType": "application/vnd.in-toto+json", "signatures": []}',
        b'{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": '
        b'[{"keyid": "a", "sig": "AA=="}, {"keyid": "a", "sig": "AA=="}]}',
    ],
)
def test_bytes_that_are_no_envelope_of_ours_are_an_evidence_error(body: bytes) -> None:
    with pytest.raises(EvidenceError, match=r"^it"):
        open_envelope(body, "it", IN_TOTO)


# --- AWS KMS --------------------------------------------------------------------------------------


def sign_digest(key: Any, message: bytes, algorithm: str) -> bytes:
    """Sign a digest as KMS does for MessageType DIGEST; moto hashes it once more."""
    assert algorithm in ("ECDSA_SHA_256", "RSASSA_PSS_SHA_256")
    assert len(message) == 32
    private = key.private_key
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.sign(message, ec.ECDSA(Prehashed(SHA256())))
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    return bytes(private.sign(message, pss, Prehashed(SHA256())))


@pytest.fixture
def kms(raw_kms: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for kind in (moto.kms.utils.ECDSAPrivateKey, moto.kms.utils.RSAPrivateKey):
        monkeypatch.setattr(kind, "sign", sign_digest)
    return raw_kms


@pytest.fixture
def raw_kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, text in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("kms")


def kms_key(kms: Any, spec: str = "ECC_NIST_P256", usage: str = "SIGN_VERIFY") -> str:
    made = kms.create_key(KeyUsage=usage, KeySpec=spec)["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/audit", TargetKeyId=made)
    return str(made)


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_2048"])
def test_a_run_is_signed_by_a_key_in_kms(kms: Any, line: Line, spec: str) -> None:
    made = kms_key(kms, spec)

    done = line.run(evidence={"key": "awskms:alias/audit"})

    assert done.exit_code == 0
    (link,) = chain.read_links(open_store(str(line.lake)))
    trusted = keys.always(open_key(f"awskms:{made}"))
    assert chain.verify_link(link, None, trusted).predicate.run_id == done.result.run_id
    if spec == "ECC_NIST_P256":  # once without any library of the code under test
        envelope = json.loads(link.body)
        public = load_pem_public_key(trusted.keys[0].public.encode())
        assert isinstance(public, ec.EllipticCurvePublicKey)
        signed = pae(envelope["payloadType"], base64.b64decode(envelope["payload"]))
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        public.verify(signature, signed, ec.ECDSA(SHA256()))


def test_from_a_file_to_kms_the_chain_goes_on(kms: Any, line: Line, tmp_path: Path) -> None:
    old = make_key(tmp_path)
    assert line.run(evidence={"key": old.uri}).exit_code == 0
    kms_key(kms)
    new = open_key("awskms:alias/audit")
    now = datetime.now(UTC)
    ended = old.trusted(LONG_AGO).model_copy(update={"valid_until": now})
    trusted = write_trusted(tmp_path / "keys.json", ended, new.trusted(now))
    write_shop(line.source, {"public.more": []}, export_id="shop-2")

    done = line.run(evidence={"key": "awskms:alias/audit", "trusted_keys": trusted})

    assert done.exit_code == 0
    zero, one = chain.read_links(open_store(str(line.lake)))
    opened(zero.body, old.public)
    said = chain.verify_link(one, zero, load_trusted(Path(trusted)))
    assert (said.predicate.number, said.predicate.run_id) == (1, done.result.run_id)


def test_a_key_that_kms_does_not_have_is_a_configuration_error(kms: Any, line: Line) -> None:
    with pytest.raises(ConfigError, match=r"alias/audit cannot be used: .*NotFoundException"):
        line.run(evidence={"key": "awskms:alias/audit"})
    assert not line.lake.exists()


def test_a_key_that_kms_disables_meanwhile_leaves_no_manifest(
    kms: Any, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError
    from securesystemslib.signer import AWSSigner

    kms_key(kms)

    def refuse(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "DisabledException", "Message": "no"}}, "Sign")

    with monkeypatch.context() as patch:
        patch.setattr(AWSSigner, "sign", refuse)
        done = line.run(evidence={"key": "awskms:alias/audit"})

    assert (done.exit_code, done.result.status) == (6, "failed")
    assert list(line.lake.rglob("manifest.json")) == []
    again = line.run(evidence={"key": "awskms:alias/audit"})
    assert (again.exit_code, {table.status for table in again.result.tables}) == (0, {"adopted"})


def test_a_signature_that_does_not_verify_is_noticed_when_it_is_made(
    raw_kms: Any, line: Line
) -> None:
    """moto signs the digest of the digest: a KMS that answers, and answers wrongly."""
    kms_key(raw_kms)

    done = line.run(evidence={"key": "awskms:alias/audit"})

    assert (done.exit_code, done.result.manifest) == (6, None)
    (finding,) = [one for one in done.result.findings if one.kind == "evidence_failed"]
    assert "does not verify" in finding.message
    assert not (line.lake / "_evidence" / "chain").exists()


def test_the_kms_key_is_shown_for_the_trusted_keys(kms: Any, command: Command) -> None:
    kms_key(kms)

    (entry,) = command("key", "show", "awskms:alias/audit").json["keys"]

    assert entry["scheme"] == "ecdsa-sha2-nistp256"
    assert TrustedKeys.model_validate({"keys": [entry]}).keys[0].key.keyid == entry["keyid"]
