"""Whether a task belongs to an open connection: it waits for the network there, or sleeps between two pings.

Pools and gateways open connections when a request needs one, so the tasks of a connection outlive the request. Up to
``RESIDENT_LIMIT`` of them are residents while the connection is open; more, or tasks of a closed one, are none.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import CodeType, CoroutineType, FrameType, FunctionType, ModuleType
from typing import Any, Final

from .await_chain import walk_await_chain
from .known_waits import coroutine_of, type_module, type_name
from .wait_reason import wait_reason

_LOOP_LIBRARIES: Final = ("asyncio.", "uvloop.")
_FRAME_HOLDS_LOCALS: Final = sys.version_info < (3, 11)
_WITHOUT_ATTRIBUTES: Final = (
    CodeType, CoroutineType, FrameType, FunctionType, ModuleType, dict, list, tuple, set, frozenset, str, bytes
)  # fmt: skip


def belongs_to_connection(task: Any) -> bool:
    """Tell whether ``task`` waits for the network or keeps an open connection alive; True if it is gone.

    Cost: one await chain; for a sleeping task also a look at the attributes of its arguments.
    """
    if task is None:
        return True
    coroutine = coroutine_of(task)
    reason = wait_reason(task, walk_await_chain(coroutine))
    return reason.startswith("io.") or (reason == "sleep" and _holds_open_transport(coroutine))


def _holds_open_transport(coroutine: object) -> bool:
    """Tell whether an object that the outermost frame works on has an open transport, or a stream on one."""
    if type(coroutine) is not CoroutineType:
        return False
    # Not f_locals: below 3.13 that leaves a dictionary behind that keeps the values alive.
    for local in gc.get_referents(coroutine.cr_frame if _FRAME_HOLDS_LOCALS else coroutine):
        for attribute in _attributes(local):
            if _is_open_transport(attribute):
                return True
            is_stream = (
                type_name(type(attribute)) == "StreamWriter" and type_module(type(attribute)) == "asyncio.streams"
            )
            if is_stream and any(_is_open_transport(each) for each in _attributes(attribute)):
                return True
    return False


def _attributes(found: object) -> Iterator[object]:
    """Yield the values of an instance's attributes, kept in a dictionary or not, without running anything of it."""
    kind = type(found)
    if any(kind is each for each in _WITHOUT_ATTRIBUTES) or issubclass(kind, type):
        return
    for each in gc.get_referents(found):
        if type(each) is dict:
            yield from list(dict.values(each))
        else:
            yield each


def _is_open_transport(found: object) -> bool:
    kind = type(found)
    # Only of these two libraries is it known that the question runs nothing of the application.
    if not type_module(kind).startswith(_LOOP_LIBRARIES) or not type_name(kind).endswith("Transport"):
        return False
    is_closing = getattr(found, "is_closing", None)
    return is_closing is not None and not is_closing()
