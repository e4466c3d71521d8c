"""Evidence packs: what is in them, the same bytes on any day, and what verify.py says of tampering.

verify.py is run as an auditor runs it: the file of the pack, by a Python that sees nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lines import Line
from s3_line import Place, rows, write_shop
from securesystemslib.signer import CryptoSigner, SSlibKey
from signed import LONG_AGO, make_key, opened, sha256, write_trusted
from tsa import OPENSSL, TestAuthority

from compactor import pipeline, report
from compactor.config import Config
from compactor.errors import ConfigError, EvidenceError
from compactor.evidence import verifier
from compactor.evidence.chain import Chain, link_key
from compactor.evidence.keys import SigningKey, TrustedKeys, always
from compactor.evidence.notary import Notary
from compactor.evidence.pack import pack, schema
from compactor.evidence.predicate import NO_PREDECESSOR, Predecessor, RunPredicate, Statement
from compactor.evidence.sign import sign
from compactor.evidence.statement import to_bytes
from compactor.store import open_store

LINKS = 4


@dataclass(frozen=True)
class Shop:
    """Four runs of one configuration, the second without the table `public.customers`."""

    line: Line
    key: SigningKey
    runs: tuple[str, ...]
    config: Config

    def pack(self, wanted: str, folder: Path) -> Path:
        pack(self.config, wanted, folder / "pack.zip")
        return folder / "pack.zip"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    line, key = Line(folder), make_key(folder)
    config = line.config(evidence={"key": key.uri})
    runs = []
    for number in range(LINKS):
        day = datetime(2026, 10, 6 + number, tzinfo=UTC)
        tables = {"public.orders": rows(1, 20 + number), "public.customers": rows(5, 8 + number)}
        if number == 1:
            del tables["public.customers"]
        write_shop(line.source, tables, export_id=f"shop-{number}", snapshot=day)
        done = pipeline.run(
            config,
            load_report=lambda: report.html,
            clock=lambda day=day: day + timedelta(hours=20),  # type: ignore[misc]
        )
        assert done.exit_code == 0
        runs.append(done.result.run_id)
    return Shop(line, key, tuple(runs), config)


@pytest.fixture(scope="module")
def packed(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.pack(shop.runs[1], tmp_path_factory.mktemp("packed"))


@pytest.fixture
def opened_pack(packed: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    return folder


@dataclass(frozen=True)
class Verdict:
    code: int
    out: str


def verify(pack_path: Path, *arguments: str | Path) -> Verdict:
    """Run the verify.py of a pack in an interpreter that has the standard library alone."""
    script = pack_path / "verify.py" if pack_path.is_dir() else Path(verifier.__file__)
    which = () if pack_path.is_dir() else (str(pack_path),)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), *which, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Verdict(done.returncode, done.stdout + done.stderr)


def envelope(folder: Path, number: int) -> Path:
    return folder / "envelopes" / f"{number:012d}.dsse.json"


def write_sums(folder: Path) -> None:
    """Make SHA256SUMS fit again, as whoever tampers with a pack would."""
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    (folder / "SHA256SUMS").write_text(
        "".join(
            f"{sha256((folder / name).read_bytes())}  {name}\n"
            for name in names
            if name != "SHA256SUMS"
        )
    )


def edit(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value))


def edit_payload(path: Path, change: Callable[[Any], object]) -> None:
    def inner(value: Any) -> None:
        payload = json.loads(base64.b64decode(value["payload"]))
        change(payload)
        value["payload"] = base64.b64encode(json.dumps(payload).encode()).decode()

    edit(path, inner)


# --- what is in it --------------------------------------------------------------------------------


def test_a_pack_holds_the_whole_chain_and_the_documents_of_the_run(
    shop: Shop, packed: Path
) -> None:
    with zipfile.ZipFile(packed) as archive:
        bodies = {name: archive.read(name) for name in archive.namelist()}

    documents = {f"runs/{shop.runs[1]}/{name}" for name in ("manifest.json", "report.json")}
    assert bodies.keys() == {
        *(f"envelopes/{number:012d}.dsse.json" for number in range(LINKS)),
        *documents,
        f"runs/{shop.runs[1]}/report.html",
        *("README.txt", "keys.json", "pack.json", "schema/statement.json", "verify.py"),
        "SHA256SUMS",
    }
    for number in range(LINKS):
        body = bodies[f"envelopes/{number:012d}.dsse.json"]
        assert body == (shop.line.lake / link_key(number)).read_bytes()
    for name in documents:
        stored = shop.line.lake / "_compactor" / name
        assert bodies[name] == stored.read_bytes()
    assert bodies["verify.py"] == Path(verifier.__file__).read_bytes()
    (key,) = json.loads(bodies["keys.json"])["keys"]
    assert (key["keyid"], key["public"]) == (shop.key.keyid, shop.key.public)
    assert b"PRIVATE" not in b"".join(body for name, body in bodies.items() if name != "verify.py")


def test_the_same_evidence_gives_the_same_bytes_on_another_day(
    shop: Shop, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + 40 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(later))
    monkeypatch.setenv("TZ", "Pacific/Auckland")

    again = shop.pack(shop.runs[1], tmp_path)

    assert again.read_bytes() == packed.read_bytes()
    other = shop.pack(shop.runs[2], tmp_path)
    assert other.read_bytes() != packed.read_bytes()


def test_digests_in_a_pack_are_those_that_sha256sum_reads(opened_pack: Path) -> None:
    lines = (opened_pack / "SHA256SUMS").read_text().splitlines()
    listed = {line[66:]: line[:64] for line in lines}

    found = [path for path in opened_pack.rglob("*") if path.is_file()]
    assert listed == {
        path.relative_to(opened_pack).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.name != "SHA256SUMS"
    }


def test_the_schema_in_a_pack_describes_its_statements(shop: Shop, opened_pack: Path) -> None:
    """By hand, one level down: a validator is no dependency of ours."""
    told = json.loads((opened_pack / "schema" / "statement.json").read_bytes())

    assert told == json.loads(json.dumps(schema()))
    statement = opened(envelope(opened_pack, 0).read_bytes(), shop.key.public)
    assert set(told["required"]) <= statement.keys() <= told["properties"].keys()
    inner = told["$defs"]["RunPredicate"]
    predicate = statement["predicate"]
    assert set(inner["required"]) <= predicate.keys() == inner["properties"].keys()
    assert told["properties"]["_type"]["const"] == statement["_type"]


@pytest.mark.parametrize(
    ("wanted", "selected"),
    [
        ("RUN 2", [2]),
        ("shop.public.orders", [0, 1, 2, 3]),
        ("shop.public.customers", [0, 2, 3]),
        ("2026-10-07..2026-10-08", [1, 2]),
        ("2026-10-09..2026-10-09", [3]),
        ("2025-01-01..2027-01-01", [0, 1, 2, 3]),
    ],
)
def test_a_run_a_table_or_a_period_is_packed(
    wanted: str, selected: list[int], shop: Shop, tmp_path: Path
) -> None:
    if wanted == "RUN 2":
        wanted = shop.runs[2]

    found = pack(shop.config, wanted, tmp_path / "pack.zip")

    assert list(found.selected) == selected
    assert set(found.runs) == {shop.runs[number] for number in selected}
    assert (found.links, found.first, found.head.number) == (LINKS, 0, LINKS - 1)
    assert (found.status, found.exit_code, found.missing) == ("pass", 0, ())
    assert found.sha256 == sha256((tmp_path / "pack.zip").read_bytes())
    verdict = verify(tmp_path / "pack.zip")
    assert verdict.code == 0, verdict.out
    assert verdict.out.count("report.json: good") == len(selected)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("shop.public.order", "did you mean shop.public.orders"),
        ("2020-01-01..2020-12-31", "is about 2020-01-01..2020-12-31"),
        ("2026-02-30..2026-03-01", "is no period: day is out of range"),
        ("2026-03-02..2026-03-01", "ends before it begins"),
    ],
)
def test_what_no_link_is_about_is_refused(
    wanted: str, told: str, shop: Shop, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        pack(shop.config, wanted, tmp_path / "pack.zip")

    assert told in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["nowhere/pack.zip", "file/pack.zip", "folder"])
def test_a_place_that_cannot_be_written_is_told(where: str, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()

    with pytest.raises(ConfigError, match=rf"{where} cannot be written: \w+"):
        pack(shop.config, shop.runs[0], tmp_path / where)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_without_a_chain_nothing_is_packed(shop: Shop, tmp_path: Path) -> None:
    config = shop.config.model_copy(
        update={"lake": shop.config.lake.model_copy(update={"url": str(tmp_path / "empty")})}
    )
    (tmp_path / "empty").mkdir()

    with pytest.raises(EvidenceError, match="no chain of evidence"):
        pack(config, "2020-01-01..2030-01-01", tmp_path / "pack.zip")
    assert not (tmp_path / "pack.zip").exists()


# --- verify.py ------------------------------------------------------------------------------------


def test_verify_py_needs_the_standard_library_alone(opened_pack: Path) -> None:
    """It is run without site-packages, and what it has imported lies where Python lies."""
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['verify.py', {str(opened_pack)!r}]\n"
        "try:\n"
        f"    runpy.run_path({str(opened_pack / 'verify.py')!r}, run_name='__main__')\n"
        "except SystemExit as left:\n"
        "    assert left.code == 0\n"
        "names = {name.split('.')[0] for name in sys.modules} - {'__main__'}\n"
        "assert 'hashlib' in names\n"
        "print(sorted(names - sys.stdlib_module_names), 'socket' in names)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[] False"


def test_verify_py_says_one_line_for_each_link_and_a_result(shop: Shop, opened_pack: Path) -> None:
    verdict = verify(opened_pack)

    assert verdict.code == 0
    lines = verdict.out.splitlines()
    assert [line.split(": good: ")[0] for line in lines if line.startswith("link ")] == [
        f"link {number}" for number in range(LINKS)
    ]
    assert lines[-1] == "result: VERIFIED: all of the above"
    assert f"of the pack itself: compare them with ones you trust: {shop.key.keyid}" in verdict.out
    assert "report.html: not signed" in verdict.out


def tamper_envelope_byte(folder: Path) -> None:
    path = envelope(folder, 1)
    body = bytearray(path.read_bytes())
    at = body.index(b'"payload":"') + 400
    body[at] = ord("A") if body[at] != ord("A") else ord("B")
    path.write_bytes(body)


def tamper_statement(folder: Path) -> None:
    def change(statement: Any) -> None:
        statement["subject"][0]["digest"]["sha256"] = "0" * 64

    edit_payload(envelope(folder, 1), change)


def tamper_swap(folder: Path) -> None:
    one, two = envelope(folder, 1), envelope(folder, 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def tamper_missing(folder: Path) -> None:
    envelope(folder, 2).unlink()


def tamper_end(folder: Path) -> None:
    envelope(folder, 3).unlink()


def tamper_manifest(folder: Path) -> None:
    (path,) = folder.glob("runs/*/manifest.json")
    edit(path, lambda value: value["tables"][0].update(output_rows=7))


def tamper_report(folder: Path) -> None:
    (path,) = folder.glob("runs/*/report.json")
    edit(path, lambda value: value["tables"][0].update(output_rows=7))


def tamper_report_sources(folder: Path) -> None:
    (path,) = folder.glob("runs/*/report.json")
    edit(path, lambda value: value.update(sources=["s3://elsewhere/"]))


def tamper_report_field_gone(folder: Path) -> None:
    (path,) = folder.glob("runs/*/report.json")
    edit(path, lambda value: value.pop("skipped"))


def tamper_report_link(folder: Path) -> None:
    (path,) = folder.glob("runs/*/report.json")
    edit(path, lambda value: value["evidence"].update(sha256="0" * 64))


def tamper_finding(folder: Path) -> None:
    (path,) = folder.glob("runs/*/report.json")
    edit(path, lambda value: value["findings"].clear())


def tamper_key_ended(folder: Path) -> None:
    until = {"valid_from": "2026-01-01T00:00:00Z", "valid_until": "2026-10-08T00:00:00Z"}
    edit(folder / "keys.json", lambda value: value["keys"][0].update(until))


def tamper_other_key(folder: Path) -> None:
    other = make_key(folder.parent, "other.key")
    write_trusted(folder / "keys.json", other.trusted(LONG_AGO))


def tamper_key_under_its_id(folder: Path) -> None:
    other = make_key(folder.parent, "other.key")
    edit(folder / "keys.json", lambda value: value["keys"][0].update(public=other.public))


def tamper_no_signature(folder: Path) -> None:
    edit(envelope(folder, 3), lambda value: value["signatures"].clear())
    fix_head(folder)


def tamper_signature_moved(folder: Path) -> None:
    taken = json.loads(envelope(folder, 2).read_bytes())["signatures"]
    edit(envelope(folder, 3), lambda value: value.update(signatures=taken))
    fix_head(folder)


def tamper_extra_link(folder: Path) -> None:
    shutil.copy(envelope(folder, 3), envelope(folder, 4))
    fix_head(folder)


def fix_head(folder: Path) -> None:
    last = sorted(folder.glob("envelopes/*.json"))[-1]
    head = {"number": int(last.name[:12]), "sha256": sha256(last.read_bytes())}
    edit(folder / "pack.json", lambda value: value.update(head=head))


TAMPERED = {
    tamper_envelope_byte: "FAILED: link 1: ",
    tamper_statement: "FAILED: link 1: the signature of key",
    tamper_swap: "FAILED: link 1: expected number 1 in it, found 2: moved or swapped",
    tamper_missing: "FAILED: chain: link 2 missing between link 1 and link 3",
    tamper_end: "FAILED: chain: pack.json says it ends with",
    tamper_manifest: "manifest.json: expected SHA-256",
    tamper_report: "report.json: its tables are not those that were signed",
    tamper_report_sources: "report.json: sources: ",
    tamper_report_field_gone: "report.json: skipped: ",
    tamper_report_link: "report.json: it names another link",
    tamper_finding: "report.json: a finding that was signed is not in it",
    tamper_key_ended: "FAILED: link 2: key",
    tamper_other_key: "is not trusted",
    tamper_key_under_its_id: "FAILED: keys: keys: key",
    tamper_no_signature: "FAILED: link 3: it is not signed",
    tamper_signature_moved: "FAILED: link 3: the signature of key",
    tamper_extra_link: "FAILED: link 4: expected number 4 in it, found 3",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__[7:])
def test_a_pack_that_was_tampered_with_fails_and_what_is_named(
    tamper: Callable[[Path], None], opened_pack: Path
) -> None:
    tamper(opened_pack)
    before = verify(opened_pack)
    write_sums(opened_pack)

    after = verify(opened_pack)

    assert (before.code, after.code) == (1, 1)
    assert "FAILED: pack: " in before.out
    assert "pack: good: " in after.out
    assert TAMPERED[tamper] in after.out
    assert after.out.splitlines()[-1] == "result: NOT AS SIGNED"


def test_the_page_is_covered_by_the_digests_alone_and_that_is_said(opened_pack: Path) -> None:
    (page,) = opened_pack.glob("runs/*/report.html")
    page.write_text("<p>all is well")

    assert f"{page.parent.name}/report.html: expected SHA-256" in verify(opened_pack).out
    write_sums(opened_pack)
    assert "report.html: not signed, for reading only" in verify(opened_pack).out


def test_a_link_signed_by_a_stranger_is_refused(shop: Shop, opened_pack: Path) -> None:
    """The stranger even keeps number and predecessor, and claims the known key's id."""
    stranger = make_key(opened_pack.parent, "stranger.key")
    path = envelope(opened_pack, LINKS - 1)
    statement = base64.b64decode(json.loads(path.read_bytes())["payload"])
    path.write_bytes(sign(stranger, statement, "application/vnd.in-toto+json"))
    fix_head(opened_pack)
    write_sums(opened_pack)
    assert f"key {stranger.keyid} is not trusted" in verify(opened_pack).out

    edit(path, lambda value: value["signatures"][0].update(keyid=shop.key.keyid))
    fix_head(opened_pack)
    write_sums(opened_pack)
    verdict = verify(opened_pack)
    assert verdict.code == 1
    assert f"the signature of key {shop.key.keyid} does not fit these bytes" in verdict.out


def resign(shop: Shop, path: Path, change: Callable[[Any], object]) -> None:
    """Sign a changed statement anew, with the true key."""
    statement = json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))
    change(statement)
    body = json.dumps(statement).encode()
    path.write_bytes(sign(shop.key, body, "application/vnd.in-toto+json"))


def test_a_link_that_the_keys_holder_signed_anew_does_not_fit_the_next_one(
    shop: Shop, opened_pack: Path
) -> None:
    resign(shop, envelope(opened_pack, 0), lambda said: said["predicate"].update(note="changed"))
    write_sums(opened_pack)

    verdict = verify(opened_pack)
    assert verdict.code == 1
    assert "link 0: good" in verdict.out
    assert "FAILED: link 1: names link 0 with SHA-256" in verdict.out


RESIGNED: dict[str, tuple[Callable[[Any], object], str]] = {
    "time": (
        lambda said: said["predicate"].update(signed_at="2026-10-01T00:00:00Z"),
        "signed at 2026-10-01T00:00:00Z, the link before it at 2026-10-08T20:00:00Z",
    ),
    "zone": (
        lambda said: said["predicate"].update(signed_at="2026-10-10T00:00:00"),
        "expected a time with its zone",
    ),
    "digest": (
        lambda said: said["subject"][0]["digest"].update(sha256="ABC"),
        "its digest is no SHA-256",
    ),
    "twice": (lambda said: said["subject"].append(said["subject"][0]), "named twice"),
    "unnamed": (lambda said: said["subject"][0].update(name=""), "empty"),
    "type": (lambda said: said.update(_type="x"), "expected a statement of"),
    "predicate": (lambda said: said.update(predicateType="x"), "expected a statement of"),
    "number": (
        lambda said: said["predicate"].update(number=7),
        "expected number 3 in it, found 7",
    ),
}


@pytest.mark.parametrize("name", RESIGNED)
def test_a_signed_statement_that_is_none_of_a_chain_fails(
    name: str, shop: Shop, opened_pack: Path
) -> None:
    change, told = RESIGNED[name]
    resign(shop, envelope(opened_pack, LINKS - 1), lambda said: None)
    fix_head(opened_pack)
    write_sums(opened_pack)
    assert verify(opened_pack).code == 0
    resign(shop, envelope(opened_pack, LINKS - 1), change)
    fix_head(opened_pack)
    write_sums(opened_pack)

    verdict = verify(opened_pack)
    assert verdict.code == 1
    assert f"FAILED: link {LINKS - 1}: " in verdict.out
    assert told in verdict.out


def test_keys_from_elsewhere_count_more_than_those_of_the_pack(
    shop: Shop, opened_pack: Path, tmp_path: Path
) -> None:
    good = write_trusted(tmp_path / "good.json", shop.key.trusted(LONG_AGO))
    other = write_trusted(tmp_path / "bad.json", make_key(tmp_path).trusted(LONG_AGO))

    assert verify(opened_pack, "--keys", good).code == 0
    assert "of the pack itself" not in verify(opened_pack, "--keys", good).out
    assert verify(opened_pack, "--keys", other).code == 1


def test_a_chain_cut_off_at_its_end_is_found_by_a_head_that_one_remembers(
    shop: Shop, opened_pack: Path
) -> None:
    head = f"{LINKS - 1}:{sha256(envelope(opened_pack, LINKS - 1).read_bytes())}"
    assert "the one you remembered is among them" in verify(opened_pack, "--head", head).out

    tamper_end(opened_pack)
    fix_head(opened_pack)
    write_sums(opened_pack)

    assert verify(opened_pack).code == 0  # nothing in a chain says that it goes on
    verdict = verify(opened_pack, "--head", head)
    assert verdict.code == 1
    assert "found no such link" in verdict.out
    assert verify(opened_pack, "--head", "3:abc").code == 2


def test_a_chain_without_its_beginning_is_not_verified_unless_one_says_so(
    opened_pack: Path,
) -> None:
    envelope(opened_pack, 0).unlink()
    write_sums(opened_pack)

    verdict = verify(opened_pack)
    assert verdict.code == 2
    assert "chain: NOT VERIFIED: it begins with link 1" in verdict.out
    assert verdict.out.splitlines()[-1] == "result: NOT ALL OF IT COULD BE VERIFIED"
    assert verify(opened_pack, "--first", "1").code == 0
    assert verify(opened_pack, "--first", "2").code == 2


def test_the_links_before_the_selected_ones_can_be_left_out(shop: Shop, tmp_path: Path) -> None:
    found = pack(shop.config, shop.runs[2], tmp_path / "pack.zip", from_selected=True)

    assert (found.first, found.links, found.selected) == (2, 2, (2,))
    assert verify(tmp_path / "pack.zip").code == 2
    assert verify(tmp_path / "pack.zip", "--first", "2").code == 0


@pytest.mark.parametrize("number", [0, LINKS - 1])
def test_a_pack_without_the_link_that_it_was_made_for_fails(
    number: int, shop: Shop, tmp_path: Path
) -> None:
    with zipfile.ZipFile(shop.pack(shop.runs[number], tmp_path)) as archive:
        archive.extractall(tmp_path / "unpacked")
    envelope(tmp_path / "unpacked", number).unlink()
    fix_head(tmp_path / "unpacked")
    write_sums(tmp_path / "unpacked")

    verdict = verify(tmp_path / "unpacked", "--first", "1")
    assert verdict.code == 1
    assert f"links that the pack was made for are missing: [{number}]" in verdict.out


def test_a_run_without_its_manifest_is_not_verified(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(shop.line.lake, copy)
    (copy / "_compactor" / "runs" / shop.runs[1] / "manifest.json").unlink()
    lake = shop.config.lake.model_copy(update={"url": str(copy)})
    config = shop.config.model_copy(update={"lake": lake})

    found = pack(config, shop.runs[1], tmp_path / "pack.zip")

    assert found.missing == (f"runs/{shop.runs[1]}/manifest.json",)
    assert (found.status, found.exit_code) == ("not_verified", 0)
    verdict = verify(tmp_path / "pack.zip")
    assert verdict.code == 2
    assert f"NOT VERIFIED: runs/{shop.runs[1]}/manifest.json: not in the pack" in verdict.out


def test_a_broken_chain_is_packed_and_told(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "lake"
    shutil.copytree(shop.line.lake, copy)
    (copy / link_key(1)).unlink()
    lake = shop.config.lake.model_copy(update={"url": str(copy)})

    found = pack(shop.config.model_copy(update={"lake": lake}), shop.runs[3], tmp_path / "pack.zip")

    assert (found.status, found.exit_code) == ("fail", 6)
    assert found.problems == ("chain: link 1 missing between link 0 and link 2",)
    assert verify(tmp_path / "pack.zip").code == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_byte_of_what_counts_can_be_changed(
    data: st.DataObject, packed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whoever changes it also makes SHA256SUMS fit again."""
    with zipfile.ZipFile(packed) as archive:
        bodies = {name: archive.read(name) for name in archive.namelist()}
    counts = [name for name in bodies if name.startswith("envelopes/") or "manifest" in name]
    name = data.draw(st.sampled_from(counts))
    at = data.draw(st.integers(0, len(bodies[name]) - 1))
    bits = data.draw(st.integers(1, 255))
    bodies[name] = bytes([*bodies[name][:at], bodies[name][at] ^ bits, *bodies[name][at + 1 :]])
    lines = [f"{sha256(body)}  {key}\n" for key, body in bodies.items() if key != "SHA256SUMS"]
    bodies["SHA256SUMS"] = "".join(lines).encode()
    changed = tmp_path_factory.mktemp("changed") / "pack.zip"
    with zipfile.ZipFile(changed, "w") as archive:
        for key, body in bodies.items():
            archive.writestr(key, body)

    with verifier.Pack(changed) as read:
        checker = verifier.Verifier(read, verifier.Asked())
        said = list(checker.run())

    assert checker.exit_code == 1, said
    assert said[0].startswith("pack: good")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_zip_with_a_changed_byte_never_verifies_as_another_one(
    data: st.DataObject, packed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes that a reader of zips passes over may change; then all contents are still the same."""
    body = packed.read_bytes()
    at = data.draw(st.integers(0, len(body) - 1))
    path = tmp_path_factory.mktemp("changed") / "pack.zip"
    path.write_bytes(
        body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    )

    try:
        code: Any = verifier.main([str(path)])
    except SystemExit as left:
        code = left.code
    assert code in (0, 1, 2)
    if code == 0:
        with zipfile.ZipFile(path) as changed, zipfile.ZipFile(packed) as whole:
            for name in changed.namelist():
                assert changed.read(name) == whole.read(name)


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[name], (*above, name))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_a_document_holds_there_is_an_answer_and_no_crash(
    data: st.DataObject, packed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with zipfile.ZipFile(packed) as archive:
        bodies = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from([name for name in bodies if name.endswith(".json")]))
    value = json.loads(bodies[name])
    has_payload = name.startswith("envelopes/") and data.draw(st.booleans())
    inner = json.loads(base64.b64decode(value["payload"])) if has_payload else value
    depth = data.draw(st.integers(1, 5))  # else most of it would be about columns of tables
    paths = [path for path in _paths(inner) if 0 < len(path) <= depth]
    *above, last = data.draw(st.sampled_from(paths))
    place = inner
    for step in above:
        place = place[step]
    place[last] = data.draw(st.sampled_from([None, 1, -1.5, "x", "", [], [1], {}, {"a": 1}, True]))
    if has_payload:
        value["payload"] = base64.b64encode(json.dumps(inner).encode()).decode()
    bodies[name] = json.dumps(value).encode()
    changed = tmp_path_factory.mktemp("changed") / "pack.zip"
    with zipfile.ZipFile(changed, "w") as archive:
        for key, body in bodies.items():
            archive.writestr(key, body)

    assert verifier.main([str(changed)]) == 1  # SHA256SUMS at least


@pytest.mark.parametrize("body", [b"", b"PK", b"no zip at all" * 10])
def test_what_is_no_pack_is_refused(body: bytes, tmp_path: Path) -> None:
    (tmp_path / "pack.zip").write_bytes(body)

    assert verify(tmp_path / "pack.zip").code == 2
    assert verify(tmp_path / "nothing.zip").code == 2
    (tmp_path / "empty").mkdir()
    shutil.copy(verifier.__file__, tmp_path / "empty" / "verify.py")
    verdict = verify(tmp_path / "empty")
    assert verdict.code == 1
    assert "there are no links in the pack" in verdict.out


def test_names_that_a_terminal_would_obey_are_not_printed(opened_pack: Path) -> None:
    edit(opened_pack / "pack.json", lambda value: value.update(wanted="\x1b[2J\r\nlink 9: good"))
    write_sums(opened_pack)

    out = verify(opened_pack).out
    assert "\x1b" not in out
    assert not any(line.startswith("link 9") for line in out.splitlines())


def test_each_link_is_verified_with_the_key_of_its_time(tmp_path: Path) -> None:
    line = Line(tmp_path / "line")
    old, new = make_key(tmp_path, "old.key"), make_key(tmp_path, "new.key")
    change = datetime(2026, 11, 1, tzinfo=UTC)
    ended = old.trusted(LONG_AGO).model_copy(update={"valid_until": change})
    trusted = write_trusted(tmp_path / "keys.json", ended, new.trusted(change))
    for number, (key, month) in enumerate(((old, 10), (new, 11))):
        day = datetime(2026, month, 6, tzinfo=UTC)
        write_shop(line.source, export_id=f"shop-{number}", snapshot=day)
        config = line.config(evidence={"key": key.uri, "trusted_keys": trusted})
        done = pipeline.run(config, clock=lambda day=day: day + timedelta(hours=20))  # type: ignore[misc]
        assert done.exit_code == 0

    assert pack(config, "shop.public.orders", tmp_path / "pack.zip").status == "pass"

    said = verify(tmp_path / "pack.zip").out
    for number, key in enumerate((old, new)):
        assert re.search(rf"link {number}: good: .* by key {key.keyid}\n", said)
    assert f"{new.keyid} (ed25519, from 2026-11-01T00:00:00Z on)" in said
    late = old.trusted(LONG_AGO).model_copy(update={"valid_until": change - timedelta(days=30)})
    other = write_trusted(tmp_path / "other.json", late, new.trusted(change))
    verdict = verify(tmp_path / "pack.zip", "--keys", other)
    assert verdict.code == 1
    assert f"FAILED: link 0: key {old.keyid} was not valid at 2026-10-06T20:00:00Z" in verdict.out


# --- runs that did not go well ---


def test_the_report_of_a_run_whose_link_came_late_verifies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, key = Line(tmp_path / "line"), make_key(tmp_path)
    write_shop(line.source)

    def refuse(*_: object) -> None:
        raise EvidenceError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(Notary, "seal", refuse)
        first = line.run(evidence={"key": key.uri})
    assert first.exit_code == 6
    second = line.run(evidence={"key": key.uri})
    assert [link.number for link in second.result.late_links] == [0]

    config = line.config(evidence={"key": key.uri})
    found = pack(config, first.result.run_id, tmp_path / "pack.zip")

    assert (found.status, found.problems) == ("pass", ())
    assert "report.json: good: says what was signed" in verify(tmp_path / "pack.zip").out


def test_tables_that_failed_are_in_the_report_and_not_signed(tmp_path: Path) -> None:
    line, key = Line(tmp_path / "line"), make_key(tmp_path)
    export = write_shop(line.source)
    path = next(export.rglob("public.customers/**/*.parquet"))
    path.write_bytes(path.read_bytes()[:200])
    done = line.run(evidence={"key": key.uri})
    assert done.exit_code == 3
    assert {table.status for table in done.result.tables} == {"done", "failed"}

    config = line.config(evidence={"key": key.uri})
    found = pack(config, "shop.public.orders", tmp_path / "pack.zip")

    assert (found.status, found.problems) == ("pass", ())
    assert "beyond that, 1 failed tables" in verify(tmp_path / "pack.zip").out
    with pytest.raises(ConfigError, match=r"is about shop\.public\.customers"):
        pack(config, "shop.public.customers", tmp_path / "none.zip")


# --- objects --------------------------------------------------------------------------------------


@pytest.fixture
def objects(shop: Shop, tmp_path: Path) -> Path:
    """Return what somebody downloaded: the data of all runs."""
    folder = tmp_path / "objects"
    shutil.copytree(shop.line.lake / "shop", folder / "shop")
    shutil.copytree(shop.line.lake / "_evidence", folder / "_evidence")
    return folder


def test_downloaded_objects_are_hashed_by_key(packed: Path, objects: Path) -> None:
    count = sum(path.is_file() for path in objects.rglob("*"))

    verdict = verify(packed, "--objects", objects)

    assert verdict.code == 0, verdict.out
    assert f"objects: {count} files are as signed; 0 of the 2 objects" in verdict.out


def test_an_object_that_was_changed_is_named(packed: Path, objects: Path) -> None:
    path = sorted(objects.rglob("*.parquet"))[-1]
    body = bytearray(path.read_bytes())
    body[100] ^= 1
    path.write_bytes(body)

    verdict = verify(packed, "--objects", objects)

    assert verdict.code == 1
    key = path.relative_to(objects).as_posix()
    assert f"object {key}: FAILED: expected SHA-256" in verdict.out


def test_an_object_that_no_link_names_is_not_verified(packed: Path, objects: Path) -> None:
    (objects / "shop" / "new.parquet").write_bytes(b"PAR1")

    verdict = verify(packed, "--objects", objects)

    assert verdict.code == 2
    assert "object shop/new.parquet: NOT VERIFIED: no link in the pack names it" in verdict.out


def test_a_folder_without_any_object_is_not_verified(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    assert verify(packed, "--objects", tmp_path / "empty").code == 2
    assert verify(packed, "--objects", tmp_path / "nowhere").code == 2


# --- keys of AWS KMS, time stamps -----------------------------------------------------------------


def kms_like(private: Any, scheme: str) -> SigningKey:
    public = SSlibKey.from_crypto(private.public_key(), scheme=scheme)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey("awskms:test", CryptoSigner(private, public), pem.decode())


def signed_chain(folder: Path, key: SigningKey) -> Path:
    """Return a folder that looks like a pack: one link, signed by a key."""
    now = datetime(2026, 11, 25, tzinfo=UTC)
    predicate = RunPredicate(
        number=0,
        predecessor=Predecessor(number=-1, envelope_sha256=NO_PREDECESSOR),
        run_id="r",
        kind="hold",
        started_at=now,
        finished_at=now,
        sources=(),
        lake="lake",
        archive=None,
    )
    store = open_store(str(folder / "store"))
    chain = Chain(store, key, always(key), lambda: now)
    body = chain.append(Statement(subject=(), predicate=predicate)).link.body
    assert to_bytes(Statement(subject=(), predicate=predicate))
    unpacked = folder / "unpacked"
    (unpacked / "envelopes").mkdir(parents=True)
    envelope(unpacked, 0).write_bytes(body)
    (unpacked / "pack.json").write_text('{"selected": [0], "head": {}}')
    fix_head(unpacked)
    write_trusted(unpacked / "keys.json", key.trusted(LONG_AGO))
    shutil.copy(verifier.__file__, unpacked / "verify.py")
    write_sums(unpacked)
    return unpacked


@pytest.mark.parametrize(
    ("curve", "scheme"),
    [(ec.SECP256R1(), "ecdsa-sha2-nistp256"), (ec.SECP384R1(), "ecdsa-sha2-nistp384")],
)
def test_signatures_of_elliptic_kms_keys_are_verified(
    curve: ec.EllipticCurve, scheme: str, tmp_path: Path
) -> None:
    folder = signed_chain(tmp_path, kms_like(ec.generate_private_key(curve), scheme))

    verdict = verify(folder)
    assert verdict.code == 0, verdict.out
    edit_payload(envelope(folder, 0), lambda value: value["predicate"].update(note="x"))
    fix_head(folder)
    write_sums(folder)
    verdict = verify(folder)
    assert verdict.code == 1
    assert "does not fit these bytes" in verdict.out


def test_signatures_of_rsa_keys_are_not_verified_and_never_green(tmp_path: Path) -> None:
    key = kms_like(rsa.generate_private_key(65537, 2048), "rsassa-pss-sha256")

    verdict = verify(signed_chain(tmp_path, key))

    assert verdict.code == 2
    assert "link 0: NOT VERIFIED: key" in verdict.out
    assert "rsassa-pss-sha256: not verified here, use cosign or openssl" in verdict.out
    assert "link 0: good" not in verdict.out


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[TestAuthority]:
    with TestAuthority(tmp_path / "tsa") as authority:
        yield authority


@pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
def test_time_stamps_are_packed_and_must_be_of_their_links(
    tsa: TestAuthority, tmp_path: Path
) -> None:
    line = Line(tmp_path / "line")
    write_shop(line.source)
    own = {"key": make_key(tmp_path).uri, "tsa": tsa.url, "tsa_certificate": str(tsa.root)}
    assert line.run(evidence=own).exit_code == 0
    pack(line.config(evidence=own), "2000-01-01..2100-01-01", tmp_path / "pack.zip")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        archive.extractall(folder)
    stamp = folder / "envelopes" / "000000000000.tsr"
    assert "Verification: OK" in tsa.verified(stamp.read_bytes(), envelope(folder, 0).read_bytes())

    verdict = verify(folder)
    assert verdict.code == 0
    assert re.search(r"a time stamp says 20\d{12}Z \(who made it is NOT VERIFIED", verdict.out)

    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    other = TimestampRequestBuilder().data(b"other").hash_algorithm(HashAlgorithm.SHA256).build()
    stamp.write_bytes(tsa.answer(other.as_bytes()))
    write_sums(folder)
    assert "000000000000.tsr is of other bytes" in verify(folder).out
    stamp.write_bytes(b"\x30\x03\x02\x01\x00")
    write_sums(folder)
    assert "000000000000.tsr is no time stamp" in verify(folder).out


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_a_pack_says_what_is_in_it_and_needs_no_private_key(
    shop: Shop, command: Command, tmp_path: Path
) -> None:
    config = tmp_path / "compactor.toml"
    config.write_text(
        f"[source]\nurls = [{json.dumps(str(shop.line.source))}]\n"
        f"[lake]\nurl = {json.dumps(str(shop.line.lake))}\n"
    )
    keys = write_trusted(tmp_path / "keys.json", shop.key.trusted(LONG_AGO))
    out = tmp_path / "pack.zip"

    said = command("-c", config, "evidence", "pack", "shop.public.orders", "-o", out)
    assert said.code == 2
    assert "--keys keys.json" in said.err
    said = command(
        "-c", config, "evidence", "pack", "shop.public.orders", "-o", out, "--keys", keys
    )
    assert said.code == 0
    assert f"SHA-256 {sha256(out.read_bytes())}" in said.out
    assert "verified: all of it" in said.out
    said = command(
        *("-c", config, "evidence", "pack", shop.runs[0], "-o", out, "--keys", keys, "--json")
    )
    assert said.json["selected"] == [0]
    assert said.json["sha256"] == sha256(out.read_bytes())
    assert json.loads(zipfile.ZipFile(out).read("keys.json")) == json.loads(
        TrustedKeys.model_validate_json(Path(keys).read_bytes()).model_dump_json()
    )


def test_the_command_fails_for_a_broken_chain_and_still_writes_the_pack(
    shop: Shop, command: Command, tmp_path: Path
) -> None:
    shutil.copytree(shop.line.lake, tmp_path / "lake")
    (tmp_path / "lake" / link_key(2)).unlink()
    config = tmp_path / "compactor.toml"
    config.write_text(f'[source]\nurls = ["in"]\n[lake]\nurl = "{tmp_path}/lake"\n')
    keys = write_trusted(tmp_path / "keys.json", shop.key.trusted(LONG_AGO))

    said = command(
        *("-c", config, "evidence", "pack", shop.runs[0], "--keys", keys),
        *("-o", tmp_path / "pack.zip"),
    )

    assert said.code == 6
    assert "NOT AS SIGNED\n    chain: link 2 missing between link 1 and link 3" in said.out
    assert verify(tmp_path / "pack.zip").code == 1


def test_a_pack_of_a_locked_archive_is_read_only_and_its_objects_verify(place: Place) -> None:
    key = make_key(place.folder)
    place.settings["evidence"] = {"key": key.uri}
    place.deliver(write_shop(place.folder / "exports"))
    assert place.run().exit_code == 0
    place.proxy.forget()

    found = pack(place.config, "shop.public.orders", place.folder / "pack.zip")

    assert place.proxy.sent("GET", rf"{place.vault}/tables/_evidence/chain/.*")
    assert place.proxy.writes() == []
    assert found.status == "pass"
    objects = place.folder / "objects"
    for name in place.keys(place.vault, "tables/"):
        path = objects / name.removeprefix("tables/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(place.body(place.vault, name))
    verdict = verify(place.folder / "pack.zip", "--objects", objects)
    assert verdict.code == 0, verdict.out
    assert "objects: 11 files are as signed; 0 of the 10 objects" in verdict.out
