"""Kind of interpreter: with or without a global lock."""

from __future__ import annotations

import sys
from typing import Final

FREE_THREADED_BUILD: Final[bool] = "t" in getattr(sys, "abiflags", "") or "free-threading" in sys.version
"""Whether the interpreter was built to run without a global lock, whether or not it does now. `sysconfig` would read a
file, and the process may have no file descriptor left; Windows has no ABI flags."""
FREE_THREADED: Final[bool] = not getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether threads run in parallel. If so, a coroutine that another thread may resume must not be inspected: reading its
state while it runs crashes the interpreter. An extension can enable the lock again; it is never disabled later."""
