"""Where the process starts, for `compactor` and `python -m compactor` alike."""

import gc

gc.disable()  # what start-up allocates stays for good: looking through it is a tenth of its time

import os  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402

from .cli import main as command_line  # noqa: E402

_ALLOCATIONS = 10_000
"""Objects that may be made until the next collection. With Python's 700, a run over 20,000 objects
spends 4 % of its time on them; with many more, pyarrow's footers, which are cycles, pile up."""


def main() -> None:
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 10)
    gc.enable()
    _leave_out_numpy()
    try:
        command_line()
    except SystemExit as leaving:
        _leave_at_once(leaving.code)
        raise


def _leave_out_numpy() -> None:
    """Let `import numpy` fail as if it were not installed, unless it is imported already.

    pyarrow imports numpy wherever it is installed (Ion's library asks for it), and numpy starts
    threads for linear algebra: 0.06 seconds and 0.13 CPU seconds of every start (measured 2026-11,
    pyarrow 26.0.1, two cores). Nothing here exchanges arrays, and pyarrow, Polars and DuckDB do
    without. Here and not in the package: who uses it as a library decides for the process.
    https://docs.python.org/3/reference/import.html#the-module-cache (read 2026-11)
    """
    sys.modules.setdefault("numpy", None)  # type: ignore[arg-type]


def _leave_at_once(code: object) -> None:
    """End the process without taking Python apart first, which takes 0.1 s after a large run.

    Returns, so that the process ends in the usual way, where there is anything left to do: a thread
    at work, output that cannot be written, a message to print.
    """
    if not (code is None or isinstance(code, int)) or _is_at_work():
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code or 0)


def _is_at_work() -> bool:
    """Tell whether a thread is left that Python would wait for."""
    return any(
        not one.daemon for one in threading.enumerate() if one is not threading.main_thread()
    )


if __name__ == "__main__":
    main()
