"""How rows lie in objects. Parquet is the line's own business; the others are listed here."""

from __future__ import annotations

from .dynamodb import DynamoDb
from .interface import Format

_ALL: tuple[Format, ...] = (
    DynamoDb(name="dynamodb_json", changes=False),
    DynamoDb(name="dynamodb_json_changes", changes=True),
)
FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
"""By name."""
