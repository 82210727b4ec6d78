"""Detection of leaked asyncio tasks and threads in running services.

    Each leak is attributed to the line that created it::

        from opentelemetry.instrumentation.concurrency import ConcurrencyInstrumentor

        ConcurrencyInstrumentor().instrument()

    Without a change to the code: ``opentelemetry-instrument python app.py``.
The packages, in the direction of the data. Each imports only from those above it, which ``make lint`` enforces:

* ``record/`` records each creation on the application's path: the site, the time, the creator;
* ``census/`` finds the live tasks and threads, from one daemon thread;
* ``diagnose/`` turns scans into verdicts with evidence;
* ``snapshot/`` takes a picture of all live tasks and threads, and writes and reads it as JSON;
* ``report/`` sends findings as metrics, span events and log records;
* ``render/`` turns values into text, pprof, folded stacks and differences;
* ``live_process.py`` is the only access to the live tasks and threads, ``live_profile.py`` writes their profiles, and
  ``instrumented.py`` holds the currently instrumented process;
* ``serve/`` and ``agent/`` answer over HTTP and to the command line, ``cli/`` is the command line;
* ``installation.py`` connects all of these, ``instrumentor.py`` and ``attached.py`` install and remove it, and
  ``settings.py`` defines the settings;
* ``otlp_exporters.py`` and ``setup_warning.py`` deal with missing exporters and a missing SDK;
* ``testing/`` fails tests that leak tasks or threads.

The names listed in this module are public; the packages may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .census.counts import LiveCounts as LiveCounts
    from .instrumentor import ConcurrencyInstrumentor as ConcurrencyInstrumentor
    from .record.long_lived import long_lived as long_lived
    from .snapshot.values import Snapshot as Snapshot
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

# Imported on access: the pytest plugin, which every test run in the environment loads, costs nothing while it is off,
# and a service never loads code for tests.
_HOME: Final = {
    "ConcurrencyInstrumentor": ".instrumentor",
    "LeakError": ".testing.leak_error",
    "LiveCounts": ".census.counts",
    "Snapshot": ".snapshot.values",
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
    """Count live tasks and threads, like ``runtime.NumGoroutine`` in Go; exact at the moment of the call.

    Works whether or not the process is instrumented. Without instrumentation, only tasks of the running loop are
    counted on Python ≥ 3.14.

    Returns:
        ``LiveCounts(tasks, threads)``: the pending asyncio tasks of all event loops, and the live threads without
        those of this package.

    Cost: O(live tasks), about 50 ns each.
    """
    from .census.counts import count_live
    from .instrumented import current_process

    process = current_process()
    return process.live.counts() if process is not None else count_live(None)


def take_snapshot() -> Snapshot:
    """Return a snapshot of all live tasks and threads, grouped by creation site and by stack.

    The snapshot is weakly consistent: each task is seen once, but not all at the same instant. It is immutable and
    keeps no task, thread or frame alive.

    Raises:
        RuntimeError: The process is not instrumented, so that creation sites are unknown.

    Cost: about 10 µs per task, in the calling thread.
    """
    from .instrumented import required_process

    return required_process("take_snapshot()").live.take_snapshot()


def write_profile(name: str, stream: Any, debug: int = 1) -> None:
    """Write a profile of the live tasks or threads, like ``runtime/pprof.Lookup(name).WriteTo`` in Go.

    Args:
        name: ``task``, ``thread``, or ``taskleak``: only tasks with a verdict, after a proof over all suspended tasks.
        stream: An object with ``write()`` for text or bytes; for bytes if ``debug=0``.
        debug: 0: gzip-compressed protobuf for ``go tool pprof``; 1: text with one block per group of similar tasks,
            largest first; 2: text with each task or thread in full.

    Raises:
        ValueError: The name or form is unknown.
        TypeError: The stream does not accept the form.
        RuntimeError: The process is not instrumented, so that creation sites are unknown.

    Cost: about 10 µs per task in the calling thread, 25 µs in full, and another 100 µs for ``taskleak``; the text is
    never in memory as a whole. An event loop of the calling thread does not run meanwhile: with many tasks, call this
    through `asyncio.to_thread`, which lets the loop run.
    """
    from .instrumented import required_process
    from .live_profile import check_profile
    from .live_profile import write_profile as write

    check_profile(name, debug)
    write(required_process("write_profile()").live, name, stream, debug)
