"""The forms of a report: HTML for 10,000 tables, PDF for filing, CSV, JSON and its schema."""

from __future__ import annotations

import csv
import html as html_module
import io
import json
import re
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import make_exports
import pypdf
import pytest
from browser import chromium, dom
from commands import Command
from results import (
    HOSTILE,
    SNAPSHOT,
    UNTIL,
    audit_result,
    check,
    counting,
    hostile_result,
    large_result,
    mixed_result,
    partitions,
    run_result,
    table_result,
    undeclared,
)

from compactor import report, stored
from compactor.errors import ConfigError
from compactor.evidence.audited import Audit
from compactor.model import Finding, RunResult, to_json
from compactor.report import answers, audit_answers, document, sheet, snapshots

TABLES = 10_000


@pytest.fixture(scope="module")
def estate() -> RunResult:
    """10,000 tables: one in 50 failed, one in 10 without a declared count."""
    return large_result(TABLES, 3)


# --- HTML -----------------------------------------------------------------------------------------


def driven(page_text: str, script: str, folder: Path) -> Any:
    """Open a page without its policy, run a script in it, and return what that put in the title."""
    unguarded = re.sub("<meta http-equiv=[^>]*>", "", page_text)
    assert unguarded != page_text
    drive = f"<script>{script}\ndocument.title = JSON.stringify(out);</script></body>"
    document, complaints, requests = dom(unguarded.replace("</body>", drive), folder)
    assert not complaints
    assert not requests
    title = re.search("<title>(.*?)</title>", document)
    assert title
    return json.loads(html_module.unescape(title[1]))


DRIVE = """
  const out = {ready: performance.now()}, byId = (id) => document.getElementById(id);
  const names = () => [...byId("tables").children]
    .map((row) => row.querySelector(".name bdi").textContent);
  const seen = () => ({names: names(), range: byId("range").textContent,
    shown: byId("shown").textContent, pager: !document.querySelector(".pager").hidden});
  const slowest = {label: "", ms: 0};
  const act = (label, change) => {
    const started = performance.now();
    change(); document.body.getBoundingClientRect();
    const ms = performance.now() - started;
    if (ms > slowest.ms) { slowest.label = label; slowest.ms = ms; }
    out[label] = seen();
  };
  const type = (id, value, event) => () => {
    byId(id).value = value; byId(id).dispatchEvent(new Event(event)); };
  act("start", () => {});
  act("search", type("search", "TABLE_7777", "input"));
  act("nothing", type("search", "no such table", "input"));
  act("all", type("search", "", "input"));
  act("state", type("filter", "failed", "change"));
  act("every state", type("filter", "", "change"));
  act("finding", type("kind", [...byId("kind").options].find(
    (one) => one.textContent.startsWith("Kept text")).value, "change"));
  act("any finding", type("kind", "", "change"));
  act("by bytes", () => document.querySelector('[data-sort="3"]').click());
  act("by name", () => document.querySelector('[data-sort="name"]').click());
  act("by name, down", () => document.querySelector('[data-sort="name"]').click());
  act("next", () => byId("next").click());
  act("state, sorted", type("filter", "unverified", "change"));
  location.hash = "#t5000";
  act("link", () => dispatchEvent(new Event("hashchange")));
  out.open = [...document.querySelectorAll("details.table[open]")].map((one) => one.id);
  out.body = document.querySelector("#t5000 .body").textContent;
  out.elements = document.querySelectorAll("*").length;
  out.slowest = slowest;
"""


def test_ten_thousand_tables_open_quickly_and_can_be_searched_sorted_and_filtered(
    estate: RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = list(estate.tables)
    tables[4242] = tables[4242].model_copy(update={"source_bytes": 9_000_000_000})
    finding = Finding(
        kind="kept_text", severity="info", table=tables[4243].table, message="a column stays text"
    )
    result = estate.model_copy(
        update={"tables": tuple(tables), "findings": (*estate.findings, finding)}
    )
    started = time.process_time()
    shown = report.html(result)
    seconds, size_bytes = time.process_time() - started, len(shown.encode())
    out = driven(shown, DRIVE, tmp_path)
    with capsys.disabled():
        print(
            f"\n{TABLES:,} tables: made in {seconds:.1f} s (CPU), {size_bytes / 1e6:.1f} MB; "
            f"Chromium: ready after {out['ready']:.0f} ms, slowest action "
            f"{out['slowest']['label']!r} {out['slowest']['ms']:.0f} ms, "
            f"{out['elements']:,} elements"
        )
    assert size_bytes < 40_000_000
    assert out["ready"] < 10_000, "1 to 1.5 s on a quiet machine; the figure is what is printed"
    assert out["slowest"]["ms"] < 1_000, "aim: 100 ms; the limit leaves room for a busy machine"
    assert out["elements"] < 60_000

    everything = sorted(table.table for table in tables)
    assert out["start"]["range"] == "1 to 100 of 10,000"
    assert out["start"]["names"] == everything[:5_000:50], "the failed ones come first"
    assert out["search"]["names"] == ["public.table_7777"]
    assert out["search"]["shown"] == "1 of 10,000"
    assert not out["search"]["pager"]
    assert out["nothing"]["names"] == []
    assert out["all"]["names"] == out["every state"]["names"] == out["start"]["names"]
    assert out["state"]["shown"] == "200 of 10,000"
    assert out["finding"]["names"] == ["public.table_4243"]
    assert out["any finding"]["shown"] == ""
    assert out["by bytes"]["names"][0] == "public.table_4242"
    assert out["by name"]["names"] == everything[:100]
    assert out["by name, down"]["names"] == everything[:-101:-1]
    assert out["next"]["range"] == "101 to 200 of 10,000"
    assert out["next"]["names"] == everything[-101:-201:-1]
    assert out["state, sorted"]["shown"] == "800 of 10,000"
    assert out["open"] == ["t5000"], "a link unfolds its table, wherever it is"
    assert out["link"]["shown"] == ""
    assert "Digest of the source listing" in out["body"]


def test_the_size_of_the_page_is_bounded_and_what_is_left_out_is_said(estate: RunResult) -> None:
    shown = report.html(estate)
    said = "Columns, partitions, objects and the checks that passed are left out here"
    assert 1_000 < shown.count(said) < TABLES
    failed = [table for table in estate.tables if table.checks[-1].status == "fail"]
    assert len(failed) == 200
    for table in failed:
        assert table.table in shown


def test_the_first_page_is_there_without_a_script(estate: RunResult) -> None:
    shown = report.html(estate)
    plain = re.sub(r"<script.*?</script>", "", shown, flags=re.DOTALL)
    for answer in answers.answers(estate):
        assert answer.question in plain
        assert html_module.escape(answer.text) in plain
    assert plain.count('<details class="table"') == 100
    assert "<noscript>" in plain
    assert "first 100 of 10,000 tables" in plain
    assert len(plain) < 2_000_000


def test_hostile_names_that_the_script_brings_stay_text(tmp_path: Path) -> None:
    few = hostile_result()
    tables = tuple(
        table.model_copy(update={"task_id": f"{number}-{table.task_id}"})
        for number in range(20)
        for table in few.tables
    )
    assert len(tables) > 200
    shown = report.html(few.model_copy(update={"tables": tables}))
    assert shown.count("<script") == shown.count("</script>") == 2, "ours, and the data"
    script = """
      const out = [[], 0, document.title], byId = (id) => document.getElementById(id);
      for (;;) {
        byId("open").click();
        for (const row of byId("tables").children) {
          out[0].push(row.querySelector("bdi").textContent);
          out[1] += row.querySelectorAll("script, img, style, [onerror], [onmouseover]").length;
        }
        if (byId("next").disabled) break;
        byId("next").click();
      }
    """
    names, foreign, title = driven(shown, script, tmp_path)
    assert len(names) == 260
    assert {name: names.count(HOSTILE[name]) for name in ("script", "image", "tags")} == {
        "script": 20,
        "image": 20,
        "tags": 20,
    }
    assert foreign == 0
    assert title.startswith("Failed")

    guarded, complaints, requests = dom(shown, tmp_path / "guarded")
    assert not complaints
    assert not requests
    assert "1 to 100 of 260" in guarded, "the script runs under the page's own policy"


def test_a_picture_of_ten_thousand_tables_can_be_taken(estate: RunResult, tmp_path: Path) -> None:
    file, picture = tmp_path / "report.html", tmp_path / "report.png"
    file.write_text(report.html(estate), encoding="utf-8")
    chromium(
        f"--screenshot={picture}",
        "--window-size=1280,2400",
        file.as_uri(),
        profile=tmp_path / "profile",
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 100_000, "a blank page takes less"


# --- the answers ----------------------------------------------------------------------------------


def tones(result: RunResult) -> list[str]:
    return [answer.tone for answer in answers.answers(result)]


def test_five_answers_are_good_only_where_everything_was_shown() -> None:
    whole = run_result(table_result(checks=(*table_result().checks, check(name="declared_rows"))))
    assert tones(whole)[:4] == ["good"] * 4
    assert tones(whole)[4] == "idle", "the last one says where the proof ends"
    assert tones(run_result(table_result(checks=())))[:2] == ["warn", "warn"]
    assert tones(run_result(table_result(checks=(undeclared(),))))[0] == "warn"
    assert tones(run_result(table_result(locked=False)))[2] != "good"
    assert tones(mixed_result())[:2] == ["bad", "bad"]
    assert tones(run_result(table_result(checks=(check("fail", name="profile"),))))[1] == "bad"


def test_the_last_answer_is_never_empty() -> None:
    for result in (run_result(table_result()), run_result(), mixed_result()):
        last = answers.answers(result)[-1]
        assert last.question == "What is not verified?"
        assert last.points
    unmade = answers.answers(run_result(table_result(checks=(undeclared(),))))[-1]
    assert "declared_rows: 1 check not made. RDS exports declare no row counts" in str(unmade)
    assert "no signed link" in str(unmade)


# --- charts by snapshot ---------------------------------------------------------------------------


def snapshots_of(number: int, days: int) -> tuple[stored.Snapshot, ...]:
    return stored.by_snapshot(
        table_result(f"t{index}", 1, snapshot=SNAPSHOT + timedelta(days=index * days))
        for index in range(number)
    )


@pytest.mark.parametrize(
    ("number", "days", "title", "bars"),
    [
        (1, 1, "per snapshot", 1),
        (12, 30, "per snapshot", 12),
        (200, 1, "per month", 7),
        (2_000, 1, "per year", 7),
    ],
)
def test_the_timeline_of_the_locks_stays_readable(
    number: int, days: int, title: str, bars: int
) -> None:
    found = snapshots_of(number, days)
    assert len(found) == number
    timeline = snapshots.snapshot_charts(found)[0]
    assert title in timeline.title
    assert timeline.svg.count("<rect") == bars
    assert f"{number:,} snapshot" in timeline.words
    assert "the last 2033-10-06" in timeline.words


def test_sums_over_months_lose_nothing() -> None:
    found = snapshots_of(400, 2)
    shown = snapshots.readable(found)
    assert len(shown) <= 30
    for field in ("snapshots", "tables", "rows", "source_bytes", "stored_bytes", "objects"):
        assert sum(getattr(one, field) for one in shown) == sum(
            getattr(one, field) for one in found
        )


def test_a_snapshot_that_is_not_wholly_locked_is_marked() -> None:
    bare = table_result("bare", snapshot=SNAPSHOT + timedelta(days=1))
    parts = tuple(
        part.model_copy(
            update={
                "archived": tuple(
                    item.model_copy(update={"retain_until": None}) for item in part.archived
                )
            }
        )
        for part in partitions("bare", 2, locked=True)
    )
    loose = bare.model_copy(update={"partitions": parts})
    timeline, *_ = snapshots.snapshot_charts(stored.by_snapshot([table_result(), loose]))
    assert "2026-10-07 !" in timeline.svg
    assert "2026-10-06 !" not in timeline.svg
    assert "3 of 5 versions locked" in timeline.words


def test_failed_and_covered_tables_store_nothing() -> None:
    assert stored.by_snapshot([table_result(status="failed")]) == ()
    assert stored.by_snapshot([table_result(status="covered")]) == ()


# --- PDF ------------------------------------------------------------------------------------------


def pages(content: bytes) -> list[str]:
    """The text of each page, in one line."""
    return [
        " ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(content)).pages
    ]


def test_the_pdf_says_what_an_auditor_asks_on_its_first_page() -> None:
    result = mixed_result()
    first, *_ = shown = pages(report.pdf(result))
    for answer in answers.answers(result):
        assert answer.question in first
        assert answer.text in first
    assert result.manifest
    for number, text in enumerate(shown, 1):
        assert f"compactor run {result.run_id}" in text
        assert f"manifest sha256 {result.manifest.sha256}" in text
        assert f"page {number} of {len(shown)}" in text
    whole = " ".join(shown)
    for table in result.tables:
        assert table.table in whole
        assert table.task_id in whole
    assert "declared_rows: 2 checks not made. RDS exports declare no row counts" in whole
    assert "the table has a column name with a comma" in whole


def test_what_is_not_verified_has_its_place_in_every_pdf() -> None:
    for result in (run_result(), run_result(table_result()), mixed_result()):
        whole = " ".join(pages(report.pdf(result)))
        assert "1 What is not verified" in whole
        assert "an audit looks again" in whole


def test_the_same_result_gives_the_same_pdf() -> None:
    result = mixed_result()
    first = report.pdf(result)
    time.sleep(1.1)  # a clock that got in would show in the seconds
    assert report.pdf(RunResult.model_validate_json(result.model_dump_json())) == first
    other = result.model_copy(update={"finished_at": result.finished_at + timedelta(seconds=1)})
    assert report.pdf(other) != first


def test_the_pdf_is_made_for_filing() -> None:
    reader = pypdf.PdfReader(io.BytesIO(report.pdf(mixed_result())))
    metadata = reader.xmp_metadata
    assert metadata
    raw = metadata.stream.get_data().decode()
    assert "<pdfaid:part>2</pdfaid:part>" in raw
    assert "<pdfaid:conformance>U</pdfaid:conformance>" in raw
    assert reader.metadata
    assert reader.metadata.title == "Failed - compactor run 20261121T101500Z-4f1c"
    assert reader.metadata.creation_date == mixed_result().finished_at.replace(microsecond=0)
    width, height = reader.pages[0].mediabox[2:]
    assert (round(float(width)), round(float(height))) == (595, 842), "A4"


def test_hostile_names_are_text_in_the_pdf() -> None:
    content = report.pdf(hostile_result())
    whole = " ".join(pages(content))
    for text in ("{{ 7*7 }}", "<script>document.title='owned'</script>", "\\u202efdp.exe"):
        assert text in whole
    reader = pypdf.PdfReader(io.BytesIO(content))
    assert not reader.attachments
    assert "/JavaScript" not in reader.root_object.get("/Names", {})
    assert not [page for page in reader.pages if "/Annots" in page], "no links"


@pytest.mark.parametrize(
    "markup", ["#panic()", '#read("/etc/passwd")', "*bold* _x_ $x$ @y <z>", "= Heading", "\\u{41}"]
)
def test_typst_markup_in_a_name_is_text(markup: str) -> None:
    whole = " ".join(pages(report.pdf(run_result(table_result(markup, error=markup)))))
    assert whole.count(markup) >= 1


def test_a_character_without_a_glyph_is_written_out() -> None:
    """Private use: no font of any machine has these."""
    whole = " ".join(pages(report.pdf(run_result(table_result("注文\U000f1234\ue123")))))
    assert "\\U000f1234\\ue123" in whole.replace(" ", "")


def test_without_typst_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(ConfigError, match=r"compactor\[pdf\]"):
        report.pdf(run_result(table_result()))


@pytest.mark.slow
def test_two_thousand_tables_are_all_in_the_pdf(
    estate: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    some = estate.model_copy(update={"tables": estate.tables[:2_000]})
    started = time.process_time()
    content = report.pdf(some)
    seconds = time.process_time() - started
    shown = pages(content)
    with capsys.disabled():
        print(
            f"\n{len(some.tables):,} tables: {seconds:.0f} s (CPU), {len(content) / 1e6:.1f} MB, "
            f"{len(shown):,} pages"
        )
    whole = " ".join(shown)
    assert all(table.table in whole for table in some.tables)


# --- CSV ------------------------------------------------------------------------------------------


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_csv_has_one_row_per_table_with_its_numbers() -> None:
    result = mixed_result()
    rows = read(report.tables_csv(result))
    assert [row["table"] for row in rows] == [table.table for table in result.tables]
    orders = rows[0]
    assert tuple(orders) == sheet.TABLE_COLUMNS
    assert orders["output_rows"] == str(result.tables[0].output_rows)
    assert orders["state"] == "unverified"
    assert orders["not_verified_checks"] == "declared_rows"
    assert orders["locked_until"] == "2033-10-06T03:47:12Z"
    assert orders["archived_objects"] == orders["locked_objects"] == "90"
    assert orders["findings"] == "duplicate_partitions; tiny_files"
    payments = next(row for row in rows if row["table"] == "public.payments")
    assert payments["failed_checks"] == "rows; second_engine"
    assert payments["locked_until"] == ""
    assert result.manifest
    assert {row["manifest_sha256"] for row in rows} == {result.manifest.sha256}


def test_the_csv_of_checks_has_each_of_them() -> None:
    result = mixed_result()
    rows = read(report.checks_csv(result))
    made = [one for table in result.tables for one in table.checks]
    assert len(rows) == len(made) > 100
    assert [(row["check"], row["status"]) for row in rows] == [(c.name, c.status) for c in made]
    assert tuple(rows[0]) == sheet.CHECK_COLUMNS


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "＝1", "'=1", '"=1')


@pytest.mark.parametrize("text", [*FORMULAS, *HOSTILE.values(), "plain", "a,b", 'say "x"'])
def test_no_cell_is_a_formula_and_none_is_lost(text: str) -> None:
    shown = report.tables_csv(run_result(table_result(text, database=text, error=text)))
    (row,) = read(shown)
    assert row["table"] == row["database"]
    assert not row["table"].lstrip().startswith(("=", "+", "-", "@", "＝", "\t", "\r", "\n"))
    back = row["table"][1:] if row["table"].startswith("'") else row["table"]
    assert back == report.words.visible(text)
    assert shown.count("\r\n") == 2, "one record is one line"
    assert "\n" not in shown.replace("\r\n", "")


def test_every_formula_of_the_list_would_have_been_one() -> None:
    guarded = [sheet.cell(text) for text in FORMULAS if not text.startswith('"')]
    assert all(str(cell).startswith("'") for cell in guarded)
    assert sheet.cell(-5) == -5, "numbers are numbers"


# --- JSON and its schema --------------------------------------------------------------------------


def valid(value: Any, name: str) -> None:
    """Check a document against its own definition, formats included."""
    schema = json.loads(to_json(report.schema()))
    one = {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(one, format_checker=checker).validate(value)


def test_the_schema_is_a_schema_and_refuses_what_is_wrong() -> None:
    schema = report.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    good = json.loads(to_json(mixed_result()))
    valid(good, "RunResult")
    jsonschema.Draft202012Validator(schema).validate(good)
    for wrong in (good | {"status": "fine"}, good | {"more": 1}, {"run_id": "x"}, []):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(wrong)
    assert {kind.__name__ for kind in document.DOCUMENTS} <= set(schema["$defs"])


@pytest.mark.parametrize("make", [mixed_result, hostile_result, run_result])
def test_the_json_twin_says_what_the_page_says(make: Any) -> None:
    result = make()
    twin = json.loads(to_json(report.run_report(result)))
    valid(twin, "RunReport")
    assert RunResult.model_validate(twin["run"]) == result
    assert len(twin["answers"]) == 5
    assert len(twin["states"]) == len(result.tables)
    shown = html_module.unescape(report.html(result))
    assert twin["verdict"]["title"] in shown
    for answer in twin["answers"]:
        assert answer["text"] in shown


# --- the command ----------------------------------------------------------------------------------


def test_report_writes_all_forms_that_are_asked_for(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run.json"
    run.write_text(to_json(mixed_result()), encoding="utf-8")
    names = {"--html": "a.html", "--pdf": "b.pdf", "--csv": "c.csv"}
    names |= {"--csv-checks": "d.csv", "--json": "e.json"}
    flags = [part for flag, name in names.items() for part in (flag, tmp_path / name)]
    said = command("report", run, *flags)
    assert said.code == 0
    assert said.out.split() == [str(tmp_path / name) for name in names.values()]
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == report.html(mixed_result())
    assert (tmp_path / "b.pdf").read_bytes() == report.pdf(mixed_result())
    table_rows = (tmp_path / "c.csv").read_bytes().decode()
    assert table_rows == report.tables_csv(mixed_result()), "line ends as in RFC 4180"
    check_rows = (tmp_path / "d.csv").read_bytes().decode()
    assert check_rows == report.checks_csv(mixed_result())
    valid(json.loads((tmp_path / "e.json").read_text(encoding="utf-8")), "RunReport")


def test_every_json_that_a_command_prints_is_as_the_schema_says(
    command: Command, tmp_path: Path
) -> None:
    make_exports.old_export(tmp_path / "source")
    config = tmp_path / "compactor.toml"
    config.write_text(
        f"[source]\nurls = [{json.dumps(str(tmp_path / 'source'))}]\n"
        f"[lake]\nurl = {json.dumps(str(tmp_path / 'lake'))}\n",
        encoding="utf-8",
    )
    counts = tmp_path / "counts.csv"
    counts.write_text("database,table,rows,at\nshop,public.flat,1,2026-10-06T03:47:12Z\n")
    for arguments, name in (
        (("scan", "--footers"), "Scan"),
        (("plan",), "Plan"),
        (("run",), "RunResult"),
        (("run",), "RunResult"),
        (("reconcile", "--counts", counts), "Reconciliation"),
    ):
        said = command("-c", config, *arguments, "--json")
        assert said.json, said.err
        valid(said.json, name)
    (written,) = (tmp_path / "lake").rglob("report.json")
    valid(json.loads(written.read_text(encoding="utf-8")), "RunResult")


def test_report_prints_the_schema(command: Command) -> None:
    said = command("report", "--schema")
    assert said.code == 0
    assert json.loads(said.out) == report.schema()


def test_report_without_a_run_says_what_it_needs(command: Command) -> None:
    said = command("report")
    assert said.code == 2
    assert "--schema" in said.err


def test_the_lock_that_a_page_shows_is_the_one_of_the_csv() -> None:
    result = run_result(table_result())
    assert UNTIL.strftime("%Y-%m-%d %H:%M:%S UTC") in report.html(result)
    assert read(report.tables_csv(result))[0]["locked_until"] == "2033-10-06T03:47:12Z"


# --- an audit in the same forms -------------------------------------------------------------------


def test_an_audit_has_the_answers_on_its_first_page_in_html_and_pdf() -> None:
    found = audit_result(3)
    shown = html_module.unescape(report.audit_html(found))
    first, *_ = filed = pages(report.audit_pdf(found))
    asked = audit_answers.audit_answers(found)
    assert [one.tone for one in asked] == ["bad", "bad", "good", "bad", "idle"]
    for answer in asked:
        assert answer.question in first
        assert answer.text in first
        assert answer.text in shown
    assert found.links.sha256
    assert all(found.links.sha256 in page for page in filed)
    assert "45 versions with 2.1 MiB never read back" in first
    whole = " ".join(filed)
    for check_ in found.checks:
        assert check_.subject in shown
        assert check_.subject in whole
    assert "Coverage of deep checks" in shown
    assert "Coverage of deep checks" in whole
    assert "Locked until, per snapshot" in shown


def test_an_audit_that_passed_is_green_and_still_says_what_is_not_verified() -> None:
    found = audit_result()
    asked = audit_answers.audit_answers(found)
    assert [one.tone for one in asked] == ["good", "good", "good", "good", "idle"]
    assert asked[-1].points
    assert '<span class="badge good">Audit passed</span></h1>' in report.audit_html(found)
    shallow = audit_result(coverage=None)
    assert "read them back with --deep" in str(audit_answers.audit_answers(shallow)[-1])
    assert "Coverage of deep checks" not in report.audit_html(shallow)


@pytest.mark.parametrize("status", ["failed", "not_verified"])
def test_an_audit_that_did_not_pass_is_never_green(status: str) -> None:
    found = audit_result(1, status=status)
    assert audit_answers.audit_verdict(found).tone != "good"
    assert "good" not in {answer.tone for answer in audit_answers.audit_answers(found)[:1]}


def test_what_may_not_be_looked_at_is_told_by_its_counting_check() -> None:
    denied = counting("current", "not_verified", actual="AccessDenied: ListBucketVersions")
    found = audit_result(status="not_verified", checks=(counting("present"), denied))
    assert audit_answers.differing(found.checks) == [denied]
    last = audit_answers.audit_answers(found)[-1]
    assert (last.tone, "AccessDenied" in str(last.points)) == ("warn", True)


def test_every_schedule_that_is_not_kept_is_told_the_first_one_too() -> None:
    expected = [
        check(status, name="schedule", subject=table, source="[audit] expect; the chain")
        for table, status in (("shop.a", "fail"), ("shop.b", "pass"), ("shop.c", "fail"))
    ]
    found = audit_result(1, checks=(counting("present"), *expected))
    told = audit_answers.differing(found.checks)
    assert [check_.subject for check_ in told] == ["shop.a", "shop.c"]
    (summed,) = (one for one in audit_answers.counting(found.checks) if one.name == "schedule")
    assert (summed.status, summed.expected, summed.actual) == ("fail", "3 schedules", "1 kept")


def test_ten_thousand_faults_of_an_audit_can_be_searched_and_filtered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = report.audit_html(audit_result(TABLES))
    script = """
      const out = {ready: performance.now()}, byId = (id) => document.getElementById(id);
      const type = (id, value, event) => {
        byId(id).value = value; byId(id).dispatchEvent(new Event(event));
        return byId("shown").textContent;
      };
      out.start = byId("range").textContent;
      out.search = type("search", "t07777", "input");
      type("search", "", "input");
      out.state = type("filter", "not_verified", "change");
      out.both = type("kind", "0", "change");
    """
    out = driven(shown, script, tmp_path)
    with capsys.disabled():
        print(f"\n{TABLES:,} faults: {len(shown) / 1e6:.1f} MB, ready after {out['ready']:.0f} ms")
    assert out["ready"] < 10_000, "1 to 1.5 s on a quiet machine; the figure is what is printed"
    assert out["start"] == "1 to 100 of 10,000"
    assert out["search"].startswith("1 of 10,000")
    assert out["state"].startswith("1,000 of 10,000")
    assert out["both"].startswith("334 of 10,000")


def test_hostile_keys_stay_text_in_an_audit(tmp_path: Path) -> None:
    bad = [
        check("fail", name="present", subject=text, expected=text, actual=text, source=text)
        for text in HOSTILE.values()
    ]
    found = audit_result(1, place="".join(HOSTILE.values()), checks=(counting("present"), *bad))
    shown = report.audit_html(found)
    document, complaints, requests = dom(shown, tmp_path)
    assert (complaints, requests) == ("", [])
    assert "<title>Audit failed - compactor audit</title>" in document
    assert "<img" not in document
    assert document.count("<script") == 1
    whole = " ".join(pages(report.audit_pdf(found)))
    assert "<script>document.title='owned'</script>" in whole
    assert "{{ 7*7 }}" in whole
    for row in read(report.audit_csv(found)):
        assert not row["subject"].startswith(("=", "+", "-", "@", "\t"))


def test_the_same_audit_gives_the_same_forms() -> None:
    found = audit_result(30)
    again = Audit.model_validate_json(found.model_dump_json())
    assert again == found
    assert report.audit_html(again) == report.audit_html(found)
    assert report.audit_pdf(again) == report.audit_pdf(found)
    assert report.audit_csv(again) == report.audit_csv(found)
    valid(json.loads(to_json(found)), "Audit")


def test_report_makes_the_forms_of_an_audit_from_its_json(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "audit.json"
    file.write_text(to_json(audit_result(5)), encoding="utf-8")
    names = {"--html": "a.html", "--pdf": "b.pdf", "--csv": "c.csv"}
    flags = [part for flag, name in names.items() for part in (flag, tmp_path / name)]
    assert command("report", file, *flags).code == 0
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == report.audit_html(audit_result(5))
    assert (tmp_path / "b.pdf").read_bytes() == report.audit_pdf(audit_result(5))
    rows = read((tmp_path / "c.csv").read_bytes().decode())
    assert len(rows) == len(audit_result(5).checks)
    assert command("report", file).out.startswith("AUDIT FAILED")
    assert command("report", file, "--csv-checks", tmp_path / "d.csv").code == 2


def test_snapshots_of_many_links_add_up() -> None:
    found: dict[Any, stored.Snapshot] = {}
    for number in range(6):
        stored.collect(found, [table_result(f"t{number}", 2)])
    (one,) = found.values()
    assert (one.snapshots, one.tables, one.objects) == (1, 6, 12)
    assert one == stored.by_snapshot(table_result(f"t{number}", 2) for number in range(6))[0]
