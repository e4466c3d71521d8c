"""JSON text of values, spelled as DuckDB spells it: minified, escaped only where JSON asks for it.

Reads no bare numbers: where it serves, every number is a string, and stays as it was written.
Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any


def _no_number(text: str) -> Any:
    raise ValueError(f"expected numbers as strings, found {text}")


DECODER = json.JSONDecoder(parse_float=_no_number, parse_int=_no_number, parse_constant=_no_number)
"""Raises ValueError."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_CONTROL = re.compile(r"\\\\|\\u00[01][0-9a-f]")


def text(value: Any) -> str:
    found = _ENCODER.encode(value)
    # Python writes \u001f, DuckDB \u001F
    return _CONTROL.sub(_upper, found) if "\\u00" in found else found


def _upper(found: re.Match[str]) -> str:
    return f"\\u{found[0][2:].upper()}" if found[0].startswith("\\u") else found[0]
