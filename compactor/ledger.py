"""What becomes of the tables of one run, and the documents that the run leaves in the lake.

In:  results, errors and findings, as they come.
Out: the `RunResult`.
IO:  writes documents into the lake: a record per table, the report, and the manifest last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from . import __version__, lake
from .commitment import Allowance
from .errors import CompactorError, ObjectUnreadable, SchemaDrift
from .model import Finding, ManifestRef, Plan, PlanTable, RunResult, TableResult, to_json
from .places import Stores


class Ledger:
    """One run's; `results` and `errors` are by task, `archive_url` is as configured: records of
    finished tables lie under it. `allowance` is what may still be locked; None without limit."""

    def __init__(
        self,
        run_id: str,
        plan: Plan,
        stores: Stores,
        archive_url: str | None,
        findings: Sequence[Finding],
        allowance: Allowance | None = None,
    ) -> None:
        self.run_id = run_id
        self.plan = plan
        self.stores = stores
        self.archive_url = archive_url
        self.allowance = allowance
        self.results: dict[str, TableResult] = {}
        self.errors: dict[str, CompactorError] = {}
        self.batched: dict[str, TableResult] = {}
        """Tables that wait for S3 Batch Operations, by task."""
        self.findings: list[Finding] = list(findings)
        self._verified: set[str] = set()

    # --- what happened ---

    def fail(self, table: PlanTable, error: CompactorError) -> TableResult:
        """Note that a table failed; return its result."""
        self.note_failure(table, error)
        return self.failed_result(table, error)

    def note_failure(self, table: PlanTable, error: CompactorError) -> None:
        self.errors[table.task_id] = error
        match error:
            case ObjectUnreadable():
                kind = "unreadable_object"
            case SchemaDrift():
                kind = "schema_drift"
            case _:
                kind = "failed_table"
        self.findings.append(
            Finding.model_validate(
                {
                    "kind": kind,
                    "severity": "error",
                    "export_id": table.export_id,
                    "table": table.table,
                    "message": str(error),
                    "key": error.key or None,
                }
            )
        )

    def failed_result(self, table: PlanTable, error: CompactorError) -> TableResult:
        return TableResult(
            task_id=table.task_id,
            export_id=table.export_id,
            database=table.database,
            table=table.table,
            snapshot=table.snapshot,
            status="failed",
            error=str(error),
            source_url=self.stores.sources[table.source].url,
            source_folder=table.folder,
            source_files=table.source_files,
            source_bytes=table.source_bytes,
            objects_sha256=table.objects_sha256,
        )

    def withdraw(self, kind: str, table: PlanTable) -> None:
        """Drop findings that are known better now."""
        about = (kind, table.export_id, table.table)
        self.findings = [
            finding
            for finding in self.findings
            if (finding.kind, finding.export_id, finding.table) != about
        ]

    # --- documents ---

    def put_document(self, name: str, body: bytes) -> None:
        """Write one document of this run."""
        self._put(lake.run_key(self.run_id, name), body)

    def put_verified(self, result: TableResult) -> None:
        """Write down that every check of a table passed."""
        self._put(lake.record_key(self.run_id, result.task_id, None), to_json(result).encode())
        self._verified.add(result.task_id)

    def put_finished(self, result: TableResult) -> None:
        """Write down that nothing is left to do for a table, in this archive."""
        key = lake.record_key(self.run_id, result.task_id, self.archive_url)
        self._put(key, to_json(result).encode())

    def put_batched(self, result: TableResult) -> None:
        """Write down that a table waits for S3 Batch Operations to copy it."""
        assert self.archive_url is not None
        key = lake.batched_key(self.run_id, result.task_id, self.archive_url)
        self._put(key, to_json(result).encode())
        self.batched[result.task_id] = result

    def _put(self, key: str, body: bytes) -> None:
        self.stores.lake.put(key, body, sha256=hashlib.sha256(body).hexdigest())

    def result(self, started: datetime, finished: datetime, *, nothing: bool) -> RunResult:
        failed = any(result.status == "failed" for result in self.results.values())
        order = {table.task_id: table.table_no for table in self.plan.tables}
        return RunResult(
            run_id=self.run_id,
            plan_id=self.plan.plan_id,
            status="nothing_to_do" if nothing else ("failed" if failed else "done"),
            started_at=started,
            finished_at=finished,
            sources=tuple(store.url for store in self.stores.sources),
            lake=self.stores.lake.url,
            archive=self.stores.archive.url if self.stores.archive else None,
            tables=tuple(
                self.results[task] for task in sorted(self.results, key=lambda one: order[one])
            ),
            skipped=self.plan.skipped,
            findings=tuple(self.findings),
            versions=versions(),
        )

    def publish(
        self, result: RunResult, write_report: Callable[[RunResult], str] | None
    ) -> RunResult:
        """Write documents of covered tables, the report, and the manifest last."""
        good = [table for table in result.tables if table.status != "failed"]
        for table in good:
            if table.status == "covered":
                self.put_finished(table)
        for table in result.tables:
            if table.status == "failed" and table.task_id in self._verified:
                self.put_document(f"{lake.FAILED}/{table.task_id}.json", to_json(table).encode())
        manifest = b""
        if good:
            manifest = to_json(result.model_copy(update={"tables": tuple(good)})).encode()
            url = self.stores.lake.url + lake.run_key(self.run_id, "manifest.json")
            ref = ManifestRef(url=url, sha256=hashlib.sha256(manifest).hexdigest())
            result = result.model_copy(update={"manifest": ref})
        if write_report is not None:
            page = lake.run_key(self.run_id, "report.html")
            result = result.model_copy(update={"report": self.stores.lake.url + page})
            self.put_document("report.html", write_report(result).encode())
        self.put_document("report.json", to_json(result).encode())
        if good:
            self.put_document("manifest.json", manifest)
        return result


def versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("duckdb", "polars", "pyarrow", "obstore", "boto3")
    return {"compactor": __version__, **{name: version(name) for name in names}}
