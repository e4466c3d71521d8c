"""`compactor fingerprint` as text: SQL, preceded by comments. Pure.

Names of tables and columns are hostile: what would end a comment's line is written out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..portable.asked import Fingerprint
from ..portable.canonical import VERSION
from ..portable.statement import DIGEST, ROWS
from . import words


def fingerprint_text(found: Fingerprint) -> str:
    """Return one statement that can be given to the database as it is."""
    comments = (f"-- {words.visible(line)}".rstrip() for line in _lines(found))
    return "\n".join((*comments, f"{found.sql};"))


def _lines(found: Fingerprint) -> Iterator[str]:
    part = f", dt={found.partition}" if found.partition is not None else ""
    name = f"{found.database}.{found.table}"
    yield f"fingerprint {VERSION} of {name}, snapshot {found.snapshot}{part}, for {found.dialect}"
    if found.expected:
        yield f"expected, by the manifest of run {found.run_id}:"
    for one in found.expected:
        day = f"dt {one.partition}, " if found.by_partition else ""
        yield f"  {day}{ROWS} {one.rows}, {DIGEST} {one.digest}"
    for note in found.notes:
        yield f"note: {note}"
    yield f"columns: {', '.join(found.columns) or 'none'}"
    for column, why in found.left_out.items():
        yield f"left out: {column}: {why}"
