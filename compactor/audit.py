"""Later, and read-only: is everything still there, unchanged, locked long enough, in one chain?

In:  the archive (without one, the lake), the chain in it, trusted keys, the configured policy.
Out: `Audit`: one check of each kind with counts, one for each thing that is not as it should be.
IO:  LIST of versions, GET of links and manifests, HEAD of every version; `--deep` GETs objects.
     Writes nothing but scratch and, if named, the coverage file: credentials that read suffice.

Order: (1) the chain is walked, and says what there must be; (2) all versions are listed and
compared; (3) every named version is described; (4) what is due is read back. Nothing stops at the
first fault. Versions are counted in millions: they lie in a scratch database, not in memory.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from . import lake
from .config import Config
from .errors import ConfigError, Denied, NotFound, StoreError
from .evidence.audited import EVIDENCE_CHECKS, Audit, AuditStatus, Coverage
from .evidence.chain import Link
from .evidence.coverage import CoverageFile, parse_sample
from .evidence.deep import ENGINE, Deep
from .evidence.deep import ORIGINS as DEEP_ORIGINS
from .evidence.inspect import ORIGINS as HEAD_ORIGINS
from .evidence.inspect import Named, Tally, Verdict, inspect, origin, status_of
from .evidence.keys import TrustedKeys, always, load_trusted, open_key
from .evidence.named import NamedVersions
from .evidence.predicate import CHAIN, Statement
from .evidence.schedule import later, scheduled
from .evidence.walk import ORIGINS as CHAIN_ORIGINS
from .evidence.walk import Head, Walk
from .model import Check, CheckStatus, Finding, utc_text
from .progress import Progress, Quiet
from .quantities import Period, parse_period
from .scratch import Room, scratch_folder
from .sql import connect
from .store import open_store
from .store.interface import Object, Store, Version
from .stored import Snapshot, collect

_HEAD = re.compile(r"^(\d{1,12}):([0-9a-f]{64})$")
_BATCH = 10_000
_KEYS_TOLD = 1_000
"""Of expiring versions, in the finding; there may be millions of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What the command line says."""

    deep: bool = False
    sample: str | None = None
    within: Period | None = None
    """Locks that end within this time are told."""
    head: Head | None = None
    first: int = 0
    """The oldest link that there must be: those before it were removed when their locks ended."""
    keys: Path | None = None
    coverage: Path | None = None


def parse_head(text: str) -> Head:
    """Return what `NUMBER:SHA256` says. Raises: ConfigError."""
    found = _HEAD.match(text)
    if not found:
        raise ConfigError(
            f"--head takes NUMBER:SHA256, not {text!r}",
            hint="an earlier audit printed it, and a run says it in its report.json (evidence)",
        )
    return Head(int(found[1]), found[2])


def parse_within(text: str) -> Period:
    """Return (number, unit) of `90d`, `12h`, `6mo`. Raises: ConfigError."""
    try:
        return parse_period(text)
    except ValueError as error:
        raise ConfigError(f"--within: {error}") from error


def audit(
    config: Config,
    options: AuditOptions,
    *,
    clock: Callable[[], datetime],
    show: Progress | None = None,
) -> Audit:
    """Audit the archive of a configuration; see the module's docstring.

    Raises: ConfigError for options that do not fit, or keys that cannot be read;
            StoreError where the chain cannot be read, or nothing answers.
    """
    if options.sample is not None:
        parse_sample(options.sample)
        if not options.deep:
            raise ConfigError("--sample says how much --deep reads: give both")
    keys = _trusted(config, options)
    url = config.archive.url if config.archive else config.lake.url
    store = open_store(url, concurrency=config.limits.concurrency)
    file = CoverageFile(options.coverage, store.url, clock)
    with scratch_folder(config.limits.scratch_path()) as folder:
        connection = connect(folder / "audit.duckdb", memory_bytes=_memory(config), spill=folder)
        try:
            one = _Auditor(config, options, store, file, connection, clock(), show or Quiet())
            return one.audit(keys, _room(config, folder), clock)
        finally:
            connection.close()


def _memory(config: Config) -> int:
    return config.limits.memory_bytes() // 2


def _room(config: Config, folder: Path) -> Room:
    return Room(
        folder=folder,
        memory_bytes=_memory(config),
        chunk_bytes=max(1, config.limits.scratch_bytes() // 4),
    )


def _trusted(config: Config, options: AuditOptions) -> TrustedKeys | None:
    if options.keys is not None:
        return load_trusted(options.keys)
    if config.evidence is None:
        return None
    if config.evidence.trusted_keys:
        return load_trusted(Path(config.evidence.trusted_keys))
    return always(open_key(config.evidence.key))


@dataclass(slots=True)
class _Auditor:
    config: Config
    options: AuditOptions
    store: Store
    file: CoverageFile
    connection: duckdb.DuckDBPyConnection
    now: datetime
    show: Progress
    tally: Tally = field(default_factory=Tally)
    findings: list[Finding] = field(default_factory=list)
    snapshots: dict[tuple[str, str], set[datetime]] = field(default_factory=dict)
    stored: dict[datetime, Snapshot] = field(default_factory=dict)
    is_denied: bool = False
    """Something may not be looked at."""

    def audit(self, keys: TrustedKeys | None, room: Room, clock: Callable[[], datetime]) -> Audit:
        named = NamedVersions(self.connection, self.store, is_archive=self._is_archive)
        heads = tuple({head for head in (self.options.head, self.file.head) if head is not None})
        walk = Walk(self.store, keys, heads, self.tally, self.options.first)
        self._walk(walk, named)
        listing = self._compare_listing(named)
        ends = self._describe(named)
        coverage = None
        deep: list[Check] = []
        if self.options.deep:
            coverage, deep = self._deep(named, room)
        head = walk.head
        if head is not None and not self.tally.counts["chain"]["fail"]:
            self.file.note_head(head)
        checks = [
            *self.tally.checks("chain", "links", CHAIN_ORIGINS["chain"]),
            *self.tally.checks("signature", "links", CHAIN_ORIGINS["signature"]),
            *self.tally.checks("manifest", "manifests", _MANIFEST),
            *self._described_checks(),
            *listing,
            self._expiring(ends),
            *scheduled(self.config.audit.expect, self.snapshots, self.now),
            *deep,
        ]
        status, code = verdict(checks, is_denied=self.is_denied)
        return Audit(
            status=status,
            exit_code=code,
            audited_at=self.now,
            place=self.store.url,
            is_archive=self._is_archive,
            objects=named.objects,
            bytes=named.bytes,
            links=walk.links,
            checks=tuple(checks),
            findings=tuple(self.findings),
            coverage=coverage,
            snapshots=tuple(one for _, one in sorted(self.stored.items())),
        )

    @property
    def _is_archive(self) -> bool:
        return self.config.archive is not None

    # --- 1. the chain ---

    def _walk(self, walk: Walk, named: NamedVersions) -> None:
        manifests = open_store(self.config.lake.url, concurrency=self.config.limits.concurrency)
        for link, said in walk.statements():
            named.add_link(link, said)
            if said is not None:
                for table in said.predicate.tables:
                    name = (table.database, table.table)
                    self.snapshots.setdefault(name, set()).add(table.snapshot)
                collect(self.stored, said.predicate.tables)
                self._manifest(manifests, link, said)
        named.flush()

    def _manifest(self, manifests: Store, link: Link, said: Statement) -> None:
        """Compare the manifest in the lake, which readers believe and nothing locks."""
        wanted = said.predicate.manifest
        if wanted is None:
            return
        key = lake.run_key(said.predicate.run_id, "manifest.json")
        status: CheckStatus
        try:
            found = hashlib.sha256(manifests.get(key)).hexdigest()
            status = "pass" if found == wanted.sha256 else "fail"
        except StoreError as error:
            # an archive outlives its lake, and who audits it may not be let into the lake
            is_lost = isinstance(error, NotFound) and not self._is_archive
            status, found = "fail" if is_lost else "not_verified", error.message
        verdict = Verdict("manifest", status, wanted.sha256, found)
        self.tally.add(verdict, f"{manifests.url}{key}", f"link {link.number}; {_MANIFEST}")

    # --- 2. the listing ---

    def _compare_listing(self, named: NamedVersions) -> list[Check]:
        try:
            # the lake holds the documents of runs beside what links name
            named.list_versions(left_out="" if self._is_archive else "_compactor/")
        except Denied as error:
            self.is_denied = True
            return [
                Check(
                    name=name,
                    subject="all versions",
                    expected="a listing of versions",
                    actual=error.message,
                    status="not_verified",
                    source=_LISTING,
                )
                for name in ("current", "unnamed_objects")
            ]
        shadowed = [self._shadowed(row) for row in named.shadowed()]
        unnamed = [self._unnamed(row) for row in named.unnamed()]
        keys = named.keys()
        total = named.listed()
        return [
            _counted("current", keys, len(shadowed), "keys"),
            *shadowed,
            _counted("unnamed_objects", total, len(unnamed), "versions"),
            *unnamed,
        ]

    def _shadowed(self, row: dict[str, object]) -> Check:
        actual = "not in the listing of versions"
        if row["current_id"] is not None or row["modified_at"] is not None:
            what = "delete marker" if row["is_delete_marker"] else "other version"
            actual = f"{what} {row['current_id']} of {_moment(row['modified_at'])} above it"
        return Check(
            name="current",
            subject=_name(row),
            expected="the current version of its key",
            actual=actual,
            status="fail",
            source=f"link {row['link']}; {_LISTING}",
        )

    def _unnamed(self, row: dict[str, object]) -> Check:
        what = "delete marker" if row["is_delete_marker"] else f"{row['size_bytes']} bytes"
        key = str(row["key"])
        if key.startswith(CHAIN):
            # a link is written once: another version, or a marker, is an attempt on the chain
            what_else = "a delete marker hides it" if row["is_delete_marker"] else "written again"
            verdict = Verdict("chain", "fail", "one version", f"{what_else}: {row['version_id']}")
            self.tally.add(verdict, key, _LISTING)
        return Check(
            name="unnamed_objects",
            subject=_name(row),
            expected="nothing that no link names",
            actual=f"{what}, {_moment(row['modified_at'])}",
            status="fail",
            source=f"the chain; {_LISTING}",
        )

    # --- 3. every version ---

    def _describe(self, named: NamedVersions) -> list[tuple[datetime, str]]:
        """Describe all versions; return ends of locks within the window, and whose they are."""
        self.show.table(self.store.url, "describing", versions=named.objects)
        horizon = later(self.now, self.options.within) if self.options.within else self.now
        ends: list[tuple[datetime, str]] = []
        for batch in named.batches(_BATCH):
            wanted = [Version(item.key, item.version_id) for item in batch]
            for index, found in self.store.stats(wanted):
                item = batch[index]
                self._judge(item, found)
                if isinstance(found, StoreError):
                    self.is_denied |= not isinstance(found, NotFound)
                elif found.retain_until and found.retain_until <= horizon and not found.legal_hold:
                    ends.append((found.retain_until, item.name))
        return sorted(ends)

    def _judge(self, item: Named, found: Object | StoreError) -> None:
        for verdict in inspect(item, found, self.config.archive):
            if verdict.status == "fail" and verdict.name in ("lock", "legal_hold"):
                verdict = self._unless_hidden(verdict, item, found)
            self.tally.add(verdict, item.name, origin(item))

    def _unless_hidden(self, verdict: Verdict, item: Named, found: Object | StoreError) -> Verdict:
        """S3 leaves out of a description what the credentials may not see."""
        if isinstance(found, StoreError) or (verdict.name == "lock" and found.lock_mode):
            return verdict
        try:
            self.store.check_lock_readable(item.key, item.version_id)
        except Denied as error:
            self.is_denied = True
            return verdict._replace(status="not_verified", actual=error.message)
        return verdict

    def _described_checks(self) -> Iterator[Check]:
        names = ["present", "size", "stored_sha256"]
        if self._is_archive:
            names += ["lock", "legal_hold", "storage_class"]
        for name in names:
            yield from self.tally.checks(name, "versions", HEAD_ORIGINS[name])

    def _expiring(self, ends: Sequence[tuple[datetime, str]]) -> Check:
        """Say which locks end: no fault, as the end was promised, but somebody must know."""
        within = self.options.within
        window = f"within {within[0]}{within[1]}" if within else "by now"
        actual = f"{len(ends)} versions whose lock ends {window}"
        if ends:
            first, name = ends[0]
            actual += f", the first on {utc_text(first)}"
            gone = sum(1 for end, _ in ends if end <= self.now)
            told = f"{gone} of them have ended: those versions can be deleted" if gone else ""
            self.findings.append(
                Finding.model_validate(
                    {
                        "kind": "expiring_locks",
                        "severity": "warning",
                        "message": f"{actual} ({name}). {told}".strip(),
                        "keys": [name for _, name in ends[:_KEYS_TOLD]],
                        "versions": len(ends),
                        "first_at": utc_text(first),
                    }
                )
            )
        return Check(
            name="expiring",
            subject="all versions",
            expected=None,
            actual=actual,
            status="pass" if self.tally.counts.get("present", {}).get("pass") else "not_verified",
            source="retain-until of each version (HEAD), without those under legal hold; now",
        )

    # --- 4. the bytes ---

    def _deep(self, named: NamedVersions, room: Room) -> tuple[Coverage, list[Check]]:
        due = self.file.begin(self.options.sample)
        self.show.begin(len(named.parts()), named.bytes)
        deep = Deep(self.store, named.parts(), self.file, room, self.show, self.tally)
        counts: Counter[str] = Counter()

        def to_read() -> Iterator[Named]:
            for batch in named.batches(_BATCH):
                for item in batch:
                    if item.sha256 is None or not due.is_due(item.key, item.version_id):
                        continue
                    counts["due"] += 1
                    if due.is_done(item.key, item.version_id):
                        counts["before"] += 1
                        if item.part is not None:
                            deep.touched.add(item.part)
                    else:
                        yield item

        deep.read(to_read())
        partly = deep.fingerprints(named.members(deep.touched))
        self.is_denied |= deep.unread > 0
        if not deep.unread:  # else the next audit goes on with those
            self.file.end()
        checks = [
            check
            for name in ("bytes_sha256", "rows", "fingerprint")
            for check in self._deep_checks(name, counts, partly)
        ]
        return self._coverage(named, deep, counts), checks

    def _deep_checks(self, name: str, counts: Counter[str], partly: int) -> Iterator[Check]:
        noun = "partitions" if name == "fingerprint" else "versions"
        first, *rest = self.tally.checks(name, noun, DEEP_ORIGINS[name])
        if not sum(self.tally.counts.get(name, {}).values()):
            if name != "bytes_sha256" or not counts["before"]:
                return  # nothing of this kind was due: the coverage says so
            first = first.model_copy(update={"status": "pass"})
        notes = []
        if name == "bytes_sha256" and counts["before"]:
            notes.append(f"{counts['before']} more before this audit was interrupted")
        if name == "fingerprint" and partly:
            notes.append(f"{partly} more were read in part")
        actual = "; ".join([str(first.actual), *notes])
        yield first.model_copy(update={"subject": "what was read", "actual": actual})
        yield from rest

    def _coverage(self, named: NamedVersions, deep: Deep, counts: Counter[str]) -> Coverage:
        covered, size = 0, 0
        moments: list[datetime] = []
        for batch in named.batches(_BATCH):
            for item in batch:
                read = self.file.reads.get((item.key, item.version_id))
                if read is not None:
                    covered += 1
                    size += read.size_bytes
                    moments.append(read.at)
        oldest, newest = min(moments, default=None), max(moments, default=None)
        share = 100 * covered / named.objects if named.objects else 0.0
        of_bytes = 100 * size / named.bytes if named.bytes else 0.0
        statement = (
            f"{covered} of {named.objects} versions ({share:.1f} %) with {size} of {named.bytes} "
            f"bytes ({of_bytes:.1f} %) were read back and found good"
        )
        if oldest is not None and newest is not None:
            statement += f", between {utc_text(oldest)} and {utc_text(newest)}"
        if self.options.sample:
            days = parse_sample(self.options.sample)
            statement += f"; at {self.options.sample} each is read once in {days} days"
        return Coverage(
            sample=self.options.sample,
            objects=named.objects,
            bytes=named.bytes,
            due_objects=counts["due"],
            read_objects=deep.read_objects,
            read_bytes=deep.read_bytes,
            covered_objects=covered,
            covered_bytes=size,
            oldest_read_at=oldest,
            newest_read_at=newest,
            statement=f"{statement}; by Polars and {ENGINE}",
        )


_LISTING = "listing of all versions and delete markers"
_MANIFEST = "SHA-256 of a run's manifest in the chain; bytes of the manifest in the lake"


def _name(row: dict[str, object]) -> str:
    return f"{row['key']}@{row['version_id']}" if row["version_id"] else str(row["key"])


def _moment(moment: object) -> str:
    """Return a moment of the scratch database, which is in UTC and does not say so."""
    if not isinstance(moment, datetime):
        return "an unknown time"
    return str(utc_text(moment.replace(tzinfo=UTC)))


def _counted(name: str, total: int, failed: int, noun: str) -> Check:
    status = status_of({"pass": total - failed, "fail": failed, "not_verified": 0})
    return Check(
        name=name,
        subject=f"all {noun}",
        expected=f"{total} {noun}",
        actual=f"{total - failed} {noun}",
        status=status,
        source=f"the chain; {_LISTING}",
    )


def verdict(checks: Sequence[Check], *, is_denied: bool) -> tuple[AuditStatus, int]:
    """Return what all checks say together, and the exit code.

    A broken chain comes first: what it says cannot be relied on. Two things that are not verified
    are told and change nothing: a fingerprint of another version of DuckDB (the bytes have the
    signed digest) and a manifest in a lake that cannot be read (the archive does not need it).
    """
    failed = {check.name for check in checks if check.status == "fail"}
    unknown = {check.name for check in checks if check.status == "not_verified"}
    unknown -= {"fingerprint", "manifest"}
    if failed & EVIDENCE_CHECKS:
        return "failed", 6
    if failed:
        return "failed", 5
    if is_denied:
        return "not_verified", 4
    if unknown & EVIDENCE_CHECKS:
        return "not_verified", 6
    return ("not_verified", 5) if unknown else ("passed", 0)
