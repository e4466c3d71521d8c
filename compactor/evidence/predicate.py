"""What a link of the evidence chain says: the predicate of an in-toto Statement. Values only.

One run is one link. Its subjects are the objects that the run put into the archive (or, without an
archive, into the lake): name `<key>@<version id>`, digest sha256. The predicate says what they are
and how they were verified. Numbers of links start at 0 and have no gaps; each link holds the number
and the digest of the envelope before it.

Formats: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md (Statement v1),
https://github.com/secure-systems-lab/dsse/blob/master/envelope.md (DSSE v1), read on 2026-11-25.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_serializer

from ..model import Check, Finding, Model, TableResult, utc_text

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://compactor.dev/evidence/run/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
CHAIN = "_evidence/chain/"
"""Folder of the links below the archive's (or lake's) URL."""
NO_PREDECESSOR = "0" * 64


def link_key(number: int) -> str:
    """Return the key of a link: twelve digits, so that a listing is in order."""
    return f"{CHAIN}{number:012d}.dsse.json"


class Predecessor(Model):
    number: int
    """-1 for the first link."""
    envelope_sha256: str
    """Of the whole file as it was written; NO_PREDECESSOR for the first link."""


class SourceListing(Model):
    """The source objects that the run read, one row each, as a Parquet object of its own.

    Columns: source (URL), key, size_bytes, etag, version_id, modified_at, task_id.
    """

    key: str
    version_id: str | None
    sha256: str
    size_bytes: int
    objects: int


class RunPredicate(Model):
    number: int
    predecessor: Predecessor
    run_id: str
    kind: Literal["run", "hold", "extend", "destruction"] = "run"
    """What happened: a run of the line, or a later act on what it stored."""
    started_at: datetime
    finished_at: datetime
    sources: tuple[str, ...]
    lake: str
    archive: str | None
    tables: tuple[TableResult, ...] = ()
    """Every table that was done: partitions, rows, fingerprints, objects with version, size, lock;
    checks with both numbers and their origin."""
    source_listing: SourceListing | None = None
    checks: tuple[Check, ...] = ()
    """Of later acts: what was read back."""
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    """As it was used, without secrets (there are none in it)."""
    note: str = ""

    @field_serializer("started_at", "finished_at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)


class Subject(Model):
    name: str
    """`<key>@<version id>`; without a version just the key."""
    digest: dict[str, str]


class Statement(Model):
    type_: str = STATEMENT_TYPE
    """`_type` in JSON."""
    subject: tuple[Subject, ...]
    predicate_type: str = PREDICATE_TYPE
    """`predicateType` in JSON."""
    predicate: RunPredicate
