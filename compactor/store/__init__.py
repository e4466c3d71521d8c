"""Stores: where bytes lie. `open_store` is the only way in; the contract is in `interface`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import ConfigError
from .interface import Store

if TYPE_CHECKING:
    import boto3

__all__ = ["Store", "open_store"]


def open_store(
    url: str,
    *,
    concurrency: int = 128,
    storage_class: str | None = None,
    session: boto3.Session | None = None,
) -> Store:
    """Return the store of `s3://bucket/prefix/`, a local folder or a `file://` URL.

    `storage_class` is for what is written to S3; None leaves it to the bucket.

    Nothing is asked of the network yet, but credentials and region must be configured.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme == "s3":
        from .s3 import S3Store  # boto3 and obstore take half a second to import

        return S3Store(url, concurrency=concurrency, storage_class=storage_class, session=session)
    if scheme in ("", "file"):
        from .local import LocalStore

        if not url:
            raise ConfigError("the URL of a store is empty", hint="write a folder or s3://...")
        if not scheme:
            return LocalStore(Path(url))
        from urllib.request import url2pathname  # with an HTTP client, for this alone

        return LocalStore(Path(url2pathname(urlsplit(url).path)))
    raise ConfigError(
        f"{url!r}: no store for {scheme}://", hint="write s3://bucket/prefix/ or a local folder"
    )
