"""What `compactor catalog` found and did: its JSON document.

Pure values. Imports nothing but the model.
"""

from __future__ import annotations

from typing import Literal

from ..model import Check, Model

Action = Literal["create", "update", "nothing", "left_alone", "refused"]


class Change(Model):
    """One database, external table or view of the catalog, and what is to be done about it."""

    database: str
    name: str
    """Of the table or view; empty for the database itself."""
    type: Literal["database", "table", "view"]
    source: str = ""
    """The table of the lake that it is made of, `shop.public.orders`."""
    action: Action
    """`left_alone`: the catalog has it, the lake does not. `refused`: see `message`."""
    what: tuple[str, ...] = ()
    """Of an update: `columns`, `keys`, `location`, `comment`, `parameters`, `format`, `query`,
    `partitions`."""
    details: tuple[str, ...] = ()
    """The changes one by one, in words; of many, the first."""
    partitions_to_add: int = 0
    partitions_to_update: int = 0
    partitions_left_alone: int = 0
    """The catalog has them, no manifest names them."""
    message: str = ""


class CatalogResult(Model):
    format: Literal["compactor/catalog/v1"] = "compactor/catalog/v1"
    status: Literal["done", "nothing_to_do", "would_change"]
    """Of the registration; `would_change` with --dry-run. Refusals and checks come on top."""
    url: str
    """Of the lake or archive whose objects the tables read."""
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    """`athena_rows`, one for each partition that was counted."""
    read_calls: int
    write_calls: int
    """Of the Glue API; with --dry-run, the calls that it would take."""
    queries: int = 0
    """That Athena ran."""
    bytes_scanned: int = 0
    cost_usd: float = 0.0
    """Of the queries, at list price."""

    @property
    def exit_code(self) -> int:
        """5: Athena counts other rows than the manifest. 4: it did not count. 2: refusals."""
        statuses = {check.status for check in self.checks}
        if "fail" in statuses:
            return 5
        if "not_verified" in statuses:
            return 4
        return 2 if any(change.action == "refused" for change in self.changes) else 0
