"""Realistic exports to try things on: the demo, the tests and the benchmarks write them."""

from compactor.sample_exports.carts import Carts, CartsSize, write_carts
from compactor.sample_exports.dms import DmsTarget, write_dms_shop
from compactor.sample_exports.dynamodb import DynamoDbExport, change
from compactor.sample_exports.rds import Column, Layout, RdsExport, part_name, write_part
from compactor.sample_exports.shop import Shop, ShopSize, write_mysql_shop, write_postgres_shop

__all__ = [
    "Carts",
    "CartsSize",
    "Column",
    "DmsTarget",
    "DynamoDbExport",
    "Layout",
    "RdsExport",
    "Shop",
    "ShopSize",
    "change",
    "part_name",
    "write_carts",
    "write_dms_shop",
    "write_mysql_shop",
    "write_part",
    "write_postgres_shop",
]
