"""What the tool can do and say is written down, and what is written down is so."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from compactor import cli, errors
from compactor.config import Config

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = sorted((ROOT / "compactor").rglob("*.py"))


def _texts(node: ast.AST) -> set[str]:
    """Return the texts that an expression can give: both sides of a choice, no comparison."""
    match node:
        case ast.Constant(value=str(text)):
            return {text}
        case ast.IfExp(body=body, orelse=orelse):
            return _texts(body) | _texts(orelse)
        case _:
            return set()


def finding_kinds() -> set[str]:
    """Collect the kinds that the sources give to findings."""
    found: set[str] = set()
    for path in PYTHON:
        if "report" in path.parts or "store" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Dict(keys=keys, values=values):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant) and key.value == "kind":
                            found |= _texts(value)
                case ast.Assign(targets=[ast.Name(id="kind")], value=value):
                    found |= _texts(value)
                case ast.Call(func=func, args=[first, *_]) if re.search(
                    r"[Ff]inding|_tell$", ast.unparse(func)
                ):
                    found |= _texts(first)
                case ast.Call(func=ast.Name(id="Field" | "_Change")):
                    pass  # a column's kind, or an act's, not a finding's
                case ast.Call(keywords=keywords):
                    for keyword in keywords:
                        if keyword.arg == "kind":
                            found |= _texts(keyword.value)
                case _:
                    pass
    return {kind for kind in found if re.fullmatch(r"[a-z]+(_[a-z]+)+", kind)}


def test_the_kinds_of_findings_are_found_in_the_sources() -> None:
    assert {"tiny_files", "kept_text", "partition_conflict", "duplicate_export"} <= finding_kinds()
    assert len(finding_kinds()) >= 14


@pytest.mark.parametrize("kind", sorted(finding_kinds()))
def test_every_kind_of_finding_is_in_the_readme(kind: str) -> None:
    assert f"`{kind}`" in README


def test_the_readme_promises_no_kind_of_finding_that_does_not_exist() -> None:
    section = README.split("### Findings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {kind for row in rows for kind in re.findall(r"`(\w+)`", row)}
    assert told == finding_kinds()


@pytest.mark.parametrize(
    "command",
    [*cli.app.registered_commands, *cli.app.registered_groups],
    ids=lambda info: info.name,
)
def test_every_command_is_in_the_readme(command: object) -> None:
    assert f"`compactor {getattr(command, 'name')}`" in README  # noqa: B009


def test_every_exit_code_is_in_the_readme_and_no_other() -> None:
    section = README.split("| exit code |")[1].split("\n## ")[0]
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in classes if issubclass(kind, errors.CompactorError)}
    assert told == {0, 130} | codes


@pytest.mark.parametrize("section", Config.model_fields)
def test_every_section_of_the_configuration_is_in_the_readme(section: str) -> None:
    assert f"[{section}]" in README or f"[{section}." in README


def test_every_check_is_in_the_readme() -> None:
    source = "".join(
        (ROOT / "compactor" / name).read_text(encoding="utf-8")
        for name in (
            *("verify.py", "archive.py", "batch_copy.py", "batch_report.py"),
            *("vault.py", "retention.py", "expiry.py", "portable/proof.py"),
        )
    )
    names = set(re.findall(r'(?:_equal\(\s*|name=)"([a-z0-9_]+)"', source))
    assert {"rows", "lock", "profile", "present", "destroyed", "batch_tasks"} <= names
    for name in names:
        assert f"`{name}`" in README


def test_every_check_of_the_audit_is_in_the_readme_and_no_other() -> None:
    section = README.split("### The audit")[1].split("### Findings")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    source = "".join(
        (ROOT / "compactor" / name).read_text(encoding="utf-8")
        for name in ("audit.py", *(f"evidence/{one}.py" for one in AUDITS))
    )
    made = r'(?:_equal\(\s*|Verdict\(\s*|_counted\(|_tell\(\s*|name=)"([a-z0-9_]+)"'
    names = set(re.findall(made, source))
    assert {"chain", "lock", "rows", "schedule"} <= names
    assert told == names


AUDITS = ("deep", "inspect", "schedule", "walk")


def test_the_two_commands_of_the_readme_are_targets_of_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    told = set(re.findall(r"\bmake ([a-z]+)", README))
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert {"demo", "test"} <= told <= targets


def test_links_of_the_readme_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_configuration_in_the_readme_loads() -> None:
    import tomllib

    from compactor.config import parse_config

    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        parse_config(tomllib.loads(block), "README.md")


def test_there_is_a_changelog_that_names_what_comes_next() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert "### Added" in text


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:  # a release has no repository: look at what it holds
        places = ("compactor", "queries", "tests", "docs")
        return [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    return [ROOT / name for name in listed.stdout.split("\0") if name]


_MACHINE = re.compile(r"(?<![\w.{}])/(home|root|Users|work)/[a-z]\w+")


def test_no_tracked_file_names_a_folder_of_somebodys_machine() -> None:
    found = []
    for path in tracked():
        if path.suffix in (".parquet", ".png", ".gz") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in _MACHINE.finditer(text)]
    assert found == []


def test_such_a_folder_would_be_found() -> None:
    assert _MACHINE.search("see " + "/".join(["", "home", "anna", "notes"]))
    assert not _MACHINE.search("https://example.com/" + "home/anna")
