"""`compactor report`, and the files that `report` and `audit` write: HTML, PDF, CSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import ConfigError
from .flags import write_file

if TYPE_CHECKING:
    from .evidence.audited import Audit
    from .model import RunResult

Form = tuple[Path | None, Callable[[Any], str | bytes]]


def report_command(
    # one parameter per flag: this is how Typer learns of them
    run_json: Annotated[
        Path | None,
        typer.Argument(help="report.json of a run, or what audit -o wrote.", metavar="RUN"),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "-o", "--html", "--output", help="One page with everything inside.", metavar="FILE"
        ),
    ] = None,
    pdf: Annotated[
        Path | None,
        typer.Option(help="For filing: PDF/A, needs compactor[pdf].", metavar="FILE"),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="One row per table.", metavar="FILE")] = None,
    csv_checks: Annotated[
        Path | None, typer.Option(help="One row per check.", metavar="FILE")
    ] = None,
    as_json: Annotated[
        Path | None,
        typer.Option("--json", help="What the page says, and the run itself.", metavar="FILE"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print JSON Schema of all JSON that commands give.")
    ] = False,
) -> None:
    """Make the report of a run anew, from its report.json: HTML, PDF, CSV, JSON; else plain text.

    The JSON of an audit can be given as well.

    Example: compactor report report.json --html report.html --pdf report.pdf --csv tables.csv
    """
    from . import report
    from .evidence.audited import Audit
    from .model import to_json

    if schema:
        print(to_json(report.schema(), indent=1))
    if run_json is None:
        if not schema:
            raise ConfigError("name the report.json of a run, or say --schema")
        return
    found = _read(run_json)
    forms: list[Form]
    if isinstance(found, Audit):
        if csv_checks is not None:
            raise ConfigError("--csv of an audit has one row per check; leave out --csv-checks")
        forms = [*_audit_forms(html, pdf, csv), (as_json, _audit_json)]
        text = report.audit_text(found)
    else:
        forms = [
            (html, report.html),
            (pdf, report.pdf),
            (csv, report.tables_csv),
            (csv_checks, report.checks_csv),
            (as_json, lambda result: to_json(report.run_report(result), indent=1) + "\n"),
        ]
        text = report.text(found)
    for path in write_forms(forms, found):
        print(path)
    if not schema and all(path is None for path, _ in forms):
        print(text)


def write_audit(found: Audit, *, html: Path | None, pdf: Path | None, csv: Path | None) -> None:
    """Write the forms of an audit that are asked for."""
    write_forms(_audit_forms(html, pdf, csv), found)


def _audit_forms(html: Path | None, pdf: Path | None, csv: Path | None) -> list[Form]:
    from . import report

    return [(html, report.audit_html), (pdf, report.audit_pdf), (csv, report.audit_csv)]


def _audit_json(found: Audit) -> str:
    from .model import to_json

    return to_json(found, indent=1) + "\n"


def write_forms(forms: list[Form], found: Any) -> list[Path]:
    """Write the forms that have a path; return the paths."""
    written = []
    for path, make in forms:
        if path is not None:
            write_file(path, make(found))
            written.append(path)
    return written


def _read(path: Path) -> RunResult | Audit:
    """Return what a file says: the JSON of an audit, or of a run."""
    from .evidence.audited import Audit
    from .model import RunResult

    try:
        content = path.read_bytes()
        is_audit = "audited_at" in json.loads(content)
        kind = Audit if is_audit else RunResult
        return kind.model_validate_json(content)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} is not a run's report.json: {error}") from error
