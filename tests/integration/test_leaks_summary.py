"""What a run under the pytest plugin says at its end: tables, the check of the whole run, and the baseline."""

import pytest
from suites import ONE_OF_EACH, errors_of, needs, outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python


class TestSummary:
    """What the end of the run says."""

    def test_tables(self, suite):  # noqa: F811
        """Leaks by creation site and by wait reason, over all tests; allowed ones with their reason."""
        result = suite.run(
            """
@pytest.mark.parametrize("number", range(3))
def test_thread(number):
    leak_thread()

def test_task():
    async def main():
        leak_task()
        await asyncio.sleep(0)
    asyncio.run(main())

@pytest.mark.allow_leaks("SHOP-3: its client has no close()")
def test_allowed():
    leak_thread()
""",
            "--leaks=error",
            "--leaks-timeout=0",
        )
        result.stdout.fnmatch_lines(
            [
                "*= leaks =*",
                "4 leaks in 4 tests",
                "*by creation site:",
                "*3  thread  leaking.leak_thread  *leaking.py:*  running threading.Event.wait  first in "
                "test_it.py::test_thread[[]0]",
                "*1  task  leaking.leak_task *  running leaking.stuck  in test_it.py::test_task",
                "*by wait reason:",
                "*3  thread  event.wait  *",
                "*1  task  event.wait  in test_it.py::test_task",
                "*SHOP-3: its client has no close()*",
            ]
        )

    def test_nothing_to_say(self, suite):  # noqa: F811
        """A clean run has no table."""
        suite.run("def test_clean(): pass", "--leaks=error").stdout.no_fnmatch_line("*= leaks =*")


class TestEndOfTheRun:
    """The whole run can be verified, and old suites can adopt the check."""

    def test_the_session_check(self, suite):  # noqa: F811
        """It finds what tests and imported modules left, whoever was asked to look, and makes the exit status 1."""
        args = ("--leaks-session", "--leaks-timeout=0.1")
        for leaking in ("leak_thread()\ndef test_it(): pass", "def test_it():\n    leak_thread()\n"):
            result = suite.run(leaking, *args)
            assert (outcomes(result), result.ret) == ({"passed": 1}, 1)
            result.stdout.fnmatch_lines(
                ["*1 thread left behind, created by leaking.leak_thread*, in the test session*"]
            )
        assert suite.run("def test_clean(): pass", *args).ret == 0

    def test_a_failed_run_keeps_its_status(self, suite):  # noqa: F811
        """The check would only hide the failure; it runs on request."""
        failing = "def test_fails():\n    leak_thread()\n    assert False\n"
        result = suite.run(failing, "--leaks-session", "--leaks-timeout=0")
        result.stdout.no_fnmatch_line("*left behind*")
        assert result.ret == 1
        suite.ini("leaks_run_on_failure = true")
        suite.run(failing, "--leaks-session", "--leaks-timeout=0").stdout.fnmatch_lines(["*left behind*"])

    def test_a_baseline(self, suite):  # noqa: F811
        """Known leaks are tolerated with reason and date, new ones fail, vanished ones are pointed out."""
        baseline = ("--leaks=error", "--leaks-timeout=0", "--leaks-baseline=known.json")
        written = suite.run(ONE_OF_EACH, *baseline, "--leaks-write-baseline")
        assert outcomes(written) == {"passed": 3}
        written.stdout.fnmatch_lines(["*wrote 2 new entries to *known.json: give each a reason and a date"])
        assert outcomes(suite.run(ONE_OF_EACH, *baseline)) == {"passed": 3}
        changed = ONE_OF_EACH.replace(
            "    leak_thread()", "    threading.Thread(target=threading.Event().wait, daemon=True).start()"
        )
        result = suite.run(changed, *baseline)
        assert outcomes(result) == {"passed": 3, "errors": 1}
        result.stdout.fnmatch_lines(["*thread*leaking.leak_thread*"])
        result.stdout.fnmatch_lines(["*created by test_it.test_thread*"])

    def test_a_baseline_that_cannot_be_used_is_an_error(self, suite):  # noqa: F811
        """A file that is not there, and a run that checks nothing."""
        missing = suite.run("def test_clean(): pass", "--leaks=error", "--leaks-baseline=known.json")
        missing.stderr.fnmatch_lines(["*there is no baseline file *known.json: add --leaks-write-baseline*"])
        unchecked = ("--leaks-baseline=known.json", "--leaks-write-baseline")
        off = suite.run("def test_clean(): pass", *unchecked)
        assert off.ret == pytest.ExitCode.USAGE_ERROR
        assert "has no effect while leak tests are off" in off.stdout.str() + off.stderr.str()
        marked = "@pytest.mark.no_leaks(timeout=0)\ndef test_leaks():\n    leak_thread()\n"
        suite.run(marked, *unchecked).stdout.fnmatch_lines(["*wrote 1 new entry to *known.json*"])

    def test_a_baseline_from_before_sites_were_callers(self, suite):  # noqa: F811
        """An entry that names a helper fails with what became of it, and writing the baseline moves it."""
        baseline = ("--leaks=error", "--leaks-timeout=0", "--leaks-baseline=known.json")
        (suite.pytester.path / "known.json").write_text(
            '{"version": 1, "leaks": [{"kind": "task", "site": "spawning.spawn", "reason": "SHOP-12", '
            '"expires": "2999-01-01"}]}'
        )
        suite.pytester.makepyfile(spawning=SPAWNING)
        result = suite.run(SPAWNED, *baseline)
        assert outcomes(result) == {"passed": 2, "errors": 2}
        result.stdout.fnmatch_lines(
            ["*the baseline's task spawning.spawn no longer matches: *here test_it.first, test_it.second;*"]
        )
        suite.run(SPAWNED, *baseline, "--leaks-write-baseline")
        assert (suite.pytester.path / "known.json").read_text().count(
            '"reason": "SHOP-12", "expires": "2999-01-01"'
        ) == 2
        assert outcomes(suite.run(SPAWNED, *baseline)) == {"passed": 2}

    @pytest.mark.parametrize("under_coverage", [False, True])
    def test_a_baseline_serves_runs_with_and_without_coverage(self, suite, under_coverage):  # noqa: F811
        """Under a trace function the helper's line is named on Python ≤ 3.12, but the baseline knows its callers."""
        baseline = ("--leaks=error", "--leaks-timeout=0", "--leaks-baseline=known.json")
        suite.pytester.makepyfile(spawning=SPAWNING)
        suite.run(SPAWNED, *baseline, "--leaks-write-baseline")
        if under_coverage:
            needs("coverage")
            suite.pytester.makeconftest("import coverage\ncoverage.Coverage(data_file=None).start()")
        result = suite.run(SPAWNED + SPAWNED_NEWLY, *baseline)
        assert outcomes(result) == {"passed": 3, "errors": 1}
        assert errors_of(result) == ["test_third"]


SPAWNING = """
import asyncio

held = []

async def stuck():
    await asyncio.Event().wait()

def spawn(coro):
    held.append(asyncio.create_task(coro))
"""

SPAWNED = """
from spawning import spawn, stuck

async def first():
    spawn(stuck())

async def second():
    spawn(stuck())

def test_first():
    asyncio.run(first())

def test_second():
    asyncio.run(second())
"""

SPAWNED_NEWLY = """
async def third():
    spawn(stuck())

def test_third():
    asyncio.run(third())
"""
