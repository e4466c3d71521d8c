"""Walk the chain from its first link to its last, and tell everything that is wrong with it.

In:  the links that are there; trusted keys, or none; a remembered head.
Out: statements in order; `chain` and `signature` checks.
IO:  reads the links, a few at a time.

`chain.verify_link` stops at the first fault; an audit collects them. (1) Numbers have no gap.
(2) Every envelope can be read, says its own number, and names the digest of the one before it.
(3) Every signature is that of a key that was trusted then. (4) A remembered head is still in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import EvidenceError, SignatureError
from ..model import CheckStatus, utc_text
from ..store.interface import Store
from .audited import Links
from .chain import Link, parse, read_links
from .inspect import Tally, Verdict
from .keys import TrustedKeys
from .predicate import NO_PREDECESSOR, Statement, link_key
from .sign import verify

ORIGINS = {
    "chain": "links from number 0 on: their numbers, and the digests of the links before them",
    "signature": "signature of each link; trusted keys, at the moment of signing",
}


@dataclass(frozen=True, slots=True)
class Head:
    """A link that somebody remembers."""

    number: int
    sha256: str


@dataclass(slots=True)
class Walk:
    """One walk; the results are complete when `statements` has ended."""

    store: Store
    keys: TrustedKeys | None
    heads: tuple[Head, ...]
    tally: Tally = field(default_factory=Tally)
    first: int = 0
    """Number of the oldest link that must be there; nothing tells what was before it."""
    links: Links = field(default_factory=lambda: Links(count=0))

    @property
    def head(self) -> Head | None:
        """The last link; None where there is none."""
        links = self.links
        if links.last is None or links.sha256 is None:
            return None
        return Head(links.last, links.sha256)

    def statements(self) -> Iterator[tuple[Link, Statement | None]]:
        """Yield each link, and what it says where that can be read."""
        previous: Link | None = None
        before: Statement | None = None
        wanted = self.first
        seen: dict[int, str] = {}
        remembered = {head.number for head in self.heads}
        for link in read_links(self.store):
            for number in range(wanted, link.number):
                self._tell("chain", "fail", number, "a link of this number", "not there")
            # a gap has been told; and before the oldest link that must be there, anything was
            is_adjacent = previous is not None and link.number == previous.number + 1
            said = self._read(link)
            if said is not None:
                self._judge(link, said, previous, is_judged=is_adjacent or link.number == 0)
                self._in_order(link, said, before)
                before = said
            if link.number in remembered:
                seen[link.number] = link.sha256
            previous, wanted = link, max(wanted, link.number + 1)
            self.links = Links(
                count=self.links.count + 1,
                last=link.number,
                sha256=link.sha256,
                signed_at=said.predicate.at if said else None,
            )
            yield link, said
        self._compare_heads(seen)
        if not self.links.count:
            self._tell("chain", "fail", self.first, "a first link", "no link at all")

    def _read(self, link: Link) -> Statement | None:
        where = f"link {link.number}"
        try:
            said, envelope = parse(link.body, where)
        except EvidenceError as error:
            self._tell("chain", "fail", link.number, "a signed statement of a run", error.message)
            return None
        if self.keys is None:
            told = "no trusted keys were given"
            self._tell("signature", "not_verified", link.number, "a trusted key", told)
            return said
        try:
            verify(envelope, self.keys, said.predicate.at, where)
        except SignatureError as error:
            self._tell("signature", "fail", link.number, "a trusted key", error.message)
        else:
            self._tell("signature", "pass", link.number, None, None)
        return said

    def _judge(
        self, link: Link, said: Statement, previous: Link | None, *, is_judged: bool
    ) -> None:
        named = said.predicate.predecessor
        if said.predicate.number != link.number:
            told = f"number {said.predicate.number}: copied from another place"
            self._tell("chain", "fail", link.number, f"number {link.number} in it", told)
            return
        if not is_judged:
            if link.number == self.first:
                self._tell("chain", "pass", link.number, None, None)
            return
        expected = (previous.number, previous.sha256) if previous else (-1, NO_PREDECESSOR)
        if (named.number, named.envelope_sha256) == expected:
            self._tell("chain", "pass", link.number, None, None)
        else:
            self._tell(
                "chain",
                "fail",
                link.number,
                f"link {named.number} with SHA-256 {named.envelope_sha256} before it, as it says",
                f"link {expected[0]} with SHA-256 {expected[1]}",
            )

    def _in_order(self, link: Link, said: Statement, before: Statement | None) -> None:
        at = said.predicate.at
        earlier: datetime | None = before.predicate.at if before else None
        if earlier is not None and at < earlier:
            expected = f"signed at {utc_text(earlier)} or later"
            self._tell("chain", "fail", link.number, expected, f"signed at {utc_text(at)}")

    def _compare_heads(self, seen: dict[int, str]) -> None:
        for head in self.heads:
            expected = f"remembered: link {head.number} with SHA-256 {head.sha256}"
            found = seen.get(head.number)
            if found == head.sha256:
                continue
            last = self.links.last
            told = f"SHA-256 {found}"
            if found is None:
                ends = f"the chain ends with link {last}" if last is not None else "no link at all"
                told = f"not there: {ends}"
            self._tell("chain", "fail", head.number, expected, told)

    def _tell(
        self,
        name: str,
        status: CheckStatus,
        number: int,
        expected: str | None,
        actual: str | None,
    ) -> None:
        verdict = Verdict(name, status, expected, actual)
        self.tally.add(verdict, f"link {number} ({link_key(number)})", ORIGINS[name])
