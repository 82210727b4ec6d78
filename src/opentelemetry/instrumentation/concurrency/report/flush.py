"""Flushing of telemetry providers at process end, within a time limit.

A process that a signal ends does not reach `atexit`, where the SDK would flush. An exporter may wait for its backend
for much longer than a shutdown may take, and some ignore the limit passed to them. Each provider therefore has a thread
that is abandoned when the time is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from ..own_log import own_logger
from ..record.own_thread import start_own_thread

_logger = own_logger()

FLUSH_LIMIT_S: Final = 2.0
"""Maximum delay of the process end for the last reports."""


def flush_providers(providers: Iterable[Any], limit_s: float = FLUSH_LIMIT_S) -> bool:
    """Call ``force_flush`` of all providers concurrently and wait for them. Never raises.

    Args:
        providers: Tracer, logger and meter providers; those without ``force_flush`` are skipped.
        limit_s: Maximum number of seconds for all of them together.

    Returns:
        Whether all have finished.
    """
    threads = []
    for provider in providers:
        flush = getattr(provider, "force_flush", None)
        if callable(flush):
            threads.append(start_own_thread(_flush, "OtelConcurrencyFlush", flush, int(limit_s * 1000)))
    end_at = time.monotonic() + limit_s
    finished = True
    for thread in threads:
        if thread is None:
            finished = False
            continue
        thread.join(max(0.0, end_at - time.monotonic()))
        finished = finished and not thread.is_alive()
    if not finished:
        _logger.warning(
            "The last leak reports could not be sent within %.0f s; the process ends without waiting longer.", limit_s
        )
    return finished


def _flush(flush: Callable[[int], object], limit_ms: int) -> None:
    try:
        flush(limit_ms)
    except Exception:  # a provider may raise anything
        _logger.warning("A telemetry provider failed to flush the last leak reports.", exc_info=True)
