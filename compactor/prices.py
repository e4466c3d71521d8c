"""What requests, storage and scans cost: one small table, with its date and source.

List prices of the us-east-1 region, without discounts, taxes and transfer, as known on 2026-11-21.
Sources:
  https://aws.amazon.com/s3/pricing/
  https://aws.amazon.com/athena/pricing/
  https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html (smallest size)
"""

from __future__ import annotations

SHORT_SOURCE = "list prices of us-east-1 as known on 2026-11-21"
SOURCE = f"{SHORT_SOURCE}: aws.amazon.com/s3/pricing, /athena/pricing"

WRITE_USD = 0.005 / 1000
"""Per PUT, COPY, POST or LIST request (STANDARD)."""
READ_USD = 0.0004 / 1000
"""Per GET or HEAD request (STANDARD)."""
STORAGE_USD = {
    "STANDARD": 0.023,
    "INTELLIGENT_TIERING": 0.023,
    "STANDARD_IA": 0.0125,
    "GLACIER_IR": 0.004,
}
"""Per GB (2^30 bytes) and month, first price step."""
SMALLEST_BILLED_BYTES = {"STANDARD_IA": 128 << 10, "GLACIER_IR": 128 << 10}
"""An object in these classes is billed as at least this large."""
ATHENA_USD_PER_TB = 5.0
ATHENA_SMALLEST_BYTES = 10_000_000
"""A query is billed for at least this much."""


def requests_usd(*, reads: int = 0, writes: int = 0) -> float:
    """Return the cost of GET (`reads`) and of PUT or LIST requests (`writes`)."""
    return reads * READ_USD + writes * WRITE_USD


def storage_usd_month(
    size_bytes: int, objects: int, storage_class: str = "STANDARD"
) -> float | None:
    """Return what keeping objects costs a month; None for a class without a price here."""
    price = STORAGE_USD.get(storage_class)
    if price is None:
        return None
    billed = max(size_bytes, objects * SMALLEST_BILLED_BYTES.get(storage_class, 0))
    return billed / (1 << 30) * price


def athena_scan_usd(size_bytes: int) -> float:
    """Return the cost of one query that reads everything."""
    return max(size_bytes, ATHENA_SMALLEST_BYTES) / 1e12 * ATHENA_USD_PER_TB
