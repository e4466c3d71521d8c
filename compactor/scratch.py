"""A folder on local disk for one run, and what killed runs have left there."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the work on one table may take: a folder, memory, and source bytes at a time."""

    folder: Path
    memory_bytes: int
    chunk_bytes: int
    """Source bytes that one chunk may have: the scratch limit with room for sorting."""

    def below(self, name: str) -> Room:
        return replace(self, folder=self.folder / name)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Give a scratch folder, removed at the end; also remove what killed runs have left.

    Each folder holds a lock file that its process keeps locked while it lives.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob("compactor-scratch-*"):
        _remove_if_dead(old)
    folder = Path(tempfile.mkdtemp(prefix="compactor-scratch-", dir=parent))
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_dead(folder: Path) -> None:
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except (FileNotFoundError, PermissionError, BlockingIOError):
        return  # just being made, somebody else's, or in use: not ours to remove
