"""Evidence packs: what an auditor takes home, with one file that verifies it offline.

In:  the store of the chain, the lake, trusted keys; a run, a table or a period.
Out: a zip: the whole chain of envelopes with its time stamps, manifest and report of each selected
     run, the keys, the schema of the statements, README.txt, verify.py, pack.json and SHA256SUMS.
IO:  reads the two stores; writes one local file.

Same inputs, same bytes: entries are in a fixed order, with fixed times and rights, and stored, not
deflated: what deflate gives depends on the version of zlib.

The whole chain, whatever was selected: what is proven is one line from the first link to the last.
A table takes about 12 KB in its link; where years of them are too many, `from_selected` leaves out
those before the first selected one, and verify.py then wants to be told so.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO, Self

from .. import lake
from ..config import Config
from ..errors import ConfigError, EvidenceError, NotFound
from ..model import CheckStatus, Model, to_json
from ..places import chain_url
from ..store import open_store
from ..store.interface import Store
from .chain import Link, parse, read_links
from .keys import TrustedKeys, always, load_trusted, open_key
from .predicate import CHAIN, RunPredicate, Statement, timestamp_key
from .verifier import SUMS, Asked, Pack, Verifier

FORMAT = "https://compactor.dev/evidence/pack/v1"
DOCUMENTS = ("manifest.json", "report.html", "report.json")
_PERIOD = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_TIMESTAMP = re.compile(rf"{CHAIN}([0-9]{{12}})\.tsr")
_README = """\
Evidence of compactor
=====================

What this is: signed statements about database exports that were compacted and archived, the reports
of the runs that did it, and a program that verifies them without a network.

    python3 -I verify.py                        here, in the unpacked folder (Python 3.11 or newer)
    python3 -I verify.py --keys my-keys.json    with keys that you had from elsewhere
    python3 -I verify.py --objects FOLDER       also hash objects that you downloaded, by key
    python3 -I verify.py --head NUMBER:SHA256   a link that you remember must be there

Exit code 0: all verified. 1: something is not as it was signed. 2: nothing is wrong, but something
could not be verified.

Keys and verify.py of a pack come from whoever made the pack. Compare the key ids with ones that you
had from elsewhere, and verify.py with the one in compactor's own source (compactor/evidence/
verifier.py). What each check proves, and what it does not, is in docs/evidence.md there.

    envelopes/NUMBER.dsse.json   the links of the chain: in-toto Statements, signed (DSSE)
    envelopes/NUMBER.tsr         an outside authority's time stamp of that file (RFC 3161), if any
    runs/RUN/manifest.json       what the run did; the link has its digest
    runs/RUN/report.json, .html  the same for people; .html is not signed
    keys.json                    public keys, and when each may have signed
    schema/statement.json        JSON Schema of the statements
    pack.json                    what this pack was made for
    SHA256SUMS                   digests of all other files, for `sha256sum -c SHA256SUMS`
"""


class PackedHead(Model):
    number: int
    sha256: str


class Packed(Model):
    """A pack that was written, and what its own verify.py says of it."""

    path: str
    bytes: int
    sha256: str
    wanted: str
    selected: tuple[int, ...]
    """Numbers of the links that are about it."""
    runs: tuple[str, ...]
    links: int
    first: int
    head: PackedHead
    chain_bytes: int
    missing: tuple[str, ...]
    """Documents of selected runs that the lake does not have any more."""
    status: CheckStatus
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        return EvidenceError.exit_code if self.status == "fail" else 0


def pack(
    config: Config,
    wanted: str,
    output: Path,
    keys_file: Path | None = None,
    *,
    from_selected: bool = False,
) -> Packed:
    """Write the pack of a run, a table or a period, and verify it.

    Raises: ConfigError if nothing is about it, or no keys are known; EvidenceError if there is no
            chain, or a link is none; StoreError.
    """
    choice = choose(wanted)
    keys = _trusted(config, keys_file)
    many = config.limits.concurrency
    chain = open_store(chain_url(config), concurrency=many)
    tables = open_store(config.lake.url, concurrency=many)
    try:
        with TemporaryDirectory(prefix=".pack-", dir=output.parent) as folder:
            partial = Path(folder) / "pack.zip"
            with partial.open("wb") as file, _Zip(file) as entries:
                contents = _Contents(entries, choice, from_selected)
                contents.add_chain(chain)
                contents.add_runs(tables)
                contents.add_rest(keys)
            packed = _verified(partial, output, contents)
            partial.replace(output)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from error
    return packed


def _trusted(config: Config, file: Path | None) -> TrustedKeys:
    if file is not None:
        return load_trusted(file)
    own = config.evidence
    if own is None:
        raise ConfigError(
            "no keys are known that may have signed: the configuration has no section [evidence]",
            hint="give a file of trusted keys: --keys keys.json",
        )
    return load_trusted(Path(own.trusted_keys)) if own.trusted_keys else always(open_key(own.key))


# --- what is wanted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    text: str
    fits: Callable[[RunPredicate], bool]


def choose(wanted: str) -> Choice:
    """Read what a pack is wanted for: a run's id, `database.table`, or `first..last` (days, UTC).

    Raises: ConfigError for a period that is none.
    """
    period = _PERIOD.fullmatch(wanted)
    if period is None:
        return Choice(wanted, lambda said: wanted == said.run_id or wanted in _tables(said))
    try:
        first, last = (date.fromisoformat(day) for day in period.groups())
    except ValueError as error:
        raise ConfigError(f"{wanted} is no period: {error}") from error
    if first > last:
        raise ConfigError(f"{wanted} is no period: it ends before it begins")
    return Choice(wanted, lambda said: first <= said.finished_at.astimezone(UTC).date() <= last)


def _tables(said: RunPredicate) -> set[str]:
    return {f"{table.database}.{table.table}" for table in said.tables}


# --- what is in it --------------------------------------------------------------------------------


class _Zip:
    """Writes entries that depend on their names and contents only."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.sums: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def add(self, name: str, body: bytes) -> None:
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # Unix, on whatever this runs
        entry.external_attr = 0o100644 << 16
        self._zip.writestr(entry, body)
        self.sums[name] = hashlib.sha256(body).hexdigest()

    def add_sums(self) -> None:
        lines = "".join(f"{self.sums[name]}  {name}\n" for name in sorted(self.sums))
        self.add(SUMS, lines.encode())


@dataclass
class _Contents:
    """Fills a zip; what is kept in memory is one link at a time, and what was selected."""

    zip: _Zip
    choice: Choice
    from_selected: bool
    selected: list[tuple[int, RunPredicate]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    links: int = 0
    first: int = 0
    head: PackedHead | None = None
    chain_bytes: int = 0

    def add_chain(self, chain: Store) -> None:
        stamps = _timestamps(chain)
        known: set[str] = set()
        looked_at = 0
        for link in read_links(chain):
            looked_at += 1
            said = parse(link.body, f"link {link.number} ({link.key})")[0].predicate
            if self.choice.fits(said):
                self.selected.append((link.number, said))
            elif not self.selected:
                known |= {said.run_id, *_tables(said)}
            if self.from_selected and not self.selected:
                continue
            self._add_link(link)
            if link.number in stamps:
                body = chain.get(timestamp_key(link.number))
                self.zip.add(f"envelopes/{link.number:012d}.tsr", body)
        if not looked_at:
            raise EvidenceError(
                f"there is no chain of evidence in {chain.url}{CHAIN}: no run has signed anything",
                hint="is [archive] the one in which the chain lies?",
            )
        if not self.selected:
            near = difflib.get_close_matches(self.choice.text, sorted(known), 3)
            raise ConfigError(
                f"none of the {looked_at} links in {chain.url}{CHAIN} is about {self.choice.text}",
                hint=f"did you mean {' or '.join(near)}?"
                if near
                else "give the id of a run, database.table, or days like 2026-01-01..2026-03-31",
            )

    def _add_link(self, link: Link) -> None:
        self.zip.add(f"envelopes/{link.number:012d}.dsse.json", link.body)
        if not self.links:
            self.first = link.number
        self.links += 1
        self.chain_bytes += len(link.body)
        self.head = PackedHead(number=link.number, sha256=link.sha256)

    def add_runs(self, tables: Store) -> None:
        for run_id in self.runs:
            for name in DOCUMENTS:
                try:
                    body = tables.get(lake.run_key(run_id, name))
                except NotFound:
                    # the lake is not locked; verify.py says what this leaves open
                    self.missing.append(f"runs/{run_id}/{name}")
                else:
                    self.zip.add(f"runs/{run_id}/{name}", body)

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(sorted({said.run_id for _, said in self.selected if said.manifest}))

    def add_rest(self, keys: TrustedKeys) -> None:
        for name, body in self._rest(keys):
            self.zip.add(name, body)
        self.zip.add_sums()

    def _rest(self, keys: TrustedKeys) -> Iterator[tuple[str, bytes]]:
        yield "README.txt", _README.encode()
        yield "keys.json", f"{to_json(keys, indent=1)}\n".encode()
        index = {
            "format": FORMAT,
            "wanted": self.choice.text,
            "selected": [number for number, _ in self.selected],
            "first": self.first,
            "head": self.head.model_dump() if self.head else None,
            "missing": self.missing,
        }
        yield "pack.json", f"{to_json(index, indent=1)}\n".encode()
        yield (
            "schema/statement.json",
            f"{json.dumps(schema(), indent=1, sort_keys=True)}\n".encode(),
        )
        source = importlib.resources.files(__package__).joinpath("verifier.py")
        yield "verify.py", source.read_bytes()


def schema() -> dict[str, object]:
    """Return the JSON Schema of a link's statement."""
    return Statement.model_json_schema(by_alias=True, mode="serialization")


def _timestamps(chain: Store) -> set[int]:
    found = set()
    for page in chain.list(CHAIN):
        matches = (_TIMESTAMP.fullmatch(key) for key in page.column("key").to_pylist())
        found |= {int(match[1]) for match in matches if match}
    return found


def _verified(path: Path, output: Path, contents: _Contents) -> Packed:
    """Let the verifier look at what was written, as the auditor will."""
    with Pack(path) as written:
        verifier = Verifier(written, Asked(first=contents.first))
        for _ in verifier.run():
            pass  # what it says line by line is for those who verify; problems are kept
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    assert contents.head is not None  # a pack without links was refused
    status: CheckStatus = "pass"
    if verifier.exit_code:
        status = "fail" if verifier.failed else "not_verified"
    return Packed(
        path=str(output),
        bytes=path.stat().st_size,
        sha256=digest,
        wanted=contents.choice.text,
        selected=tuple(number for number, _ in contents.selected),
        runs=contents.runs,
        links=contents.links,
        first=contents.first,
        head=contents.head,
        chain_bytes=contents.chain_bytes,
        missing=tuple(contents.missing),
        status=status,
        problems=(*verifier.failed, *verifier.unverified),
    )
