"""The archive with the snapshots that an act is about: what each version looks like now, and the
record that is written once something was done.

In:  configuration, selection. Out: `Vault`, `Seen`. IO: manifests, one HEAD a version, one record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from . import archive
from .acts import Act, Failure
from .archive import retain_until
from .config import ArchiveConfig, Config
from .errors import CompactorError, ConfigError, NotFound
from .evidence.records import Record, RecordKind, read, record, subjects
from .holdings import Selection, Snapshot, find
from .ledger import versions
from .model import StoredObject
from .places import Stores
from .quantities import parse_retain
from .store import open_store
from .store.interface import Object, Retention, Store

if TYPE_CHECKING:
    from .evidence.notary import Notary

Clock = Callable[[], datetime]
T = TypeVar("T")

_THREADS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One version, and what the archive says of it now: `found`, or why not."""

    item: StoredObject
    found: Object | None = None
    error: CompactorError | None = None

    @property
    def is_gone(self) -> bool:
        return isinstance(self.error, NotFound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """The archive and the selected snapshots in it."""

    store: Store
    config: ArchiveConfig
    snapshots: tuple[Snapshot, ...]
    now: datetime
    notary: Notary | None = None
    """Signs what is done, where `[evidence]` is configured."""

    def look(self, items: Sequence[StoredObject]) -> list[Seen]:
        """Ask for every version, many at a time; in the order of `items`."""

        def one(item: StoredObject) -> Seen:
            try:
                return Seen(item=item, found=self.store.stat(item.key, item.version_id))
            except CompactorError as error:
                return Seen(item=item, error=error)

        return in_threads(one, items)


def in_threads(work: Callable[[StoredObject], T], items: Sequence[StoredObject]) -> list[T]:
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="retention") as pool:
        return list(pool.map(work, items))


def open_vault(config: Config, selection: Selection, clock: Clock) -> Vault:
    """Find the selected snapshots; refuse an archive that cannot lock.

    Raises: ConfigError without an archive, or if the selection names nothing; StoreError.
    """
    if config.archive is None:
        raise ConfigError(
            "there is no [archive] in the configuration, so nothing is held",
            hint="name the configuration of the archive with -c",
        )
    many = config.limits.concurrency
    # no storage class: records must stay readable at once, whatever the data are in
    store = open_store(config.archive.url, concurrency=many)
    archive.preflight(store)  # a bucket that is not there must not look like one that is empty
    lake = open_store(config.lake.url, concurrency=many)
    destroyed = frozenset(one.name for known in read(store, "destruction") for one in known.subject)
    found = find(lake, store.url, selection, destroyed)
    stores = Stores((), lake, store, chain=store)
    return Vault(
        store=store,
        config=config.archive,
        snapshots=found,
        now=clock(),
        notary=_notary(config, stores, clock),
    )


def _notary(config: Config, stores: Stores, clock: Clock) -> Notary | None:
    if config.evidence is None:
        return None
    from .evidence.notary import open_notary  # what signs takes a while to import

    return open_notary(config, stores, clock)


Looked = Sequence[tuple[Snapshot, Sequence[Seen]]]


def look_at_all(vault: Vault) -> Looked:
    """Look at all versions at once, and give each snapshot its own."""
    items = [item for one in vault.snapshots for item in one.versions]
    seen = iter(vault.look(items))
    return [(one, [next(seen) for _ in one.versions]) for one in vault.snapshots]


def failure(seen: Seen) -> Failure:
    assert seen.error is not None
    return Failure(
        key=seen.item.key,
        version_id=seen.item.version_id,
        message=str(seen.error),
        exit_code=seen.error.exit_code,
    )


def recorded(vault: Vault, act: Act, items: Sequence[StoredObject]) -> Act:
    """Write the record, and its link in the chain of evidence; both locked for as long as what they
    are about, or as long as a run would lock it.

    An act without its record is not done: where writing fails, that is among the errors.
    """
    kind: RecordKind = "hold" if act.kind.startswith("hold") else "extend"
    if act.kind == "destruction":
        kind = "destruction"
    limit = parse_retain(vault.config.max_retain)
    until = min(
        retain_until(act.at, parse_retain(vault.config.retain)), retain_until(act.at, limit)
    )
    dates = [item.retain_until for item in items]
    dates += [date for one in act.snapshots for date in (one.until, one.asked_until)]
    document = Record(
        kind=kind,
        finished_at=act.at,
        archive=act.archive,
        note=f"{act.asked}: {act.reason}" if act.reason else act.asked,
        subject=subjects(items),
        checks=act.checks,
        act=act.model_dump(mode="json", exclude={"checks", "record"}),
        versions=versions(),
    )
    retention = Retention(
        mode=vault.config.mode, until=max([until, *(date for date in dates if date is not None)])
    )
    try:
        ref, written = record(vault.store, document, retention)
        if vault.notary is not None:
            vault.notary.act(document, written, retention)
    except CompactorError as error:
        message = (
            f"it was done, and its record could not be written or signed, so do it again: {error}"
        )
        failure = Failure(key="", version_id=None, message=message, exit_code=error.exit_code)
        return act.model_copy(update={"status": "failed", "errors": (*act.errors, failure)})
    return act.model_copy(update={"record": ref})
