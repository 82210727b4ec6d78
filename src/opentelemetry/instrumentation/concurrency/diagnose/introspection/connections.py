"""Open connections of tasks, and which side opened them.

Pools and gateways open connections when a request needs one, and clients connect to servers at any time, so the tasks
of a connection outlive the request. While the connection is open, their number is not evidence of a leak:

- The clients of a server determine how many connections it accepts. (Tornado's streams do not show which side opened
  the connection.)
- Idle connections opened by this process are leaked only if their number keeps rising for a long time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import CodeType, CoroutineType, FrameType, FunctionType, ModuleType
from typing import Any, Final, Literal

from ...census.columns import Columns
from ...record.raw_fields import type_name
from .known_waits import coroutine_of, type_module
from .readable import chain_of, may_be_read
from .tornado_streams import is_tornado_stream, locals_of, stream_is_open, stream_wait
from .wait_reason import wait_reason

_SAMPLE: Final = 64
_LOOP_LIBRARIES: Final = ("asyncio.", "uvloop.")
_MAX_CARRIERS: Final = 4
_CARRIERS: Final = frozenset(
    {
        ("asyncio.streams", "StreamReader"),
        ("asyncio.streams", "StreamWriter"),
        ("nats.aio.client", "Client"),
        ("nats.aio.transport", "TcpTransport"),
    }
)
"""Types whose instances hold the transport of one connection."""
_WITHOUT_ATTRIBUTES: Final = (
    CodeType, CoroutineType, FrameType, FunctionType, ModuleType, dict, list, tuple, set, frozenset, str, bytes
)  # fmt: skip


Side = Literal["none", "opened", "reads", "accepted"]
"""How a task relates to a connection: not at all; it keeps a connection alive that this process opened; it waits for a
connection that this process opened; or it belongs to an accepted connection."""


def split_by_connection(columns: Columns, rows: list[int]) -> dict[Side, list[int]]:
    """Split the tasks of one site by their relation to connections.

    Args:
        columns: The columns.
        rows: The tasks of one site.

    Cost: one await chain for each of `_SAMPLE` tasks. For more tasks, the majority of a sample decides for all.
    """
    sides: dict[Side, list[int]] = {"none": [], "opened": [], "reads": [], "accepted": []}
    step = 1 if len(rows) <= _SAMPLE else len(rows) // _SAMPLE
    sample = rows[::step]
    for row in sample:
        sides[connection_side(columns.references[row]())].append(row)
    if step > 1:
        most = max(sides, key=lambda side: len(sides[side]))
        return {side: rows if side == most else [] for side in sides}
    return sides


def belongs_to_connection(task: Any) -> bool:
    """Return whether a task waits for the network or keeps a connection alive; True if it is gone or unreadable.

    Cost: one await chain; for a sleeping task, also the attributes of its arguments.
    """
    return connection_side(task) != "none"


def connection_side(task: Any) -> Side:
    """Return how a task relates to a connection; "accepted" if it is gone or unreadable.

    Cost: one await chain, and the attributes of the task's arguments.
    """
    if task is None or not may_be_read(task):
        return "accepted"
    reason = wait_reason(task, chain_of(task))
    if not reason.startswith("io.") and reason != "sleep":
        return "none"
    transport = _open_transport(coroutine_of(task))
    if transport is None:
        if reason == "sleep":
            return "none"
        # A task with a creator usually reads from a server: tasks of accepted connections have no creator.
        return "accepted" if stream_wait(task) is not None else "reads"
    if not _is_opened_here(transport):
        return "accepted"
    return "opened" if reason == "sleep" else "reads"


def serves_connection(task: Any) -> bool:
    """Return whether a task works on an open connection that this process accepted, whatever it waits for.

    Cost: the attributes of the task's arguments.
    """
    if task is None or not may_be_read(task):
        return True
    transport = _open_transport(coroutine_of(task))
    return transport is not None and not _is_opened_here(transport)


def _open_transport(coroutine: object) -> object | None:
    """Return the open transport that the outermost frame uses, directly or through a stream; None without one."""
    if type(coroutine) is not CoroutineType:
        return None
    for local in locals_of(coroutine):
        for attribute in _attributes(local):
            found = _transport_in(attribute, _MAX_CARRIERS)
            if found is not None:
                return found
    return None


def _transport_in(found: object, depth: int) -> object | None:
    """Return the object if it is an open transport, or the one that it carries through up to ``depth`` carriers."""
    if _is_open_transport(found):
        return found
    if depth and (type_module(type(found)), type_name(type(found))) in _CARRIERS:
        for attribute in _attributes(found):
            transport = _transport_in(attribute, depth - 1)
            if transport is not None:
                return transport
    return None


def _is_opened_here(transport: object) -> bool:
    """Return whether this process opened the connection of a transport, that is, no server accepted it."""
    if is_tornado_stream(transport):
        # The stream does not show which side opened it.
        return False
    attributes = list(_attributes(transport))
    for protocol in [attribute for attribute in attributes if type_name(type(attribute)) == "SSLProtocol"]:
        attributes += [of for each in _attributes(protocol) if _is_open_transport(each) for of in _attributes(each)]
    return not any(
        type_name(type(each)) == "Server" and type_module(type(each)).startswith(_LOOP_LIBRARIES) for each in attributes
    )


def _attributes(found: object) -> Iterator[object]:
    """Yield the attribute values of an instance, whether in a dictionary or not, without running its code."""
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
    if is_tornado_stream(found):
        return stream_is_open(found)
    # Only for these two libraries is it certain that the call runs no code of the application.
    if not type_module(kind).startswith(_LOOP_LIBRARIES) or not type_name(kind).endswith("Transport"):
        return False
    is_closing = getattr(found, "is_closing", None)
    return is_closing is not None and not is_closing()
