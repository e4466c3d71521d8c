"""What a run does for its evidence: sign, publish, append.

    prepare   before the manifest: store the source listing, sign and store the draft
    seal      after the manifest: append the link, have it stamped, write down that it is there
    late      for an earlier run that was ended between the two

In:  the configuration, the stores; manifests.
Out: the links, as they were stored.
IO:  archive and lake (see `lake.py` for the documents), the key, the time-stamping authority.

The manifest lies in the lake, which is not locked. What is taken from there again (`late`) must fit
the digest in the draft, and the draft must be signed by a key that was trusted then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from .. import lake
from ..archive import UNKNOWN_DIGEST, retain_until
from ..config import Config
from ..errors import ConfigError, EvidenceError, SignatureError, StoreError
from ..model import (
    Check,
    CheckStatus,
    LinkRef,
    ManifestRef,
    RunResult,
    StoredObject,
    to_json,
    utc_text,
)
from ..places import Sources, Stores, chain_url
from ..quantities import parse_retain
from ..store.interface import Retention
from . import timestamp
from .chain import Appended, Chain, numbers, parse
from .keys import SigningKey, TrustedKeys, always, load_trusted, open_key
from .predicate import DRAFT_TYPE, Draft, SourceListing, sources_key, timestamp_key
from .records import Record
from .sign import open_envelope, sign, verify
from .sources import write_listing
from .statement import act_statement, statement, stored, to_bytes


class Notary:
    """The evidence of one configuration."""

    def __init__(
        self,
        config: Config,
        stores: Stores,
        key: SigningKey,
        keys: TrustedKeys,
        authority: timestamp.Authority | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._stores = stores
        self._key = key
        self._keys = keys
        self._authority = authority
        self._clock = clock
        self._chain = Chain(stores.chain, key, keys, clock)
        self._known: dict[str, int] = {}

    # --- a run ---

    def prepare(self, manifest: RunResult, ref: ManifestRef, sources: Sources | None) -> Draft:
        """Store the source listing and the signed draft of a run whose manifest is to be written.

        Without `sources` there is no listing: the run has read none.

        Raises: EvidenceError, StoreError.
        """
        shown = numbers(self._stores.chain)
        self._known[manifest.run_id] = shown[-1] if shown else -1
        draft = Draft(
            run_id=manifest.run_id,
            lake=self._config.lake.url,
            archive=self._config.archive.url if self._config.archive else None,
            manifest=ref,
            source_listing=self._store_listing(manifest, sources) if sources else None,
            config=self._config.model_dump(mode="json"),
            signed_at=self._clock(),
        )
        body = sign(self._key, to_bytes(draft), DRAFT_TYPE)
        self._put_document(lake.draft_key(manifest.run_id, chain_url(self._config)), body)
        return draft

    def _store_listing(self, manifest: RunResult, sources: Sources) -> SourceListing:
        path = sources.assigned.with_name(f"sources-{manifest.run_id}.parquet")
        tasks = {sources.tables[table.task_id]: table.task_id for table in manifest.tables}
        urls = [store.url for store in self._stores.sources]
        count = write_listing(sources.assigned, tasks, urls, path, sources.memory_bytes)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        found = self._stores.chain.put(
            sources_key(manifest.run_id),
            path,
            sha256=sha256,
            only_if_absent=True,
            retention=self._retention(manifest),
        )
        return SourceListing(
            key=found.key,
            version_id=found.version_id,
            sha256=sha256,
            size_bytes=found.size_bytes,
            objects=count,
        )

    def seal(self, manifest: RunResult, draft: Draft, note: str = "") -> LinkRef:
        """Append the link of a run whose manifest is written, once; write down that it is there.

        Raises: EvidenceError, SignatureError, StoreError. The next run tries again.
        """
        said = statement(manifest, draft, self._unknown_digests(manifest))
        predicate = said.predicate.model_copy(update={"note": note})
        retention = self._retention(manifest)
        appended = self._chain.append(
            said.model_copy(update={"predicate": predicate}),
            known=self._known.get(manifest.run_id, -1),
            retention=retention,
        )
        link = self._described(appended, retention)
        record = to_json(link).encode()
        self._put_document(lake.link_record_key(manifest.run_id, chain_url(self._config)), record)
        return link

    def act(self, document: Record, written: StoredObject, retention: Retention) -> LinkRef:
        """Append the link of a later act whose record is written.

        Raises: EvidenceError, SignatureError, StoreError. The act is to be done again then.
        """
        said = act_statement(document, written, self._config.lake.url)
        return self._described(self._chain.append(said, retention=retention), retention)

    def _unknown_digests(self, manifest: RunResult) -> dict[str, str]:
        """Hash again what an archive keeps no digest of; only sidecars, which are small."""
        return {
            item.key: hashlib.sha256(self._stores.chain.get(item.key)).hexdigest()
            for item in stored(manifest)
            if item.sha256 == UNKNOWN_DIGEST
        }

    def _retention(self, manifest: RunResult) -> Retention | None:
        """Return the lock of what is written about a run: the longest of what it has locked.

        A run that has only found duplicates has locked nothing: then as its tables would be.
        """
        archive = self._config.archive
        if archive is None:
            return None
        until = [item.retain_until for item in stored(manifest) if item.retain_until]
        if not until:
            period = parse_retain(archive.retain)
            until = [retain_until(table.snapshot, period) for table in manifest.tables]
        # S3 refuses a lock that is over, which only that of a very late link can be
        least = self._clock().replace(microsecond=0) + timedelta(days=1)
        return Retention(mode=archive.mode, until=max(*until, least), legal_hold=archive.legal_hold)

    def _put_document(self, key: str, body: bytes) -> None:
        self._stores.lake.put(key, body, sha256=hashlib.sha256(body).hexdigest())

    # --- what was stored ---

    def _described(self, appended: Appended, retention: Retention | None) -> LinkRef:
        link, found = appended.link, appended.stored
        checks: tuple[Check, ...] = ()
        if self._authority is not None:
            checks = (self._stamp(self._authority, appended, retention),)
        return LinkRef(
            number=link.number,
            run_id=appended.statement.predicate.run_id,
            key=link.key,
            url=self._stores.chain.url + link.key,
            sha256=link.sha256,
            keyid=next(iter(parse(link.body)[1].signatures)),
            version_id=found.version_id,
            lock_mode=found.lock_mode,
            retain_until=found.retain_until,
            timestamp=checks[0].status if checks else None,
            checks=checks,
        )

    def _stamp(
        self, authority: timestamp.Authority, appended: Appended, retention: Retention | None
    ) -> Check:
        """Have a new link stamped, and store the stamp beside it. A link is never without: either
        the stamp is there, or a check says why not. No later run makes up for it."""
        link = appended.link
        expected = f"SHA-256 {link.sha256}"
        status: CheckStatus
        try:
            if appended.is_new:
                answer, moment = timestamp.request(authority, link.body)
                self._stores.chain.put(
                    timestamp_key(link.number),
                    answer,
                    sha256=hashlib.sha256(answer).hexdigest(),
                    only_if_absent=True,
                    retention=retention,
                )
            else:
                answer = self._stores.chain.get(timestamp_key(link.number))
                moment = timestamp.verify(authority, answer, link.body)
        except SignatureError as error:
            status, actual = "fail", error.message
        except (EvidenceError, StoreError) as error:
            status, actual = "not_verified", error.message
        else:
            status, actual = "pass", f"{expected} at {utc_text(moment)}"
        return Check(
            name="timestamp",
            subject=link.key,
            expected=expected,
            actual=actual,
            status=status,
            source=f"the link's bytes; the answer of {authority.url}",
        )

    # --- earlier runs ---

    def late(self, run_id: str) -> LinkRef:
        """Append the link of an earlier run that has a manifest and a draft, and no link.

        Raises: EvidenceError if manifest and draft are not those that the run signed; StoreError.
        """
        key = lake.draft_key(run_id, chain_url(self._config))
        where = f"{self._stores.lake.url}{key}"
        envelope = open_envelope(self._stores.lake.get(key), where, DRAFT_TYPE)
        try:
            draft = Draft.model_validate_json(envelope.payload)
        except ValidationError as error:
            raise EvidenceError(f"{where} cannot be used: {error}", key=key) from error
        verify(envelope, self._keys, draft.signed_at, where)
        manifest_key = lake.run_key(run_id, "manifest.json")
        body = self._stores.lake.get(manifest_key)
        found = hashlib.sha256(body).hexdigest()
        archive = self._config.archive.url if self._config.archive else None
        if draft.archive != archive:
            raise EvidenceError(
                f"{where} is about another archive: expected {archive}, found {draft.archive}",
                key=key,
            )
        if (draft.run_id, draft.manifest.sha256) != (run_id, found):
            raise EvidenceError(
                f"{self._stores.lake.url}{manifest_key} is not what the run signed: expected run "
                f"{draft.run_id} with SHA-256 {draft.manifest.sha256}, found {run_id} with {found}",
                key=manifest_key,
                hint="it was changed before its link could be appended: find out by whom",
            )
        try:
            manifest = RunResult.model_validate_json(body)
        except ValidationError as error:
            raise EvidenceError(
                f"{self._stores.lake.url}{manifest_key} cannot be used: {error}", key=manifest_key
            ) from error
        return self.seal(manifest, draft, "appended by a later run: this one was interrupted")


def open_notary(config: Config, stores: Stores, clock: Callable[[], datetime]) -> Notary | None:
    """Open keys and authority of a configuration; None where nothing is to be signed.

    Nothing is written before this. Raises: ConfigError.
    """
    own = config.evidence
    if own is None:
        return None
    key = open_key(own.key)
    keys = load_trusted(Path(own.trusted_keys)) if own.trusted_keys else always(key)
    now = clock()
    if not any(known.is_valid(now) for known in keys.named(key.keyid)):
        periods = ", ".join(known.period() for known in keys.named(key.keyid)) or "not at all"
        raise ConfigError(
            f"evidence.key: {own.key} has key id {key.keyid}, which {own.trusted_keys} trusts "
            f"{periods}; now is {utc_text(now)}",
            hint="add what `compactor key show` prints to that file",
        )
    authority = None
    if own.tsa:
        authority = timestamp.open_authority(own.tsa, Path(own.tsa_certificate))
    return Notary(config, stores, key, keys, authority, clock)
