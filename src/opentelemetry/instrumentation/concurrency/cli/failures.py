"""What can go wrong at the command line: one paragraph each, with what to do, and an exit code.

CommandError            3, the target is unreachable or timed out
├── UsageError          2
└── NotInstrumentedError  3, there is such a process, and no agent in it
"""

from __future__ import annotations

from typing import Final

FINE: Final = 0
LEAKS_FOUND: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130


class CommandError(Exception):
    """The target can't be reached, or did not answer."""

    exit_code = UNREACHABLE


class UsageError(CommandError):
    """The command makes no sense as it was given."""

    exit_code = USAGE


class NotInstrumentedError(CommandError):
    """There is such a process, and no agent in it."""
