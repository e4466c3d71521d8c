"""Write the exports of an invented shop: believable data with the traps of real exports in it.

Two exports are offered, one per engine. The PostgreSQL one repeats its partitioned tables: the
parent's folder holds every row in numbered folders full of tiny files, and each partition has a
folder of its own besides. A detached partition looks like one more and is none.

The rows come from `queries/samples/`, drawn by hashing row numbers: the same arguments give the
same bytes, with any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from compactor import sql
from compactor.sample_exports.rds import Column, Layout, RdsExport


@dataclass(frozen=True)
class ShopSize:
    """How much to write. Orders and events get `tiny_files` files each, order_items half of it."""

    customers: int = 2_000
    products: int = 300
    orders: int = 12_000
    events: int = 24_000
    months: int = 6
    tiny_files: int = 800


@dataclass(frozen=True)
class Shop:
    """What was written: the export's folder, rows per table, and which tables repeat which."""

    root: Path
    rows: dict[str, int]
    partitions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Partitioned table -> the tables that hold its rows once more."""


_CUSTOMERS = (
    Column("id", "integer"),
    Column("full_name", "character varying", char_length=120),
    Column("email", "character varying", char_length=255),
    Column("phone", "text"),
    Column("city", "text"),
    Column("country", "character", char_length=2),
    Column("born_on", "date"),
    Column("joined_at", "timestamp with time zone"),
    Column("is_business", "boolean"),
    Column("credit_limit", "numeric", precision=12),
    Column("external_id", "uuid"),
)
_PRODUCTS = (
    Column("id", "integer"),
    Column("sku", "character varying", char_length=20),
    Column("title", "text"),
    Column("category", "USER-DEFINED"),
    Column("price", "numeric", precision=10),
    Column("weight_kg", "double precision"),
    Column("stock", "integer"),
    Column("in_stock", "boolean"),
    Column("tags", "ARRAY"),
    Column("attributes", "jsonb"),
    Column("updated_at", "timestamp without time zone"),
)
_ORDERS = (
    Column("id", "bigint"),
    Column("order_no", "character varying", char_length=20),
    Column("customer_id", "integer"),
    Column("tenant_id", "smallint"),
    Column("status", "character varying", char_length=16),
    Column("channel", "USER-DEFINED"),
    Column("currency", "character", char_length=3),
    Column("amount", "numeric", precision=12),
    Column("tax_rate", "numeric"),
    Column("item_count", "smallint"),
    Column("created_at", "timestamp without time zone"),
    Column("paid_at", "timestamp with time zone"),
    Column("ship_on", "date"),
    Column("batch_uuid", "uuid"),
    Column("shipping", "jsonb"),
    Column("tags", "ARRAY"),
    Column("note", "text"),
    Column("weight_kg", "double precision"),
    Column("gift", "boolean"),
)
_ORDER_ITEMS = (
    Column("tenant_id", "smallint"),
    Column("id", "bigint"),
    Column("order_id", "bigint"),
    Column("line", "smallint"),
    Column("product_id", "integer"),
    Column("sku", "character varying", char_length=20),
    Column("quantity", "integer"),
    Column("unit_price", "numeric", precision=10),
    Column("discount", "numeric"),
    Column("ordered_on", "date"),
)
_EVENTS = (
    Column("id", "bigint"),
    Column("session_id", "uuid"),
    Column("customer_id", "integer"),
    Column("kind", "text"),
    Column("path", "text"),
    Column("occurred_at", "timestamp with time zone"),
    Column("properties", "jsonb"),
    Column("duration_ms", "integer"),
    Column("is_mobile", "boolean"),
)
_MIGRATIONS = (Column("version", "character varying", char_length=191),)

_MYSQL_CUSTOMERS = (
    Column("id", "int unsigned", precision=10),
    Column("name", "varchar", char_length=120),
    Column("email", "varchar", char_length=191),
    Column("country", "char", char_length=2),
    Column("birth_date", "date"),
    Column("segment", "enum"),
    Column("interests", "set"),
    Column("credit_limit", "decimal", precision=10, scale=2),
    Column("newsletter", "tinyint", precision=3),
    Column("loyalty_level", "tinyint unsigned", precision=3),
    Column("avatar", "blob"),
    Column("created_at", "timestamp"),
)
_MYSQL_ORDERS = (
    Column("id", "bigint unsigned", precision=20),
    Column("order_no", "char", char_length=12),
    Column("customer_id", "int unsigned", precision=10),
    Column("total", "decimal", precision=12, scale=2),
    Column("status", "enum"),
    Column("flags", "bit", precision=4),
    Column("exchange_rate", "decimal", precision=20, scale=10),
    Column("placed_at", "datetime"),
    Column("updated_at", "timestamp"),
    Column("delivery_time", "time"),
    Column("fiscal_year", "year"),
    Column("details", "json"),
    Column("note", "text"),
)
_MYSQL_PAYMENTS = (
    Column("id", "bigint", precision=19),
    Column("order_id", "bigint unsigned", precision=20),
    Column("amount", "decimal", precision=12, scale=2),
    Column("currency", "char", char_length=3),
    Column("method", "enum"),
    Column("booked_on", "date"),
    Column("paid_at", "datetime"),
)
_MYSQL_SESSIONS = (
    Column("id", "bigint", precision=19),
    Column("token", "char", char_length=32),
    Column("started_at", "datetime"),
    Column("duration", "time"),
    Column("ip", "varbinary", char_length=16),
    Column("user_agent", "varchar", char_length=255),
)


def write_postgres_shop(
    folder: Path, export_id: str, snapshot: datetime, size: ShopSize = ShopSize()
) -> Shop:
    """Write the shop as a PostgreSQL export, its partitioned tables twice over."""
    export = RdsExport(folder, export_id, snapshot)
    data = _ShopData(snapshot, size, salt="postgres")
    written: dict[str, int] = {}

    def write(name: str, columns: tuple[Column, ...], rows: Any, layout: Layout) -> None:
        export.table(name, columns, rows, layout, size_gb=0.0 if isinstance(rows, list) else None)
        written[name] = sum(part.num_rows for part in rows) if isinstance(rows, list) else len(rows)

    def exploded(rows: int) -> Layout:
        return Layout(rows_per_file=max(rows // size.tiny_files, 1))

    write("public.customers", _CUSTOMERS, data.rows("postgres_customers"), Layout(files=4))
    write("public.products", _PRODUCTS, data.rows("postgres_products", "taken_at"), Layout())

    # 1. orders: one partition per month, one made ahead, and a default for everything else
    orders = data.rows("postgres_orders", "taken_at")
    months = data.months
    day = pc.utf8_slice_codeunits(orders["created_at"], 0, 7)
    leaves = {
        f"public.orders_{m.replace('-', '_')}": orders.filter(pc.equal(day, m)) for m in months
    }
    other = pc.invert(pc.is_in(day, value_set=pa.array(months)))
    leaves["public.orders_default"] = orders.filter(other)
    write("public.orders", _ORDERS, list(leaves.values()), exploded(orders.num_rows))
    for name, rows in leaves.items():
        write(name, _ORDERS, rows, Layout(files=4 if rows.num_rows else 0))

    # 2. a month that was detached from orders: same columns, same naming, other rows
    detached = f"public.orders_{_add_months(months[0], -5).replace('-', '_')}"
    write(detached, _ORDERS, data.detached_orders(orders, months[0]), Layout(files=2))

    # 3. order_items: one partition per tenant, the small tenants share the default
    items = data.rows("postgres_order_items")
    tenants = {
        f"public.order_items_{n}": items.filter(pc.equal(items["tenant_id"], n)) for n in range(4)
    }
    tenants["public.order_items_default"] = items.filter(pc.greater(items["tenant_id"], 3))
    write("public.order_items", _ORDER_ITEMS, list(tenants.values()), exploded(2 * len(items)))
    for name, rows in tenants.items():
        write(name, _ORDER_ITEMS, rows, Layout(files=2))

    # 4. plain tables: one cut into tiny files, a tiny one, an empty one
    events = data.rows("postgres_events", "events", "customers", "salt", "opened_at", "taken_at")
    write("public.events", _EVENTS, events, exploded(len(events)))
    versions = pa.table({"version": [f"{month.replace('-', '')}01120000" for month in months]})
    write("public.schema_migrations", _MIGRATIONS, versions, Layout())
    write("public.audit_log", _EVENTS, events.slice(0, 0), Layout(files=0))
    partitions = {"public.orders": tuple(leaves), "public.order_items": tuple(tenants)}
    return Shop(export.finish(), written, partitions)


def write_mysql_shop(
    folder: Path, export_id: str, snapshot: datetime, size: ShopSize = ShopSize()
) -> Shop:
    """Write the shop as a MySQL export: CHAR as bytes, unsigned numbers, times beyond a day."""
    export = RdsExport(folder, export_id, snapshot, engine="mysql")
    data = _ShopData(snapshot, size, salt="mysql")
    sessions = data.rows("mysql_sessions", "events", "salt", "opened_at", "taken_at")
    tables = {
        "shop.customers": (_MYSQL_CUSTOMERS, data.rows("mysql_customers"), Layout(files=2)),
        "shop.orders": (_MYSQL_ORDERS, data.rows("mysql_orders", "salt"), Layout(files=12)),
        "shop.payments": (_MYSQL_PAYMENTS, data.rows("mysql_payments"), Layout(files=8)),
        "shop.sessions": (_MYSQL_SESSIONS, sessions, Layout(files=size.tiny_files)),
    }
    for name, (columns, rows, layout) in tables.items():
        export.table(name, columns, rows, layout)
    return Shop(export.finish(), {name: rows.num_rows for name, (_, rows, _) in tables.items()})


class _ShopData:
    """The shop's rows, drawn once in an in-memory DuckDB and read table by table."""

    def __init__(self, snapshot: datetime, size: ShopSize, salt: str) -> None:
        taken_at = snapshot.astimezone(UTC).replace(tzinfo=None)
        last = f"{taken_at:%Y-%m}"
        first = _add_months(last, 1 - size.months)
        self.months = [_add_months(first, n) for n in range(size.months + 1)]
        """Months of the partitions: up to the running one, and the next, which is empty."""
        self._values = {
            "customers": size.customers,
            "products": size.products,
            "orders": size.orders,
            "events": size.events,
            "salt": salt,
            "opened_at": datetime.fromisoformat(f"{first}-01"),
            "taken_at": taken_at,
        }
        self._connection = sql.connect()
        self._run("uniform")
        self._run("pick")
        self._run("people", "customers", "salt", "opened_at")
        self._run("goods", "products", "salt")
        self._run("order_heads", "orders", "customers", "salt", "opened_at", "taken_at")
        self._run("order_lines", "products", "salt")

    def rows(self, name: str, *parameters: str) -> pa.Table:
        """Return the result of `queries/samples/<name>.sql`."""
        statement = sql.query(f"samples/{name}")
        return self._connection.sql(statement, params=self._bound(parameters)).to_arrow_table()

    def detached_orders(self, orders: pa.Table, month: str) -> pa.Table:
        """Return orders of five months before `month`, the first one in `orders`."""
        self._connection.register("orders", orders)
        self._values |= {"month": month, "months": 5}
        return self.rows("detached_orders", "month", "months")

    def _bound(self, names: tuple[str, ...]) -> dict[str, Any] | None:
        return {name: self._values[name] for name in names} or None

    def _run(self, name: str, *parameters: str) -> None:
        self._connection.execute(sql.query(f"samples/{name}"), self._bound(parameters))


def _add_months(month: str, months: int) -> str:
    """Return the month `months` after `2026-05`."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
