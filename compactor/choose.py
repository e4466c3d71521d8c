"""Choose the date column and the grain of a table, and say why in one sentence. Pure.

A column is a candidate if its type can hold a day. Each candidate gets points: what its name says
(`created_at` says when a row was made, `updated_at` changes later, `birth_date` has nothing to do
with it), and what sampled footers say of its values (NULLs, days before computers or after the
snapshot). The highest wins, then the first by position; nobody wins with no points at all.

The grain is the finest whose partitions would hold at least a quarter of the target file size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from .errors import ConfigError
from .model import DateStats, Grain, SourceColumn

SHRINK = 0.8
"""Output bytes per source byte that estimates assume; exports are gzip Parquet already."""

GrainSetting = Literal["auto", "day", "month", "year", "none"]

_DATE_TYPE = re.compile(r"(?i)^(?:date|datetime|timestamp)(?![a-z])")
"""`date`, `datetime`, `timestamp`, `timestamp with(out) time zone`: PostgreSQL's, MySQL's."""

_NAMES: tuple[tuple[str, int, str], ...] = (
    (r"(?:row_|record_)?(?:created|creation|create|inserted|insert|added)"
     r"(?:_(?:at|on|date|time|ts|timestamp|utc|datetime|day))*"
     r"|date_(?:created|added|inserted)|ctime", 100, "its name says when a row was made"),
    (r"(?:event|occurred|occurrence|happened|recorded|record|logged|log|order|ordered|placed|"
     r"booked|booking|purchase|purchased|transaction|txn|posted|posting|received|measured|"
     r"measurement|captured|observed|sale|sold|invoice|entry|visit|request)"
     r"(?:_(?:at|on|date|time|ts|timestamp|utc|datetime|day))+", 90, "its name says when it was"),
    (r"timestamp|ts|event_ts|datetime|date|day|dt|time", 80, "its name is that of a date"),
    (r".*_(?:date|day|on|at|ts|time|timestamp|dt)", 50, "its name ends like that of a date"),
)  # fmt: skip
_NOT_THE_ROWS_OWN = re.compile(
    r"(?:^|_)(?:update|updated|modify|modified|modification|changed|last|mtime|synced|refreshed|seen|"
    r"login|accessed|processed|loaded|exported|imported|paid|shipped|ship|delivered|sent|"
    r"completed|finished|closed|resolved|approved|confirmed|started|start|published)(?:_|$)"
)
_ABOUT_SOMETHING_ELSE = re.compile(
    r"(?:^|_)(?:delete|deleted|removed|archived|cancelled|canceled|expire|expires|expired|expiry|"
    r"expiration|valid|birth|birthday|born|dob|death|due|end|ended|until|deadline|next|scheduled|"
    r"planned|hire|hired|warranty|retention|locked|disabled|revoked)(?:_|$)"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    column: str | None
    reason: str
    stats: DateStats | None = None


def column(
    columns: Sequence[SourceColumn],
    stats: Sequence[DateStats],
    snapshot: datetime,
    configured: str,
    *,
    where: str,
    must_exist: bool,
) -> Choice:
    """Return the date column of a table.

    `configured` is a name, `auto`, or `none`. A name that the table lacks is an error with
    `must_exist` (it was given for this table); else the column is chosen as with `auto`.

    Raises: ConfigError naming the columns that there are.
    """
    names = [one.name for one in columns] or [one.column for one in stats]
    known = {one.column: one for one in stats}
    if configured == "none" and configured not in names:
        return Choice(column=None, reason="configured: no date column")
    if configured != "auto":
        if configured in names or not names:
            return Choice(column=configured, reason="configured", stats=known.get(configured))
        if must_exist:
            raise ConfigError(
                f"{where} has no column {configured!r} to take as date_column; its columns are "
                f"{', '.join(names[:40])}",
                hint=f'correct date_column in [tables."{where}"]',
            )
    scored = sorted(
        (
            (-_points(name, known.get(name), snapshot)[0], place, name, kind)
            for place, (name, kind) in enumerate(_candidates(columns, stats))
        ),
    )
    good = [(name, kind) for points, _, name, kind in scored if points < 0]
    if not good:
        seen = ", ".join(name for _, _, name, _ in scored[:3])
        reason = f"no column says when a row was made ({seen} do not)" if seen else "no date column"
        return Choice(column=None, reason=reason)
    name, kind = good[0]
    said = _points(name, known.get(name), snapshot)[1]
    rest = ", ".join(other for other, _ in good[1:4])
    over = f"; chosen over {rest}" if rest else ""
    return Choice(
        column=name, reason=f"{name} ({kind}): {'; '.join(said)}{over}", stats=known.get(name)
    )


def _candidates(
    columns: Sequence[SourceColumn], stats: Sequence[DateStats]
) -> list[tuple[str, str]]:
    """Return (name, type) of the columns that can hold a day, in order of position."""
    if columns:
        return [(one.name, one.source_type) for one in columns if _DATE_TYPE.match(one.source_type)]
    return [(one.column, one.type) for one in stats]


def _points(name: str, stats: DateStats | None, snapshot: datetime) -> tuple[int, list[str]]:
    """Return the points of a candidate, and what they are for."""
    plain = _CAMEL.sub("_", name).lower()
    points, said = 40, []
    for pattern, worth, words in _NAMES:
        if re.fullmatch(pattern, plain):
            points += worth
            said.append(words)
            break
    if stats is not None and stats.type == "epoch" and not said:
        points -= 60  # a number of ten digits may be anything
        said.append("a number that could be a moment, but no name says so")
    if _ABOUT_SOMETHING_ELSE.search(plain):
        points -= 150
        said.append("but that of something else than the row")
    elif _NOT_THE_ROWS_OWN.search(plain):
        points -= 60
        said.append("but of something that comes later")
    if stats is not None:
        more, words_ = _value_points(stats, snapshot)
        points += more
        said += words_
    return points, said or ["its type"]


def _value_points(stats: DateStats, snapshot: datetime) -> tuple[int, list[str]]:
    """Return the (negative) points for what sampled values look like."""
    points, said = 0, []
    if stats.null_share:
        points -= round(stats.null_share * 100)
        said.append(f"{stats.null_share:.0%} NULL in the sampled files")
    if stats.first_day and stats.last_day:
        said.append(f"{stats.first_day} to {stats.last_day} in the sampled files")
    if stats.first_day and stats.first_day < "1971-01-01":
        points -= 30
        said.append("with days before computers")
    if stats.last_day and stats.last_day > _later(snapshot):
        points -= 40
        said.append("with days long after the snapshot")
    return points, said


def _later(snapshot: datetime) -> str:
    return snapshot.date().replace(year=min(snapshot.year + 1, 9999), day=1).isoformat()


# --- grain ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainChoice:
    grain: Grain
    reason: str
    files: int
    """Estimated output files."""


def grain(
    choice: Choice, source_bytes: int, target_bytes: int, configured: GrainSetting
) -> GrainChoice:
    """Return the grain of a table, and how many files that will probably make."""
    output = int(source_bytes * SHRINK)
    if choice.column is None:
        reason = "no date column: one partition per snapshot"
        return GrainChoice(grain="none", reason=reason, files=_files(output, 1, target_bytes))
    spans = _spans(choice.stats)
    if configured != "auto":
        count = spans[configured] if spans else 1
        files = _files(output, count, target_bytes)
        return GrainChoice(grain=configured, reason="configured", files=files)
    size, least = _size(output), target_bytes // 4
    if output < least:
        reason = (
            f"about {size} in all is too little to split, files should be {_size(target_bytes)}; "
            f"one partition per snapshot, sorted by {choice.column}"
        )
        return GrainChoice(grain="none", reason=reason, files=1)
    if spans is None:
        reason = f"about {size} over a span of days that no sample tells: month is a safe middle"
        return GrainChoice(grain="month", reason=reason, files=_files(output, 1, target_bytes))
    options: tuple[Grain, ...] = ("day", "month", "year")
    for option in options:
        each = output // spans[option]
        if each >= least:
            reason = (
                f"about {size} over {_count(spans[option], option)} makes {_size(each)} each; "
                f"files should be near {_size(target_bytes)}"
            )
            files = _files(output, spans[option], target_bytes)
            return GrainChoice(grain=option, reason=reason, files=files)
    reason = (
        f"about {size} over {_count(spans['year'], 'year')} is too little for a partition each; "
        f"one partition per snapshot, sorted by {choice.column}"
    )
    return GrainChoice(grain="none", reason=reason, files=_files(output, 1, target_bytes))


def _spans(stats: DateStats | None) -> dict[Grain, int] | None:
    """Return how many days, months and years the samples span; None if they do not say."""
    if stats is None or stats.first_day is None or stats.last_day is None:
        return None
    first, last = date.fromisoformat(stats.first_day), date.fromisoformat(stats.last_day)
    if last < first:
        return None
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    return {
        "day": (last - first).days + 1,
        "month": months,
        "year": last.year - first.year + 1,
        "none": 1,
    }


def _files(output: int, partitions: int, target_bytes: int) -> int:
    each = max(output // partitions, 1)
    return partitions * -(-each // target_bytes)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _size(count: int) -> str:
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


# --- sort key -------------------------------------------------------------------------------------

_KEY_TYPES = ("bigint", "int", "smallint", "mediumint", "uuid", "character", "varchar", "numeric")


def sort_key(
    columns: Sequence[SourceColumn],
    configured: tuple[str, ...] | None,
    date_column: str | None,
    *,
    where: str,
) -> tuple[str, ...]:
    """Return the columns to sort by after the date column: configured, else what looks like a key.

    Sidecars do not name primary keys: `id`, else a first column whose name ends in `id`.

    Raises: ConfigError if a configured column does not exist.
    """
    names = {one.name for one in columns}
    if configured is not None:
        missing = [name for name in configured if names and name not in names]
        if missing:
            raise ConfigError(
                f"{where} has no column {missing[0]!r} to sort by; its columns are "
                f"{', '.join(sorted(names)[:40])}",
                hint=f'correct sort_by in [tables."{where}"]',
            )
        return configured
    for one in columns:
        if one.name.lower() == "id" and one.name != date_column:
            return (one.name,)
    if columns:
        first = columns[0]
        is_key = re.search(r"(?i)(?:^|_)(?:id|uuid|guid|key|no)$|[a-z]Id$", first.name) is not None
        if (
            is_key
            and first.source_type.lower().startswith(_KEY_TYPES)
            and first.name != date_column
        ):
            return (first.name,)
    return ()
