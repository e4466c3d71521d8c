"""A local folder as a `Store`: for tests, dry runs, and lakes on one machine. It cannot lock.

Keys are paths below the folder. Nothing outside is read or written: keys with `..` are refused,
and links that lead out are not followed. A write goes to a temporary name beside its target and is
moved into place when it is complete and on disk. Metadata and storage class have no place here and
are dropped; the SHA-256 of an object is that of the file, read anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import stat as stat_flags
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ..errors import (
    AlreadyExists,
    Changed,
    Denied,
    LockUnsupported,
    NotFound,
    StoreError,
)
from .interface import (
    LISTING_SCHEMA,
    VERSIONS_SCHEMA,
    CopySource,
    Fetched,
    Object,
    Retention,
    Version,
    Wanted,
)

logger = logging.getLogger(__name__)

_TEMPORARY = ".compactor-tmp-"
"""Names of writes that are not finished begin so; listings leave them out."""
_ROWS_PER_TABLE = 20_000


class LocalStore:
    """Implements `Store` on a folder, which need not exist before the first write."""

    def __init__(self, folder: Path) -> None:
        self._root = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow links)
        self._real_root = self._root.resolve()
        self.url = f"{str(self._root).rstrip('/')}/"

    def list(self, prefix: str = "") -> Iterator[pa.Table]:
        """Walk the folder; a missing one holds nothing, like a prefix without objects."""
        keys, sizes, etags, moments = _new_columns()
        for key, status in self._walk(prefix.rpartition("/")[0]):
            if not key.startswith(prefix):
                continue
            keys.append(key)
            sizes.append(status.st_size)
            etags.append(_etag(status))
            moments.append(status.st_mtime_ns // 1000)
            if len(keys) >= _ROWS_PER_TABLE:
                yield _table(keys, sizes, etags, moments)
                keys, sizes, etags, moments = _new_columns()
        if keys:
            yield _table(keys, sizes, etags, moments)

    def list_versions(self, prefix: str = "") -> Iterator[pa.Table]:
        """Each file is the one version of itself."""
        for page in self.list(prefix):
            count = len(page)
            yield pa.table(
                [
                    page["key"],
                    page["version_id"],
                    pa.array([True] * count, pa.bool_()),
                    pa.array([False] * count, pa.bool_()),
                    page["size_bytes"],
                    page["modified_at"],
                ],
                schema=VERSIONS_SCHEMA,
            )

    def _walk(self, start: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yield every regular file at or below a folder (a key without its last slash)."""
        if start and not _is_proper(start):
            return
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            base = f"{folder}/" if folder else ""
            with _translated("list", self._root / folder, folder):
                try:
                    entries = os.scandir(self._root / folder)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # no such folder, or removed since its parent was read
                with entries:
                    for entry in entries:
                        if entry.name.startswith(_TEMPORARY):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(base + entry.name)
                        elif (status := self._file_status(entry)) is not None:
                            yield base + entry.name, status

    def _file_status(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """Return the status of a file, or of the one that a link leads to within the folder."""
        try:
            status = entry.stat()
        except FileNotFoundError:
            return None  # removed since, or a link to nothing
        if entry.is_symlink() and (
            stat_flags.S_ISDIR(status.st_mode)
            or not Path(entry.path).resolve().is_relative_to(self._real_root)
        ):
            logger.warning("left out: %s is a link to a folder or out of the store", entry.path)
            return None
        return status if stat_flags.S_ISREG(status.st_mode) else None

    def _path(self, key: str) -> Path:
        if not _is_proper(key):
            raise StoreError(
                f"{key!r} is no key of a local folder ({self.url})",
                key=key,
                hint="keys are relative, without empty, `.` or `..` parts",
            )
        path = self._root / key
        if not path.resolve().is_relative_to(self._real_root):
            raise Denied(f"{path} leads out of the store ({self.url})", key=key)
        return path

    def get(self, key: str) -> bytes:
        """Return a file whole."""
        path = self._path(key)
        with _translated("read", path, key):
            return path.read_bytes()

    def tails(self, wanted: Sequence[Wanted], length: int) -> Iterator[tuple[int, bytes]]:
        """Yield (index, last `length` bytes), in order."""
        for index, want in enumerate(wanted):
            path = self._expected(want)
            with _translated("read", path, want.key), path.open("rb") as file:
                file.seek(max(0, want.size_bytes - length))
                yield index, file.read(length)

    def head(self, wanted: Wanted, length: int) -> bytes:
        """Return a file's first bytes."""
        return self.part(wanted, 0, length)

    def part(self, wanted: Wanted, start: int, length: int) -> bytes:
        """Return some of a file's bytes."""
        path = self._expected(wanted)
        with _translated("read", path, wanted.key), path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def fetch(
        self, wanted: Sequence[Wanted], folder: Path, *, in_memory_below: int = 0
    ) -> Iterator[Fetched]:
        """Yield each file's own path, after a look at its size and time; nothing is copied."""
        for index, want in enumerate(wanted):
            try:
                yield Fetched(index=index, path=self._expected(want))
            except StoreError as error:
                yield Fetched(index=index, path=None, error=error)

    def _expected(self, want: Wanted) -> Path:
        """Return the path of a file that is still as it was listed."""
        path = self._path(want.key)
        if want.version_id is not None:
            raise self._no_version(path, want.key, want.version_id)
        with _translated("read", path, want.key):
            status = path.stat()
        found = _etag(status)
        if status.st_size != want.size_bytes or (want.etag and found != want.etag):
            raise Changed(
                f"file has changed ({path}): listed with {want.size_bytes} bytes and tag "
                f"{want.etag}, now {status.st_size} bytes and {found}",
                key=want.key,
                hint="scan again",
            )
        return path

    def stat(self, key: str, version_id: str | None = None) -> Object:
        """Describe one file; reads it for its SHA-256."""
        path = self._path(key)
        if version_id is not None:
            raise self._no_version(path, key, version_id)
        with _translated("read", path, key), path.open("rb") as file:
            status = os.fstat(file.fileno())
            return _object(key, status, hashlib.file_digest(file, "sha256").hexdigest())

    def stats(self, wanted: Sequence[Version]) -> Iterator[tuple[int, Object | StoreError]]:
        """Describe files one by one; reads each for its SHA-256."""
        for index, item in enumerate(wanted):
            try:
                yield index, self.stat(item.key, item.version_id)
            except StoreError as error:
                yield index, error

    def check_lock_readable(self, key: str, version_id: str | None) -> None:
        """Do nothing: a folder keeps no locks that could be hidden."""

    def put(
        self,
        key: str,
        body: Path | bytes,
        *,
        sha256: str,
        metadata: Mapping[str, str] | None = None,
        only_if_absent: bool = False,
        retention: Retention | None = None,
    ) -> Object:
        """Write one file, complete and on disk before it has its name."""
        if retention is not None:
            raise self._cannot_lock(key)
        path = self._path(key)
        with _translated("write", path, key):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _write_temporary(body, path.parent, sha256, key)
            try:
                if only_if_absent:
                    os.link(temporary, path)  # unlike a rename, fails if the name is taken
                else:
                    temporary.replace(path)
                _sync_folder(path.parent)
                return _object(key, path.stat(), sha256)
            except FileExistsError as error:
                found = self.stat(key).sha256
                if found != sha256:
                    raise AlreadyExists(
                        f"{path} exists: expected nothing, or SHA-256 {sha256}, found {found}",
                        key=key,
                        hint="another run has written it; compare before anything is replaced",
                    ) from error
            finally:
                temporary.unlink(missing_ok=True)
        return self.stat(key)

    def copy(self, key: str, source: CopySource, *, retention: Retention | None = None) -> Object:
        """Raise StoreError: nothing in S3 is copied into a folder."""
        raise StoreError(
            f"s3://{source.bucket}/{source.key} cannot be copied to {self.url} inside S3",
            key=key,
            hint="copy to a bucket, or fetch and put it",
        )

    def digest(self, key: str, version_id: str | None = None) -> str:
        """Return the SHA-256 (hex) of a file's bytes."""
        return self.stat(key, version_id).sha256 or ""

    def check_lock_support(self) -> None:
        """Raise LockUnsupported."""
        raise self._cannot_lock("")

    def lock(self, key: str, version_id: str, retention: Retention) -> Object:
        """Raise LockUnsupported."""
        raise self._cannot_lock(key)

    def hold(self, key: str, version_id: str, *, on: bool) -> Object:
        """Raise LockUnsupported."""
        raise self._cannot_lock(key)

    def versions(self, key: str) -> Sequence[str]:
        """Return nothing: a folder keeps no versions."""
        return ()

    def _no_version(self, path: Path, key: str, version_id: str) -> NotFound:
        return NotFound(f"{path} has no version {version_id}: a folder keeps none", key=key)

    def _cannot_lock(self, key: str) -> LockUnsupported:
        return LockUnsupported(
            f"{self.url} is a local folder: expected a bucket with Object Lock",
            key=key,
            hint="give an s3:// URL as archive, or leave [archive] out",
        )


def _is_proper(key: str) -> bool:
    parts = key.split("/")
    is_temporary = any(part.startswith(_TEMPORARY) for part in parts)
    return not is_temporary and "\0" not in key and not {"", ".", ".."} & {*parts}


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


_Columns = tuple[list[str], list[int], list[str], list[int]]


def _new_columns() -> _Columns:
    return [], [], [], []


def _table(keys: list[str], sizes: list[int], etags: list[str], moments: list[int]) -> pa.Table:
    try:
        names = pa.array(keys, pa.string())
    except UnicodeEncodeError as error:
        raise StoreError(
            f"cannot list: a file name is not UTF-8: {error.object!r}",
            hint="rename it: keys are UTF-8 text",
        ) from error
    return pa.table(
        [
            names,
            pa.array(sizes, pa.int64()),
            pa.array(etags, pa.string()),
            pa.array(moments, pa.int64()).cast(LISTING_SCHEMA.field("modified_at").type),
            pa.nulls(len(keys), pa.string()),
        ],
        schema=LISTING_SCHEMA,
    )


def _object(key: str, status: os.stat_result, sha256: str) -> Object:
    return Object(
        key=key,
        size_bytes=status.st_size,
        etag=_etag(status),
        modified_at=datetime.fromtimestamp(status.st_mtime, UTC),
        sha256=sha256,
    )


def _write_temporary(body: Path | bytes, folder: Path, sha256: str, key: str) -> Path:
    """Copy the body beside its target, to the disk; check that what is there is as announced."""
    number, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
    try:
        with open(number, "w+b") as file:  # noqa: PTH123 (a descriptor, not a path)
            os.fchmod(number, 0o644)
            if isinstance(body, bytes):
                file.write(body)
                file.flush()
            else:
                shutil.copyfile(body, name)  # inside the kernel where it can
            os.fsync(number)
            file.seek(0)
            written = hashlib.file_digest(file, "sha256").hexdigest()
        if written != sha256:
            raise StoreError(
                f"{key} was not written: its bytes have SHA-256 {written}, announced was {sha256}",
                key=key,
                hint="has the file changed since it was hashed?",
            )
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _translated(doing: str, path: Path, key: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise NotFound(f"cannot {doing} {path}: {error.strerror}", key=key) from error
    except PermissionError as error:
        hint = "check who owns the file and its mode"
        raise Denied(f"cannot {doing} {path}: {error.strerror}", key=key, hint=hint) from error
    except OSError as error:
        hint = "is the disk full, or broken?"
        raise StoreError(f"cannot {doing} {path}: {error}", key=key, hint=hint) from error
