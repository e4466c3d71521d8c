"""DuckDB and the query files.

Statements live in `queries/`, one per file, and take bound parameters. Where a column list must be
generated, sqlglot builds the expressions (see `types.py`); nothing glues SQL from names.
DuckDB works on local files only: no network extension is loaded, and none is needed.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import duckdb

_PACKAGED = Path(__file__).parent / "queries"
_CHECKOUT = Path(__file__).parent.parent / "queries"
_IN_UTC = "SET TimeZone = 'UTC'"


@functools.cache
def query(name: str) -> str:
    """Return the text of `queries/<name>.sql`; from the wheel, else from the checkout."""
    for folder in (_PACKAGED, _CHECKOUT):
        path = folder / f"{name}.sql"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"queries/{name}.sql is in neither {_PACKAGED} nor {_CHECKOUT}")


def connect(
    database: Path | None = None,
    *,
    memory_bytes: int | None = None,
    threads: int | None = None,
    spill: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a connection that neither reads the network nor installs extensions."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if memory_bytes is not None:
        config["memory_limit"] = f"{memory_bytes // (1 << 20)}MiB"
    if threads is not None:
        config["threads"] = str(threads)
    if spill is not None:
        config["temp_directory"] = str(spill)
    connection = duckdb.connect(str(database) if database else ":memory:", config=config)
    connection.execute(_IN_UTC)
    connection.execute("SET enable_progress_bar = false")  # it would be drawn on stdout
    if database is not None:
        # scratch lives for seconds: compressing it costs more than writing it
        connection.execute("SET force_compression = 'uncompressed'")
    return connection


def cursor() -> duckdb.DuckDBPyConnection:
    """Open a connection for a few statements that leave nothing behind but temporary things.

    It shares one engine with all others of this process: starting an engine takes 14 ms, which a
    run over many small tables would pay again and again.
    """
    shared = _engine().cursor()
    shared.execute(_IN_UTC)  # a setting of each connection
    return shared


def workspace(spill: Path, memory_bytes: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open a connection for temporary tables that may be large, in the engine that all share.

    Where that engine has spilled to another folder before, one of its own is started.
    """
    shared = cursor()
    try:
        shared.execute("SET temp_directory = $folder", {"folder": str(spill)})
    except duckdb.Error:
        shared.close()
        return connect(spill=spill, memory_bytes=memory_bytes)
    if memory_bytes is not None:
        limit = f"{memory_bytes // (1 << 20)}MiB"
        shared.execute("SET memory_limit = $limit", {"limit": limit})
    return shared


@functools.cache
def _engine() -> duckdb.DuckDBPyConnection:
    engine = connect()
    engine.execute("SET enable_external_file_cache = false")  # no file is read twice
    return engine


def rows(
    connection: duckdb.DuckDBPyConnection, name: str, parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Run a query file and return its rows as dictionaries. For results counted in thousands."""
    found = connection.execute(query(name), parameters)
    columns = [column[0] for column in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
