"""Wrappers of other instrumentations around coroutines and thread targets.

No code of the application waits or runs in such a frame. Stacks include them; names, waiting places and fingerprints
omit them, so that they are the same with and without the instrumentation.
"""

from __future__ import annotations

from typing import Final

WRAPPER_COROUTINES: Final = frozenset(
    {
        ("opentelemetry", "trace_coroutine"),
        ("anyio", "_run_coro"),
        ("anyio", "_run_wrapped_task"),
        ("uvloop", "wrapper"),
        ("sentry_sdk", "_task_with_sentry_span_creation"),
        ("aiomonitor", "_coro_wrapper"),
        ("ddtrace", "traced_coro"),
    }
)
"""Top-level package and function name of coroutines that only await the coroutine passed to them."""
_INSTRUMENTATIONS: Final = (
    "opentelemetry.instrumentation.",
    "sentry_sdk.integrations.",
    "ddtrace.contrib.",
    "ddtrace._trace.",
    "wrapt.",
)


def is_wrapper(function: str, module: str) -> bool:
    """Return whether a frame belongs to a wrapper of an instrumentation.

    Args:
        function: ``co_name`` of its code.
        module: Its module; empty if unknown.
    """
    return module.startswith(_INSTRUMENTATIONS) or (module.partition(".")[0], function) in WRAPPER_COROUTINES
