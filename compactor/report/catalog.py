"""Plain text of what `compactor catalog` found and did. Like `terminal.py`."""

from __future__ import annotations

from collections.abc import Callable

from .. import prices
from ..catalog.changes import Action, CatalogResult, Change
from ..model import Check
from .terminal import check_lines, labelled, listing, more, wrapped
from .words import count, dollars, name, plural, size

_TITLES = {
    "done": "REGISTERED",
    "nothing_to_do": "NOTHING TO DO",
    "would_change": "WOULD BE DONE",
}
_SHOWN = 20
_WORDS: dict[Action, str] = {
    "create": "create",
    "update": "update",
    "nothing": "nothing to do",
    "left_alone": "left alone",
    "refused": "REFUSED",
}


def catalog_text(found: CatalogResult) -> str:
    """Return what was done or would be, what was refused or left alone, what Athena counted."""
    lines = [_TITLES[found.status], *labelled(_numbers(found))]
    done = [change for change in found.changes if change.action in ("create", "update")]
    columns: list[tuple[str, Callable[[Change], str]]] = [
        ("action", lambda change: _WORDS[change.action]),
        ("type", lambda change: change.type),
        ("name", lambda change: name(f"{change.database}.{change.name}".rstrip("."))),
        ("what", _what),
    ]
    lines += listing("CHANGES", done, columns, "change", note=_details)
    refused = [change for change in found.changes if change.action == "refused"]
    lines += listing("REFUSED", refused, columns[1:3], "refusal", note=_message)
    alone = [change for change in found.changes if change.action == "left_alone"]
    title = "LEFT ALONE: in Glue, not in the lake"
    lines += listing(title, alone, columns[1:3], "table", note=_message)
    lines += _warnings(found)
    lines += _checks(found)
    return "\n".join(lines) + "\n"


def _numbers(found: CatalogResult) -> list[tuple[str, str]]:
    tables = [change for change in found.changes if change.source and change.type == "table"]
    views = [change for change in found.changes if change.source and change.type == "view"]
    todo = "would write" if found.status == "would_change" else "wrote"
    pairs = [
        ("reads from", name(found.url, 400)),
        ("tables", _tally(tables)),
        ("views", _tally(views)),
        ("partitions", _partitions(tables)),
        ("calls", f"{count(found.read_calls)} read, {count(found.write_calls)} {todo}"),
    ]
    if found.checks:
        pairs.append(
            (
                "Athena",
                f"{plural(found.queries, 'query').replace('querys', 'queries')}, "
                f"{size(found.bytes_scanned)} scanned, {dollars(found.cost_usd)} "
                f"({prices.SHORT_SOURCE})",
            )
        )
    return pairs


def _tally(changes: list[Change]) -> str:
    """Return `12: 3 create, 9 nothing to do`."""
    actions = [change.action for change in changes if change.action != "left_alone"]
    told = [f"{actions.count(one)} {word}" for one, word in _WORDS.items() if one in actions]
    return f"{count(len(actions))}: {', '.join(told)}" if told else "none"


def _partitions(tables: list[Change]) -> str:
    add = sum(change.partitions_to_add for change in tables)
    update = sum(change.partitions_to_update for change in tables)
    alone = sum(change.partitions_left_alone for change in tables)
    told = f"{count(add)} to add, {count(update)} to update"
    return f"{told}, {count(alone)} left alone: no manifest names them" if alone else told


def _what(change: Change) -> str:
    told = [one for one in change.what if one != "partitions"]
    if change.partitions_to_add:
        told.append(f"{plural(change.partitions_to_add, 'partition')} to add")
    if change.partitions_to_update:
        told.append(f"{plural(change.partitions_to_update, 'partition')} to update")
    return ", ".join(told)


def _details(change: Change) -> list[str]:
    return [line for one in change.details for line in wrapped(one, "      ")]


def _message(change: Change) -> list[str]:
    return wrapped(change.message, "      ")


def _warnings(found: CatalogResult) -> list[str]:
    lines = ["", "WARNINGS"] if found.warnings else []
    for warning in found.warnings[:_SHOWN]:
        lines += wrapped(warning, "  ")
    return lines + more(len(found.warnings) - _SHOWN, "warning", "  ")


def _checks(found: CatalogResult) -> list[str]:
    if not found.checks:
        return []
    statuses = [check.status for check in found.checks]
    lines = [
        "",
        "COUNTED BY ATHENA",
        f"  {statuses.count('pass'):,} passed, {statuses.count('fail'):,} failed, "
        f"{statuses.count('not_verified'):,} not verified",
    ]
    bad: list[Check] = sorted(
        (check for check in found.checks if check.status != "pass"),
        key=lambda check: check.status == "not_verified",
    )
    for check in bad[:_SHOWN]:
        lines += check_lines(check)
    return lines + more(len(bad) - _SHOWN, "check", "  ")
