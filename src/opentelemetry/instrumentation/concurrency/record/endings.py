"""Hooks on abnormal endings: destroyed, failed and late tasks, and signals.

asyncio reports the first two through ``loop.call_exception_handler``. By then the garbage collector has cleared weak
references to the task, so its creation site is found by its address. That is exact for a task destroyed while pending.
The record of a failed task may have been removed long before the task is freed; the failure is then counted at the only
site that starts the task's coroutine function or, if there are several such sites, under the function itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Literal

from .failure import HookFailure

Ending = Literal["destroyed", "unretrieved"]

DESTROYED: Final = "Task was destroyed but it is pending!"
"""Message of asyncio for a task that was garbage-collected while pending."""
UNRETRIEVED: Final = "Task exception was never retrieved"
"""Message of asyncio for a task whose exception was never retrieved."""


class _Switch:
    """Enables a hook until it is disabled for good."""

    __slots__ = ("armed",)

    def __init__(self) -> None:
        self.armed = True

    def disarm(self) -> None:
        """Disable the hook."""
        self.armed = False


def exception_handler_hook(
    handle: Callable[..., None], on_ending: Callable[[Any, Ending], None], failure: HookFailure
) -> tuple[Callable[..., None], Callable[[], None]]:
    """Build the replacement of a loop class's ``call_exception_handler``.

    Args:
        handle: The method being replaced; always called, with the arguments untouched.
        on_ending: Called with the dying task and how it ended; must not keep a reference to the task.
        failure: Called when the hook raises.

    Returns:
        The replacement, and a function that permanently disables the hook in it.
    """
    switch = _Switch()

    def call_exception_handler(self: Any, context: Any) -> None:
        try:
            if switch.armed and type(context) is dict:
                message = context.get("message")
                if message == DESTROYED:
                    on_ending(context.get("task"), "destroyed")
                elif message == UNRETRIEVED:
                    on_ending(context.get("future"), "unretrieved")
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            failure(error, switch.disarm)
        handle(self, context)

    return call_exception_handler, switch.disarm


def cancel_all_tasks_hook(
    cancel_all: Callable[..., None], before: Callable[[Any], None], failure: HookFailure
) -> tuple[Callable[..., None], Callable[[], None]]:
    """Build the replacement of `asyncio.runners._cancel_all_tasks`, which inspects tasks that outlived main.

    When main has returned, its tasks are often held by reference cycles only. The replacement holds them from before
    its first allocation until ``cancel_all`` returns, as that function does itself: a collection in between would
    destroy them, and the awaiting part of their ``finally`` blocks would never run.

    Args:
        cancel_all: The function being replaced.
        before: Called with the loop before its tasks are cancelled.
        failure: Called when the hook raises.

    Returns:
        The replacement, and a function that permanently disables the hook in it.
    """
    switch, all_tasks = _Switch(), sys.modules["asyncio"].all_tasks

    # Without keyword arguments: allocating their dictionary could start a collection.
    def _cancel_all_tasks(loop: Any, *args: Any) -> None:
        held = None
        try:
            if switch.armed:
                held = all_tasks(loop)
                before(loop)
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            failure(error, switch.disarm)
        cancel_all(loop, *args)
        del held

    return _cancel_all_tasks, switch.disarm


def raise_signal_hook(
    raise_signal: Callable[[int], None], before: Callable[[int], None], failure: HookFailure
) -> tuple[Callable[[int], None], Callable[[], None]]:
    """Build the replacement of `signal.raise_signal`, with which servers end their own process after a shutdown.

    uvicorn raises the signal that stopped it again inside main, with the default action: the process ends there, before
    the cleanup of ``asyncio.run`` and `atexit` runs.

    Args:
        raise_signal: The function being replaced.
        before: Called with the signal's number before it is raised.
        failure: Called when the hook raises.

    Returns:
        The replacement, and a function that permanently disables the hook in it.
    """
    switch = _Switch()

    def raise_signal_after_scan(signalnum: int, /) -> None:
        try:
            if switch.armed:
                before(signalnum)
        except Exception as error:  # noqa: BLE001 (an error in a hook must not reach the application)
            failure(error, switch.disarm)
        raise_signal(signalnum)

    return raise_signal_after_scan, switch.disarm
