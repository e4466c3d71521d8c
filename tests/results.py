"""Results of runs and audits, made up: good, mixed, large, hostile."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

from compactor.evidence.audited import Audit, Coverage, Links
from compactor.model import (
    HIVE_NULL,
    Check,
    Finding,
    ManifestRef,
    OutputColumn,
    PartitionResult,
    RunResult,
    Skipped,
    StoredObject,
    TableResult,
)
from compactor.stored import by_snapshot

SNAPSHOT = datetime(2026, 10, 6, 3, 47, 12, tzinfo=UTC)
UNTIL = datetime(2033, 10, 6, 3, 47, 12, tzinfo=UTC)
HOSTILE = {
    "script": "<script>document.title='owned'</script>",
    "image": "<img src=x onerror=\"document.title='owned'\">",
    "quotes": """a"b'c`d" onmouseover="document.title='owned'""",
    "reordering": "invoice\u202efdp.exe\u2066\u200b",
    "marks": "z" + "\u0301" * 400,
    "escape": "\x1b[2J\x1b[31mred\x07\r\n",
    "template": "{{ 7*7 }}{% raw %}${1}",
    "long": "n" * 10_000,
    "arabic": "فاتورة",
    "wide": "注文テーブル",
    "empty": "",
    "surrogate-like": "\ufeff\u2028x\U000e0041",
    "tags": "]]></style></title><!-- -->",
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def stored(key: str, rows: int | None = 1_000, *, locked: bool = False) -> StoredObject:
    return StoredObject(
        key=key,
        size_bytes=48_231 + len(key),
        sha256=sha(key),
        rows=rows,
        version_id=sha("v" + key)[:32] if locked else None,
        lock_mode="COMPLIANCE" if locked else None,
        retain_until=UNTIL if locked else None,
    )


def check(status: str = "pass", **fields: Any) -> Check:
    values: dict[str, Any] = {
        "name": "rows",
        "subject": "dt=2026-10-05",
        "expected": "1000",
        "actual": "1000",
        "status": status,
        "source": "DuckDB count of the staged source; DuckDB count of the written file",
    }
    return Check(**(values | fields))


def undeclared() -> Check:
    return check(
        "not_verified",
        name="declared_rows",
        subject="table",
        expected=None,
        actual="90000",
        source="RDS exports declare no row counts; rows read by DuckDB",
    )


def partitions(
    table: str, days: int, *, locked: bool = False, undated: int = 0, rows: int = 1_000
) -> tuple[PartitionResult, ...]:
    made = []
    for number in range(days):
        day = (date(2026, 7, 1) + timedelta(days=number)).isoformat()
        key = (
            f"shop/{table}/snapshot=20261006T034712Z/dt={day}/part-00000-{sha(table)[:12]}.parquet"
        )
        many = rows + (number * 7919) % 431
        made.append(
            PartitionResult(
                value=day,
                rows=many,
                fingerprint=sha(key)[:40],
                objects=(stored(key, many),),
                archived=(stored(key, many, locked=True),) if locked else (),
            )
        )
    if undated:
        key = f"shop/{table}/snapshot=20261006T034712Z/dt={HIVE_NULL}/part-00000.parquet"
        made.append(
            PartitionResult(
                value=HIVE_NULL, rows=undated, fingerprint="0", objects=(stored(key, undated),)
            )
        )
    return tuple(made)


def table_result(table: str = "public.orders", days: int = 3, **fields: Any) -> TableResult:
    locked = fields.pop("locked", True)
    parts = partitions(table[:60], days, locked=locked)
    values: dict[str, Any] = {
        "task_id": sha(table)[:16],
        "export_id": "shop-2026-10-06",
        "database": "shop",
        "table": table,
        "snapshot": SNAPSHOT,
        "status": "done",
        "source_url": "s3://acme-exports/",
        "source_folder": f"shop-2026-10-06/shop/{table[:60]}/",
        "source_files": 200,
        "source_bytes": 1_400_000,
        "source_rows": sum(part.rows for part in parts),
        "objects_sha256": sha("objects" + table),
        "output_files": len(parts),
        "output_rows": sum(part.rows for part in parts),
        "output_bytes": sum(item.size_bytes for part in parts for item in part.objects),
        "partition_column": "created_at",
        "grain": "day",
        "partitions": parts,
        "columns": (
            OutputColumn(name="id", source_name="id", source_type="bigint", type="BIGINT"),
            OutputColumn(
                name="created_at",
                source_name="created_at",
                source_type="timestamp without time zone",
                type="TIMESTAMP",
            ),
        ),
        "checks": tuple(
            check(
                name=name,
                subject=f"dt={part.value}",
                expected=str(part.rows),
                actual=str(part.rows),
            )
            for part in parts
            for name in ("rows", "fingerprint")
        ),
        "source_size_histogram": (0, 198, 2, 0, 0, 0, 0, 0, 0),
        "output_size_histogram": (0, 0, len(parts), 0, 0, 0, 0, 0, 0),
        "fingerprint": sha("fingerprint" + table)[:40],
        "engine": "duckdb 2.0.0",
        "seconds": 0.42,
    }
    return TableResult(**(values | fields))


def run_result(*tables: TableResult, **fields: Any) -> RunResult:
    values: dict[str, Any] = {
        "run_id": "20261121T101500Z-4f1c",
        "plan_id": sha("plan"),
        "status": "done",
        "started_at": datetime(2026, 11, 21, 10, 15, 0, tzinfo=UTC),
        "finished_at": datetime(2026, 11, 21, 10, 15, 12, 340_000, tzinfo=UTC),
        "sources": ("s3://acme-exports/",),
        "lake": "s3://acme-lake/tables/",
        "archive": "s3://acme-archive/tables/",
        "tables": tables,
        "manifest": ManifestRef(
            url="s3://acme-lake/tables/_compactor/20261121T101500Z-4f1c/manifest.json",
            sha256=sha("manifest"),
        ),
        "report": "s3://acme-lake/tables/_compactor/20261121T101500Z-4f1c/report.html",
        "versions": {"compactor": "0.1.0", "duckdb": "2.0.0", "polars": "2.1.0"},
    }
    return RunResult(**(values | fields))


def mixed_result() -> RunResult:
    """A run with everything that a report must show: good, failed, unproven, covered, findings."""
    orders = table_result(
        "public.orders",
        90,
        source_files=10_000,
        source_bytes=71_000_000,
        source_size_histogram=(0, 9_980, 20, 0, 0, 0, 0, 0, 0),
        output_size_histogram=(0, 0, 84, 6, 0, 0, 0, 0, 0),
        covers=("public.orders_2026_07", "public.orders_2026_08", "public.orders_2026_09"),
        checks=(*table_result(days=90).checks, undeclared()),
    )
    children = [
        table_result(
            child,
            0,
            status="covered",
            covered_by="public.orders of shop-2026-10-06: the fingerprints of 3 partitions add up",
            checks=(),
            source_files=3_333,
            source_bytes=23_000_000,
            source_rows=31_000,
            output_size_histogram=(),
        )
        for child in orders.covers
    ]
    payments = table_result(
        "public.payments",
        30,
        status="failed",
        locked=False,
        error="check failed: 2 of 61 checks of shop public.payments; the source object "
        "shop-2026-10-06/shop/public.payments/1/part-00017.gz.parquet decodes to other values in "
        "two engines. Restore it or export the table again, then run again.",
        checks=(
            *table_result(days=3).checks,
            check(
                "fail",
                name="second_engine",
                subject="column amount",
                expected="1234567.89",
                actual="1234567.98",
                source="DuckDB exact sum of the staged source; Polars exact sum of the same bytes",
            ),
            check("fail", name="rows", subject="dt=2026-07-14", expected="1043", actual="1042"),
            undeclared(),
        ),
    )
    customers = table_result(
        "public.customers",
        1,
        partitions=(
            PartitionResult(
                value="",
                rows=52_000,
                fingerprint="9f",
                objects=(stored("shop/public.customers/part-00000.parquet", 52_000),),
                archived=(stored("shop/public.customers/part-00000.parquet", 52_000, locked=True),),
            ),
        ),
        grain="none",
        partition_column=None,
        columns=(
            OutputColumn(name="id", source_name="ID", source_type="uuid", type="VARCHAR"),
            OutputColumn(
                name="born",
                source_name="born",
                source_type="date",
                type="VARCHAR",
                kept_text=True,
                kept_values=3,
                examples=("0044-03-15 BC", "infinity", "31/02/1999"),
            ),
        ),
    )
    events = table_result("public.events", 64, status="adopted", checks=())
    return run_result(
        orders,
        *children,
        payments,
        customers,
        events,
        status="failed",
        findings=(
            Finding(
                kind="tiny_files",
                severity="warning",
                export_id="shop-2026-10-06",
                table="public.orders",
                message="public.orders: 10,000 files in 500 folders, median 7.0 KiB",
                files=10_000,
                median_bytes=7_168,
                histogram=[0, 9_980, 20, 0, 0, 0, 0, 0, 0],
            ),
            Finding(
                kind="duplicate_partitions",
                severity="warning",
                export_id="shop-2026-10-06",
                table="public.orders",
                message="3 partitions repeat rows of public.orders",
                parent="public.orders",
                children=list(orders.covers),
                proof="proven",
                redundant_files=9_999,
                redundant_bytes=69_000_000,
            ),
            Finding(
                kind="kept_text",
                severity="info",
                table="public.customers",
                message="born: 3 values are no dates; the column stays text",
            ),
            Finding(
                kind="unreadable_object",
                severity="error",
                export_id="shop-2026-10-06",
                table="public.payments",
                message="part-00017.gz.parquet: the first page does not match its CRC",
                key="shop-2026-10-06/shop/public.payments/1/part-00017.gz.parquet",
            ),
        ),
        skipped=(
            Skipped(
                key="shop-2026-10-06/shop/public.audit/",
                reason="skipped_by_export: the table has a column name with a comma",
                objects=12,
                bytes=40_960,
            ),
            Skipped(key="shop-2026-10-06/notes.txt", reason="unrecognised object", bytes=120),
        ),
    )


def large_result(number: int = 1_000, days: int = 90) -> RunResult:
    """As many tables as a large estate has; one in 50 fails, one in 10 lacks a declared count."""
    columns = tuple(
        OutputColumn(
            name=f"column_{index}",
            source_name=f"column_{index}",
            source_type="character varying",
            type="VARCHAR",
        )
        for index in range(20)
    )
    tables = []
    for index in range(number):
        table = table_result(f"public.table_{index:04}", days, columns=columns)
        checks = list(table.checks)
        if index % 10 == 0:
            checks.append(undeclared())
        if index % 50 == 0:
            checks.append(check("fail", actual="999"))
        sizes = (0, 150 + index % 40, 5 + index % 7, 0, 0, 0, 0, 0, 0)
        tables.append(
            table.model_copy(update={"checks": tuple(checks), "source_size_histogram": sizes})
        )
    findings = tuple(
        Finding(kind="tiny_files", severity="warning", table=table.table, message="200 tiny files")
        for table in tables
    )
    return run_result(*tables, findings=findings, status="failed")


def hostile_result() -> RunResult:
    """A run in which every text that an export decides is hostile."""
    tables = [
        table_result(
            bad,
            4,
            database=bad,
            export_id=bad,
            error=bad,
            covers=(bad, bad),
            source_folder=bad,
            partition_column=bad,
            status="failed",
            partitions=(
                *partitions("t", 2, locked=True),
                PartitionResult(value=bad, rows=1, fingerprint=bad, objects=(stored(bad),)),
            ),
            columns=(
                OutputColumn(
                    name=bad,
                    source_name=bad + "2",
                    source_type=bad,
                    type=bad,
                    kept_text=True,
                    kept_values=9,
                    examples=(bad, bad),
                ),
            ),
            checks=tuple(
                check(status, name=bad, subject=bad, expected=bad, actual=bad, source=bad)
                for status in ("pass", "fail", "not_verified")
            ),
        )
        for bad in HOSTILE.values()
    ]
    bad = "".join(HOSTILE.values())
    findings = tuple(
        Finding.model_validate(
            {
                "kind": text,
                "severity": severity,
                "table": text,
                "export_id": text,
                "message": text,
                text or "x": [text, {text: text}],
                "hint": text,
            }
        )
        for severity in ("info", "warning", "error")
        for text in HOSTILE.values()
    )
    return run_result(
        *tables,
        status="failed",
        findings=findings,
        skipped=tuple(Skipped(key=text, reason=text) for text in HOSTILE.values()),
        sources=(bad,),
        lake=bad,
        archive=bad,
        versions={text: text for text in HOSTILE.values()},
    )


def counting(name: str, status: str = "pass", **fields: Any) -> Check:
    """The check that counts all of its kind."""
    values = {"subject": "all versions", "expected": "90 versions", "actual": "90 versions"}
    source = {"source": "the chain; description of each version (HEAD)"}
    return check(status, **({"name": name} | values | source | fields))


def audit_result(wrong: int = 0, status: str = "failed", **fields: Any) -> Audit:
    """An audit; `wrong` versions are gone, and one in ten of them may not be looked at."""
    single = tuple(
        check(
            "not_verified" if number % 10 == 9 else "fail",
            name="size" if number % 3 else "present",
            subject=f"shop/t{number:05}/part-00000.parquet@v{number}",
            expected="48231",
            actual="the store says 403" if number % 10 == 9 else "no such version",
            source="link 3; HEAD of the version",
        )
        for number in range(wrong)
    )
    values: dict[str, Any] = {
        "status": status if wrong else "passed",
        "exit_code": 5 if wrong else 0,
        "audited_at": datetime(2026, 11, 25, 6, 0, 0, tzinfo=UTC),
        "place": "s3://acme-archive/tables/",
        "is_archive": True,
        "objects": 90,
        "bytes": 4_340_790,
        "links": Links(
            count=4,
            last=3,
            sha256=sha("link"),
            signed_at=datetime(2026, 11, 21, 10, 15, 13, tzinfo=UTC),
        ),
        "checks": (
            counting("chain", subject="all links", expected="4 links", actual="4 links"),
            counting("signature", subject="all links", expected="4 links", actual="4 links"),
            counting("present", "fail" if wrong else "pass"),
            counting("size", "fail" if wrong > 1 else "pass"),
            counting("lock"),
            counting("expiring", expected=None, actual="0 versions whose lock ends by now"),
            counting("bytes_sha256", subject="what was read", expected="45", actual="45"),
            *single,
        ),
        "findings": (
            Finding(
                kind="expiring_locks",
                severity="warning",
                message="3 versions whose lock ends within 90d",
            ),
        ),
        "coverage": Coverage(
            sample="1%/day",
            objects=90,
            bytes=4_340_790,
            due_objects=45,
            read_objects=45,
            read_bytes=2_170_395,
            covered_objects=45,
            covered_bytes=2_170_395,
            oldest_read_at=datetime(2026, 11, 1, tzinfo=UTC),
            newest_read_at=datetime(2026, 11, 25, tzinfo=UTC),
            statement="45 of 90 versions (50.0 %) were read back and found good",
        ),
        "snapshots": by_snapshot(
            table_result(f"t{index}", 9, snapshot=SNAPSHOT + timedelta(days=7 * index))
            for index in range(10)
        ),
    }
    return Audit(**(values | fields))
