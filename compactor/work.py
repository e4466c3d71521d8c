"""One run over a plan: every open table through its line, parents before their members.

In:  the plan, the listing, the stores.
Out: results, errors and findings in the ledger.
IO:  through the stages that it calls.

A failed table does not stop the others. While one table is worked on, the next one is brought to
scratch.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from .archive import ArchiveOptions
from .compact import CompactOptions
from .config import Config
from .errors import CompactorError
from .finish import Finisher
from .ledger import Ledger
from .line import Outcome, TableLine
from .listing import objects_by_table
from .members import Suspect
from .model import PlanTable, TableResult
from .prepare import Coming, begin
from .progress import Progress
from .quantities import parse_retain, parse_size
from .scratch import Room
from .settle import settle
from .stock import Stock
from .store.interface import Wanted


class Work:
    """The tables of one run; `folder` is its scratch."""

    def __init__(
        self,
        config: Config,
        stock: Stock,
        ledger: Ledger,
        *,
        folder: Path,
        show: Progress,
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._folder = folder
        self._show = show
        self._by_id = {table.task_id: table for table in ledger.plan.tables}
        self._assigned = stock.detected.assigned
        self._objects: dict[int, list[Wanted]] = {}
        options = _archive_options(config)
        self._finisher = Finisher(ledger, stock, options, folder, show, clock)
        # room for the staged objects, the sorted table, its spill, the parts, and the next table
        self._room = Room(
            folder=folder,
            memory_bytes=int(config.limits.memory_bytes() * 0.75),
            chunk_bytes=config.limits.scratch_bytes() // 8,
        )

    def tables(self, aside: Executor) -> None:
        """Take every open table through the line; parents before their members.

        `aside` clears scratch of finished tables.
        """
        tables = [table for table in self._ledger.plan.tables if self._needs_work(table)]
        depths = self._depths()
        tables.sort(key=lambda table: (depths[table.task_id], table.table_no))
        numbers = {table.table_no for table in tables}
        numbers |= {member.table_no for table in tables for member in table.members}
        self._objects = objects_by_table(self._assigned, numbers)
        self._show.begin(len(tables), sum(table.source_bytes for table in tables))
        ahead: tuple[str, Coming] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
            try:
                for place, table in enumerate(tables):
                    if table.task_id in self._ledger.results:
                        continue  # covered by its parent meanwhile
                    first = ahead[1] if ahead and ahead[0] == table.task_id else None
                    if ahead and first is None:
                        ahead[1].feed.leave()
                    if first is None and table.action != "adopt":
                        self._show.table(table.table, "staging", objects=table.source_files)
                        first = self._begin(pool, table)
                    ahead = self._begin_ahead(pool, tables[place + 1 :])
                    self._one(table, first)
                    scratch = self._folder / table.task_id
                    aside.submit(shutil.rmtree, scratch, ignore_errors=True)
            finally:
                if ahead:
                    ahead[1].feed.leave()

    def _depths(self) -> dict[str, int]:
        """Return how many tables are above each one that may cover it: a parent may be a member."""
        above = {table.task_id: table.member_of for table in self._ledger.plan.tables}
        depths: dict[str, int] = {}
        for task in above:
            depth, parent = 0, above[task]
            while parent is not None:
                depth, parent = depth + 1, above.get(parent)
            depths[task] = depth
        return depths

    def _needs_work(self, table: PlanTable) -> bool:
        return table.action != "done" or bool(self._open_members(table))

    def _open_members(self, table: PlanTable) -> list[Suspect]:
        """Return the members of a table that nothing has settled: no earlier run, no other table.

        Where there are any, those that a killed run has already found covered come along: they are
        decided together, because only together they make up the table.
        """
        suspects = []
        is_any_open = False
        for member in table.members:
            own = self._by_id.get(member.task_id)
            if own is None or member.task_id in self._ledger.results:
                continue
            is_open = own.action in ("compact", "decide")
            if is_open or self._finisher.was_covered(own):
                store = self._ledger.stores.sources[own.source]
                wanted = self._objects.get(member.table_no, [])
                suspects.append(Suspect(member, store, wanted, own.format))
                is_any_open |= is_open
        return suspects if is_any_open else []

    def _begin_ahead(
        self, pool: ThreadPoolExecutor, later: Sequence[PlanTable]
    ) -> tuple[str, Coming] | None:
        """Bring the next table to scratch while this one is being worked on."""
        for table in later:
            if table.task_id in self._ledger.results or table.action == "adopt" or table.member_of:
                continue
            if table.source_bytes > self._room.chunk_bytes:
                return None
            coming = self._begin(pool, table)
            if coming is not None:
                return table.task_id, coming
        return None

    def _begin(self, pool: ThreadPoolExecutor, table: PlanTable) -> Coming | None:
        """Start to bring a table to scratch that is not cut into chunks."""
        wanted = self._objects.get(table.table_no, [])
        if not wanted or table.source_bytes > self._room.chunk_bytes:
            return None
        folder = self._folder / table.task_id / "staged-0"
        store = self._ledger.stores.sources[table.source]
        return begin(pool, table, wanted, store, folder, self._show)

    def _one(self, table: PlanTable, first: Coming | None) -> None:
        """Take one table through; an error is kept with the table, and the next one goes on."""
        begin = time.monotonic()
        result: TableResult | None
        try:
            if table.action == "adopt":
                result = self._finisher.adopt(table)
                if self._open_members(table):  # the killed run had not come to write them down
                    self._settle(table, self._compact(table, first))
            else:
                outcome = self._compact(table, first)
                result = outcome.result
                if result is not None:
                    seconds = round(time.monotonic() - begin, 3)
                    result = result.model_copy(update={"seconds": seconds})
                    result = self._finisher.finish(table, result, outcome.parts)
                if result is None or result.status != "failed":
                    # only now: a table that could not be finished covers nothing
                    self._settle(table, outcome)
        except CompactorError as error:
            result = self._ledger.fail(table, error)
        finally:
            if first is not None:
                first.feed.leave()
        if result is not None:
            self._ledger.results[table.task_id] = result
            self._show.table(table.table, result.status, rows=result.output_rows)

    def _compact(self, table: PlanTable, first: Coming | None) -> Outcome:
        own = self._config.table(table.database, table.table)
        (self._folder / table.task_id).mkdir(parents=True, exist_ok=True)
        line = TableLine(
            table,
            store=self._ledger.stores.sources[table.source],
            lake_store=self._ledger.stores.lake,
            options=CompactOptions(
                date_column=table.partition_column,
                grain=table.grain,
                sort_by=table.sort_by,
                timezone=self._config.compact.timezone,
                target_bytes=parse_size(self._config.compact.target_file_size),
                compression_level=self._config.compact.compression_level,
                fail_on_lossy=own.on_lossy == "fail",
                portable=self._config.verify.portable,
            ),
            room=self._room.below(table.task_id),
            progress=self._show,
        )
        outcome = line.run(
            self._objects.get(table.table_no, []),
            self._open_members(table),
            first=first,
            write=table.action not in ("done", "adopt"),
        )
        self._ledger.findings += outcome.findings
        return outcome

    def _settle(self, table: PlanTable, outcome: Outcome) -> None:
        def sizes(member: PlanTable) -> list[int]:
            return [item.size_bytes for item in self._objects.get(member.table_no, [])]

        settle(self._ledger, table, outcome.verdicts, sizes)


def _archive_options(config: Config) -> ArchiveOptions | None:
    if config.archive is None:
        return None
    return ArchiveOptions(
        mode=config.archive.mode,
        retain=parse_retain(config.archive.retain),
        legal_hold=config.archive.legal_hold,
        method=config.archive.method,
    )
