"""The report: honest, safe with hostile exports, self-contained, and quick with 1,000 tables."""

from __future__ import annotations

import hashlib
import html as html_module
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from compactor import report
from compactor.model import (
    HIVE_NULL,
    SIZE_EDGES,
    Check,
    Estimate,
    Export,
    Finding,
    ManifestRef,
    OutputColumn,
    PartitionResult,
    Plan,
    PlanTable,
    RunResult,
    Scan,
    Skipped,
    StoredObject,
    Table,
    TableResult,
)
from compactor.report import charts, facts, findings, table_part, words

GOLDEN = Path(__file__).parent / "golden"
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


class Tags(HTMLParser):
    """Collects every element with its attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def tags(page_text: str) -> Tags:
    parser = Tags()
    parser.feed(page_text)
    parser.close()
    return parser


def flat(page_text: str) -> str:
    """The text that a reader sees, in one line."""
    return " ".join("".join(tags(page_text).text).split())


def verdict_line(page_text: str) -> tuple[str, str]:
    """The tone and the words of the first heading."""
    match = re.search(r'<h1><span class="badge (\w+)">([^<]*)</span></h1>', page_text)
    assert match
    return match[1], match[2]


# --- honest ---------------------------------------------------------------------------------------


def test_all_checks_passed_is_the_only_green() -> None:
    assert verdict_line(report.html(run_result(table_result()))) == ("good", "Done and verified")
    assert report.text(run_result(table_result())).startswith("DONE AND VERIFIED\n")


@pytest.mark.parametrize(
    ("result", "tone", "title"),
    [
        (
            run_result(table_result(checks=(check(), undeclared()))),
            "warn",
            "Done, not fully verified",
        ),
        (run_result(table_result(checks=(undeclared(),))), "warn", "Done, not fully verified"),
        (run_result(table_result(checks=())), "warn", "Done, not fully verified"),
        (run_result(), "warn", "Done, not fully verified"),
        (run_result(table_result(status="adopted", checks=())), "warn", "Done, not fully verified"),
        (run_result(table_result(checks=(check("fail"),))), "bad", "Failed"),
        (run_result(table_result(status="failed")), "bad", "Failed"),
        (run_result(table_result(), status="failed"), "bad", "Failed"),
        (run_result(table_result(locked=False)), "warn", "Done, with problems"),
        (run_result(status="nothing_to_do"), "idle", "Nothing to do"),
        (
            run_result(
                status="nothing_to_do",
                findings=(Finding(kind="failed_export", severity="error", message="x"),),
            ),
            "warn",
            "Nothing to do, but problems remain",
        ),
        (
            run_result(table_result(), table_result("c", 0, status="covered", checks=())),
            "warn",
            "Done, not fully verified",
        ),
    ],
)
def test_the_verdict_is_the_worst_of_what_is_known(
    result: RunResult, tone: str, title: str
) -> None:
    assert verdict_line(report.html(result)) == (tone, title)
    assert report.text(result).startswith(title.upper() + "\n")


def test_a_table_that_is_not_verified_is_never_green() -> None:
    result = run_result(
        table_result("a", checks=()),
        table_result("b", checks=(undeclared(),)),
        table_result("c", checks=(check(), undeclared())),
        table_result("d", 0, status="covered", checks=()),
        table_result("e", 0, status="covered", covered_by="c", checks=(undeclared(),)),
    )
    assert facts.states(result) == ["unverified"] * 5
    found = re.findall(
        r'<summary><span class="name">.*?<span class="badge (\w+)">', report.html(result)
    )
    assert found == ["warn"] * 5
    assert facts.STATE_TONE["unverified"] != "good"


def test_a_duplicate_of_a_failed_table_is_failed() -> None:
    result = run_result(
        table_result("orders", status="failed", covers=("orders_1",)),
        table_result("orders_1", 0, status="covered", covered_by="orders: equal sums", checks=()),
        table_result("good", covers=("good_1",)),
        table_result("good_1", 0, status="covered", covered_by="good: equal sums", checks=()),
        status="failed",
    )
    assert facts.states(result) == ["failed", "failed", "done", "covered"]
    assert facts.STATE_TONE["covered"] != "good"


def test_every_field_of_a_failed_check_is_shown() -> None:
    fields = {
        "name": "name-1",
        "subject": "subject-2",
        "expected": "expected-3",
        "actual": "actual-4",
        "source": "source-5",
    }
    many = [check() for _ in range(300)]
    result = run_result(table_result(checks=(*many, check("fail", **fields))), status="failed")
    row = re.search(r'<tr class="bad">(.*?)\n', report.html(result))
    assert row
    cells = [re.sub("<[^>]*>", "", cell) for cell in row[1].split("<td") if cell]
    assert [cell.split(">")[-1] for cell in cells] == ["Failed", *fields.values()]
    for value in fields.values():
        assert value in report.text(result)


def test_every_failed_check_is_shown_and_passed_ones_are_counted() -> None:
    failed = tuple(check("fail", subject=f"subject-{number}") for number in range(700))
    passed = tuple(check(name="fingerprint", subject=f"s{number}") for number in range(6_000))
    shown = report.html(run_result(table_result(checks=(*failed, *passed)), status="failed"))
    assert all(f"subject-{number}<" in shown for number in range(700))
    assert '<span class="badge good">6,000</span><td>fingerprint' in shown
    assert shown.count("<td>fingerprint") == 1


def test_numbers_of_failed_tables_are_not_counted_as_done() -> None:
    sums = facts.totals(run_result(table_result("a"), table_result("b", status="failed")))
    assert (sums.source_files, sums.failed_files) == (200, 200)
    assert sums.output_rows == table_result("a").output_rows
    assert sums.failed_rows == table_result("b").source_rows


def test_the_lock_is_what_was_read_back() -> None:
    whole = facts.lock_of(run_result(table_result()))
    assert whole is not None
    assert whole.is_complete
    assert facts.lock_text(whole) == "3 versions locked (COMPLIANCE) until 2033-10-06 03:47:12 UTC"

    free = table_result()
    first, *rest = free.partitions
    bare = first.model_copy(update={"archived": (stored("k"),)})
    loose = facts.lock_of(run_result(free.model_copy(update={"partitions": (bare, *rest)})))
    assert loose is not None
    assert not loose.is_complete
    assert facts.lock_text(loose).startswith("2 of 3 versions locked")

    none = facts.lock_of(run_result(table_result(locked=False)))
    assert none is not None
    assert (none.objects, none.missing) == (0, 3)
    assert "nothing is locked" in facts.lock_text(facts.lock_of(run_result(archive=None)))
    unlocked = facts.Lock(
        objects=2, locked=0, missing=0, modes=(), earliest=None, latest=None, legal_holds=0
    )
    assert facts.lock_text(unlocked) == "NOT locked: 2 archived versions without a lock"


def test_the_page_says_what_where_and_until_when() -> None:
    result = mixed_result()
    shown = flat(report.html(result))
    assert result.manifest is not None
    for expected in (
        "Failed",
        "1 of 7 tables failed (2 failed checks); a failed table is not archived.",
        "20,399 to 155",
        "3 tables9,999 objects, 93,000 rows, 65.8 MiB",
        "132 times fewer requests for a full read",
        result.lake,
        result.archive or "",
        result.manifest.url,
        result.manifest.sha256,
        "155 versions locked (COMPLIANCE) until 2033-10-06 03:47:12 UTC",
        "0044-03-15 BC",
        "Restore the named object or export its table again, then run again.",
        "Holds every row ofpublic.orders_2026_07, public.orders_2026_08, public.orders_2026_09",
        "id was ID",
    ):
        assert " ".join(expected.split()) in shown, expected
    orders = result.tables[0].partitions[0].archived[0]
    assert orders.sha256 in shown
    assert orders.version_id in shown


def test_findings_come_by_severity_with_what_to_do() -> None:
    shown = report.html(mixed_result())
    order = re.findall(r'<h3><span class="badge \w+">(\w+)</span>', shown)
    assert order == ["Error", "Warning", "Info"]
    assert set(findings.ADVICE) >= {finding.kind for finding in mixed_result().findings}


def test_a_finding_of_its_own_kind_and_many_of_one_kind_are_shown() -> None:
    findings = tuple(
        Finding(kind="brand_new", severity="info", message=f"message {number}")
        for number in range(900)
    )
    shown = flat(report.html(run_result(table_result(), findings=findings)))
    assert "Brand new" in shown
    assert "895 more" in shown
    assert "... and 400 more in the run's JSON." in shown
    assert "... and 895 more findings" in report.text(run_result(findings=findings))


# --- safe and self-contained ----------------------------------------------------------------------


def test_hostile_names_stay_text() -> None:
    shown = report.html(hostile_result())
    templates = Path(table_part.__file__).parent.glob("*.j2")
    template = "".join(path.read_text(encoding="utf-8") for path in templates)
    ours = {*re.findall("<([a-z0-9]+)", template), "svg", "g", "rect", "path", "text"} - {"img"}
    for tag, attributes in tags(shown).found:
        assert tag in ours, tag
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "style")}
        if "href" in attributes:
            assert re.fullmatch(r"#t\d+", attributes["href"] or ""), attributes
    assert Counter(tag for tag, _ in tags(shown).found)["script"] == 1
    assert "{{ 7*7 }}" in html_module.unescape(shown)
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069\u200b-\u200f\u2028\ufeff\x00-\x09\x0b-\x1f]", shown
    )
    assert "\\u202efdp.exe" in shown
    assert "n" * 5_000 not in shown
    assert "فاتورة" in shown


def test_hostile_names_cannot_reach_the_terminal() -> None:
    result = hostile_result()
    tables = tuple(
        Table(table_no=number, table=text, folder=text, status=text)
        for number, text in enumerate(HOSTILE.values())
    )
    exports = tuple(
        Export(
            source=0,
            system=text,
            export_id=text,
            database=text,
            root=text,
            status=text,
            snapshot=SNAPSHOT,
            tables=tables,
        )
        for text in HOSTILE.values()
    )
    plan = Plan(
        plan_id=HOSTILE["escape"],
        tables=tuple(
            plan_table(text, partition_column=text, partition_reason=text)
            for text in HOSTILE.values()
        ),
        skipped=result.skipped,
        estimate=Estimate(prices=HOSTILE["escape"]),
        findings=result.findings,
    )
    for shown in (
        report.text(result),
        report.scan_text(Scan(exports=exports, findings=result.findings)),
        report.plan_text(plan),
    ):
        assert not [char for char in shown if not char.isprintable() and char != "\n"]
        assert max(map(len, shown.splitlines())) < 2_500


@pytest.mark.parametrize("text", HOSTILE.values())
def test_visible_text_is_printable_bounded_and_told_apart(text: str) -> None:
    shown = words.visible(text, 60)
    assert shown.isprintable()
    assert len(shown) < 60 + 30
    assert words.visible(shown) == shown
    assert words.visible("a\u200b") != words.visible("a")
    assert words.visible("x\ny", lines=True) == "x\ny"
    assert words.visible("\u0301") == "\\u0301"


def test_the_page_needs_nothing_from_outside() -> None:
    shown = report.html(mixed_result())
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(|xlink|kozea|pygal", shown.replace("s3://", "")
    )
    elements = tags(shown).found
    assert not [tag for tag, _ in elements if tag in ("link", "img", "iframe", "object", "base")]
    assert not [attributes for _, attributes in elements if "src" in attributes]
    policy = next(
        attributes["content"]
        for tag, attributes in elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_same_result_gives_the_same_page() -> None:
    result = mixed_result()
    again = RunResult.model_validate_json(result.model_dump_json())
    assert report.html(result) == report.html(again)


def chromium(*arguments: str, profile: Path) -> subprocess.CompletedProcess[str]:
    binary = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if binary is None:
        pytest.skip("no Chromium on this machine: the page was not opened in a browser")
    quiet = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    )
    return subprocess.run(
        [binary, *quiet, f"--user-data-dir={profile}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def dom(page_text: str, folder: Path) -> tuple[str, str, list[str]]:
    """Open a page in a browser; return its document after scripts ran, complaints, requests.

    The browser's own errands count as "not an origin" in its log, and resolve no host.
    """
    folder.mkdir(exist_ok=True)
    file, log = folder / "report.html", folder / "net.json"
    file.write_text(page_text, encoding="utf-8")
    done = chromium(
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--log-net-log={log}",
        "--dump-dom",
        file.as_uri(),
        profile=folder / "profile",
    )
    complaints = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    events = json.loads(log.read_text(encoding="utf-8", errors="replace"))["events"]
    asked = [event["params"] for event in events if "initiator" in event.get("params", {})]
    requests = [one["url"] for one in asked if one["initiator"] != "not an origin"]
    return done.stdout, complaints, requests


def test_a_browser_shows_the_page_without_a_request_or_a_complaint(tmp_path: Path) -> None:
    _, _, requests = dom(
        "<!doctype html><img src='http://control.invalid/x'>", tmp_path / "control"
    )
    assert requests == ["http://control.invalid/x"], "the way of looking for requests sees none"

    document, complaints, requests = dom(report.html(hostile_result()), tmp_path / "page")
    assert requests == []
    assert complaints == ""
    assert '<html lang="en" class="js">' in document, "the page's own script did not run"
    assert "<title>Failed - compactor run 20261121T101500Z-4f1c</title>" in document

    picture = tmp_path / "page.png"
    chromium(
        f"--screenshot={picture}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--window-size=1280,1600",
        (tmp_path / "page" / "report.html").as_uri(),
        profile=tmp_path / "profile",
    )
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_policy_stops_a_script_even_if_escaping_had_failed(tmp_path: Path) -> None:
    good = report.html(run_result(table_result("marker")))
    attack = "<script>document.title='owned'</script><b onclick=x style='color:red'>"
    document, complaints, _ = dom(good.replace("<bdi>marker</bdi>", attack), tmp_path)
    assert "<script>document.title='owned'" in document
    assert "<title>owned" not in document
    assert "Content Security Policy" in complaints


def test_search_filter_sort_and_links_work(tmp_path: Path) -> None:
    result = mixed_result()
    drive = """<script>
      const out = [], byId = (id) => document.getElementById(id);
      const seen = () => [...byId("tables").children].filter((row) => !row.hidden)
        .map((row) => row.querySelector(".name bdi").textContent).join(",");
      const type = (id, value, event) => {
        byId(id).value = value; byId(id).dispatchEvent(new Event(event)); out.push(seen());
      };
      type("search", "ORDERS_2026", "input");
      type("search", "", "input");
      type("filter", "done", "change");
      type("filter", "", "change");
      document.querySelector('[data-sort="3"]').click(); out.push(seen());
      document.querySelector('[data-sort="name"]').click(); out.push(seen());
      byId("close").click(); out.push(document.querySelectorAll("details.table[open]").length);
      byId("open").click(); out.push(document.querySelectorAll("details.table[open]").length);
      byId("close").click(); location.hash = "#t1";
      dispatchEvent(new Event("hashchange"));
      out.push(document.querySelector("details.table[open] bdi").textContent);
      document.title = JSON.stringify(out);
    </script></body>"""
    unguarded = re.sub("<meta http-equiv=[^>]*>", "", report.html(result))
    document, _, _ = dom(unguarded.replace("</body>", drive), tmp_path)
    title = re.search("<title>(.*?)</title>", document)
    assert title
    found = json.loads(html_module.unescape(title[1]))
    by_state = ["payments", "events", "orders", "customers"]
    months = ["orders_2026_07", "orders_2026_08", "orders_2026_09"]
    assert [[name.removeprefix("public.") for name in names.split(",")] for names in found[:6]] == [
        months,
        [*by_state, *months],
        ["customers"],
        [*by_state, *months],
        ["orders", *months, "payments", "events", "customers"],
        ["customers", "events", "orders", *months, "payments"],
    ]
    assert found[6:] == [0, 7, "public.events"]


# --- large ----------------------------------------------------------------------------------------


def test_a_thousand_tables_make_a_page_that_opens(capsys: pytest.CaptureFixture[str]) -> None:
    result = large_result()
    started = time.process_time()
    shown = report.html(result)
    seconds, size_bytes = time.process_time() - started, len(shown.encode())
    with capsys.disabled():
        print(f"\n1,000 tables x 90 partitions: {seconds:.1f} s, {size_bytes / 1e6:.1f} MB")
    assert size_bytes < 15_000_000
    assert seconds < 30, "aim: 10 s; the limit leaves room for a slow machine"
    assert shown.count('<details class="table"') == 100
    assert shown.count('<details class=\\"table\\"') == 900
    assert "public.table_0999" in shown
    assert len(report.text(result)) < 20_000


def test_what_is_left_out_is_said() -> None:
    shown = flat(report.html(run_result(table_result(days=450, checks=(check(),)))))
    assert "The first 400; the manifest and the run's JSON name all 450." in shown
    assert "Summed up, because there are too many to list" in shown
    text = report.text(large_result(40, 1))
    assert "... and 10 more tables" in text


def test_partitions_too_many_to_list_add_up() -> None:
    table = table_result(days=800)
    shown = table_part._partitions(table, 400)
    assert shown["is_grouped"]
    assert sum(row[1] for row in shown["rows"]) == 800
    assert sum(int(row[2].replace(",", "")) for row in shown["rows"]) == table.output_rows


# --- charts ---------------------------------------------------------------------------------------


def test_gaps_between_days_are_drawn_as_nothing() -> None:
    dated = charts.calendar([("2026-01-01", 5), ("2026-01-04", 7), (HIVE_NULL, 2)])
    assert dated.labels == ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
    assert dated.rows == (5, 0, 0, 7)
    assert dated.undated == 2
    assert charts.rows_over_time(dated).svg.count("<rect") == 2


@pytest.mark.parametrize(
    ("values", "unit", "bars"),
    [
        ([f"20{year:02}-01-01" for year in range(10)], "month", 10),
        (["0001-01-01", "9999-12-31"], "year", 2),
        (["2026-10-01", "2026-10-31"], "day", 2),
        (["not a date", "2026-10-01"], "day", 0),
        ([], "day", 0),
    ],
)
def test_the_calendar_fits_any_dates(values: list[str], unit: str, bars: int) -> None:
    dated = charts.calendar([(value, 3) for value in values])
    chart = charts.rows_over_time(dated)
    assert dated.unit == unit
    assert chart.svg.count("<rect") == bars
    assert sum(dated.rows) + dated.undated == 3 * len(values)
    assert chart.words


def test_size_charts_show_shares_and_say_counts() -> None:
    chart = charts.sizes((0, 19_990, 10), (0, 0, 0, 0, 0, 0, 90))
    assert chart.series == ("before: 20,000 files", "after: 90 files")
    assert chart.words == "Before: 19,990 up to 16 KiB, 10 up to 128 KiB. After: 90 up to 256 MiB."
    assert chart.svg.count("<rect") == 3, "the smallest class is still seen"
    assert len(charts.size_labels()) == len(SIZE_EDGES) + 1
    assert charts.size_labels()[-1] == "> 1 GiB"
    assert charts.sizes((), ()).svg == ""


# --- plain text -----------------------------------------------------------------------------------


def plan_table(table: str, **fields: Any) -> PlanTable:
    values: dict[str, Any] = {
        "task_id": sha(table)[:16],
        "table_no": 1,
        "source": 0,
        "system": "rds",
        "export_id": "shop-2026-10-06",
        "database": "shop",
        "table": table,
        "snapshot": SNAPSHOT,
        "action": "compact",
        "source_files": 10_000,
        "source_bytes": 71_000_000,
        "objects_sha256": sha("objects"),
        "partition_column": "created_at",
        "partition_reason": "timestamp, never NULL, 90 days",
        "grain": "month",
        "grain_reason": "files near 256 MiB",
        "estimated_output_files": 3,
        "estimated_output_bytes": 24_000_000,
        "folder": "shop-2026-10-06/shop/public.orders/",
        "target": "shop/public.orders/snapshot=20261006T034712Z/",
    }
    return PlanTable(**(values | fields))


def sample_plan() -> Plan:
    return Plan(
        plan_id=sha("plan"),
        tables=(
            plan_table("public.orders"),
            plan_table("public.orders_2026_07", action="decide", source_files=3_333),
            plan_table(
                "public.customers",
                partition_column=None,
                grain="none",
                source_files=1,
                source_bytes=900,
                partition_reason="no column dates the rows",
                estimated_output_files=1,
                estimated_output_bytes=700,
            ),
            plan_table("public.注文", action="done"),
        ),
        skipped=(
            Skipped(
                key="shop-2026-10-06/shop/public.audit/",
                reason="the export left it out",
                objects=12,
                bytes=40_960,
            ),
            Skipped(key="shop-2026-10-06/notes.txt", reason="belongs to no table", bytes=120),
        ),
        estimate=Estimate(
            source_files=13_335,
            source_bytes=142_000_000,
            output_files=7,
            output_bytes=48_000_000,
            get_requests=13_335,
            put_requests=14,
            list_requests=20,
            request_cost_usd=0.0054,
            storage_cost_usd_month=0.0011,
            archive_cost_usd_retention=0.0924,
            prices="S3 Standard, us-east-1, 2026-11-01",
        ),
        findings=(mixed_result().findings[1],),
    )


def sample_scan() -> Scan:
    return Scan(
        exports=(
            Export(
                source=0,
                system="rds",
                export_id="shop-2026-10-06",
                database="shop",
                root="shop-2026-10-06/shop/",
                status="complete",
                snapshot=SNAPSHOT,
                tables=(
                    Table(
                        table_no=0,
                        table="public.customers",
                        folder="c/",
                        status="complete",
                        files=1,
                        bytes=900,
                        median_file_bytes=900,
                        folders=1,
                        rows=52,
                    ),
                    Table(
                        table_no=1,
                        table="public.orders",
                        folder="o/",
                        status="complete",
                        files=10_000,
                        bytes=71_000_000,
                        median_file_bytes=7_168,
                        folders=500,
                    ),
                    Table(table_no=2, table="public.audit", folder="a/", status="skipped"),
                ),
            ),
            Export(
                source=0,
                system="rds",
                export_id="shop-2026-10-07",
                database="shop",
                root="",
                status="in_progress",
            ),
        ),
        findings=mixed_result().findings[:3],
    )


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("report_run.txt", lambda: report.text(mixed_result())),
        (
            "report_nothing.txt",
            lambda: report.text(
                run_result(status="nothing_to_do", archive=None, manifest=None, report=None)
            ),
        ),
        ("report_plan.txt", lambda: report.plan_text(sample_plan())),
        ("report_scan.txt", lambda: report.scan_text(sample_scan())),
    ],
)
def test_terminal_text_is_as_agreed(file: str, shown: Any) -> None:
    """Set COMPACTOR_WRITE_GOLDEN=1 to write the files anew, then read the difference."""
    if os.environ.get("COMPACTOR_WRITE_GOLDEN"):
        (GOLDEN / file).write_text(shown(), encoding="utf-8")
    assert shown() == (GOLDEN / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.size(0), "0 B"),
        (words.size(1_023), "1,023 B"),
        (words.size(1_024), "1.0 KiB"),
        (words.size(1_048_575), "1.0 MiB"),
        (words.size(268_435_456), "256 MiB"),
        (words.size(5 * 1024**5), "5.0 PiB"),
        (words.size(None), "unknown"),
        (words.times(20_000, 95), "211 times fewer"),
        (words.times(3, 2), ""),
        (words.times(3, 0), ""),
        (words.duration(0.04), "0.0 s"),
        (words.duration(59.7), "1 min 00 s"),
        (words.duration(7_260), "2 h 01 min"),
        (words.dollars(0), "$0.0000"),
        (words.dollars(0.00001), "under $0.0001"),
        (words.dollars(1234.5), "$1,234.50"),
        (words.short_count(999), "999"),
        (words.short_count(1_500), "1.5k"),
        (words.short_count(30e6), "30M"),
        (words.detail("redundant_bytes", 2048), "2.0 KiB"),
        (words.detail("median_bytes", None), "unknown"),
        (words.detail("is_new", True), "yes"),
        (
            words.detail("children", list(range(14))),
            ", ".join(map(str, range(12))) + " ... and 2 more",
        ),
        (words.detail("sizes", {"a": 1}), "a: 1"),
    ],
)
def test_values_read_well(shown: str, expected: str) -> None:
    assert shown == expected
