"""How rows lie in objects. Parquet is the line's own business; the others are listed here."""

from __future__ import annotations

from .csv_text import Csv
from .interface import Format
from .json_lines import JsonLines

FORMATS: dict[str, Format] = {one.name: one for one in (Csv(), JsonLines())}
"""By name."""
