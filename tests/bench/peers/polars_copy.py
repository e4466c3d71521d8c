"""Peer: one typed, partitioned, unsorted, unverified copy by Polars, many requests in flight.

Runs as a process of its own. The settings are the fastest we found: the streaming engine opens as
many files at once as MAX_CONCURRENT_SCANS says (by default so few that 25 ms of latency make it
ten times slower), reads each in one request, and its partitioned sink writes straight to S3.

usage: polars_copy.py SOURCE_GLOB TARGET IN_FLIGHT
S3 settings are read from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import os
import sys

SOURCE, TARGET, IN_FLIGHT = sys.argv[1:]
for name, value in {
    "MAX_CONCURRENT_SCANS": int(IN_FLIGHT),
    "NUM_READERS_PRE_INIT": int(IN_FLIGHT),
    "INFLIGHT_FLOOR_REQUEST_BUDGET": int(IN_FLIGHT),
    "INFLIGHT_REQUEST_BUDGET": 2 * int(IN_FLIGHT),
    "CONCURRENCY_BUDGET": 4 * int(IN_FLIGHT),
}.items():
    os.environ[f"POLARS_{name}"] = str(value)

import polars as pl  # noqa: E402 - reads its settings from the environment as it is imported

SCHEMA = {
    "id": pl.Int64,
    "customer_id": pl.Int32,
    "status": pl.String,
    "amount": pl.String,
    "created_at": pl.String,
    "paid_on": pl.String,
    "note": pl.String,
    "quantity": pl.Int32,
}


def main() -> None:
    options = {
        "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }
    rows = pl.scan_parquet(SOURCE, storage_options=options, schema=SCHEMA)
    typed = rows.with_columns(
        pl.col("amount").cast(pl.Decimal(12, 2)),
        pl.col("created_at").str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us"),
        pl.col("paid_on").str.to_date("%Y-%m-%d"),
    ).with_columns(dt=pl.col("created_at").dt.strftime("%Y-%m-%d"))
    typed.sink_parquet(
        pl.PartitionBy(TARGET, key="dt"),
        storage_options=options,
        compression="zstd",
        maintain_order=False,
    )


if __name__ == "__main__":
    main()
