"""Durations and sizes in the options of commands."""

from __future__ import annotations

from typing import Final

from ..durations import UNITS_S, read_duration
from .failures import UsageError

_LONGEST_S: Final = 1e7
_SIZES: Final = (("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("b", 1.0), ("", 1.0))


def seconds(text: str, option: str = "", *, bare: bool = False) -> float:
    """Return a duration such as ``500ms``, ``2s`` or ``1m`` in seconds.

    Args:
        text: The duration.
        option: The option, for the message.
        bare: Whether a number without a unit is accepted, as seconds: for an option whose name says so.

    Raises:
        UsageError: If it is not a duration, or not positive.
    """
    given = f"{option} {text!r}".lstrip()
    found = read_duration(text)
    if found is not None:
        number, unit = found
        if number and not unit and not bare:
            message = f"{given} has no unit: write {number:g}s for seconds or {number:g}ms for milliseconds."
            raise UsageError(message)
        value = number * UNITS_S[unit or "s"]
        if 0 < value < _LONGEST_S:
            return value
    message = f"{given} is not a duration: expected for example 500ms, 2s, 1m or 1h."
    raise UsageError(message)


def size(text: str, option: str = "") -> int:
    """Return a size such as ``64MB``, ``1GB`` or ``1000`` in bytes.

    Args:
        text: The size.
        option: The option, for the message.

    Raises:
        UsageError: If it is not a size, or less than one byte.
    """
    value = _size(text.lower())
    if value is None or not 1 <= value < 1e15:
        given = f"{option} {text!r}".lstrip()
        message = f"{given} is not a size: expected for example 64MB or 1GB."
        raise UsageError(message)
    return int(value)


def _size(text: str) -> float | None:
    for suffix, factor in _SIZES:
        if text.endswith(suffix):
            try:
                return float(text.removesuffix(suffix)) * factor
            except ValueError:
                return None
    return None
