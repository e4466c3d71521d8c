"""The command line contract: results on stdout, logs on stderr, promised exit codes."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import make_exports as make
import pytest
from commands import Command, Said

from compactor import __version__, cli, pipeline, progress
from compactor.config import load_config
from compactor.errors import CompactorError, SignatureError, StoreError, VerificationFailed

GOLDEN = Path(__file__).parent / "golden"
COMMANDS = (
    *("audit", "key", "evidence"),
    *("scan", "plan", "run", "reconcile", "report", "query", "queries", "ddl", "init", "demo"),
    "fingerprint",
    *("hold", "extend", "expired", "destroyed", "batch", "catalog", "iceberg"),
)
SUBCOMMANDS = ("evidence pack",)
SECRET = "SECRET-VALUE-OF-A-ROW"


def configure(folder: Path, root: Path) -> Path:
    """Write a configuration from the folder that holds an export to a lake beside it."""
    path = folder / "compactor.toml"
    path.write_text(
        f"[source]\nurls = [{json.dumps(str(root))}]\n"
        f"[lake]\nurl = {json.dumps(str(folder / 'lake'))}\n"
        f"[limits]\nscratch_dir = {json.dumps(str(folder / 'scratch'))}\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    make.old_export(tmp_path / "source")
    return configure(tmp_path, tmp_path / "source")


# --- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", *COMMANDS, *SUBCOMMANDS])
def test_help_reads_as_it_did(name: str, command: Command) -> None:
    said = command(*name.split(), "--help")
    golden = GOLDEN / f"cli_{name.replace(' ', '_') or 'help'}.txt"
    if os.environ.get("COMPACTOR_WRITE_GOLDEN"):
        golden.write_text(said.out, encoding="utf-8")
    assert (said.code, said.err) == (0, "")
    assert said.out == golden.read_text(encoding="utf-8")


def test_there_is_a_golden_help_for_every_command() -> None:
    known = {info.name for info in cli.app.registered_commands}
    known |= {info.name for info in cli.app.registered_groups}
    assert known == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name: str, command: Command) -> None:
    said = command(name, "--help")
    assert f"Example: compactor {name}" in said.out or f" {name} " in said.out.split("Example: ")[1]


def test_without_a_command_the_help_is_shown(command: Command) -> None:
    said = command()
    assert said.code == 2
    for name in COMMANDS:
        assert name in said.out + said.err


def test_the_version_is_told(command: Command) -> None:
    assert command("--version") == Said(0, f"compactor {__version__}\n", "")


def test_help_is_quick_because_no_engine_is_loaded() -> None:
    script = (
        "import sys, compactor.cli; print(sorted({'duckdb', 'polars', 'boto3'} & {*sys.modules}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "[]\n"


_LEFT = """
import os, sys
from compactor.__main__ import main

leave = os._exit

def told(code):
    unwanted = "numpy boto3 s3fs obstore pyiceberg amazon.ion urllib.request".split()
    unwanted += "securesystemslib cryptography compactor.s3_inventory".split()
    print(sorted(name for name in unwanted if sys.modules.get(name)), file=sys.stderr)
    from compactor.formats import ion
    ion.reader(changes=False)  # the library that asks for numpy does without as well
    sys.stderr.flush()
    leave(code)

os._exit = told
main()
"""


def test_a_local_run_imports_nothing_that_it_does_not_need(shop: Path) -> None:
    """The start is a third of what a run over small tables takes."""
    done = subprocess.run(
        [sys.executable, "-c", _LEFT, "-q", "-c", str(shop), "run", "--json"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "[]\n"
    assert (done.returncode, json.loads(done.stdout)["status"]) == (0, "done")


# --- usage and configuration: 2 -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scan", "plan", "run"])
def test_a_missing_configuration_is_told_with_what_to_do(
    name: str, command: Command, tmp_path: Path
) -> None:
    said = command("-c", tmp_path / "none.toml", name)
    assert (said.code, said.out) == (2, "")
    assert "no configuration file" in said.err
    assert "next: " in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("scann",),
        ("scan", "--nonsense"),
        ("--log-format", "xml", "scan"),
        ("report",),
        ("report", "no-such-report.json"),
        ("run", "--plan", "no-such-plan.json"),
    ],
)
def test_wrong_usage_exits_with_2_and_leaves_stdout_empty(
    arguments: tuple[str, ...], command: Command, shop: Path
) -> None:
    said = command("-c", shop, *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err


def test_an_unusable_configuration_exits_with_2_and_names_every_problem(
    command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('[source]\nurls = []\n[lake]\nurl = "x"\nkey = 1\n', encoding="utf-8")
    said = command("-c", path, "run")
    assert said.code == 2
    assert "source.urls" in said.err
    assert "lake.key: unknown key" in said.err


def test_a_result_that_cannot_be_written_exits_with_2(
    command: Command, shop: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no" / "such" / "folder" / "x"
    for arguments in (("plan", "-o", nowhere), ("init", nowhere)):
        said = command("-c", shop, *arguments)
        assert (said.code, said.out) == (2, "")
        assert "cannot be written" in said.err


# --- the commands ---------------------------------------------------------------------------------


def test_init_writes_a_file_that_loads_and_never_overwrites_one(
    command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "new.toml"
    said = command("init", path)
    assert said.code == 0
    assert str(path) in said.out
    assert load_config(path).source.urls
    path.write_text("mine", encoding="utf-8")
    said = command("init", path)
    assert (said.code, path.read_text(encoding="utf-8")) == (2, "mine")


def test_scan_plan_and_run_print_json_as_promised(
    command: Command, shop: Path, tmp_path: Path
) -> None:
    scanned = command("-c", shop, "scan", "--json")
    assert (scanned.code, scanned.err) == (0, "")
    (export,) = scanned.json["exports"]
    assert {"system", "export_id", "database", "status", "snapshot", "tables"} <= export.keys()
    (table,) = export["tables"]
    assert {"table", "files", "bytes", "rows", "median_file_bytes"} <= table.keys()
    assert table["rows"] is None
    counted = command("-c", shop, "scan", "--footers", "--json").json
    assert counted["exports"][0]["tables"][0]["rows"] == 30

    kept = tmp_path / "plan.json"
    planned = command("-c", shop, "plan", "--json", "-o", kept)
    again = command("-c", shop, "plan", "--json")
    assert planned.code == 0
    assert planned.json == again.json == json.loads(kept.read_text(encoding="utf-8"))
    assert {"plan_id", "tables", "skipped", "estimate"} <= planned.json.keys()
    assert {
        *("table", "action", "source_files", "source_bytes", "partition_column", "grain"),
        "estimated_output_files",
    } <= planned.json["tables"][0].keys()
    assert not (tmp_path / "lake").exists()

    done = command("-c", shop, "run", "--plan", kept, "--json")
    assert done.code == 0
    result = done.json
    assert (result["status"], result["plan_id"]) == ("done", planned.json["plan_id"])
    assert result["manifest"]["sha256"]
    (table,) = result["tables"]
    assert {
        *("export_id", "database", "table", "snapshot", "status", "source_files", "source_rows"),
        *("output_files", "output_rows", "output_bytes", "partitions", "covers", "columns"),
        "checks",
    } <= table.keys()
    assert {"name", "source_name", "source_type", "type", "kept_text"} <= table["columns"][0].keys()
    assert {"name", "subject", "expected", "actual", "status", "source"} == table["checks"][
        0
    ].keys()

    nothing = command("-c", shop, "run", "--json")
    assert (nothing.code, nothing.json["status"]) == (0, "nothing_to_do")

    (stored,) = (tmp_path / "lake").rglob("report.json")
    page = tmp_path / "page.html"
    said = command("report", stored, "-o", page)
    assert (said.code, said.out) == (0, f"{page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!")
    text = command("report", stored)
    assert text.code == 0
    assert "public.flat" in text.out


def test_without_json_the_result_is_text_on_stdout(command: Command, shop: Path) -> None:
    for name in ("scan", "plan", "run"):
        said = command("-c", shop, name)
        assert said.code == 0
        assert "public.flat" in said.out


def test_a_damaged_object_exits_with_3_names_it_and_the_other_tables_are_done(
    command: Command, tmp_path: Path
) -> None:
    damaged = make.damaged(tmp_path / "source", "truncated")
    said = command("-c", configure(tmp_path, tmp_path / "source"), "run", "--json")
    assert said.code == 3
    states = {table["table"]: table["status"] for table in said.json["tables"]}
    assert states == {damaged.good: "done", damaged.bad: "failed"}
    told = [f["message"] for f in said.json["findings"] if f["kind"] == "unreadable_object"]
    assert Path(damaged.broken).name in told[0]


def test_a_plan_that_no_longer_fits_exits_with_3(
    command: Command, shop: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "plan.json"
    assert command("-c", shop, "plan", "-o", kept).code == 0
    part = next((tmp_path / "source").rglob("*.parquet"))
    part.with_name("part-00099-x.gz.parquet").write_bytes(part.read_bytes())
    said = command("-c", shop, "run", "--plan", kept)
    assert (said.code, said.out) == (3, "")
    assert "make a new plan" in said.err


@pytest.mark.parametrize(
    "error", [CompactorError("x"), StoreError("x"), VerificationFailed("x"), SignatureError("x")]
)
def test_an_error_exits_with_its_code_and_one_message(
    error: CompactorError, command: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pipeline, "run", fail)
    said = command("-q", "-c", shop, "run")
    assert said == Said(error.exit_code, "", "compactor: x\n")


def test_ctrl_c_exits_with_130_and_says_that_nothing_is_lost(
    command: Command, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run", interrupt)
    said = command("-q", "-c", shop, "run")
    assert said.code == 130
    assert "the next one finishes" in said.err


# --- logs -----------------------------------------------------------------------------------------


def test_logs_are_json_lines_on_stderr_and_hold_no_row_values(
    command: Command, tmp_path: Path
) -> None:
    damaged = make.damaged(tmp_path / "source", "zero_bytes")
    said = command(
        *("-c", configure(tmp_path, tmp_path / "source"), "--log-format", "json", "run", "--json")
    )
    assert said.code == 3
    assert said.json["status"] == "failed"
    assert len(said.lines) > 3
    for line in said.lines:
        assert {"at", "level", "event"} <= line.keys()
        assert line["at"].endswith("+00:00")
    tables = {line["table"] for line in said.lines if "table" in line}
    assert tables == {damaged.good, damaged.bad}


def test_values_of_rows_that_cannot_be_restored_are_not_logged(
    command: Command, tmp_path: Path
) -> None:
    from compactor.sample_exports import Column, Layout, RdsExport

    export = RdsExport(tmp_path / "source", "secret", make.SNAPSHOT)
    columns = [Column("id", "bigint"), Column("day", "date"), Column("note", "text")]
    rows = make.pa.table({"id": [1, 2], "day": [SECRET, "2024-01-01"], "note": [SECRET, SECRET]})
    export.table("public.secret", columns, rows, Layout())
    export.finish()
    config = configure(tmp_path, tmp_path / "source")
    for form in ("json", "text"):
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        said = command("-c", config, "--log-format", form, "-v", "run")
        assert said.code == 0
        assert said.err
        assert SECRET not in said.err


def test_a_section_for_a_table_that_is_not_there_is_told_with_the_nearest_name(
    command: Command, shop: Path
) -> None:
    export = command("-c", shop, "scan", "--json").json["exports"][0]
    right = f"{export['database']}.{export['tables'][0]['table']}"
    wrong = right[:-1]
    with shop.open("a", encoding="utf-8") as file:
        for name in (wrong, right):
            file.write(f'[tables."{name}"]\ngrain = "month"\n')
    said = command("-c", shop, "--log-format", "json", "plan")
    told = [line for line in said.lines if line["level"] == "warning"]
    assert [(line["section"], line["perhaps"]) for line in told] == [(f'[tables."{wrong}"]', right)]


def test_quiet_says_nothing_but_the_result(command: Command, shop: Path) -> None:
    said = command("-q", "-c", shop, "--log-format", "json", "run", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["status"] == "done"


def test_quiet_silences_warnings_of_the_stores_too(
    command: Command, shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "source" / "link").symlink_to(tmp_path)
    assert "left out" in command("-c", shop, "scan").err
    assert command("-q", "-c", shop, "scan").err == ""


def test_a_log_line_is_one_line_whatever_it_tells(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("compactor")
    before = (log.handlers[:], log.level, log.propagate)
    try:
        for form in ("json", "text"):
            progress.configure(form)
            progress.event("staging", table='public."a\nb"', key="x\r\ny\u2028z")
            assert capsys.readouterr().err.count("\n") == 1
    finally:
        log.handlers[:], level, log.propagate = before
        log.setLevel(level)
