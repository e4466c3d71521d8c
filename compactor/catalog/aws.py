"""Glue and Athena through boto3: clients, and what their errors mean in ours.

Region and credentials come from where the AWS tools take them. A refusal names the permission that
is missing; a throttled call was repeated by boto3, with pauses, before it is an error.

Sources (read 2026-11):
  https://docs.aws.amazon.com/glue/latest/webapi/CommonErrors.html
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ..errors import (
    AlreadyExists,
    Changed,
    CompactorError,
    ConfigError,
    Denied,
    NotFound,
    StoreError,
)
from ..store.s3_client import boto_translated, client_error_code

Service = Literal["glue", "athena"]
_ATTEMPTS = 8
_DENIED = {"AccessDeniedException", "AccessDenied", "UnauthorizedException"}
_KEYS_REFUSED = {
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
    "InvalidClientTokenId",
    "MissingAuthenticationTokenException",
}
_THROTTLED = {"ThrottlingException", "TooManyRequestsException", "OperationTimeoutException"}


def open_client(service: Service, session: boto3.Session | None = None) -> Any:
    """Return a boto3 client.

    Raises: ConfigError without a region.
    """
    with boto_translated("connect to AWS", service):
        session = session or boto3.Session()
        region = session.region_name or os.environ.get("AWS_REGION", "")
        if not region:
            raise ConfigError(
                f"cannot connect to {service}: no AWS region is configured",
                hint="set AWS_REGION, or `region` in the profile",
            )
        config = Config(retries={"mode": "standard", "total_max_attempts": _ATTEMPTS})
        return session.client(service, region_name=region, config=config)


@contextmanager
def translated(service: Service, operation: str, where: str) -> Iterator[None]:
    """Turn what boto3 raises inside the block into our errors.

    `operation` as boto3 spells it, `batch_create_partition`; `where`, what it is about.
    """
    action = f"{service}:{operation.title().replace('_', '')}"
    with boto_translated(f"call {action}", where):
        try:
            yield
        except ClientError as error:
            raise _meaning(error, service, action, where) from error


def _meaning(error: ClientError, service: Service, action: str, where: str) -> CompactorError:
    code = client_error_code(error)
    said = str(error.response.get("Error", {}).get("Message") or "no explanation")
    text = f"cannot call {action} ({where}): {service.title()} answered {code}: {said}"
    if code in _DENIED:
        grant = f"allow {action} on {where}"
        if service == "glue":
            grant += ", its database and the catalog; with Lake Formation, grant it there, too"
        return Denied(text, hint=grant)
    if code in _KEYS_REFUSED:
        return Denied(text, hint="check the credentials and this machine's clock")
    if code in _THROTTLED:
        return StoreError(
            text, hint="run again later: what was done stays, the rest is found and done"
        )
    if code == "EntityNotFoundException":
        return NotFound(text, hint="somebody removed it meanwhile, or there is none: run again")
    if code == "AlreadyExistsException":
        return AlreadyExists(text, hint="somebody made it meanwhile: run again")
    if code == "ConcurrentModificationException":
        return Changed(text, hint="somebody changed it meanwhile: run again")
    if code == "ResourceNumberLimitExceededException":
        return StoreError(text, hint="ask AWS for a higher quota, then run again")
    return StoreError(text, hint="run again; if it persists, see the service's status")
