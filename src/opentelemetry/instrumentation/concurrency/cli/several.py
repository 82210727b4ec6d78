"""Concurrent requests to several processes.

Processes that do not answer are reported on standard error, and the exit code is 3.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, Generic, TypeVar

from .failures import FINE, UNREACHABLE, CommandError
from .left_out import some_of
from .sources import ProcessSource
from .terminal import Progress, progress, say

AT_ONCE: Final = 16
_TICK_S: Final = 0.5
_NAMED: Final = 4

S = TypeVar("S")
T = TypeVar("T")


class Asked(Generic[S, T]):
    """The answers of several sources, in the order of arrival.

    A single source is queried directly: its failure is the failure of the command.

    Args:
        found: The sources.
        ask: Queries one source, in its own thread; raises `CommandError` if it does not answer.

    Attributes:
        missing: Number of sources that did not answer; each was reported on standard error.
    """

    def __init__(self, found: Sequence[S], ask: Callable[[S], T]) -> None:
        self.missing = 0
        self._found = found
        self._ask = ask

    @property
    def exit_code(self) -> int:
        """The exit code of the command, unless it has a reason for another one."""
        return UNREACHABLE if self.missing else FINE

    def __iter__(self) -> Iterator[tuple[S, T]]:
        """Yield sources with their answers, in the order of arrival.

        Raises:
            CommandError: If there is only one source and it does not answer.
        """
        if len(self._found) == 1:
            yield self._found[0], self._ask(self._found[0])
            return
        for number, answer in self._answers():
            yield self._found[number], answer

    def in_order(self) -> list[tuple[S, T]]:
        """Wait for all sources and return those that answered, with their answers, in the original order."""
        answered = list(self)
        order = {id(source): number for number, source in enumerate(self._found)}
        return sorted(answered, key=lambda pair: order[id(pair[0])])

    def _answers(self) -> Iterator[tuple[int, T]]:
        waiting = deque(enumerate(self._found))
        outcomes: queue.SimpleQueue[tuple[int, T | Exception]] = queue.SimpleQueue()
        for _ in range(min(AT_ONCE, len(waiting))):
            # Daemon threads: Ctrl-C does not wait for a process that does not answer.
            threading.Thread(target=_work, args=(waiting, self._ask, outcomes), daemon=True).start()
        open_numbers = set(range(len(self._found)))
        began = time.monotonic()
        while open_numbers:
            labels = [str(getattr(self._found[each], "label", each)) for each in sorted(open_numbers)]
            with progress(f"Waiting for {len(labels)} of {len(self._found)}: {some_of(labels, _NAMED)}") as on:
                number, outcome = _next(outcomes, began, on)
            open_numbers.discard(number)
            if isinstance(outcome, CommandError):
                self.missing += 1
                say(f"otel-concurrency: {outcome}")
            elif isinstance(outcome, Exception):
                raise outcome
            else:
                yield number, outcome


def _work(
    waiting: deque[tuple[int, S]],
    ask: Callable[[S], T],
    outcomes: queue.SimpleQueue[tuple[int, T | Exception]],
) -> None:
    while waiting:
        try:
            number, source = waiting.popleft()
        except IndexError:
            # Another thread took the last one.
            return
        if isinstance(source, ProcessSource):
            source = replace(source, among_others=True)
        try:
            outcomes.put((number, ask(source)))
        except Exception as error:  # noqa: BLE001 (raised again or reported where the answers are read)
            outcomes.put((number, error))


def _next(
    outcomes: queue.SimpleQueue[tuple[int, T | Exception]], began: float, on: Progress
) -> tuple[int, T | Exception]:
    while True:
        try:
            return outcomes.get(timeout=_TICK_S)
        except queue.Empty:
            on(time.monotonic() - began, 0)
