"""The error and the warning on leaks, also combined with the body's exception."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Sequence
from typing import Final

from .leak import Leak, leak_texts, site_text

_MAX_SITES: Final = 3


class LeakWarning(UserWarning):
    """Something remains from a block that was checked with ``action="warn"``.

    Not a `ResourceWarning`, which Python does not show by default.
    """


class LeakError(AssertionError):
    """Tasks, threads, timers or sessions remain from a checked block.

    It is an `AssertionError`, so that test runners count a failure rather than an error. If the body of the block
    raised an exception of its own, both are raised together: on Python ≥ 3.11 as ``ExceptionGroup(..., [body's,
    LeakError])``. On 3.10, which has no groups, the body's exception is raised with the ``LeakError`` as the
    ``__context__`` of the first exception in its chain, so that the traceback shows both. ``KeyboardInterrupt``,
    ``SystemExit``, cancellation and skips of tests are always passed on unchanged.

    Attributes:
        leaks: All leaks, in order of creation.
        label: The name of the checked block; empty if it has none.
        ended_early: Whether the caller's own condition ended the wait.
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
    """Return one line with the number of leaks per kind, their creation sites and functions."""
    counts = [
        f"{count} {kind}{'' if count == 1 else 's'}"
        for kind in ("task", "thread", "timer", "session")
        if (count := sum(leak.kind == kind for leak in leaks))
    ]
    sites = list(dict.fromkeys(_site_and_what_it_runs(leak) for leak in leaks))
    more = f" and {len(sites) - _MAX_SITES} more sites" if len(sites) > _MAX_SITES else ""
    created = f"{', '.join(sites[:_MAX_SITES])}{more}"
    counted = " and ".join(filter(None, [", ".join(counts[:-1]), *counts[-1:]]))
    return f"{counted} left behind, created by {created}{f', in {label}' if label else ''}"


def _site_and_what_it_runs(leak: Leak) -> str:
    return site_text(leak.site) + (f" running {leak.site.runs}" if leak.site.runs else "")


def together(body: BaseException, leak: LeakError) -> BaseException:
    """Return the exception to raise if the body raised and something leaked: ``body``, or a group with both."""
    if not isinstance(body, Exception) or isinstance(body, unittest.SkipTest):
        # Interrupts, exits, cancellation and the outcomes of test runners must be passed on unchanged.
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
