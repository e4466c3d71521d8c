"""List a bucket: every object exactly once, many requests at a time, as Arrow tables.

Versions and delete markers are listed in the same way (`s3_versions`): what differs is a `Kind`.

boto3 sends the requests (signing, retries, redirects), but its XML parser builds dicts and takes
most of the time, so answers are parsed here, straight into columns. Why not obstore, which is as
fast: it drops the slash of keys that end in one, fails for a whole listing that holds a key with
`//` or a control character, and cannot list by a prefix that ends inside a name (0.12, tried).

Work is split by what the answers show, never by order, because not every S3 lists in byte order:

1. List flat. One page is all: done.
2. Else list the folders (delimiter `/`). Few: each becomes a listing of its own. Only one: the same
   with it, without listing it flat first, because all that is to come lies in it.
3. Many: they are grouped by the beginnings of their names, and each beginning becomes a listing.
   Beginnings have one length, so that no key is under two of them.
4. No folders, or too many to enumerate: go on flat, page by page.

API: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html (read 2026-11-21)
"""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

import botocore.handlers
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import StoreError
from .interface import LISTING_SCHEMA
from .s3_client import Connection, boto_translated

_THREADS = 32
_FEW_ENTRIES = 64
_GROUPS = 32
"""Split into at least so many beginnings."""
_FOLDER_PAGES = 4
"""More pages of folder names than this, and listing flat is cheaper."""


Token = tuple[str, ...]
"""Where a listing goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    objects: pa.Table
    folders: list[str]
    token: Token | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """The next request for one prefix."""

    prefix: str
    token: Token | None = None
    first_page: Page | None = None
    """A flat listing turned out long: enumerate its folders before going on."""


@dataclass(slots=True)
class _Result:
    tables: list[pa.Table] = field(default_factory=list)
    jobs: list[_Job] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A listing of S3: its API operation, its root element, and what reads a page of it."""

    operation: str
    method: str
    root: str
    resume: Callable[[Token], dict[str, str]]
    """Returns the arguments that go on from there."""
    page: Callable[[ElementTree.Element, str], Page]
    """Takes the root element and the namespace of its tags, in braces."""


class Lister:
    """Lists one bucket: its objects, unless another kind is given."""

    def __init__(self, connection: Connection, kind: Kind | None = None) -> None:
        self._kind = kind or OBJECTS
        self._bucket = connection.bucket
        self._threads = min(_THREADS, connection.concurrency)
        self._client = connection.boto_client(connection.patience.attempts)
        events = self._client.meta.events
        # botocore parses every answer twice, first to see whether it is an error sent with status
        # 200; `_parse_answer` does both
        twice = getattr(botocore.handlers, "_handle_200_error", None)
        events.unregister("before-parse.s3.*", twice)
        events.register(f"before-parse.s3.{self._kind.operation}", self._parse_answer)

    def list(self, prefix: str) -> Iterator[pa.Table]:
        """Yield one table per answer; keys are whole keys."""
        waiting = deque([_Job(prefix=prefix)])
        running: set[Future[_Result]] = set()
        pool = ThreadPoolExecutor(self._threads, "s3-list")
        try:
            while waiting or running:
                # no more at a time than there are threads: answers nobody takes do not pile up
                while waiting and len(running) < self._threads:
                    running.add(pool.submit(self._work, waiting.popleft()))
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    waiting.extend(result.jobs)
                    yield from result.tables
        finally:
            pool.shutdown(cancel_futures=True)

    def _work(self, job: _Job) -> _Result:
        if job.first_page is not None:
            return self._split(job.prefix, job.first_page)
        page = self._request(job.prefix, token=job.token)
        if page.token is None:
            return _Result([page.objects])
        if job.token is None and _has_folders(page, job.prefix):
            return _Result(jobs=[_Job(prefix=job.prefix, first_page=page)])
        return _Result([page.objects], [_Job(prefix=job.prefix, token=page.token)])

    def _split(self, prefix: str, first: Page | None) -> _Result:
        """Enumerate what lies directly under the prefix, and make listings of its parts.

        `first` is the first page of the flat listing, if there was one.
        """
        tables: builtins.list[pa.Table] = []
        folders: builtins.list[str] = []
        token: Token | None = None
        for number in range(_FOLDER_PAGES):
            page = self._request(prefix, token=token, delimiter="/")
            tables.append(page.objects)
            folders += page.folders
            token = page.token
            if token is None or (number == 0 and not folders):
                break
        if token is not None:
            first = first or self._request(prefix)
            rest = [_Job(prefix=prefix, token=first.token)] if first.token else []
            return _Result([first.objects], rest)
        direct = pa.concat_tables(tables)
        if len(folders) == 1 and folders[0] != prefix:
            deeper = self._split(folders[0], None)
            return _Result([direct, *deeper.tables], deeper.jobs)
        if len(folders) + len(direct) <= _FEW_ENTRIES:
            return _Result([direct], [_Job(prefix=folder) for folder in folders])
        keys = direct["key"].to_pylist()
        length = _beginning_length([*folders, *keys], len(prefix))
        # a key shorter than the beginnings is under none of them; a longer one is under exactly one
        is_short = pc.less(pc.utf8_length(direct["key"]), length)
        longer = (key for key in keys if len(key) >= length)
        beginnings = {name[:length] for name in (*folders, *longer)}
        return _Result([direct.filter(is_short)], [_Job(prefix=b) for b in sorted(beginnings)])

    def _request(
        self, prefix: str, *, token: Token | None = None, delimiter: str | None = None
    ) -> Page:
        arguments: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        if token is not None:
            arguments |= self._kind.resume(token)
        if delimiter is not None:
            arguments["Delimiter"] = delimiter
        where = f"s3://{self._bucket}/{prefix}"
        with boto_translated("list", where):
            answer = getattr(self._client, self._kind.method)(**arguments)
        page: Page | None = answer.get("Page")
        if page is None:
            raise StoreError(
                f"cannot list ({where}): the answer is no {self._kind.root}",
                hint="is the endpoint (AWS_ENDPOINT_URL) an S3 endpoint?",
            )
        if page.token is not None and page.token == token:
            raise StoreError(f"cannot list ({where}): the server gave the same continuation twice")
        return page

    def _parse_answer(
        self,
        response_dict: dict[str, Any],
        customized_response_dict: dict[str, Any],
        **_: object,
    ) -> None:
        """Parse a good answer in botocore's place, and leave it nothing to parse."""
        if response_dict["status_code"] != 200:
            return
        try:
            root = ElementTree.fromstring(response_dict["body"])
        except ElementTree.ParseError:
            response_dict["status_code"] = 500  # cut short: botocore repeats the request
            return
        space, _brace, name = root.tag.rpartition("}")
        if name == self._kind.root:
            page = self._kind.page(root, f"{space}}}" if space else "")
            customized_response_dict["Page"] = page
            response_dict["body"] = f"<{name}/>".encode()
        elif name == "Error":
            response_dict["status_code"] = 500


def _has_folders(page: Page, prefix: str) -> bool:
    names = pc.utf8_slice_codeunits(page.objects["key"], len(prefix))
    return bool(pc.any(pc.match_substring(names, "/")).as_py())


def _beginning_length(names: list[str], shortest: int) -> int:
    """Return the smallest length that makes enough different beginnings.

    Folder names end in the only `/` after the prefix, so a folder that is shorter than the
    beginnings cannot be the beginning of another name.
    """
    longest = max(map(len, names))
    for length in range(shortest + 1, longest):
        if len({name[:length] for name in names}) >= _GROUPS:
            return length
    return longest


def _page(root: ElementTree.Element, space: str) -> Page:
    is_encoded = root.findtext(f"{space}EncodingType") == "url"

    def columns(*names: str) -> Iterator[list[str]]:
        items = root.findall(f"{space}Contents")
        for name in names:
            tag = space + name
            yield [item.findtext(tag) or "" for item in items]

    keys, sizes, etags, moments = columns("Key", "Size", "ETag", "LastModified")
    if is_encoded:
        keys = [unquote_plus(key) for key in keys]
    token = None
    if root.findtext(f"{space}IsTruncated") == "true":
        token = root.findtext(f"{space}NextContinuationToken")
        if not token:
            raise StoreError("cannot list: the server says there is more, but not how to get it")
    objects = pa.table(
        [
            pa.array(keys, pa.string()),
            pa.array(sizes, pa.string()).cast(pa.int64()),
            pa.array([etag.strip('"') for etag in etags], pa.string()),
            pa.array(moments, pa.string()).cast(pa.timestamp("us", tz="UTC")),
            pa.nulls(len(keys), pa.string()),
        ],
        schema=LISTING_SCHEMA,
    )
    return Page(
        objects=objects, folders=folder_names(root, space), token=(token,) if token else None
    )


def folder_names(root: ElementTree.Element, space: str) -> list[str]:
    """Return the common prefixes of a page."""
    found = root.findall(f"{space}CommonPrefixes")
    names = [item.findtext(f"{space}Prefix") or "" for item in found]
    is_encoded = root.findtext(f"{space}EncodingType") == "url"
    return [unquote_plus(name) for name in names] if is_encoded else names


OBJECTS = Kind(
    operation="ListObjectsV2",
    method="list_objects_v2",
    root="ListBucketResult",
    resume=lambda token: {"ContinuationToken": token[0]},
    page=_page,
)
