"""One table through the line: stage, load, decide, write, store, verify.

In:  a planned table, the listing of its objects, the stores.
Out: a `TableResult` whose checks have all been made, and verdicts on its members.
IO:  source reads, scratch, lake writes and reads.

A large table, or one of many tiny objects, is loaded while it is being staged: its rows are decoded
once, for both engines. Where that does not work out (columns differ, a value does not survive the
type that the first object suggested), it is loaded again from what was staged.

A table larger than the scratch limit goes through in chunks: each chunk is staged, typed, sorted,
written and read back by itself, and the evidence adds up. The types of such a table are decided
from every value before the first chunk is written.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from . import compact, decide, probe, stage_text, staged_rows, verify
from .compact import CompactOptions, Loaded
from .compare_readers import compare_readers
from .deposit import Deposit
from .errors import ObjectUnreadable, SchemaDrift, SourceError, StoreError, VerificationFailed
from .feed import Feed
from .formats import FORMATS
from .formats.interface import Fields, Survey, add_survey
from .members import Delivered, Suspect, decide_members
from .model import HIVE_NULL, Finding, PlanTable, TableResult
from .portable.proof import Proof
from .prepare import (
    Coming,
    Prepared,
    begin,
    blame,
    prepare,
    propose,
    refuse_unreadable,
    unified,
)
from .progress import Progress, Quiet
from .reading import ParquetRows, Rows, TextRows
from .scratch import Room
from .second_engine import Profiled, source_columns
from .sql import connect, cursor, query
from .stage import Staged, chunks, profile_again
from .store.interface import Store, Wanted
from .table_findings import TableFindings
from .table_result import Source, table_result
from .types import Rule

IN_MEMORY_SHARE = 16
"""Times the size of the source objects that sorting in memory may take: decoded text, typed
columns, row hashes, and the sort's own copy."""


@dataclass(slots=True)
class Outcome:
    """What became of a table."""

    result: TableResult | None
    verdicts: dict[str, decide.Verdict] = field(default_factory=dict)
    """By task_id of the member."""
    findings: list[Finding] = field(default_factory=list)
    parts: dict[str, Path] = field(default_factory=dict)
    """Lake key -> local file, as long as the table's scratch folder exists."""


def same_typing(made: Profiled | None, wanted: Profiled) -> bool:
    """True if a column was profiled with the types that it has in the end."""
    if made is None or made.rule is None or wanted.rule is None:
        return False
    return (made.name, made.rule.how, made.type_name) == (
        wanted.name,
        wanted.rule.how,
        wanted.type_name,
    )


class TableLine:
    """The work on one table; holds what its steps share."""

    def __init__(
        self,
        table: PlanTable,
        *,
        store: Store,
        lake_store: Store,
        options: CompactOptions,
        room: Room,
        progress: Progress,
    ) -> None:
        self.table = table
        self.store = store
        self.deposit = Deposit(lake_store, table, room.folder)
        self.options = options
        self.room = room
        self.folder = room.folder
        self.progress = progress
        self.evidence = verify.Evidence(
            grain=options.grain,
            declared_rows=table.declared_rows,
            is_text=table.read_as is not None,
            is_converted=table.read_as is not None and FORMATS[table.format].is_converted,
            portable=Proof() if options.portable else None,
        )
        self.findings = TableFindings(table)
        self.rules: tuple[Rule, ...] = ()
        self.numbers: dict[str, int] = {}
        self.sums: decide.Sums = (0, 0, 0)
        self.schemas: list[pa.Schema] = []
        self.reading: Rows = ParquetRows()
        self.fields: Fields | None = None
        """Columns of a text table that is too large for scratch."""

    def run(
        self,
        wanted: Sequence[Wanted],
        members: Sequence[Suspect],
        *,
        first: Coming | None = None,
        write: bool = True,
    ) -> Outcome:
        """Take the table through; `first` is its first chunk, if that is on its way already.

        With `write` off, only the members are decided: the table itself was done earlier.

        Raises: ObjectUnreadable, SourceError for the source; StoreError for the lake;
                VerificationFailed for a lossy column where the configuration says so.
        """
        pieces = chunks(wanted, self.room.chunk_bytes)
        if write:
            self.deposit.look()
        decided = self._decide_types(pieces) if len(pieces) > 1 else None
        verdicts: dict[str, decide.Verdict] = {}
        with ThreadPoolExecutor(1, thread_name_prefix="beside") as beside:
            for number, piece in enumerate(pieces):
                coming = first if number == 0 else None
                coming = coming or self._begin(beside, piece, number)
                connection = connect(
                    self._database(piece, number),
                    memory_bytes=self.room.memory_bytes,
                    spill=self.folder / f"{number}.spill",
                )
                try:
                    chunk, loaded = self._load(connection, coming, decided)
                    compared = beside.submit(self._compare_readers, chunk.staged)
                    if loaded is not None and members:
                        self._keep_hashes(connection, number)
                        if number == len(pieces) - 1:
                            verdicts = self._decide_members(connection, members)
                    if loaded is not None and write:
                        self._write(connection, loaded, chunk, number)
                finally:
                    coming.feed.leave()
                    closed = beside.submit(connection.close)  # gives back gigabytes: takes a while
                if loaded is not None and write:
                    self._add_profiles(chunk)
                    self.deposit.read_back(self.rules, self.evidence)
                compared.result()
                closed.result()
                chunk.staged.close()
                self._forget(f"{number}.duckdb", f"{number}.spill", chunk.folder.name)
        self.deposit.empty_leftovers(self.rules, self.evidence)
        self.findings.columns(self.rules)
        undated = self.evidence.source.rows.get(HIVE_NULL, 0)
        self.findings.undated(undated, self.options.date_column)
        result = None
        if write:
            covered = [
                suspect.member.table
                for suspect in members
                if (verdict := verdicts.get(suspect.member.task_id)) and verdict.covered
            ]
            source = Source(self.store.url, [item.size_bytes for item in wanted], self.sums)
            result = table_result(
                self.table, source, self.evidence, self.rules, self.deposit.objects, covered
            )
        parts = self.deposit.paths
        return Outcome(result=result, verdicts=verdicts, findings=self.findings.all, parts=parts)

    def _database(self, piece: Sequence[Wanted], number: int) -> Path | None:
        """Return where to sort a chunk: in memory if it surely fits, else in a scratch file.

        A table in memory is neither compressed nor written, which saves a third of the sorting.
        """
        expected = IN_MEMORY_SHARE * sum(item.size_bytes for item in piece)
        if expected < self.room.memory_bytes:
            return None
        return self.folder / f"{number}.duckdb"

    # --- staging and types ---

    def _begin(self, pool: ThreadPoolExecutor, piece: Sequence[Wanted], number: int) -> Coming:
        self.progress.table(self.table.table, "staging", objects=len(piece))
        folder = self.folder / f"staged-{number}"
        return begin(pool, self.table, piece, self.store, folder, self.progress, self.fields)

    def _decide_types(self, pieces: Sequence[Sequence[Wanted]]) -> tuple[Rule, ...]:
        """Look at every value of a table that is too large for scratch, before anything is written.

        Costs a second GET per object, but only for such tables.
        """
        if self.table.read_as is not None:
            self.fields = self._survey(pieces)
        facts: dict[int, probe.ColumnFacts] = {}
        plain: tuple[Rule, ...] = ()
        rows = 0
        for number, piece in enumerate(pieces):
            folder = self.folder / f"types-{number}"
            chunk = prepare(self.table, piece, self.store, folder, Quiet(), fields=self.fields)
            refuse_unreadable(self.table, chunk.staged)
            with connect(memory_bytes=self.room.memory_bytes) as connection:
                rules = self._plain_rules(connection, chunk.staged)
                if plain and _shape(rules) != _shape(plain):
                    raise SchemaDrift(
                        f"{self.table.table}: the columns differ between its objects, and it "
                        "is larger than the scratch limit",
                        hint="give limits.scratch more room, so that the table is read at once",
                    )
                plain = plain or rules  # one order of columns for all: they are read by name
                found = probe.probe(connection, chunk.staged.files, plain)
                for no, fact in found.items():
                    facts[no] = facts[no].merged(fact) if no in facts else fact
            rows += chunk.staged.footer_rows
            shutil.rmtree(chunk.folder, ignore_errors=True)
        self._refuse_other_count(rows)
        return probe.tune(plain, facts)

    def _refuse_other_count(self, rows: int) -> None:
        """Raise where the objects hold other rows than declared: before anything is written, so
        that nothing is in the way once they are restored."""
        declared = self.table.declared_rows
        if declared is not None and declared != rows:
            raise SourceError(
                f"{self.table.table}: the export tool declares {declared} rows, its "
                f"{self.table.source_files} objects hold {rows}",
                hint="restore the objects from the export, or export again",
            )

    def _survey(self, pieces: Sequence[Sequence[Wanted]]) -> Fields:
        """Choose the columns of a text table from all of its rows. Another GET per object."""
        assert self.table.read_as is not None
        total: Survey = {}
        text = TextRows(FORMATS[self.table.format], self.table.read_as)
        for number, piece in enumerate(pieces):
            folder = self.folder / f"survey-{number}"
            folder.mkdir(parents=True)
            staged = stage_text.fetch(self.store, piece, folder, text)
            refuse_unreadable(self.table, staged)
            add_survey(total, stage_text.survey(staged, text))
            shutil.rmtree(folder)
        return text.format.fields(total, text.of_objects())

    def _plain_rules(
        self, connection: duckdb.DuckDBPyConnection, staged: Staged
    ) -> tuple[Rule, ...]:
        """Return rules from schema and description; check that differing schemas fit together."""
        sample = [Path(path) for path in staged.sample()]
        staged.reading.open(connection, by_name=len(staged.schemas) > 1)
        rules, notes = propose(connection, sample, staged.reading, self.table.table)
        if len(staged.schemas) > 1:
            differing = unified(connection, self.table, sample, staged.reading, rules)
            self.findings.drift(differing, len(sample))
        self.findings.renamed(notes)
        return rules

    def _load(
        self,
        connection: duckdb.DuckDBPyConnection,
        coming: Coming,
        decided: tuple[Rule, ...] | None,
    ) -> tuple[Prepared, Loaded | None]:
        """Fill the table `sorted`; None where there is no object at all."""
        streamed = self._load_stream(connection, coming.feed, decided)
        chunk = coming.prepared.result()
        staged = chunk.staged
        refuse_unreadable(self.table, staged)
        if decided is None:  # else it was done when the types were decided
            self._refuse_other_count(staged.footer_rows)
        if not staged.files:
            return chunk, None
        if streamed is None:
            self.progress.table(self.table.table, "sorting", objects=len(staged.files))
        try:
            with self._translated(staged):
                plain = self._plain_rules(connection, staged)
                if not coming.feed.is_whole or chunk.plain != plain:
                    streamed = None
                loaded = self._load_staged(connection, chunk, plain, decided, streamed)
        except ObjectUnreadable as error:
            raise blame(self.table, staged, error) from error
        self.rules = loaded.rules
        self.reading = staged.reading
        if isinstance(self.reading, TextRows):
            self.findings.fields(self.reading.fields)
        self.schemas += [schema.to_arrow_schema() for schema in staged.schemas]
        self._refuse_lossy(loaded)
        self._count(staged, loaded)
        return chunk, loaded

    def _load_stream(
        self,
        connection: duckdb.DuckDBPyConnection,
        feed: Feed,
        decided: tuple[Rule, ...] | None,
    ) -> Loaded | None:
        """Load rows as they are decoded, typed as the first object suggests; None if not."""
        first = feed.first()
        if first is None:
            return None
        rules = decided or first.tuned
        with self._translated(None):
            seen = dict(staged_rows.use_decoded(connection, feed.reader()))
            # where DuckDB's own reader sees other types, or every value is to be looked at first
            if (
                seen != dict(_shape(first.plain))
                or (decided and _shape(decided) != _shape(first.plain))
                or (not decided and any(rule.kept_text for rule in rules))
            ):
                feed.leave()
                return None
            self.progress.table(self.table.table, "sorting")
            return compact.load(connection, [], rules, self.options)

    def _load_staged(
        self,
        connection: duckdb.DuckDBPyConnection,
        chunk: Prepared,
        plain: tuple[Rule, ...],
        decided: tuple[Rule, ...] | None,
        streamed: Loaded | None,
    ) -> Loaded:
        """Return what was loaded while staging, if that is all and of the right types; else load.

        Objects without a file of their own are decoded once more for that.
        """
        if streamed is not None and (decided or not streamed.lossy):
            self.evidence.decoded_once = True
            return streamed
        staged = chunk.staged
        if staged.pack is not None:
            kept = len(staged.schemas) == 1 and staged_rows.keep_decoded(
                connection, staged.reader(), _shape(plain)
            )
            self.evidence.decoded_once |= kept
            if not kept:
                staged.unpack(staged.files)
        if decided is not None:
            return compact.load(connection, staged.files, decided, self.options)
        if streamed is not None:
            return compact.load_again(connection, staged.files, plain, self.options)
        guess = chunk.tuned if chunk.plain == plain else None
        return compact.restore(
            connection, staged.files, plain, staged.sample(), self.options, guess
        )

    def _compare_readers(self, staged: Staged) -> None:
        """Let DuckDB decode some objects, too, of a table that was decoded once."""
        excerpts, staged.excerpts = staged.excerpts, []
        if not self.evidence.decoded_once:
            return
        try:
            with self._translated(staged), cursor() as connection:
                compare_readers(connection, excerpts, self.evidence)
        except ObjectUnreadable as error:
            raise blame(self.table, staged, error) from error

    @contextlib.contextmanager
    def _translated(self, staged: Staged | None) -> Iterator[None]:
        """Turn DuckDB's errors into ours; scratch paths become keys."""
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise StoreError(
                f"{self.table.table}: DuckDB ran out of memory or scratch: {error}",
                hint="raise limits.memory or limits.scratch, or free disk in limits.scratch_dir",
            ) from error
        except duckdb.Error as error:
            there = zip(staged.paths, staged.wanted, strict=True) if staged else ()
            keys = {path: item.key for path, item in there if path is not None}
            raise compact.translate(error, keys) from error

    def _refuse_lossy(self, loaded: Loaded) -> None:
        kept = [rule for rule in loaded.rules if rule.kept_text]
        if kept and self.options.fail_on_lossy:
            names = ", ".join(f"{rule.source_name} ({rule.kept_values} values)" for rule in kept)
            raise VerificationFailed(
                f"{self.table.table}: these columns cannot be restored without loss: {names}",
                hint='set on_lossy = "keep_text" for this table to keep them as delivered',
            )

    def _count(self, staged: Staged, loaded: Loaded) -> None:
        evidence = self.evidence
        evidence.footer_rows += staged.footer_rows
        evidence.decoded_rows += staged.decoded_rows
        verify.count_declared(staged.wanted, staged.same_tags, evidence.declared)
        for no, count in loaded.lossy.items():
            evidence.lossy[no] = evidence.lossy.get(no, 0) + count
        for partition in loaded.partitions:
            value = verify.partition_of(partition.value, self.options.grain)
            evidence.source.add(value, partition.rows, partition.fingerprint)
            if evidence.portable is not None:
                evidence.portable.add_source(value, partition.portable)
        if not loaded.partitions and self.options.grain == "none":
            evidence.source.add("", 0, (0, 0))
        self.sums = decide.total([self.sums, (loaded.rows, *loaded.fingerprint)])

    def _add_profiles(self, chunk: Prepared) -> None:
        """Add the second engine's view of the source; again for columns typed differently since."""
        wanted = {column.no: column for column in source_columns(self.rules)}
        made = {column.no: column for column in chunk.staged.profiled}
        profiles = chunk.staged.profiles
        again = [column for no, column in wanted.items() if not same_typing(made.get(no), column)]
        good = {no: profile for no, profile in profiles.items() if no in wanted}
        if again:
            good |= profile_again(chunk.staged, again)
        self.evidence.merge_profiles("source", good)

    # --- members ---

    def _keep_hashes(self, connection: duckdb.DuckDBPyConnection, number: int) -> None:
        """Keep this chunk's row hashes until the members are decided."""
        path = self.folder / f"hashes-{number:05d}.parquet"
        connection.execute(query("decide/keep_hashes"), {"path": str(path)})

    def _decide_members(
        self, connection: duckdb.DuckDBPyConnection, members: Sequence[Suspect]
    ) -> dict[str, decide.Verdict]:
        self.progress.table(self.table.table, "deciding", members=len(members))
        with self._translated(None):
            return decide_members(
                connection,
                members,
                self.sums,
                self.rules,
                Delivered(
                    schemas=self.schemas,
                    format=self.table.format,
                    reading=self.reading,
                    hashes=sorted(self.folder.glob("hashes-*.parquet")),
                ),
                self.room.below("members"),
            )

    # --- writing, storing ---

    def _write(
        self,
        connection: duckdb.DuckDBPyConnection,
        loaded: Loaded,
        chunk: Prepared,
        number: int,
    ) -> None:
        folder = self.folder / f"parts-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        self.progress.table(self.table.table, "writing", partitions=len(loaded.partitions))
        source_bytes = sum(item.size_bytes for item in chunk.staged.wanted)
        values: dict[str, str] = {}
        try:
            with self.deposit.uploads() as upload:
                for part in compact.write(
                    connection,
                    loaded,
                    folder,
                    self.options,
                    bytes_per_row=source_bytes / max(loaded.rows, 1),
                    first_numbers=self.numbers,
                ):
                    values[str(part.path)] = part.value
                    upload(part)
                verify.read_back(connection, loaded.rules, values, self.evidence)
                self.progress.table(self.table.table, "storing", files=len(values))
        except (duckdb.Error, OSError) as error:
            raise StoreError(
                f"{self.table.table}: writing to {folder} failed: {error}",
                hint="raise limits.memory or limits.scratch, or free disk in limits.scratch_dir",
            ) from error

    def _forget(self, *names: str) -> None:
        """Remove files and folders of this table's scratch."""
        for name in names:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _shape(rules: Sequence[Rule]) -> list[tuple[str, str]]:
    return sorted((rule.read_name, rule.read_type) for rule in rules)
