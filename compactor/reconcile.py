"""Hold the rows of export, lake and archive against the database that they came from.

In:  the configuration; a database, or a counts file, or neither.
Out: `Reconciliation`: every number with where it is from and when, and what follows.
IO:  reads the database (one transaction, READ ONLY), manifests, footers, versions. Writes nothing.

Order: (1) manifests name the tables; (2) the database counts them, all at one moment; (3) lake and
archive are looked at; (4) `agree.py` compares. The database comes first: if it cannot be reached,
nothing else was done for nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlglot import exp

from . import agree, database_profile, recount
from .agree import Asked
from .config import Config
from .counts import Counted, read_counts
from .database import Database, DatabaseTable, count_rows, open_database, parse_predicate
from .dsn import Dsn
from .errors import ConfigError, SourceError
from .model import CheckStatus
from .profile import ColumnProfile
from .progress import Progress, Quiet
from .reconciliation import ColumnCheck, Number, OnlyCounted, Reconciliation, worst
from .recount import Held, Recount
from .scratch import Room, scratch_folder
from .store import open_store
from .store.interface import Store

AT_SNAPSHOT = "it is at the snapshot, says --at-snapshot"
_WITH_ROWS = frozenset({"table", "partitioned table"})

Name = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """What the command line says; `timeout_s` is of one statement, 0 for no limit."""

    dsn: Dsn | None = None
    counts: Path | None = None
    tables: tuple[str, ...] = ()
    """`database.table`, or the table's own name; empty for all."""
    run_id: str | None = None
    profile: bool = False
    at_snapshot: bool = False
    where: str | None = None
    timeout_s: float = 3600.0


def reconcile(
    config: Config,
    options: ReconcileOptions,
    *,
    clock: Callable[[], datetime],
    show: Progress | None = None,
) -> Reconciliation:
    """Compare; see the module's docstring.

    Raises: ConfigError for options that contradict each other, or name what is not there;
            SourceError if the database cannot be reached; StoreError.
    """
    _refuse_contradictions(options)
    lake = open_store(config.lake.url, concurrency=config.limits.concurrency)
    show = show or Quiet()
    said = _ask(config, options, recount.held_tables(lake, options.run_id), show)
    # the transaction is over: looking at the lake may take long
    counted = recount.recount(lake, said.chosen)
    asked = dict(said.asked)
    if said.side.profiled:
        limits = config.limits
        with scratch_folder(limits.scratch_path()) as folder:
            room = Room(
                folder=folder,
                memory_bytes=limits.memory_bytes(),
                chunk_bytes=limits.scratch_bytes() // 4,
            )
            for name, profiled in said.side.profiled.items():
                show.table(name[1], "profiling")
                asked[name] = _with_columns(asked[name], profiled, counted[name], _Lake(lake, room))
    now = clock()
    vault = _Vault(config)
    tables = tuple(
        agree.reconciled(
            one,
            agree.lake_found(one, counted[one.name], now),
            vault.found(one, now),
            asked[one.name],
        )
        for one in said.chosen
    )
    return Reconciliation(
        status=worst([table.status for table in tables]),
        counted_from=said.side.origin,
        server=said.side.server,
        counted_at=said.side.at,
        recounted_at=now,
        lake=lake.url,
        archive=vault.url,
        tables=tables,
        only_counted=said.only,
        notes=said.side.notes,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What the side that counts has said, of which tables."""

    side: _Side
    chosen: Sequence[Held]
    asked: Mapping[Name, Asked]
    only: tuple[OnlyCounted, ...]


def _ask(config: Config, options: ReconcileOptions, held: Sequence[Held], show: Progress) -> _Said:
    """Choose the tables, and have them counted in one transaction, or looked up in the file."""
    with ExitStack() as stack:
        side = _Side()
        if options.counts is not None:
            side = _File(options, read_counts(options.counts))
        elif options.dsn is not None:
            database = stack.enter_context(open_database(options.dsn, options.timeout_s))
            side = _Connected(database, options, _predicates(config, options))
        named = {one.name for one in held}
        names = _selected(options.tables, named | side.names())
        chosen = [one for one in held if one.name in names]
        asked: dict[Name, Asked] = {}
        for one in chosen:
            if options.dsn is not None:
                show.table(one.result.table, "counting")
            asked[one.name] = side.ask(one)
        return _Said(side, chosen, asked, side.others(named, names, options.run_id))


def _refuse_contradictions(options: ReconcileOptions) -> None:
    problems = []
    if options.dsn is not None and options.counts is not None:
        problems.append("--dsn and --counts are two sources of the same number")
    if options.at_snapshot and options.where is not None:
        problems.append(
            "--where is for a database that went on, --at-snapshot for one that did not"
        )
    if options.dsn is None:
        for given, flag in ((options.where, "--where"), (options.profile, "--profile")):
            if given:
                problems.append(f"{flag} needs a database: give --dsn, or COMPACTOR_DSN")
        if options.at_snapshot and options.counts is None:
            problems.append("--at-snapshot says something of a database or a counts file: name one")
    if options.timeout_s < 0:
        problems.append("--timeout is negative")
    if problems:
        raise ConfigError("\n  ".join(problems), hint="see: compactor reconcile --help")
    if options.where is not None and options.dsn is not None:
        parse_predicate(options.where, options.dsn.dialect)


def _predicates(config: Config, options: ReconcileOptions) -> Mapping[str, str]:
    """Return conditions by `database.table`, and under the empty name that of the command line."""
    found = {name: own.reconcile_where for name, own in config.tables.items()}
    found[""] = options.where
    return {name: text for name, text in found.items() if text is not None}


def _selected(wanted: Sequence[str], known: set[Name]) -> set[Name]:
    """Return the tables that the command line names. Raises: ConfigError if one is nowhere."""
    if not wanted:
        return known
    found: set[Name] = set()
    for text in wanted:
        matches = {name for name in known if text in (name[1], ".".join(name))}
        if not matches:
            spelled = [name for pair in known for name in (pair[1], ".".join(pair))]
            near = difflib.get_close_matches(text, spelled, 1)
            raise ConfigError(
                f"no table {text!r} in the lake's manifests or where rows are counted",
                hint=f"did you mean {near[0]!r}?" if near else "write it as database.table",
            )
        found |= matches
    return found


# --- who counts -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Profiled:
    """Columns of one table, and what the database says of them, by its names."""

    pairs: Sequence[database_profile.Pair]
    actual: Mapping[str, str]


class _Side:
    """Who counts. This one is nobody: lake and archive are held against the export alone."""

    origin = ""
    server = ""
    at: datetime | None = None
    notes: tuple[str, ...] = ()
    profiled: Mapping[Name, _Profiled] = {}

    def names(self) -> set[Name]:
        return set()

    def ask(self, held: Held) -> Asked:
        note = "not compared with the database: neither --dsn nor --counts was given"
        return Asked(who="", number=Number(rows=None, origin="nobody", at=None, note=note))

    def others(
        self, held: set[Name], names: set[Name], run_id: str | None
    ) -> tuple[OnlyCounted, ...]:
        """Return the tables of `names` that no manifest names."""
        return ()


class _File(_Side):
    def __init__(self, options: ReconcileOptions, counted: Sequence[Counted]) -> None:
        self.origin = str(options.counts)
        self._asserted = options.at_snapshot
        self._counted = {(one.database, one.table): one for one in counted}

    def names(self) -> set[Name]:
        return set(self._counted)

    def ask(self, held: Held) -> Asked:
        found = self._counted.get(held.name)
        if found is None:
            note = f"{self.origin} does not count this table"
            return Asked(
                who="counts file", number=Number(rows=None, origin=self.origin, at=None, note=note)
            )
        basis = AT_SNAPSHOT if self._asserted else ""
        if found.at == held.result.snapshot:
            basis = "it states the snapshot's moment"
        number = Number(rows=found.rows, origin=self.origin, at=found.at)
        return Asked(who="counts file", number=number, basis=basis)

    def others(
        self, held: set[Name], names: set[Name], run_id: str | None
    ) -> tuple[OnlyCounted, ...]:
        return tuple(
            OnlyCounted(
                database=one.database, table=one.table, rows=one.rows, reason=_unnamed(run_id)
            )
            for name, one in self._counted.items()
            if name in names and name not in held
        )


class _Connected(_Side):
    def __init__(
        self,
        database: Database,
        options: ReconcileOptions,
        predicates: Mapping[str, str],
    ) -> None:
        self._database = database
        self._asserted = options.at_snapshot
        self._wants_columns = options.profile
        self._predicates = {} if options.at_snapshot else predicates
        if options.at_snapshot and predicates:
            self.notes = ("--at-snapshot: predicates of the configuration were not used",)
        self.origin = database.dsn.url
        self.server = database.server
        self.at = database.at
        self.profiled: dict[Name, _Profiled] = {}
        self._tables: dict[Name, list[DatabaseTable]] = {}
        for table in database.tables():
            self._tables.setdefault((table.database, table.table), []).append(table)

    def names(self) -> set[Name]:
        return {name for name, found in self._tables.items() if found[0].kind in _WITH_ROWS}

    def ask(self, held: Held) -> Asked:
        table, note = self._table(held)
        if table is None:
            is_sure = self._database.sees_every_table and self._serves(held)
            is_sure = is_sure and held.name not in self._tables
            number = self._number(None, note)
            basis = AT_SNAPSHOT if self._asserted else ""
            return Asked(who="database", number=number, is_missing=is_sure, basis=basis)
        text, where = self._predicate(held)
        asked = Asked(
            who="database",
            number=self._number(None),
            basis=AT_SNAPSHOT if self._asserted else (f"counted where {text}" if text else ""),
            predicate=text,
            notes=(table.caution,) if table.caution else (),
        )
        try:
            rows = count_rows(self._database, table, where)
            asked = replace(asked, number=self._number(rows))
            return self._profile(held, table, where, asked) if self._wants_columns else asked
        except SourceError as error:
            if not self._database.is_open:
                raise SourceError(f"{self.origin}: the connection is lost: {error}") from error
            return replace(asked, error=str(error).replace("\n  ", "; "))

    def _profile(
        self, held: Held, table: DatabaseTable, where: exp.Expr | None, asked: Asked
    ) -> Asked:
        if held.result.status == "covered":
            return asked
        columns = self._database.columns(table)
        pairs, notes = database_profile.pairs(self._database, columns, held.result.columns)
        actual = database_profile.profile(self._database, table, pairs, where)
        self.profiled[held.name] = _Profiled(pairs, actual)
        return replace(asked, notes=(*asked.notes, *notes))

    def _number(self, rows: int | None, note: str = "") -> Number:
        origin = f"{self.origin} ({self.server})"
        return Number(rows=rows, origin=origin, at=self.at, note=note)

    def _serves(self, held: Held) -> bool:
        return self._database.name in (None, held.result.database)

    def _table(self, held: Held) -> tuple[DatabaseTable | None, str]:
        """Find a table by its whole name; return why not, where it is not found."""
        found = self._tables.get(held.name, [])
        if len(found) == 1:
            return found[0], ""
        if found:
            spelled = " and ".join(f"{one.schema!r} {one.name!r}" for one in found)
            return None, f"schema and table cannot be told apart in the database: {spelled}"
        if not self._serves(held):
            name = self._database.name
            return None, f"the connection sees the database {name!r} alone: connect to its own"
        sure = "" if self._database.sees_every_table else " that this user may see"
        return None, f"the database has no table of this name{sure}"

    def _predicate(self, held: Held) -> tuple[str | None, exp.Expr | None]:
        text = self._predicates.get("") or self._predicates.get(".".join(held.name))
        if text is None:
            return None, None
        return text, parse_predicate(text, self._database.dialect)

    def others(
        self, held: set[Name], names: set[Name], run_id: str | None
    ) -> tuple[OnlyCounted, ...]:
        databases = {database for database, _ in held} | {self._database.dsn.database or ""}
        found = []
        for name, tables in self._tables.items():
            table = tables[0]
            if name in held or name not in names or name[0] not in databases:
                continue
            if table.kind not in _WITH_ROWS:
                continue
            reason = _unnamed(run_id)
            if table.part_of is not None and (table.database, table.part_of) in held:
                reason = f"a partition of {table.part_of}, which the lake holds with its rows"
            found.append(OnlyCounted(database=name[0], table=name[1], reason=reason))
        return tuple(found)


def _unnamed(run_id: str | None) -> str:
    where = f"the manifest of run {run_id} does not name it" if run_id else "no manifest names it"
    return f"{where}: not exported, left out, failed, or made after the snapshot"


def _with_columns(asked: Asked, profiled: _Profiled, counted: Recount, lake: _Lake) -> Asked:
    if counted.problems:
        told = "columns were not compared: the lake does not hold the table whole"
        return replace(asked, notes=(*asked.notes, told))
    expected = lake.profile(counted, profiled.pairs)
    checks = [_column_check(pair, expected, profiled.actual) for pair in profiled.pairs]
    return agree.column_checks(checks, asked)


def _column_check(
    pair: database_profile.Pair, expected: Mapping[str, str], actual: Mapping[str, str]
) -> ColumnCheck:
    name = pair.source.name
    status: CheckStatus = "pass" if expected[name] == actual[name] else "fail"
    return ColumnCheck(
        name=name,
        database_type=pair.source.type,
        lake_type=pair.lake.type,
        compared=database_profile.COMPARED[pair.shape],
        expected=expected[name],
        actual=actual[name],
        status=status,
        left_out=pair.left_out,
    )


# --- lake and archive -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lake:
    store: Store
    room: Room

    def profile(
        self, counted: Recount, pairs: Sequence[database_profile.Pair]
    ) -> Mapping[str, str]:
        """Return the profiles of the lake's columns, by the database's names."""
        columns = [pair.lake for pair in pairs]
        rows, profiles = 0, [ColumnProfile() for _ in columns]
        if counted.wanted:
            rows, profiles = recount.lake_profile(self.store, counted.wanted, columns, self.room)
        return {
            pair.source.name: database_profile.lake_text(pair, rows, profile)
            for pair, profile in zip(pairs, profiles, strict=True)
        }


class _Vault:
    """The configured archive, which is looked at only for tables that lie in it."""

    def __init__(self, config: Config) -> None:
        self._store: Store | None = None
        if config.archive is not None:
            self._store = open_store(config.archive.url, concurrency=config.limits.concurrency)
        self.url = self._store.url if self._store else None

    def found(self, held: Held, now: datetime) -> agree.Found:
        counted, why = None, "there is no [archive] in the configuration"
        if self._store is not None and held.archive_url == self._store.url:
            counted = recount.look_at_versions(self._store, held)
        elif self._store is not None:
            why = f"it lies in {held.archive_url}, the configuration names {self._store.url}"
        return agree.archive_found(held, counted, why, now)
