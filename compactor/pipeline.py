"""The line: scan -> detect -> plan -> compact -> verify -> archive, then report and evidence.

The only module that knows the order of the stages. What it was that failed decides the exit code
(`exit_code`).

Order of writes (see `lake.py`): the plan first, data, a document per table, the report, the
manifest, then its link in the chain of evidence. A run that finds nothing new writes nothing at
all, unless an earlier run was interrupted before its link.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from . import batch_copy, commitment, detect, progress, scan, second_engine, stock
from .config import Config
from .errors import CompactorError, SourceError
from .ledger import Ledger
from .model import Commitment, Plan, RunResult, Scan, to_json, utc_text
from .places import Sources, Stores, open_inventories, open_stores
from .progress import Progress, Quiet
from .read_options import read_options
from .scratch import scratch_folder
from .store import open_store
from .work import Work

if TYPE_CHECKING:
    from .evidence.notary import Notary

Clock = Callable[[], datetime]
WriteReport = Callable[[RunResult], str]


def utc_now() -> datetime:
    return datetime.now(UTC)


def take_stock(config: Config, *, footers: bool = False, clock: Clock = utc_now) -> Scan:
    """Scan the sources: exports, tables, problems."""
    stores = tuple(
        open_store(url, concurrency=config.limits.concurrency) for url in config.source.urls
    )
    with scratch_folder(config.limits.scratch_path()) as folder:
        memory = config.limits.memory_bytes() // 2
        now = clock()
        inventory = scan.scan(stores, folder, open_inventories(config, now))
        options, told = read_options(config, now)
        detected = detect.detect(inventory, folder, now, options=options, memory_bytes=memory)
        if footers:
            exports = scan.footers(stores, detected.assigned, detected.exports)
            detected = detect.detect(
                inventory, folder, now, exports, options=options, memory_bytes=memory
            )
        return Scan(exports=detected.exports, findings=(*detected.findings, *told))


def preview(config: Config, clock: Clock = utc_now) -> Plan:
    """Return the plan that `run` would carry out now."""
    with scratch_folder(config.limits.scratch_path()) as folder:
        return stock.take(config, open_stores(config), folder, clock()).plan


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
    load_report: Callable[[], WriteReport] | None = None,
    accept_retention: bool = False,
) -> Done:
    """Do the whole line once. See the module's docstring; never raises for a single table.

    `load_report` returns what makes the report. It is called while the tables are being worked on.
    `accept_retention`: lock under COMPLIANCE whatever that costs.

    Raises: ConfigError before anything is written, if a lock would last too long or its cost was
            not accepted (`commitment.py`).
    """
    started = clock()
    stores = open_stores(config)
    if config.archive is not None and config.archive.method == "batch":
        batch_copy.target_prefix(stores)
    notary = _notary(config, stores, clock)
    with scratch_folder(config.limits.scratch_path()) as folder:
        taken = stock.take(config, stores, folder, clock())
        if fixed is not None:
            kept = hold_to(taken.plan, fixed)
            taken = stock.commit(config, replace(taken, plan=kept), clock())
        todo = taken.plan
        # two runs may begin in one second; neither may be taken for the other
        run_id = f"{started.strftime('%Y%m%dT%H%M%SZ')}-{todo.plan_id[:8]}-{secrets.token_hex(3)}"
        vault = config.archive.url if config.archive else None
        allowance = (
            commitment.Allowance(config.archive, accepted=accept_retention)
            if config.archive
            else None
        )
        ledger = Ledger(run_id, todo, stores, vault, taken.detected.findings, allowance)
        if notary is not None:
            ledger.append_late(notary, taken.unlinked)
        open_tables = [table for table in todo.tables if table.action != "done"]
        if not open_tables:
            result = ledger.result(started, clock(), nothing=True)
            return Done(result, exit_code(result, list(ledger.errors.values())))
        if todo.commitment is not None:
            _announce(todo.commitment)
            commitment.refuse(todo.commitment, accepted=accept_retention)
        ledger.put_document("plan.json", to_json(todo).encode())
        with ThreadPoolExecutor(1, thread_name_prefix="aside") as aside:
            # slow imports, while the first objects are being decoded
            aside.submit(second_engine.load)
            write_report = aside.submit(load_report) if load_report else None
            show = show or Quiet()
            Work(config, taken, ledger, folder=folder, show=show, clock=clock).tables(aside)
            if config.archive is not None and ledger.batched:
                tables = tuple(ledger.batched.values())
                ledger.findings.append(batch_copy.prepare(config.archive, stores, run_id, tables))
            result = ledger.result(started, clock(), nothing=False)
            sources = Sources(
                assigned=taken.detected.assigned,
                tables={table.task_id: table.table_no for table in todo.tables},
                memory_bytes=config.limits.memory_bytes() // 2,
            )
            made = write_report.result() if write_report else None
            result = ledger.publish(result, made, notary, sources)
        return Done(result, exit_code(result, list(ledger.errors.values())))


def _notary(config: Config, stores: Stores, clock: Clock) -> Notary | None:
    if config.evidence is None:
        return None
    from .evidence.notary import open_notary  # what signs takes a while to import

    return open_notary(config, stores, clock)


def _announce(found: Commitment) -> None:
    """Say on stderr what is about to be locked, before it is."""
    if found.tables:
        progress.event(
            "locks",
            mode=found.mode,
            tables=found.tables,
            bytes=found.bytes,
            years=round(found.months / 12, 2),
            until=utc_text(found.until),
            usd_gb_month=found.usd_gb_month,
            usd=found.usd,
        )


def exit_code(result: RunResult, errors: Sequence[CompactorError] = ()) -> int:
    """Return the exit code of a run: the gravest of verification (5), store (4), source (3)."""
    codes = {error.exit_code for error in errors}
    for code in (5, 4, 6, 1, 2):
        if code in codes:
            return code
    incomplete = any(finding.severity == "error" for finding in result.findings)
    return 3 if 3 in codes or incomplete else 0
