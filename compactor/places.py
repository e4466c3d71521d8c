"""The stores that a configuration names: sources and their S3 Inventories, lake, archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from . import archive
from .config import Config
from .errors import ConfigError
from .store import open_store
from .store.interface import Store

if TYPE_CHECKING:
    from .s3_inventory import Inventories


@dataclass(frozen=True, slots=True)
class Stores:
    sources: tuple[Store, ...]
    lake: Store
    archive: Store | None
    chain: Store
    """Where the evidence lies: the archive, else the lake. Every run reads links again, so they are
    written in the bucket's default storage class, whatever that of the data is."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a run finds which objects it has read: the assigned listing, on scratch."""

    assigned: Path
    tables: Mapping[str, int]
    """`table_no` by task_id."""
    memory_bytes: int


def chain_url(config: Config) -> str:
    """Return the URL, as configured, of the place of the evidence chain."""
    return config.archive.url if config.archive else config.lake.url


def refuse_overlap(config: Config) -> None:
    """Refuse a lake or archive inside a source: a run would find its own output there."""
    targets = [("lake.url", config.lake.url)]
    if config.archive is not None:
        targets.append(("archive.url", config.archive.url))
    for source in config.source.urls:
        for name, url in targets:
            if f"{url.rstrip('/')}/".startswith(f"{source.rstrip('/')}/"):
                raise ConfigError(
                    f"{name} {url} lies inside the source {source}",
                    hint="choose a prefix of its own for what is written",
                )


def open_stores(config: Config) -> Stores:
    """Open every store of the configuration; refuse an archive that cannot lock."""
    many = config.limits.concurrency
    refuse_overlap(config)
    sources = tuple(open_store(url, concurrency=many) for url in config.source.urls)
    tables = open_store(config.lake.url, concurrency=many)
    vault, chain = None, tables
    if config.archive is not None:
        kind = config.archive.storage_class
        vault = open_store(config.archive.url, concurrency=many, storage_class=kind)
        archive.preflight(vault)
        chain = vault
        if config.evidence is not None:
            chain = open_store(config.archive.url, concurrency=many)
    return Stores(sources, tables, vault, chain)


def open_inventories(config: Config, now: datetime) -> Inventories | None:
    """Open the places of the S3 Inventories that stand in for listings; None without any."""
    if not config.source.inventory:
        return None
    from .s3_inventory import MEMORY_BYTES, Inventories, open_place

    many = config.limits.concurrency
    places = {
        source: open_place(config.source.inventory[url], concurrency=many)
        for source, url in enumerate(config.source.urls)
        if url in config.source.inventory
    }
    memory = min(config.limits.memory_bytes() // 2, MEMORY_BYTES)
    return Inventories(places=places, now=now, memory_bytes=memory)
