"""Read every Parquet file of a folder back: rows, bytes, and whether it is really sorted.

Run as a child process, for the memory: `python -m tests.bench.readback FOLDER` prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def read_back(folder: Path) -> dict[str, int]:
    """Return files, rows, bytes and how many files are sorted by (created_at, id).

    Our own documents under `_compactor` are not data and are left out.
    """
    files = [path for path in folder.rglob("*.parquet") if "_compactor" not in path.parts]
    found = {"files": len(files), "rows": 0, "bytes": 0, "sorted_files": 0}
    for path in files:
        rows, is_sorted = _read(path)
        found["rows"] += rows
        found["bytes"] += path.stat().st_size
        found["sorted_files"] += is_sorted
    return found


def _read(path: Path) -> tuple[int, bool]:
    import polars as pl

    rows = pl.read_parquet(path, columns=["created_at", "id"], hive_partitioning=False)
    moment, number = pl.col("created_at"), pl.col("id")
    is_later = moment > moment.shift()
    is_next = (moment == moment.shift()) & (number >= number.shift())
    return rows.height, rows.slice(1).is_empty() or rows.select(is_later | is_next)[
        1:
    ].to_series().all()


if __name__ == "__main__":
    print(json.dumps(read_back(Path(sys.argv[1]))))
