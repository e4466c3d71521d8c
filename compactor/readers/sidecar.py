"""Values out of sidecars whose content cannot be trusted: JSON objects, text, numbers, moments.

Pure. What is not as expected raises `Unusable`, with words for a person; nothing else is raised,
whatever the content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_HALF_PAIR = re.compile("[\ud800-\udfff]")
"""JSON can escape half a surrogate pair; such text cannot be stored."""


class Unusable(ValueError):
    """A sidecar, or a part of one, is not what it should be; says what was expected and found."""


def load_object(content: bytes | None) -> dict[str, Any]:
    """Parse a sidecar.

    Raises: Unusable
    """
    if content is None:
        raise Unusable("it could not be fetched, or is larger than any sidecar")
    if not content.strip():
        raise Unusable("it is empty")
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise Unusable("it is nested too deeply for a sidecar") from error
    except ValueError as error:
        raise Unusable(f"it is not valid JSON ({str(error)[:200]})") from error
    if not isinstance(value, dict):
        raise Unusable(f"it should hold an object, holds {kind(value)}")
    return value


def text(holder: Mapping[str, Any], name: str) -> str:
    """Return a text field; empty if it is absent or null."""
    value = holder.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unusable(f"{name} should be text, is {kind(value)}")
    if len(value) > 10_000 or _HALF_PAIR.search(value):
        raise Unusable(f"{name} is not usable text")
    return value


def number(holder: Mapping[str, Any], name: str) -> float | None:
    value = holder.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unusable(f"{name} should be a number, is {kind(value)}")
    if not -1e15 < value < 1e15:  # NaN fails, too
        raise Unusable(f"{name} is out of range")
    return value


def count(holder: Mapping[str, Any], name: str) -> int:
    """Return a number of things, which must be there; exact up to 64 bits."""
    value = holder.get(name)
    if type(value) is not int or not 0 <= value < 1 << 63:
        found = value if type(value) is int and abs(value) < 1 << 65 else kind(value)
        raise Unusable(f"{name} should be a whole number of 0 or more, is {found}")
    return value


def kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    names |= {int: "a number", float: "a number", type(None): "missing"}
    return names.get(type(value), type(value).__name__)


def warnings(message: object) -> Iterator[tuple[str, str]]:
    """Yield (kind, reason) of a warningMessage: an object in sidecars, JSON in text in the API."""
    if isinstance(message, str) and message.strip():
        try:
            message = json.loads(message)
        except (ValueError, RecursionError):
            yield "general", _printable(str(message))
            return
    if isinstance(message, str | list):
        message = {"general": message}
    if not isinstance(message, dict):
        return
    for what, items in message.items():
        for item in items if isinstance(items, list) else [items]:
            if isinstance(item, dict):
                reason = item.get("reason")
                names = [f"{k} {v}" for k, v in sorted(item.items()) if k != "reason"]
                yield _printable(what), _printable(" ".join([*_texts(reason), *names]))
            elif item not in (None, ""):
                yield _printable(what), _printable(str(item))


def _texts(value: object) -> list[str]:
    return [] if value is None else [str(value)]


def _printable(value: str) -> str:
    return value[:1000].encode("utf-8", "replace").decode()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_JAVA = re.compile(
    r"\s*([A-Za-z]{3})[a-z]*\.?\s+([0-9]{1,2}),\s+([0-9]{4}),?\s+(?:at\s+)?"
    r"([0-9]{1,2}):([0-9]{2}):([0-9]{2})\s*([AaPp][Mm])?\s*(?:UTC|GMT|Z)?\s*"
)


def moment(value: str) -> datetime:
    r"""Return the moment that a sidecar spells, in UTC.

    Java's `Oct 6, 2026, 3:47:12 AM`, whose last blank is U+202F since JDK 20, or ISO-8601. Neither
    needs a zone; UTC is meant then.
    """
    match = _JAVA.fullmatch(value)
    try:
        if match:
            month, day, year, hour, minute, second, half = match.groups()
            hours = int(hour)
            if half:
                if not 1 <= hours <= 12:
                    raise ValueError("hour must be in 1..12")
                hours = hours % 12 + (12 if half.lower() == "pm" else 0)
            number = _MONTHS.index(month.lower()) + 1
            return datetime(
                int(year), number, int(day), hours, int(minute), int(second), tzinfo=UTC
            )
        found = datetime.fromisoformat(value.strip())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        said = repr(value[:80]) if value else "neither snapshotTime nor taskStartTime"
        raise Unusable(
            f"{said} is not a moment such as 'Oct 6, 2026, 3:47:12 AM' or '2026-10-06T03:47:12Z'"
        ) from error
