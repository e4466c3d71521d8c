"""What a run says of itself, as an in-toto Statement. Pure: no IO.

In:  the manifest of a run, and what the run signed before it wrote that manifest.
Out: the Statement, and its bytes: the one JSON form of `model.to_json`.

Format: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md (read on 2026-11-25)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from ..errors import EvidenceError
from ..model import RunResult, StoredObject, TableResult, to_json
from .predicate import Draft, Predecessor, RunPredicate, Statement, Subject
from .records import Record


def statement(manifest: RunResult, draft: Draft, digests: Mapping[str, str]) -> Statement:
    """Return the Statement of a run, not yet in its place in the chain.

    `digests` are SHA-256 (hex) by key, of archived objects for which the archive keeps none.

    Raises: EvidenceError if an object has no digest.
    """
    listing = draft.source_listing
    found = [_subject(item, digests) for item in stored(manifest)]
    if listing is not None:
        name = _name(listing.key, listing.version_id)
        found.append(Subject(name=name, digest={"sha256": listing.sha256}))
    unique = {subject.name: subject for subject in found}
    return Statement(
        subject=tuple(unique[name] for name in sorted(unique)),
        predicate=RunPredicate(
            number=0,
            predecessor=Predecessor(number=-1, envelope_sha256="0" * 64),
            run_id=manifest.run_id,
            started_at=manifest.started_at,
            finished_at=manifest.finished_at,
            manifest=draft.manifest,
            sources=manifest.sources,
            lake=manifest.lake,
            archive=manifest.archive,
            tables=manifest.tables,
            source_listing=listing,
            findings=manifest.findings,
            versions=manifest.versions,
            config=draft.config,
        ),
    )


def act_statement(document: Record, stored: StoredObject, lake: str) -> Statement:
    """Return the Statement of a later act, not yet in its place: the versions that it is about,
    and the record of it, which says the rest.

    Raises: EvidenceError if a version has no digest.
    """
    held = {"hold_add": True, "hold_remove": False}.get(str(document.act.get("kind")))
    subjects = {one.name: one for one in document.subject}
    for name, one in subjects.items():
        if len(one.digest.get("sha256", "")) != 64:
            raise EvidenceError(f"{name} cannot be a subject of a statement: it has no SHA-256")
    record = _subject(stored, {})
    return Statement(
        subject=tuple(sorted((*subjects.values(), record), key=lambda one: one.name)),
        predicate=RunPredicate(
            number=0,
            predecessor=Predecessor(number=-1, envelope_sha256="0" * 64),
            run_id=stored.key.rpartition("/")[2].removesuffix(".json"),
            kind=document.kind,
            started_at=document.finished_at,
            finished_at=document.finished_at,
            sources=(),
            lake=lake,
            archive=document.archive,
            checks=document.checks,
            legal_hold=held,
            versions=document.versions,
            note=document.note,
        ),
    )


def placed(draft: Statement, predecessor: Predecessor, signed_at: datetime) -> Statement:
    """Return a Statement with its place in the chain."""
    place = {
        "number": predecessor.number + 1,
        "predecessor": predecessor,
        "signed_at": signed_at,
    }
    predicate = draft.predicate.model_copy(update=place)
    return draft.model_copy(update={"predicate": predicate})


def to_bytes(value: Statement | Draft) -> bytes:
    return to_json(value).encode()


def stored(manifest: RunResult) -> Iterator[StoredObject]:
    """Yield the objects that a run has put into the archive; without one, into the lake."""
    for table in manifest.tables:
        yield from _archived(table) if manifest.archive else _in_lake(table)


def _archived(table: TableResult) -> Iterator[StoredObject]:
    for partition in table.partitions:
        sent = {item.key: item.sha256 for item in partition.objects}
        for item in partition.archived:
            # what was sent is what was verified; the archive's own digest was compared with it
            yield item.model_copy(update={"sha256": sent[item.key]})
    yield from table.control


def _in_lake(table: TableResult) -> Iterator[StoredObject]:
    for partition in table.partitions:
        yield from partition.objects


def _subject(item: StoredObject, digests: Mapping[str, str]) -> Subject:
    found = digests.get(item.key, item.sha256)
    if len(found) != 64:
        raise EvidenceError(
            f"{item.key} cannot be a subject of a statement: expected its SHA-256, found {found!r}",
            key=item.key,
        )
    return Subject(name=_name(item.key, item.version_id), digest={"sha256": found})


def _name(key: str, version_id: str | None) -> str:
    return f"{key}@{version_id}" if version_id else key
