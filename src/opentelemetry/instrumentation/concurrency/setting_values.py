"""Parsing of setting values: durations, numbers, choices, lists, addresses.

A `Kind` describes the expected form and parses a value. Bare numbers are seconds if the value comes from code, and
milliseconds if it comes from the environment or a file. This module neither warns nor falls back; `settings.py` does
both. Values may be of any type, so types are checked with ``type()``: ``isinstance`` may run code of the object.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

from .durations import UNITS_S, read_duration

# Twelve digits: int() raises for more than 4300, and no setting needs them.
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,12}")
_HOST_AND_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@\[\]]+)):([0-9]{1,5})")
TRUE_WORDS: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_DAY_S: Final = UNITS_S["d"]
# Read from C, because a metaclass may define __name__ itself.
_name_of_type: Final[Callable[[type], str]] = type.__dict__["__name__"].__get__


class InvalidSetting(ValueError):  # noqa: N818 (it is not raised to users, and its name reads as a sentence)
    """A value that a setting does not accept; the message, if there is one, hints at the intended value."""


class Kind(NamedTuple):
    """A kind of values.

    Attributes:
        name: The kind in one word.
        expected: The expected form, for warnings.
        read: Takes the value and whether it comes from code; returns the value of the setting. Raises `InvalidSetting`
            for other forms, or whatever the value itself raises.
        unit: The unit of the returned value: ``s``, or empty.
        empty: The value of the setting if its default is empty.
    """

    name: str
    expected: str
    read: Callable[[Any, bool], Any]
    unit: str = ""
    empty: Any = ""


def duration(
    *, zero: bool = False, bare_minimum_ms: float = 0, minimum_s: float = 0, maximum_s: float = 36500 * _DAY_S
) -> Kind:
    """Return the kind of durations, which are stored in seconds.

    Args:
        zero: Whether 0 is allowed.
        bare_minimum_ms: Smaller bare numbers from environment or file are rejected, because seconds were meant.
        minimum_s: Minimum duration in seconds; 0 for any positive one.
        maximum_s: Maximum duration in seconds. It is limited because waiting for longer than the platform allows
            raises an error.
    """
    least = f"from {minimum_s * 1000:g}ms" if minimum_s else "above 0"
    expected = f"a duration such as 500ms, 1.5s, 10m, 2h or 1d, {least} and up to {maximum_s / _DAY_S:g}d"

    def milliseconds(number: float) -> float:
        if 0 < number < bare_minimum_ms:
            raise InvalidSetting(f"{number:g} would be {number:g} ms; write {number:g}s or {number:g}ms")
        return number / 1000

    def read(value: Any, from_code: bool) -> float:
        given = type(value)
        if issubclass(given, timedelta):
            seconds = timedelta.total_seconds(value)
        elif issubclass(given, (int, float)) and given is not bool:
            seconds = float(value) if from_code else milliseconds(float(value))
        elif issubclass(given, str) and (found := read_duration(value)):
            number, unit = found
            if from_code and number and not unit:
                raise InvalidSetting(f"{number:g} as a string has no unit; write {number:g}s")
            seconds = number * UNITS_S[unit] if unit else milliseconds(number)
        else:
            raise InvalidSetting
        if (seconds == 0 and zero) or (seconds > 0 and minimum_s <= seconds <= maximum_s):
            return seconds
        raise InvalidSetting

    return Kind("duration", expected + (", or 0" if zero else ""), read, unit="s")


def integer(minimum: int, maximum: int) -> Kind:
    """Return the kind of whole numbers in a range, including both ends."""

    def read(value: Any, _from_code: bool) -> int:
        given = type(value)
        if issubclass(given, str) and _WHOLE_NUMBER.fullmatch(str.strip(value)):
            number = int(str.strip(value))
        elif issubclass(given, int) and given is not bool:
            number = int(value)
        else:
            raise InvalidSetting
        if not minimum <= number <= maximum:
            raise InvalidSetting
        return number

    return Kind("whole number", f"a whole number from {minimum} to {maximum}", read)


def choice(*choices: str) -> Kind:
    """Return the kind of a choice between words, in any case."""

    def read(value: Any, _from_code: bool) -> str:
        word = _text(value).lower()
        if word not in choices:
            raise InvalidSetting
        return word

    return Kind("choice", "one of " + ", ".join(choices), read)


def split_address(address: str) -> tuple[str, int] | None:
    """Return host and port of ``host:port`` or ``[IPv6]:port``; None for other texts."""
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None or int(match[3]) > 65535:
        return None
    return match[1] or match[2], int(match[3])


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine only. Names other than ``localhost`` are not: they may resolve anywhere."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def value_text(value: object) -> str:
    """Return a value as shown in warnings, at most 100 characters, whatever its ``repr`` does."""
    try:
        # repr() may return a derived class of str whose methods run foreign code.
        found = str.__str__(repr(value))
    except Exception:  # noqa: BLE001 (repr() of a foreign value may raise anything)
        found = f"<{_name_of_type(type(value))}>"
    return found if len(found) <= 100 else f"{found[:97]}..."


def _text(value: Any) -> str:
    if not issubclass(type(value), str):
        raise InvalidSetting
    return str.strip(value)


def _boolean(value: Any, _from_code: bool) -> bool:
    if type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    word = _text(value).lower()
    if word not in TRUE_WORDS | _FALSE:
        raise InvalidSetting
    return word in TRUE_WORDS


def _globs(value: Any, _from_code: bool) -> tuple[str, ...]:
    several = issubclass(type(value), (list, tuple, set, frozenset))
    parts = [_text(part) for part in value] if several else _text(value).split(",")
    return tuple(part.strip() for part in parts if part.strip())


def _path(value: Any, _from_code: bool) -> str:
    found = _text(os.fspath(value))
    if not found or "\0" in found:
        raise InvalidSetting
    return found


def _absolute_path(value: Any, from_code: bool) -> str:
    found = _path(value, from_code)
    # A relative path would be different directories for the command line and the process.
    if not os.path.isabs(found):  # noqa: PTH117 (pathlib is slow to import, and only this line would use it)
        raise InvalidSetting
    return found


def _address(value: Any, _from_code: bool) -> str:
    found = _text(value)
    is_socket = found.startswith("unix:/") and len(found) > len("unix:/") and "\0" not in found
    if not is_socket and split_address(found) is None:
        raise InvalidSetting
    return found


def _signal(value: Any, _from_code: bool) -> str:
    import signal

    name = value.name if type(value) is signal.Signals else _text(value).upper()
    name = name.removeprefix("SIG")
    # These two cannot be handled.
    if f"SIG{name}" not in signal.Signals.__members__ or name in ("KILL", "STOP"):
        raise InvalidSetting
    return name


BOOLEAN: Final = Kind("boolean", "true or false (1/0, yes/no, on/off)", _boolean)
GLOBS: Final = Kind("list", "a comma list of globs", _globs, empty=())
GLOBS_OR_FINGERPRINTS: Final = Kind("list", "a comma list of globs or fingerprints", _globs, empty=())
TEXT: Final = Kind("text", "a text", lambda value, _from_code: _text(value))
PATH: Final = Kind("path", "a path", _path)
ABSOLUTE_PATH: Final = Kind("path", "an absolute path", _absolute_path)
ADDRESS: Final = Kind("address", "host:port, such as 127.0.0.1:6080 or [::1]:6080, or unix:/path", _address)
SIGNAL: Final = Kind("signal", "the name of a signal such as USR2", _signal)
