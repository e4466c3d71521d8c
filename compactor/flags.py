"""What all commands share: the flags before the command, and how a command ends.

stdout is for the result, as text or JSON; a code other than 0 leaves through Typer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel

from .config import Config, load_config
from .errors import ConfigError


class Settings:
    """What the flags before the command say."""

    config: Path = Path("compactor.toml")
    log_format: str = "text"
    quiet: bool = False


settings = Settings()

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def config_of_flags() -> Config:
    return load_config(settings.config)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a whole file, with the line ends that it has. Raises: ConfigError"""
    try:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def print_result(value: BaseModel, text: Callable[[Any], str], as_json: bool) -> None:
    print(json.dumps(value.model_dump(mode="json"), ensure_ascii=False) if as_json else text(value))


def leave(code: int) -> None:
    if code:
        raise typer.Exit(code)
