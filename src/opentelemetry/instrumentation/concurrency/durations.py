"""Durations as text, read and written: one form for settings, command line and reports."""

from __future__ import annotations

import re
from typing import Final

UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Seconds per unit."""
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?")
_STEPS: Final = ((120, 1, "second"), (7200, 60, "minute"), (172800, 3600, "hour"))
"""Upper limit in seconds, seconds per unit and unit; longer durations are in days."""


def read_duration(text: str) -> tuple[float, str] | None:
    """Return the number and unit of a duration such as ``1.5s``, or None for any other text.

    The unit is empty for a bare number: what that means depends on where it was written.
    """
    match = _DURATION.fullmatch(str.strip(text))
    return None if match is None else (float(match[1]), match[2] or "")


def duration_text(seconds: float) -> str:
    """Return a duration as text: ``48 seconds``, ``12 minutes``, ``3 hours``, ``2 days``."""
    number, unit = _rounded(seconds)
    return f"{number} {unit}{'' if number == 1 else 's'}"


def short_duration(seconds: float) -> str:
    """Return a short text for a duration: ``48s``, ``12m``, ``3h``, ``2d``."""
    number, unit = _rounded(seconds)
    return f"{number}{unit[0]}"


def _rounded(seconds: float) -> tuple[int, str]:
    """Return a duration, rounded down, in the largest unit of which there are two."""
    for limit, unit_s, unit in _STEPS:
        if seconds < limit:
            return int(seconds // unit_s), unit
    return int(seconds // UNITS_S["d"]), "day"
