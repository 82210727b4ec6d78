"""What a fork does to recording: the census stops before it, and the child starts empty.

A living thread makes every ``os.fork`` warn on Python ≥ 3.12, so the scan thread is stopped and joined first; parent
and child start theirs again with the next creation. The hooks registered here stay for the life of the process and
do nothing while nothing is installed.

A child that was forked from a thread other than the main one goes on in that thread alone. When its function returns,
nobody finalizes the interpreter: the system ends the process with its last thread, daemons included. There our threads
have to leave when all others have.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from .threads import OWN_THREAD

_before: Callable[[], None] | None = None
_in_child: Callable[[], None] | None = None
_in_parent: Callable[[], None] | None = None
_registered = False


def watch_forks(
    before: Callable[[], None] | None,
    in_child: Callable[[], None] | None,
    in_parent: Callable[[], None] | None = None,
) -> None:
    """Set what runs before a fork and in the child after it; None for nothing.

    Args:
        before: Stops the scan thread. Must not raise.
        in_child: Forgets the parent's tasks and threads. Must not raise.
        in_parent: Lets the agent go on. Must not raise.
    """
    global _before, _in_child, _in_parent, _registered
    _before, _in_child, _in_parent = before, in_child, in_parent
    if not _registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_run_before, after_in_child=_run_in_child, after_in_parent=_run_in_parent)
        _registered = True


def ends_with_its_last_thread() -> bool:
    """Tell whether this process was forked from a thread other than the main one."""
    # What `threading` takes for the main thread after a fork is the forking one, as it was made.
    return not isinstance(threading.main_thread(), threading._MainThread)  # type: ignore[attr-defined]


def only_own_threads_are_left() -> bool:
    """Tell whether every thread but ours has ended."""
    return all(getattr(thread, OWN_THREAD, False) for thread in threading.enumerate())


def _run_before() -> None:
    if _before is not None:
        _before()


def _run_in_child() -> None:
    if _in_child is not None:
        _in_child()


def _run_in_parent() -> None:
    if _in_parent is not None:
        _in_parent()
