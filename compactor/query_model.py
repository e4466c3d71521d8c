"""What `compactor query` prints as JSON."""

from __future__ import annotations

from typing import Any

from .model import Model


class Read(Model):
    """What an answer took."""

    files: int
    of_files: int
    """Of the snapshots that were asked."""
    bytes: int
    of_bytes: int
    requests: int
    seconds: float
    usd: float
    """Of these requests, by S3's list price; 0 for a local folder."""
    athena_usd: float
    """What Athena bills for reading as much."""


class ListedColumn(Model):
    name: str
    type: str
    """DuckDB's."""


class ListedTable(Model):
    name: str
    """In the catalog, and in SQL: `shop.public_orders`."""
    database: str
    table: str
    snapshots: int
    latest: str
    rows: int
    files: int
    bytes: int
    columns: tuple[ListedColumn, ...]


class TableList(Model):
    tables: tuple[ListedTable, ...]


class Answered(Model):
    """`query --json SQL`; it is written as a stream, and never whole in memory."""

    columns: tuple[ListedColumn, ...]
    rows: tuple[dict[str, Any], ...]
    read: Read
