"""The grouped text (``debug=1``), as Go prints its goroutines: one block for all that are alike, most first.

``go tool pprof`` reads the counts out of it too: its reader for Go's older text takes the row of addresses and skips
what begins with ``#``. Addresses are made from function, file and line, so the same frame has the same address in every
profile and ``-diff_base`` subtracts like from like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from ..census.snapshot import CreationSite, StackEntry
from .place_text import function_text, position_text, state_text
from .shown import shown
from .tally import Tally

_ADDRESS_BYTES: Final = 5


def grouped_text(name: str, tallies: Iterable[Tally], *, note: str = "") -> Iterator[str]:
    """Yield the grouped text, line by line.

    Args:
        name: The name of the profile.
        tallies: What was counted, in the order to show.
        note: What a reader has to know of the whole; empty for nothing.
    """
    tallies = list(tallies)
    addresses = _Addresses()
    yield f"{name} profile: total {sum(tally.count for tally in tallies)}\n"
    if note:
        yield f"# {shown(note, 1000)}\n"
    for tally in tallies:
        yield from _block(tally, addresses)


def _block(tally: Tally, addresses: _Addresses) -> Iterator[str]:
    frames = [(addresses.of(entry), entry) for entry in reversed(tally.stack)]
    row = [address for address, _ in frames] + [addresses.of(tally.site)]
    yield f"{tally.count} @ {' '.join(row)}\n"
    yield f"# {state_text(tally.wait_reason, tally.longest_stall_s, tally.verdict)}\n"
    for address, entry in frames:
        yield f"#\t{address}\t{function_text(entry)}\t{position_text(entry)}\n"
    if tally.note:
        yield f"# ({shown(tally.note)})\n"
    position = position_text(tally.site)
    yield f"# created by {function_text(tally.site)}{chr(9) if position else ''}{position}\n\n"


class _Addresses:
    """The synthetic address of each frame and site, made once."""

    def __init__(self) -> None:
        self._made: dict[StackEntry | CreationSite, str] = {}

    def of(self, entry: StackEntry | CreationSite) -> str:
        """Return the address of a frame or site, the same in every process."""
        made = self._made.get(entry)
        if made is None:
            kind = "created" if isinstance(entry, CreationSite) else "runs"
            text = f"{kind}\0{entry.function}\0{entry.path}\0{entry.line}".encode("utf-8", "replace")
            number = int.from_bytes(blake2b(text, digest_size=_ADDRESS_BYTES).digest(), "big")
            # The reader takes one off each address, and 0 is none.
            made = self._made[entry] = f"0x{max(number, 2):010x}"
        return made
