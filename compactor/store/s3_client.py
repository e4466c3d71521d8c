"""Connections to S3, and what their errors mean in ours.

Endpoint, region, credentials and CA bundle are those the AWS tools take (environment, profiles,
roles), through one boto3 session. Bulk reads go through obstore, everything else through boto3; the
obstore connection is derived from the boto3 client, so that both always speak to the same place and
follow refreshed credentials.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import botocore.exceptions as boto_errors
from botocore.config import Config
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store as Remote

from ..errors import (
    Changed,
    CompactorError,
    ConfigError,
    Denied,
    LockUnsupported,
    NotFound,
    StoreError,
)
from .s3_http import HeadClient

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_LOCK_MISSING = {"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration"}
_KEYS_REFUSED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "RequestTimeTooSkewed",
}
_AWS_HOST = re.compile(r"https?://s3[.-]([a-z0-9-]+\.)*amazonaws\.com(\.cn)?/?$")
_CREDENTIALS_TTL = timedelta(minutes=10)
"""obstore asks again 5 minutes before this ends, and botocore never hands out credentials that end
within the next 10: none is used after its end. obstore's default, 30 minutes, would allow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait and how often to try."""

    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    """Silence on an open connection; a long transfer is fine as long as bytes come."""
    attempts: int = 8
    backoff_s: float = 0.25
    """Before the second attempt, at most; doubles with every further one, up to `backoff_max_s`."""
    backoff_max_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one bucket is: what requests need that boto3 does not make."""

    region: str
    host: str
    """The endpoint; with the bucket in its name if `is_virtual`."""
    is_virtual: bool
    bucket: str

    def path(self, key: str) -> str:
        """Return the path of a key, encoded as its signature needs it."""
        encoded = quote(key, safe="/-_.~")
        return f"/{encoded}" if self.is_virtual else f"/{self.bucket}/{encoded}"


class Connection:
    """One bucket: boto3 clients and the obstore handle. Safe to share between threads."""

    def __init__(
        self,
        bucket: str,
        *,
        session: boto3.Session | None,
        concurrency: int,
        patience: Patience,
    ) -> None:
        self.bucket = bucket
        self.concurrency = concurrency
        self.patience = patience
        self._remote: Remote | None = None
        self._lock = threading.Lock()
        with boto_translated("connect to S3", f"s3://{bucket}"):
            self.session = session or boto3.Session()
            self.region = self.session.region_name or os.environ.get("AWS_REGION", "")
            self.client = self.boto_client(patience.attempts)
            # not so a VPC endpoint (`bucket.vpce-...`), which is set like any other endpoint
            self.is_aws = bool(_AWS_HOST.match(self.client.meta.endpoint_url))
            if self.session.get_credentials() is None:
                raise boto_errors.NoCredentialsError
        if self.is_aws and not self.region:
            raise ConfigError(
                f"cannot connect to s3://{bucket}: no AWS region is configured",
                hint="set AWS_REGION, `region` in the profile, or AWS_ENDPOINT_URL for another S3",
            )
        self.write_client = self.boto_client(attempts=1)
        """Never repeats by itself: a PUT whose answer was lost may have been carried out."""

    def boto_client(self, attempts: int, region: str = "") -> Any:
        """Return a new boto3 client for S3; boto3 clients are safe to share between threads."""
        config = Config(
            connect_timeout=self.patience.connect_timeout_s,
            read_timeout=self.patience.read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=max(16, min(self.concurrency, 64)),
            # the server checks the digest of what it received, with TLS as well
            s3={"payload_signing_enabled": True},
        )
        # where an endpoint is set, the region is only a name
        region = region or self.region or "us-east-1"
        return self.session.client("s3", region_name=region, config=config)

    def control_client(self) -> Any:
        """Return a new boto3 client of S3 Control in the bucket's region."""
        region = self._bucket_region() if self.is_aws else self.region or "us-east-1"
        return self.session.client("s3control", region_name=region)

    @property
    def remote(self) -> Remote:
        """The obstore handle; made on first use."""
        with self._lock:
            if self._remote is None:
                with boto_translated("connect to S3", f"s3://{self.bucket}"):
                    self._remote = self._make_remote()
            return self._remote

    @functools.cached_property
    def place(self) -> Place:
        """Where requests for this bucket's objects go; asked for once."""
        with boto_translated("connect to S3", f"s3://{self.bucket}"):
            region = self._bucket_region() if self.is_aws else self.region or "us-east-1"
            client = (
                self.client
                if region == self.region
                else self.boto_client(attempts=1, region=region)
            )
            endpoint, is_virtual = _endpoint(client, self.bucket, is_aws=self.is_aws)
        return Place(region, endpoint, is_virtual, self.bucket)

    def _make_remote(self) -> Remote:
        region, endpoint, is_virtual = self.place.region, self.place.host, self.place.is_virtual
        options: ClientConfig = {
            "allow_http": endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=self.patience.connect_timeout_s),
            "read_timeout": timedelta(seconds=self.patience.read_timeout_s),
            "timeout": timedelta(days=1),
            "pool_max_idle_per_host": str(self.concurrency),
        }
        if bundle := self._ca_bundle():
            options["root_certificate"] = bundle
        return Remote(
            self.bucket,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,  # else obstore takes the variable of that name
            virtual_hosted_style_request=is_virtual,
            region=region,
            client_options=options,
            # repeated by `s3_bulk`, where it can be cancelled and covers the body as well
            retry_config={"max_retries": 0},
            credential_provider=Boto3CredentialProvider(self.session, ttl=_CREDENTIALS_TTL),
        )

    def head_client(self) -> HeadClient | None:
        """Return what sends HEAD requests directly; None where they go through a proxy."""
        if get_environ_proxies(self.place.host):
            return None
        context = None
        if self.place.host.startswith("https://"):
            bundle = self.session._session.get_config_variable("ca_bundle")
            context = ssl.create_default_context(cafile=bundle or get_cert_path(verify=True))
        timeout_s = self.patience.read_timeout_s
        return HeadClient(self.place.host, self.place.region, timeout_s, context)

    def _bucket_region(self) -> str:
        """Ask where the bucket is: botocore follows a redirect to its region, obstore does not."""
        try:
            answer = self.client.head_bucket(Bucket=self.bucket)
        except boto_errors.ClientError as error:
            answer = error.response  # a refusal names the region too
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(headers.get("x-amz-bucket-region") or self.region)

    def _ca_bundle(self) -> bytes | None:
        path = self.session._session.get_config_variable("ca_bundle")
        return Path(path).read_bytes() if path else None


def _endpoint(client: Any, bucket: str, *, is_aws: bool) -> tuple[str, bool]:
    """Return the endpoint for obstore, and whether it names the bucket in the host, as boto3 does.

    Not from a presigned URL: those name the global host whatever the region.
    """
    url = str(client.meta.endpoint_url).rstrip("/")
    style = (client.meta.config.s3 or {}).get("addressing_style", "auto")
    # the certificate of *.s3.amazonaws.com does not cover a bucket's name with dots
    if style == "virtual" or (style == "auto" and is_aws and "." not in bucket):
        scheme, _, host = url.partition("://")
        return f"{scheme}://{bucket}.{host}", True
    return url, False


def client_error_code(error: boto_errors.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def client_error_status(error: boto_errors.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextlib.contextmanager
def boto_translated(doing: str, where: str, key: str = "") -> Iterator[None]:
    """Turn what boto3 raises inside the block into our errors."""
    try:
        yield
    except boto_errors.ClientError as error:
        raise from_client_error(error, doing, where, key) from error
    except (
        boto_errors.NoCredentialsError,
        boto_errors.PartialCredentialsError,
        boto_errors.ProfileNotFound,
        boto_errors.NoRegionError,
        boto_errors.InvalidRegionError,
        boto_errors.ConfigParseError,
        boto_errors.ConfigNotFound,
    ) as error:
        raise ConfigError(
            f"cannot {doing} ({where}): {error}",
            key=key,
            hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use a role",
        ) from error
    except boto_errors.BotoCoreError as error:
        raise StoreError(
            f"cannot {doing} ({where}): {error}",
            key=key,
            hint="check the endpoint (AWS_ENDPOINT_URL) and the network, then run again",
        ) from error
    except ValueError as error:  # botocore, of a malformed endpoint or bucket name
        raise ConfigError(f"cannot {doing} ({where}): {error}", key=key) from error


def from_client_error(
    error: boto_errors.ClientError, doing: str, where: str, key: str = ""
) -> CompactorError:
    """Return our error for an answer that boto3 got."""
    said = str(error.response.get("Error", {}).get("Message", ""))
    answer = (client_error_status(error), client_error_code(error), said)
    return _from_answer(*answer, f"cannot {doing} ({where})", key)


def from_obstore_error(error: Exception, doing: str, where: str, key: str = "") -> CompactorError:
    """Return our error for what obstore raised; S3's own words are in its text."""
    text = str(error).split("\n\nDebug source:")[0].strip()
    status = re.search(r"status code: (\d{3})", text)
    if status is None:
        hint = "check the endpoint (AWS_ENDPOINT_URL) and the network, then run again"
        return StoreError(f"cannot {doing} ({where}): {text}", key=key, hint=hint)
    code = re.search(r"<Code>(.*?)</Code>", text)
    said = re.search(r"<Message>(.*?)</Message>", text)
    answer = (int(status[1]), code[1] if code else "", said[1] if said else "")
    return _from_answer(*answer, f"cannot {doing} ({where})", key)


def _from_answer(status: int, code: str, said: str, start: str, key: str) -> CompactorError:
    said = said or "no explanation"
    text = f"{start}: S3 answered {status} {code}: {said}"
    if code == "NoSuchBucket":
        return NotFound(text, key=key, hint="check the bucket's name, the account and the endpoint")
    # AWS: InvalidRequest, "Bucket is missing Object Lock Configuration"
    if code in _LOCK_MISSING or "objectlockconfiguration" in said.lower().replace(" ", ""):
        return LockUnsupported(text, key=key, hint="use a bucket created with Object Lock")
    # 405: the current version is a delete marker
    if status in (404, 405):
        return NotFound(text, key=key, hint="list again: it may have been removed since")
    if code == "InvalidObjectState":
        hint = "the object is in an archive storage class; restore it first (RestoreObject)"
        return StoreError(text, key=key, hint=hint)
    if code in _KEYS_REFUSED:
        return Denied(text, key=key, hint="check the credentials and this machine's clock")
    if status in (401, 403):
        return Denied(text, key=key, hint="check IAM policy, bucket policy and KMS key policy")
    if status == 412:
        return Changed(text, key=key, hint="the object changed since it was listed; scan again")
    if status in (301, 307):
        hint = "the bucket is in another region: set AWS_REGION to it"
        return StoreError(text, key=key, hint=hint)
    return StoreError(text, key=key, hint="run again; if it persists, see the service's status")
