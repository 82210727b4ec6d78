"""Whether the threads of this process are greenlets, because gevent or eventlet patched `threading`.

Greenlets count as threads. They get no verdict: they are started by the thousand as tasks are, and nothing of the
interpreter tells what they wait for.
"""

from __future__ import annotations

import sys


def threads_are_greenlets() -> bool:
    """Tell whether `threading.Thread` makes greenlets now. Never raises; imports nothing."""
    try:
        gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
        return (gevent is not None and bool(gevent.is_module_patched("threading"))) or (
            eventlet is not None and bool(eventlet.is_monkey_patched("thread"))
        )
    except Exception:  # noqa: BLE001 (half imported, or another version: then they are taken for threads)
        return False
