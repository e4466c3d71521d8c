"""The line: scan -> detect -> plan -> compact -> verify -> archive, then report and manifest.

The only module that knows the order of the stages, and the only one besides `cli` that sees the
whole `Config`. A failed table does not stop the others; what it was that failed decides the exit
code (`exit_code`).

Order of writes (see `lake.py`): the plan first, data, a document per table, the report, the
manifest last. A run that finds nothing new writes nothing at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from . import __version__, archive, detect, lake, plan, scan
from .compact import CompactOptions
from .config import Config, parse_retain, parse_size
from .decide import Verdict
from .errors import (
    CompactorError,
    ConfigError,
    ObjectUnreadable,
    SchemaDrift,
    SourceError,
    StoreError,
    VerificationFailed,
)
from .line import Limits, Outcome, Prepared, TableLine, prepare, size_histogram
from .listing import objects_by_table
from .members import Suspect
from .model import (
    Finding,
    ManifestRef,
    Plan,
    PlanTable,
    RunResult,
    Scan,
    StoredObject,
    TableResult,
    to_json,
)
from .progress import Progress, Quiet
from .store import open_store
from .store.interface import Store, Wanted

MAX_SAMPLED_SUSPECTS = 500
"""Above this, the footers of suspected duplicates are not looked at: most will be covered."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Stores:
    sources: tuple[Store, ...]
    lake: Store
    archive: Store | None


def refuse_overlap(config: Config) -> None:
    """Refuse a lake or archive inside a source: a run would find its own output there."""
    targets = [("lake.url", config.lake.url)]
    if config.archive is not None:
        targets.append(("archive.url", config.archive.url))
    for source in config.source.urls:
        for name, url in targets:
            if f"{url.rstrip('/')}/".startswith(f"{source.rstrip('/')}/"):
                raise ConfigError(
                    f"{name} {url} lies inside the source {source}",
                    hint="choose a prefix of its own for what is written",
                )


def open_stores(config: Config) -> Stores:
    """Open every store of the configuration; refuse an archive that cannot lock."""
    many = config.limits.concurrency
    refuse_overlap(config)
    sources = tuple(open_store(url, concurrency=many) for url in config.source.urls)
    vault = open_store(config.archive.url, concurrency=many) if config.archive else None
    if vault is not None:
        archive.preflight(vault)
    return Stores(sources, open_store(config.lake.url, concurrency=many), vault)


# --- scratch --------------------------------------------------------------------------------------


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


# --- scan and plan --------------------------------------------------------------------------------


def take_stock(config: Config, *, footers: bool = False, clock: Clock = utc_now) -> Scan:
    """Scan the sources: exports, tables, problems."""
    stores = tuple(
        open_store(url, concurrency=config.limits.concurrency) for url in config.source.urls
    )
    with scratch_folder(config.limits.scratch_path()) as folder:
        memory = config.limits.memory_bytes() // 2
        inventory = scan.scan(stores, folder)
        detected = detect.detect(inventory, folder, clock(), memory_bytes=memory)
        exports = detected.exports
        if footers:
            exports = scan.footers(stores, detected.assigned, exports)
            detected = detect.detect(
                inventory, folder, clock(), counted=exports, memory_bytes=memory
            )
        return Scan(exports=detected.exports, findings=detected.findings)


def plan_options(config: Config) -> plan.PlanOptions:
    retain = parse_retain(config.archive.retain) if config.archive else None
    return plan.PlanOptions.from_config(config, retain)


@dataclass(frozen=True, slots=True)
class Stock:
    """What a run works from."""

    detected: detect.Detected
    plan: Plan
    control: Mapping[tuple[int, str], bytes]
    prior: lake.Progress


def make_plan(config: Config, stores: Stores, folder: Path, clock: Clock) -> Stock:
    memory = config.limits.memory_bytes() // 2
    inventory = scan.scan(stores.sources, folder)
    detected = detect.detect(inventory, folder, clock(), memory_bytes=memory)
    prior = lake.progress(
        (key for page in stores.lake.list(lake.RUNS) for key in page.column("key").to_pylist()),
        config.archive.url if config.archive else None,
    )
    options = plan_options(config)
    adoptable = frozenset(prior.adoptable)
    todo = plan.plan(detected, {}, options, prior.done, adoptable, memory_bytes=memory)
    if any(table.action in ("compact", "decide") for table in todo.tables):
        suspects = sum(1 for table in todo.tables if table.action == "decide")
        wanted = {"compact"} if suspects > MAX_SAMPLED_SUSPECTS else {"compact", "decide"}
        open_tables = {table.table_no for table in todo.tables if table.action in wanted}
        samples = scan.sample(stores.sources, detected.assigned, open_tables)
        todo = plan.plan(detected, samples, options, prior.done, adoptable, memory_bytes=memory)
    return Stock(detected, todo, inventory.control, prior)


def preview(config: Config, clock: Clock = utc_now) -> Plan:
    """Return the plan that `run` would carry out now."""
    with scratch_folder(config.limits.scratch_path()) as folder:
        return make_plan(config, open_stores(config), folder, clock).plan


def hold_to(fresh: Plan, fixed: Plan) -> Plan:
    """Return the fresh plan cut down to what a printed plan names.

    Raises: SourceError if an object, or an option that shapes the output, has changed since.
    """
    now = {table.task_id: table for table in fresh.tables}
    by_name = {(t.export_id, t.database, t.table): t for t in fresh.tables}
    changed = []
    for table in fixed.tables:
        if table.task_id in now:
            continue
        current = by_name.get((table.export_id, table.database, table.table))
        if current is None:
            changed.append(f"{table.table} of {table.export_id}: is no longer there")
        elif current.objects_sha256 != table.objects_sha256:
            changed.append(
                f"{table.table} of {table.export_id}: planned {table.source_files} objects with "
                f"{table.source_bytes} bytes, now {current.source_files} with "
                f"{current.source_bytes}, or with other contents"
            )
        else:
            changed.append(f"{table.table} of {table.export_id}: other options than planned")
    if changed:
        raise SourceError(
            "the plan does not fit any more:\n  " + "\n  ".join(changed[:20]),
            hint="make a new plan and look at it",
        )
    wanted = {table.task_id for table in fixed.tables}
    kept = tuple(table for table in fresh.tables if table.task_id in wanted)
    return fresh.model_copy(update={"tables": kept, "plan_id": fixed.plan_id})


# --- run ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """What a run returns: the result, and the exit code that its errors and findings give."""

    result: RunResult
    exit_code: int


def run(
    config: Config,
    *,
    fixed: Plan | None = None,
    show: Progress | None = None,
    clock: Clock = utc_now,
    write_report: Callable[[RunResult], str] | None = None,
) -> Done:
    """Do the whole line once. See the module's docstring; never raises for a single table."""
    started = clock()
    stores = open_stores(config)
    with scratch_folder(config.limits.scratch_path()) as folder:
        stock = make_plan(config, stores, folder, clock)
        todo = stock.plan if fixed is None else hold_to(stock.plan, fixed)
        run_id = f"{started.strftime('%Y%m%dT%H%M%SZ')}-{todo.plan_id[:8]}"
        work = Run(
            config, stores, replace(stock, plan=todo), run_id, folder, show or Quiet(), clock
        )
        open_tables = [table for table in todo.tables if table.action != "done"]
        if open_tables:
            work.put_document("plan.json", to_json(todo).encode())
            work.tables()
        result = work.result(started, nothing=not open_tables)
        if open_tables:
            result = work.publish(result, write_report)
        return Done(result, exit_code(result, list(work.errors.values())))


class Run:
    """One run over a plan; holds what its steps share."""

    def __init__(
        self,
        config: Config,
        stores: Stores,
        stock: Stock,
        run_id: str,
        folder: Path,
        show: Progress,
        clock: Clock,
    ) -> None:
        self.config = config
        self.stores = stores
        self.stock = stock
        self.plan = stock.plan
        self.run_id = run_id
        self.folder = folder
        self.show = show
        self.clock = clock
        self.results: dict[str, TableResult] = {}
        self.errors: dict[str, CompactorError] = {}
        self._priors: dict[str, TableResult] = {}
        self._verified: set[str] = set()
        self.findings: list[Finding] = list(stock.detected.findings)
        scratch = config.limits.scratch_bytes()
        # room for the staged objects, the sorted table, its spill, the parts, and the next table
        self.limits = Limits(
            memory_bytes=int(config.limits.memory_bytes() * 0.75), chunk_bytes=scratch // 8
        )
        self.archive_url = config.archive.url if config.archive else None

    # --- tables ---

    def tables(self) -> None:
        """Take every open table through the line; parents before their members."""
        tables = [table for table in self.plan.tables if self._needs_work(table)]
        depths = self._depths()
        tables.sort(key=lambda table: (depths[table.task_id], table.table_no))
        numbers = {table.table_no for table in tables}
        numbers |= {member.table_no for table in tables for member in table.members}
        self.objects = objects_by_table(self.stock.detected.assigned, numbers)
        self.show.begin(len(tables), sum(table.source_bytes for table in tables))
        with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
            ahead: tuple[str, Future[Prepared]] | None = None
            for place, table in enumerate(tables):
                if table.task_id in self.results:
                    continue  # covered by its parent meanwhile
                first = ahead[1] if ahead and ahead[0] == table.task_id else None
                ahead = self._stage_ahead(pool, tables[place + 1 :])
                self._one(table, first)

    def _depths(self) -> dict[str, int]:
        """Return how many tables are above each one that may cover it: a parent may be a member."""
        above = {table.task_id: table.member_of for table in self.plan.tables}
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
        by_id = {other.task_id: other for other in self.plan.tables}
        suspects = []
        is_any_open = False
        for member in table.members:
            own = by_id.get(member.task_id)
            if own is None or member.task_id in self.results:
                continue
            is_open = own.action in ("compact", "decide")
            if is_open or self._was_covered(own):
                wanted = self.objects.get(member.table_no, []) if hasattr(self, "objects") else []
                suspects.append(Suspect(member, self.stores.sources[own.source], wanted))
                is_any_open |= is_open
        return suspects if is_any_open else []

    def _stage_ahead(
        self, pool: ThreadPoolExecutor, later: Sequence[PlanTable]
    ) -> tuple[str, Future[Prepared]] | None:
        """Bring the next table to scratch while this one is being worked on."""
        for table in later:
            if table.task_id in self.results or table.action == "adopt" or table.member_of:
                continue
            if table.source_bytes > self.limits.chunk_bytes:
                return None
            wanted = self.objects.get(table.table_no, [])
            if not wanted:
                continue
            folder = self.folder / table.task_id / "staged-0"
            store = self.stores.sources[table.source]
            keep_bytes = self.limits.memory_bytes // 4
            future = pool.submit(prepare, table, wanted, store, folder, self.show, keep_bytes)
            return table.task_id, future
        return None

    def _one(self, table: PlanTable, first: Future[Prepared] | None) -> None:
        """Take one table through; an error is kept with the table, and the next one goes on."""
        begin = time.monotonic()
        result: TableResult | None
        try:
            if table.action == "adopt":
                result = self._adopt(table)
                if self._open_members(table):  # the killed run had not come to write them down
                    outcome = self._compact(table, first)
                    self.findings += outcome.findings
                    self._settle_members(table, outcome.verdicts)
            else:
                outcome = self._compact(table, first)
                result = outcome.result
                self.findings += outcome.findings
                if result is not None:
                    seconds = round(time.monotonic() - begin, 3)
                    result = result.model_copy(update={"seconds": seconds})
                    result = self._finish(table, result, outcome.parts)
                if result is None or result.status != "failed":
                    # only now: a table that could not be finished covers nothing
                    self._settle_members(table, outcome.verdicts)
        except CompactorError as error:
            result = self._failed(table, error)
        if result is not None:
            self.results[table.task_id] = result
            self.show.table(table.table, result.status, rows=result.output_rows)
        shutil.rmtree(self.folder / table.task_id, ignore_errors=True)

    def _compact(self, table: PlanTable, first: Future[Prepared] | None) -> Outcome:
        own = self.config.table(table.database, table.table)
        folder = self.folder / table.task_id
        folder.mkdir(parents=True, exist_ok=True)
        line = TableLine(
            table,
            store=self.stores.sources[table.source],
            lake_store=self.stores.lake,
            options=CompactOptions(
                date_column=table.partition_column,
                grain=table.grain,
                sort_by=table.sort_by,
                timezone=self.config.compact.timezone,
                target_bytes=parse_size(self.config.compact.target_file_size),
                compression_level=self.config.compact.compression_level,
            ),
            limits=self.limits,
            folder=folder,
            progress=self.show,
        )
        return line.run(
            self.objects.get(table.table_no, []),
            self._open_members(table),
            first=first.result() if first else None,
            write=table.action not in ("done", "adopt"),
            fail_on_lossy=own.on_lossy == "fail",
        )

    def _settle_members(self, table: PlanTable, verdicts: Mapping[str, Verdict]) -> None:
        """Close the members that are covered; report the others as conflicts."""
        by_id = {other.task_id: other for other in self.plan.tables}
        covered: list[PlanTable] = []
        if verdicts:
            self._forget_suspicion(table)
        for task_id, verdict in verdicts.items():
            member = by_id[task_id]
            if verdict.covered:
                covered.append(member)
                self._cover(table, member, verdict)
            else:
                self._conflict(table, member, verdict)
        partitions = [member for member in covered if _export_of(member) == _export_of(table)]
        if partitions:
            self._proven(table, partitions, verdicts[partitions[0].task_id].reason)

    def _cover(self, table: PlanTable, member: PlanTable, verdict: Verdict) -> None:
        about = ("partition_conflict", member.export_id, member.table)
        self.findings = [  # a table above its own parent may have found it not to be its partition
            finding
            for finding in self.findings
            if (finding.kind, finding.export_id, finding.table) != about
        ]
        result = TableResult(
            task_id=member.task_id,
            export_id=member.export_id,
            database=member.database,
            table=member.table,
            snapshot=member.snapshot,
            status="covered",
            covered_by=f"{table.table} of {table.export_id}: {verdict.reason}",
            source_url=self.stores.sources[member.source].url,
            source_folder=member.folder,
            source_files=member.source_files,
            source_bytes=member.source_bytes,
            source_rows=verdict.rows,
            objects_sha256=member.objects_sha256,
            source_size_histogram=size_histogram(
                [item.size_bytes for item in self.objects.get(member.table_no, [])]
            ),
        )
        self.results[member.task_id] = result

    def _conflict(self, table: PlanTable, member: PlanTable, verdict: Verdict) -> None:
        same = _export_of(member) != _export_of(table)
        message = (
            f"{member.table} of {member.export_id} was delivered for the same snapshot as "
            f"{table.export_id}, but is not the same: {verdict.reason}; it is left out: both "
            "would be read as one table"
            if same
            else f"{member.table} looks like a partition of {table.table}, but {verdict.reason}; "
            "it stays a table of its own"
        )
        self.findings.append(
            Finding.model_validate(
                {
                    "kind": "duplicate_export" if same else "partition_conflict",
                    "severity": "error" if same else "warning",
                    "export_id": member.export_id,
                    "table": member.table,
                    "message": message,
                    "parent": table.table,
                    "difference": verdict.reason,
                }
            )
        )
        if same:
            error = SourceError(message)
            self.errors[member.task_id] = error
            self.results[member.task_id] = self._failed_result(member, error)

    def _forget_suspicion(self, table: PlanTable) -> None:
        """Drop what the scan suspected of a table whose members have been decided."""
        about = ("duplicate_partitions", table.export_id, table.table)
        self.findings = [
            finding
            for finding in self.findings
            if (finding.kind, finding.export_id, finding.table) != about
        ]

    def _proven(self, table: PlanTable, covered: Sequence[PlanTable], reason: str) -> None:
        """Tell what has been proven, in place of what the scan suspected."""
        self.findings.append(
            Finding.model_validate(
                {
                    "kind": "duplicate_partitions",
                    "severity": "info",
                    "export_id": table.export_id,
                    "table": table.table,
                    "message": f"{table.table} was exported twice over: {reason}; "
                    f"{len(covered)} partition folders are covered by it",
                    "parent": table.table,
                    "children": sorted(member.table for member in covered),
                    "proof": "proven",
                    "redundant_files": sum(member.source_files for member in covered),
                    "redundant_bytes": sum(member.source_bytes for member in covered),
                }
            )
        )

    # --- finishing a table ---

    def _finish(
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
            self._report_failure(table, raise_with)
            return result.model_copy(update={"error": str(raise_with)})
        self.put_document(
            lake.record_key(self.run_id, table.task_id, None), to_json(result).encode(), whole=True
        )
        self._verified.add(table.task_id)
        return self._lock(table, result, parts)

    def _lock(
        self, table: PlanTable, result: TableResult, parts: Mapping[str, Path]
    ) -> TableResult:
        if self.stores.archive is None or self.config.archive is None:
            return result
        self.show.table(table.table, "locking", objects=result.output_files)
        options = archive.ArchiveOptions(
            mode=self.config.archive.mode,
            retain=parse_retain(self.config.archive.retain),
            legal_hold=self.config.archive.legal_hold,
            storage_class=self.config.archive.storage_class,
        )
        back = self.folder / table.task_id / "archive"
        result = archive.archive(
            result,
            self.stores.archive,
            options,
            self._sidecars(table),
            lambda item: parts.get(item.key) or self._bring(item, back),
            now=self.clock(),
        )
        failed = [check for check in result.checks if check.status == "fail"]
        if failed:
            raise VerificationFailed(
                f"{table.table}: {failed[0].name} of {failed[0].subject}: expected "
                f"{failed[0].expected}, found {failed[0].actual}"
            )
        self.put_document(
            lake.record_key(self.run_id, table.task_id, self.archive_url),
            to_json(result).encode(),
            whole=True,
        )
        return result

    def _sidecars(self, table: PlanTable) -> dict[str, bytes]:
        prefix = lake.table_prefix(table.database, table.table, table.snapshot)
        return {
            f"{prefix}_control/{lake.segment(key.rpartition('/')[2])}": self.stock.control[
                (table.source, key)
            ]
            for key in table.control
        }

    def _bring(self, item: StoredObject, folder: Path) -> Path:
        """Fetch an object of the lake that is no longer on scratch, and check its digest."""
        target = folder / hashlib.sha256(item.key.encode()).hexdigest()
        target.mkdir(parents=True, exist_ok=True)
        found = self.stores.lake.stat(item.key)
        wanted = Wanted(key=item.key, size_bytes=item.size_bytes, etag=found.etag)
        for fetched in self.stores.lake.fetch([wanted], target):
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

    def _adopt(self, table: PlanTable) -> TableResult:
        """Take over a table that an interrupted run had verified; lock it if that is to do."""
        result = self._prior(table)
        if result.status in ("done", "adopted"):
            if not self._is_locked_here(table):
                result = self._lock(table, archive.unlocked(result), {})
            result = result.model_copy(update={"status": "adopted"})
        self.put_document(
            lake.record_key(self.run_id, table.task_id, self.archive_url),
            to_json(result).encode(),
            whole=True,
        )
        return result

    def _prior(self, table: PlanTable) -> TableResult:
        """Return what an interrupted run wrote down of a table."""
        if table.task_id not in self._priors:
            key = self.stock.prior.adoptable[table.task_id]
            try:
                self._priors[table.task_id] = TableResult.model_validate_json(
                    self.stores.lake.get(key)
                )
            except ValueError as error:
                raise StoreError(
                    f"{table.table}: {self.stores.lake.url}{key}, written by an interrupted run, "
                    f"cannot be used: {error}",
                    key=key,
                    hint="was it written by another version? remove it, then run again",
                ) from error
        return self._priors[table.task_id]

    def _was_covered(self, table: PlanTable) -> bool:
        if table.action != "adopt":
            return False
        try:
            return self._prior(table).status == "covered"
        except StoreError:
            return False  # said where the table itself is adopted

    def _is_locked_here(self, table: PlanTable) -> bool:
        """Tell whether the document of an interrupted run is about this very archive."""
        key = self.stock.prior.adoptable[table.task_id]
        run_id = key.removeprefix(lake.RUNS).partition("/")[0]
        return key == lake.record_key(run_id, table.task_id, self.archive_url)

    def _failed(self, table: PlanTable, error: CompactorError) -> TableResult:
        self._report_failure(table, error)
        return self._failed_result(table, error)

    def _report_failure(self, table: PlanTable, error: CompactorError) -> None:
        self.errors[table.task_id] = error
        match error:
            case ObjectUnreadable():
                kind = "unreadable_object"
            case SchemaDrift():
                kind = "schema_drift"
            case _:
                kind = "failed_table"
        self.findings.append(
            Finding.model_validate(
                {
                    "kind": kind,
                    "severity": "error",
                    "export_id": table.export_id,
                    "table": table.table,
                    "message": str(error),
                    "key": error.key or None,
                }
            )
        )

    def _failed_result(self, table: PlanTable, error: CompactorError) -> TableResult:
        return TableResult(
            task_id=table.task_id,
            export_id=table.export_id,
            database=table.database,
            table=table.table,
            snapshot=table.snapshot,
            status="failed",
            error=str(error),
            source_url=self.stores.sources[table.source].url,
            source_folder=table.folder,
            source_files=table.source_files,
            source_bytes=table.source_bytes,
            objects_sha256=table.objects_sha256,
        )

    # --- documents ---

    def put_document(self, name: str, body: bytes, *, whole: bool = False) -> str:
        """Write one document of this run; return its key."""
        key = name if whole else lake.run_key(self.run_id, name)
        self.stores.lake.put(key, body, sha256=hashlib.sha256(body).hexdigest())
        return key

    def result(self, started: datetime, *, nothing: bool) -> RunResult:
        failed = any(result.status == "failed" for result in self.results.values())
        order = {table.task_id: table.table_no for table in self.plan.tables}
        return RunResult(
            run_id=self.run_id,
            plan_id=self.plan.plan_id,
            status="nothing_to_do" if nothing else ("failed" if failed else "done"),
            started_at=started,
            finished_at=self.clock(),
            sources=tuple(store.url for store in self.stores.sources),
            lake=self.stores.lake.url,
            archive=self.stores.archive.url if self.stores.archive else None,
            tables=tuple(
                self.results[task] for task in sorted(self.results, key=lambda one: order[one])
            ),
            skipped=self.plan.skipped,
            findings=tuple(self.findings),
            versions=versions(),
        )

    def publish(
        self, result: RunResult, write_report: Callable[[RunResult], str] | None
    ) -> RunResult:
        """Write documents of covered tables, the report, and the manifest last."""
        good = [table for table in result.tables if table.status != "failed"]
        for table in good:
            if table.status == "covered":
                self.put_document(
                    lake.record_key(self.run_id, table.task_id, self.archive_url),
                    to_json(table).encode(),
                    whole=True,
                )
        for table in result.tables:
            if table.status == "failed" and table.task_id in self._verified:
                self.put_document(f"{lake.FAILED}/{table.task_id}.json", to_json(table).encode())
        manifest = b""
        if good:
            manifest = to_json(result.model_copy(update={"tables": tuple(good)})).encode()
            url = self.stores.lake.url + lake.run_key(self.run_id, "manifest.json")
            ref = ManifestRef(url=url, sha256=hashlib.sha256(manifest).hexdigest())
            result = result.model_copy(update={"manifest": ref})
        if write_report is not None:
            page = lake.run_key(self.run_id, "report.html")
            result = result.model_copy(update={"report": self.stores.lake.url + page})
            self.put_document("report.html", write_report(result).encode())
        self.put_document("report.json", to_json(result).encode())
        if good:
            self.put_document("manifest.json", manifest)
        return result


def _export_of(table: PlanTable) -> tuple[int, str]:
    return table.source, table.export_id


def versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("duckdb", "polars", "pyarrow", "obstore", "boto3")
    return {"compactor": __version__, **{name: version(name) for name in names}}


def exit_code(result: RunResult, errors: Sequence[CompactorError] = ()) -> int:
    """Return the exit code of a run: the gravest of verification (5), store (4), source (3)."""
    codes = {error.exit_code for error in errors}
    for code in (5, 4, 6, 1, 2):
        if code in codes:
            return code
    incomplete = any(finding.severity == "error" for finding in result.findings)
    return 3 if 3 in codes or incomplete else 0
