"""Options and settings of the plugin, with their help texts."""

from __future__ import annotations

from argparse import ArgumentTypeError
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pytest

_MODE_OPTION: Final = "otel_concurrency_leaks"
_PYTEST_LEAKS: Final = "pytest_leaks"
"""A plugin with its own option ``--leaks``; pytest would not start with two of them."""
KINDS: Final = ("tasks", "threads", "timers", "sessions")
MODES: Final = ("error", "warn", "off")


def add_options(parser: pytest.Parser) -> None:
    """Add ``--leaks`` and its companions."""
    group = parser.getgroup("leaks", "tasks and threads that tests leave behind")
    if find_spec(_PYTEST_LEAKS) is None:
        explained = "fail tests that leak, warn, or check nothing (off)"
        group.addoption("--leaks", dest=_MODE_OPTION, choices=MODES, default=None, help=explained)
    group.addoption(
        "--leaks-timeout",
        type=float,
        default=None,
        metavar="S",
        help="seconds to wait for tasks and threads to end (default 5)",
    )
    group.addoption(
        "--leaks-only",
        type=_kinds_option,
        default=None,
        metavar="KINDS",
        help="check only these, several with commas: tasks, threads, timers, sessions; all: tasks,threads",
    )
    group.addoption("--leaks-no-daemons", action="store_true", help="do not check daemon threads")
    group.addoption(
        "--leaks-session", action="store_true", help="check that no task or thread is left at the end of the run"
    )
    group.addoption("--leaks-baseline", default=None, metavar="FILE", help="file of known leaks, which are tolerated")
    group.addoption(
        "--leaks-write-baseline", action="store_true", help="write the leaks of this run into the baseline file"
    )
    parser.addini("leaks", "error, warn or off, for the whole suite", default="off")
    parser.addini("leaks_only", "any of tasks, threads, timers, sessions; all: tasks threads", default="all")
    parser.addini("leaks_daemons", "whether daemon threads are checked", type="bool", default=True)
    parser.addini("leaks_timeout", "seconds to wait for tasks and threads to end", default="5")
    parser.addini(
        "leaks_ignore", "filters: 'creator:…', 'function:…', 'top:…' or 'name:…'", type="linelist", default=[]
    )
    parser.addini("leaks_baseline", "file of known leaks, which are tolerated", default="")
    parser.addini("leaks_session", "check that no task or thread is left at the end", type="bool", default=False)
    parser.addini("leaks_run_on_failure", "check the end of a run with failed tests too", type="bool", default=False)


def suite_mode(config: pytest.Config) -> str:
    """Return the mode of the whole suite, from the command line or else from the configuration file."""
    import pytest

    given: Any = config.getoption(_MODE_OPTION, None) or config.getini("leaks")
    if given not in MODES:
        raise pytest.UsageError(f"leaks = {given!r}: expected one of {', '.join(MODES)}")
    return str(given)


def wants_session_check(config: pytest.Config) -> bool:
    """Return whether the end of the run is checked as a whole."""
    return bool(config.getoption("--leaks-session") or config.getini("leaks_session"))


def suite_kinds(config: pytest.Config) -> tuple[str, ...]:
    """Return what is checked in the whole suite: any of `KINDS`, or ``all`` for tasks and threads."""
    return config.getoption("--leaks-only") or _words(config.getini("leaks_only"))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _kinds_option(text: str) -> tuple[str, ...]:
    words = _words(text)
    if not words or not set(words) <= {*KINDS, "all"}:
        raise ArgumentTypeError(f"{text!r}: expected any of {', '.join(KINDS)}, or all for tasks,threads")
    return words


def suite_daemons(config: pytest.Config) -> bool:
    """Return whether daemon threads are checked in the whole suite."""
    return bool(config.getini("leaks_daemons")) and not config.getoption("--leaks-no-daemons")
