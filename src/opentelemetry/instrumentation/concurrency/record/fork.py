"""Behavior at a fork: the census stops before it, and the child starts empty.

A live thread makes every ``os.fork`` warn on Python 3.12 and newer, so the package's threads are stopped and joined
first. The warning is issued after the parent's hooks ran: if no other thread would have caused it, the threads are
restarted by the next creation. The child starts its own with its first creation. The registered hooks stay for the life
of the process and do nothing while nothing is installed.

- No lock of this package is held across a fork: several threads may fork at once, and other at-fork hooks run between.
- A child that was forked from a thread other than the main one continues in that thread alone. When its function
  returns, the interpreter is not finalized: the process ends with its last thread, daemons included. The package's
  threads must therefore exit once all others have.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from .internals.of_threading import main_is_initial
from .own_thread import only_own_threads_besides_this
from .threads import is_own_thread, machinery_site

_before: Callable[[], None] | None = None
_in_child: Callable[[], None] | None = None
_in_parent: Callable[[], None] | None = None
_registered = False
_forking: dict[int, float] = {}
"""Start times of the forks under way, by the identifier of the forking thread."""
_LONGEST_FORK_S: Final = 30.0


def watch_forks(
    before: Callable[[], None] | None,
    in_child: Callable[[], None] | None,
    in_parent: Callable[[], None] | None = None,
) -> None:
    """Set the functions that run before a fork and after it in child and parent; None for none.

    Args:
        before: Stops the package's threads. Must not raise.
        in_child: Drops the parent's tasks and threads. Must not raise.
        in_parent: Lets the package's threads continue. Must not raise.
    """
    global _before, _in_child, _in_parent, _registered
    _before, _in_child, _in_parent = before, in_child, in_parent
    if not _registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_run_before, after_in_child=_run_in_child, after_in_parent=_run_in_parent)
        _registered = True


def ends_with_its_last_thread() -> bool:
    """Return whether this process was forked from a thread other than the main one."""
    return not main_is_initial()


def only_own_threads_are_left() -> bool:
    """Return whether every thread except the package's own has ended."""
    return all(is_own_thread(thread) for thread in threading.enumerate())


def application_has_threads() -> bool:
    """Return whether an application thread other than the calling and the main one runs; the SDK's do not count."""
    current = threading.current_thread()
    return any(thread is not current and not machinery_site(thread) for thread in threading.enumerate())


def is_fork_under_way() -> bool:
    """Return whether a thread is forking. A fork that has not returned for 30 seconds is not counted."""
    now = time.monotonic()
    return any(now - since < _LONGEST_FORK_S for since in list(_forking.values()))


def may_start_threads_in_parent() -> bool:
    """Return whether a thread that starts right after a fork would not be the sole cause of a warning."""
    return sys.version_info < (3, 12) or not only_own_threads_besides_this()


def _run_before() -> None:
    _forking[threading.get_ident()] = time.monotonic()
    if _before is not None:
        _before()


def _run_in_child() -> None:
    _forking.clear()
    if _in_child is not None:
        _in_child()


def _run_in_parent() -> None:
    _forking.pop(threading.get_ident(), None)
    if _in_parent is not None:
        _in_parent()
