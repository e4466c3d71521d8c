"""Run a query in Athena and read its answer.

In:  SQL. Out: `Answer`. IO: Athena's API: StartQueryExecution, GetQueryExecution, GetQueryResults.
Athena writes each answer to S3: below `output`, or where the workgroup says.

Sources (read 2026-11):
  https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatus.html   states
  https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html   pages
  https://docs.aws.amazon.com/athena/latest/APIReference/API_QueryExecutionStatistics.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import StoreError
from .aws import translated

Wait = Callable[[float], None]
Row = tuple[str | None, ...]

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one query."""

    query_id: str
    state: str
    """`SUCCEEDED`, `FAILED` or `CANCELLED`."""
    reason: str
    """Why it failed, in Athena's words."""
    rows: tuple[Row, ...]
    """Every value as text, NULL as None; without the heading."""
    scanned_bytes: int


class Athena:
    """One workgroup. `wait` pauses for so many seconds between two looks at a query."""

    def __init__(self, client: Any, *, workgroup: str, output: str, wait: Wait) -> None:
        self._client = client
        self._workgroup = workgroup
        self._output = output
        self._wait = wait

    def start(self, sql: str, database: str) -> str:
        """Start a query; return its id.

        Raises: Denied, StoreError.
        """
        where = f"workgroup {self._workgroup}"
        place = {"ResultConfiguration": {"OutputLocation": self._output}} if self._output else {}
        with translated("athena", "start_query_execution", where):
            answer = self._client.start_query_execution(
                QueryString=sql,
                QueryExecutionContext={"Database": database},
                WorkGroup=self._workgroup,
                **place,
            )
        return str(answer["QueryExecutionId"])

    def finish(self, query_id: str, columns: tuple[str, ...]) -> Answer:
        """Wait until a query has ended, and read its answer. Athena ends every query by itself.

        Raises: Denied; StoreError, also if the answer has other columns.
        """
        execution = self._ended(query_id)
        status = execution["Status"]
        rows = self._rows(query_id, columns) if status["State"] == "SUCCEEDED" else ()
        return Answer(
            query_id=query_id,
            state=status["State"],
            reason=_reason(status),
            rows=rows,
            scanned_bytes=int((execution.get("Statistics") or {}).get("DataScannedInBytes") or 0),
        )

    def _ended(self, query_id: str) -> dict[str, Any]:
        pause_s = _FIRST_PAUSE_S
        while True:
            with translated("athena", "get_query_execution", f"query {query_id}"):
                answer = self._client.get_query_execution(QueryExecutionId=query_id)
            execution: dict[str, Any] = answer["QueryExecution"]
            if execution["Status"]["State"] in _ENDED:
                return execution
            self._wait(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _rows(self, query_id: str, columns: tuple[str, ...]) -> tuple[Row, ...]:
        """Return all rows; the first one of a SELECT's answer is its heading."""
        rows: list[Row] = []
        with translated("athena", "get_query_results", f"query {query_id}"):
            pages = self._client.get_paginator("get_query_results").paginate(
                QueryExecutionId=query_id
            )
            for page in pages:
                rows += [
                    tuple(value.get("VarCharValue") for value in row["Data"])
                    for row in page["ResultSet"]["Rows"]
                ]
        if not rows or rows[0] != columns:
            raise StoreError(
                f"the answer of Athena's query {query_id} should begin with the heading "
                f"{', '.join(columns)}; it has {rows[0] if rows else 'no row at all'}",
                hint="run again",
            )
        return tuple(rows[1:])


def _reason(status: dict[str, Any]) -> str:
    told = status.get("StateChangeReason") or (status.get("AthenaError") or {}).get("ErrorMessage")
    return str(told or "no reason given")
