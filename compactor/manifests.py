"""Read the manifests that runs have left in a lake: the only word on what is stored.

In:  the lake. Out: `RunResult`s in order of time. IO: one LIST, one GET a manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from . import lake
from .errors import ConfigError, StoreError
from .model import RunResult

if TYPE_CHECKING:
    from .store.interface import Store

_AT_ONCE = 16
"""A manifest may be large: only so many are in memory."""


def read(store: Store, run_id: str | None = None) -> Iterator[RunResult]:
    """Yield the manifest of one run, or those of all.

    Raises: ConfigError if there is no such run, or none at all; StoreError if a manifest cannot be
            read.
    """
    listed = (key for page in store.list(lake.RUNS) for key in page.column("key").to_pylist())
    return read_listed(listed, store.get, store.url, run_id)


def read_listed(
    keys: Iterable[str], get: Callable[[str], bytes], url: str, run_id: str | None = None
) -> Iterator[RunResult]:
    """Yield manifests out of a listing of `_compactor/runs/`; else as `read`.

    `get` returns an object whole, and is called from several threads.
    """
    runs = sorted(
        key.removeprefix(lake.RUNS).partition("/")[0]
        for key in keys
        if key.removeprefix(lake.RUNS).partition("/")[2] == "manifest.json"
    )
    if run_id is not None and run_id not in runs:
        raise ConfigError(
            f"no run {run_id!r} has a manifest in {url}",
            hint=f"the latest one is {runs[-1]}" if runs else "there are none: run compactor run",
        )
    if not runs:
        raise ConfigError(f"there is no manifest in {url}", hint="run compactor run first")
    wanted = runs if run_id is None else [run_id]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="manifest") as pool:
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            yield from pool.map(lambda one: _one(get, url, one), part)


def _one(get: Callable[[str], bytes], url: str, run_id: str) -> RunResult:
    key = lake.run_key(run_id, "manifest.json")
    try:
        return RunResult.model_validate_json(get(key))
    except ValueError as error:
        raise StoreError(
            f"{url}{key} cannot be used: {error}",
            key=key,
            hint="was it written by another version?",
        ) from error
