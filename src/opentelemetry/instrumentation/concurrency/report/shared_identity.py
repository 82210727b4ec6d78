"""A warning for spawned workers whose telemetry cannot be told apart.

A ``service.instance.id`` that is given by the environment goes to every process that is spawned with it: the workers of
``uvicorn --workers``, of hypercorn, of a spawning pool. Backends then take their series for one. A forked worker gets
an identity of its own from the SDK.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Final

_logger = logging.getLogger("opentelemetry.instrumentation.concurrency")

_VARIABLE: Final = "OTEL_RESOURCE_ATTRIBUTES"
_KEY: Final = "service.instance.id"


def warn_of_shared_identity() -> None:
    """Say it where it is so. Of several workers of one parent the first alone says it."""
    if not _is_first_spawned() or not _given():
        return
    _logger.warning(
        "%s gives all processes of this service the same %s: their metrics mix. Leave it out, and each gets its own.",
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
    # Numbers count the children of one parent from 1.
    return tuple(getattr(process.current_process(), "_identity", ()))[-1:] == (1,)
