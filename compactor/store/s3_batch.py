"""Create a job of S3 Batch Operations.

In:  a request as CreateJob takes it. Out: the job's id.
IO:  one request to S3 Control, in the region of the archive, where a copying job must live.

Needs s3:CreateJob, and iam:PassRole for the job's role.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html (read 2026-11-25)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError
from .interface import Store
from .s3 import S3Store
from .s3_client import boto_translated


def create_job(archive: Store, request: Mapping[str, Any]) -> str:
    """Create the job, or find the one that the same ClientRequestToken has created."""
    if not isinstance(archive, S3Store):
        raise ConfigError(f"S3 Batch Operations cannot write to {archive.url}")
    with boto_translated("create a job of S3 Batch Operations", archive.url):
        answer = archive.control_client().create_job(**request)
    return str(answer["JobId"])
