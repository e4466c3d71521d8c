"""Bring the parts of one table into the lake, and read back what the lake holds.

In:  parts on scratch, one by one as they are written; the lake.
Out: stored objects by partition; what the lake returned, added to the evidence.
IO:  lake writes and reads, scratch.

Parts are uploaded while the next ones are being written: a distant lake makes one wait for every
request, a near one for its disk, and neither needs the processor.
"""

from __future__ import annotations

import collections
import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from . import lake, verify
from .compact import Part
from .errors import StoreError
from .model import PlanTable, StoredObject
from .scratch import file_sha256
from .sql import cursor, query
from .store.interface import Object, Store, Wanted
from .types import Rule

_UPLOADS = 16
"""PUTs at a time. Each waits for two answers, of PUT and HEAD; large parts fill the line anyway."""


class Deposit:
    """The folder of one table and snapshot in the lake."""

    def __init__(self, store: Store, table: PlanTable, scratch: Path) -> None:
        self._store = store
        self._task_id = table.task_id
        self._prefix = lake.table_prefix(table.database, table.table, table.snapshot)
        self._scratch = scratch
        self._there: dict[str, int] = {}
        self._new: list[tuple[Part, Object]] = []
        self.objects: dict[str, list[StoredObject]] = {}
        """By partition value."""
        self.paths: dict[str, Path] = {}
        """Lake key -> local file, as long as scratch exists."""

    def look(self) -> None:
        """List the folder; refuse it if it holds objects that are not this task's.

        A reader takes every object of a folder, so a part left by other options would double rows.
        """
        for page in self._store.list(self._prefix):
            keys, sizes = page.column("key").to_pylist(), page.column("size_bytes").to_pylist()
            self._there |= dict(zip(keys, sizes, strict=True))
        foreign = [key for key in self._there if not lake.is_part_of(key, self._task_id)]
        if foreign:
            raise StoreError(
                f"{self._store.url}{self._prefix} already holds {len(foreign)} objects of another "
                f"run with other options or another source, such as {foreign[0]}",
                hint="readers of the folder would see rows twice: remove those objects, or choose "
                "another lake, then run again",
            )

    @contextlib.contextmanager
    def uploads(self) -> Iterator[Callable[[Part], None]]:
        """Give a function that takes parts for upload; all are stored when the block ends.

        It raises what an earlier upload raised, so that nothing more is written in vain.
        """
        pending: collections.deque[tuple[Part, Future[Object]]] = collections.deque()
        pool = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="put")

        def upload(part: Part) -> None:
            pending.append((part, pool.submit(self._put, part)))
            while pending and pending[0][1].done():
                settle()

        def settle() -> None:
            part, future = pending.popleft()
            self._new.append((part, future.result()))

        try:
            yield upload
            while pending:
                settle()
        finally:
            pool.shutdown(cancel_futures=True)

    def _put(self, part: Part) -> Object:
        key = lake.part_key(self._prefix, part.value, part.number, self._task_id)
        if self._there.get(key) == part.size_bytes:
            found = self._store.stat(key)
            if found.sha256 == part.sha256:
                return found  # an interrupted run had finished this part
        return self._store.put(
            key,
            part.path,
            sha256=part.sha256,
            metadata={"compactor-task": self._task_id, "compactor-rows": str(part.rows)},
        )

    def read_back(self, rules: Sequence[Rule], evidence: verify.Evidence) -> None:
        """Read the newly stored bytes with the second engine."""
        new, self._new = self._new, []
        wanted = [Wanted(key=o.key, size_bytes=o.size_bytes, etag=o.etag) for _, o in new]
        folder = self._scratch / "back"
        folder.mkdir()
        back: list[tuple[str, Path, str, str | None]] = []
        for fetched in self._store.fetch(wanted, folder):
            if fetched.path is None:
                raise StoreError(
                    f"{wanted[fetched.index].key} cannot be read back: {fetched.error}"
                ) from fetched.error
            part, stored = new[fetched.index]
            back.append((part.value, fetched.path, part.sha256, stored.sha256))
        verify.read_stored(rules, back, evidence)
        shutil.rmtree(folder)
        for part, stored in new:
            self.paths[stored.key] = part.path
            self.objects.setdefault(part.value, []).append(
                StoredObject(
                    key=stored.key,
                    size_bytes=stored.size_bytes,
                    sha256=part.sha256,
                    rows=part.rows,
                    version_id=stored.version_id,
                )
            )

    def empty_leftovers(self, rules: Sequence[Rule], evidence: verify.Evidence) -> None:
        """Overwrite with empty files what an interrupted run of this task stored beyond ours.

        A large table is cut into parts by what scratch allows, so a run that was killed under other
        limits may have stored more of them. Nothing names them yet, but who reads the folder would
        take their rows twice, and a store cannot delete.
        """
        stored = {item.key for items in self.objects.values() for item in items}
        left = sorted(self._there.keys() - stored)
        if not left:
            return
        model = next((str(path) for path in self.paths.values() if path.exists()), None)
        folder = self._scratch / "emptied"
        folder.mkdir()
        with self.uploads() as upload:
            for number, key in enumerate(left):
                place = lake.part_place(key, self._prefix, self._task_id)
                if place is None or model is None:
                    raise StoreError(
                        f"{self._store.url}{key} was left by an interrupted run",
                        key=key,
                        hint="readers of the folder would see rows twice: remove it, run again",
                    )
                upload(_empty_part(model, folder / f"{number:08d}.parquet", *place))
        self.read_back(rules, evidence)


def _empty_part(model: str, path: Path, value: str, number: int) -> Part:
    """Write a file with the columns of another one, and no rows."""
    with cursor() as connection:
        connection.execute(query("compact/empty"), {"part": model, "path": str(path)})
    return Part(
        value=value,
        number=number,
        path=path,
        rows=0,
        size_bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )
