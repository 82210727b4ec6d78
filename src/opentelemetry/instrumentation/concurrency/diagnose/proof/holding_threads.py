"""Threads that may be about to wait for the future of a coroutine, or to cancel it.

A thread that submitted a coroutine to a loop, holds its future and does something else first leaves no trace but a
variable of a frame that runs. Reading such variables would keep their values alive up to 3.12, so code decides: what
it does with a future is among the names that it uses.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

_ENDS: Final = frozenset({"run_coroutine_threadsafe", "result", "exception", "cancel", "as_completed"})
_SUBMITS: Final = "run_coroutine_threadsafe"
_OWN: Final = __name__.partition(".diagnose.")[0]
_LOOPS: Final = ("asyncio.", "uvloop")
_RUN: Final = frozenset({"run", "run_forever", "run_until_complete"})


def a_thread_handles_futures() -> bool:
    """Return whether a thread runs code that submits coroutines to a loop, or that waits for futures or cancels them.

    Functions that run an event loop, and what called them, go on only when the loop has ended; they do not count.

    Cost: about a microsecond per frame of all threads.
    """
    return any(map(_handles_futures, sys._current_frames().values()))


def _handles_futures(frame: FrameType | None) -> bool:
    while frame is not None:
        module = dict.get(frame.f_globals, "__name__")
        name = module if type(module) is str else ""
        code = frame.f_code
        if name.startswith(_LOOPS):
            if code.co_name in _RUN:
                return False
            if code.co_name == _SUBMITS:
                return True
        elif not name.startswith(_OWN) and not _ENDS.isdisjoint(code.co_names):
            return True
        frame = frame.f_back
    return False
