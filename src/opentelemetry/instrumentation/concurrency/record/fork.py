"""What a fork does to recording: the census stops before it, and the child starts empty.

A living thread makes every ``os.fork`` warn on Python ≥ 3.12, so the scan thread is stopped and joined first; parent
and child start theirs again with the next creation. The hooks registered here stay for the life of the process and
do nothing while nothing is installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable

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


def _run_before() -> None:
    if _before is not None:
        _before()


def _run_in_child() -> None:
    if _in_child is not None:
        _in_child()


def _run_in_parent() -> None:
    if _in_parent is not None:
        _in_parent()
