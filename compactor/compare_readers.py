"""Let both engines decode the same objects of a source, and compare what they see.

For tables whose rows were decoded once only: damage shows in pyarrow's checksums, a reader that
reads wrongly shows here.

In:  excerpts that pyarrow has decoded. Out: `Evidence.read_twice`. IO: scratch reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from . import staged_rows, types
from .feed import Excerpt
from .verify import Evidence

if TYPE_CHECKING:
    import duckdb


def compare_readers(
    connection: duckdb.DuckDBPyConnection,
    excerpts: Sequence[Excerpt],
    evidence: Evidence,
) -> None:
    """Let DuckDB decode what pyarrow has decoded of some objects, and hash the rows of both.

    For tables whose rows were decoded once only: damage shows in pyarrow's checksums, a reader that
    reads wrongly shows here.
    """
    whole = [excerpt for excerpt in excerpts if excerpt.is_whole]
    parts = [[excerpt] for excerpt in excerpts if not excerpt.is_whole]
    for together in filter(None, [whole, *parts]):
        paths = list(dict.fromkeys(excerpt.path for excerpt in together))
        decoded = pa.concat_tables([excerpt.rows for excerpt in together])
        first = together[0].first_row
        count = None if together is whole else decoded.num_rows
        about = f"{len(paths)} objects of the source"
        if count is not None:
            about = f"rows {first + 1} to {first + count} of an object of the source"
        staged_rows.open_source(connection, by_name=False)
        by_duckdb = _fingerprint(connection, decoded.column_names, paths, first, count)
        staged_rows.use_decoded(connection, decoded)
        by_pyarrow = _fingerprint(connection, decoded.column_names, paths, 0, None)
        evidence.read_twice.append((f"{about}, decoded twice", by_pyarrow, by_duckdb))


def _fingerprint(
    connection: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    files: Sequence[str],
    first: int,
    count: int | None,
) -> str:
    """Count and hash rows as they are delivered: `count` of them from `first` on, else all."""
    names = [f"s{number}" for number in range(len(columns))]
    delivered = exp.select(
        *[
            exp.alias_(exp.column(column, quoted=True), name)
            for column, name in zip(columns, names, strict=True)
        ]
    ).from_(exp.Anonymous(this="staged", expressions=[exp.Placeholder(this="files")]))
    parameters: dict[str, object] = {"files": list(files)}
    if count is not None:
        delivered = delivered.limit(exp.Placeholder(this="count")).offset(
            exp.Placeholder(this="first")
        )
        parameters |= {"first": first, "count": count}
    one, two = types.row_hashes(names)
    sums = exp.select(exp.Count(this=exp.Star()), exp.Sum(this=one), exp.Sum(this=two))
    sql = sums.from_(delivered.subquery("delivered")).sql(dialect="duckdb")
    rows, first_sum, second_sum = connection.execute(sql, parameters).fetchall()[0]
    return f"{rows} rows, {int(first_sum or 0):x}-{int(second_sum or 0):x}"
