"""Threads of ours: daemons, past every wrapper, marked so that they are never taken for the application's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..record.threads import OWN_THREAD, start_unseen


def start_own_thread(target: Callable[..., None], name: str, *arguments: Any) -> threading.Thread | None:
    """Start a thread and return it, or None if the system has none left."""
    thread = threading.Thread(target=target, name=name, args=arguments, daemon=True)
    # Debuggers leave threads with these marks alone.
    thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]
    thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
    setattr(thread, OWN_THREAD, True)
    try:
        start_unseen(thread)
    except Exception:  # noqa: BLE001 (thread limits, interpreter shutdown: whoever asked tries again)
        return None
    return thread
