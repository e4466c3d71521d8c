"""Many blocking calls at a time, their results one by one: what bulk reads are made of.

Knows nothing of stores. The results come in order of completion; the number that waits to be taken
is bounded, and a caller that goes away ends everything.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Answer = TypeVar("Answer")

_GATHER_S = 0.002
"""Results are taken in handfuls: waking up for each one is a thread switch each."""

_Work = Callable[[int, threading.Event], Answer]


class _Ended:
    """A thread has no more to do, or failed."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def in_parallel(count: int, work: _Work[Answer], threads: int) -> Iterator[Answer]:
    """Yield work(0..count-1) in order of completion.

    When some `2 * threads` results wait to be taken, nothing new is started. When the caller goes
    away or an exception comes out of `work`, nothing new is started either, and this returns when
    all threads have ended.
    """
    threads = min(threads, count)
    results: queue.SimpleQueue[Answer | _Ended] = queue.SimpleQueue()
    stop, taken = threading.Event(), threading.Condition()
    numbers = iter(range(count))  # taking the next one is atomic

    def has_room() -> bool:
        return results.qsize() < 2 * threads or stop.is_set()

    def run() -> None:
        ended = _Ended()
        try:
            while not stop.is_set() and (index := next(numbers, -1)) >= 0:
                results.put(work(index, stop))
                if not has_room():
                    with taken:
                        taken.wait_for(has_room)
        except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
            ended = _Ended(error)
        results.put(ended)

    running = 0
    try:
        for _ in range(threads):
            threading.Thread(target=run, name="s3-read", daemon=True).start()
            running += 1
        while running:
            handful = _drained(results)
            with taken:
                taken.notify_all()
            ended = [result for result in handful if isinstance(result, _Ended)]
            running -= len(ended)
            for failure in filter(None, (result.error for result in ended)):
                raise failure
            for result in handful:
                if not isinstance(result, _Ended):
                    yield result
    finally:
        stop.set()
        with taken:
            taken.notify_all()
        while running:
            running -= isinstance(results.get(), _Ended)


def _drained(results: queue.SimpleQueue[Any]) -> list[Any]:
    """Wait for a result and return all there are."""
    taken = [results.get()]
    time.sleep(_GATHER_S)
    with contextlib.suppress(queue.Empty):
        while True:
            taken.append(results.get_nowait())
    return taken
