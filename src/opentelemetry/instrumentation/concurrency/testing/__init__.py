"""Leak tests: fail the test that leaves tasks or threads behind, and say which line created them.

The map, one question a module:

* ``scope.py`` whose creation is it, when tests run concurrently;
* ``recording.py`` what was created while a check was open, and what of it is left;
* ``leak.py`` what is said of one leak; ``leak_error.py`` the error and the warning;
* ``filters.py`` what is no leak; ``known_rules.py`` what is machinery; ``baseline.py`` which leaks are known for now;
* ``settling.py`` how long to wait, without blocking a loop;
* ``running_check.py`` one check while it runs; ``leak_check.py`` the context manager and decorator;
* ``verify.py`` a whole test run in any runner;
* ``unittest_case.py``, ``pytest_plugin.py`` and what it loads when it is on (``pytest_plan.py``,
  ``pytest_session.py``, ``pytest_summary.py``, ``pytest_timeouts.py``).

Nothing is imported before it is asked for, so that a plugin that is off costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .baseline import Baseline as Baseline
    from .baseline import KnownLeak as KnownLeak
    from .filters import Rule as Rule
    from .filters import ignore_creator as ignore_creator
    from .filters import ignore_current as ignore_current
    from .filters import ignore_function as ignore_function
    from .filters import ignore_name as ignore_name
    from .filters import ignore_top as ignore_top
    from .known_rules import KNOWN_RULES as KNOWN_RULES
    from .leak import Leak as Leak
    from .leak_check import check_leaks as check_leaks
    from .leak_error import LeakError as LeakError
    from .leak_error import LeakWarning as LeakWarning
    from .unittest_case import LeakTestMixin as LeakTestMixin
    from .verify import verify_main as verify_main

__all__ = [
    "KNOWN_RULES",
    "Baseline",
    "KnownLeak",
    "Leak",
    "LeakError",
    "LeakTestMixin",
    "LeakWarning",
    "Rule",
    "check_leaks",
    "ignore_creator",
    "ignore_current",
    "ignore_function",
    "ignore_name",
    "ignore_top",
    "verify_main",
]

_HOME: Final = {
    "KNOWN_RULES": "known_rules",
    "Baseline": "baseline",
    "KnownLeak": "baseline",
    "Leak": "leak",
    "LeakError": "leak_error",
    "LeakTestMixin": "unittest_case",
    "LeakWarning": "leak_error",
    "Rule": "filters",
    "check_leaks": "leak_check",
    "ignore_creator": "filters",
    "ignore_current": "filters",
    "ignore_function": "filters",
    "ignore_name": "filters",
    "ignore_top": "filters",
    "verify_main": "verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
