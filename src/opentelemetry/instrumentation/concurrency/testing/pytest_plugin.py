"""The pytest plugin's door: options, settings and markers. What does the work is loaded when it is on, and only then.

It imports neither asyncio nor anything of OpenTelemetry, and defines no hook that runs for every test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pytest

MODES: Final = ("error", "warn", "off")
_SESSION: Final = "otel_concurrency_leaks"
_PYLEAK: Final = ("pyleak", "pyleak.pytest_plugin")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--leaks`` and its companions."""
    group = parser.getgroup("leaks", "tasks and threads that tests leave behind")
    group.addoption("--leaks", choices=MODES, default=None, help="fail tests that leak, warn, or check nothing (off)")
    group.addoption("--leaks-timeout", type=float, default=None, metavar="S", help="seconds to wait for what ends")
    group.addoption("--leaks-session", action="store_true", help="at the end, check that nothing at all is left")
    group.addoption("--leaks-baseline", default=None, metavar="FILE", help="leaks that are known for now")
    group.addoption(
        "--leaks-write-baseline", action="store_true", help="write the leaks of this run into the baseline file"
    )
    parser.addini("leaks", "error, warn or off, for the whole suite", default="off")
    parser.addini("leaks_timeout", "seconds to wait for what is about to end", default="5")
    parser.addini(
        "leaks_ignore", "filters: 'creator:…', 'function:…', 'top:…' or 'name:…'", type="linelist", default=[]
    )
    parser.addini("leaks_baseline", "file of leaks that are known for now", default="")
    parser.addini("leaks_session", "at the end, check that nothing at all is left", type="bool", default=False)
    parser.addini("leaks_run_on_failure", "the same where tests failed", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and load the rest if the suite is checked."""
    config.addinivalue_line(
        "markers",
        "no_leaks(*what, action='error', timeout=5.0, ignore=(), everything=False, runner_cancelled=True, "
        "destroyed=True): the test must leave no tasks or threads behind; what: 'tasks', 'threads' or 'all'",
    )
    config.addinivalue_line(
        "markers",
        "allow_leaks(reason, *, creator=None, function=None, top=None, name=None): what the test leaves behind is "
        "tolerated, all of it or what the patterns name",
    )
    if suite_mode(config) != "off" or wants_session_check(config):
        load(config)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Load the rest if a test asks for it."""
    plugins = session.config.pluginmanager
    # pyleak has a marker of the same name: where it is installed and nobody asked for us, the marker is its own.
    if plugins.has_plugin(_SESSION) or any(plugins.has_plugin(name) for name in _PYLEAK):
        return
    if any(item.get_closest_marker("no_leaks") is not None for item in session.items):
        load(session.config)


def load(config: pytest.Config) -> None:
    """Register what checks; everything expensive is imported here."""
    from .pytest_session import LeakSession

    if not config.pluginmanager.has_plugin(_SESSION):
        config.pluginmanager.register(LeakSession(config), _SESSION)
        # Python hides resource warnings by default; what the suite itself says of warnings stands over this.
        config.getini("filterwarnings").insert(0, f"always::{__package__}.LeakWarning")


def suite_mode(config: pytest.Config) -> str:
    """Return the mode of the whole suite: the command line's, else that of the configuration file."""
    import pytest

    given: Any = config.getoption("--leaks") or config.getini("leaks")
    if given not in MODES:
        raise pytest.UsageError(f"leaks = {given!r}: expected one of {', '.join(MODES)}")
    return str(given)


def wants_session_check(config: pytest.Config) -> bool:
    """Tell whether the end of the run is checked as a whole."""
    return bool(config.getoption("--leaks-session") or config.getini("leaks_session"))
