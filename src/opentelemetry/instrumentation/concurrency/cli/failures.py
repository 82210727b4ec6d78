"""Failures of the command line: each is one paragraph with a remedy, and an exit code.

CommandError            3, the target is unreachable or timed out
├── UsageError          2
└── NotInstrumentedError  3, the process exists but has no agent
"""

from __future__ import annotations

from typing import Final

FINE: Final = 0
LEAKS_FOUND: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130


class CommandError(Exception):
    """The target can't be reached or did not answer."""

    exit_code = UNREACHABLE


class UsageError(CommandError):
    """The arguments of the command are invalid."""

    exit_code = USAGE


class NotInstrumentedError(CommandError):
    """The process exists but has no agent.

    Args:
        what: What was found.
        next_step: The command that finds the cause; ``doctor`` itself does not show it.
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(what, next_step)
        self.what = what
        self._next_step = next_step

    def __str__(self) -> str:
        return f"{self.what} Next: {self._next_step}" if self._next_step else self.what
