"""Detection of greenlets in place of threads, as patched in by gevent or eventlet.

Greenlets are counted as threads but get no verdict: like tasks, they are started by the thousand, and the interpreter
has no information about what they wait for.
"""

from __future__ import annotations

import sys


def threads_are_greenlets() -> bool:
    """Return whether `threading.Thread` creates greenlets. Never raises and imports nothing."""
    try:
        gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
        return (gevent is not None and bool(gevent.is_module_patched("threading"))) or (
            eventlet is not None and bool(eventlet.is_monkey_patched("thread"))
        )
    except Exception:  # noqa: BLE001 (partly imported or unknown version: treated as threads)
        return False
