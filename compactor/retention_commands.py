"""The commands about what is archived already: `hold`, `extend`, `expired`, `destroyed`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import ConfigError
from .flags import Json, config_of_flags, leave, print_result
from .quantities import parse_retain

if TYPE_CHECKING:
    from .acts import Act, KeptList
    from .holdings import Selection
    from .retention import Period

hold_app = typer.Typer(
    help="Legal holds on archived versions: add, remove, list.\n\n"
    "Example: compactor hold list --held",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Tables = Annotated[
    list[str] | None,
    typer.Option("--table", help="Only this table, as database.table; repeatable.", metavar="NAME"),
]
Snapshots = Annotated[
    list[str] | None,
    typer.Option(
        "--snapshot", help="Only this snapshot, as 20261006T034712Z; repeatable.", metavar="MOMENT"
    ),
]
Run = Annotated[
    str | None, typer.Option("--run", help="Only what this run archived.", metavar="RUN_ID")
]
All = Annotated[bool, typer.Option("--all", help="Everything in the archive.")]
Apply = Annotated[
    bool,
    typer.Option("--apply/--dry-run", help="Do it, or (the default) only show what would be done."),
]
Reason = Annotated[
    str, typer.Option(help="Kept in the record: a case number, a name.", metavar="TEXT")
]


@hold_app.command("add")
def hold_add(
    table: Tables = None,
    snapshot: Snapshots = None,
    run: Run = None,
    everything: All = False,
    reason: Reason = "",
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Put a legal hold on every selected version. Shows what it would do; --apply does it.

    A hold has no end date, and keeps a version whatever its retention.

    Example: compactor hold add --table shop.public.orders --reason "case 4711" --apply
    """
    selection = _selection(table, snapshot, run, everything=everything)
    _hold(selection, reason, on=True, apply=apply, as_json=as_json)


@hold_app.command("remove")
def hold_remove(
    table: Tables = None,
    snapshot: Snapshots = None,
    run: Run = None,
    everything: All = False,
    reason: Reason = "",
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Take the legal hold off every selected version. The retention stays as it is.

    Shows what it would do; --apply does it.

    Example: compactor hold remove --table shop.public.orders --reason "case closed" --apply
    """
    selection = _selection(table, snapshot, run, everything=everything)
    _hold(selection, reason, on=False, apply=apply, as_json=as_json)


@hold_app.command("list")
def hold_list(
    table: Tables = None,
    snapshot: Snapshots = None,
    run: Run = None,
    held: Annotated[bool, typer.Option("--held", help="Only what is held.")] = False,
    as_json: Json = False,
) -> None:
    """List what is archived: mode, dates and legal holds, as the archive says now.

    Example: compactor hold list --held
    """
    from . import expiry

    selection = _selection(table, snapshot, run, everything=True)
    _list(expiry.kept(config_of_flags(), selection, only_held=held, clock=_now), as_json)


def extend(
    until: Annotated[
        str | None,
        typer.Option(help="Until this day or moment, in UTC: 2040-01-01.", metavar="DATE"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="So much longer than the run locked it for: 30d, 18mo, 2y.", metavar="PERIOD"
        ),
    ] = None,
    table: Tables = None,
    snapshot: Snapshots = None,
    run: Run = None,
    everything: All = False,
    reason: Reason = "",
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Lock archived versions for longer; never for less. Shows what it would do; --apply does it.

    Where a version is held longer already, the command is refused and nothing is changed.

    Example: compactor extend --until 2040-01-01 --table shop.public.orders --apply
    """
    from . import retention

    act = retention.extend(
        config_of_flags(),
        _selection(table, snapshot, run, everything=everything),
        to=_target(until, by),
        reason=reason,
        apply=apply,
        clock=_now,
    )
    _act(act, as_json)


def expired(
    within: Annotated[
        str, typer.Option(help="Also what ends within this time: 30d, 6mo.", metavar="PERIOD")
    ] = "90d",
    table: Tables = None,
    as_json: Json = False,
) -> None:
    """List snapshots whose retention has ended, or ends soon. Nothing is deleted.

    Example: compactor expired --within 6mo
    """
    from . import expiry

    selection = _selection(table, None, None, everything=True)
    found = expiry.kept(config_of_flags(), selection, within=_period(within), clock=_now)
    _list(found, as_json)


def destroyed(
    snapshots: Annotated[
        list[str], typer.Argument(help="Moments, as 20261006T034712Z.", metavar="SNAPSHOT")
    ],
    reason: Annotated[
        str, typer.Option(help="Kept in the record: why it was destroyed.", metavar="TEXT")
    ],
    table: Tables = None,
    apply: Apply = False,
    as_json: Json = False,
) -> None:
    """Record that snapshots were destroyed, once every version of them is really gone.

    Refused while a single version is there. Deletes nothing.

    Example: compactor destroyed 20191006T034712Z --reason "retention over" --apply
    """
    from . import expiry

    selection = _selection(table, snapshots, None, everything=False)
    act = expiry.destroyed(config_of_flags(), selection, reason=reason, apply=apply, clock=_now)
    _act(act, as_json)


def add_to(app: typer.Typer) -> None:
    """Offer these commands below `app`."""
    app.add_typer(hold_app, name="hold")
    for command in (extend, expired, destroyed):
        app.command(command.__name__)(command)


# --- helpers --------------------------------------------------------------------------------------


def _now() -> datetime:
    return datetime.now(UTC)


def _selection(
    tables: list[str] | None, snapshots: list[str] | None, run: str | None, *, everything: bool
) -> Selection:
    from .holdings import Selection, parse_snapshot

    chosen = Selection(
        tables=tuple(tables or ()),
        snapshots=tuple(parse_snapshot(text) for text in snapshots or ()),
        run_id=run,
    )
    if chosen.is_all and not everything:
        raise ConfigError(
            "nothing was selected",
            hint="name --table, --snapshot or --run, or say --all for the whole archive",
        )
    return chosen


def _hold(selection: Selection, reason: str, *, on: bool, apply: bool, as_json: bool) -> None:
    from . import retention

    config = config_of_flags()
    _act(retention.hold(config, selection, on=on, reason=reason, apply=apply, clock=_now), as_json)


def _target(until: str | None, by: str | None) -> datetime | Period:
    if (until is None) == (by is None):
        raise ConfigError("say either --until or --by", hint="--until 2040-01-01, or --by 2y")
    if by is not None:
        return _period(by)
    try:
        moment = datetime.fromisoformat(str(until))
    except ValueError as error:
        raise ConfigError(
            f"{until!r} is not a date", hint="write 2040-01-01 or 2040-01-01T12:00:00Z"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(microsecond=0)


def _period(text: str) -> Period:
    try:
        return parse_retain(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _act(act: Act, as_json: bool) -> None:
    from . import report

    print_result(act, report.act_text, as_json)
    leave(act.exit_code)


def _list(found: KeptList, as_json: bool) -> None:
    from . import report

    print_result(found, report.kept_text, as_json)
    leave(found.exit_code)
