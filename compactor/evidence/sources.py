"""Which source objects a run has read: one row each, as a Parquet object beside the chain.

In:  the assigned listing, the tables of a manifest, the URLs of the sources.
Out: a Parquet file on scratch, and how many rows it has.
IO:  DuckDB on local files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from ..sql import query, workspace


def write_listing(
    assigned: Path, tasks: Mapping[int, str], urls: Sequence[str], out: Path, memory_bytes: int
) -> int:
    """Write the source objects of some tables; `tasks` are by `table_no`. Returns the rows."""
    connection = workspace(out.parent, memory_bytes)
    try:
        connection.register(
            "named_tables",
            pa.table(
                {
                    "table_no": pa.array(tasks.keys(), pa.int64()),
                    "task_id": pa.array(tasks.values(), pa.string()),
                }
            ),
        )
        connection.register(
            "named_sources",
            pa.table(
                {
                    "source": pa.array(range(len(urls)), pa.int64()),
                    "url": pa.array(urls, pa.string()),
                }
            ),
        )
        parameters = {"assigned": str(assigned), "out": str(out)}
        found = connection.execute(query("evidence/source_listing"), parameters).fetchone()
        return int(found[0]) if found else 0
    finally:
        connection.close()
