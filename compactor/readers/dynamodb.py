"""DynamoDB exports to S3, full and incremental: sidecars in, facts out. Pure.

Layout, below the export's prefix, wherever that was copied to:

    AWSDynamoDB/<id>/_started, manifest-summary.json, manifest-files.json, manifest-*.md5
    AWSDynamoDB/<id>/data/<26 letters>.json.gz      a full export's items
    AWSDynamoDB/data/<26 letters>.json.gz           changes, of all incremental exports together

Invariants:
* Only `manifest-files.json` says which objects belong to an export: the folder of changes is shared
  by all exports of a prefix, even of other tables.
* Content of a sidecar never raises: what cannot be understood becomes a finding that names it.
* A sidecar anchors an export where it lies; what it says of bucket and prefix is not believed.
* A table is complete only if every line of the manifest is understood, the manifest matches its own
  checksum, and its items add up to what the summary declares.

Changes are events, not rows: they are tables of a database of their own, `dynamodb_changes`.

Sources (read on 2026-11-25):
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
  https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_IncrementalExportSpecification.html
The names `.md5` (documented: `.checksum`), an absent `exportType`, and what the digests cover
follow real exports of 2020 to 2026.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa

from ..model import Finding
from .interface import OBJECTS_SCHEMA, ExportFacts, ExportStatus, Place, Reader, TableFacts
from .sidecar import Unusable, count, kind, load_object, moment, text
from .windows import chain_findings

_ID = r"[0-9]{14}-[0-9a-f]{8}"
"""Milliseconds since 1970 when the export began, and eight random digits."""
_SIDECAR = re.compile(
    rf"(?s)(?P<root>(?:.*/)?AWSDynamoDB/{_ID}/)"
    r"(?P<name>_started|manifest-(?:summary|files)\.(?:json|md5|checksum))"
)
_SUMMARY = "manifest-summary"
_FILES = "manifest-files"
_TABLE_ARN = re.compile(
    r"arn:[a-z0-9-]+:dynamodb:[^:/]*:[^:/]*:table/(?P<table>[A-Za-z0-9_.-]{3,255})"
)
_DATA = re.compile(
    rf"(?s)(?P<service>(?:.*/)?AWSDynamoDB/)?(?:(?P<id>{_ID})/)?data/"
    r"(?P<name>[0-9A-Za-z_-]{1,200}\.(?P<kind>json|ion)\.gz)"
)
"""A listed object. The documentation's examples leave out the prefix, or all above the id."""

_FORMATS = {"DYNAMODB_JSON": "json", "ION": "ion"}
_TYPES = {"": False, "FULL_EXPORT": False, "INCREMENTAL_EXPORT": True}
"""exportType -> whether the export holds changes. Real full exports lack it."""
_VIEWS = {
    "": "NEW_AND_OLD_IMAGES",
    "NEW_AND_OLD_IMAGES": "NEW_AND_OLD_IMAGES",
    "NEW_IMAGE": "NEW_IMAGE",
    "NEW_IMAGES": "NEW_IMAGE",
}
"""outputView -> the one spelling we use; the service's default where it is not said."""
_NAMED = 5
_Value = TypeVar("_Value")


def describe(control: Mapping[str, bytes | None]) -> Iterator[ExportFacts]:
    """Yield the facts of each export, in order of the roots."""
    exports: dict[str, dict[str, str]] = {}
    for key in sorted(control):
        if match := _SIDECAR.fullmatch(key):
            exports.setdefault(match["root"], {})[match["name"]] = key
    for root, names in sorted(exports.items()):
        yield _Description(root, names, control).facts()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Summary:
    """What manifest-summary.json says, as far as it is believed."""

    origin: str
    table: str
    encoding: str
    """`json` or `ion`, as file names have it."""
    rows: int
    snapshot: datetime
    since: datetime | None = None
    view: str = ""

    @property
    def format(self) -> str:
        changes = "" if self.since is None else "_changes"
        return f"dynamodb_{self.encoding}{changes}"

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> _Summary:
        """Take what is needed from a summary.

        Raises: Unusable
        """
        origin = text(summary, "tableArn")
        named = _TABLE_ARN.fullmatch(origin)
        if named is None:
            raise Unusable(f"tableArn should end in `:table/<name>`, is {origin[:300]!r}")
        encoding = _chosen(summary, "outputFormat", _FORMATS)
        rows = count(summary, "itemCount")
        since, snapshot, view = None, None, ""
        if _chosen(summary, "exportType", _TYPES):
            since, snapshot = _moment(summary, "exportFromTime"), _moment(summary, "exportToTime")
            view = _chosen(summary, "outputView", _VIEWS)
            if since >= snapshot:
                raise Unusable("exportFromTime is not before exportToTime")
        else:
            snapshot = _moment(summary, "exportTime")
        return cls(
            origin=origin,
            table=named["table"],
            encoding=encoding,
            rows=rows,
            snapshot=snapshot,
            since=since,
            view=view,
        )


@dataclass
class _Listed:
    """The objects that manifest-files.json names, column by column: there may be many."""

    keys: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    md5: list[str | None] = field(default_factory=list)
    etag: list[str | None] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Lines that cannot be used, by number from 1."""

    def table(self) -> pa.Table:
        return pa.table([self.keys, self.rows, self.md5, self.etag], schema=OBJECTS_SCHEMA)


class _Description:
    """Reads the sidecars of one export and collects what they say."""

    def __init__(
        self, root: str, sidecars: Mapping[str, str], control: Mapping[str, bytes | None]
    ) -> None:
        self.root = root
        self.sidecars = sidecars
        self.control = control
        self.export_id = root[:-1].rpartition("/")[2]
        self.table: str | None = None
        self.findings: list[Finding] = []
        self.is_whole = True

    def facts(self) -> ExportFacts:
        key = self.sidecars.get(f"{_SUMMARY}.json")
        if key is None:
            return self._unfinished("in_progress", f"there is no {_SUMMARY}.json yet")
        try:
            summary = _Summary.of(load_object(self.control[key]))
        except Unusable as error:
            self._unreadable(key, str(error))
            return self._unfinished("unknown", f"{key} cannot be used: {error}")
        self.table = summary.table
        differs = self._differs(_SUMMARY)
        if differs:
            advice = "it is believed; compare it with the export's original"
            self._tell("doubtful_sidecar", "warning", f"{differs}; {advice}", key=key)
        return ExportFacts(
            export_id=self.export_id,
            root=self.root,
            status="complete",
            snapshot=summary.snapshot,
            since=summary.since,
            origin=summary.origin,
            control=tuple(self.sidecars.values()),
            tables=(self._facts_of_table(summary),),
            is_whole=self.is_whole,
            has_partition_folders=False,
            findings=tuple(self.findings),
        )

    def _unfinished(self, status: ExportStatus, reason: str) -> ExportFacts:
        """Return the facts of an export that does not say which table it is of."""
        return ExportFacts(
            export_id=self.export_id,
            root=self.root,
            status=status,
            reason=reason,
            control=tuple(self.sidecars.values()),
            is_whole=False,
            has_partition_folders=False,
            findings=tuple(self.findings),
        )

    def _facts_of_table(self, summary: _Summary) -> TableFacts:
        listed, reason = self._objects(summary)
        is_changes = summary.since is not None
        database = "dynamodb_changes" if is_changes else "dynamodb"
        # changes lie beside the export, so nothing below its own folder is theirs but the sidecars
        folder = "" if is_changes else "data/"
        return TableFacts(
            target=summary.table,
            places=(Place(folder=folder, database=database, table=summary.table),),
            status="incomplete" if reason else "complete",
            reason=reason,
            declared_rows=summary.rows,
            control=tuple(self.sidecars.values()),
            objects=listed.table(),
            format=summary.format,
            view=summary.view,
            date_column="write_time" if is_changes else None,
        )

    # --- manifest-files.json ---

    def _objects(self, summary: _Summary) -> tuple[_Listed, str]:
        """Return the objects of the table, and why they are not all of it (empty if they are)."""
        name = f"{_FILES}.json"
        key = self.sidecars.get(name)
        if key is None:
            self.is_whole = False
            return _Listed(), f"there is no {name}, so nothing says which objects are its own"
        try:
            lines = _lines(self.control[key])
        except Unusable as error:
            self._unreadable(key, str(error))
            return _Listed(), f"{key} cannot be used: {error}"
        listed = _listed(lines, self.root, summary)
        if listed.problems:
            said = _some(listed.problems)
            self._unreadable(key, said, lines=[number for number, _ in listed.problems[:100]])
            return listed, f"{key} cannot be used: {said}"
        differs = self._differs(_FILES)
        if differs:
            advice = "restore both from the export, or export again"
            self._tell("doubtful_sidecar", "error", f"{differs}; {advice}", key=key)
            return listed, differs
        rows = sum(listed.rows)
        if rows != summary.rows:
            reason = (
                f"{_SUMMARY}.json declares {summary.rows} items, the {len(listed.keys)} files in "
                f"{name} have {rows}"
            )
            advice = "restore both from the export, or export again"
            sums = {"expected_rows": summary.rows, "listed_rows": rows}
            self._tell("doubtful_sidecar", "error", f"{reason}; {advice}", key=key, **sums)
            return listed, reason
        return listed, ""

    # --- checksums ---

    def _differs(self, stem: str) -> str:
        """Say how a manifest differs from its checksum; empty if it does not.

        A checksum file holds base64(MD5 of the manifest's bytes). One that is not there says
        nothing about the table, but a person should know.
        """
        content = self.control[self.sidecars[f"{stem}.json"]] or b""
        actual = b64encode(hashlib.md5(content, usedforsecurity=False).digest())
        compared = 0
        for suffix in ("md5", "checksum"):
            key = self.sidecars.get(f"{stem}.{suffix}")
            said = None if key is None else self.control[key]
            if said is None:
                continue
            compared += 1
            if said.strip() != actual:
                shown = said[:60].decode("ascii", "backslashreplace")
                return f"{stem}.json has the MD5 {actual.decode()}, {stem}.{suffix} says {shown!r}"
        if not compared:
            message = (
                f"no {stem}.md5 could be fetched, so {stem}.json is not proven to be unchanged"
            )
            key = self.sidecars[f"{stem}.json"]
            self._tell("doubtful_sidecar", "warning", f"{message}; it is believed", key=key)
        return ""

    # --- what is said about it ---

    def _unreadable(self, key: str, problem: str, **facts: Any) -> None:
        self.is_whole = False
        self._tell(
            "unreadable_object",
            "error",
            f"{key} cannot be used: {problem}; restore it from the export, or export again",
            key=key,
            **facts,
        )

    def _tell(self, kind: str, severity: Any, message: str, **facts: Any) -> None:
        self.findings.append(
            Finding.model_validate(
                {
                    "kind": kind,
                    "severity": severity,
                    "export_id": self.export_id,
                    "table": self.table,
                    "message": f"export {self.export_id} in {self.root}: {message}",
                    **facts,
                }
            )
        )


# --- lines of manifest-files.json -----------------------------------------------------------------


def _lines(content: bytes | None) -> list[str]:
    """Cut a manifest into lines. Raises: Unusable"""
    if content is None:
        raise Unusable("it could not be fetched, or is larger than any sidecar")
    if not content.strip():
        raise Unusable("it is empty")
    try:
        return content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unusable(f"line {line}: it is not UTF-8") from error


def _listed(lines: list[str], root: str, summary: _Summary) -> _Listed:
    """Read the lines of a manifest. Plain Python values: there may be hundreds of thousands."""
    found = _Listed()
    seen: set[str] = set()
    own = f"{root}data/"
    shared = f"{root[:-1].rpartition('/')[0]}/data/"
    folders = (own, shared, own if summary.since is None else shared)
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        try:
            entry = _entry(line)
            key = _resolved(text(entry, "dataFileS3Key"), summary.encoding, folders)
            if key in seen:
                raise Unusable(f"{key} is listed twice")
            rows, md5, etag = count(entry, "itemCount"), _md5(entry), _etag(entry)
        except Unusable as error:
            found.problems.append((number, str(error)))
            continue
        seen.add(key)
        found.keys.append(key)
        found.rows.append(rows)
        found.md5.append(md5)
        found.etag.append(etag)
    return found


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is not valid JSON ({str(error)[:200]})") from error
    if not isinstance(entry, dict):
        raise Unusable(f"it should hold an object, holds {kind(entry)}")
    return entry


def _resolved(said: str, encoding: str, folders: tuple[str, str, str]) -> str:
    """Return the key of a listed object, from where the sidecar lies.

    `folders` are the export's own, the one it shares with others, and the one of the two that an
    entry means which says neither.
    """
    own, shared, usual = folders
    match = _DATA.fullmatch(said)
    if match is None or said.startswith("/") or (".." in said and ".." in said.split("/")):
        raise Unusable(f"dataFileS3Key should be AWSDynamoDB/.../data/<name>, is {said[:300]!r}")
    if match["kind"] != encoding:
        raise Unusable(f"dataFileS3Key should end in .{encoding}.gz, is {said[:300]!r}")
    if match["id"] is not None and not own.endswith(f"/{match['id']}/data/"):
        raise Unusable(f"dataFileS3Key lies in another export: {said[:300]!r}")
    folder = own if match["id"] else shared if match["service"] else usual
    return f"{folder}{match['name']}"


def _md5(entry: Mapping[str, Any]) -> str | None:
    """Return the MD5 of the stored (gzip) bytes in hex; None if the entry has none."""
    said = entry.get("md5Checksum")
    if said is None:
        return None
    try:
        digest = binascii.a2b_base64(said, strict_mode=True) if isinstance(said, str) else b""
    except ValueError as error:
        raise Unusable(f"md5Checksum is not base64: {said[:50]!r}") from error
    if len(digest) != 16:
        raise Unusable("md5Checksum is not the base64 of an MD5")
    return digest.hex()


def _etag(entry: Mapping[str, Any]) -> str | None:
    """Return the ETag as the export wrote it; a copy of the object has another one."""
    said = text(entry, "etag")
    if len(said) > 200 or not said.isascii():
        raise Unusable("etag is not usable")
    return said or None


def _some(problems: list[tuple[int, str]]) -> str:
    """Name a few of the lines that cannot be used."""
    named = "; ".join(f"line {number}: {problem}" for number, problem in problems[:_NAMED])
    more = len(problems) - _NAMED
    return f"{named}; and {more} more lines" if more > 0 else named


# --- fields ---------------------------------------------------------------------------------------


def _chosen(summary: Mapping[str, Any], name: str, known: Mapping[str, _Value]) -> _Value:
    said = text(summary, name)
    if said.upper() not in known:
        raise Unusable(
            f"{name} should be one of {', '.join(filter(None, known))}, is {said[:50]!r}"
        )
    return known[said.upper()]


def _moment(summary: Mapping[str, Any], name: str) -> datetime:
    said = text(summary, name)
    if not said:
        raise Unusable(f"{name} is missing")
    try:
        return moment(said)
    except Unusable as error:
        raise Unusable(f"{name}: {error}") from error


_BELOW = rf"(?:^|/)AWSDynamoDB/(?:{_ID}/)?"

DYNAMODB = Reader(
    system="dynamodb",
    control=(
        rf"(?:^|/)AWSDynamoDB/{_ID}/(?:_started|manifest-(?:summary|files)\.(?:json|md5|checksum))$",
    ),
    stray_folder=rf"(?s)^((?:.*/)?AWSDynamoDB/{_ID}/)(data)(/)$",
    data_names=(rf"{_BELOW}data/[a-z2-7]{{26}}\.(?:json|ion)\.gz$",),
    markers=(rf"{_BELOW}(?:data/)?$",),
    describe=describe,
    findings=chain_findings,
)
"""`_started` is a sidecar: it is all that an export in progress has, and may have been deleted.
A stray folder says no more than its root: what its table is called, only the summary knows."""
