"""The pack of evidence that was written, as text for the terminal. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..evidence.pack import Packed

_SAYS = {
    "pass": "verified: all of it, with the keys in it",
    "fail": "NOT AS SIGNED",
    "not_verified": "NOT ALL OF IT COULD BE VERIFIED",
}


def pack_text(packed: Packed) -> str:
    selected = ", ".join(str(number) for number in packed.selected[:10])
    more = f" and {len(packed.selected) - 10} more" if len(packed.selected) > 10 else ""
    lines = [
        f"{packed.path}: {packed.bytes:,} bytes, SHA-256 {packed.sha256}",
        f"  about {packed.wanted}: links {selected}{more}, runs {len(packed.runs)}",
        f"  the whole chain: {packed.links} links from {packed.first} to {packed.head.number}, "
        f"{packed.chain_bytes:,} bytes",
        f"  head {packed.head.number}:{packed.head.sha256}",
        *(f"  missing in the lake: {name}" for name in packed.missing),
        f"  {_SAYS[packed.status]}",
        *(f"    {problem}" for problem in packed.problems),
    ]
    return "\n".join(lines)
