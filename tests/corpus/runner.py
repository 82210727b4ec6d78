"""Runs one program of the corpus as a service would run, in simulated minutes, and says what each detector flags.

Only the clock of the instrumentation is simulated: everything the program does is real, and every look at it is the
one that production takes, every `SCAN_STEP_S`, from another thread, while the loop is idle. Timers of the event loop
run in real time; programs use hundredths of seconds for what takes seconds in a service.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import importlib.util
import inspect
import queue
import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol
from unittest import mock

from corpus.detectors import DETECTORS, Living, identify, living_of

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import tasks as task_hooks
from opentelemetry.instrumentation.concurrency.record import threads as thread_hooks

HERE = Path(__file__).parent
MINUTE = 60.0
SCAN_STEP_S = 20.0
"""Simulated seconds between two looks; also the scan interval that the instrumentation is told."""
FIRST_REQUEST_AT = 2 * MINUTE
LAST_REQUEST_AT = 10 * MINUTE
LOOK_AT = 20 * MINUTE

Loop = Literal["asyncio", "uvloop"]


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


class Park:
    """What a program is given: requests, passing time, and the moment at which somebody looks.

    Attributes:
        living: After the look, every task and thread that lived then.
        flagged: After the look, what each detector and peer flagged, by name.
    """

    def __init__(self, clock: SimulatedTime, watcher: _Watcher, peers: Sequence[Peer] = ()) -> None:
        self._clock = clock
        self._watcher = watcher
        self._peers = peers
        self._open_requests: set[asyncio.Task[Any]] = set()
        self.living: list[Living] = []
        self.flagged: dict[str, set[Living]] = {}

    async def __call__(self, *, at: float | None = LOOK_AT) -> None:
        """Let time pass until minute 20 (or ``at`` seconds; None for now), and have the detectors look."""
        await _settle()
        if at is not None and at > self._clock.elapsed:
            await self.advance(at - self._clock.elapsed)
        await _settle()
        flagged = await self.ask_peers()
        await self._watcher.do(self._look)
        self.flagged.update(flagged)

    async def ask_peers(self) -> dict[str, set[Living]]:
        """Return what the other tools take for leaks now."""
        return {peer.name: identify(current_installation(), await peer.leaked()) for peer in self._peers}

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
        gap = (end - begin) / max(count - 1, 1)
        for number in range(count):
            due = begin + number * gap - self._clock.elapsed
            if due > 0:
                await self.advance(due)
            if inspect.iscoroutinefunction(handle):
                await self._ask(handle, number, patience)
            else:
                await self._ask_thread(handle, number, patience)

    async def _ask(self, handle: Callable[[int], Awaitable[Any]], number: int, patience: float) -> None:
        made: list[asyncio.Task[Any]] = []
        asyncio.get_running_loop().call_soon(accept_request, self._open_requests, made, handle, number)
        await asyncio.sleep(0)
        task = made.pop()
        for _ in range(20):
            if task.done():
                return
            await asyncio.sleep(0)
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
            await asyncio.wait_for(done.wait(), patience)
        except asyncio.TimeoutError:
            return

    def _pass(self, seconds: float) -> None:
        while seconds > 0:
            step = min(seconds, SCAN_STEP_S)
            seconds -= step
            self._clock.jump(step)
            current_installation().census.look()

    def _look(self) -> None:
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


@dataclass
class Run:
    """What came out of one program.

    Attributes:
        program: Name of the program.
        expected: Its ``EXPECTED``; empty for a healthy one.
        dragged: Its ``DRAGGED``.
        is_orphan: Whether what it leaks has outlived its creator: no ``NO_ORPHAN``.
        counts: How many leaked ones there should be at each site of ``expected``.
        living: Every task and thread at the look.
        flagged: What each detector and peer flagged.
        flagged_at_end: What each peer flagged when ``main`` had stopped what it stops.
    """

    program: str
    expected: dict[str, str]
    dragged: frozenset[str]
    counts: dict[str, int]
    is_orphan: bool = True
    living: list[Living] = field(default_factory=list)
    flagged: dict[str, set[Living]] = field(default_factory=dict)
    flagged_at_end: dict[str, set[Living]] = field(default_factory=dict)

    def count(self, detector: str, function: str) -> int:
        """Return how many of a creation site a detector flagged."""
        return sum(one.function == function for one in self.flagged.get(detector, ()))

    def false_alarms(self, detector: str) -> set[Living]:
        """Return what a detector flagged that is no leak."""
        return {
            one
            for one in self.flagged.get(detector, ())
            if one.function not in self.expected and one.function not in self.dragged
        }


def programs(folder: str) -> list[Path]:
    """Return the programs of ``leaking`` or ``healthy``."""
    return sorted(path for path in (HERE / folder).glob("*.py") if not path.stem.startswith("_"))


def obstacle(path: Path, loop: Loop = "asyncio") -> str:
    """Return why a program cannot run here, without importing it; empty if it can."""
    source = path.read_text()
    since = _constant(source, "SINCE", (3, 10))
    if sys.version_info < since:
        return f"needs Python {'.'.join(map(str, since))}"
    if loop == "uvloop" and _constant(source, "ASYNCIO_ONLY", False):
        return "not on uvloop"
    if sys.platform == "win32" and _constant(source, "POSIX", False):
        return "needs POSIX"
    missing = [module for module in _constant(source, "NEEDS", ()) if importlib.util.find_spec(module) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def _constant(source: str, name: str, default: Any) -> Any:
    found = re.search(rf"^{name} = (.*?)(?:  #.*)?$", source, re.MULTILINE)
    return ast.literal_eval(found.group(1)) if found else default


def run(
    path: Path,
    loop: Loop = "asyncio",
    *,
    peers: Sequence[Peer] = (),
    during: Callable[[Coroutine[Any, Any, None]], AbstractContextManager[Any]] = nullcontext,
    **settings: Any,
) -> Run:
    """Run one program in a fresh loop, instrumented, and return what was found.

    Args:
        path: The program.
        loop: Which event loop.
        peers: Other tools to ask as well.
        during: Given the program's ``main``, what is entered while that runs.
        settings: Settings of the instrumentation, over those of the corpus.
    """
    clock = SimulatedTime()
    with _watcher() as watcher, _instrumented(clock, settings), _loaded(path) as program:
        expected = dict(getattr(program, "EXPECTED", {}))
        count = getattr(program, "COUNT", 1)
        result = Run(
            path.stem,
            expected,
            frozenset(getattr(program, "DRAGGED", ())),
            dict(count) if isinstance(count, dict) else dict.fromkeys(expected, count),
            is_orphan=not hasattr(program, "NO_ORPHAN"),
        )
        park = Park(clock, watcher, peers)

        async def main() -> None:
            for peer in peers:
                await peer.start()
            life = program.main(park)
            with during(life):
                await life
            result.flagged_at_end = await park.ask_peers()

        _run_main(main, loop)
        result.living, result.flagged = park.living, park.flagged
    return result


def _run_main(main: Callable[[], Coroutine[Any, Any, None]], kind: Loop) -> None:
    loop = _new_loop(kind)
    # What leaks is destroyed at the end; that is no news here.
    loop.set_exception_handler(lambda *_: None)
    try:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main())
    finally:
        try:
            _end(loop)
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """End what is left; unlike ``asyncio.run`` this gets over tasks that await each other and cannot be cancelled."""
    left = set()
    for task in asyncio.all_tasks(loop):
        try:
            task.cancel()
        except RecursionError:
            continue
        left.add(task)
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=0.2))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())


def _new_loop(kind: Loop) -> asyncio.AbstractEventLoop:
    if kind == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class _Watcher:
    """The thread that looks while the program is suspended, as the census' own does."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="watcher", daemon=True)

    async def do(self, job: Callable[[], None]) -> None:
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
        self._jobs.put(None)
        self.thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job


@contextmanager
def _watcher() -> Iterator[_Watcher]:
    watcher = _Watcher()
    watcher.thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()


@contextmanager
def _instrumented(clock: SimulatedTime, settings: dict[str, Any]) -> Iterator[None]:
    instrumentor = ConcurrencyInstrumentor()
    corpus_settings = {
        "metrics": "none",
        "reports": "none",
        "scan_interval": SCAN_STEP_S,
        "eventloop_delay_disabled": True,
        "agent_disabled": True,
        "stack_sampling": 0,
    }
    instrumentor.instrument(**{**corpus_settings, **settings})
    try:
        # Creations are stamped and ages told by one clock; this is where it comes in.
        with (
            mock.patch.object(task_hooks, "monotonic", clock.monotonic),
            mock.patch.object(thread_hooks, "monotonic", clock.monotonic),
            mock.patch.object(current_installation().census.clock, "_monotonic", clock.monotonic),
        ):
            yield
    finally:
        instrumentor.uninstrument()


@contextmanager
def _loaded(path: Path) -> Iterator[ModuleType]:
    """Import a program afresh, and forget it and what it held afterwards."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    program = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = program
    try:
        spec.loader.exec_module(program)
        yield program
    finally:
        del sys.modules[path.stem]
