"""What `scan` hands to `detect`, and `detect` to `plan`: values, and the listings they point at.

Source objects are rows of Parquet files, one row each, never Python objects: there may be a hundred
million of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from .model import Export, Finding
from .nominate import Nominations
from .store.interface import LISTING_SCHEMA

INVENTORY_SCHEMA = pa.schema([("source", pa.int32()), *LISTING_SCHEMA])


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What lies in the sources."""

    listing: Path
    """Parquet, INVENTORY_SCHEMA: one row per object of all sources, in no particular order."""
    control: Mapping[tuple[int, str], bytes]
    """(source, key) -> content of the small files by which exports describe themselves."""
    urls: tuple[str, ...]
    objects: int
    not_fetched: frozenset[tuple[int, str]] = field(default_factory=frozenset)
    """Sidecars that were too large, or gone by the time they were asked for."""
    findings: tuple[Finding, ...] = ()
    """What is to be told about the listing itself: that an S3 Inventory was read in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    exports: tuple[Export, ...]
    """By source, root and database; tables by name, numbered from 1 in that order."""
    findings: tuple[Finding, ...]
    assigned: Path
    """Parquet, sorted by table_no and key: source, key, size_bytes, etag, modified_at, version_id,
    role, table_no (data only), reason (NULL if a task will take it), place (folder it is reported
    under)."""
    nominations: Nominations

    @property
    def members(self) -> frozenset[int]:
        """Numbers of the tables that are suspected to repeat another one."""
        return frozenset(self.nominations.links)
