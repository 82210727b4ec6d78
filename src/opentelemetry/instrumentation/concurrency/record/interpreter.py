"""What kind of interpreter this is: whether one lock lets one thread run at a time."""

from __future__ import annotations

import sys
from typing import Final

FREE_THREADED: Final[bool] = not getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether threads run at once. Then a coroutine that another thread may resume must not be looked into: reading where
it is suspended, while it moves on, crashes the interpreter. An extension can bring the lock back; nothing takes it."""
