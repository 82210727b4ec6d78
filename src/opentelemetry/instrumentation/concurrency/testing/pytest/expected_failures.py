"""Tests marked ``xfail`` whose expected failure is a leak.

pytest judges ``xfail`` at the end of the call, but a leak is known only after the teardown. If such a test passes its
call, its verdict is put off: the report of the call counts for nothing, and the report of the teardown becomes the
expected failure, or else the unexpected pass, which fails if the mark is strict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest

try:
    from _pytest.skipping import xfailed_key
except ImportError:  # private: without it, xfail is judged by pytest alone, at the end of the call
    xfailed_key = None  # type: ignore[assignment, unused-ignore]  # the key of earlier and later versions is unknown


@dataclass(frozen=True, slots=True)
class _UnexpectedPass:
    """The verdict of pytest on a call that passed.

    Attributes:
        outcome: ``failed`` if the mark is strict, otherwise ``passed``.
        longrepr: The text of the failure.
        reason: The reason of the mark; None if it is strict.
    """

    outcome: Any
    longrepr: Any
    reason: str | None


_PUT_OFF: Final = pytest.StashKey[_UnexpectedPass]()


def expects_failure(item: pytest.Item) -> bool:
    """Return whether an ``xfail`` mark applies to a test."""
    if xfailed_key is None or item.config.getoption("runxfail", False):
        return False
    return item.stash.get(xfailed_key, None) is not None


def has_failed_as_expected(item: pytest.Item) -> bool:
    """Return whether a test with an ``xfail`` mark has already failed in its call."""
    return expects_failure(item) and _PUT_OFF not in item.stash


def put_off(item: pytest.Item, report: Any, call: Any) -> None:
    """Put off the verdict on a call that passed unexpectedly.

    Args:
        item: The test.
        report: The report of its call.
        call: The call itself.
    """
    if not expects_failure(item) or call.excinfo is not None:
        return
    item.stash[_PUT_OFF] = _UnexpectedPass(report.outcome, report.longrepr, getattr(report, "wasxfail", None))
    report.outcome, report.longrepr = "passed", None
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    report.otel_put_off = True


def settle(item: pytest.Item, report: Any) -> None:
    """Give the report of the teardown the verdict on the call, unless the teardown failed, as was expected."""
    passed = item.stash.get(_PUT_OFF, None)
    if passed is None or report.outcome != "passed":
        return
    report.outcome, report.longrepr = passed.outcome, passed.longrepr
    if passed.reason is not None:
        report.wasxfail = passed.reason
    report.otel_settled = True


def status_of(report: Any) -> tuple[str, str, str] | None:
    """Return how a report is counted and shown; None to leave that to pytest."""
    if getattr(report, "otel_put_off", False):
        return "", "", ""
    if getattr(report, "otel_settled", False) and report.outcome == "failed":
        return "failed", "F", "FAILED"
    return None
