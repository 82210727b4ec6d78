"""How the value of a setting is read: durations, booleans, numbers, choices, lists, paths, addresses.

A `Kind` says what it expects and reads what was given, told whether it came from code (bare numbers are seconds) or
from environment or file (bare numbers are milliseconds). Here nothing warns and nothing falls back; `settings.py`
does both. Values come from anywhere, so types are told by ``type()``: ``isinstance`` asks the object.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NamedTuple

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?")
# Twelve digits: int() of more than 4300 raises, and no setting needs them.
_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,12}")
_HOST_AND_PORT: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@\[\]]+)):([0-9]{1,5})")
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_DAY_S: Final = 86400.0
# Past a metaclass that answers for __name__ itself.
_name_of_type: Final[Callable[[type], str]] = type.__dict__["__name__"].__get__


class Refused(ValueError):  # noqa: N818 (it reads as a sentence where it is raised)
    """A value that a setting does not take; the message, if any, hints at what was meant."""


class Kind(NamedTuple):
    """One kind of value.

    Attributes:
        name: What kind it is, in a word.
        expected: The form that a warning asks for.
        read: Takes the value and whether it came from code; returns what the setting holds. For a value of another
            form it raises `Refused`, or whatever the value itself raises.
        unit: Of the value that is held: ``s``, or nothing.
        empty: What the setting holds when its default is nothing.
    """

    name: str
    expected: str
    read: Callable[[Any, bool], Any]
    unit: str = ""
    empty: Any = ""


def duration(
    *, zero: bool = False, bare_minimum_ms: float = 0, minimum_s: float = 0, maximum_s: float = 36500 * _DAY_S
) -> Kind:
    """Return the kind of durations, held in seconds.

    Args:
        zero: Whether 0 means something.
        bare_minimum_ms: A bare number from environment or file below this is refused: it was meant in seconds.
        minimum_s: Least duration in seconds; 0 for any that is above 0.
        maximum_s: Greatest duration in seconds. There is one, since waiting for longer than the platform's limit
            raises where it waits.
    """
    least = f"from {minimum_s * 1000:g}ms" if minimum_s else "above 0"
    expected = f"a duration such as 500ms, 1.5s, 10m, 2h or 1d, {least} and up to {maximum_s / _DAY_S:g}d"

    def milliseconds(number: float) -> float:
        if 0 < number < bare_minimum_ms:
            raise Refused(f"{number:g} would be {number:g} ms; write {number:g}s, or {number:g}ms if that is meant")
        return number / 1000

    def read(value: Any, from_code: bool) -> float:
        given = type(value)
        if issubclass(given, timedelta):
            seconds = timedelta.total_seconds(value)
        elif issubclass(given, (int, float)) and given is not bool:
            seconds = float(value) if from_code else milliseconds(float(value))
        elif issubclass(given, str) and (match := _DURATION.fullmatch(str.strip(value))):
            number, unit = float(match[1]), match[2]
            if from_code and number and not unit:
                raise Refused(f"{number:g} as a text has no unit; write {number:g}s")
            seconds = number * _UNITS_S[unit] if unit else milliseconds(number)
        else:
            raise Refused
        if (seconds == 0 and zero) or (seconds > 0 and minimum_s <= seconds <= maximum_s):
            return seconds
        raise Refused

    return Kind("duration", expected + (", or 0" if zero else ""), read, unit="s")


def integer(minimum: int, maximum: int) -> Kind:
    """Return the kind of whole numbers in a range, both ends included."""

    def read(value: Any, _from_code: bool) -> int:
        given = type(value)
        if issubclass(given, str) and _WHOLE_NUMBER.fullmatch(str.strip(value)):
            number = int(str.strip(value))
        elif issubclass(given, int) and given is not bool:
            number = int(value)
        else:
            raise Refused
        if not minimum <= number <= maximum:
            raise Refused
        return number

    return Kind("whole number", f"a whole number from {minimum} to {maximum}", read)


def choice(*choices: str) -> Kind:
    """Return the kind of one of some words, in any case."""

    def read(value: Any, _from_code: bool) -> str:
        word = _text(value).lower()
        if word not in choices:
            raise Refused
        return word

    return Kind("choice", "one of " + ", ".join(choices), read)


def split_address(address: str) -> tuple[str, int] | None:
    """Return host and port of ``host:port`` or ``[IPv6]:port``, or None for any other text."""
    match = _HOST_AND_PORT.fullmatch(address)
    if match is None or int(match[3]) > 65535:
        return None
    return match[1] or match[2], int(match[3])


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine alone. A name other than ``localhost`` is not: it may point anywhere."""
    import ipaddress

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shown(value: object) -> str:
    """Return a value as a warning shows it, at most 100 characters, whatever its ``repr`` does."""
    try:
        # repr() may return a subclass of str whose methods are foreign, too.
        found = str.__str__(repr(value))
    except Exception:  # noqa: BLE001 (the value comes from anywhere)
        found = f"<{_name_of_type(type(value))}>"
    return found if len(found) <= 100 else f"{found[:97]}..."


def _text(value: Any) -> str:
    if not issubclass(type(value), str):
        raise Refused
    return str.strip(value)


def _boolean(value: Any, _from_code: bool) -> bool:
    if type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        return value == 1
    word = _text(value).lower()
    if word not in _TRUE | _FALSE:
        raise Refused
    return word in _TRUE


def _globs(value: Any, _from_code: bool) -> tuple[str, ...]:
    several = issubclass(type(value), (list, tuple, set, frozenset))
    parts = [_text(part) for part in value] if several else _text(value).split(",")
    return tuple(part.strip() for part in parts if part.strip())


def _path(value: Any, _from_code: bool) -> str:
    found = _text(os.fspath(value))
    if not found or "\0" in found:
        raise Refused
    return found


def _absolute_path(value: Any, from_code: bool) -> str:
    found = _path(value, from_code)
    # A relative one would be another directory for the command line than for the process.
    if not os.path.isabs(found):  # noqa: PTH117 (pathlib is slow to import and nothing else here needs it)
        raise Refused
    return found


def _address(value: Any, _from_code: bool) -> str:
    found = _text(value)
    is_socket = found.startswith("unix:/") and len(found) > len("unix:/") and "\0" not in found
    if not is_socket and split_address(found) is None:
        raise Refused
    return found


def _signal(value: Any, _from_code: bool) -> str:
    import signal

    name = value.name if type(value) is signal.Signals else _text(value).upper()
    name = name.removeprefix("SIG")
    # No process can handle these two.
    if f"SIG{name}" not in signal.Signals.__members__ or name in ("KILL", "STOP"):
        raise Refused
    return name


BOOLEAN: Final = Kind("boolean", "true or false (1/0, yes/no, on/off)", _boolean)
GLOBS: Final = Kind("list", "a comma list of globs or fingerprints", _globs, empty=())
TEXT: Final = Kind("text", "a text", lambda value, _from_code: _text(value))
PATH: Final = Kind("path", "a path", _path)
ABSOLUTE_PATH: Final = Kind("path", "an absolute path", _absolute_path)
ADDRESS: Final = Kind("address", "host:port, such as 127.0.0.1:6080 or [::1]:6080, or unix:/path", _address)
SIGNAL: Final = Kind("signal", "the name of a signal such as USR2", _signal)
