"""Documents in the archive that say what was done to what is stored: holds, longer retentions,
destructions.

In:  what was done, with its checks. Out: `<archive>/_evidence/records/<moment>-<kind>.json`.
IO:  one create-only write, locked like the data; reading lists and gets them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, field_serializer

from ..errors import StoreError
from ..model import Check, ManifestRef, Model, StoredObject, to_json, utc_text
from ..store.interface import Retention, Store
from .predicate import Subject

RECORDS = "_evidence/records/"
RecordKind = Literal["hold", "extend", "destruction"]


class Record(Model):
    kind: RecordKind
    finished_at: datetime
    archive: str
    note: str
    """What was asked, and why."""
    subject: tuple[Subject, ...]
    """The versions it is about."""
    checks: tuple[Check, ...]
    act: dict[str, Any]
    """The result as the command printed it."""
    versions: dict[str, str] = Field(default_factory=dict)

    @field_serializer("finished_at")
    def _utc(self, moment: datetime) -> str | None:
        return utc_text(moment)


def subjects(items: Sequence[StoredObject]) -> tuple[Subject, ...]:
    """Return versions as evidence names them."""
    return tuple(
        Subject(name=f"{item.key}@{item.version_id}", digest={"sha256": item.sha256})
        for item in items
    )


def record(
    store: Store, document: Record, retention: Retention
) -> tuple[ManifestRef, StoredObject]:
    """Write down what was done, locked; return where that stands, and the version.

    Raises: StoreError, AlreadyExists for another record of the same kind and moment.
    """
    moment = document.finished_at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    key = f"{RECORDS}{moment}-{document.kind}.json"
    body = to_json(document).encode()
    digest = hashlib.sha256(body).hexdigest()
    found = store.put(key, body, sha256=digest, only_if_absent=True, retention=retention)
    stored = StoredObject(key=key, size_bytes=len(body), sha256=digest, version_id=found.version_id)
    return ManifestRef(url=store.url + key, sha256=digest), stored


def read(store: Store, kind: RecordKind) -> Iterator[Record]:
    """Yield the records of one kind, oldest first.

    Raises: StoreError if one cannot be read.
    """
    listed = (key for page in store.list(RECORDS) for key in page.column("key").to_pylist())
    for key in sorted(key for key in listed if key.endswith(f"-{kind}.json")):
        try:
            yield Record.model_validate_json(store.get(key))
        except ValueError as error:
            raise StoreError(
                f"{store.url}{key} cannot be used: {error}",
                key=key,
                hint="was it written by another version?",
            ) from error
