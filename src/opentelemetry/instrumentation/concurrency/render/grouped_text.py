"""The grouped text (``debug=1``), as Go prints its goroutines: one block per group of tasks, largest first.

``go tool pprof`` can read the counts: its parser for Go's legacy text format uses the row of addresses and ignores
lines that begin with ``#``. The row continues from the outermost frame to the spawners and the creating line.
Addresses are derived from function, file and line, so that a frame has the same address in every profile, as
``-diff_base`` requires.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

from ..record.naming import CodeLine
from ..snapshot.tally import Tally
from ..snapshot.values import CreationSite
from .creation_text import started_lines
from .name_text import sanitize_name
from .place_text import created_by, function_text, position_text, state_text

_ADDRESS_BYTES: Final = 5


def grouped_text(name: str, tallies: Iterable[Tally], *, note: str = "") -> Iterator[str]:
    """Yield the grouped text, line by line.

    Args:
        name: The name of the profile.
        tallies: The counts, in order of output.
        note: A remark on the whole text; empty for none.
    """
    tallies = list(tallies)
    addresses = _Addresses()
    yield f"{name} profile: total {sum(tally.count for tally in tallies)}\n"
    if note:
        yield f"# {sanitize_name(note, 1000)}\n"
    for tally in tallies:
        yield from _block(tally, addresses)


def _block(tally: Tally, addresses: _Addresses) -> Iterator[str]:
    frames = [(addresses.of(entry), entry) for entry in reversed(tally.stack)]
    site = tally.site
    row = [address for address, _ in frames]
    row += [addresses.of(spawner, of_creation=True) for spawner in site.via]
    row.append(addresses.of(site, of_creation=True))
    yield f"{tally.count} @ {' '.join(row)}\n"
    yield f"# {state_text(tally.wait_reason, tally.longest_stall_s, tally.verdict)}\n"
    for address, entry in frames:
        yield f"#\t{address}\t{function_text(entry)}\t{position_text(entry)}\n"
    if tally.note:
        yield f"# ({sanitize_name(tally.note)})\n"
    position = position_text(site)
    yield f"# {created_by(site)}{chr(9) if position else ''}{position}\n"
    yield from started_lines(site, "# ", "\t")
    yield "\n"


class _Addresses:
    """The synthetic addresses of frames and sites, cached."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str, str, int], str] = {}

    def of(self, entry: CodeLine | CreationSite, *, of_creation: bool = False) -> str:
        """Return the address of a frame or site, the same in every process.

        Args:
            entry: The frame or site.
            of_creation: Whether it belongs to the creation stack rather than to the stack of the wait.
        """
        key = ("created" if of_creation else "runs", entry.function, entry.path, entry.line)
        made = self._made.get(key)
        if made is None:
            text = "\0".join(map(str, key)).encode("utf-8", "replace")
            number = int.from_bytes(blake2b(text, digest_size=_ADDRESS_BYTES).digest(), "big")
            # pprof's parser subtracts one from each address, and 0 means that there is none.
            made = self._made[key] = f"0x{max(number, 2):010x}"
        return made
