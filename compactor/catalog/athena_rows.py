"""Have Athena count what was registered, and compare with the manifests.

In:  `CatalogTable`s. Out: `Counts`: one check for each partition. IO: Athena.

One statement for each external table counts the rows of the current snapshot by partition: the
latest one, of events all windows. Athena takes them from the files' footers, so what is proven is
that it finds these partitions, at the right places, with these files. A query that failed, or could
not be asked, is `not_verified`, with what Athena said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sqlglot import exp

from .. import prices
from ..errors import StoreError
from ..model import HIVE_NULL, Check
from .athena import Answer, Athena
from .layout import CatalogTable, ExternalTable
from .views import DIALECT

CHECK = "athena_rows"
ROWS = "rows"
AT_ONCE = 10
"""Queries under way. An account may have 20 or more
(https://docs.aws.amazon.com/athena/latest/ug/service-limits.html, read 2026-11)."""

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    checks: tuple[Check, ...] = ()
    queries: int = 0
    bytes_scanned: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about one external table."""

    name: str
    """Of the table of the lake."""
    database: str
    columns: tuple[str, ...]
    """Of the answer: the partition keys, `rows`."""
    sql: str
    expected: dict[Values, int]
    """Rows by partition values, as the manifests say."""


def questions(table: CatalogTable) -> Iterator[Question]:
    """Yield what to ask about the current snapshots of a table."""
    current = {one.label for one in table.source.current}
    for external in table.externals:
        labels = sorted(current & {one.label for one in external.snapshots})
        if labels:
            yield Question(
                name=table.source.name,
                database=external.database,
                columns=(*(key.name for key in external.keys), ROWS),
                sql=_count(external, labels).sql(dialect=DIALECT),
                expected={
                    part.values: part.rows
                    for part in external.partitions
                    if part.values[0] in labels
                },
            )


def count(tables: Sequence[CatalogTable], athena: Athena) -> Counts:
    """Ask about every table, a few queries at once."""
    asked = [question for table in tables for question in questions(table)]
    checks: list[Check] = []
    scanned: list[int] = []
    for start in range(0, len(asked), AT_ONCE):
        under_way = [(one, _start(one, athena)) for one in asked[start : start + AT_ONCE]]
        for question, query in under_way:
            answer = query if isinstance(query, StoreError) else _finish(question, query, athena)
            checks += compare(question, answer)
            if isinstance(query, str):
                scanned.append(answer.scanned_bytes if isinstance(answer, Answer) else 0)
    return Counts(
        checks=tuple(checks),
        queries=len(scanned),
        bytes_scanned=sum(scanned),
        cost_usd=sum(prices.athena_scan_usd(size_bytes) for size_bytes in scanned),
    )


def compare(question: Question, answer: Answer | StoreError) -> tuple[Check, ...]:
    """Return the checks that follow from an answer; pure.

    A table without any partition gets one check; a partition that no manifest names fails.
    """
    if isinstance(answer, StoreError):
        return (_unknown(question, f"Athena did not answer: {answer.message}; {answer.hint}"),)
    told = f"Athena's query {answer.query_id}"
    if answer.state != "SUCCEEDED":
        return (_unknown(question, f"{told} {answer.state}: {answer.reason}"),)
    # NULL is how Athena reads the folder of rows without a date
    found = {
        tuple(HIVE_NULL if value is None else value for value in row[:-1]): row[-1]
        for row in answer.rows
    }
    source = f"the manifest; {told}, {answer.scanned_bytes} bytes scanned"
    if not question.expected and not found:
        return (_check(question, (), "0", source),)
    return tuple(
        _check(question, values, found.get(values) or "0", source)
        for values in sorted(chain(question.expected, found.keys() - question.expected.keys()))
    )


def _check(question: Question, values: Values, actual: str, source: str) -> Check:
    expected = str(question.expected.get(values, 0))
    is_known = values in question.expected or not values
    folders = [f"{key}={value}" for key, value in zip(question.columns, values, strict=False)]
    return Check(
        name=CHECK,
        subject="/".join((question.name, *folders)),
        expected=expected,
        actual=actual,
        status="pass" if actual == expected and is_known else "fail",
        source=source if is_known else f"{source}; no manifest names this partition",
    )


def _unknown(question: Question, why: str) -> Check:
    return Check(
        name=CHECK,
        subject=question.name,
        expected=str(sum(question.expected.values())),
        actual=None,
        status="not_verified",
        source=f"the manifest; {why}",
    )


def _start(question: Question, athena: Athena) -> str | StoreError:
    """Return the id of the query, or why there is none: that becomes a check."""
    try:
        return athena.start(question.sql, question.database)
    except StoreError as error:
        return error


def _finish(question: Question, query_id: str, athena: Athena) -> Answer | StoreError:
    try:
        return athena.finish(query_id, question.columns)
    except StoreError as error:
        return error


def _count(external: ExternalTable, labels: Sequence[str]) -> exp.Select:
    keys = [exp.column(key.name, quoted=True) for key in external.keys]
    rows = exp.alias_(exp.Count(this=exp.Star()), ROWS, quoted=True)
    return (
        exp.select(*keys, rows)
        .from_(exp.table_(external.name, db=external.database, quoted=True))
        .where(keys[0].isin(*[exp.Literal.string(label) for label in labels]))
        .group_by(*keys)
    )
