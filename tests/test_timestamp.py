"""RFC 3161 time stamps of links, by an authority that the tests start themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lines import Line
from s3_line import UNTIL, Kill, Place, write_shop
from signed import make_key
from tsa import OPENSSL, TestAuthority

from compactor import pipeline
from compactor.errors import ConfigError, EvidenceError, SignatureError
from compactor.evidence import timestamp

pytestmark = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
TSR = "_evidence/chain/000000000000.tsr"
LINK = "_evidence/chain/000000000000.dsse.json"


@pytest.fixture
def tsa(tmp_path: Path) -> Iterator[TestAuthority]:
    with TestAuthority(tmp_path / "tsa") as authority:
        yield authority


@pytest.fixture
def line(tmp_path: Path) -> Line:
    line = Line(tmp_path / "line")
    write_shop(line.source)
    return line


def run(line: Line, authority: TestAuthority, **more: Any) -> pipeline.Done:
    path = line.source.parent / "compactor.key"
    key = f"ed25519:{path}" if path.exists() else make_key(path.parent).uri
    own = {"key": key, "tsa": authority.url, "tsa_certificate": str(authority.root)}
    return line.run(evidence=own | more)


def findings(done: pipeline.Done) -> list[tuple[str, str]]:
    return [
        (one.severity, one.message)
        for one in done.result.findings
        if one.kind == "timestamp_missing"
    ]


@pytest.mark.parametrize("certificates", ["root", "chain"])
def test_a_link_is_stamped_and_openssl_agrees(
    line: Line, tsa: TestAuthority, certificates: str
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)

    done = run(line, tsa, tsa_certificate=str(getattr(tsa, certificates)))

    link = done.result.evidence
    assert link is not None
    assert (done.exit_code, link.timestamp, findings(done)) == (0, "pass", [])
    assert len(tsa.queries) == 1
    stamp, body = ((line.lake / name).read_bytes() for name in (TSR, LINK))
    assert "Verification: OK" in tsa.verified(stamp, body)
    with pytest.raises(AssertionError):
        tsa.verified(stamp, body + b" ")
    authority = timestamp.open_authority(tsa.url, tsa.root)
    moment = timestamp.verify(authority, stamp, body)
    assert before <= moment <= datetime.now(UTC) + timedelta(seconds=2)
    (check,) = link.checks
    assert check.name == "timestamp"
    assert link.sha256 in (check.expected or "")
    assert link.sha256 in (check.actual or "")
    assert tsa.url in check.source


def test_a_stamp_over_other_bytes_does_not_verify(line: Line, tsa: TestAuthority) -> None:
    run(line, tsa)
    stamp, body = ((line.lake / name).read_bytes() for name in (TSR, LINK))
    authority = timestamp.open_authority(tsa.url, tsa.root)

    for other in (body + b" ", b"", body[:-1]):
        with pytest.raises(SignatureError, match="does not verify"):
            timestamp.verify(authority, stamp, other)
    for place in range(0, len(stamp), 11):
        changed = bytearray(stamp)
        changed[place] ^= 1
        try:
            moment = timestamp.verify(authority, bytes(changed), body)
        except SignatureError:
            continue
        # bytes that nothing signs (text of the answer's status): what is proven stays the same
        assert moment == timestamp.verify(authority, stamp, body)


def test_a_stamp_of_a_stranger_does_not_verify(
    line: Line, tsa: TestAuthority, tmp_path: Path
) -> None:
    with TestAuthority(tmp_path / "other", "other authority") as other:
        done = run(line, tsa, tsa_certificate=str(other.root))

    assert done.exit_code == 6
    assert done.result.evidence is not None
    assert done.result.evidence.timestamp == "fail"
    assert [severity for severity, _ in findings(done)] == ["error"]
    assert (line.lake / LINK).exists()
    assert not (line.lake / TSR).exists()


@pytest.mark.parametrize("answer", [b"", b"<html>try later</html>", b"\x30\x03\x02\x01\x02"])
def test_an_answer_that_is_no_stamp_is_an_error(
    line: Line, tsa: TestAuthority, answer: bytes
) -> None:
    tsa.misbehave = lambda _: answer

    done = run(line, tsa)

    assert done.exit_code == 6
    assert done.result.evidence is not None
    assert done.result.evidence.timestamp == "fail"
    assert not (line.lake / TSR).exists()


def test_an_answer_to_an_earlier_question_is_an_error(line: Line, tsa: TestAuthority) -> None:
    body = b"the same bytes"
    authority = timestamp.open_authority(tsa.url, tsa.root)
    old, _ = timestamp.request(authority, body)
    timestamp.verify(authority, old, body)
    tsa.misbehave = lambda _: old

    with pytest.raises(SignatureError, match="Nonce"):
        timestamp.request(authority, body)


@pytest.mark.parametrize("fault", ["silent", "busy"])
def test_without_an_answer_the_link_stays_and_the_stamp_is_not_verified(
    line: Line, tsa: TestAuthority, fault: str
) -> None:
    more = {"tsa": "http://127.0.0.1:9/"} if fault == "silent" else {}
    tsa.status = 503

    done = run(line, tsa, **more)

    link = done.result.evidence
    assert link is not None
    assert (done.exit_code, link.timestamp) == (0, "not_verified")
    ((severity, message),) = findings(done)
    assert severity == "warning"
    assert ("503" if fault == "busy" else "refused") in message
    assert (line.lake / LINK).exists()

    tsa.status = 200
    again = run(line, tsa)

    assert (again.result.status, again.result.late_links) == ("nothing_to_do", ())
    assert not (line.lake / TSR).exists(), "a later stamp would prove a later time"


def test_a_stamp_is_locked_like_its_link_and_told_by_the_next_run_if_it_is_missing(
    place: Place, tsa: TestAuthority, tmp_path: Path
) -> None:
    place.settings["evidence"] = {
        "key": make_key(tmp_path).uri,
        "tsa": tsa.url,
        "tsa_certificate": str(tsa.root),
    }
    place.deliver(write_shop(place.folder / "exports"))
    place.run_and_kill(Kill("PUT", r".*\.tsr"))

    done = place.run()

    (late,) = done.result.late_links
    assert (late.number, late.timestamp) == (0, "not_verified")
    assert [severity for severity, _ in findings(done)] == ["warning"]
    assert f"tables/{TSR}" not in place.versions()

    more = {"public.more": []}
    place.deliver(write_shop(place.folder / "exports", more, export_id="shop-2"))
    assert place.run().result.evidence is not None
    name = "tables/_evidence/chain/000000000001.tsr"
    (version,) = place.versions()[name]
    seen = place.client.head_object(Bucket=place.vault, Key=name, VersionId=version)
    assert (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"]) == ("COMPLIANCE", UNTIL)
    body = place.body(place.vault, "tables/_evidence/chain/000000000001.dsse.json")
    assert "Verification: OK" in tsa.verified(place.body(place.vault, name), body)


def test_certificates_that_are_none_are_refused_before_anything_is_done(
    line: Line, tsa: TestAuthority, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")

    for path, told in ((empty, "holds no certificate"), (tmp_path / "none.pem", "cannot be read")):
        with pytest.raises(ConfigError, match=told):
            run(line, tsa, tsa_certificate=str(path))
    assert not line.lake.exists()
    assert tsa.queries == []


def test_an_authority_that_is_not_there_is_an_evidence_error(tsa: TestAuthority) -> None:
    authority = timestamp.open_authority("http://127.0.0.1:9/", tsa.root)

    with pytest.raises(EvidenceError, match="gave no time stamp") as caught:
        timestamp.request(authority, b"x")
    assert not isinstance(caught.value, SignatureError)


def test_the_report_says_that_a_stamp_is_missing(line: Line, tsa: TestAuthority) -> None:
    tsa.status = 503
    done = run(line, tsa)

    run_folder = line.lake / "_compactor" / "runs" / done.result.run_id
    stored = json.loads((run_folder / "report.json").read_bytes())
    assert stored["evidence"]["timestamp"] == "not_verified"
    from compactor import report

    assert "WITHOUT a time stamp" in report.text(done.result)
    assert "has no time stamp" in report.text(done.result)
