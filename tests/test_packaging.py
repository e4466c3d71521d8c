"""The wheel holds all that the program reads at run time, and works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from compactor import __version__

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the backend alone: no network, nothing is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def below(folder: Path, pattern: str) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob(pattern)}


def test_the_wheel_has_the_version_of_the_program(wheel: Path) -> None:
    assert wheel.name == f"compactor-{__version__}-py3-none-any.whl"


def test_every_query_is_in_the_wheel(unpacked: Path) -> None:
    queries = below(ROOT / "queries", "*.sql")
    assert queries
    assert below(unpacked / "compactor" / "queries", "*.sql") == queries


def test_every_file_of_the_package_is_in_the_wheel(unpacked: Path) -> None:
    package = {name for name in below(ROOT / "compactor", "*.*") if "__pycache__" not in name} - {
        "queries"
    }
    assert {"py.typed", "report/page.html.j2", "report/page.css", "report/page.js"} <= package
    assert {"report/table.html.j2", "report/audit.html.j2", "report/filing.typ"} <= package
    assert package <= below(unpacked / "compactor", "*.*")


def test_nothing_else_is_in_the_wheel(unpacked: Path) -> None:
    top = {path.name for path in unpacked.iterdir()}
    assert top == {"compactor", f"compactor-{__version__}.dist-info"}


def test_the_wheel_names_its_command_and_its_licence(unpacked: Path) -> None:
    info = unpacked / f"compactor-{__version__}.dist-info"
    entry = (info / "entry_points.txt").read_text(encoding="utf-8")
    assert "compactor = compactor.__main__:main" in entry
    assert below(info, "LICENSE")


def python(unpacked: Path, script: str, folder: Path) -> str:
    """Run Python with the unpacked wheel before everything else, away from the checkout."""
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_queries_example_and_report_are_read_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    script = """
from datetime import UTC, datetime
import compactor, compactor.config, compactor.sql
from compactor import report
from compactor.model import RunResult
print(compactor.__file__)
assert "COPY" in compactor.sql.query("compact/write")
assert "[source]" in compactor.config.example()
now = datetime(2026, 1, 1, tzinfo=UTC)
result = RunResult(
    run_id="r", plan_id="p", status="nothing_to_do", started_at=now, finished_at=now
)
assert "<style" in report.html(result)
"""
    assert python(unpacked, script, tmp_path).strip() == str(unpacked / "compactor" / "__init__.py")


def test_the_program_starts_from_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    begin = "import sys; from compactor.__main__ import main; sys.argv = "
    version = python(unpacked, f"{begin}['compactor', '--version']; main()", tmp_path)
    assert version == f"compactor {__version__}\n"
    init = python(unpacked, f"{begin}['compactor', 'init', 'c.toml']; main()", tmp_path)
    assert init.startswith("c.toml: ")
    assert (tmp_path / "c.toml").read_bytes() == (ROOT / "config.example.toml").read_bytes()
