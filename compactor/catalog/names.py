"""Names of databases and tables in Glue, from names of exports, which may hold anything.

Athena takes lower case letters, digits and `_`, at most 255 characters
(https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html, read 2026-11).
Every table has names of its own: what would be called like another gets a digest of its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

_OTHER = re.compile(r"[^a-z0-9_]+")
LONGEST = 255
_LINE = re.compile(rf"[^\x00-\x08\x0a-\x1f]{{1,{LONGEST}}}")
_SUFFIXES = 32
"""Room for `_snapshots`, `_iceberg_12` and the digest."""

TABLES_OF_OURS = "compactor"
"""Database of the tables over the manifests."""


def plain(name: str) -> str:
    """Return a name in Athena's letters: `public.Orders` is `public_orders`."""
    text = _OTHER.sub("_", name.lower()).strip("_") or "unnamed"
    if text[0].isdigit():
        text = f"t_{text}"
    return text[: LONGEST - _SUFFIXES]


def fits(name: str) -> bool:
    """Tell whether Glue takes a column's name, quoted or not: one line of at most 255 characters
    (https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html, read 2026-11)."""
    return _LINE.fullmatch(name) is not None


def _candidates(name: str) -> Iterator[str]:
    """Yield the plain name, then ones with more and more of the name's digest."""
    short = plain(name)
    yield short
    digest = hashlib.sha256(name.encode()).hexdigest()
    for length in range(8, len(digest) + 1, 4):
        yield f"{short[: LONGEST - _SUFFIXES + 8 - length]}_{digest[:length]}"


SUFFIXES = ("_asof", "_snapshots", "_data", "_iceberg")
"""What is appended to a table's name for its views, its external table, its Iceberg table."""
_GENERATION = re.compile(r"_(data|iceberg)_[0-9]+$")


def unique(names: Iterable[str], reserved: Iterable[str] = ()) -> Mapping[str, str]:
    """Return a plain name for each. `names` come in the order in which they were first seen.

    Where one would be called like an earlier one, or like a view of it (`orders_asof`), it gets a
    digest of its own name: what is registered already keeps its name.
    """
    taken: set[str] = set(reserved)
    made: dict[str, str] = {}
    for name in names:
        short = next(one for one in _candidates(name) if _family(one).isdisjoint(taken))
        taken |= _family(short)
        made[name] = short
    return made


def _family(short: str) -> set[str]:
    """Return every name that a table of this name takes, generations of its files as one."""
    return {_GENERATION.sub(r"_\1", short), *(f"{short}{suffix}" for suffix in SUFFIXES)}
