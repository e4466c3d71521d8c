"""The chain: links with numbers from 0 on, no gaps, each naming the digest of the one before it.

In:  a store (the archive, or the lake where there is none), a key, trusted keys.
Out: links, read back and verified; new links at the end.
IO:  the store, below `_evidence/chain/`.

A link is written create-only (If-None-Match): of two runs that append at once, one gets the number,
the other finds it taken, reads the new head and takes the next number. Nothing else is relied on:

1. the listing has no gap (the oldest links may be gone once their locks have ended), and the head
   has one version;
2. the head verifies, and so does what it says of the link before it;
3. the next number has no version, not even one that a delete marker hides;
4. after the write it has exactly one: a store that ignores the condition is found out.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError
from securesystemslib.dsse import Envelope

from ..errors import AlreadyExists, EvidenceError
from ..model import utc_text
from ..store.interface import Object, Retention, Store
from .keys import SigningKey, TrustedKeys
from .predicate import (
    CHAIN,
    NO_PREDECESSOR,
    PAYLOAD_TYPE,
    Predecessor,
    Statement,
    link_key,
)
from .sign import open_envelope, sign, verify
from .statement import placed, to_bytes

_LINK = re.compile(rf"{CHAIN}([0-9]{{12}})\.dsse\.json")
_READS = 16
_ATTEMPTS = 50
_SLACK = timedelta(days=1)
"""Clocks of two machines may differ by so much where links are sought by their time."""


class Link(NamedTuple):
    number: int
    key: str
    body: bytes
    """The envelope as it was written."""
    version_id: str | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def numbers(store: Store) -> list[int]:
    """Return the numbers of the links that the listing shows, in order."""
    found = []
    for page in store.list(CHAIN):
        matches = (_LINK.fullmatch(key) for key in page.column("key").to_pylist())
        found += [int(match[1]) for match in matches if match]
    return sorted(found)


def read_link(store: Store, number: int) -> Link:
    """Raises NotFound, Denied."""
    key = link_key(number)
    found = store.stat(key)
    return Link(number, key, store.get(key), found.version_id)


def read_links(store: Store) -> Iterator[Link]:
    """Yield (number, key, bytes, version id) of every link that is there, in order of numbers.

    A gap is not an error here: nothing is verified.
    """
    wanted = numbers(store)
    with ThreadPoolExecutor(_READS, thread_name_prefix="links") as pool:
        for first in range(0, len(wanted), 4 * _READS):
            some = wanted[first : first + 4 * _READS]
            yield from pool.map(lambda number: read_link(store, number), some)


def parse(body: bytes, where: str = "link") -> tuple[Statement, Envelope]:
    """Read an envelope and its statement; signatures are not looked at.

    Raises: EvidenceError if it is none of ours.
    """
    envelope = open_envelope(body, where, PAYLOAD_TYPE)
    try:
        return Statement.model_validate_json(envelope.payload), envelope
    except ValidationError as error:
        raise EvidenceError(f"{where}: its payload is no statement of a run: {error}") from error


def verify_link(link: Link, previous: Link | None, keys: TrustedKeys) -> Statement:
    """Verify one link: its signature at its time, its number, and what it says of the one before.

    `previous` is None for the first link only.

    Raises: EvidenceError, SignatureError naming the link, what was expected and what was found.
    """
    where = f"link {link.number} ({link.key})"
    said, envelope = parse(link.body, where)
    predicate = said.predicate
    verify(envelope, keys, predicate.at, where)
    if predicate.number != link.number:
        raise EvidenceError(
            f"{where}: expected number {link.number} in it, found {predicate.number}",
            key=link.key,
            hint="a link was copied to another place",
        )
    before = Predecessor(number=-1, envelope_sha256=NO_PREDECESSOR)
    if previous is not None:
        before = Predecessor(number=previous.number, envelope_sha256=previous.sha256)
    if (before.number, predicate.predecessor) != (link.number - 1, before):
        raise EvidenceError(
            f"{where}: expected link {link.number - 1} before it; it names "
            f"{predicate.predecessor.number} with SHA-256 {predicate.predecessor.envelope_sha256}, "
            f"found {before.number} with {before.envelope_sha256}",
            key=link.key,
            hint="the link before it was replaced, or this one belongs to another chain",
        )
    if previous is not None:
        earlier = parse(previous.body, f"link {previous.number}")[0].predicate.at
        if predicate.at < earlier:
            raise EvidenceError(
                f"{where}: expected a time of signing not before {utc_text(earlier)}, which the "
                f"link before it has, found {utc_text(predicate.at)}",
                key=link.key,
            )
    return said


class Head(NamedTuple):
    link: Link
    said: Statement
    first: int
    """Number of the oldest link that is there."""


@dataclass(frozen=True, slots=True)
class Appended:
    link: Link
    statement: Statement
    stored: Object
    is_new: bool
    """False where somebody else had appended it meanwhile."""


class Chain:
    """The chain of one store, and the key that continues it."""

    def __init__(
        self, store: Store, key: SigningKey, keys: TrustedKeys, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._key = key
        self._keys = keys
        self._clock = clock

    def head(self) -> Head | None:
        """Return the last link, verified with the one before it; None where there is no link.

        Raises: EvidenceError if the chain cannot be continued.
        """
        found = numbers(self._store)
        if not found:
            return None
        head = read_link(self._store, found[-1])
        self._has_no_gap(found, keeps_versions=head.version_id is not None)
        self._has_one_version(head.number)
        before = read_link(self._store, head.number - 1) if len(found) > 1 else None
        if before is None and head.number:
            raise EvidenceError(
                f"link {head.number} of {self._store.url}{CHAIN} is the only one left: expected "
                f"link {head.number - 1} before it",
                key=link_key(head.number - 1),
            )
        return Head(head, verify_link(head, before, self._keys), found[0])

    def _has_no_gap(self, found: list[int], *, keeps_versions: bool) -> None:
        """Raise unless the numbers follow each other. Where locks end, the oldest links may be
        gone, but not hidden by delete markers."""
        first = found[0] if keeps_versions else 0
        missing = sorted(set(range(first, found[-1])) - set(found))
        if not missing and first and self._store.versions(link_key(first - 1)):
            missing = [first - 1]
        if missing:
            raise EvidenceError(
                f"the chain {self._store.url}{CHAIN} has a gap: expected links {first} to "
                f"{found[-1]}, {len(missing)} are missing, the first is {missing[0]}",
                key=link_key(missing[0]),
                hint="nothing is appended to a broken chain: find out who removed or hid it",
            )

    def append(
        self, draft: Statement, *, known: int = -1, retention: Retention | None = None
    ) -> Appended:
        """Add a statement to the end, once: an act of that run and kind is not added again.

        Links up to number `known` are known not to be about it. The store of a `retention` locks
        the link with it.

        Raises: EvidenceError if the chain is broken, the key does not sign, or others never let
                this one have a number; StoreError.
        """
        for attempt in range(_ATTEMPTS):
            head = self.head()
            if head is not None:
                there = self._find(draft, max(known + 1, head.first), head.link.number)
                if there is not None:
                    return there
            known = head.link.number if head else -1
            number = known + 1
            if not self._is_free(number):
                continue
            statement = placed(draft, *self._place(head))
            body = sign(self._key, to_bytes(statement), PAYLOAD_TYPE)
            link = Link(number, link_key(number), body, None)
            verify_link(link, head.link if head else None, self._keys)
            try:
                stored = self._store.put(
                    link.key,
                    body,
                    sha256=link.sha256,
                    only_if_absent=True,
                    retention=retention,
                )
            except AlreadyExists:
                time.sleep(min(1.0, 0.02 * 2 ** min(attempt, 5)) * random.uniform(0.2, 1.0))
                continue
            self._has_one_version(number)
            link = link._replace(version_id=stored.version_id)
            return Appended(link, statement, stored, is_new=True)
        raise EvidenceError(
            f"no link could be appended to {self._store.url}{CHAIN}: {_ATTEMPTS} times another run "
            "was quicker",
            hint="run again; the next run appends what is missing",
        )

    def _place(self, head: Head | None) -> tuple[Predecessor, datetime]:
        if head is None:
            return Predecessor(number=-1, envelope_sha256=NO_PREDECESSOR), self._clock()
        before = Predecessor(number=head.link.number, envelope_sha256=head.link.sha256)
        # clocks differ, the order does not
        return before, max(self._clock(), head.said.predicate.at)

    def _find(self, draft: Statement, first: int, last: int) -> Appended | None:
        """Look for a link about the same act, from the last one back to the first to look at."""
        wanted = draft.predicate
        for number in range(last, first - 1, -1):
            link = read_link(self._store, number)
            found, envelope = parse(link.body, f"link {number} ({link.key})")
            predicate = found.predicate
            if (predicate.run_id, predicate.kind) == (wanted.run_id, wanted.kind):
                verify(envelope, self._keys, predicate.at, f"link {number} ({link.key})")
                if predicate.manifest != wanted.manifest:
                    raise EvidenceError(
                        f"link {number} ({link.key}) is about run {wanted.run_id}, but names "
                        f"another manifest: expected {wanted.manifest}, found {predicate.manifest}"
                    )
                return Appended(link, found, self._store.stat(link.key), is_new=False)
            if predicate.at < wanted.finished_at - _SLACK:
                return None  # older than the act itself
        return None

    def _is_free(self, number: int) -> bool:
        """Tell whether a number was never given; False where it was given just now.

        Raises: EvidenceError if the link of that number is hidden.
        """
        if not self._store.versions(link_key(number)):
            return True
        if number in numbers(self._store):
            return False
        raise EvidenceError(
            f"link {number} of {self._store.url}{CHAIN} is hidden by a delete marker: it has "
            "versions, and the listing does not show it",
            key=link_key(number),
            hint="remove the delete marker; nothing is appended in its place",
        )

    def _has_one_version(self, number: int) -> None:
        found = self._store.versions(link_key(number))
        if len(found) > 1:
            raise EvidenceError(
                f"link {number} of {self._store.url}{CHAIN} was written more than once: expected "
                f"one version, found {len(found)}: {', '.join(found[:5])}",
                key=link_key(number),
                hint="the first version is the one to trust; does this store take If-None-Match?",
            )
