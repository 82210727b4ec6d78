"""The hooks on bad endings: tasks destroyed while pending, failures nobody looked at, what outlived main.

asyncio tells of the first two through ``loop.call_exception_handler``. At that moment the garbage collector has
cleared weak references to the task already, so its creation site is found by its address: exact for what is destroyed
while pending. A failed task may have been forgotten as ended long before anybody drops it; then it is counted at the
line that alone starts its coroutine function, or, if there are several such lines, under that function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from .failure import HookFailure

Ending = Literal["destroyed", "unretrieved"]

_DESTROYED: Final = "Task was destroyed but it is pending!"
_UNRETRIEVED: Final = "Task exception was never retrieved"


def exception_handler_hook(
    handle: Callable[..., None], on_ending: Callable[[Any, Ending], None], failure: HookFailure
) -> tuple[Callable[..., None], Callable[[], None]]:
    """Build the replacement of a loop class's ``call_exception_handler``.

    Args:
        handle: The method being replaced; always called, with the arguments untouched.
        on_ending: Called with the dying task and how it ended; must not keep the task.
        failure: Told when the hook raises.

    Returns:
        The replacement, and a function that makes it pass through for good.
    """
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def call_exception_handler(self: Any, context: Any) -> None:
        try:
            if armed and type(context) is dict:
                message = context.get("message")
                if message == _DESTROYED:
                    on_ending(context.get("task"), "destroyed")
                elif message == _UNRETRIEVED:
                    on_ending(context.get("future"), "unretrieved")
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            failure(error, disarm)
        handle(self, context)

    return call_exception_handler, disarm


def cancel_all_tasks_hook(
    cancel_all: Callable[..., None], before: Callable[[Any], None], failure: HookFailure
) -> tuple[Callable[..., None], Callable[[], None]]:
    """Build the replacement of `asyncio.runners._cancel_all_tasks`: what outlived main is looked at a last time.

    Args:
        cancel_all: The function being replaced.
        before: Called with the loop before its tasks are cancelled.
        failure: Told when the hook raises.

    Returns:
        The replacement, and a function that makes it pass through for good.
    """
    armed = True

    def disarm() -> None:
        nonlocal armed
        armed = False

    def _cancel_all_tasks(loop: Any, *args: Any, **kwargs: Any) -> None:
        try:
            if armed:
                before(loop)
        except Exception as error:  # noqa: BLE001 (nothing of ours may reach the application)
            failure(error, disarm)
        cancel_all(loop, *args, **kwargs)

    return _cancel_all_tasks, disarm
