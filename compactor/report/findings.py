"""Findings in words: by severity and kind, what each says, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..model import SIZE_EDGES, Finding, Severity
from . import charts, words

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

ADVICE = {
    "duplicate_partitions": "A run keeps the rows once where it proves that the parent holds them "
    "all. Exporting only the parent table makes the next export smaller.",
    "partition_conflict": "Both tables are kept. Check at the source whether the smaller one is "
    "still a partition; rename or drop it there if it is a leftover.",
    "tiny_files": "A run rewrites them into few large files: query the lake, not the export.",
    "incomplete_export": "Wait until the export task is complete, then run again.",
    "failed_export": "Start the export again at the source, then run again.",
    "skipped_by_export": "The export tool left this out. Remove the cause it names and export "
    "again if the table is needed.",
    "missing_table": "The export lists a table but holds no data of it. Check the export's filters "
    "and permissions, and export again.",
    "unlisted_table": "The data was taken although the export's own metadata does not name it. "
    "Check that it belongs to this export.",
    "unreadable_object": "Restore the named object or export its table again, then run again.",
    "doubtful_sidecar": "Compare the named small file with the export's original, restore it, or "
    "export again.",
    "change_gap": "Export a window that covers the gap while point-in-time recovery still reaches "
    "back so far, or start anew from a full export.",
    "change_overlap": "Take the latest record of each key, and let every window start where the "
    "one before it ends.",
    "failed_table": "The table is not in the manifest. Remove the cause named here and run again.",
    "duplicate_export": "The same snapshot was delivered more than once; one copy is enough.",
    "schema_drift": "Files of one table differ in type or columns. Check that the unified type is "
    "the one you expect.",
    "kept_text": "No value was changed. Correct the listed values at the source, or use TRY_CAST "
    "when querying.",
    "undated_rows": "Queries by date miss these rows: include the partition "
    "__HIVE_DEFAULT_PARTITION__, or choose another date column.",
    "unrecognised_objects": "No table takes these objects. Move them out of the prefix, or name "
    "their folder in the configuration.",
    "name_changed": "Use the new name in queries.",
    "uncertain_layout": "Check the names. If they are right, name the BucketFolder in the "
    "configuration, and this is not said again.",
    "uncounted_objects": "Rows are counted and proven all the same; only the export tool's own "
    "count is missing.",
    "inventory_used": "Objects that were written after the inventory are taken when the next one "
    "lists them. Take the source out of [source] inventory to have it listed.",
    "unsigned_evidence": "Make a key (compactor key new FILE), and name it as key in [evidence]: "
    "then nobody can change what the run says without being noticed.",
    "unsigned_runs": "They ended before [evidence] was configured, or what they signed is gone. "
    "Their tables stay in the lake and archive; no link vouches for them.",
    "evidence_failed": "The data is stored and checked. Remove the cause named here and run again: "
    "the next run appends the missing link.",
    "expiring_locks": "Extend these locks while they last, or let them end: nothing is deleted by "
    "itself, but from then on it can be.",
    "timestamp_missing": "The link is signed and in its place, but only our clock says when. "
    "Nothing makes up for it later.",
}
"""What to do about each kind of finding; a finding's own `hint` comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The findings of one kind and severity."""

    severity: Severity
    kind: str
    found: tuple[Finding, ...]

    @property
    def advice(self) -> str:
        return ADVICE.get(self.kind, "")


def by_severity(findings: Iterable[Finding]) -> list[Kind]:
    """Return findings in groups: the gravest first, then the most frequent kinds."""
    grouped: dict[tuple[Severity, str], list[Finding]] = {}
    for finding in findings:
        grouped.setdefault((finding.severity, finding.kind), []).append(finding)
    kinds = [
        Kind(severity=severity, kind=kind, found=tuple(found))
        for (severity, kind), found in grouped.items()
    ]
    return sorted(
        kinds, key=lambda one: (SEVERITIES.index(one.severity), -len(one.found), one.kind)
    )


def kinds(findings: Iterable[Finding]) -> list[str]:
    """Return the names of the kinds that occur, the gravest first."""
    return list(dict.fromkeys(kind.kind for kind in by_severity(findings)))


def message(finding: Finding) -> str:
    """Return what a finding says, without the name of its table where it begins with that."""
    said = finding.message
    if finding.table and said.startswith(finding.table):
        said = said[len(finding.table) :].lstrip(": ")
    return words.visible(said, 2_000, lines=True)


def hint(finding: Finding) -> str:
    """Return the finding's own advice; empty where it has none."""
    own = (finding.model_extra or {}).get("hint")
    return words.visible(str(own), 2_000, lines=True) if own else ""


def extras(finding: Finding) -> list[tuple[str, str]]:
    """Return the labelled fields that a finding has beside the common ones."""
    return [
        (words.name(key.replace("_usd", "").replace("_", " "), 60), _extra(key, value))
        for key, value in sorted((finding.model_extra or {}).items())
        if key not in ("hint", "histogram_edges") and value not in (None, "", [], {})
    ]


def _extra(key: str, value: object) -> str:
    if key == "histogram" and isinstance(value, list | tuple) and len(value) == len(SIZE_EDGES) + 1:
        return charts.histogram_words(value)
    return words.detail(key, value)
