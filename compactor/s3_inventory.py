"""Read an S3 Inventory in place of listing a bucket: for sources with tens of millions of objects.

In:  the place of the inventories of one source, its store, scratch. Out: pages of LISTING_SCHEMA,
as `Store.list` gives them, and one `Finding` that says how old the inventory is. IO: LIST of the
dated folders, GET of the manifest, its checksum and every data file (to scratch).

Nothing in an inventory is believed:

1. The newest dated folder that has both `manifest.json` and `manifest.checksum` is taken; a folder
   without the checksum is not finished.
2. The checksum must be the MD5 of the manifest, and the manifest that of the source's bucket.
3. Every data file must have the size and the MD5 that the manifest gives.
4. Every entry must be of that bucket, and no key may be there twice (`scan` looks).

Only the latest version of a key counts, and only if it is no delete marker. An inventory is hours
old and eventually consistent: it says what to read, and never what may be removed.

Formats: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html (read 2026-11-25)
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from . import observe
from .errors import Changed, NotFound, SourceError, StoreError
from .model import Finding, utc_text
from .sql import connect, query
from .store import open_store
from .store.interface import LISTING_SCHEMA, Store, Wanted

OLD = timedelta(hours=48)
"""AWS delivers an inventory each day (or week), the first within 48 hours."""
MEMORY_BYTES = 1 << 30
"""For decoding, at most; what is decoded streams through."""
_MANIFEST = "manifest.json"
_CHECKSUM = "manifest.checksum"
_LARGEST_MANIFEST = 256 << 20
_CENTURIES = "2"
"""Names of dated folders begin so; `data/` and `hive/`, which hold most objects, do not."""
_DATED = r"\d{4}-\d\d-\d\dT\d\d-\d\dZ"
_ROWS_PER_PAGE = 100_000
_CHUNK = 1 << 20

_ENTRIES = {
    "CSV": "scan/inventory_csv",
    "ORC": "scan/inventory_orc",
    "Parquet": "scan/inventory_parquet",
}
"""The query file that makes `entries` of the data files."""
_TYPES = {
    "bucket": "VARCHAR",
    "key": "VARCHAR",
    "version_id": "VARCHAR",
    "is_latest": "BOOLEAN",
    "is_delete_marker": "BOOLEAN",
    "size": "BIGINT",
    "last_modified_date": "TIMESTAMPTZ",
    "e_tag": "VARCHAR",
}
"""What is read of an entry, named as in ORC and Parquet, and its DuckDB type in a CSV."""
_CSV_NAMES = {
    "Bucket": "bucket",
    "Key": "key",
    "VersionId": "version_id",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
}
_AWS_NAMES = {name: aws for aws, name in _CSV_NAMES.items()}
_WITHOUT = {
    "e_tag": "an object replaced by another one of the same size is not noticed, and tables that "
    "were compacted from a listing count as changed",
    "last_modified_date": "an unfinished export cannot be told from a dead one, and DMS targets "
    "and plain folders are never taken",
}
"""Fields that may be missing, and what that costs."""


class DataFile(BaseModel):
    """One data file, as the manifest describes it."""

    model_config = ConfigDict(frozen=True)

    key: str
    """Key in the destination bucket."""
    size: Annotated[int, Field(ge=0)]
    md5: Annotated[str, Field(alias="MD5checksum")]
    """Of the stored bytes, in hex."""

    @field_validator("key")
    @classmethod
    def _key(cls, key: str) -> str:
        if not key or any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"{key!r} is no key of a data file")
        return key


class Manifest(BaseModel):
    """A manifest; names are those of AWS. Fields that nobody needs are left out."""

    model_config = ConfigDict(frozen=True)

    bucket: Annotated[str, Field(alias="sourceBucket", min_length=1)]
    version: Literal["2016-11-30"]
    created_ms: Annotated[int, Field(alias="creationTimestamp", ge=0, le=253_402_300_799_999)]
    """Start of the scan of the bucket: text in the file, milliseconds since 1970, UTC."""
    format: Annotated[Literal["CSV", "ORC", "Parquet"], Field(alias="fileFormat")]
    schema_text: Annotated[str, Field(alias="fileSchema")]
    """Of a CSV the only header there is, names with commas; ORC and Parquet have their own."""
    files: tuple[DataFile, ...]

    @field_validator("files")
    @classmethod
    def _once(cls, files: tuple[DataFile, ...]) -> tuple[DataFile, ...]:
        ((key, times),) = Counter(file.key for file in files).most_common(1) or [("", 1)]
        if times > 1:
            raise ValueError(f"{key!r} is there {times} times")
        return files

    @property
    def created_at(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.created_ms)

    def csv_fields(self) -> dict[str, str]:
        """Return column -> DuckDB type, in the order of the columns.

        Raises: ValueError if a column is there twice.
        """
        names = [name.strip() for name in self.schema_text.split(",")]
        columns = [_CSV_NAMES.get(name, f"other {n}") for n, name in enumerate(names)]
        if len(set(columns)) < len(columns):
            raise ValueError(f"fileSchema names a field twice: {self.schema_text[:300]!r}")
        return {column: _TYPES.get(column, "VARCHAR") for column in columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the inventories of one source lie."""

    store: Store
    """The whole bucket, because a manifest has whole keys; or the configuration's local folder."""
    folder: str
    """Key of the configuration's folder in the store: empty, or with its trailing slash."""
    dated: str = ""
    """The one dated folder to take; empty for the newest."""
    is_bucket: bool = False

    def data_key(self, key: str) -> str:
        """Return the key of a data file. A local copy has it in `data/`, as AWS writes it."""
        return key if self.is_bucket else f"{self.folder}data/{key.rpartition('/')[2]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventories:
    """The places of inventories by the number of their source, the time for their age, and the
    memory for reading one."""

    places: Mapping[int, Place]
    now: datetime
    memory_bytes: int = MEMORY_BYTES


def open_place(url: str, *, concurrency: int = 128) -> Place:
    """Open `<prefix>/<bucket>/<configuration>/`, or one `.../<dated folder>/manifest.json`."""
    dated = ""
    if url.endswith(f"/{_MANIFEST}"):
        above, _, dated = url.removesuffix(f"/{_MANIFEST}").rpartition("/")
        url = f"{above}/"
    if not url.startswith("s3://"):
        return Place(store=open_store(url), folder="", dated=dated)
    bucket, _, folder = url.removeprefix("s3://").partition("/")
    store = open_store(f"s3://{bucket}/", concurrency=concurrency)
    folder = folder if not folder or folder.endswith("/") else f"{folder}/"
    return Place(store=store, folder=folder, dated=dated, is_bucket=True)


class Reading:
    """One inventory being read: `pages` once, then `finding`."""

    def __init__(
        self, place: Place, source_url: str, scratch: Path, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        """Find and verify the manifest; `scratch` is a folder for the data files, made if needed.

        Raises: SourceError, StoreError.
        """
        self._place = place
        self._source_url = source_url
        self._scratch = scratch
        self._memory_bytes = memory_bytes
        self._counts: Counter[str] = Counter()
        self._missing: tuple[str, ...] = ()
        key = _newest(place)
        self.url = place.store.url + key
        self.manifest = _read_manifest(place.store, key, self.url)
        self._prefix = ""
        if source_url.startswith("s3://"):
            bucket, _, self._prefix = source_url.removeprefix("s3://").partition("/")
            if bucket != self.manifest.bucket:
                raise SourceError(
                    f"the S3 Inventory {self.url} is one of another bucket: expected "
                    f"{bucket} (of {source_url}), found {self.manifest.bucket}",
                    key=key,
                    hint="name the inventory of this source in [source] inventory",
                )

    def pages(self) -> Iterator[pa.Table]:
        """Yield the objects below the source's prefix, as a listing would; count the rest.

        Raises: SourceError, StoreError; nothing of what came before may then be used.
        """
        if not self.manifest.files:
            return
        paths = self._fetch()
        fields = self._fields(paths)
        with connect(memory_bytes=self._memory_bytes, spill=self._scratch) as connection:
            if self.manifest.format == "ORC":
                connection.register("stripes", _stripes(paths, fields))
            for batch in self._entries(connection, paths, fields):
                kinds = batch["kind"]
                for item in pc.value_counts(kinds.combine_chunks()).to_pylist():
                    self._counts[item["values"]] += item["counts"]
                page = batch.filter(pc.equal(kinds, "object")).drop_columns("kind")
                if page.num_rows:
                    yield page.cast(LISTING_SCHEMA)
        for path in paths:
            if path.parent == self._scratch:  # else a local store's own file
                path.unlink()

    def _fetch(self) -> list[Path]:
        """Bring all data files to scratch, and verify them."""
        files = self.manifest.files
        wanted = [
            Wanted(key=self._place.data_key(file.key), size_bytes=file.size, etag="")
            for file in files
        ]
        self._scratch.mkdir(parents=True, exist_ok=True)
        paths: dict[int, Path] = {}
        for fetched in self._place.store.fetch(wanted, self._scratch):
            file, key = files[fetched.index], wanted[fetched.index].key
            where = f"{self._place.store.url}{key}"
            if isinstance(fetched.error, NotFound):
                raise self._unusable(f"its data file {where} is missing", key) from fetched.error
            if isinstance(fetched.error, Changed):
                raise self._unusable(fetched.error.message, key) from fetched.error
            if fetched.error is not None or fetched.path is None:
                raise fetched.error or StoreError(f"{where} did not come", key=key)
            found = _md5(fetched.path)
            if found != file.md5.lower():
                raise self._unusable(
                    f"{where} is not the data file that was delivered: expected MD5 {file.md5}, "
                    f"found {found}",
                    key,
                )
            paths[fetched.index] = fetched.path
        return [paths[number] for number in range(len(files))]

    def _fields(self, paths: Sequence[Path]) -> dict[str, str]:
        """Return column -> type of what the files hold; refuse what cannot do without."""
        try:
            if self.manifest.format == "CSV":
                found = [self.manifest.csv_fields()]
            else:
                found = [_columns(path, self.manifest.format) for path in paths]
        except (ValueError, OSError, pa.ArrowException) as error:
            raise self._unusable(self._named(str(error), paths)) from error
        fields = found[0]
        if any(other.keys() != fields.keys() for other in found):
            raise self._unusable("its data files differ in their fields")
        for name in ("bucket", "key", "size"):
            if name not in fields:
                aws = _AWS_NAMES[name]
                raise SourceError(
                    f"the S3 Inventory {self.url} has no field {aws}: expected at least Bucket, "
                    f"Key and Size, found {', '.join(_AWS_NAMES.get(n, n) for n in fields)}",
                    hint=f"add {aws} to the optional fields of the inventory configuration, and "
                    "wait for the next inventory",
                )
        if "version_id" in fields and "is_latest" not in fields:
            raise self._unusable("it has versions, but no field IsLatest")
        self._missing = tuple(name for name in _WITHOUT if name not in fields)
        return fields

    def _entries(
        self,
        connection: duckdb.DuckDBPyConnection,
        paths: Sequence[Path],
        fields: Mapping[str, str],
    ) -> Iterator[pa.Table]:
        """Yield every entry, with its kind: see `queries/scan/inventory_objects.sql`."""
        parameters = {
            "files": [str(path) for path in paths],
            "fields": dict(fields),
            "bucket": self.manifest.bucket,
            "prefix": self._prefix,
        }
        try:
            connection.execute(query(_ENTRIES[self.manifest.format]))
            entries = connection.sql(query("scan/inventory_objects"), params=parameters)
            for batch in entries.to_arrow_reader(_ROWS_PER_PAGE):
                yield pa.Table.from_batches([batch])
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise self._unusable(self._named(str(error), paths)) from error

    def _named(self, text: str, paths: Sequence[Path]) -> str:
        """Say of files in scratch which objects they are copies of."""
        for path, file in zip(paths, self.manifest.files, strict=True):
            text = text.replace(str(path), file.key)
        return text

    def _unusable(self, problem: str, key: str = "") -> SourceError:
        return SourceError(
            f"the S3 Inventory {self.url} cannot be used: {problem}",
            key=key,
            hint="wait for the next inventory, name an older manifest.json, or take the source out "
            "of [source] inventory, so that it is listed",
        )

    def finding(self, now: datetime, gone: Sequence[str] = ()) -> Finding:
        """Tell what the listing comes from. `gone`: sidecars that it names and the source lacks."""
        age = max(now - self.manifest.created_at, timedelta(0))
        hours = int(age.total_seconds() // 3600)
        counts = self._counts
        parts = [
            f"the objects of {self._source_url} are taken from the S3 Inventory of "
            f"{utc_text(self.manifest.created_at)}, {hours} hours old ({self.url}): "
            f"{counts.total()} entries, {counts['object']} objects",
            f"{counts['older']} older versions and {counts['delete_marker']} delete markers are "
            f"left out, as are {counts['elsewhere']} entries outside of the source",
            "objects written since are not seen, and nothing is ever deleted on its basis",
        ]
        parts += [f"it has no field {_AWS_NAMES[n]}, so {_WITHOUT[n]}" for n in self._missing]
        if gone:
            parts.append(f"{len(gone)} sidecars that it lists are gone, such as {gone[0]}")
        is_old = age > OLD
        if is_old or gone:
            parts.append(
                "it is out of date: see whether its configuration is still enabled, or take the "
                "source out of [source] inventory, so that it is listed"
            )
        elif not counts["object"]:
            parts.append("it has nothing below the source: check its prefix filter")
        is_fine = counts["object"] and not is_old and not gone
        return observe.finding(
            "inventory_used",
            "info" if is_fine else "warning",
            "; ".join(parts),
            url=self._source_url,
            manifest=self.url,
            created_at=utc_text(self.manifest.created_at),
            age_hours=hours,
            entries=counts.total(),
            objects=counts["object"],
            older_versions=counts["older"],
            delete_markers=counts["delete_marker"],
            missing_fields=[_AWS_NAMES[name] for name in self._missing],
        )


# --- manifest -------------------------------------------------------------------------------------


def _newest(place: Place) -> str:
    """Return the key of the manifest to read: of the newest folder that is complete."""
    start = place.folder + (f"{place.dated}/" if place.dated else _CENTURIES)
    dated = re.escape(place.dated) if place.dated else _DATED
    pattern = re.compile(f"{re.escape(place.folder)}({dated})/({_MANIFEST}|{_CHECKSUM})")
    found: dict[str, dict[str, int]] = {}
    for page in place.store.list(start):
        names = pc.or_(*(pc.ends_with(page["key"], f"/{name}") for name in (_MANIFEST, _CHECKSUM)))
        for row in page.filter(names).to_pylist():
            if match := pattern.fullmatch(row["key"]):
                found.setdefault(match[1], {})[match[2]] = row["size_bytes"]
    complete = [name for name, files in found.items() if len(files) == 2]
    where = f"{place.store.url}{place.folder}"
    if not complete:
        raise SourceError(
            f"no complete S3 Inventory in {where}{place.dated}: expected a folder such as "
            f"2026-10-07T00-00Z with {_MANIFEST} and {_CHECKSUM}, found "
            + (f"only unfinished ones: {', '.join(sorted(found)[-3:])}" if found else "none"),
            hint="name the folder <prefix>/<bucket>/<configuration>/; the first inventory of a "
            "configuration takes up to 48 hours",
        )
    newest = max(complete)
    key = f"{place.folder}{newest}/{_MANIFEST}"
    if max(found[newest].values()) > _LARGEST_MANIFEST:
        raise SourceError(
            f"{place.store.url}{key} or its checksum is larger than any manifest: "
            f"{max(found[newest].values())} bytes, expected at most {_LARGEST_MANIFEST}",
            key=key,
            hint="is this the folder of an S3 Inventory?",
        )
    return key


def _read_manifest(store: Store, key: str, url: str) -> Manifest:
    body = store.get(key)
    checksum_key = f"{key.removesuffix(_MANIFEST)}{_CHECKSUM}"
    expected = store.get(checksum_key).decode("ascii", "replace").strip().lower()
    found = hashlib.md5(body, usedforsecurity=False).hexdigest()
    hint = "name an older manifest.json, or take the source out of [source] inventory"
    if found != expected:
        raise SourceError(
            f"the S3 Inventory {url} is not as delivered: {_CHECKSUM} says MD5 {expected[:64]!r}, "
            f"found {found}",
            key=key,
            hint=hint,
        )
    try:
        return Manifest.model_validate_json(body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'manifest'}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()[:5]
        )
        raise SourceError(
            f"{url} is no manifest of an S3 Inventory: {problems}", key=key, hint=hint
        ) from error


# --- data files -----------------------------------------------------------------------------------


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, _new_md5).hexdigest()


def _new_md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def _columns(path: Path, file_format: str) -> dict[str, str]:
    schema = pq.read_schema(path) if file_format == "Parquet" else orc.ORCFile(path).schema
    return {name: str(schema.field(name).type) for name in schema.names}


def _stripes(paths: Sequence[Path], fields: Mapping[str, str]) -> pa.RecordBatchReader:
    """Return the entries of ORC files as a stream; each stripe some tens of MiB."""
    columns = [name for name in fields if name in _TYPES]

    def read() -> Iterator[pa.RecordBatch]:
        for path in paths:
            file = orc.ORCFile(path)
            for number in range(file.nstripes):
                yield file.read_stripe(number, columns=columns)

    whole = orc.ORCFile(paths[0]).schema
    schema = pa.schema([field for field in whole if field.name in columns])
    return pa.RecordBatchReader.from_batches(schema, read())
