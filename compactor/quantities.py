"""Sizes and periods as people write them: `256MiB`, `7y`, `12h`, `15m`. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)\s*$")
_UNIT = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} | {
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_MOST = {"d": 365_000, "mo": 12_000, "y": 1_000}
_SETTLE = re.compile(r"^\s*(\d{1,9})\s*(s|m|h)\s*$")
_HOURS = re.compile(r"^\s*(\d{1,6})\s*h\s*$")
_RETAIN = re.compile(r"^\s*(\d+)\s*(d|mo|y)\s*$")


def parse_size(text: str) -> int:
    """Return the bytes of `256MiB`, `2GiB`, `500MB`."""
    match = _SIZE.match(text)
    if not match:
        raise ValueError(
            f"{text!r} is not a size; write a number and a unit, such as 256MiB or 2GiB"
        )
    return int(float(match[1]) * _UNIT[match[2]])


def parse_retain(text: str) -> tuple[int, Literal["d", "mo", "y"]]:
    """Return (number, unit) of `30d`, `18mo`, `7y`."""
    match = _RETAIN.match(text)
    if not match or int(match[1]) == 0:
        raise ValueError(f"{text!r} is not a period; write 30d, 18mo or 7y")
    unit: Any = match[2]
    if int(match[1]) > _MOST[unit]:
        raise ValueError(f"{text!r} is longer than 1000 years")
    return int(match[1]), unit


Period = tuple[int, Literal["h", "d", "mo", "y"]]


def parse_period(text: str) -> Period:
    """Return (number, unit) of `12h`, `1d`, `1mo`, `1y`."""
    match = _HOURS.match(text)
    return (int(match[1]), "h") if match and int(match[1]) else parse_retain(text)


def retain_months(period: tuple[int, Literal["d", "mo", "y"]]) -> float:
    """Return a period in months, as storage is billed."""
    number, unit = period
    return number * {"d": 12 / 365.25, "mo": 1.0, "y": 12.0}[unit]


def parse_settle(text: str) -> timedelta:
    """Return the time of `90s`, `15m`, `24h`."""
    match = _SETTLE.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a time to wait; write 90s, 15m or 24h")
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    if seconds > 366 * 86_400:
        raise ValueError(f"{text!r} is longer than a year")
    return timedelta(seconds=seconds)
