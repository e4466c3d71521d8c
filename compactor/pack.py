"""Many tiny objects in one scratch file, where a file each would cost more than their content."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa


class Pack:
    """Bytes by number. One thread adds, any thread reads what has been added."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self._places: dict[int, tuple[int, int]] = {}
        self._end = 0

    def add(self, number: int, body: pa.Buffer) -> None:
        view = memoryview(body)
        while len(view):
            view = view[self._file.write(view) :]
        self._places[number] = (self._end, body.size)
        self._end += body.size

    def get(self, number: int) -> pa.Buffer:
        start, size = self._places[number]
        body = os.pread(self._file.fileno(), size, start)
        if len(body) != size:
            raise OSError(f"{self._file.name}: {len(body)} of {size} bytes at {start}")
        return pa.py_buffer(body)

    def __contains__(self, number: int) -> bool:
        return number in self._places

    def close(self) -> None:
        self._file.close()
