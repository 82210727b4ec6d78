"""Finds leaked asyncio tasks and threads in running services, by the line that created them.

    from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

    ConcurrencyInstrumentor().instrument()

or, without a change to the code, ``opentelemetry-instrument python app.py``.

The map of the house, in the direction of the data; imports go against it only:

* ``record/`` notes each creation on the application's path: the line, the time, the creator;
* ``census/`` finds what is alive, from one daemon thread;
* ``diagnose/`` turns that into verdicts with evidence;
* ``report/`` sends them as metrics, span events and log records;
* ``render/`` shows them to people and tools: text, pprof, JSON, folded stacks, differences;
* ``testing/`` fails the test that leaves something behind;
* ``installation.py`` wires the first four, ``instrumentor.py`` puts them in and takes them out,
  ``settings.py`` says what can be set.

Public is what this module lists; the folders are free to change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .census.counts import LiveCounts as LiveCounts
    from .census.snapshot import Snapshot as Snapshot
    from .instrumentor import ConcurrencyInstrumentor as ConcurrencyInstrumentor
    from .record.long_lived import long_lived as long_lived
    from .testing.leak_check import check_leaks as check_leaks
    from .testing.leak_error import LeakError as LeakError

__all__ = [
    "ConcurrencyInstrumentor",
    "LeakError",
    "LiveCounts",
    "Snapshot",
    "check_leaks",
    "live_counts",
    "long_lived",
    "take_snapshot",
    "write_profile",
]

# Imported when asked for: the pytest plugin, which every test run in the environment loads, costs nothing while it is
# off, and a service never loads what is for tests.
_HOME: Final = {
    "ConcurrencyInstrumentor": ".instrumentor",
    "LeakError": ".testing.leak_error",
    "LiveCounts": ".census.counts",
    "Snapshot": ".census.snapshot",
    "check_leaks": ".testing.leak_check",
    "long_lived": ".record.long_lived",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOME[name], __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def live_counts() -> LiveCounts:
    """Count living tasks and threads, as ``runtime.NumGoroutine`` does for Go; exact at the moment of the call.

    Works whether or not the process is instrumented; without instrumentation tasks on Python ≥ 3.14 are those of the
    running loop alone.

    Returns:
        ``LiveCounts(tasks, threads)``: asyncio tasks of all event loops that are not done, and living threads.

    Cost: O(living tasks), about 50 ns each.
    """
    from .census.counts import count_live
    from .instrumentor import current_installation

    installation = current_installation()
    return installation.live_counts() if installation is not None else count_live(None)


def take_snapshot() -> Snapshot:
    """Picture every living task and thread, grouped by creation site and by stack.

    The picture is weakly consistent: each task is seen once, not all at one instant. It is frozen and holds no task,
    thread or frame alive.

    Raises:
        RuntimeError: If the process is not instrumented, so that nothing is known about creation sites.

    Cost: about 10 µs a task, in the calling thread.
    """
    from .instrumentor import current_installation

    installation = current_installation()
    if installation is None:
        message = (
            "take_snapshot() needs the instrumentation: call ConcurrencyInstrumentor().instrument() first, "
            "or start the program with opentelemetry-instrument."
        )
        raise RuntimeError(message)
    return installation.take_snapshot()


def write_profile(name: str, stream: Any, debug: int = 1) -> None:
    """Write a profile of the living tasks or threads, as ``runtime/pprof.Lookup(name).WriteTo`` does for Go.

    Args:
        name: ``task``, ``thread``, or ``taskleak``: only tasks with a verdict, after a proof over every suspended one.
        stream: Has ``write()`` for text or for bytes; bytes for ``debug=0``.
        debug: 0: gzip-compressed protobuf for ``go tool pprof``; 1: text, one block for all that are alike, most
            first; 2: text, every one in full.

    Raises:
        ValueError: If the name or form is unknown.
        TypeError: If the stream can't take it.
        RuntimeError: If the process is not instrumented, so that nothing is known about creation sites.

    Cost: about 10 µs a task in the calling thread, 25 µs in full; the text is never held as a whole. ``taskleak``:
    100 µs a task more. An event loop of the calling thread stands still meanwhile: with many tasks call it by
    `asyncio.to_thread`, which lets the loop run.
    """
    from .render.profile import write_profile as write

    write(name, stream, debug)
