"""Bytes of objects that hold text: plain or gzip, UTF-8, with or without a byte order mark.

In:  a file, or the first bytes of one. Out: its bytes, decompressed. IO: reads the file.

What is gzip is decided by its first two bytes, not by its name: exports are renamed, and stores
decompress on the way. Reading to the end verifies the trailer of every gzip member.

Formats: https://www.rfc-editor.org/rfc/rfc1952 (gzip: magic 1f 8b, trailer with CRC-32 and length;
members may follow one another), read 2026-11.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from .interface import Malformed

BLOCK_BYTES = 4 << 20
"""What is read at once."""
MAX_RECORD_BYTES = 16 << 20
"""Longest record or line: both engines hold one in memory, in each thread. What is told to DuckDB
in queries/formats/ has room for one that is found too long only a block later, and escaped."""
BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


def blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, decompressed, without a byte order mark, cut anywhere.

    Raises: Malformed if gzip data is damaged, cut short, or followed by something else.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            yield from _without_bom(iter(lambda: file.read(BLOCK_BYTES), b""))
            return
        unpacked = gzip.GzipFile(fileobj=file)
        try:
            yield from _without_bom(iter(lambda: unpacked.read(BLOCK_BYTES), b""))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Malformed(f"its gzip data is damaged: {error}") from error


def _without_bom(given: Iterator[bytes]) -> Iterator[bytes]:
    first = b""
    for block in given:
        first += block
        if len(first) >= len(BOM):
            break
    if first := first.removeprefix(BOM):
        yield first
    yield from given


def beginning(head: bytes) -> bytes:
    """Return the text that the first bytes of an object hold; they may be cut anywhere.

    Never raises for content: what cannot be decompressed is not there.
    """
    if not head.startswith(_GZIP):
        return head.removeprefix(BOM)
    unpacker = zlib.decompressobj(wbits=31)
    text = b""
    try:
        text = unpacker.decompress(head, MAX_RECORD_BYTES)
    except zlib.error:
        return b""
    return text.removeprefix(BOM)


def check_utf8(block: bytes, line: int) -> None:
    """Raises: Malformed naming the line; `line` is the number of the first one in `block`."""
    try:
        if not block.isascii():
            block.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = line + block.count(b"\n", 0, error.start)
        found = block[error.start : error.start + 4].hex(" ")
        raise Malformed(f"line {bad}: expected UTF-8, found the bytes {found}") from error
