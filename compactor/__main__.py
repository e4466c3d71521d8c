"""Where the process starts, for `compactor` and `python -m compactor` alike."""

import gc

gc.disable()  # what start-up allocates stays for good: looking through it is a tenth of its time

from .cli import main as command_line  # noqa: E402

_ALLOCATIONS = 10_000
"""Objects that may be made until the next collection. With Python's 700, a run over 20,000 objects
spends 4 % of its time on them; with many more, pyarrow's footers, which are cycles, pile up."""


def main() -> None:
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 10)
    gc.enable()
    command_line()


if __name__ == "__main__":
    main()
