"""Query files say what they take and give; nothing glues SQL from strings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from compactor import sql

ROOT = Path(__file__).parent.parent
QUERIES = ROOT / "queries"
NAMES = sorted(
    path.relative_to(QUERIES).with_suffix("").as_posix() for path in QUERIES.rglob("*.sql")
)
OURS = [name for name in NAMES if not name.startswith("fingerprint/")]
"""Those that DuckDB runs; the others are for readers of other engines: test_portable_sql.py."""
PYTHON = sorted((ROOT / "compactor").rglob("*.py"))


def header(name: str) -> dict[str, str]:
    """Return the labelled parts of the comment at the top of a query file."""
    parts: dict[str, str] = {}
    label = name
    for line in sql.query(name).splitlines():
        if not line.startswith("--"):
            break
        text = line.removeprefix("--").strip()
        if text.startswith(f"{name}:"):
            text = text.removeprefix(f"{name}:")
        elif found := re.match(r"(params|needs|returns|writes|makes|adds to):", text):
            label = found[1]
            text = text.removeprefix(found[0])
        parts[label] = f"{parts.get(label, '')} {text}".strip()
    return parts


def test_there_are_queries() -> None:
    assert len(NAMES) > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_query_file_begins_with_its_name_and_what_it_answers(name: str) -> None:
    first = sql.query(name).splitlines()[0]
    assert first.startswith(f"-- {name}: ")
    assert len(first) > len(f"-- {name}: ") + 10


@pytest.mark.parametrize("name", NAMES)
def test_a_query_file_says_what_it_takes_and_gives(name: str) -> None:
    found = header(name)
    assert found.get("params")
    assert {"returns", "writes", "makes", "adds to"} & found.keys()


@pytest.mark.parametrize("name", OURS)
def test_the_parameters_in_the_header_are_those_of_the_statement(name: str) -> None:
    statements = duckdb.extract_statements(sql.query(name))
    assert len(statements) == 1
    told = set(re.findall(r"\$(\w+)", header(name)["params"]))
    assert told == set(statements[0].named_parameters)
    assert told or header(name)["params"].startswith("none")


def test_no_query_file_is_unused() -> None:
    literals: set[str] = set()
    for path in [*PYTHON, *sorted((ROOT / "tests").rglob("*.py"))]:
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
    unused = [
        name
        for name in NAMES
        if name not in literals
        and not (name.startswith("samples/") and name.removeprefix("samples/") in literals)
    ]
    assert unused == []


def test_no_query_is_asked_for_that_does_not_exist() -> None:
    folders = {name.partition("/")[0] for name in NAMES}
    asked = set()
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(
                node.func, "id", getattr(node.func, "attr", "")
            ) in ("query", "rows"):
                asked |= {
                    argument.value
                    for argument in node.args
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                }
    assert {name for name in asked if name.partition("/")[0] in folders} <= set(NAMES)
    assert len(asked) > 20


# --- no SQL from strings --------------------------------------------------------------------------

_SQL = re.compile(
    r"\b(SELECT|INSERT\s+INTO|DELETE\s+FROM|CREATE\s+(OR\s+REPLACE|TABLE|TEMP|MACRO|VIEW)|COPY\s*\(|"
    r"DROP\s+TABLE|UNION\s+ALL|GROUP\s+BY|ORDER\s+BY|WHERE|FROM\s+(read_|staged|sorted))\b",
)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _looks_like_sql(*nodes: ast.AST) -> bool:
    return any(
        _SQL.search(node.value)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _operands(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _operands(node.left)
        yield from _operands(node.right)
    else:
        yield node


def _is_generated(node: ast.AST, generated: set[str]) -> bool:
    """True for what sqlglot wrote: `expression.sql(...)`, or a name given to that."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "sql"
    return isinstance(node, ast.Name) and node.id in generated


def glued(source: str) -> list[str]:
    """Return the places where SQL is made of strings by f-string, format, % or +."""
    tree = ast.parse(source)
    generated = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_generated(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                bad = _looks_like_sql(*values) and not all(_is_text(value) for value in values)
            case ast.Call(func=ast.Attribute(value=text, attr="format")):
                bad = _looks_like_sql(text)
            case ast.BinOp(left=text, op=ast.Mod()):
                bad = _looks_like_sql(text)
            case ast.BinOp(op=ast.Add()):
                parts = list(_operands(node))
                bad = _looks_like_sql(*parts) and not all(
                    _is_text(part) or _is_generated(part, generated) for part in parts
                )
            case _:
                bad = False
        if bad:
            found.append(f"line {node.lineno}: {ast.unparse(node)[:80]}")  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_module_glues_sql_from_strings(path: Path) -> None:
    assert glued(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        'run(f"SELECT * FROM {table}")',
        'run("SELECT * FROM {}".format(table))',
        'run("SELECT * FROM %s" % table)',
        'run("SELECT * FROM " + table)',
        'run(f"max(x) FILTER (WHERE {what})")',
    ],
)
def test_glued_sql_would_be_found(source: str) -> None:
    assert len(glued(source)) == 1


def test_statements_that_sqlglot_wrote_may_be_wrapped() -> None:
    assert glued('made = tree.sql()\nrun("CREATE OR REPLACE TABLE x AS " + made)') == []
    assert glued('log(f"{rows} rows from where they were")') == []


# --- who may use DuckDB ---------------------------------------------------------------------------


def _uses(path: Path) -> set[str]:
    """Return the attributes of `duckdb` that a module uses outside of annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    notes = set()
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if (note := getattr(node, name, None)) is not None:
                notes |= {id(inner) for inner in ast.walk(note)}
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "duckdb"
        and id(node) not in notes
    }


def test_only_sql_py_opens_databases() -> None:
    """Others may name its types and exceptions, and its version."""
    found = {
        path.relative_to(ROOT).as_posix(): sorted(others)
        for path in PYTHON
        if path.name != "sql.py"
        and (
            others := {
                name
                for name in _uses(path)
                if not name.endswith(("Error", "Exception")) and name != "__version__"
            }
        )
    }
    assert found == {}


def test_a_connection_neither_loads_nor_installs_extensions() -> None:
    with sql.connect() as connection:
        settings = ("autoinstall_known_extensions", "autoload_known_extensions")
        found = [
            connection.execute("SELECT current_setting($1)", [name]).fetchone() for name in settings
        ]
        assert found == [(False,), (False,)]
        with pytest.raises(duckdb.Error):
            connection.execute("SELECT * FROM read_parquet('https://127.0.0.1:1/x.parquet')")
