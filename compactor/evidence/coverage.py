"""Which objects were read back when: the coverage file, and which objects are due today.

In:  a local file of JSON lines; keys and versions; today.
Out: what is due, what was read before; one line for each object that was read.
IO:  the coverage file. Nothing is written into the archive.

    {"event": "begin", "at": "...", "place": "s3://acme-archive/tables/", "sample": "1%/day"}
    {"event": "read", "at": "...", "key": "...", "version_id": "...", "bytes": 1, "result": "pass",
     "sums": "1f-2a", "engine": "duckdb 2.0.0"}
    {"event": "end", "at": "..."}
    {"event": "head", "at": "...", "number": 41, "sha256": "..."}

An audit without its `end` was interrupted: the next one goes on with what it has not read. A sample
of 1 % a day gives every version one day of a hundred, by the hash of its name; days on which no
audit ran are made up for. The last head is remembered, so that the end of the chain cannot be cut
off unseen.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..model import utc_text
from .walk import Head

_SAMPLE = re.compile(r"^\s*(\d{1,3}(?:\.\d{1,4})?)\s*%\s*/\s*day\s*$")


def parse_sample(text: str) -> int:
    """Return in how many days every object is read once: 100 for `1%/day`.

    Raises: ConfigError.
    """
    found = _SAMPLE.match(text)
    if not found or not 0 < float(found[1]) <= 100:
        raise ConfigError(f"--sample takes a share of a day, such as 1%/day; not {text!r}")
    return math.ceil(100 / float(found[1]))


def due_day(key: str, version_id: str | None, days: int) -> int:
    """Return the day of the cycle, 0 to days - 1, on which a version is read."""
    name = f"{key}@{version_id or ''}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8]) % days


class Read:
    """What the file says of the last good reading of one version."""

    __slots__ = ("at", "engine", "size_bytes", "sums")

    def __init__(self, line: dict[str, Any]) -> None:
        self.at = datetime.fromisoformat(line["at"])
        self.size_bytes = int(line["bytes"])
        self.sums: str | None = line.get("sums")
        self.engine: str | None = line.get("engine")


class CoverageFile:
    """The file of one archive; without a path, what this audit does is remembered until its end."""

    def __init__(self, path: Path | None, place: str, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._place = place
        self._clock = clock
        self.reads: dict[tuple[str, str | None], Read] = {}
        self.head: Head | None = None
        self._begun_at: datetime | None = None
        self._is_open = False
        self._sample: str | None = None
        self._last_day: date | None = None
        """Of the last sample that came to its end."""
        if path is not None and path.exists():
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            body = path.read_bytes()
            whole = body[: body.rfind(b"\n") + 1]
            if len(whole) < len(body):  # an audit was killed while it wrote its last line
                with path.open("r+b") as file:
                    file.truncate(len(whole))
            for number, line in enumerate(whole.splitlines(), 1):
                try:
                    self._take(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise ConfigError(
                        f"{path}, line {number}, is no line of a coverage file: {error!r}",
                        hint="name another file, or a new one",
                    ) from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error

    def _take(self, line: dict[str, Any]) -> None:
        match line["event"]:
            case "begin":
                if line["place"] != self._place:
                    raise ValueError(f"it is about {line['place']}, not {self._place}")
                self._begun_at = datetime.fromisoformat(line["at"])
                self._sample, self._is_open = line["sample"], True
            case "read":
                name = (line["key"], line["version_id"])
                if line["result"] == "pass":
                    self.reads[name] = Read(line)
                else:
                    self.reads.pop(name, None)
            case "end":
                self._is_open = False
                if self._sample is not None and self._begun_at is not None:
                    self._last_day = self._begun_at.date()
            case "head":
                self.head = Head(int(line["number"]), str(line["sha256"]))
            case other:
                raise ValueError(f"unknown event {other!r}")

    def begin(self, sample: str | None) -> Due:
        """Begin an audit, or go on with one that was interrupted."""
        now = self._clock()
        goes_on = self._is_open and self._sample == sample and self._begun_at is not None
        if sample is not None and goes_on and self._begun_at is not None:
            goes_on = self._begun_at.date() == now.date()  # what was left is made up for anyway
        since = self._begun_at if goes_on else None
        if since is None:
            self._write(event="begin", at=utc_text(now), place=self._place, sample=sample)
            since = now
        return Due(sample, now.date(), self._last_day, since, self.reads)

    def note_read(
        self,
        key: str,
        version_id: str | None,
        size_bytes: int,
        *,
        is_good: bool,
        sums: str | None,
        engine: str | None,
    ) -> None:
        self._write(
            event="read",
            at=utc_text(self._clock()),
            key=key,
            version_id=version_id,
            bytes=size_bytes,
            result="pass" if is_good else "fail",
            sums=sums,
            engine=engine,
        )

    def end(self) -> None:
        self._write(event="end", at=utc_text(self._clock()))

    def note_head(self, head: Head) -> None:
        if head != self.head:
            at = utc_text(self._clock())
            self._write(event="head", at=at, number=head.number, sha256=head.sha256)

    def _write(self, **line: Any) -> None:
        self._take(line)
        if self._path is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        except OSError as error:
            raise ConfigError(f"{self._path} cannot be written: {error.strerror}") from error


class Due:
    """Tells which versions an audit must read."""

    def __init__(
        self,
        sample: str | None,
        today: date,
        last_day: date | None,
        since: datetime,
        reads: dict[tuple[str, str | None], Read],
    ) -> None:
        self._days = parse_sample(sample) if sample else None
        self._since = since
        self._reads = reads
        self._due: set[int] = set()
        if self._days is not None:
            late = (today - last_day).days if last_day is not None else 1
            back = range(max(1, min(late, self._days)))
            self._due = {(today.toordinal() - days) % self._days for days in back}

    def is_due(self, key: str, version_id: str | None) -> bool:
        return self._days is None or due_day(key, version_id, self._days) in self._due

    def is_done(self, key: str, version_id: str | None) -> bool:
        """Tell whether this very audit has read it, before it was interrupted."""
        read = self._reads.get((key, version_id))
        return read is not None and read.at >= self._since
