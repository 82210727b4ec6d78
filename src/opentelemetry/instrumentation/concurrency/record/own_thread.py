"""Threads of this package: unwrapped daemons, never counted as the application's."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from .threads import OWN_THREAD, is_own_thread, start_unseen

_LEAVES_TRACE: Final = sys.platform.startswith("linux")
_GONE_LIMIT_S: Final = 0.05
_GONE_PAUSE_S: Final = 0.0001
_NO_MEMORY_PAUSE_S: Final = 0.1


def own_thread(target: Callable[..., None], name: str, *arguments: Any) -> threading.Thread:
    """Return a thread that is not started yet.

    Raises:
        RuntimeError: In a sub-interpreter that does not allow daemon threads.
    """
    thread = threading.Thread(target=target, name=name, args=arguments, daemon=True)
    # Debuggers ignore threads with these attributes.
    thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]  # for debuggers
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]  # for debuggers
    setattr(thread, OWN_THREAD, True)
    return thread


def daemon_threads_are_allowed() -> bool:
    """Return whether this interpreter allows daemon threads; an isolated sub-interpreter (≥ 3.12) does not."""
    try:
        own_thread(_nothing, "OtelConcurrency")
    except RuntimeError:
        return False
    return True


def _nothing() -> None:
    """Do nothing: the target of a thread that is never started."""


def start_own_thread(target: Callable[..., None], name: str, *arguments: Any) -> threading.Thread | None:
    """Start a thread and return it, or None if the system or the interpreter cannot start one."""
    try:
        thread = own_thread(target, name, *arguments)
        start_unseen(thread)
    except Exception:  # noqa: BLE001 (thread limit or interpreter shutdown: the caller tries again)
        return None
    return thread


def enduring(run: Callable[..., None]) -> Callable[..., None]:
    """Return a function that calls ``run`` until it returns, also where even waiting for a lock raises MemoryError."""

    def run_until_it_returns(*arguments: Any) -> None:
        while True:
            try:
                run(*arguments)
                return
            except MemoryError:
                time.sleep(_NO_MEMORY_PAUSE_S)

    return run_until_it_returns


def join_before_fork(thread: threading.Thread | None, limit_s: float) -> None:
    """Wait until a stopping thread has ended, also for the operating system. Never raises.

    `threading.Thread.join` returns shortly before the system's thread ends, and ``os.fork`` on Python ≥ 3.12 counts
    system threads.

    Args:
        thread: A thread of this package. The calling thread and None are ignored.
        limit_s: Maximum wait in seconds.
    """
    if thread is None or thread is threading.current_thread() or thread.ident is None:
        return
    thread.join(limit_s)
    if not _LEAVES_TRACE or sys.version_info < (3, 12) or thread.is_alive():
        return
    entry = f"/proc/self/task/{thread.native_id}"
    end_at = time.monotonic() + _GONE_LIMIT_S
    while os.path.exists(entry) and time.monotonic() < end_at:  # noqa: PTH110 (a Path object per check is too slow)
        time.sleep(_GONE_PAUSE_S)


def only_own_threads_besides_this() -> bool:
    """Return whether the calling thread and the package's own are the only threads that Python knows."""
    current = threading.current_thread()
    return all(thread is current or is_own_thread(thread) for thread in threading.enumerate())
