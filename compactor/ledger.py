"""What becomes of the tables of one run, and the documents that the run leaves in the lake.

In:  results, errors and findings, as they come.
Out: the `RunResult`.
IO:  writes documents into the lake: a record per table, the report, and the manifest last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import __version__, lake
from .commitment import Allowance
from .errors import CompactorError, ObjectUnreadable, SchemaDrift, SignatureError
from .model import (
    Finding,
    LinkRef,
    ManifestRef,
    Plan,
    PlanTable,
    RunResult,
    TableResult,
    to_json,
)
from .places import Sources, Stores

if TYPE_CHECKING:
    from .evidence.notary import Notary
    from .evidence.predicate import Draft


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
        self.late_links: list[LinkRef] = []
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
            system=table.system,
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
            late_links=tuple(self.late_links),
            versions=versions(),
        )

    def publish(
        self,
        result: RunResult,
        write_report: Callable[[RunResult], str] | None,
        notary: Notary | None,
        sources: Sources,
    ) -> RunResult:
        """Write documents of covered tables, the report, the manifest, and its link.

        Readers believe the manifest, so it comes after all that it names; the link says what the
        manifest says, so it comes after that, and the report once more with the link in it.
        """
        good = [table for table in result.tables if table.status != "failed"]
        for table in good:
            if table.status == "covered":
                self.put_finished(table)
        for table in result.tables:
            if table.status == "failed" and table.task_id in self._verified:
                self.put_document(f"{lake.FAILED}/{table.task_id}.json", to_json(table).encode())
        if not good:
            return self._put_report(result, write_report)
        if notary is None:
            self._tell(
                "unsigned_evidence",
                "info",
                "nothing signs what this run did: the configuration has no section [evidence]",
            )
            result = result.model_copy(update={"findings": tuple(self.findings)})
        told = result.model_copy(update={"tables": tuple(good)})
        manifest = to_json(told).encode()
        url = self.stores.lake.url + lake.run_key(self.run_id, "manifest.json")
        ref = ManifestRef(url=url, sha256=hashlib.sha256(manifest).hexdigest())
        draft: Draft | None = None
        if notary is not None:
            try:
                draft = notary.prepare(told, ref, sources)
            except CompactorError as error:
                # without a draft no later run could sign this manifest: it adopts the tables
                result = result.model_copy(update={"status": "failed"})
                return self._put_report(self._not_signed(result, error), write_report)
        result = self._put_report(result.model_copy(update={"manifest": ref}), write_report)
        self.put_document("manifest.json", manifest)
        if notary is not None and draft is not None:
            try:
                link = notary.seal(told, draft)
            except CompactorError as error:
                result = self._not_signed(result, error)
            else:
                self._judge_timestamp(link)
                update = {"evidence": link, "findings": tuple(self.findings)}
                result = result.model_copy(update=update)
            result = self._put_report(result, write_report)
        return result

    def _put_report(
        self, result: RunResult, write_report: Callable[[RunResult], str] | None
    ) -> RunResult:
        if write_report is not None:
            page = lake.run_key(self.run_id, "report.html")
            result = result.model_copy(update={"report": self.stores.lake.url + page})
            self.put_document("report.html", write_report(result).encode())
        self.put_document("report.json", to_json(result).encode())
        return result

    # --- evidence ---

    def append_late(self, notary: Notary, unlinked: lake.Unlinked) -> None:
        """Append the links of runs that ended before they could; say which ones nobody signed."""
        for run_id in unlinked.drafted:
            try:
                link = notary.late(run_id)
            except CompactorError as error:
                self._note_evidence(error, f"run {run_id}: ")
            else:
                self.late_links.append(link)
                self._judge_timestamp(link)
        if unlinked.unsigned:
            some = ", ".join(unlinked.unsigned[:5])
            self._tell(
                "unsigned_runs",
                "warning",
                f"{len(unlinked.unsigned)} earlier runs have a manifest and signed nothing, so no "
                f"link vouches for them: {some}",
                runs=list(unlinked.unsigned[:5]),
            )

    def _not_signed(self, result: RunResult, error: CompactorError) -> RunResult:
        self._note_evidence(error, "")
        return result.model_copy(update={"findings": tuple(self.findings)})

    def _note_evidence(self, error: CompactorError, about: str) -> None:
        self.errors[f"evidence {len(self.errors)}"] = error
        self._tell("evidence_failed", "error", f"{about}{error}", key=error.key or None)

    def _judge_timestamp(self, link: LinkRef) -> None:
        """An authority that does not answer is told; one that answers wrongly is an error."""
        for check in link.checks:
            if check.status == "pass":
                continue
            message = f"link {link.number} has no time stamp: {check.actual}"
            if check.status == "fail":
                error = SignatureError(message, key=link.key)
                self.errors[f"evidence {len(self.errors)}"] = error
            severity = "error" if check.status == "fail" else "warning"
            self._tell("timestamp_missing", severity, message, key=link.key)

    def _tell(self, kind: str, severity: str, message: str, **more: Any) -> None:
        found = {"kind": kind, "severity": severity, "message": message, **more}
        self.findings.append(Finding.model_validate(found))


def versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("duckdb", "polars", "pyarrow", "obstore", "boto3", "securesystemslib")
    return {"compactor": __version__, **{name: version(name) for name in names}}
