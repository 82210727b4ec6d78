"""Places where wrapper coroutines keep what they run, learned once per code.

``guarded(coro)`` and anyio's ``start_soon`` always start the same code. The coroutine or callable that they run is read
from the place where it was found in the first such wrapper.
"""

from __future__ import annotations

import gc
import sys
from types import CellType, CodeType, CoroutineType, FrameType
from typing import Any, Final

from .raw_fields import items_within, named_attributes
from .started import functions_behind, held_by, is_unstarted

_FRAME_HOLDS_LOCALS: Final = sys.version_info < (3, 11)
_MAX_NESTED: Final = 8


class _Place:
    """A place among the referents of an unstarted coroutine.

    Args:
        index: Index of the referent.
        attribute: Attribute of that object; empty for the object itself or the contents of its cell.
        item: Index of an item if that object is a container; -1 for the object itself.
    """

    __slots__ = ("_attribute", "_index", "_item")

    def __init__(self, index: int, attribute: str = "", item: int = -1) -> None:
        self._index = index
        self._attribute = attribute
        self._item = item

    def read(self, coroutine: Any) -> object:
        """Return the object at this place, or None."""
        referents = _referents(coroutine)
        found: Any = _behind_cell(referents[self._index]) if self._index < len(referents) else None
        if self._item >= 0:
            items = items_within(found)
            return items[self._item] if self._item < len(items) else None
        if not self._attribute:
            return found
        return next((value for name, value in named_attributes(found) if name == self._attribute), None)


class Wrappers:
    """Known wrappers by their code, with the place of what they run."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[CodeType, _Place | None]] = {}

    def clear(self) -> None:
        """Drop all entries."""
        self._places.clear()

    def are_of(self, code: CodeType) -> bool:
        """Return whether coroutines of ``code`` are known wrappers."""
        return id(code) in self._places

    def add(self, coroutine: object, inner: object) -> bool:
        """Learn from one coroutine that coroutines of its code run an object that they hold.

        Returns:
            Whether that object can be found in other coroutines of the same code.

        Args:
            coroutine: An unstarted coroutine.
            inner: The coroutine or callable that it holds and runs.
        """
        if type(coroutine) is CoroutineType and coroutine.cr_frame is not None:
            code = coroutine.cr_code
            place = _place_of(coroutine, inner)
            self._places[id(code)] = (code, place)
            return place is not None or is_unstarted(inner)
        return True

    def code_within(self, started: object, code: CodeType) -> CodeType:
        """Return the code that a coroutine runs; ``code`` itself if it is not a known wrapper's.

        Args:
            started: The started object.
            code: Its code.
        """
        for _ in range(_MAX_NESTED):
            known = self._places.get(id(code))
            if known is None or type(started) is not CoroutineType or _has_ended_with_frame(started):
                break
            found = known[1].read(started) if known[1] is not None else _first_within(started)
            inner = _code_of(found)
            if inner is None:
                break
            started, code = found, inner
        return code


def _place_of(coroutine: Any, inner: object) -> _Place | None:
    referents = _referents(coroutine)
    held = [_behind_cell(referent) for referent in referents]
    for index, each in enumerate(held):
        if each is inner:
            return _Place(index)
    for index, each in enumerate(held):
        for number, item in enumerate(items_within(each)):
            # The namespaces of the coroutine contain many objects and are not arguments.
            if item is inner and not _is_namespace(each, coroutine.cr_frame):
                return _Place(index, item=number)
    for index, each in enumerate(held):
        for name, value in named_attributes(each):
            if value is inner:
                return _Place(index, name)
    return None


def _behind_cell(found: object) -> object:
    return next(iter(gc.get_referents(found)), None) if type(found) is CellType else found


def _is_namespace(found: object, frame: FrameType) -> bool:
    return found is frame.f_globals or found is frame.f_builtins


def _first_within(started: object) -> object:
    return next((value for value in held_by(started) if is_unstarted(value) and value is not started), None)


def _code_of(found: object) -> CodeType | None:
    if type(found) is CoroutineType:
        return found.cr_code
    return next((function.__code__ for function in functions_behind(found)), None) if found is not None else None


def _referents(coroutine: Any) -> list[Any]:
    """Return the objects that a coroutine refers to, in an order that is the same for all coroutines of its code."""
    if _FRAME_HOLDS_LOCALS:
        return gc.get_referents(coroutine.cr_frame)
    # The frame is among them only after it was accessed.
    return [referent for referent in gc.get_referents(coroutine) if type(referent) is not FrameType]


def _has_ended_with_frame(coroutine: Any) -> bool:
    """Return whether a coroutine whose frame holds the locals has finished; elsewhere it then refers to nothing."""
    # From 3.11 on, accessing the frame creates one that lives as long as the coroutine.
    return _FRAME_HOLDS_LOCALS and coroutine.cr_frame is None
