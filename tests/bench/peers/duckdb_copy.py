"""Peer: one typed, partitioned, unsorted, unverified `COPY` by DuckDB.

Runs as a process of its own, in the virtualenv of the DuckDB version that is measured; so it
imports nothing of the project.

usage: duckdb_copy.py SOURCE_GLOB TARGET [THREADS]
S3 settings are read from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

COPY = """
COPY (SELECT id, customer_id, status, amount::DECIMAL(12, 2) AS amount,
             created_at::TIMESTAMP AS created_at, paid_on::DATE AS paid_on, note, quantity,
             strftime(created_at::TIMESTAMP, '%Y-%m-%d') AS dt
      FROM read_parquet($source))
TO $target (FORMAT parquet, PARTITION_BY (dt), COMPRESSION zstd)
"""


def use_s3(connection: duckdb.DuckDBPyConnection) -> None:
    """Load httpfs from its PyPI package and point it at the server.

    Nothing else is set: it reads a small object in one request as it is (docs/benchmarks.md).
    """
    import duckdb_extension_httpfs

    package = Path(duckdb_extension_httpfs.__file__).parent
    extension = next(package.rglob("httpfs.duckdb_extension"))
    connection.load_extension(str(extension))
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
    connection.execute("SET s3_endpoint = $value", {"value": endpoint})
    connection.execute("SET s3_access_key_id = $value", {"value": os.environ["AWS_ACCESS_KEY_ID"]})
    connection.execute(
        "SET s3_secret_access_key = $value", {"value": os.environ["AWS_SECRET_ACCESS_KEY"]}
    )
    connection.execute("SET s3_region = 'us-east-1'")
    connection.execute("SET s3_url_style = 'path'")
    connection.execute("SET s3_use_ssl = false")


def main() -> None:
    source, target, *threads = sys.argv[1:]
    connection = duckdb.connect(config={"threads": int(threads[0])} if threads else {})
    if target.startswith("s3://"):
        use_s3(connection)
    connection.execute(COPY, {"source": source, "target": target})


if __name__ == "__main__":
    main()
