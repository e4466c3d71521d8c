"""Register the lake's tables in the Glue Data Catalog, and have Athena count them.

In:  the configuration, names of tables. Out: `CatalogResult`. IO: reads manifests; Glue's API, and
Athena's where counts are asked for.

Order: (1) manifests say what there is; (2) Glue says what it has; (3) `glue_diff` compares, before
anything is written; (4) the calls are made, one after the other; (5) Athena counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .. import lake_tables
from ..config import Config, Place
from ..errors import Changed, ConfigError
from ..lake_tables import LakeTable, LakeTables
from ..progress import Progress, Quiet
from ..store import open_store
from . import athena_rows, aws, layout
from .athena import Athena, Wait
from .athena_rows import Counts
from .changes import CatalogResult
from .glue import Glue
from .glue_diff import GlueState, diff, newest_run
from .layout import CatalogTable
from .views import views


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogOptions:
    """What the command line says."""

    tables: tuple[str, ...] = ()
    """`database.table`; empty for all."""
    place: Place | None = None
    """None: as configured."""
    dry_run: bool = False
    count: bool = False


def register(
    config: Config, options: CatalogOptions, *, wait: Wait, show: Progress | None = None
) -> CatalogResult:
    """Compare, register, count; see the module's docstring. Safe to repeat.

    `wait` pauses for that many seconds between two looks at a query.

    Raises: ConfigError for options that contradict each other, a table that is not there, a place
            that is not in S3; Changed, Denied, StoreError. What was done before an error stays, and
            readers of the views have complete snapshots.
    """
    if options.count and options.dry_run:
        raise ConfigError(
            "--count asks about what is registered, and --dry-run registers nothing",
            hint="leave one of them out",
        )
    show = show or Quiet()
    place = options.place or config.catalog.place
    url = _url(config, place)
    known = lake_tables.read_tables(
        open_store(config.lake.url, concurrency=config.limits.concurrency)
    )
    chosen = _chosen(known, lake_tables.lying_in(config, place, known), options.tables, url)
    tables = layout.layout(known, chosen, url, config.catalog.database_prefix)
    glue = Glue(aws.open_client("glue"))
    state = _state(tables, glue)
    _refuse_old_news(known, state, config.lake.url)
    found = diff(tables, state, config.lake.url, is_whole=not options.tables)
    if not options.dry_run:
        for call in found.calls:
            show.table(call.where, call.operation)
            glue.apply(call)
    refused = {change.source for change in found.changes if change.action == "refused"}
    counts = Counts()
    if options.count:
        asked = [one for one in tables if one.source.name not in refused]
        counts = athena_rows.count(asked, _athena(config, wait))
    status: Literal["done", "nothing_to_do", "would_change"] = (
        "nothing_to_do" if not found.calls else "would_change" if options.dry_run else "done"
    )
    return CatalogResult(
        status=status,
        url=url,
        changes=found.changes,
        warnings=_warnings(tables),
        checks=counts.checks,
        read_calls=glue.reads,
        write_calls=len(found.calls),
        queries=counts.queries,
        bytes_scanned=counts.bytes_scanned,
        cost_usd=counts.cost_usd,
    )


def _chosen(
    known: LakeTables, lying: LakeTables, names: Sequence[str], url: str
) -> Sequence[LakeTable]:
    """Return the tables that are asked for, with the snapshots that lie in that place."""
    chosen = known.choose(names)
    there = {one.name: one for one in lying.tables}
    missing = [one.name for one in chosen if one.name not in there]
    if names and missing:
        raise ConfigError(
            f"no snapshot of {missing[0]} lies in {url} as a whole",
            hint="run compactor run with that archive, or say --place lake",
        )
    return [there[one.name] for one in chosen if one.name in there]


def _state(tables: Sequence[CatalogTable], glue: Glue) -> GlueState:
    externals = [(one.database, each.name) for one in tables for each in one.externals]
    return glue.state(dict.fromkeys(one.database for one in tables), externals)


def _refuse_old_news(known: LakeTables, state: GlueState, lake_url: str) -> None:
    """Refuse to go on with manifests that were read before those that Glue shows already.

    Between the two readings, a run may have ended and somebody may have registered it: views would
    go back to an older snapshot.
    """
    shown = newest_run(state, lake_url)
    newest = max((one.run_id for table in known.tables for one in table.snapshots), default="")
    if shown > newest:
        raise Changed(
            f"Glue shows the run {shown} already, which is newer than all manifests read: {newest}",
            hint="run again; if the lake has lost that run, drop its views in Glue yourself",
        )


def _url(config: Config, place: Place) -> str:
    """Return the URL whose objects the tables read; the lake's own form, with a trailing slash."""
    url = lake_tables.url_of(config, place)
    if not url.startswith("s3://"):
        raise ConfigError(
            f"Athena reads from S3 alone, and the {place} is {url}",
            hint="compactor query reads a local lake",
        )
    return open_store(url).url


def _athena(config: Config, wait: Wait) -> Athena:
    return Athena(
        aws.open_client("athena"),
        workgroup=config.catalog.workgroup,
        output=config.catalog.output,
        wait=wait,
    )


def _warnings(tables: Sequence[CatalogTable]) -> tuple[str, ...]:
    told = [warning for one in tables for warning in one.warnings]
    told += [
        f"{view.database}.{view.name} leaves out the {view.left_out} oldest snapshots: Athena does "
        "not take a longer view"
        for one in tables
        for view in views(one)
        if view.left_out
    ]
    return tuple(told)
