"""Runs one program of the corpus as a service would run, in simulated minutes, and says what each detector flags.

Only the clock of the instrumentation is simulated: everything the program does is real, and every look at it is the
one that production takes, every `SCAN_STEP_S`, from another thread, while the loop is idle. Timers of the event loop
run in real time; programs use hundredths of seconds for what takes seconds in a service.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import re
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from unittest import mock

from corpus.detectors import Living
from corpus.park import SCAN_STEP_S, Park, Peer, SimulatedTime, watching

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import tasks as task_hooks
from opentelemetry.instrumentation.concurrency.record import threads as thread_hooks

HERE = Path(__file__).parent
Loop = Literal["asyncio", "uvloop"]


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
    return f"could not import {', '.join(missing)}" if missing else ""


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
    with watching() as watcher, instrumented(clock, settings), _loaded(path) as program:
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

        run_main(main, loop)
        result.living, result.flagged = park.living, park.flagged
    return result


def run_main(main: Callable[[], Coroutine[Any, Any, None]], kind: Loop) -> None:
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


@contextmanager
def instrumented(clock: SimulatedTime, settings: dict[str, Any]) -> Iterator[None]:
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
