"""How rows lie in objects. Parquet is the line's own business; the others are listed here."""

from __future__ import annotations

from .csv_text import Csv
from .dynamodb import DynamoDb
from .interface import Format
from .json_lines import JsonLines

_ALL: tuple[Format, ...] = (
    Csv(),
    JsonLines(),
    DynamoDb(name="dynamodb_json", changes=False),
    DynamoDb(name="dynamodb_json_changes", changes=True),
    DynamoDb(name="dynamodb_ion", changes=False, ready=False),
    DynamoDb(name="dynamodb_ion_changes", changes=True, ready=False),
)
FORMATS: dict[str, Format] = {one.name: one for one in _ALL}
"""By name."""
