"""The page's templates and assets, as packaged with this module."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from . import words

FOLDER = Path(__file__).parent


def template(file: str) -> jinja2.Template:
    """Return a template; each is compiled once, also where others import it."""
    return _environment().get_template(file)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(
        count=words.count,
        size=words.size,
        moment=words.moment,
        duration=words.duration,
        name=words.name,
        plural=words.plural,
    )
    environment.globals.update(times=words.times)
    return environment


def _shown(value: Any) -> Any:
    """Write out what is invisible in any text a template shows, but for line breaks; bound it."""
    return words.visible(value, 4_000, lines=True) if type(value) is str else value


@cache
def asset(file: str) -> str:
    return (FOLDER / file).read_text(encoding="utf-8").replace("\r\n", "\n")
