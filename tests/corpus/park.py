"""What a program of the corpus is given: simulated minutes, requests, and somebody who looks.

Only the clock of the instrumentation is simulated: every look is the one that production takes, every `SCAN_STEP_S`,
from another thread, while the loop is idle.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from corpus.detectors import DETECTORS, Living, identify, living_of

from opentelemetry.instrumentation.concurrency.instrumentor import current_installation

MINUTE = 60.0
SCAN_STEP_S = 20.0
"""Simulated seconds between two looks; also the scan interval that the instrumentation is told."""
FIRST_REQUEST_AT = 2 * MINUTE
LAST_REQUEST_AT = 10 * MINUTE
LOOK_AT = 20 * MINUTE
CLOSE_TOGETHER_S = 5.0
"""Requests that follow each other faster come in bursts, one a minute."""


class SimulatedTime:
    """Monotonic time that jumps when told to."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._ahead = 0.0

    def monotonic(self) -> float:
        """Return the seconds of `time.monotonic` plus all jumps."""
        return time.monotonic() + self._ahead

    def jump(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._ahead += seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the service started."""
        return self.monotonic() - self._began


class Peer(Protocol):
    """Another tool, watching a program from its start.

    Attributes:
        name: The name of its column.
    """

    name: str

    async def start(self) -> None:
        """Begin to watch; called in the program's main task."""

    async def leaked(self) -> list[Any]:
        """Return the tasks and threads that it takes for leaks now; called in the program's main task."""

    def shown_frames(self, found: Any) -> list[tuple[str, int]]:
        """Return path and line of each frame of the creation that its output shows, innermost first."""


class Park:
    """What a program is given: requests, passing time, and the moment at which somebody looks.

    Args:
        clock: The clock of the instrumentation.
        watcher: The thread that looks.
        peers: Other tools to ask as well.
        count: How many requests come from minute 2 on; None for as many as the program asks for.

    Attributes:
        living: After the look, every task and thread that lived then.
        flagged: After the look, what each detector and peer flagged, by name.
        shown_frames: The frames that a peer shows for each one that it flagged, by its name.
    """

    def __init__(
        self, clock: SimulatedTime, watcher: Watcher, peers: Sequence[Peer] = (), count: int | None = None
    ) -> None:
        self._clock = clock
        self._count = count
        self._watcher = watcher
        self._peers = peers
        self._open_requests: set[asyncio.Task[Any]] = set()
        self.living: list[Living] = []
        self.flagged: dict[str, set[Living]] = {}
        self.shown_frames: dict[str, dict[Living, list[tuple[str, int]]]] = {peer.name: {} for peer in peers}

    async def __call__(self, *, at: float | None = LOOK_AT) -> None:
        """Let time pass until minute 20 (or ``at`` seconds; None for now), and have the detectors look."""
        await _settle()
        if at is not None and at > self._clock.elapsed:
            await self.advance(at - self._clock.elapsed)
        await _settle()
        flagged = await self.ask_peers()
        await self._watcher.do(self._scan)
        self.flagged.update(flagged)

    async def ask_peers(self) -> dict[str, set[Living]]:
        """Return what the other tools take for leaks now."""
        flagged = {}
        for peer in self._peers:
            found = identify(current_installation(), await peer.leaked())
            flagged[peer.name] = {living for living, _ in found}
            self.shown_frames[peer.name].update((living, peer.shown_frames(one)) for living, one in found)
        return flagged

    async def advance(self, seconds: float) -> None:
        """Let ``seconds`` of service time pass; the census looks as often as it would in production."""
        await _settle()
        await self._watcher.do(lambda: self._pass(seconds))

    async def requests(
        self,
        handle: Callable[[int], Any],
        count: int = 5,
        *,
        begin: float = FIRST_REQUEST_AT,
        end: float = LAST_REQUEST_AT,
        patience: float = 0.05,
    ) -> None:
        """Call ``handle(number)`` once a request, evenly spread from minute 2 to minute 10.

        A coroutine function runs as a server runs it: a task of its own, made by a callback of the loop, held in a set
        until it is done. Any other function runs in a thread of its own. What a request raises is its own affair.

        Args:
            handle: The handler.
            count: How many requests.
            begin: Service time of the first, in seconds.
            end: Service time of the last, in seconds.
            patience: Real seconds to wait for one request before the next may come.
        """
        if self._count is not None and begin == FIRST_REQUEST_AT:
            count = self._count
        gap = (end - begin) / max(count - 1, 1)
        comes_in_bursts = gap < CLOSE_TOGETHER_S
        for number in range(count):
            due = begin + number * gap - self._clock.elapsed
            if due > (MINUTE if comes_in_bursts else 0):
                await self._wait_for_requests(patience)
                await self.advance(due)
            if not inspect.iscoroutinefunction(handle):
                await self._ask_thread(handle, number, patience)
            else:
                await self._ask(handle, number, 0 if comes_in_bursts else patience)
        await self._wait_for_requests(patience)

    async def _wait_for_requests(self, patience: float) -> None:
        if self._open_requests:
            await asyncio.wait(self._open_requests, timeout=patience)

    async def _ask(self, handle: Callable[[int], Awaitable[Any]], number: int, patience: float) -> None:
        made: list[asyncio.Task[Any]] = []
        asyncio.get_running_loop().call_soon(accept_request, self._open_requests, made, handle, number)
        await asyncio.sleep(0)
        task = made.pop()
        for _ in range(20):
            if task.done():
                return
            await asyncio.sleep(0)
        if patience:
            await asyncio.wait({task}, timeout=patience)

    async def _ask_thread(self, handle: Callable[[int], Any], number: int, patience: float) -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def serve() -> None:
            try:
                handle(number)
            finally:
                # A request that hung may end after its service.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(done.set)

        loop.call_soon(accept_in_thread, serve)
        try:
            # On a busy machine a thread may be left standing between its start and its record for longer than a look of
            # this simulated time takes.
            await asyncio.wait_for(done.wait(), 5 * patience)
        except asyncio.TimeoutError:
            return

    def _pass(self, seconds: float) -> None:
        while seconds > 0:
            step = min(seconds, SCAN_STEP_S)
            seconds -= step
            self._clock.jump(step)
            current_installation().census.scan()

    def _scan(self) -> None:
        gc.collect()
        installation = current_installation()
        # Two looks after the collection, so that what it ended is out of the columns.
        self._pass(2 * SCAN_STEP_S)
        with installation.census.locked():
            self.living = living_of(installation.census)
        self.flagged = {name: detect(installation) for name, detect in DETECTORS.items()}


def accept_request(
    held: set[asyncio.Task[Any]], made: list[asyncio.Task[Any]], handle: Callable[[int], Awaitable[Any]], number: int
) -> None:
    """Start a request, as a protocol's ``data_received`` does."""
    task = asyncio.get_running_loop().create_task(handle(number))
    held.add(task)
    task.add_done_callback(held.discard)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    made.append(task)


def accept_in_thread(serve: Callable[[], None]) -> None:
    """Start a request, as a threading server does."""
    threading.Thread(target=serve, name="request", daemon=True).start()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Watcher:
    """The thread that looks while the program is suspended, as the census' own does."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="watcher", daemon=True)

    async def do(self, job: Callable[[], None]) -> None:
        """Run a job in the thread, and return when it is done or raise what it raised."""
        loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def task() -> None:
            try:
                job()
            except BaseException as error:
                loop.call_soon_threadsafe(done.set_exception, error)
            else:
                loop.call_soon_threadsafe(done.set_result, None)

        self._jobs.put(task)
        await done

    def stop(self) -> None:
        """End the thread after the last job."""
        self._jobs.put(None)
        self.thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job


@contextmanager
def watching() -> Iterator[Watcher]:
    """Let a `Watcher` run inside the block."""
    watcher = Watcher()
    watcher.thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()
