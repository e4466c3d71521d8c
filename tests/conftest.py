"""Fixtures that more than one test module needs."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.loaders
import botocore.session
import pytest
from commands import command  # noqa: F401 (a fixture)
from spark import spark_session

from compactor.seaweed import SeaweedServer

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from s3_line import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """An S3 endpoint for tests, and the variables that point AWS tools at it."""

    endpoint: str
    env: dict[str, str]
    limited_env: dict[str, str] | None
    """Of a user who may use nothing but buckets named `limited...`; None where there is none."""
    reader_env: dict[str, str] | None = None
    """Of a user who may read and list everything, and write nothing; None where there is none."""

    def client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
            region_name=self.env.get("AWS_REGION", "us-east-1"),
        )


@pytest.fixture(scope="session", autouse=True)
def _one_loader() -> Iterator[None]:
    """Let all boto3 sessions share what they read from botocore's data files: 60 ms each."""
    loader = botocore.loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """SeaweedFS, or the endpoint in COMPACTOR_TEST_S3_URL with the AWS_* variables beside it."""
    if endpoint := os.environ.get("COMPACTOR_TEST_S3_URL"):
        env = {name: text for name, text in os.environ.items() if name.startswith("AWS_")}
        yield S3Server(
            endpoint=endpoint, env={**env, "AWS_ENDPOINT_URL": endpoint}, limited_env=None
        )
        return
    with SeaweedServer() as server:
        yield S3Server(
            endpoint=server.endpoint,
            env=server.env(),
            limited_env=server.env(limited=True),
            reader_env=server.env(reader=True),
        )


@pytest.fixture
def s3_env(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Point the AWS tools of this process at the server, and at nothing of the user's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name, text in s3_server.env.items():
        monkeypatch.setenv(name, text)
    return s3_server


@pytest.fixture
def bucket(s3_env: S3Server) -> Callable[[], str]:
    """Make a new bucket at every call; returns its name."""
    return lambda: _new_bucket(s3_env, "plain", with_lock=False)


@pytest.fixture
def lock_bucket(s3_env: S3Server) -> Callable[[], str]:
    """Make a new bucket with Object Lock (and versioning) at every call; returns its name."""
    return lambda: _new_bucket(s3_env, "lock", with_lock=True)


def _new_bucket(server: S3Server, kind: str, *, with_lock: bool) -> str:
    name = f"{kind}-{uuid.uuid4().hex}"
    server.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=with_lock)
    return name


@pytest.fixture
def place(
    s3_env: S3Server,
    bucket: Callable[[], str],
    lock_bucket: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """Source, lake and archive on the server, behind a proxy that watches and misbehaves."""
    from s3_line import Place, WatchedS3

    if not s3_env.endpoint.startswith("http://"):
        pytest.skip("the proxy speaks plain HTTP only")
    with WatchedS3(s3_env.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield Place.make(s3_env, proxy, tmp_path, (bucket(), bucket(), lock_bucket()))
        assert proxy.pending_faults() == 0


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Spark with Hive's catalog; starting it takes ten seconds."""
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("Spark needs Java 17 or newer, and there is none")
    with spark_session(tmp_path_factory.mktemp("spark")) as session:
        yield session
