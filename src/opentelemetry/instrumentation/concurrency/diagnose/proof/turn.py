"""One proof at a time: a proof would take the references of another one to tasks for the application's.

A proof beside another one is not wrong, but it misses verdicts. Nothing therefore waits forever, and a turn that is
never given back stops no later proof.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_WAIT_S: Final = 30.0
_MOST_POSTPONED: Final = 5


class Turn:
    """The right to run a proof. New in a forked child, like the object that has it."""

    def __init__(self) -> None:
        # Reentrant, because a signal handler may write a profile during a proof of the same thread.
        self._lock = threading.RLock()
        self._postponed = 0

    @contextmanager
    def wait(self, timeout_s: float = _WAIT_S) -> Iterator[None]:
        """Hold the turn, or go on without it after ``timeout_s`` seconds."""
        held = self._lock.acquire(timeout=timeout_s)
        try:
            yield
        finally:
            if held:
                self._lock.release()

    @contextmanager
    def attempt(self) -> Iterator[bool]:
        """Hold the turn if it is free. Yields whether a proof may run: it is postponed a few times at most."""
        held = self._lock.acquire(blocking=False)
        self._postponed = 0 if held else self._postponed + 1
        try:
            yield held or self._postponed > _MOST_POSTPONED
        finally:
            if held:
                self._lock.release()
