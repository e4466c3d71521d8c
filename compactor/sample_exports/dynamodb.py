"""Write DynamoDB exports as AWS lays them out: a local folder to try things on.

In:  items and changes in DynamoDB's own typed JSON (`{"id": {"S": "a"}}`), cut into files.
Out: gzip files of lines, `_started`, both manifests and their checksums, below the folder
`[prefix/]AWSDynamoDB/`. The only IO is writing that folder.

1. A full export has a data folder of its own; incremental ones share `AWSDynamoDB/data/`.
2. The same arguments write the same bytes: names follow from contents, nothing reads a clock.
3. Nothing is checked for sense, and `damage` breaks one thing on purpose.

    export = DynamoDbExport(table="carts", moment=moment)
    root = export.write(Path("exports"), [[{"id": {"S": "a"}}], []])

Source (read on 2026-11-25):
  https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
What digests cover, and `.md5` in place of the documented `.checksum`, follow real exports.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from base64 import b32encode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

Item = Mapping[str, Mapping[str, Any]]
"""Attribute -> its one type -> its value."""
Change = Mapping[str, Any]
"""A line of an incremental export: Metadata, Keys, OldImage, NewImage."""
Damage = Literal[
    "in_progress",
    "missing_file",
    "wrong_file",
    "wrong_count",
    "wrong_sum",
    "wrong_manifest_md5",
    "wrong_summary_md5",
]
"""`in_progress`: no manifests yet. `missing_file`: the first file with lines is not there.
`wrong_file`: it holds other bytes than its MD5 says (one line fewer). `wrong_count`: its itemCount
is too high by one, in both manifests. `wrong_sum`: only the summary's is. The other two: the
checksum beside a manifest is that of other bytes."""
DAMAGES: tuple[Damage, ...] = get_args(Damage)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TASK = timedelta(minutes=5, seconds=8)
"""How long an export takes, however small it is."""
_ION_SYMBOL = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_ION_KEYWORDS = {"null", "true", "false", "nan"}


@dataclass(frozen=True, kw_only=True)
class DynamoDbExport:
    """One export task. With `since` it is incremental: the changes from then on, until `moment`."""

    table: str
    moment: datetime
    """The state's moment (exportTime), or the end of the window (exportToTime)."""
    since: datetime | None = None
    prefix: str = ""
    """`s3Prefix` of the task: folders between the bucket and `AWSDynamoDB`."""
    output: Literal["DYNAMODB_JSON", "ION"] = "DYNAMODB_JSON"
    view: Literal["NEW_AND_OLD_IMAGES", "NEW_IMAGE"] = "NEW_AND_OLD_IMAGES"
    checksum_suffix: Literal["md5", "checksum"] = "md5"
    says_full: bool = False
    """Write `exportType` for full exports, as documented; real ones lack it."""
    bucket: str = "acme-exports"
    account: str = "111122223333"
    region: str = "eu-central-1"
    damage: Damage | None = None

    @property
    def table_arn(self) -> str:
        return f"arn:aws:dynamodb:{self.region}:{self.account}:table/{self.table}"

    @property
    def export_id(self) -> str:
        """Return the id: when the task began, in milliseconds, and eight random digits."""
        told = f"{self.table_arn} {self.since} {self.moment} {self.output}"
        digits = hashlib.sha256(told.encode()).hexdigest()[:8]
        return f"{(self._started - _EPOCH) // timedelta(milliseconds=1):014d}-{digits}"

    @property
    def _started(self) -> datetime:
        return self.moment if self.since is None else self.moment + timedelta(seconds=24)

    @property
    def _service(self) -> str:
        """Return the key prefix of all that the service writes."""
        return f"{self.prefix.strip('/')}/AWSDynamoDB".lstrip("/")

    def root(self, folder: Path) -> Path:
        return folder / self._service / self.export_id

    def write(self, folder: Path, files: Sequence[Sequence[Item | Change]]) -> Path:
        """Write the export, one data file per entry of `files`; return its own folder.

        Raises: ValueError for changes in Ion, which no real export was at hand for.
        """
        if self.output == "ION" and self.since is not None:
            raise ValueError("changes can only be written as DYNAMODB_JSON")
        root = self.root(folder)
        root.mkdir(parents=True, exist_ok=True)
        (root / "_started").touch()
        places = [self._data_key(number, lines) for number, lines in enumerate(files)]
        entries = []
        broken = next((number for number, lines in enumerate(files) if lines), None)
        for number, (key, lines) in enumerate(zip(places, files, strict=True)):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            body = self._body(lines)
            damage = self.damage if number == broken else None
            if damage == "wrong_file":
                path.write_bytes(self._body(lines[:-1]))
            elif damage != "missing_file":
                path.write_bytes(body)
            entries.append(_entry(key, body, len(lines) + (damage == "wrong_count")))
        if self.damage != "in_progress":
            self._manifests(root, entries)
        return root

    def _data_key(self, number: int, lines: Sequence[Item | Change]) -> str:
        told = f"{self.export_id} {number} {json.dumps(lines, sort_keys=True)}"
        drawn = hashlib.sha256(told.encode()).digest()[:16]
        name = b32encode(drawn).decode().lower().rstrip("=")
        kind = "ion" if self.output == "ION" else "json"
        folder = f"{self.export_id}/data" if self.since is None else "data"
        return f"{self._service}/{folder}/{name}.{kind}.gz"

    def _body(self, lines: Sequence[Item | Change]) -> bytes:
        if self.output == "ION":
            texts = [f"$ion_1_0 {{Item:{_ion_struct(item)}}}" for item in lines]
        else:
            wrapped = [line if self.since else {"Item": line} for line in lines]
            texts = [_compact(line) for line in wrapped]
        return gzip.compress("".join(f"{line}\n" for line in texts).encode(), mtime=0)

    def _manifests(self, root: Path, entries: Sequence[Mapping[str, Any]]) -> None:
        listed = "".join(f"{_compact(entry)}\n" for entry in entries).encode()
        items = sum(entry["itemCount"] for entry in entries) + (self.damage == "wrong_sum")
        summary = _compact(self._summary(items)).encode()
        for stem, content in (("manifest-files", listed), ("manifest-summary", summary)):
            (root / f"{stem}.json").write_bytes(content)
            is_wrong = self.damage == {
                "manifest-files": "wrong_manifest_md5",
                "manifest-summary": "wrong_summary_md5",
            }.get(stem)
            proven = content + b" " if is_wrong else content
            (root / f"{stem}.{self.checksum_suffix}").write_text(_md5(proven), encoding="ascii")

    def _summary(self, items: int) -> dict[str, Any]:
        """Return manifest-summary.json, with the fields in the order of real ones."""
        window: dict[str, str] = {"exportTime": _iso(self.moment)}
        more: dict[str, str] = {"exportType": "FULL_EXPORT"} if self.says_full else {}
        if self.since is not None:
            window = {"exportFromTime": _iso(self.since), "exportToTime": _iso(self.moment)}
            more = {"outputView": self.view, "exportType": "INCREMENTAL_EXPORT"}
        return {
            "version": "2020-06-30" if self.since is None else "2023-08-01",
            "exportArn": f"{self.table_arn}/export/{self.export_id}",
            "startTime": _iso(self._started),
            "endTime": _iso(self._started + _TASK),
            "tableArn": self.table_arn,
            "tableId": _uuid(self.table_arn),
            **window,
            "s3Bucket": self.bucket,
            "s3Prefix": self.prefix or None,
            "s3SseAlgorithm": "AES256",
            "s3SseKmsKeyId": None,
            "manifestFilesS3Key": f"{self._service}/{self.export_id}/manifest-files.json",
            "billedSizeBytes": 0 if self.since is None else 10_000_000,
            "itemCount": items,
            "outputFormat": self.output,
            **more,
        }


def change(
    written_at: datetime, keys: Item, *, old: Item | None = None, new: Item | None = None
) -> dict[str, Any]:
    """Return a line of an incremental export: an insert, an update, or (without `new`) a delete."""
    micros = (written_at - _EPOCH) // timedelta(microseconds=1)
    line: dict[str, Any] = {"Metadata": {"WriteTimestampMicros": {"N": str(micros)}}, "Keys": keys}
    if old is not None:
        line["OldImage"] = old
    if new is not None:
        line["NewImage"] = new
    return line


def _entry(key: str, body: bytes, items: int) -> dict[str, Any]:
    """Return a line of manifest-files.json. The ETag is that of an upload in one part."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    etag = f"{hashlib.md5(digest, usedforsecurity=False).hexdigest()}-1"
    return {"itemCount": items, "md5Checksum": _md5(body), "etag": etag, "dataFileS3Key": key}


def _md5(content: bytes) -> str:
    return b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _uuid(told: str) -> str:
    digits = hashlib.sha256(told.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# --- Ion ------------------------------------------------------------------------------------------


def _ion_struct(fields: Item) -> str:
    return f"{{{','.join(f'{_ion_name(name)}:{_ion(value)}' for name, value in fields.items())}}}"


def _ion_name(name: str) -> str:
    if _ION_SYMBOL.fullmatch(name) and name not in _ION_KEYWORDS:
        return name
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _ion(value: Mapping[str, Any]) -> str:
    """Return a typed value as the service spells it in Ion text."""
    ((kind, held),) = value.items()
    match kind:
        case "N":
            return _ion_decimal(held)
        case "B":
            return f"{{{{{held}}}}}"
        case "NULL":
            return "null"
        case "SS" | "NS" | "BS":
            return f"$dynamodb_{kind}::[{','.join(_ion({kind[0]: one}) for one in held)}]"
        case "L":
            return f"[{','.join(map(_ion, held))}]"
        case "M":
            return _ion_struct(held)
        case _:
            return _compact(held)


def _ion_decimal(number: str) -> str:
    """Return a number as an Ion decimal: `103.`, `6d2`."""
    spelled = number.lower().replace("e", "d").replace("d+", "d")
    return spelled if "d" in spelled or "." in spelled else f"{spelled}."
