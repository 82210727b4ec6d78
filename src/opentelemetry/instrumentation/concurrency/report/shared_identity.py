"""Detection of spawned workers with the same ``service.instance.id``.

If the environment sets ``service.instance.id``, every spawned process inherits it: the workers of ``uvicorn
--workers``, of hypercorn, of a spawning pool. Backends then treat their series as one. Forked workers get a separate
identifier from the SDK.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from ..own_log import own_logger

_logger = own_logger()

_VARIABLE: Final = "OTEL_RESOURCE_ATTRIBUTES"
_KEY: Final = "service.instance.id"


def warn_of_shared_identity() -> None:
    """Log a warning if this is the case. Only the first worker of a parent process logs it."""
    if not _is_first_spawned() or not _given():
        return
    _logger.warning(
        "%s gives all processes of this service the same %s, so their metrics are mixed. "
        "Remove it to get one per process.",
        _VARIABLE,
        _KEY,
    )


def _given() -> bool:
    pairs = os.environ.get(_VARIABLE, "").split(",")
    return any(pair.partition("=")[0].strip() == _KEY for pair in pairs)


def _is_first_spawned() -> bool:
    if "--multiprocessing-fork" not in sys.argv and "--multiprocessing-fork" not in sys.orig_argv:
        return False
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # The children of a parent process are numbered from 1.
    return tuple(getattr(process.current_process(), "_identity", ()))[-1:] == (1,)
