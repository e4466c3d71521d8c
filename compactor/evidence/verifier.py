#!/usr/bin/env python3
"""Verify an evidence pack offline, with Python's standard library alone (3.11 or newer).

    python -I verify.py                             the unpacked pack that this file lies in
    python -I verify.py pack.zip --keys keys.json   keys that you had from elsewhere: better
    python -I verify.py pack.zip --objects FOLDER   also hash objects downloaded from the archive

In:  a pack (zip or folder) as `compactor evidence pack` writes it.
Out: one line for each link and run, a summary; exit code 0: all of it verified, 1: something is not
     as it was signed, 2: nothing is wrong, but something could not be verified; or wrong usage.
IO:  reads these files. No network, nothing is written.

What is verified, in this order:
1. every file of the pack has the digest in SHA256SUMS (accidents: who changes one can change both);
2. every link: signature by a key that was trusted then, number, digest of the link before it;
3. every statement: its types, its subjects, each named once, with a SHA-256;
4. every run in the pack: manifest.json has the signed digest, report.json says what was signed;
5. every time stamp is of the bytes of its link. Who made it is for `openssl ts -verify` to say.

Formats: DSSE v1, in-toto Statement v1, RFC 8032 (Ed25519), FIPS 186-5 (ECDSA), RFC 3161, RFC 5480,
RFC 8410 (read on 2026-11-25). Signatures take 2 (Ed25519) to 20 ms each: slow, but enough here.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://compactor.dev/evidence/run/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
CHAIN = "_evidence/chain/"
SUMS = "SHA256SUMS"

_ENVELOPE = re.compile(r"envelopes/([0-9]{12})\.dsse\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SUM = re.compile(r"([0-9a-f]{64})  (.+)")
_HEAD = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})")


class Problem(Exception):
    """Something is not as it was signed, or not what it is said to be."""


class Unverified(Exception):
    """This file cannot tell."""


# --- Ed25519, RFC 8032 5.1: verification only, nothing in it is secret ----------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_Point = tuple[int, int, int, int]
"""Extended homogeneous coordinates (5.1.4)."""


def _add(one: _Point, two: _Point) -> _Point:
    a = (one[1] - one[0]) * (two[1] - two[0]) % _P
    b = (one[1] + one[0]) * (two[1] + two[0]) % _P
    c = 2 * one[3] * two[3] * _D % _P
    d = 2 * one[2] * two[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _decode(data: bytes) -> _Point | None:
    """5.1.3; None for what is no point."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _encode(point: _Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE = _decode((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature verifies (5.1.7, without cofactor: R is compared byte by byte)."""
    key = _decode(public) if len(public) == 32 else None
    if key is None or _BASE is None or len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if s >= _L:
        return False
    h = int.from_bytes(hashlib.sha512(r + public + message).digest(), "little") % _L
    minus = (-key[0] % _P, key[1], 1, -key[3] % _P)
    table = {1: _BASE, 2: minus, 3: _add(_BASE, minus)}
    found: _Point = (0, 1, 1, 0)
    for bit in range(252, -1, -1):  # [s]B - [h]A at once
        found = _add(found, found)
        which = (s >> bit & 1) | (h >> bit & 1) << 1
        if which:
            found = _add(found, table[which])
    return _encode(found) == r


# --- ECDSA with P-256 and P-384, FIPS 186-5 6.4.2 -------------------------------------------------


class Curve(NamedTuple):
    digest: str
    size: int
    p: int
    n: int
    b: int
    g: tuple[int, int]


# parameters: SP 800-186, 3.2.1.3 and 3.2.1.4; a is always p - 3
P256 = Curve(
    "sha256",
    32,
    2**256 - 2**224 + 2**192 + 2**96 - 1,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
)
P384 = Curve(
    "sha384",
    48,
    2**384 - 2**128 - 2**96 + 2**32 - 1,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    (
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
)
_Affine = tuple[int, int] | None
"""None is the point at infinity."""


def _sum(curve: Curve, one: _Affine, two: _Affine) -> _Affine:
    if one is None or two is None:
        return one or two
    (x, y), (u, v) = one, two
    if x == u:
        if (y + v) % curve.p == 0:
            return None
        slope = 3 * (x * x - 1) * pow(2 * y, -1, curve.p)
    else:
        slope = (v - y) * pow(u - x, -1, curve.p)
    w = (slope * slope - x - u) % curve.p
    return w, (slope * (x - w) - y) % curve.p


def ecdsa(curve: Curve, public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature (DER) verifies; `public` is the uncompressed point, X and Y."""
    x, y = (int.from_bytes(half, "big") for half in (public[: curve.size], public[curve.size :]))
    if max(x, y) >= curve.p or (y * y - x**3 + 3 * x - curve.b) % curve.p:
        return False
    try:
        (tag, inner), *more = der(signature)
        (tag_r, r_bytes), (tag_s, s_bytes) = der(inner)
    except ValueError:
        return False
    r, s = (int.from_bytes(number, "big", signed=True) for number in (r_bytes, s_bytes))
    if more or (tag, tag_r, tag_s) != (0x30, 2, 2) or not (0 < r < curve.n and 0 < s < curve.n):
        return False
    e = int.from_bytes(hashlib.new(curve.digest, message).digest(), "big")
    inverse = pow(s, -1, curve.n)
    u, v = e * inverse % curve.n, r * inverse % curve.n
    table: dict[int, _Affine] = {1: curve.g, 2: (x, y), 3: _sum(curve, curve.g, (x, y))}
    found: _Affine = None
    for bit in range(curve.n.bit_length() - 1, -1, -1):
        found = _sum(curve, found, found)
        which = (u >> bit & 1) | (v >> bit & 1) << 1
        if which:
            found = _sum(curve, found, table[which])
    return found is not None and found[0] % curve.n == r


def der(data: bytes) -> list[tuple[int, bytes]]:
    """Return (tag, content) of the DER elements in a row. Raises ValueError if they are none."""
    found = []
    while data:
        if len(data) < 2:
            raise ValueError("cut off")
        tag, length, start = data[0], data[1], 2
        if length == 0x80 or length > 0x84:
            raise ValueError("a length of a form that is not used here")
        if length > 0x80:
            start += length - 0x80
            length = int.from_bytes(data[2:start], "big")
        if len(data) < start + length:
            raise ValueError("cut off")
        found.append((tag, data[start : start + length]))
        data = data[start + length :]
    return found


# --- keys -----------------------------------------------------------------------------------------

_BEFORE_POINT = {
    # what comes before the point in a SubjectPublicKeyInfo (RFC 8410, RFC 5480)
    "ed25519": (bytes.fromhex("302a300506032b6570032100"), 32),
    "ecdsa-sha2-nistp256": (
        bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
        64,
    ),
    "ecdsa-sha2-nistp384": (
        bytes.fromhex("3076301006072a8648ce3d020106052b8104002203620004"),
        96,
    ),
}


@dataclass(frozen=True)
class Key:
    keyid: str
    scheme: str
    point: bytes
    valid_from: datetime
    valid_until: datetime | None

    def is_valid(self, at: datetime) -> bool:
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)

    def period(self) -> str:
        if self.valid_from.year == 1 and self.valid_until is None:
            return "at all times"  # no file of trusted keys was configured
        until = f" until {text(self.valid_until)}" if self.valid_until else " on"
        return f"from {text(self.valid_from)}{until}"

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Raises Unverified for schemes that are not in this file."""
        if self.scheme == "ed25519":
            return ed25519(self.point, signature, message)
        curve = {"ecdsa-sha2-nistp256": P256, "ecdsa-sha2-nistp384": P384}.get(self.scheme)
        if curve is None:
            raise Unverified(
                f"key {self.keyid} signs with {self.scheme}: not verified here, use cosign or "
                "openssl (docs/evidence.md)"
            )
        return ecdsa(curve, self.point, signature, message)


def read_keys(body: bytes, where: str) -> list[Key]:
    """Read a file of trusted keys; each key id must be that of its key (securesystemslib's)."""
    found = []
    for entry in get(parse(body, where), list, "keys"):
        keyid, scheme = get(entry, str, "keyid"), get(entry, str, "scheme")
        lines = get(entry, str, "public").strip().splitlines()
        try:
            encoded = base64.b64decode("".join(lines[1:-1]), validate=True)
        except ValueError as error:
            raise Problem(f"{where}: key {keyid} is no PEM: {error}") from error
        again = base64.b64encode(encoded).decode()
        pem = "\n".join(again[at : at + 64] for at in range(0, len(again), 64))
        public = f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\n"
        before, size = _BEFORE_POINT.get(scheme, (b"", len(encoded)))
        if not encoded.startswith(before) or len(encoded) != len(before) + size:
            raise Problem(f"{where}: key {keyid} is no public key for {scheme}")
        kind, point = scheme.split("-")[0].replace("rsassa", "rsa"), encoded[len(before) :]
        value = point.hex() if scheme == "ed25519" else public
        named = f'{{"keytype":"{kind}","keyval":{{"public":"{value}"}},"scheme":"{scheme}"}}'
        if sha256(named.encode()) != keyid:
            raise Problem(f"{where}: key {keyid}: expected key id {sha256(named.encode())} for it")
        until = entry.get("valid_until")
        first = moment(get(entry, str, "valid_from"))
        found.append(Key(keyid, scheme, point, first, moment(until) if until else None))
    return found


# --- reading what may be anything -----------------------------------------------------------------


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def parse(body: bytes, where: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(f"{where} is no JSON: {error}") from error


def get(value: Any, kind: type, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, kind):
        raise Problem(f"expected {'.'.join(path)} ({kind.__name__}), found {str(value)[:80]!r}")
    return value


def moment(said: Any) -> datetime:
    try:
        found = datetime.fromisoformat(said)
    except (ValueError, TypeError) as error:
        raise Problem(f"expected a time, found {said!r}") from error
    if found.tzinfo is None:
        raise Problem(f"expected a time with its zone, found {said!r}")
    return found


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


class Pack:
    """The files of a pack by name, in a zip or a folder. Nothing is ever unpacked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path) if path.is_file() else None
        if self._zip:
            names = self._zip.namelist()
        else:
            found = (file for file in path.rglob("*") if file.is_file())
            names = [file.relative_to(path).as_posix() for file in found]
        self.names = set(names)
        if len(self.names) != len(names):
            self.__exit__()
            raise Problem(f"{path} holds two files of one name")

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip:
            self._zip.close()

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise Problem(f"{name} is not in the pack")
        try:
            return self._zip.read(name) if self._zip else (self._path / name).read_bytes()
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise Problem(f"{name} cannot be read: {error}") from error


# --- verification ---------------------------------------------------------------------------------


@dataclass
class Link:
    """What is kept of a link that was verified."""

    number: int
    sha256: str
    at: datetime | None = None
    statement: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line says."""

    keys: Path | None = None
    objects: Path | None = None
    head: tuple[int, str] | None = None
    first: int = 0


class Verifier:
    def __init__(self, pack: Pack, asked: Asked) -> None:
        self._pack, self._asked = pack, asked
        self._subjects: dict[str, set[str]] = {}
        self._wanted: set[str] = set()
        self.failed: list[str] = []
        self.unverified: list[str] = []

    def run(self) -> Iterator[str]:
        """Yield what is found, line by line; `exit_code` is right once all is yielded."""
        yield from self._judge("pack", self._sums)
        keys: list[Key] = []
        yield from self._judge("keys", lambda: self._read_keys(keys))
        index: dict[str, Any] = {}
        yield from self._judge("pack.json", lambda: self._index(index))
        matches = (_ENVELOPE.fullmatch(name) for name in self._pack.names)
        numbers = sorted(int(match[1]) for match in matches if match)
        before = Link(-1, "0" * 64)
        for number in numbers:
            link = Link(number, "unreadable")
            yield from self._judge("chain", partial(self._follows, before, number))
            yield from self._judge(f"link {number}", partial(self._link, before, link, keys))
            if number in index.get("selected", ()) and link.statement:
                yield from self._run(link)
            before, link.statement = link, {}
        yield from self._judge("chain", lambda: self._ends(before, set(numbers), index))
        if self._asked.objects is not None:
            yield from self._objects(self._asked.objects)

    @property
    def exit_code(self) -> int:
        return 1 if self.failed else 2 if self.unverified else 0

    def _judge(self, name: str, check: Callable[[], str]) -> Iterator[str]:
        try:
            said = check()
        except Problem as error:
            self.failed.append(f"{name}: {error}")
            yield f"{name}: FAILED: {error}"
        except Unverified as error:
            self.unverified.append(f"{name}: {error}")
            yield f"{name}: NOT VERIFIED: {error}"
        else:
            if said:
                yield f"{name}: good: {said}"

    def _sums(self) -> str:
        listed: dict[str, str] = {}
        for line in self._pack.read(SUMS).decode(errors="replace").splitlines():
            match = _SUM.fullmatch(line)
            if match is None:
                raise Problem(f"{SUMS}: {line[:80]!r} is no line of digest and name")
            listed[match[2]] = match[1]
        bad = []
        for name, expected in listed.items():
            try:
                found = sha256(self._pack.read(name))
            except Problem as error:
                found = str(error)
            if found != expected:
                bad.append(f"{name}: expected SHA-256 {expected}, found {found}")
        ours = {name for name in self._pack.names if name.startswith(("envelopes/", "runs/"))}
        bad += [f"{name}: not named in {SUMS}" for name in sorted(ours - listed.keys())]
        if bad:
            raise Problem("; ".join(bad))
        return f"{len(listed)} files have the digests in {SUMS}"

    def _read_keys(self, keys: list[Key]) -> str:
        own = self._asked.keys
        keys += read_keys(own.read_bytes() if own else self._pack.read("keys.json"), "keys")
        names = "; ".join(f"{key.keyid} ({key.scheme}, {key.period()})" for key in keys)
        whose = f"of {own}" if own else "of the pack itself: compare them with ones you trust"
        return f"{len(keys)} {whose}: {names}"

    def _index(self, index: dict[str, Any]) -> str:
        found = parse(self._pack.read("pack.json"), "pack.json")
        if not all(isinstance(number, int) for number in get(found, list, "selected")):
            raise Problem("pack.json: selected: expected numbers of links")
        get(found, int, "head", "number")
        get(found, str, "head", "sha256")
        index.update(found)
        return f"made for {str(found.get('wanted'))[:200]}, links {found['selected']}"

    def _follows(self, before: Link, number: int) -> str:
        if before.number >= 0 and number != before.number + 1:
            missing = f"link {before.number + 1}"
            if number > before.number + 2:
                missing = f"links {before.number + 1} to {number - 1}"
            raise Problem(f"{missing} missing between link {before.number} and link {number}")
        if before.number < 0 and number > 0 and number != self._asked.first:
            raise Unverified(
                f"it begins with link {number} here; if you know why (left out with "
                f"--from-selected, or their locks had ended), say --first {number}"
            )
        return ""

    def _link(self, before: Link, link: Link, keys: list[Key]) -> str:
        name = f"envelopes/{link.number:012d}.dsse.json"
        body = self._pack.read(name)
        link.sha256 = sha256(body)
        envelope = parse(body, name)
        if get(envelope, str, "payloadType") != PAYLOAD_TYPE:
            raise Problem(f"{name}: expected a payload of type {PAYLOAD_TYPE}")
        payload = _decode_base64(get(envelope, str, "payload"), name)
        statement = parse(payload, name)
        predicate = get(statement, dict, "predicate")
        at = moment(predicate.get("signed_at") or get(predicate, str, "finished_at"))
        told = get(predicate, int, "number")
        if told != link.number:
            raise Problem(f"expected number {link.number} in it, found {told}: moved or swapped")
        if link.number == 0 or before.number == link.number - 1:
            named = get(predicate, str, "predecessor", "envelope_sha256")
            number = get(predicate, int, "predecessor", "number")
            if (number, named) != (link.number - 1, before.sha256):
                raise Problem(
                    f"names link {number} with SHA-256 {named} before it; link {link.number - 1} "
                    f"has {before.sha256}"
                )
        if before.at is not None and at < before.at:
            raise Problem(f"signed at {text(at)}, the link before it at {text(before.at)}")
        link.at = at
        subjects = _subjects(statement)
        run = f"{predicate.get('kind', 'run')} {get(predicate, str, 'run_id')}"
        stamp = self._stamp(link)
        try:
            who = _signed(envelope, payload, keys, at)
        except Unverified:
            self._believe(link, statement, subjects)  # what can be looked at, is
            raise
        self._believe(link, statement, subjects)
        return f"{run}, {len(subjects)} objects, signed {text(at)} by {who}{stamp}"

    def _believe(self, link: Link, statement: dict[str, Any], subjects: dict[str, str]) -> None:
        link.statement = statement
        for name, digest in subjects.items():
            for key in {name, name.rpartition("@")[0] or name}:
                self._subjects.setdefault(key, set()).add(digest)

    def _stamp(self, link: Link) -> str:
        name = f"envelopes/{link.number:012d}.tsr"
        if name not in self._pack.names:
            return ""
        try:
            digest, at = _stamped(self._pack.read(name))
        except (ValueError, IndexError) as error:
            raise Problem(f"{name} is no time stamp: {error}") from error
        if digest != link.sha256:
            raise Problem(f"{name} is of other bytes: expected {link.sha256}, found {digest}")
        return f"; a time stamp says {at} (who made it is NOT VERIFIED here: openssl ts -verify)"

    # --- runs and objects ---

    def _run(self, link: Link) -> Iterator[str]:
        said = link.statement["predicate"]
        self._wanted.update(subject["name"] for subject in link.statement["subject"])
        if said.get("manifest") is None:
            return
        folder = f"runs/{said['run_id']}/"
        yield from self._judge(f"{folder}manifest.json", lambda: self._manifest(folder, said))
        if f"{folder}report.json" in self._pack.names:
            yield from self._judge(f"{folder}report.json", lambda: self._report(folder, said, link))
        if f"{folder}report.html" in self._pack.names:
            yield f"{folder}report.html: not signed, for reading only: report.json is what counts"

    def _manifest(self, folder: str, said: dict[str, Any]) -> str:
        if f"{folder}manifest.json" not in self._pack.names:
            raise Unverified("not in the pack; what it said of tables is in the link itself")
        body = self._pack.read(f"{folder}manifest.json")
        expected = get(said, str, "manifest", "sha256")
        if sha256(body) != expected:
            raise Problem(f"expected SHA-256 {expected}, which was signed, found {sha256(body)}")
        return "has the digest that was signed"

    def _report(self, folder: str, said: dict[str, Any], link: Link) -> str:
        """The report names the link, so it cannot be signed: it must say what was signed."""
        report = parse(self._pack.read(f"{folder}report.json"), "report.json")
        signed = {name: said[name] for name in said.keys() & report.keys()}
        if f"{folder}manifest.json" in self._pack.names:
            body = self._pack.read(f"{folder}manifest.json")
            if sha256(body) == get(said, str, "manifest", "sha256"):
                signed = parse(body, "manifest.json") | {"manifest": said["manifest"]}
        own = {"tables", "findings", "report", "evidence"}
        for name in sorted(signed.keys() - own):
            if signed[name] != report.get(name):
                raise Problem(
                    f"{name}: {str(signed[name])[:90]} was signed, "
                    f"it says {str(report.get(name))[:90]}"
                )
        tables = get(report, list, "tables")
        failed = [table for table in tables if isinstance(table, dict) and _has_failed(table)]
        if [table for table in tables if table not in failed] != get(signed, list, "tables"):
            raise Problem("its tables are not those that were signed")
        findings, told = get(report, list, "findings"), get(signed, list, "findings")
        if any(finding not in findings for finding in told):
            raise Problem("a finding that was signed is not in it")
        if report.get("evidence") is not None:
            named = get(report, str, "evidence", "sha256")
            if named != link.sha256:
                raise Problem(f"it names another link: expected {link.sha256}, found {named}")
        more = len(failed), len(findings) - len(told)
        return f"says what was signed; beyond that, {more[0]} failed tables and {more[1]} findings"

    def _ends(self, last: Link, numbers: set[int], index: dict[str, Any]) -> str:
        if last.number < 0:
            raise Problem("there are no links in the pack")
        heads = [("pack.json", index["head"]["number"], index["head"]["sha256"])] if index else []
        if heads and heads[0][1:] != (last.number, last.sha256):
            raise Problem(f"pack.json says it ends with {heads[0][1:]}, found {last.number}")
        missing = set(index.get("selected", ())) - numbers
        if missing:
            raise Problem(f"links that the pack was made for are missing: {sorted(missing)}")
        if self._asked.head is not None:
            number, expected = self._asked.head
            name = f"envelopes/{number:012d}.dsse.json"
            found = sha256(self._pack.read(name)) if name in self._pack.names else "no such link"
            if found != expected:
                raise Problem(f"--head: expected link {number} with {expected}, found {found}")
            return f"{len(numbers)} links, and the one you remembered is among them"
        head = f"{last.number}:{last.sha256}"
        return f"{len(numbers)} links end with {head}; are there later ones? (--head)"

    def _objects(self, folder: Path) -> Iterator[str]:
        hashed = set()
        for name in self._pack.names:
            if name.startswith("envelopes/"):
                key = CHAIN + name.removeprefix("envelopes/")
                self._subjects[key] = {sha256(self._pack.read(name))}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            key = path.relative_to(folder).as_posix()
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            expected = self._subjects.get(key)
            if expected is None:
                self.unverified.append(f"object {key}")
                yield f"object {key}: NOT VERIFIED: no link in the pack names it"
            elif digest not in expected:
                self.failed.append(f"object {key}")
                told = " or ".join(sorted(expected))
                yield f"object {key}: FAILED: expected SHA-256 {told}, found {digest}"
            else:
                hashed.add(key)
        absent = [name for name in self._wanted if not {name, name.rpartition("@")[0]} & hashed]
        if not hashed:
            self.unverified.append("objects")
        yield (
            f"objects: {len(hashed)} files are as signed; {len(absent)} of the "
            f"{len(self._wanted)} objects of the selected links are not good files in {folder}"
        )


def _subjects(statement: dict[str, Any]) -> dict[str, str]:
    """Return the digests of a statement's subjects by name."""
    types = (statement.get("_type"), statement.get("predicateType"))
    if types != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise Problem(f"expected a statement of {PREDICATE_TYPE}, found {types}")
    found: dict[str, str] = {}
    for subject in get(statement, list, "subject"):
        name, digest = get(subject, str, "name"), get(subject, str, "digest", "sha256")
        if not name or name in found or not _SHA256.fullmatch(digest):
            raise Problem(f"subject {name!r}: empty, named twice, or its digest is no SHA-256")
        found[name] = digest
    return found


def _has_failed(table: dict[str, Any]) -> bool:
    return table.get("status") == "failed"


def _decode_base64(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError as error:
        raise Problem(f"{where}: no base64: {error}") from error


def _signed(envelope: Any, payload: bytes, keys: list[Key], at: datetime) -> str:
    """Return the key that signed an envelope: trusted, and valid at that time."""
    kind = PAYLOAD_TYPE.encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    problems, doubts = [], []
    for signature in get(envelope, list, "signatures"):
        keyid = get(signature, str, "keyid")
        known = [key for key in keys if key.keyid == keyid]
        valid = [key for key in known if key.is_valid(at)]
        if not known:
            problems.append(f"key {keyid} is not trusted")
        elif not valid:
            periods = ", ".join(key.period() for key in known)
            problems.append(f"key {keyid} was not valid at {text(at)}: it is trusted {periods}")
        else:
            try:
                if valid[0].verifies(_decode_base64(get(signature, str, "sig"), "sig"), message):
                    return f"key {keyid}"
            except Unverified as error:
                doubts.append(str(error))
            else:
                problems.append(f"the signature of key {keyid} does not fit these bytes")
    if doubts and not problems:
        raise Unverified("; ".join(doubts))
    raise Problem("; ".join(problems) or "it is not signed")


def _stamped(answer: bytes) -> tuple[str, str]:
    """Return digest (hex) and time of a TimeStampResp (RFC 3161 2.4.2). No signature is verified.

    Raises: ValueError, IndexError.
    """
    response = der(der(answer)[0][1])
    signed_data = der(der(der(response[1][1])[1][1])[0][1])
    content = der(der(signed_data[2][1])[1][1])[0][1]
    info = der(der(content)[0][1])
    algorithm, digest = der(info[2][1])
    if der(algorithm[1])[0][1] != bytes.fromhex("608648016503040201"):
        raise ValueError("not of a SHA-256")
    return digest[1].hex(), info[4][1].decode("ascii", "replace")


def _print(line: str) -> None:
    """Names come from exports: what a terminal would obey is not printed."""
    print("".join(each if each.isprintable() else "?" for each in line))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description="Verify an evidence pack offline. Exit code 0: all verified; 1: something is "
        "not as it was signed; 2: something could not be verified, or wrong usage."
    )
    here = Path(__file__).resolve().parent
    parser.add_argument("pack", nargs="?", type=Path, default=here, help="zip or folder")
    parser.add_argument("--keys", type=Path, help="trusted keys that you had from elsewhere")
    parser.add_argument("--objects", type=Path, help="folder with downloaded objects, by key")
    parser.add_argument("--head", help="NUMBER:SHA256 of a link that must be there")
    parser.add_argument(
        "--first", type=int, default=0, help="links before it are known to be absent"
    )
    told = parser.parse_args(arguments)
    head = _HEAD.fullmatch(told.head) if told.head else None
    if told.head and head is None:
        parser.error("--head takes NUMBER:SHA256")
    if not told.pack.exists():
        parser.error(f"{told.pack} is not there")
    if told.objects is not None and not told.objects.is_dir():
        parser.error(f"--objects: {told.objects} is no folder")
    asked = Asked(
        keys=told.keys,
        objects=told.objects,
        head=(int(head[1]), head[2]) if head else None,
        first=told.first,
    )
    try:
        with Pack(told.pack) as pack:
            verifier = Verifier(pack, asked)
            for line in verifier.run():
                _print(line)
    except (OSError, zipfile.BadZipFile) as error:
        parser.error(str(error))
    except Problem as error:
        print(f"FAILED: {error}")
        return 1
    print()
    for title, lines in (("FAILED", verifier.failed), ("NOT VERIFIED", verifier.unverified)):
        for line in lines:
            _print(f"{title}: {line}"[:400])
    results = ("VERIFIED: all of the above", "NOT AS SIGNED", "NOT ALL OF IT COULD BE VERIFIED")
    print(f"result: {results[verifier.exit_code]}")
    return verifier.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
