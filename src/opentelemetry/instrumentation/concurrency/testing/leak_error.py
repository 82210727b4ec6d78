"""The error and the warning that say what is left, and how they go together with the body's own exception."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Sequence
from typing import Final

from .leak import Leak, leak_texts, site_text

_MAX_SITES: Final = 3


class LeakWarning(ResourceWarning):
    """Tasks or threads are left of a block that was checked with ``action="warn"``."""


class LeakError(AssertionError):
    """Tasks or threads are left of a block that was checked.

    It is an `AssertionError`, so that test runners count a failure and no accident. Where the body of the block raised
    an exception of its own, both are raised together: on Python ≥ 3.11 as ``ExceptionGroup(..., [body's, LeakError])``;
    on 3.10, which has no groups, the body's exception is raised with the ``LeakError`` as its ``__context__`` (as that
    of the first exception in its chain), so that the traceback shows both. ``KeyboardInterrupt``, ``SystemExit``,
    cancellation and the skipping of tests always pass as they are.

    Attributes:
        leaks: One ``Leak`` for each, all of them, in order of creation.
        label: What was checked; empty if it has no name.
        ended_early: Whether the wait was ended by the caller's own cancellation.
    """

    def __init__(self, leaks: Sequence[Leak], *, label: str = "", hint: str = "", ended_early: bool = False) -> None:
        self.leaks = tuple(leaks)
        self.label = label
        self.ended_early = ended_early
        super().__init__("\n".join([summary(self.leaks, label) + (f" ({hint})" if hint else ""), *leak_texts(leaks)]))

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuilt, (self.args[0], self.leaks, self.label, self.ended_early))


def _rebuilt(text: str, leaks: tuple[Leak, ...], label: str, ended_early: bool) -> LeakError:
    error = LeakError(leaks, label=label, ended_early=ended_early)
    error.args = (text,)
    return error


def summary(leaks: Sequence[Leak], label: str = "") -> str:
    """Return how many of what are left and which lines created them, in one line."""
    counts = [
        f"{count} {kind}{'' if count == 1 else 's'}"
        for kind in ("task", "thread")
        if (count := sum(leak.kind == kind for leak in leaks))
    ]
    sites = list(dict.fromkeys(site_text(leak.site) for leak in leaks))
    more = f" and {len(sites) - _MAX_SITES} more lines" if len(sites) > _MAX_SITES else ""
    created = f"{', '.join(sites[:_MAX_SITES])}{more}"
    return f"{' and '.join(counts)} left behind, created by {created}{f', in {label}' if label else ''}"


def together(body: BaseException, leak: LeakError) -> BaseException:
    """Return what to raise where the body raised and something leaked: ``body`` itself, or a group with both."""
    if not isinstance(body, Exception) or isinstance(body, unittest.SkipTest):
        # Interrupts, exits, cancellation and the outcomes of test runners have to arrive as they are.
        if sys.version_info >= (3, 11):
            body.add_note(str(leak))
        return body
    if sys.version_info >= (3, 11):
        what = f"the block raised {type(body).__name__}, and {summary(leak.leaks, leak.label)}"
        return ExceptionGroup(what, [body, leak])  # noqa: F821 (a built-in from 3.11 on)
    outermost: BaseException = body
    while (earlier := outermost.__cause__ or outermost.__context__) is not None:
        outermost = earlier
    outermost.__context__, outermost.__suppress_context__ = leak, False
    return body
