"""Every command of docs/evidence.md is run here, or at least parsed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lines import Line
from s3_line import write_shop
from signed import LONG_AGO, make_key, sha256, write_trusted
from test_pack import kms_like, signed_chain
from tsa import OPENSSL, TestAuthority

from compactor.config import Config
from compactor.errors import ConfigError
from compactor.evidence.pack import pack

TEXT = (Path(__file__).parent.parent / "docs" / "evidence.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```([a-z ]+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
TAKE_APART = next(text for kind, text in BLOCKS if kind == "sh" and "b64decode" in text)
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


@pytest.fixture(scope="module")
def tsa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAuthority]:
    with TestAuthority(tmp_path_factory.mktemp("tsa") / "tsa") as authority:
        yield authority


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, tsa: TestAuthority) -> Path:
    """An auditor's desk: a pack, keys from elsewhere, downloaded objects."""
    if OPENSSL is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("desk")
    line, key = Line(folder / "line"), make_key(folder)
    own = {"key": key.uri, "tsa": tsa.url, "tsa_certificate": str(tsa.root)}
    write_shop(line.source)
    assert line.run(evidence=own).exit_code == 0
    pack(line.config(evidence=own), "shop.public.orders", folder / "pack.zip")
    write_trusted(folder / "keys.json", key.trusted(LONG_AGO))
    shutil.copytree(line.lake / "shop", folder / "objects" / "shop")
    return folder


def bash(script: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | more,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_block_is_of_a_kind_that_is_not_looked_at() -> None:
    kinds = {kind for kind, _ in BLOCKS}
    assert kinds == {"sh", "sh ecdsa", "sh rsa", "sh tsa", "python", "text"}
    assert len(re.findall(r"^```", TEXT, re.MULTILINE)) == 2 * len(BLOCKS)


def test_commands_of_compactor_are_understood(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = (text for text in blocks("sh") if text.startswith("compactor "))
    (tmp_path / "compactor.toml").write_text('[source]\nurls = ["in"]\n[lake]\nurl = "out"\n')
    monkeypatch.chdir(tmp_path)
    seen = []

    def instead(_: Config, wanted: str, output: Path, *more: object, **__: object) -> None:
        seen.append((wanted, str(output), *more))
        raise ConfigError("understood")

    monkeypatch.setattr("compactor.evidence.pack.pack", instead)
    for line in block.splitlines():
        _, *arguments = shlex.split(line, comments=True)
        assert "understood" in command(*arguments).err

    assert seen == [
        ("20261006T080211Z-91c4a7d0-3fe2a1", "pack.zip", None),
        ("shop.public.orders", "pack.zip", None),
        ("2026-01-01..2026-03-31", "pack.zip", None),
        ("2026-01-01..2026-03-31", "pack.zip", Path("keys.json")),
    ]


def test_commands_for_auditors_do_what_the_page_says(desk: Path) -> None:
    scripts = [text for text in blocks("sh") if not text.startswith("compactor ")]
    assert len(scripts) == 7
    first, *rest = scripts
    assert "result: VERIFIED" in bash(first, desk).stdout
    head = {
        "NUMBER": "0",
        "SHA256": sha256((desk / "pack/envelopes/000000000000.dsse.json").read_bytes()),
    }
    said = []
    for script in rest:
        done = bash(
            script, desk / "pack", **(head if "$SHA256" in script else {"NUMBER": "0" * 12})
        )
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        said.append(done.stdout)
    assert "1 of " in said[0]
    assert "the one you remembered is among them" in said[1]
    assert "files are as signed; 0 of" not in said[2]
    assert "files are as signed" in said[2]
    assert "Signature Verified Successfully" in said[4]
    assert head["SHA256"] in said[5]


def test_openssl_finds_what_was_changed(desk: Path) -> None:
    """The command does not say yes to everything."""
    (script,) = (text for text in blocks("sh") if "pkeyutl" in text)
    folder = desk / "other"
    with zipfile.ZipFile(desk / "pack.zip") as archive:
        archive.extractall(folder)
    assert bash(TAKE_APART, folder).returncode == 0
    assert bash(script, folder).returncode == 0
    (folder / "pae").write_bytes((folder / "pae").read_bytes() + b" ")
    assert bash(script, folder).returncode != 0


@needs_openssl
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_openssl_verifies_what_keys_of_kms_sign(kind: str, tmp_path: Path) -> None:
    if kind == "ecdsa":
        key = kms_like(ec.generate_private_key(ec.SECP256R1()), "ecdsa-sha2-nistp256")
    else:
        key = kms_like(rsa.generate_private_key(65537, 2048), "rsassa-pss-sha256")
    folder = signed_chain(tmp_path, key)
    (script,) = blocks(f"sh {kind}")
    assert bash(TAKE_APART, folder).returncode == 0

    assert "Verified OK" in bash(script, folder).stdout
    (folder / "pae").write_bytes((folder / "pae").read_bytes() + b" ")
    assert bash(script, folder).returncode != 0


def test_openssl_verifies_the_time_stamp(desk: Path, tsa: TestAuthority) -> None:
    (script,) = blocks("sh tsa")
    folder = desk / "stamped"
    with zipfile.ZipFile(desk / "pack.zip") as archive:
        archive.extractall(folder)
    shutil.copy(tsa.root, folder / "tsa-root.pem")
    shutil.copy(tsa.chain, folder / "tsa-chain.pem")

    done = bash(script, folder, NUMBER="0" * 12)

    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout + done.stderr


def test_securesystemslib_verifies_the_envelopes(desk: Path) -> None:
    (script,) = blocks("python")
    folder = desk / "library"
    with zipfile.ZipFile(desk / "pack.zip") as archive:
        archive.extractall(folder)

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "000000000000.dsse.json 0\n"
