"""What lies where in lake and archive, and how a run knows what earlier runs have finished.

There is no state database. A run writes, in this order:

    _compactor/runs/<run_id>/plan.json                   before anything else
    <database>/<table>/snapshot=.../dt=.../part-*.parquet  the data
    _compactor/runs/<run_id>/verified/<task_id>.json     a table, once all its checks passed
    _compactor/runs/<run_id>/locked-<archive>/<task_id>.json   the same, once it is locked
    _compactor/runs/<run_id>/batched-<archive>/<task_id>.json  handed over to S3 Batch Operations
    _compactor/batch/<run_id>/...                        manifests and requests for it
    _compactor/runs/<run_id>/failed/<task_id>.json       a verified table that could not be locked
    _compactor/runs/<run_id>/report.json, report.html
    _compactor/runs/<run_id>/draft-<chain>.dsse.json     signed: what the link will say
    _compactor/runs/<run_id>/manifest.json               last; readers believe only this
    _compactor/runs/<run_id>/link-<chain>.json           once the evidence chain has its link

One listing of `_compactor/runs/` therefore tells everything: a task is *done* if its last document
lies in a run that has a manifest, and can be *adopted* if that run was interrupted. Keys are
relative to the lake's (or archive's) URL. Pure, but for the listing that is handed in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .model import snapshot_text

RUNS = "_compactor/runs/"
BATCH = "_compactor/batch/"
FAILED = "failed"

_UNSAFE = re.compile(r"""[\x00-\x1f\x7f/\\%#?*"'<>|{}\[\]^~`=]""")


def segment(name: str) -> str:
    """Return one path segment for a name from an export, which may hold anything.

    Characters that would end the segment or confuse readers are percent-encoded, as are a leading
    `_` or `.` (Athena and Spark do not see such folders) and empty names. Two different names never
    give the same segment.
    """
    text = _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name)
    if text[:1] in ("_", "."):
        text = f"%{ord(text[0]):02X}{text[1:]}"
    return text or "%EMPTY"  # %00 would be the name that is a zero character


def table_prefix(database: str, table: str, snapshot: datetime) -> str:
    return f"{segment(database)}/{segment(table)}/snapshot={snapshot_text(snapshot)}/"


def part_key(prefix: str, value: str, number: int, task_id: str) -> str:
    folder = f"dt={value}/" if value else ""
    return f"{prefix}{folder}part-{number:05d}-{task_id}.parquet"


def is_part_of(key: str, task_id: str) -> bool:
    return key.endswith(f"-{task_id}.parquet")


def part_place(key: str, prefix: str, task_id: str) -> tuple[str, int] | None:
    """Return (value, number) of a key that `part_key` made, else None."""
    pattern = rf"(?:dt=([^/]*)/)?part-([0-9]+)-{re.escape(task_id)}\.parquet"
    found = re.fullmatch(pattern, key.removeprefix(prefix))
    if found is None:
        return None
    value, number = found[1] or "", int(found[2])
    return (value, number) if part_key(prefix, value, number, task_id) == key else None


def archive_id(url: str) -> str:
    """Return a short name for an archive, so that a second archive is filled, too."""
    return hashlib.sha256(url.encode()).hexdigest()[:8]


def run_key(run_id: str, name: str) -> str:
    return f"{RUNS}{run_id}/{name}"


def record_key(run_id: str, task_id: str, archive_url: str | None) -> str:
    folder = f"locked-{archive_id(archive_url)}" if archive_url else "verified"
    return run_key(run_id, f"{folder}/{task_id}.json")


def draft_key(run_id: str, chain_url: str) -> str:
    """Return the key of what a run signed for the chain in that archive (or lake)."""
    return run_key(run_id, f"draft-{archive_id(chain_url)}.dsse.json")


def link_record_key(run_id: str, chain_url: str) -> str:
    return run_key(run_id, f"link-{archive_id(chain_url)}.json")


@dataclass(frozen=True, slots=True)
class Unlinked:
    """Runs with a manifest that the evidence chain of one place may not know yet, in order."""

    drafted: tuple[str, ...]
    """Those that signed a draft: a link can be appended."""
    unsigned: tuple[str, ...]
    """Those that signed nothing, for any chain: nobody vouches for their manifest."""


def unlinked(keys: Iterable[str], chain_url: str) -> Unlinked:
    """Read a listing of `_compactor/runs/`."""
    names: dict[str, set[str]] = {}
    for key in keys:
        run_id, _, rest = key.removeprefix(RUNS).partition("/")
        names.setdefault(run_id, set()).add(rest)
    drafted, unsigned = [], []
    for run_id in sorted(run for run, there in names.items() if "manifest.json" in there):
        there = {run_key(run_id, name) for name in names[run_id]}
        if link_record_key(run_id, chain_url) in there:
            continue
        if draft_key(run_id, chain_url) in there:
            drafted.append(run_id)
        elif not any(name.startswith("draft-") for name in names[run_id]):
            unsigned.append(run_id)
    return Unlinked(tuple(drafted), tuple(unsigned))


def batched_key(run_id: str, task_id: str, archive_url: str) -> str:
    return run_key(run_id, f"batched-{archive_id(archive_url)}/{task_id}.json")


def is_locked_record(key: str, archive_url: str) -> bool:
    """Tell whether a table's record says that it is locked in this archive."""
    return key.removeprefix(RUNS).split("/")[1:2] == [f"locked-{archive_id(archive_url)}"]


@dataclass(frozen=True, slots=True)
class Progress:
    """What earlier runs have left in the lake."""

    done: frozenset[str]
    """Tasks that a manifest names, locked if an archive is configured."""
    adoptable: dict[str, str]
    """Task -> key of its furthest document, where a run did not get to its manifest, or where an
    archive has been configured since."""
    interrupted: tuple[str, ...]
    """Runs without a manifest."""


def progress(
    keys: Iterable[str], archive_url: str | None, *, batch_counts: bool = False
) -> Progress:
    """Read a listing of `_compactor/runs/`.

    `batch_counts`: a table that was handed over to S3 Batch Operations is done as far as a run is
    concerned. Otherwise it is one that was verified and is not locked yet.
    """
    finished: set[str] = set()
    started: set[str] = set()
    failed: set[tuple[str, str]] = set()
    documents: list[tuple[str, str, str, str]] = []
    handed_over: set[tuple[str, str]] = set()
    batched = f"batched-{archive_id(archive_url)}" if archive_url and batch_counts else ""
    for key in sorted(keys):
        run_id, _, rest = key.removeprefix(RUNS).partition("/")
        started.add(run_id)
        if rest == "manifest.json":
            finished.add(run_id)
        folder, _, name = rest.partition("/")
        if folder == FAILED:
            failed.add((run_id, name.removesuffix(".json")))
        if batched and folder == batched:
            handed_over.add((run_id, name.removesuffix(".json")))
        if name.endswith(".json") and (folder == "verified" or folder.startswith("locked-")):
            documents.append((run_id, folder, name.removesuffix(".json"), key))
    wanted = f"locked-{archive_id(archive_url)}" if archive_url else "verified"
    done = {
        task
        for run_id, folder, task, _ in documents
        if folder == wanted and run_id in finished and (run_id, task) not in failed
    }
    done |= {task for run_id, task in handed_over if run_id in finished}
    adoptable: dict[str, str] = {}
    locked: set[str] = set()
    for _, folder, task, key in documents:  # in order of time; a later document says more
        if task in done or (task in locked and folder != wanted):
            continue
        if folder == wanted and archive_url:
            locked.add(task)
        adoptable[task] = key
    return Progress(frozenset(done), adoptable, tuple(sorted(started - finished)))
