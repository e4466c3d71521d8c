"""Measure compactor and its peers in one run, and print the tables.

    python -m tests.bench [--runs 3] [--only tiny,big,huge,fixed] [--json FILE] [--data FOLDER]

Every figure is the median of whole processes, measured from outside. Nothing here is a test: the
exit code is 1 only where a contestant failed or wrote something wrong, not where it was slow.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from . import machine, tables
from .cases import CASES, Options
from .contest import Result


def main(arguments: Sequence[str] | None = None) -> int:
    said = _parser().parse_args(arguments)
    unknown = set(said.only) - set(CASES)
    if unknown:
        print(
            f"unknown case {', '.join(sorted(unknown))}; known: {', '.join(CASES)}", file=sys.stderr
        )
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers are stopped
    facts = machine.facts()
    said.data.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="work-", dir=said.data))
    options = Options(
        runs=said.runs,
        cap_s=said.cap,
        latencies_ms=said.latency,
        data=said.data.resolve(),
        work=work.resolve(),
        contestants=said.contestant,
    )
    results: list[Result] = []
    try:
        for name in said.only:
            results += CASES[name](options)
    except KeyboardInterrupt:
        print("interrupted; these are the results so far", file=sys.stderr)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(tables.markdown(facts, results, options.left_out))
    if said.json:
        said.json.write_text(
            json.dumps(
                {
                    "machine": facts,
                    "left_out": options.left_out,
                    "results": [asdict(result) for result in results],
                },
                indent=1,
            )
        )
    return 1 if any(result.error for result in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__.partition("\n")[0]
    )
    default_data = Path(tempfile.gettempdir()) / "compactor-bench"
    add = parser.add_argument
    add("--runs", type=int, default=3, help="times that each contestant runs (default 3)")
    add("--only", type=_words, default=tuple(CASES), help="cases, with commas: " + ",".join(CASES))
    add("--latency", type=_numbers, default=(0, 25), help="ms added to S3 requests (default 0,25)")
    add("--cap", type=float, default=200, help="seconds after which an S3 peer is stopped (200)")
    add(
        "--contestant",
        type=_words,
        default=(),
        help="only contestants whose name contains one of these",
    )
    add("--json", type=Path, help="also write everything measured to this file")
    add(
        "--data",
        type=Path,
        default=default_data,
        help=f"generated data, kept (default {default_data})",
    )
    return parser


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in _words(text))


if __name__ == "__main__":
    sys.exit(main())
