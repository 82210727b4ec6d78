"""Timers and sessions in suites: off by default, by setting, option and marker, as warnings and expected failures."""

import pytest
from suites import needs, outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python

TIMER_AND_SESSION = """
async def leave_timer():
    asyncio.get_running_loop().call_later(60, print)

def leave_session():
    import httpx
    client = httpx.Client()
    with pytest.raises(httpx.ConnectError):
        client.get("http://127.0.0.1:9/")
    held.append(client)

def test_thread():
    leak_thread()

def test_timer():
    asyncio.run(leave_timer())

def test_session():
    leave_session()
"""


class TestSuite:
    """What the suite checks."""

    @pytest.mark.parametrize(
        ("ini", "arguments", "failing"),
        [
            ("", (), ["thread"]),
            ("leaks_only = all", (), ["thread"]),
            ("leaks_only = tasks threads timers sessions", (), ["thread", "timer", "session"]),
            ("leaks_only = all, timers", (), ["thread", "timer"]),
            ("leaks_only = sessions", (), ["session"]),
            ("leaks_only = threads", ("--leaks-only=timers,sessions",), ["timer", "session"]),
        ],
        ids=["default", "all", "four", "commas", "sessions", "option"],
    )
    def test_suite_checks_named_kinds(self, suite, ini, arguments, failing):  # noqa: F811
        needs("httpx")
        suite.ini(f"leaks = error\nleaks_timeout = 0.1\n{ini}")
        result = suite.run(TIMER_AND_SESSION, *arguments)
        assert outcomes(result) == {"passed": 3, "errors": len(failing)}
        result.stdout.fnmatch_lines([f"*ERROR at teardown of test_{name} *" for name in failing])

    def test_unknown_kind_ends_the_run(self, suite):  # noqa: F811
        result = suite.run("", "--leaks=error", "--leaks-only=timer")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*'timer': expected any of tasks, threads, timers, sessions, or all*"])
        suite.ini("leaks = error\nleaks_only = ")
        result = suite.run("")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*leaks_only = '': expected 'tasks', 'threads', 'timers', *"])

    def test_baseline_tolerates_a_timer(self, suite):  # noqa: F811
        suite.ini("leaks = error\nleaks_timeout = 0.1\nleaks_only = timers\nleaks_baseline = leaks.json")
        assert suite.run(TIMER_AND_SESSION, "--leaks-write-baseline", "-k", "timer").ret == 0
        result = suite.run(TIMER_AND_SESSION, "-k", "timer")
        assert outcomes(result) == {"passed": 1, "deselected": 2}
        result.stdout.fnmatch_lines(["1 leak tolerated: *"])


class TestMarkers:
    """What a test checks."""

    @pytest.mark.parametrize(
        ("marker", "counts"),
        [
            ("no_leaks('timers', timeout=0)", {"passed": 1, "errors": 1}),
            ("no_leaks('all', 'timers', action='warn')", {"passed": 1}),
            ("no_leaks('all')", {"passed": 1}),
            ("no_leaks", {"passed": 1}),
        ],
        ids=["timers", "warn", "all", "plain"],
    )
    def test_marker_names_kinds(self, suite, marker, counts):  # noqa: F811
        test = f"""
@pytest.mark.{marker}
def test_it():
    async def main():
        asyncio.get_running_loop().call_later(60, print)
    asyncio.run(main())
"""
        result = suite.run(test)
        assert outcomes(result) == counts
        if "warn" in marker:
            result.stdout.fnmatch_lines(["*test_it.py:*LeakWarning: 1 timer left behind*"])

    def test_known_leak_is_the_expected_failure(self, suite):  # noqa: F811
        marked = TIMER_AND_SESSION.replace("def test_timer", "@pytest.mark.xfail(strict=True)\ndef test_timer")
        result = suite.run(marked, "--leaks=error", "--leaks-only=timers", "-k", "timer")
        assert outcomes(result) == {"xfailed": 1, "deselected": 2} and result.ret == 0


class TestRunners:
    """Loops that a test runner opens and closes."""

    def test_coroutine_tests_are_judged_one_by_one(self, suite):  # noqa: F811
        """A timer that is about to fire is waited for in the runner's loop."""
        needs("pytest_asyncio")
        tests = """
import pytest_asyncio

@pytest_asyncio.fixture
async def ticking():
    handle = asyncio.get_running_loop().call_later(60, print)
    yield
    handle.cancel()

@pytest.mark.asyncio
async def test_cancelled(ticking):
    asyncio.get_running_loop().call_later(0.05, print)

@pytest.mark.asyncio
async def test_left():
    asyncio.get_running_loop().call_later(60, print)

@pytest.mark.asyncio(loop_scope="module")
async def test_left_in_loop_of_module():
    asyncio.get_running_loop().call_later(60, print)

@pytest.mark.asyncio(loop_scope="module")
async def test_clean_in_loop_of_module():
    await asyncio.sleep(0)
"""
        options = ("--leaks=error", "--leaks-timeout=1", "--leaks-only=all,timers")
        result = suite.run(tests, *options, plugins=("pytest_asyncio.plugin",))
        assert outcomes(result) == {"passed": 4, "errors": 2}
        result.stdout.fnmatch_lines(
            [
                "*ERROR at teardown of test_left *",
                "  still scheduled when its loop was closed; due in: *",
                "*ERROR at teardown of test_left_in_loop_of_module *",
                "  still scheduled; due in: *",
            ]
        )
