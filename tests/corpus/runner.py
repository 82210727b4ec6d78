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
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from unittest import mock

from corpus.detectors import Living
from corpus.lines import Mark, marked_lines
from corpus.park import SCAN_STEP_S, Park, Peer, SimulatedTime, watching

from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor
from opentelemetry.instrumentation.concurrency.instrumentor import current_installation
from opentelemetry.instrumentation.concurrency.record import compiled
from opentelemetry.instrumentation.concurrency.record import tasks as task_hooks
from opentelemetry.instrumentation.concurrency.record import threads as thread_hooks

HERE = Path(__file__).parent
LIBRARIES = str(HERE / "site-packages")
PARK = str(HERE / "park.py")
REQUESTS = frozenset({"accept_request", "accept_in_thread"})
"""The functions of `corpus.park` that start requests: sites of requests that leak themselves."""
Loop = Literal["asyncio", "uvloop"]


@dataclass
class Run:
    """What came out of one program.

    Attributes:
        program: Name of the program.
        expected: Its ``EXPECTED``; empty for a healthy one.
        dragged: Its ``DRAGGED``.
        is_orphan: Whether what it leaks has outlived its creator: no ``NO_ORPHAN``.
        path: The file of the program.
        runs: Its ``RUNS``: what leaks at some of the sites of ``expected`` runs one of these functions.
        counts: How many leaked ones there should be at each site of ``expected``.
        created_at: Lines of the program that created something or called the function that did, living or not.
        living: Every task and thread at the look.
        flagged: What each detector and peer flagged.
        flagged_at_end: What each peer flagged when ``main`` had stopped what it stops.
        shown_frames: Path and line of the frames that each peer shows for what it flagged, innermost first.
    """

    program: str
    expected: dict[str, str]
    dragged: frozenset[str]
    counts: dict[str, int]
    is_orphan: bool = True
    path: str = ""
    runs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    created_at: frozenset[int] = frozenset()
    living: list[Living] = field(default_factory=list)
    flagged: dict[str, set[Living]] = field(default_factory=dict)
    flagged_at_end: dict[str, set[Living]] = field(default_factory=dict)
    shown_frames: dict[str, dict[Living, list[tuple[str, int]]]] = field(default_factory=dict)

    def count(self, detector: str, function: str) -> int:
        """Return how many of the leak of a creating function a detector flagged."""
        return sum(one.function == function and self.is_leak(one) for one in self.flagged.get(detector, ()))

    def live(self, function: str) -> int:
        """Return how many of the leak of a creating function live."""
        return sum(one.function == function and self.is_leak(one) for one in self.living)

    def is_leak(self, living: Living) -> bool:
        """Return whether something living is what the program leaks: by creating function, line, and what it runs."""
        if living.function not in self.expected or self.mark_of(living) == "innocent":
            return False
        runs = self.runs.get(living.function)
        return runs is None or living.runs.removeprefix(f"{self.program}.") in runs

    def mark_of(self, living: Living) -> Mark | None:
        """Return the mark of the line that created something, or None if that line has no mark.

        Where a plain function creates for healthy and leaking callers, the line of the caller tells: ``# innocent``
        there goes before the mark of the creating line.
        """
        path = Path(living.path)
        if HERE not in path.parents:
            return None
        marks = marked_lines(path)
        if living.caller in marks["innocent"]:
            return "innocent"
        return next((mark for mark, lines in marks.items() if living.line in lines), None)

    def false_alarms(self, detector: str) -> set[Living]:
        """Return what a detector flagged that is not a leak."""
        return {one for one in self.flagged.get(detector, ()) if self.is_healthy(one)}

    def is_healthy(self, living: Living) -> bool:
        """Return whether something living is neither a leak nor dragged along by one."""
        is_dragged = living.function in self.dragged and self.mark_of(living) != "innocent"
        return not self.is_leak(living) and not is_dragged

    def wrong_lines(self, detector: str) -> set[Living]:
        """Return the leaked ones that a detector flagged at another line than a ``# guilty`` one.

        Empty for a program without marks. A request that leaks itself was created by the runner, and its line is right.
        """
        if not marked_lines(Path(self.path))["guilty"]:
            return set()
        return {
            one
            for one in self.flagged.get(detector, ())
            if self.is_leak(one) and one.path != PARK and self.mark_of(one) != "guilty"
        }

    def unmarked_lines(self) -> set[int]:
        """Return the lines of the program that created something living and have no mark, ``DRAGGED`` ones left out."""
        return {
            one.line
            for one in self.living
            if one.path == self.path and one.function not in self.dragged and self.mark_of(one) is None
        }

    def leaking_lines(self, detectors: Iterable[str]) -> set[int]:
        """Return the lines of the program at which any of some detectors flagged a leak."""
        return {
            one.line
            for detector in detectors
            for one in self.flagged.get(detector, ())
            if one.path == self.path and self.is_leak(one)
        }


def programs(folder: str) -> list[Path]:
    """Return the programs of ``leaking``, ``healthy`` or ``further``."""
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


def constant(path: Path, name: str, default: Any) -> Any:
    """Return a literal constant of a program, without importing it.

    Args:
        path: The program.
        name: The name of the constant.
        default: What to return if the program has no such constant.
    """
    return _constant(path.read_text(), name, default)


def _constant(source: str, name: str, default: Any) -> Any:
    found = re.search(rf"^{name} = (.*?)(?:  #.*)?$", source, re.MULTILINE)
    return ast.literal_eval(found.group(1)) if found else default


def run(
    path: Path,
    loop: Loop = "asyncio",
    *,
    peers: Sequence[Peer] = (),
    count: int | None = None,
    entry: str = "main",
    during: Callable[[Coroutine[Any, Any, None]], AbstractContextManager[Any]] = nullcontext,
    **settings: Any,
) -> Run:
    """Run one program in a fresh loop, instrumented, and return what was found.

    Args:
        path: The program.
        loop: Which event loop.
        peers: Other tools to ask as well.
        count: How many requests come from minute 2 on; None for as many as the program asks for.
        entry: The coroutine function of the program to run; programs with a healthy twin have two.
        during: Given the program's ``main``, what is entered while that runs.
        settings: Settings of the instrumentation, over those of the corpus.
    """
    clock = SimulatedTime()
    settings = {**constant(path, "SETTINGS", {}), **settings}
    with watching() as watcher, instrumented(clock, settings), _loaded(path) as program:
        expected = dict(getattr(program, "EXPECTED", {}))
        leaked = getattr(program, "COUNT", 1)
        runs = getattr(program, "RUNS", {})
        result = Run(
            path.stem,
            expected,
            frozenset(getattr(program, "DRAGGED", ())),
            dict(leaked) if isinstance(leaked, dict) else dict.fromkeys(expected, leaked),
            is_orphan=not hasattr(program, "NO_ORPHAN"),
            path=str(path),
            runs={function: (name,) if isinstance(name, str) else tuple(name) for function, name in runs.items()},
        )
        park = Park(clock, watcher, peers, count)

        async def main() -> None:
            for peer in peers:
                await peer.start()
            life = getattr(program, entry)(park)
            with during(life):
                await life
            result.flagged_at_end = await park.ask_peers()

        run_main(main, loop, getattr(program, "loop_class", None))
        result.living, result.flagged, result.shown_frames = park.living, park.flagged, park.shown_frames
        result.created_at = frozenset(_creating_lines(result.path))
    return result


def _creating_lines(path: str) -> Iterator[int]:
    """Yield the lines of a file that created tasks or threads, and those that called the functions that did."""
    recorder = current_installation().census.recorder
    for site in (*recorder.task_sites.sites, *recorder.thread_sites.sites):
        if site.created and site.path == path:
            yield site.line
        if site.created and site.caller is not None and site.caller.path == path:
            yield site.caller.line


LoopClass = type[asyncio.AbstractEventLoop]


def run_main(
    main: Callable[[], Coroutine[Any, Any, None]],
    kind: Loop,
    loop_class: Callable[[LoopClass], LoopClass] | None = None,
) -> None:
    """Run ``main`` in a new loop.

    Args:
        main: The coroutine function to run.
        kind: The library whose loop it is.
        loop_class: Given the class of that loop, the class to use instead.
    """
    loop = _new_loop(kind)
    if loop_class is not None:
        plain, loop = loop, loop_class(type(loop))()
        plain.close()
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
    # The compiled recorder takes its clock when it is installed.
    with mock.patch.object(compiled, "monotonic", clock.monotonic):
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
    sys.path.append(LIBRARIES)
    try:
        spec.loader.exec_module(program)
        yield program
    finally:
        sys.path.remove(LIBRARIES)
        del sys.modules[path.stem]
