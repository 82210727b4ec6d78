"""The logger of this package, whose records are single lines.

Addresses, functions, paths and exception messages come from the application and from clients. Without sanitizing, a
line break in one of them would start a line of the log that this package did not write.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from typing import Any, Final

from .sanitize import sanitize

NAME: Final = "opentelemetry.instrumentation.concurrency"
_ARGUMENT_LIMIT: Final = 2000
_INDENT: Final = "  "


def own_logger() -> logging.Logger:
    """Return the logger of this package, with the filter that keeps its records on one line."""
    logger = logging.getLogger(NAME)
    if not any(isinstance(installed, OneLine) for installed in logger.filters):
        logger.addFilter(OneLine())
    return logger


class OneLine(logging.Filter):
    """Sanitizes the message and arguments of each record and indents its traceback. Passes every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Sanitize the record. Never raises."""
        try:
            record.msg = sanitize(record.msg)
            if isinstance(record.args, Mapping):
                record.args = {name: _plain(value) for name, value in record.args.items()}
            elif record.args:
                record.args = tuple(map(_plain, record.args))
            if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
                record.exc_text = _indented(record.exc_info[1])
        except Exception:  # noqa: BLE001, S110 (str() of an application object may raise; logging then reports it)
            pass
        return True


def _plain(value: Any) -> Any:
    # Numbers are kept as they are, for %d and %.1f.
    return value if value is None or type(value) in (int, float, bool) else sanitize(value, _ARGUMENT_LIMIT)


def _indented(error: BaseException) -> str:
    """Return the traceback of an exception with every line indented, including those of its message."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip("\n")
    return "\n".join(_INDENT + sanitize(line, keep="\t") for line in text.split("\n"))
