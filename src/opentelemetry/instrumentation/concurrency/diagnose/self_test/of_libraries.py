"""Assumptions about the internals of uvloop, anyio, Tornado, OpenTelemetry, Celery and Dramatiq."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

from ...record.creator import raw_context
from ...record.internals.of_opentelemetry import LOGGER_LIMITS, REAL, SPAN_LIMITS, TRACER_LIMITS
from ...record.jobs import JOB_FRAMES, JobFrame
from ..introspection.loop_handles import handles_of
from ..introspection.tornado_streams import STREAM_FIELDS
from ..ownership.owners import ANYIO_HOST, ANYIO_SCOPE
from .assumption import Assumption, codes_named, has_field, library_of, mentions

_HAVE_GC: Final = 1 << 14  # Py_TPFLAGS_HAVE_GC
_SDK: Final = "opentelemetry.sdk"


def assumptions_on_libraries() -> Iterable[Assumption]:
    """Yield the assumptions about the libraries that are imported."""
    if "uvloop" in sys.modules and "asyncio" in sys.modules:
        lost = "tasks on uvloop are not proven unwakeable, or wrongly so"
        yield Assumption("uvloop", "the list of a loop's timers", lost, _uvloop_timers)
        yield Assumption("uvloop", "Loop.create_task", "tasks on uvloop have no creation site", _uvloop_create_task)
    if "anyio._backends._asyncio" in sys.modules:
        lost = "tasks of anyio's task groups may be reported as orphaned or unwakeable"
        yield Assumption("anyio", f"TaskGroup.{ANYIO_SCOPE} and CancelScope.{ANYIO_HOST}", lost, _anyio_host)
    if "tornado.iostream" in sys.modules:
        lost = "waits for Tornado's streams have the wait reason future"
        yield Assumption("tornado", f"BaseIOStream.{', '.join(STREAM_FIELDS)}", lost, _tornado_fields)
    yield from _on_opentelemetry()
    for function, frames in JOB_FRAMES.items():
        for frame in frames:
            if frame.module in sys.modules:
                yield Assumption(
                    library_of(frame.module),
                    f"the variable {frame.variable} of {function}",
                    "what a job leaves behind is not reported when the job ends",
                    partial(_has_variable, frame, function),
                )


def _has_variable(frame: JobFrame, function: str) -> bool:
    codes = codes_named(sys.modules[frame.module], function)
    return any(frame.variable in (*code.co_varnames, *code.co_cellvars) for code in codes)


def _on_opentelemetry() -> Iterable[Assumption]:
    yield Assumption("opentelemetry", "the runtime context", "recording a creation takes longer", _context)
    lost = "limits that a provider sets in code are not applied to reports"
    yield Assumption("opentelemetry", " and ".join(REAL[:2]), lost, _proxies)
    if f"{_SDK}.trace" in sys.modules:
        yield Assumption("opentelemetry", f"Tracer.{TRACER_LIMITS} and Span.{SPAN_LIMITS}", lost, _span_limits)
    if f"{_SDK}._logs._internal" in sys.modules:
        yield Assumption("opentelemetry", f"Logger.{LOGGER_LIMITS}", lost, _log_limits)


def _uvloop_timers() -> bool:
    kind: Any = sys.modules["uvloop"].Loop
    try:
        loop = kind()
    except Exception:  # noqa: BLE001 (the process may have no file descriptor left)
        return bool(kind.__flags__ & _HAVE_GC)
    try:
        timer = loop.call_later(3600, print)
        handles = handles_of(loop)
        timer_is_shown = handles is not None and any(
            each is timer for held in handles.timers for each in gc.get_referents(held)
        )
        timer.cancel()
        return timer_is_shown
    finally:
        loop.close()


def _uvloop_create_task() -> bool:
    return callable(sys.modules["uvloop"].Loop.create_task)


def _anyio_host() -> bool:
    group = sys.modules["anyio._backends._asyncio"].TaskGroup()
    return has_field(group, ANYIO_SCOPE) and has_field(getattr(group, ANYIO_SCOPE), ANYIO_HOST)


def _tornado_fields() -> bool:
    return mentions(sys.modules["tornado.iostream"].BaseIOStream.__init__, *STREAM_FIELDS)


def _context() -> bool:
    return isinstance(getattr(raw_context()[0], "__self__", None), ContextVar)


def _proxies() -> bool:
    tracer = sys.modules["opentelemetry.trace"].ProxyTracer
    logs: Any = sys.modules.get("opentelemetry._logs._internal")
    return mentions(tracer.__init__, REAL[0]) and (logs is None or mentions(logs.ProxyLogger.__init__, REAL[1]))


def _span_limits() -> bool:
    module = sys.modules[f"{_SDK}.trace"]
    return mentions(module.Tracer.__init__, TRACER_LIMITS) and mentions(module.Span.__init__, SPAN_LIMITS)


def _log_limits() -> bool:
    return mentions(sys.modules[f"{_SDK}._logs._internal"].Logger.__init__, LOGGER_LIMITS)
