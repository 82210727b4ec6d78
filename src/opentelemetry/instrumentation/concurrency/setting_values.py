"""How the value of a setting is read: durations, booleans, numbers, choices, lists. Each reader says what it expects.

A reader takes what was given and whether a bare number is in seconds (keyword arguments) or in milliseconds
(environment and YAML), and returns the value or raises `Refused` with the expected form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})

Reader = Callable[[Any, bool], Any]


class Refused(ValueError):  # noqa: N818 (it reads as a sentence where it is raised)
    """A value that a setting does not take; the message is the form that was expected."""


def duration(*, bare_minimum_ms: float = 0, zero: bool = False) -> Reader:
    """Return a reader of durations, giving seconds.

    Args:
        bare_minimum_ms: A bare number in the environment below this is refused: it was meant in seconds.
        zero: Whether 0 means something.
    """
    expected = "a duration such as 500ms, 1.5s, 10m, 2h or 1d" + (", or 0" if zero else " above 0")

    def read(value: Any, bare_is_seconds: bool) -> float:
        if type(value) is timedelta:
            seconds = value.total_seconds()
        elif type(value) in (int, float):
            seconds = float(value) if bare_is_seconds else _from_milliseconds(float(value), bare_minimum_ms, expected)
        elif type(value) is str and (match := _DURATION.fullmatch(value.strip())):
            number, unit = float(match[1]), match[2]
            seconds = number * _UNITS_S[unit] if unit else _from_milliseconds(number, bare_minimum_ms, expected)
        else:
            raise Refused(expected)
        if not math.isfinite(seconds) or seconds < 0 or (seconds == 0 and not zero):
            raise Refused(expected)
        return seconds

    return read


def boolean(value: Any, _bare_is_seconds: bool) -> bool:
    """Read true/false/1/0/yes/no/on/off in any case."""
    if type(value) is bool:
        return value
    text = str(value).strip().lower() if type(value) in (str, int) else ""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Refused("true or false (1/0, yes/no, on/off)")


def integer(minimum: int, maximum: int) -> Reader:
    """Return a reader of whole numbers in a range."""

    def read(value: Any, _bare_is_seconds: bool) -> int:
        if type(value) is str and re.fullmatch(r"[+-]?\d{1,12}", value.strip()):
            value = int(value)
        if type(value) is not int or not minimum <= value <= maximum:
            raise Refused(f"a whole number from {minimum} to {maximum}")
        return value

    return read


def choice(*choices: str) -> Reader:
    """Return a reader of one of some words, in any case."""

    def read(value: Any, _bare_is_seconds: bool) -> str:
        if type(value) is str and value.strip().lower() in choices:
            return value.strip().lower()
        raise Refused("one of " + ", ".join(choices))

    return read


def globs(value: Any, _bare_is_seconds: bool) -> tuple[str, ...]:
    """Read a comma list, or a list or tuple of texts."""
    if type(value) is str:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if type(value) in (list, tuple) and all(type(part) is str for part in value):
        return tuple(value)
    raise Refused("a comma list of globs")


def text(value: Any, _bare_is_seconds: bool) -> str:
    """Read any text."""
    if type(value) is str:
        return value.strip()
    raise Refused("a text")


def address(value: Any, _bare_is_seconds: bool) -> str:
    """Read ``host:port`` or ``unix:/path``."""
    if type(value) is str:
        found = value.strip()
        port = found.rpartition(":")[2]
        if found.startswith("unix:/") or (found.rpartition(":")[0] and port.isdigit() and int(port) < 65536):
            return found
    raise Refused("host:port, such as 127.0.0.1:6080, or unix:/path")


def signal_name(value: Any, _bare_is_seconds: bool) -> str:
    """Read a signal's name without ``SIG``."""
    import signal

    if type(value) is str:
        name = value.strip().upper().removeprefix("SIG")
        if hasattr(signal, f"SIG{name}") and name not in ("KILL", "STOP"):
            return name
    raise Refused("the name of a signal such as USR2")


def shown(value: object) -> str:
    """Return a value as a warning shows it, whatever its ``repr`` does."""
    try:
        found = repr(value)
    except Exception:  # noqa: BLE001 (the value comes from anywhere)
        return f"<{type(value).__name__}>"
    return found if len(found) <= 100 else f"{found[:97]}..."


def _from_milliseconds(number: float, minimum: float, expected: str) -> float:
    if 0 < number < minimum:
        raise Refused(f"{expected}; {number:g} would be {number:g} ms; write {number:g}s")
    return number / 1000
