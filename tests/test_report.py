"""The report: honest, safe with hostile exports, self-contained, and quick with 1,000 tables."""

from __future__ import annotations

import html as html_module
import json
import os
import re
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, dom
from results import (
    HOSTILE,
    SNAPSHOT,
    check,
    hostile_result,
    large_result,
    mixed_result,
    run_result,
    sha,
    stored,
    table_result,
    undeclared,
)

from compactor import report
from compactor.model import (
    HIVE_NULL,
    SIZE_EDGES,
    Estimate,
    Export,
    Finding,
    Plan,
    PlanTable,
    RunResult,
    Scan,
    Skipped,
    Table,
)
from compactor.report import charts, facts, findings, table_part, words

GOLDEN = Path(__file__).parent / "golden"


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
