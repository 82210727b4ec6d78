"""Reading of JSON snapshots of this and earlier versions, with precise errors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from ..record.naming import CodeLine
from .process_info import ProcessInfo
from .values import CreationSite, LiveGroup, LivePicture, Snapshot

SCHEMA_VERSION: Final = 2
"""Version of the format; later releases may add properties without changing it."""
_VERSIONS_READ: Final = (1, SCHEMA_VERSION)
# In version 1, sites have neither function nor spawners, and the creation stacks of groups may belong to any member.

_Kind = Literal["task", "thread"]
_KINDS: Final[tuple[_Kind, ...]] = ("task", "thread")
_NUMBER: Final = (int, float)
_MAX_NUMBER: Final = 1e15


def read_snapshot(text_or_mapping: str | bytes | bytearray | Mapping[str, Any]) -> Snapshot:
    """Return the snapshot in a JSON text, or in the object parsed from it.

    Ages have the precision of the document, one millisecond. Unknown properties are ignored.

    Raises:
        ValueError: The input is not JSON, not a snapshot, of a newer version, or invalid. The message names the place,
            the expected and the actual value.

    Cost: about 10 µs per task.
    """
    top = _top(text_or_mapping)
    tables = _Tables(top)
    return Snapshot(
        taken_at=float(top.take("taken_at", _NUMBER)),
        process_id=_process(top).process_id,
        tasks=tuple(tables.picture(found, "task") for found in top.objects("tasks")),
        threads=tuple(tables.picture(found, "thread") for found in top.objects("threads")),
        by_site=tuple(tables.group(found) for found in top.objects("by_site")),
        by_stack=tuple(tables.group(found) for found in top.objects("by_stack")),
    )


def read_process_info(text_or_mapping: str | bytes | bytearray | Mapping[str, Any]) -> ProcessInfo:
    """Return the process that a JSON snapshot shows.

    Raises:
        ValueError: As for `read_snapshot`.
    """
    return _process(_top(text_or_mapping))


def _top(given: str | bytes | bytearray | Mapping[str, Any]) -> _Found:
    if isinstance(given, Mapping):
        parsed: Any = given
    else:
        try:
            parsed = json.loads(given)
        except (ValueError, RecursionError) as error:
            message = f"This is not a snapshot: expected a JSON object, got {_said(given)} ({error})."
            raise ValueError(message) from None
    if not isinstance(parsed, Mapping) or "schema_version" not in parsed:
        message = (
            f"This is not a snapshot: expected a JSON object with schema_version {SCHEMA_VERSION}, got {_said(parsed)}."
        )
        raise ValueError(message)
    version = parsed["schema_version"]
    if version not in _VERSIONS_READ or isinstance(version, bool):
        message = (
            f"This snapshot has schema_version {_said(version)}, this version of the package reads "
            f"{' and '.join(map(str, _VERSIONS_READ))}: read it with the version that wrote it."
        )
        raise ValueError(message)
    return _Found(parsed, "")


def _process(top: _Found) -> ProcessInfo:
    process = top.object("process")
    return ProcessInfo(
        process.take("process_id", int),
        process.take("python_version", str, ""),
        process.take("service_name", str, ""),
        process.take("instrumentation_version", str, ""),
    )


_REQUIRED: Final = object()


class _Found:
    """A JSON object and its place in the document."""

    __slots__ = ("_found", "where")

    def __init__(self, found: Mapping[str, Any], where: str) -> None:
        self._found = found
        self.where = where

    def take(self, name: str, kind: type | tuple[type, ...], default: Any = _REQUIRED) -> Any:
        """Return a property of the given type, or the default if it is missing."""
        value: Any = self._found.get(name, default)
        if value is default and default is not _REQUIRED:
            return value
        # bool is a subclass of int.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(name, _expected(kind), value)
        # Python's JSON parser accepts NaN and Infinity, and integers may be too large for a float.
        if kind is _NUMBER and isinstance(value, (int, float)) and not abs(value) < _MAX_NUMBER:
            raise self.wrong(name, f"a number below {_MAX_NUMBER:g}", value)
        return value

    def wrong(self, name: str, expected: str, value: Any) -> ValueError:
        """Return the error for an invalid property."""
        got = "nothing" if value is _REQUIRED else _said(value)
        place = f"{self.where}.{name}" if self.where else name
        return ValueError(f"This snapshot is invalid: at {place} expected {expected}, got {got}.")

    def object(self, name: str) -> _Found:
        """Return a property that must be an object."""
        return _Found(self.take(name, Mapping), f"{self.where}.{name}" if self.where else name)

    def items(self, name: str, default: Any = _REQUIRED) -> Any:
        """Return a property that must be a list."""
        return self.take(name, (list, tuple), default)

    def objects(self, name: str) -> list[_Found]:
        """Return a property that must be a list of objects."""
        made = []
        for number, each in enumerate(self.items(name)):
            if not isinstance(each, Mapping):
                raise self.wrong(f"{name}[{number}]", "an object", each)
            made.append(_Found(each, f"{name}[{number}]"))
        return made

    def serials(self, name: str) -> tuple[int, ...]:
        """Return a property that must be a list of integers; empty if it is missing."""
        found = tuple(self.items(name, ()))
        for item in found:
            if type(item) is not int:
                raise self.wrong(name, "a list of whole numbers", item)
        return found


class _Tables:
    """The values that the numbers in a document refer to."""

    def __init__(self, top: _Found) -> None:
        frames = [CodeLine(*_place(found)) for found in top.objects("frames")]
        self._sites = [_site_of(found, frames) for found in top.objects("sites")]
        self._stacks = []
        for number, numbers in enumerate(top.items("stacks")):
            place = f"stacks[{number}]"
            if not isinstance(numbers, (list, tuple)):
                raise top.wrong(place, "a list of numbers of frames", numbers)
            self._stacks.append(_frames(top, place, numbers, frames))

    def _site(self, found: _Found) -> CreationSite:
        site: CreationSite = _at(found, "site", found.take("site", int), self._sites, "site")
        return site

    def _stack(self, found: _Found, name: str) -> tuple[CodeLine, ...]:
        number = found.take(name, int, None)
        return () if number is None else _at(found, name, number, self._stacks, "stack")

    def picture(self, found: _Found, kind: _Kind) -> LivePicture:
        """Return a task or thread."""
        return LivePicture(
            kind=kind,
            serial=found.take("serial", int),
            name=found.take("name", str),
            site=self._site(found),
            age_s=float(found.take("age_s", _NUMBER)),
            creator=found.take("creator", int, None),
            stack=self._stack(found, "stack"),
            wait_reason=found.take("wait_reason", str),
            verdict=found.take("verdict", str, None),
            is_daemon=found.take("is_daemon", bool, False),
            stalled_s=_seconds(found.take("stalled_s", _NUMBER, None)),
            reason=found.take("reason", str, ""),
            creation_stack=self._stack(found, "creation_stack"),
            creation_sampled=found.take("creation_sampled", bool, False),
            waits_for=found.take("waits_for", int, None),
            owners=found.serials("owners"),
            deadlock=found.serials("deadlock"),
            loop=found.take("loop", str, ""),
            note=found.take("note", str, ""),
            before_attach=found.take("before_attach", bool, False),
        )

    def group(self, found: _Found) -> LiveGroup:
        """Return a group by site or by stack."""
        kind = found.take("kind", str)
        if kind not in _KINDS:
            raise found.wrong("kind", "'task' or 'thread'", kind)
        creation = self._stack(found, "creation_stack")
        return LiveGroup(
            kind=kind,
            count=found.take("count", int),
            site=self._site(found),
            oldest_s=float(found.take("oldest_s", _NUMBER)),
            orphans=found.take("orphans", int),
            stack=self._stack(found, "stack"),
            wait_reason=found.take("wait_reason", str, ""),
            verdict=found.take("verdict", str, None),
            longest_stall_s=_seconds(found.take("longest_stall_s", _NUMBER, None)),
            creation_stack=creation,
            creation_sampled=found.take("creation_sampled", bool, bool(creation)),
        )


def _place(found: _Found) -> tuple[str, str, int]:
    return found.take("function", str), found.take("path", str), found.take("line", int)


def _site_of(found: _Found, frames: list[CodeLine]) -> CreationSite:
    via = _frames(found, "via", found.items("via", ()), frames)
    return CreationSite(*_place(found), found.take("runs", str, ""), via)


def _frames(found: _Found, name: str, numbers: Iterable[Any], frames: list[CodeLine]) -> tuple[CodeLine, ...]:
    return tuple(_at(found, name, each, frames, "frame") for each in numbers)


def _at(found: _Found, name: str, number: Any, table: list[Any], what: str) -> Any:
    if type(number) is not int or not 0 <= number < len(table):
        raise found.wrong(name, f"the number of one of the {len(table)} {what}s", number)
    return table[number]


def _seconds(value: float | None) -> float | None:
    return None if value is None else float(value)


def _expected(kind: type | tuple[type, ...]) -> str:
    names = {int: "a whole number", str: "a string", bool: "true or false", _NUMBER: "a number", Mapping: "an object"}
    return names.get(kind, "a list")


def _said(value: Any) -> str:
    if isinstance(value, (Mapping, list)):
        what = "an object" if isinstance(value, Mapping) else "a list"
        return f"{what} with {', '.join(map(repr, list(value)[:5]))}"[:200] if value else f"an empty {what.split()[1]}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
