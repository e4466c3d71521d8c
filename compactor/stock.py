"""Take stock for a run: scan, detect, plan.

In:  the stores, the configuration.
Out: `Stock`: what there is, what is planned, what earlier runs have left.
IO:  listings or S3 Inventories, sidecars, a few footers.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from . import commitment, detect, lake, peek, plan, scan
from .config import Config
from .model import Plan
from .places import Stores, chain_url, open_inventories
from .progress import warning
from .quantities import parse_retain
from .read_options import read_options

MAX_SAMPLED_SUSPECTS = 500
"""Above this, the footers of suspected duplicates are not looked at: most will be covered."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What a run works from."""

    detected: detect.Detected
    plan: Plan
    control: Mapping[tuple[int, str], bytes]
    prior: lake.Progress
    unlinked: lake.Unlinked
    """Runs that the evidence chain may not know yet."""


def take(config: Config, stores: Stores, folder: Path, now: datetime) -> Stock:
    """Scan, detect and plan; `folder` is scratch and keeps the assigned listing."""
    memory = config.limits.memory_bytes() // 2
    inventory = scan.scan(stores.sources, folder, open_inventories(config, now))
    options, told = read_options(config, now)
    detected = detect.detect(inventory, folder, now, options=options, memory_bytes=memory)
    detected = replace(detected, findings=(*detected.findings, *told))
    _warn_of_unused(config, detected)
    runs = [key for page in stores.lake.list(lake.RUNS) for key in page.column("key").to_pylist()]
    prior = lake.progress(
        runs,
        config.archive.url if config.archive else None,
        batch_counts=config.archive is not None and config.archive.method == "batch",
    )
    unlinked = lake.unlinked(runs, chain_url(config))
    shape = _plan_options(config)
    adoptable = frozenset(prior.adoptable)
    todo = plan.plan(detected, {}, shape, prior.done, adoptable, memory_bytes=memory)
    if any(table.action in ("compact", "decide") for table in todo.tables):
        suspects = sum(1 for table in todo.tables if table.action == "decide")
        wanted = {"compact"} if suspects > MAX_SAMPLED_SUSPECTS else {"compact", "decide"}
        open_tables = [table for table in todo.tables if table.action in wanted]
        parquet = {table.table_no for table in open_tables if table.read_as is None}
        text = [table for table in open_tables if table.read_as is not None]
        samples = scan.sample(stores.sources, detected.assigned, parquet) if parquet else {}
        if text:
            samples |= peek.peek(stores.sources, detected.assigned, text)
        todo = plan.plan(detected, samples, shape, prior.done, adoptable, memory_bytes=memory)
    return commit(config, Stock(detected, todo, inventory.control, prior, unlinked), now)


def commit(config: Config, stock: Stock, now: datetime) -> Stock:
    """Return the stock whose plan says what a run would lock anew."""
    if config.archive is None:
        return stock
    url = config.archive.url
    locked = {
        task for task, key in stock.prior.adoptable.items() if lake.is_locked_record(key, url)
    }
    found = commitment.commitment(stock.plan, config.archive, locked, now)
    return replace(stock, plan=stock.plan.model_copy(update={"commitment": found}))


def _warn_of_unused(config: Config, detected: detect.Detected) -> None:
    """Say which `[tables]` sections name no table: a slip of the pen must not be silent."""
    names = {f"{one.database}.{table.table}" for one in detected.exports for table in one.tables}
    for section in sorted(config.tables.keys() - names):
        near = difflib.get_close_matches(section, names, 1, cutoff=0.85)
        told = {"perhaps": near[0]} if near else {}
        warning("no table of this name in the sources", section=f'[tables."{section}"]', **told)


def _plan_options(config: Config) -> plan.PlanOptions:
    retain = parse_retain(config.archive.retain) if config.archive else None
    return plan.PlanOptions.from_config(config, retain)
