"""`compactor key` and `compactor evidence`: keys that sign the chain, and packs for auditors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import ConfigError
from .flags import Json, config_of_flags, leave, print_result

if TYPE_CHECKING:
    from .evidence.keys import SigningKey

key_app = typer.Typer(
    help="Keys that sign the chain of evidence.\n\nExample: compactor key new compactor.key",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@key_app.command("new")
def key_new_command(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Make an ed25519 key pair: FILE (private, mode 0600) and FILE.pub; print its entry as trusted.

    Example: compactor key new compactor.key
    """
    from .evidence.keys import new_key

    _print_key(new_key(file))


@key_app.command("show")
def key_show_command(
    uri: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="ed25519:FILE or awskms:ID; else the configured one."),
    ] = None,
) -> None:
    """Print the entry of a key for the file of trusted keys, valid from now on.

    Example: compactor key show awskms:alias/audit
    """
    from .evidence.keys import open_key

    if uri is None:
        evidence = config_of_flags().evidence
        if evidence is None:
            raise ConfigError("no key is configured", hint="give one: ed25519:FILE or awskms:ID")
        uri = evidence.key
    _print_key(open_key(uri))


def _print_key(key: SigningKey) -> None:
    from .evidence.keys import TrustedKeys
    from .model import to_json
    from .pipeline import utc_now

    entry = key.trusted(utc_now().replace(microsecond=0), note=key.uri)
    print(to_json(TrustedKeys(keys=(entry,)), indent=1))


evidence_app = typer.Typer(
    help="The chain of evidence, for those who audit it.\n\n"
    "Example: compactor evidence pack shop.public.orders -o pack.zip",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@evidence_app.command("pack")
def evidence_pack_command(
    wanted: Annotated[
        str,
        typer.Argument(
            help="A run's id, database.table, or days (UTC) in which runs ended: FIRST..LAST.",
            metavar="RUN|TABLE|PERIOD",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The zip.", metavar="FILE")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="Trusted keys; else those configured.", metavar="FILE"),
    ] = None,
    from_selected: Annotated[
        bool,
        typer.Option("--from-selected", help="Leave out the links before the first selected one."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a zip of signed links, manifests, reports, keys, and a program that verifies them.

    Reads only. The whole chain is in it. Same evidence, same bytes. To verify it, offline and with
    Python alone: unzip it, then python3 -I verify.py

    Example: compactor -c shop.toml evidence pack 2026-01-01..2026-03-31 -o pack.zip
    """
    from .evidence.pack import pack
    from .report.pack import pack_text

    packed = pack(config_of_flags(), wanted, output, keys, from_selected=from_selected)
    print_result(packed, pack_text, as_json)
    leave(packed.exit_code)
