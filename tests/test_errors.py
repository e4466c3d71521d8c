"""Errors cross process borders whole, and each family has the exit code that scripts rely on."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from compactor import cli, errors
from compactor.errors import CompactorError, ObjectUnreadable

FAMILIES = {
    "CompactorError": 1,
    "ConfigError": 2,
    "SourceError": 3,
    "StoreError": 4,
    "VerificationFailed": 5,
    "EvidenceError": 6,
}
CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, CompactorError)
]


def test_every_family_has_an_exit_code_of_its_own() -> None:
    families = [CompactorError, *CompactorError.__subclasses__()]
    assert {kind.__name__: kind.exit_code for kind in families} == FAMILIES


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_special_error_exits_like_its_family(kind: type[CompactorError]) -> None:
    family = next(base for base in kind.__mro__ if base.__name__ in FAMILIES)
    assert kind.exit_code == FAMILIES[family.__name__]


def test_no_module_defines_an_error_that_the_tree_does_not_know() -> None:
    package = Path(errors.__file__).parent
    found = [
        (path.name, line)
        for path in package.rglob("*.py")
        if path.name not in ("errors.py", "verifier.py")  # the latter stands alone in a pack
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"class \w+\(.*(Error|Exception)\)", line)
        # caught where they are raised
        and not re.match(r"class (_\w+|Unusable|Malformed)\b", line)
    ]
    assert found == []


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling_with_its_fields(kind: type[CompactorError]) -> None:
    error = kind("a table failed", key="a/b.parquet", hint="look at it")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert (back.message, back.key, back.hint) == ("a table failed", "a/b.parquet", "look at it")
    assert str(back) == str(error) == "a table failed\n  next: look at it"
    assert back.exit_code == kind.exit_code


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_without_a_hint_shows_its_message_alone(kind: type[CompactorError]) -> None:
    back = pickle.loads(pickle.dumps(kind("only this")))
    assert (str(back), back.key, back.hint) == ("only this", "", "")


def _fail() -> None:
    raise ObjectUnreadable("bad file", key="x.parquet", hint="export again")


def test_an_error_of_another_process_arrives_as_itself() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        future = pool.submit(_fail)
        with pytest.raises(ObjectUnreadable) as caught:
            future.result()
    assert (caught.value.key, caught.value.hint) == ("x.parquet", "export again")


def test_the_help_names_every_exit_code() -> None:
    for code in (0, *FAMILIES.values(), 130):
        assert f"{code} " in cli.EXIT_CODES
