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
from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, field_serializer

from ..model import Check, Finding, ManifestRef, Model, TableResult, utc_text

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://compactor.dev/evidence/run/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
DRAFT_TYPE = "application/vnd.compactor.draft+json"
"""Of what a run signs before its manifest; never taken for a link."""
CHAIN = "_evidence/chain/"
"""Folder of the links below the archive's (or lake's) URL."""
SOURCES = "_evidence/sources/"
NO_PREDECESSOR = "0" * 64


def link_key(number: int) -> str:
    """Return the key of a link: twelve digits, so that a listing is in order."""
    return f"{CHAIN}{number:012d}.dsse.json"


def timestamp_key(number: int) -> str:
    """Return the key of a link's RFC 3161 time stamp, a TimeStampResp in DER."""
    return f"{CHAIN}{number:012d}.tsr"


def sources_key(run_id: str) -> str:
    return f"{SOURCES}{run_id}.parquet"


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
    signed_at: datetime | None = None
    """When the link was signed, never before its predecessor; the key must be valid then. Later
    than `finished_at` where another run had to append it."""
    manifest: ManifestRef | None = None
    """The run's manifest in the lake, of which `tables`, `findings` and `versions` are taken."""
    sources: tuple[str, ...]
    lake: str
    archive: str | None
    tables: tuple[TableResult, ...] = ()
    """Every table that was done: partitions, rows, fingerprints, objects with version, size, lock;
    checks with both numbers and their origin."""
    source_listing: SourceListing | None = None
    checks: tuple[Check, ...] = ()
    """Of later acts: what was read back."""
    legal_hold: bool | None = None
    """Of a hold: what the subjects have since."""
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    config: dict[str, Any] = Field(default_factory=dict)
    """As it was used, without secrets (there are none in it)."""
    note: str = ""

    @property
    def at(self) -> datetime:
        """The moment at which the signing key must have been valid."""
        return self.signed_at or self.finished_at

    @field_serializer("started_at", "finished_at", "signed_at")
    def _utc(self, moment: datetime | None) -> str | None:
        return utc_text(moment)


class Subject(Model):
    name: str
    """`<key>@<version id>`; without a version just the key."""
    digest: dict[str, str]


class Statement(Model):
    model_config = ConfigDict(
        serialize_by_alias=True, validate_by_alias=True, validate_by_name=True
    )

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(
        default=STATEMENT_TYPE, serialization_alias="_type", validation_alias="_type"
    )
    subject: tuple[Subject, ...]
    predicate_type: Literal["https://compactor.dev/evidence/run/v1"] = Field(
        default=PREDICATE_TYPE,
        serialization_alias="predicateType",
        validation_alias="predicateType",
    )
    predicate: RunPredicate


class Draft(Model):
    """What a run signs before it writes its manifest, so that a later run can append the link.

    The lake is not locked: without this signature, whoever may write there could have a manifest of
    his own signed by the next run.
    """

    run_id: str
    lake: str
    archive: str | None
    manifest: ManifestRef
    source_listing: SourceListing | None
    config: dict[str, Any] = Field(default_factory=dict)
    signed_at: datetime

    @field_serializer("signed_at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)
