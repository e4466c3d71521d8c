"""How many versions a second `compactor audit` looks at, as a whole process.

    python -m tests.bench.audit [--objects 10000] [--rows 50]

Starts the local S3 server, puts that many locked objects and one signed link that names them, and
runs the command, shallow and deep. The chain has one link: its objects are what takes time.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from compactor.evidence.keys import new_key
from compactor.evidence.predicate import (
    NO_PREDECESSOR,
    PAYLOAD_TYPE,
    Predecessor,
    RunPredicate,
    Statement,
    Subject,
    link_key,
)
from compactor.evidence.sign import sign
from compactor.evidence.statement import to_bytes
from compactor.model import OutputColumn, PartitionResult, StoredObject, TableResult
from compactor.seaweed import SeaweedServer

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
UNTIL = datetime(2056, 10, 6, 3, 47, 12, tzinfo=UTC)
PREFIX = "tables/"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=50)
    said = parser.parse_args()
    with SeaweedServer() as server, tempfile.TemporaryDirectory() as place:
        os.environ.update(server.env())
        config = _fill(Path(place), said.objects, said.rows)
        for flags in ([], ["--deep"]):
            begun = time.monotonic()
            done = subprocess.run(
                [sys.executable, "-m", "compactor", "-q", "-c", config, "audit", "--json", *flags],
                capture_output=True,
                text=True,
                check=False,
            )
            took = time.monotonic() - begun
            told = json.loads(done.stdout)
            used = os.times()
            print(
                f"audit {' '.join(flags) or '(shallow)'}: {told['status']}, {told['objects']:,} "
                f"versions in {took:.1f} s: {told['objects'] / took:,.0f} a second "
                f"(children's processor so far: {used.children_user + used.children_system:.1f} s)"
            )
    return 0


def _fill(folder: Path, count: int, rows: int) -> str:
    """Write objects and link; return the path of the configuration."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="vault", ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket="lake")
    path = folder / "part.parquet"
    pq.write_table(pa.table({"id": pa.array(range(rows), pa.int64())}), path)
    body = path.read_bytes()
    sha256 = hashlib.sha256(body).digest()
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": UNTIL}

    def put(number: int) -> StoredObject:
        day = f"dt=2026-{number // 28 % 12 + 1:02d}-{number % 28 + 1:02d}"
        key = f"shop/public.orders/snapshot=20261006T034712Z/{day}/part-{number:06d}-x.parquet"
        answer = client.put_object(
            Bucket="vault",
            Key=PREFIX + key,
            Body=body,
            ChecksumSHA256=base64.b64encode(sha256).decode(),
            **lock,
        )
        return StoredObject(
            key=key,
            size_bytes=len(body),
            sha256=sha256.hex(),
            rows=rows,
            version_id=answer["VersionId"],
            lock_mode="COMPLIANCE",
            retain_until=UNTIL,
        )

    with ThreadPoolExecutor(16) as pool:
        items = tuple(pool.map(put, range(count)))
    table = TableResult(
        task_id="x",
        export_id="bench",
        database="shop",
        table="public.orders",
        snapshot=SNAPSHOT,
        status="done",
        partitions=(
            PartitionResult(
                value="", rows=rows * count, fingerprint="0-0", objects=items, archived=items
            ),
        ),
        columns=(OutputColumn(name="id", source_name="id", source_type="", type="BIGINT"),),
        engine=f"another than duckdb {duckdb.__version__}",
    )
    statement = Statement(
        subject=tuple(
            Subject(name=f"{item.key}@{item.version_id}", digest={"sha256": item.sha256})
            for item in items
        ),
        predicate=RunPredicate(
            number=0,
            predecessor=Predecessor(number=-1, envelope_sha256=NO_PREDECESSOR),
            run_id="bench",
            started_at=SNAPSHOT,
            finished_at=SNAPSHOT,
            sources=(),
            lake="s3://lake/",
            archive=f"s3://vault/{PREFIX}",
            tables=(table,),
        ),
    )
    key = folder / "key.pem"
    link = sign(new_key(key), to_bytes(statement), PAYLOAD_TYPE)
    client.put_object(
        Bucket="vault",
        Key=PREFIX + link_key(0),
        Body=link,
        ChecksumSHA256=base64.b64encode(hashlib.sha256(link).digest()).decode(),
        **lock,
    )
    config = folder / "bench.toml"
    config.write_text(
        f'[source]\nurls = ["s3://source/"]\n[lake]\nurl = "s3://lake/"\n'
        f'[archive]\nurl = "s3://vault/{PREFIX}"\n[evidence]\nkey = "ed25519:{key}"\n'
    )
    return str(config)


if __name__ == "__main__":
    sys.exit(main())
