"""``control``: plants a leaked task on request, checks that it is found, and removes it.

This distinguishes a process without leaks from a monitor that does not work. The planted task waits for a future that
nothing holds, and the proof of ``leaks`` has to find it. Because this changes the process, it requires
``ALLOW_CANCEL``, and the requesting user is reported and logged before. The task is removed in every case.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any, Final

from ..live_process import LiveProcess
from .conversation import Conversation
from .protocol import Reply, RequestError
from .target import Target

TASK_NAME: Final = "otel-concurrency control"
PATIENCE_S: Final = 5.0
"""Seconds that the event loop has to start the task, and to end it."""


async def leak_on_purpose(loop: Any) -> None:
    """Wait for a future that is never completed."""
    await loop.create_future()


class PlantedLeak:
    """One leaked task in a running event loop.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._started = Event()
        self._ended = Event()
        self._abandoned = False
        self.task: Any = None

    def plant(self, patience_s: float = PATIENCE_S) -> bool:
        """Start the task; return whether it is waiting."""
        try:
            self._loop.call_soon_threadsafe(self._start)
        except RuntimeError:  # closed in the meantime
            return False
        return self._started.wait(patience_s)

    def remove(self, patience_s: float = PATIENCE_S) -> bool:
        """End the task, even if it starts later; return whether it has ended."""
        self._abandoned = True
        try:
            self._loop.call_soon_threadsafe(self._end)
        except RuntimeError:  # closed in the meantime, so the task no longer runs
            return True
        return self._ended.wait(patience_s)

    def _start(self) -> None:
        if self._abandoned:
            return
        self.task = self._loop.create_task(leak_on_purpose(self._loop), name=TASK_NAME)
        # The task takes its first step before this callback runs.
        self._loop.call_soon(self._started.set)

    def _end(self) -> None:
        task, self.task = self.task, None
        if task is None or task.done():
            self._ended.set()
            return
        task.add_done_callback(lambda _: self._ended.set())
        task.cancel()


def answer_control(target: Target, conversation: Conversation, reply: Reply, pause: Callable[[], None]) -> None:
    """Plant a leak, run the proof over every suspended task, remove the leak, and report whether it was found.

    Raises:
        RequestError: If the process does not allow it, or has no event loop that runs the task.

    Cost: that of ``leaks``.
    """
    if not target.settings.allow_cancel:
        message = (
            "This process does not allow leaks to be planted: restart it with "
            "OTEL_PYTHON_CONCURRENCY_ALLOW_CANCEL=true in its environment."
        )
        raise RequestError("denied", message)
    target.report_control_action("control", conversation.peer, "", 1)
    leak = PlantedLeak(_running_loop(target.live))
    found, began = False, time.monotonic()
    try:
        if not leak.plant():
            message = f"The event loop did not start the planted task within {PATIENCE_S:g} s: something blocks it."
            raise RequestError("failed", message)
        proven = target.live.prove(pause)
        with target.live.census.locked():
            serial = target.live.census.tasks.serial_of(leak.task)
        found = serial is not None and serial in proven.reasons
    finally:
        removed = leak.remove()
    reply.facts.update(
        found=found,
        reason=proven.reasons.get(serial or 0, ""),
        undecided=proven.undecided,
        examined=proven.examined,
        removed=removed,
        took_s=round(time.monotonic() - began, 3),
    )


def _running_loop(live: LiveProcess) -> Any:
    census = live.census
    with census.locked():
        census.admit_young()
        census.loops.discover(census.clock.now())
        loops = [loop for loop in census.loops if loop.is_running()]
    if not loops:
        message = "No event loop is running in this process, so no task can be planted."
        raise RequestError("request", message)
    return loops[0]
