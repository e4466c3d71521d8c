"""Row counts that AWS DMS keeps itself: its table statistics, from a file or asked of the API.

In:  the JSON of `aws dms describe-table-statistics`, or the ARN of a replication task.
Out: `Statistics`: rows of full loads by schema and table, and what cannot be used.
IO:  `ask` alone: DescribeTableStatistics, a page for every few hundred tables. It needs the
permission dms:DescribeTableStatistics on the task, and nothing else.

Only tables in the state `Table completed` count: in every other state DMS has written a part of the
rows, or none. Names are those of the source; a task that renames schemas or tables finds no match.

Source (read on 2026-11-25):
  https://docs.aws.amazon.com/dms/latest/APIReference/API_TableStatistics.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .model import Finding
from .readers.sidecar import Unusable, kind, number, text

_COMPLETED = "Table completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Rows of full loads, and what a person should know about the others."""

    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(schema, table) -> rows."""
    findings: tuple[Finding, ...] = ()

    @classmethod
    def together(cls, some: Sequence[Statistics]) -> Statistics:
        """Return the statistics of several tasks as one."""
        rows, findings = _agreed((name, rows) for one in some for name, rows in one.rows.items())
        told = [finding for one in some for finding in one.findings]
        return cls(rows=rows, findings=(*told, *findings))


def parse_table_statistics(content: bytes, where: str = "table statistics") -> Statistics:
    """Read the JSON of one answer, or of a list of them (pages, or tasks).

    Raises: Unusable, in words that do not name the file.
    """
    try:
        value = json.loads(content)
    except RecursionError as error:
        raise Unusable("it is nested too deeply for table statistics") from error
    except ValueError as error:
        raise Unusable(f"it is not valid JSON ({str(error)[:200]})") from error
    return read_pages(value if isinstance(value, list) else [value], where)


def ask(task_arn: str, client: Any = None) -> Statistics:
    """Ask AWS for the statistics of a replication task, in the region that its ARN names.

    Raises: ConfigError without credentials, Denied, StoreError.
    """
    from .store.s3_client import boto_translated  # boto3 takes half a second to import

    with boto_translated("ask AWS DMS for its table statistics", task_arn):
        if client is None:
            import boto3

            client = boto3.Session().client("dms", region_name=task_arn.split(":")[3])
        pages = client.get_paginator("describe_table_statistics").paginate(
            ReplicationTaskArn=task_arn
        )
        # pages come in order, and the paginator follows the markers to the end
        answers = [{**page, "Marker": None} for page in pages]
    return read_pages(answers, task_arn)


def read_pages(pages: Iterable[object], where: str) -> Statistics:
    """Put the answers of DMS together.

    Raises: Unusable
    """
    counted: list[tuple[tuple[str, str], int]] = []
    findings: list[Finding] = []
    marker = ""
    for page in pages:
        if not isinstance(page, dict) or not isinstance(page.get("TableStatistics"), list):
            raise Unusable("it should hold a list TableStatistics, as DMS answers; it holds none")
        marker = text(page, "Marker")
        for entry in page["TableStatistics"]:
            if not isinstance(entry, dict):
                raise Unusable(f"a table's statistics should be an object, are {kind(entry)}")
            name, rows, problem = _table(entry)
            if problem:
                findings.append(_finding(f"{where}: {'.'.join(name)}: {problem}", name))
            if rows is not None:
                counted.append((name, rows))
    if marker:
        said = "more pages follow that are not in it; tables on them are compared with nothing"
        findings.append(_finding(f"{where}: {said}", None))
    known, contested = _agreed(counted)
    return Statistics(rows=known, findings=(*findings, *contested))


def _agreed(
    counted: Iterable[tuple[tuple[str, str], int]],
) -> tuple[dict[tuple[str, str], int], list[Finding]]:
    """Return the rows of tables that are named once, or always alike.

    A task for changes only says 0 of a table that another task has loaded.
    """
    named: dict[tuple[str, str], set[int]] = {}
    for name, rows in counted:
        named.setdefault(name, set()).add(rows)
    known = {name: max(rows) for name, rows in named.items() if len(rows - {0}) <= 1}
    findings = [
        _finding(
            f"{'.'.join(name)}: DMS statistics name different numbers of rows "
            f"({', '.join(map(str, sorted(rows)))}); it is compared with none of them",
            name,
        )
        for name, rows in sorted(named.items())
        if name not in known
    ]
    return known, findings


def _table(entry: Mapping[str, Any]) -> tuple[tuple[str, str], int | None, str]:
    """Return (schema, table), its rows or None, and what is wrong with them."""
    name = text(entry, "SchemaName"), text(entry, "TableName")
    state = text(entry, "TableState")
    if not name[1]:
        raise Unusable("a table's statistics have no TableName")
    if state != _COMPLETED:
        shown = repr(state) if state else "missing"
        return name, None, f"its state is {shown}, not {_COMPLETED!r}; its rows are not compared"
    rows = number(entry, "FullLoadRows")
    if rows is None or rows < 0 or rows != int(rows):
        return name, None, f"FullLoadRows should be a number of rows, is {rows}"
    errors = int(number(entry, "FullLoadErrorRows") or 0)
    if errors:
        return name, int(rows), f"{errors} of its rows could not be loaded, says DMS"
    return name, int(rows), ""


def _finding(message: str, name: tuple[str, str] | None) -> Finding:
    return Finding.model_validate(
        {
            "kind": "uncounted_objects",
            "severity": "warning",
            "table": ".".join(name) if name else None,
            "message": message,
        }
    )
