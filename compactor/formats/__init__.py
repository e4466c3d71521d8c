"""How rows lie in objects. Parquet is the line's own business; the others are listed here."""

from __future__ import annotations

from .interface import Format

FORMATS: dict[str, Format] = {}
"""By name."""
