"""Sizes as text."""

from __future__ import annotations

from typing import Final

_UNITS: Final = ("kB", "MB", "GB", "TB")


def size_text(size: int) -> str:
    """Return a number of bytes as text, in decimal units: ``812 B``, ``4.2 kB``, ``40.2 MB``, ``503 MB``."""
    if size < 1000:
        return f"{size} B"
    value = size / 1000
    place = 0
    while value >= 999.5 and place < len(_UNITS) - 1:
        value /= 1000
        place += 1
    unit = _UNITS[place]
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"
