"""Copies inside S3, whole and in parts: what is there afterwards, locked, and told by its digest.

A small limit stands in for the 5 GiB of one CopyObject. SeaweedFS takes copies in parts and ignores
locks of CopyObject; moto has full-object checksums of copies and no locks for parts.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import S3Server
from faulty_s3 import FaultyS3
from moto import mock_aws

from compactor.errors import AlreadyExists, Changed, CompactorError, StoreError
from compactor.store import open_store, s3_copy
from compactor.store.interface import CopySource, Retention
from compactor.store.s3 import S3Store

MIB = 1 << 20
GIB = 1 << 30
BODY = random.Random(7).randbytes(11 * MIB + 3)
SHA256 = hashlib.sha256(BODY).hexdigest()
UNTIL = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)
LOCK = Retention(mode="COMPLIANCE", until=UNTIL, legal_hold=True)
KEY = "shop/dt=2026-10-05/part ü+0.parquet"


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_copy, "LARGEST_COPY_BYTES", 6 * MIB)
    monkeypatch.setattr(s3_copy, "SMALLEST_PART_BYTES", 5 * MIB)


def put(bucket: str, body: bytes = BODY) -> CopySource:
    store = open_store(f"s3://{bucket}/lake/")
    sha256 = hashlib.sha256(body).hexdigest()
    seen = store.put(KEY, body, sha256=sha256)
    return CopySource(
        bucket=bucket,
        key=f"lake/{KEY}",
        version_id=seen.version_id,
        etag=seen.etag,
        size_bytes=len(body),
        sha256=sha256,
        metadata={"compactor-rows": "7"},
    )


@pytest.fixture
def source(bucket: Callable[[], str], s3_env: S3Server) -> CopySource:
    return put(bucket())


@pytest.fixture
def vault(lock_bucket: Callable[[], str]) -> S3Store:
    return S3Store(f"s3://{lock_bucket()}/tables/")


def crc64nvme(body: bytes) -> str:
    """Return CRC-64/NVME as S3 writes it: https://reveng.sourceforge.io/crc-catalogue/17plus.htm"""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x9A6C9329AC4BC9B5 if value & 1 else 0)
        table.append(value)
    crc = 0xFFFF_FFFF_FFFF_FFFF
    for byte in body:
        crc = table[crc & 255 ^ byte] ^ crc >> 8
    return base64.b64encode((crc ^ 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "big")).decode()


def test_the_checksum_of_these_tests_is_that_of_the_catalogue() -> None:
    assert base64.b64decode(crc64nvme(b"123456789")).hex() == "ae8b14860a799888"


def bucket_of(store: S3Store) -> str:
    return store.url.split("/")[2]


def versions(s3_env: S3Server, store: S3Store) -> list[dict]:
    return s3_env.client().list_object_versions(Bucket=bucket_of(store)).get("Versions", [])


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size", [5 * GIB + 1, 100 * GIB, 2_500 * GIB, 2_500 * GIB + 1, 5 << 40, 45 << 40]
)
def test_parts_cover_every_byte_once_and_are_few_and_large_enough(size: int) -> None:
    ranges = s3_copy.part_ranges(size)

    assert len(ranges) <= 10_000
    assert [first for first, _ in ranges] == [0, *(last + 1 for _, last in ranges[:-1])]
    assert ranges[-1][1] == size - 1
    lengths = {last - first + 1 for first, last in ranges[:-1]}
    assert len(lengths) == 1
    assert 5 * MIB <= lengths.pop() <= 5 * GIB


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_limits")
def test_a_large_object_is_copied_in_parts_and_locked(
    source: CopySource, vault: S3Store, s3_env: S3Server
) -> None:
    sent: list[str] = []
    vault._connection.client.meta.events.register(
        "before-call.s3", lambda model, **_: sent.append(model.name)
    )

    copied = vault.copy(KEY, source, retention=LOCK)

    assert sent.count("UploadPartCopy") == 3
    assert (copied.size_bytes, copied.lock_mode, copied.retain_until, copied.legal_hold) == (
        len(BODY),
        "COMPLIANCE",
        UNTIL,
        True,
    )
    assert copied.metadata == {"compactor-rows": "7", "sha256": SHA256}
    assert copied.sha256 is None  # nothing is made up
    assert copied.crc64nvme == crc64nvme(BODY)
    assert vault.digest(KEY, copied.version_id) == SHA256
    assert [one["VersionId"] for one in versions(s3_env, vault)] == [copied.version_id]
    uploads = s3_env.client().list_multipart_uploads(Bucket=bucket_of(vault))
    assert uploads.get("Uploads", []) == []


def test_a_small_object_is_copied_at_once_and_locked(
    source: CopySource, vault: S3Store, s3_env: S3Server
) -> None:
    copied = vault.copy(KEY, source, retention=LOCK)

    assert (copied.lock_mode, copied.retain_until, copied.legal_hold) == ("COMPLIANCE", UNTIL, True)
    assert copied.sha256 in (None, SHA256)  # SeaweedFS computes none for a copy
    assert vault.digest(KEY, copied.version_id) == SHA256
    assert copied.metadata["sha256"] == SHA256
    assert len(versions(s3_env, vault)) == 1


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("size", [1, 11 * MIB])
def test_copying_again_adds_no_version(
    bucket: Callable[[], str], vault: S3Store, s3_env: S3Server, size: int
) -> None:
    source = put(bucket(), BODY[:size])
    first = vault.copy(KEY, source, retention=LOCK)
    second = vault.copy(KEY, source, retention=LOCK)

    assert first.version_id == second.version_id
    assert len(versions(s3_env, vault)) == 1


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("size", [1, 11 * MIB])
def test_another_object_under_the_key_is_never_covered(
    bucket: Callable[[], str], vault: S3Store, s3_env: S3Server, size: int
) -> None:
    other = vault.put(KEY, b"other", sha256=hashlib.sha256(b"other").hexdigest())
    source = put(bucket(), BODY[:size])

    with pytest.raises(AlreadyExists, match="found 5 bytes"):
        vault.copy(KEY, source)
    assert [one["VersionId"] for one in versions(s3_env, vault)] == [other.version_id]


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("size", [1, 11 * MIB])
def test_a_source_that_changed_is_not_copied(
    bucket: Callable[[], str], vault: S3Store, s3_env: S3Server, size: int
) -> None:
    source = put(bucket(), BODY[:size])
    s3_env.client().put_object(Bucket=source.bucket, Key=source.key, Body=b"x" * size)

    with pytest.raises(Changed):
        vault.copy(KEY, source, retention=LOCK)
    assert versions(s3_env, vault) == []
    uploads = s3_env.client().list_multipart_uploads(Bucket=bucket_of(vault))
    assert uploads.get("Uploads", []) == []  # the parts were given up


@pytest.fixture
def faulty(
    vault: S3Store, s3_env: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FaultyS3, S3Store]]:
    with FaultyS3(s3_env.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy, S3Store(vault.url)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize(("size", "method"), [(1, "PUT"), (11 * MIB, "POST")])
def test_a_copy_whose_answer_was_lost_is_found_and_there_once(
    source: CopySource,
    bucket: Callable[[], str],
    faulty: tuple[FaultyS3, S3Store],
    s3_env: S3Server,
    size: int,
    method: str,
) -> None:
    proxy, store = faulty
    small = put(bucket(), BODY[:size])
    if method == "POST":  # the first begins the upload, the second completes it
        store._connection.write_client.meta.events.register(
            "before-send.s3.CompleteMultipartUpload",
            lambda request, **_: proxy.inject("lose", method="POST"),
        )
    else:
        proxy.inject("lose", method="PUT")

    copied = store.copy(KEY, small, retention=LOCK)

    assert (copied.size_bytes, copied.retain_until) == (size, UNTIL)
    assert len(versions(s3_env, store)) == 1
    assert proxy.pending_faults() == 0


@pytest.mark.usefixtures("small_limits")
def test_a_part_that_is_refused_fails_the_copy_and_leaves_nothing(
    source: CopySource, faulty: tuple[FaultyS3, S3Store], s3_env: S3Server
) -> None:
    proxy, store = faulty
    proxy.inject("deny", method="PUT")

    with pytest.raises(CompactorError, match=r"copy part \d of 3"):
        store.copy(KEY, source, retention=LOCK)
    assert versions(s3_env, store) == []
    uploads = s3_env.client().list_multipart_uploads(Bucket=bucket_of(store))
    assert uploads.get("Uploads", []) == []


@pytest.mark.usefixtures("small_limits")
def test_the_checksum_of_a_copy_in_parts_is_that_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With moto, which is asked for what a server without it would not say."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        import boto3

        client = boto3.client("s3")
        client.create_bucket(Bucket="lake")
        client.create_bucket(Bucket="vault", ObjectLockEnabledForBucket=True)
        asked: list[dict] = []
        store = S3Store("s3://vault/tables/")
        for name in ("CreateMultipartUpload", "CompleteMultipartUpload"):
            for made in (store._connection.client, store._connection.write_client):
                made.meta.events.register(
                    f"provide-client-params.s3.{name}",
                    lambda params, **_: asked.append(dict(params)),
                )
        copied = store.copy(KEY, put("lake"))

        begin, complete = asked
        assert (begin["ChecksumAlgorithm"], begin["ChecksumType"]) == ("CRC64NVME", "FULL_OBJECT")
        assert (complete["ChecksumType"], complete["MpuObjectSize"]) == ("FULL_OBJECT", len(BODY))
        assert complete["IfNoneMatch"] == "*"
        assert [part["PartNumber"] for part in complete["MultipartUpload"]["Parts"]] == [1, 2, 3]
        assert copied.size_bytes == len(BODY)
        assert store.digest(KEY) == SHA256


def test_nothing_in_s3_is_copied_into_a_folder(tmp_path: Path) -> None:
    source = CopySource(bucket="b", key="k", version_id=None, etag="", size_bytes=1, sha256="")
    with pytest.raises(StoreError, match="cannot be copied"):
        open_store(str(tmp_path)).copy("k", source)


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put("k", b"abc", sha256=hashlib.sha256(b"abc").hexdigest())
    assert store.digest("k") == hashlib.sha256(b"abc").hexdigest()
