"""Leak tests, which fail tests that leave tasks or threads behind, optionally also timers and sessions.

The modules, each with one purpose:

* ``scope.py``: the check to which a creation belongs when tests run concurrently;
* ``recording.py``: the creations during a check, and those that are still live (``leftover.py``);
* ``optional_kinds.py``: timers (``timers.py``) and sessions (``sessions.py``), noted at their creation (``noted.py``);
* ``leak.py``: the description of a leak; ``leak_error.py``: the error and the warning;
* ``filters.py``: leaks to ignore; ``known_rules.py``: known infrastructure; ``baseline.py``: leaks tolerated for now;
* ``settling.py``: waiting without blocking a loop;
* ``running_check.py``: a check while it runs; ``leak_check.py``: the context manager and decorator;
* ``verify.py``: the check of a whole test run in any runner;
* ``unittest_case.py``, and ``pytest/`` with the plugin, of which only ``plugin.py`` and ``options.py`` are loaded while
  it is off.

Modules are imported on access, so that a plugin that is off costs nothing.
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
