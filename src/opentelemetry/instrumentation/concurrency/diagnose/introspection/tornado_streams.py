"""Waits for Tornado's ``IOStream``, which leave no frame in the await chain.

The stream's methods are plain functions that return futures. The stream is found among the local variables of the
task's coroutines, or their attributes, and must hold the same future that the task waits for.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import CoroutineType
from typing import Any, Final

from ...record.raw_fields import attributes_of
from .known_waits import coroutine_of, waiter_of

_READ, _WRITE, _CONNECT, _CLOSED = "_read_future", "_write_futures", "_connect_future", "_closed"
STREAM_FIELDS: Final = (_READ, _WRITE, _CONNECT, _CLOSED)
"""Private fields of ``IOStream``."""

_FRAME_HOLDS_LOCALS: Final = sys.version_info < (3, 11)
_MAX_COROUTINES: Final = 20
_MAX_OBJECTS: Final = 200


def is_tornado_stream(found: object) -> bool:
    """Return whether an object is an ``IOStream``, without importing Tornado or running its code."""
    module = sys.modules.get("tornado.iostream")
    base = None if module is None else getattr(module, "BaseIOStream", None)
    return type(base) is type and issubclass(type(found), base)


def stream_is_open(stream: object) -> bool:
    """Return whether an ``IOStream`` is open; False if its field has another name."""
    return attributes_of(stream).get(_CLOSED) is False


def stream_wait(task: object) -> str | None:
    """Return the wait reason of a task that awaits a future of an ``IOStream``, or None.

    Cost: a dictionary lookup if Tornado is not imported; otherwise the local variables of the task's coroutines and
    their attributes, up to `_MAX_OBJECTS`.
    """
    waiter = waiter_of(task) if "tornado.iostream" in sys.modules else None
    if waiter is None:
        return None
    for stream in _streams(task):
        fields = attributes_of(stream)
        if fields.get(_READ) is waiter:
            return "io.read"
        writing = fields.get(_WRITE) or ()
        if fields.get(_CONNECT) is waiter or any(each is waiter for entry in list(writing) for each in entry):
            return "io.write"
    return None


def _streams(task: object) -> Iterator[Any]:
    inspected = 0
    coroutine = coroutine_of(task)
    for _ in range(_MAX_COROUTINES):
        if type(coroutine) is not CoroutineType:
            return
        for local in locals_of(coroutine):
            if is_tornado_stream(local):
                yield local
            for attribute in list(attributes_of(local).values()):
                inspected += 1
                if is_tornado_stream(attribute):
                    yield attribute
            if inspected > _MAX_OBJECTS:
                return
        coroutine = coroutine.cr_await


def locals_of(coroutine: CoroutineType[Any, Any, Any]) -> list[Any]:
    """Return the objects that the frame of a suspended coroutine refers to.

    ``f_locals`` is avoided: below 3.13, it leaves a dictionary behind that keeps the values alive.
    """
    return gc.get_referents(coroutine.cr_frame if _FRAME_HOLDS_LOCALS else coroutine)
