"""After a table's checks: write down that they passed, lock its objects, write that down.

In:  the result of a table, its parts on scratch or in the lake.
Out: the result, with the archive's versions and checks.
IO:  records into the lake; the archive. Also takes over what an interrupted run has verified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from . import archive, batch_copy, lake
from .archive import ArchiveOptions
from .errors import StoreError, VerificationFailed
from .ledger import Ledger
from .model import PlanTable, StoredObject, TableResult
from .progress import Progress
from .stock import Stock
from .store.interface import Wanted


class Finisher:
    """`options` is None without an archive; `folder` is the run's scratch."""

    def __init__(
        self,
        ledger: Ledger,
        stock: Stock,
        options: ArchiveOptions | None,
        folder: Path,
        show: Progress,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._control = stock.control
        self._prior = stock.prior.adoptable
        self._options = options
        self._folder = folder
        self._show = show
        self._clock = clock
        self._priors: dict[str, TableResult] = {}

    def finish(
        self, table: PlanTable, result: TableResult, parts: Mapping[str, Path]
    ) -> TableResult:
        """Write the table's document, lock it if an archive is configured, write that down."""
        if result.status == "failed":
            failed = [check for check in result.checks if check.status == "fail"]
            first = failed[0]
            raise_with = VerificationFailed(
                f"{table.table}: {len(failed)} checks failed, the first: {first.name} of "
                f"{first.subject}: expected {first.expected}, found {first.actual} "
                f"({first.source})",
                hint="its objects stay in the lake without a manifest that names them; keep the "
                "export, and report this with the run's report.json",
            )
            self._ledger.note_failure(table, raise_with)
            return result.model_copy(update={"error": str(raise_with)})
        self._ledger.put_verified(result)
        return self._lock(table, result, parts)

    def _lock(
        self, table: PlanTable, result: TableResult, parts: Mapping[str, Path]
    ) -> TableResult:
        vault = self._ledger.stores.archive
        if vault is None or self._options is None:
            return result
        self._show.table(table.table, "locking", objects=result.output_files)
        back = self._folder / table.task_id / "archive"
        sidecars = self._sidecars(table)
        if self._ledger.allowance is not None:
            self._ledger.allowance.take(result, sum(map(len, sidecars.values())))
        partitions = result.partitions
        has_objects = any(part.objects for part in partitions)
        is_copied_here = self._options.method == "copy" or not has_objects
        if not is_copied_here:  # only the sidecars, which are not in the lake
            result = result.model_copy(update={"partitions": ()})
        result = archive.archive(
            result,
            vault,
            self._options,
            sidecars,
            lambda item: parts.get(item.key) or self._bring(item, back),
            now=self._clock(),
        )
        if not is_copied_here:
            result = result.model_copy(update={"partitions": partitions})
            retention = archive.retention_of(result, self._options, self._clock())
            large = batch_copy.copy_large(self._ledger.stores.lake, vault, result, retention)
            result = result.model_copy(update={"checks": (*result.checks, *large)})
        failed = [check for check in result.checks if check.status == "fail"]
        if failed:
            raise VerificationFailed(
                f"{table.table}: {failed[0].name} of {failed[0].subject}: expected "
                f"{failed[0].expected}, found {failed[0].actual}"
            )
        if is_copied_here:
            self._ledger.put_finished(result)
        else:
            self._ledger.put_batched(result)
        return result

    def _sidecars(self, table: PlanTable) -> dict[str, bytes]:
        prefix = lake.table_prefix(table.database, table.table, table.snapshot)
        return {
            f"{prefix}_control/{lake.segment(key.rpartition('/')[2])}": self._control[
                (table.source, key)
            ]
            for key in table.control
        }

    def _bring(self, item: StoredObject, folder: Path) -> Path:
        """Fetch an object of the lake that is no longer on scratch, and check its digest."""
        target = folder / hashlib.sha256(item.key.encode()).hexdigest()
        target.mkdir(parents=True, exist_ok=True)
        found = self._ledger.stores.lake.stat(item.key)
        wanted = Wanted(key=item.key, size_bytes=item.size_bytes, etag=found.etag)
        for fetched in self._ledger.stores.lake.fetch([wanted], target):
            if fetched.path is None:
                raise StoreError(
                    f"{item.key} cannot be read from the lake: {fetched.error}"
                ) from fetched.error
            with fetched.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != item.sha256:
                raise VerificationFailed(
                    f"{item.key} has changed in the lake since it was verified: expected SHA-256 "
                    f"{item.sha256}, found {digest}"
                )
            return fetched.path
        raise StoreError(f"{item.key} was not delivered by the lake")

    def adopt(self, table: PlanTable) -> TableResult:
        """Take over a table that an interrupted run had verified; lock it if that is to do."""
        result = self._record(table)
        if result.status in ("done", "adopted"):
            if not self._is_locked_here(table):
                result = self._lock(table, archive.unlocked(result), {})
            result = result.model_copy(update={"status": "adopted"})
        if table.task_id not in self._ledger.batched:
            self._ledger.put_finished(result)
        return result

    def _record(self, table: PlanTable) -> TableResult:
        """Return what an interrupted run wrote down of a table."""
        if table.task_id not in self._priors:
            key = self._prior[table.task_id]
            try:
                self._priors[table.task_id] = TableResult.model_validate_json(
                    self._ledger.stores.lake.get(key)
                )
            except ValueError as error:
                raise StoreError(
                    f"{table.table}: {self._ledger.stores.lake.url}{key}, written by an "
                    f"interrupted run, cannot be used: {error}",
                    key=key,
                    hint="was it written by another version? remove it, then run again",
                ) from error
        return self._priors[table.task_id]

    def was_covered(self, table: PlanTable) -> bool:
        if table.action != "adopt":
            return False
        try:
            return self._record(table).status == "covered"
        except StoreError:
            return False  # said where the table itself is adopted

    def _is_locked_here(self, table: PlanTable) -> bool:
        """Tell whether the document of an interrupted run is about this very archive."""
        url = self._ledger.archive_url
        return url is not None and lake.is_locked_record(self._prior[table.task_id], url)
