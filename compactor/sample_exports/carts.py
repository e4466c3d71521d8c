"""Write the exports of an invented shop's carts: one full DynamoDB export, and what changed since.

The carts live in memory; each window inserts, changes and removes some. What an incremental export
has of a window follows from the states before and after it, as AWS defines it: one record per item,
with its last state, and none at all for an item that came and went. The true state at every moment
is returned, so that a rebuilt one can be compared.

The same arguments give the same bytes: everything is drawn from a seeded generator.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .dynamodb import Change, DynamoDbExport, Item, change

KEY_NAMES = ("customer_id", "cart_no")
_CITIES = ("Malmö", "Kraków", "Łódź", "Zürich", "Oslo", "東京")
_COUPONS = ("SPRING", "WELCOME-5", "FREE_SHIPPING", "O'REILLY", 'say "hi"')

State = Mapping[tuple[str, str], Item]
"""(customer_id, cart_no) -> the cart."""


@dataclass(frozen=True, kw_only=True)
class CartsSize:
    """How much to write; shares are of the carts that are there when a window begins."""

    carts: int = 200
    files: int = 3
    """Data files per export that may hold something; there is an empty one besides."""
    windows: int = 3
    window: timedelta = timedelta(hours=1)
    changed: float = 0.1
    removed: float = 0.05
    added: float = 0.08


@dataclass(frozen=True, kw_only=True)
class Carts:
    """What was written."""

    full: DynamoDbExport
    windows: tuple[DynamoDbExport, ...]
    states: Mapping[datetime, State]
    """The carts at the full export's moment and at the end of each window."""
    changes: Mapping[str, int]
    """Records per incremental export, by its id."""


def write_carts(
    folder: Path,
    moment: datetime,
    size: CartsSize = CartsSize(),
    template: DynamoDbExport | None = None,
) -> Carts:
    """Write a full export of `moment`, and incremental ones of the windows that follow it.

    `template` says how exports are spelled: prefix, table, format, names of checksums.
    """
    how = template or DynamoDbExport(table="carts", moment=moment)
    shop = _Shop(moment, size)
    full = _of(how, moment, None)
    full.write(folder, _cut(list(shop.state.values()), size.files))
    states = {moment: dict(shop.state)}
    windows, counts = [], {}
    for number in range(size.windows):
        since = moment + number * size.window
        lines = shop.live_through(since, since + size.window)
        export = _of(how, since + size.window, since)
        if how.view == "NEW_IMAGE":
            lines = [{k: v for k, v in line.items() if k != "OldImage"} for line in lines]
        export.write(folder, _cut(lines, size.files))
        windows.append(export)
        counts[export.export_id] = len(lines)
        states[export.moment] = dict(shop.state)
    return Carts(full=full, windows=tuple(windows), states=states, changes=counts)


def _of(how: DynamoDbExport, moment: datetime, since: datetime | None) -> DynamoDbExport:
    return DynamoDbExport(
        table=how.table,
        moment=moment,
        since=since,
        prefix=how.prefix,
        output="DYNAMODB_JSON" if since else how.output,
        view=how.view,
        checksum_suffix=how.checksum_suffix,
        says_full=how.says_full,
        bucket=how.bucket,
        account=how.account,
        region=how.region,
        damage=how.damage,
    )


def _cut(lines: Sequence[Any], files: int) -> list[list[Any]]:
    """Deal lines out to files. One partition is always empty, as in most real tables."""
    return [[], *(list(lines[number::files]) for number in range(files))]


class _Shop:
    """Carts that come, change and go."""

    def __init__(self, moment: datetime, size: CartsSize) -> None:
        self.size = size
        self.random = random.Random(f"carts {moment.isoformat()} {size.carts}")
        self.state: dict[tuple[str, str], Item] = {}
        self.drawn = 0
        for _ in range(size.carts):
            self._add(moment - timedelta(seconds=self.random.randrange(90 * 86_400)))

    def live_through(self, since: datetime, until: datetime) -> list[Change]:
        """Change carts within a window; return the records that an export has of it."""
        before = dict(self.state)
        written: dict[tuple[str, str], datetime] = {}
        for what in self._plan(len(before)):
            at = self._moment(since, until)
            keys = [key for key in self.state if written.get(key, since) < at]
            if what == "add" or not keys:
                key = self._add(at)
            else:
                key = self.random.choice(keys)
                if what == "remove":
                    del self.state[key]
                else:
                    self.state[key] = self._changed(self.state[key], at)
            written[key] = at
        return [
            change(written[key], _keys_of(key), old=before.get(key), new=self.state.get(key))
            for key in sorted(written, key=lambda key: (written[key], key))
            if key in before or key in self.state
        ]

    def _plan(self, carts: int) -> list[str]:
        size = self.size
        shares = {"change": size.changed, "remove": size.removed, "add": size.added}
        plan = [what for what, share in shares.items() for _ in range(round(carts * share) or 1)]
        self.random.shuffle(plan)
        return plan

    def _moment(self, since: datetime, until: datetime) -> datetime:
        """Draw a moment: microseconds, and now and then the window's very first one."""
        if self.random.random() < 0.02:
            return since
        micros = (until - since) // timedelta(microseconds=1)
        return since + timedelta(microseconds=self.random.randrange(micros))

    def _add(self, at: datetime) -> tuple[str, str]:
        self.drawn += 1
        key = (f"C{self.random.randrange(self.size.carts):05d}", str(self.drawn))
        self.state[key] = self._cart(key, at)
        return key

    def _cart(self, key: tuple[str, str], at: datetime) -> Item:
        """Draw a cart. No attribute but the keys and the dates is in all of them."""
        draw = self.random
        lines = [self._line() for _ in range(draw.randrange(4))]
        cart: dict[str, dict[str, Any]] = {
            **_keys_of(key),
            "created_at": {"S": _iso(at)},
            "updated_at": {"N": str(int(at.timestamp()))},
            "total": {"N": f"{draw.randrange(100_000) / 100:g}"},
            "lines": {"L": lines},
            "is_gift": {"BOOL": draw.random() < 0.2},
        }
        maybe: dict[str, dict[str, Any]] = {
            "note": {"NULL": True} if draw.random() < 0.5 else {"S": 'für "Oma"\n\\o/ 🎁'},
            "shipping": {"M": {"city": {"S": draw.choice(_CITIES)}, "express": {"BOOL": True}}},
            "coupons": {"SS": sorted(draw.sample(_COUPONS, 2))},
            "ratings": {"NS": ["3", "4.5", "-1E-7"]},
            "fingerprint": {"B": _base64(draw.randbytes(8))},
            "pictures": {"BS": [_base64(draw.randbytes(3)), _base64(draw.randbytes(5))]},
            "budget": {"N": "12345678901234567890123456789012345678"},
        }
        return cart | {name: value for name, value in maybe.items() if draw.random() < 0.4}

    def _line(self) -> dict[str, Any]:
        sku, quantity = f"SKU-{self.random.randrange(500):03d}", self.random.randrange(1, 5)
        return {"M": {"sku": {"S": sku}, "quantity": {"N": str(quantity)}}}

    def _changed(self, cart: Item, at: datetime) -> Item:
        new = {**cart, "updated_at": {"N": str(int(at.timestamp()))}}
        new["lines"] = {"L": [*cart["lines"]["L"], self._line()]}
        if new.pop("note", None) is None:
            new["note"] = {"S": "changed"}
        return new


def _keys_of(key: tuple[str, str]) -> dict[str, dict[str, Any]]:
    return {"customer_id": {"S": key[0]}, "cart_no": {"N": key[1]}}


def _iso(at: datetime) -> str:
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
