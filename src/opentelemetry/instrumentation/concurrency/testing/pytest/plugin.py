"""The entry point of the pytest plugin: options, markers, loading of the checks.

It imports neither asyncio nor OpenTelemetry, and defines no hook that runs for every test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .options import add_options, suite_mode, wants_session_check

if TYPE_CHECKING:
    import pytest

_SESSION: Final = "otel_concurrency_leaks"
_PYLEAK: Final = ("pyleak", "pyleak.pytest_plugin")
_WARNING: Final = f"{__package__.rpartition('.')[0]}.LeakWarning"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--leaks`` and its companions."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and load the checks if the suite is checked."""
    config.addinivalue_line(
        "markers",
        "no_leaks(*what, action='error', timeout=5.0, ignore=(), daemons=True, everything=False, "
        "runner_cancelled=True, destroyed=True): the test must leave none of these behind; what: any of 'tasks', "
        "'threads', 'timers', 'sessions'; 'all' (default): tasks and threads",
    )
    config.addinivalue_line(
        "markers",
        "allow_leaks(reason, *, creator=None, function=None, top=None, name=None): what the test leaves behind is "
        "tolerated, all of it or what the patterns name",
    )
    if suite_mode(config) != "off" or wants_session_check(config):
        load(config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the checks if a test requests them."""
    plugins = session.config.pluginmanager
    # pyleak has a marker of the same name. If it is installed and this plugin is off, the marker belongs to pyleak.
    if plugins.has_plugin(_SESSION) or any(plugins.has_plugin(name) for name in _PYLEAK):
        return
    if any(item.get_closest_marker("no_leaks") is not None for item in session.items):
        load(session.config)
    elif session.config.getoption("--leaks-write-baseline"):
        from pytest import UsageError

        raise UsageError("--leaks-write-baseline has no effect while leak tests are off: add --leaks=error")


def load(config: pytest.Config) -> None:
    """Register the checks; all expensive imports are made here."""
    from .session import LeakSession

    if not config.pluginmanager.has_plugin(_SESSION):
        config.pluginmanager.register(LeakSession(config), _SESSION)
        # Python hides resource warnings by default; the suite's own warning filters take precedence.
        config.getini("filterwarnings").insert(0, f"always::{_WARNING}")
