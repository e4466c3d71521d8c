"""Move whole folders to and from the benchmark's S3 server, many objects at a time.

Run as a child process, for the memory (see `exports.py`):
  python -m tests.bench.s3data upload FOLDER BUCKET        creates the bucket
  python -m tests.bench.s3data create - BUCKET             only creates it
  python -m tests.bench.s3data download FOLDER BUCKET/PREFIX
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import S3Store

_IN_FLIGHT = 64


def create(bucket: str) -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket=bucket)


async def upload(folder: Path, bucket: str) -> None:
    """Put every file below `folder` into `bucket`, under its path below `folder`."""
    store = _store(bucket)
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def put(path: Path) -> None:
        async with slots:
            await store.put_async(
                path.relative_to(folder).as_posix(), path.read_bytes(), use_multipart=False
            )

    async with asyncio.TaskGroup() as group:
        for path in folder.rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                group.create_task(put(path))


async def download(folder: Path, place: str) -> None:
    """Get every Parquet object under BUCKET/PREFIX into `folder`."""
    bucket, _, prefix = place.partition("/")
    store = _store(bucket)
    slots = asyncio.Semaphore(_IN_FLIGHT)

    async def get(key: str) -> None:
        async with slots:
            body = await (await store.get_async(key)).bytes_async()
            target = folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(body)

    async with asyncio.TaskGroup() as group:
        for batch in store.list(prefix):
            for found in batch:
                if found["path"].endswith(".parquet"):
                    group.create_task(get(found["path"]))


def _store(bucket: str) -> S3Store:
    from obstore.store import S3Store

    return S3Store(
        bucket,
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )


def main(arguments: Sequence[str]) -> None:
    verb, folder, place = arguments
    match verb:
        case "create":
            create(place)
        case "upload":
            create(place)
            asyncio.run(upload(Path(folder), place))
        case "download":
            asyncio.run(download(Path(folder), place))


if __name__ == "__main__":
    main(sys.argv[1:])
    # obstore's threads may still wake asyncio while Python is taken apart, and abort the process
    # (one upload in six, Python 3.11, obstore 0.12)
    os._exit(0)
