"""Whose leak it is when a wider fixture or a timeout is in it, and cases of the standard library in its own runner."""

import subprocess
import sys

import pytest
from suites import needs, outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python


class TestWhoseItIs:
    """The test that created it, by context, and none that merely ran at the same time."""

    def test_a_fixture_creates_while_a_test_runs(self, suite):  # noqa: F811
        """What the thread of a wider fixture starts meanwhile belongs to the fixture."""
        tests = """
@pytest.fixture(scope="module")
def service():
    wanted, made = threading.Event(), threading.Event()
    def serve():
        wanted.wait()
        leak_thread("of the service")
        made.set()
    thread = threading.Thread(target=serve)
    thread.start()
    yield wanted, made
    thread.join()

def test_asks(service):
    service[0].set()
    assert service[1].wait(30)

def test_clean(service):
    pass

def test_last():
    pass
"""
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.1")
        assert outcomes(result) == {"passed": 3, "errors": 1}
        result.stdout.fnmatch_lines(["*, in the module-wide fixtures of test_it.py", "ERROR test_it.py::test_last - *"])

    def test_a_wider_fixture_that_leaks_while_it_ends(self, suite):  # noqa: F811
        """It is the fixture's, although the last test is being torn down."""
        tests = """
@pytest.fixture(scope="module")
def service():
    yield
    leak_thread("at the end")

def test_one(service):
    pass
"""
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.1")
        result.stdout.fnmatch_lines(["1 thread left behind*, in the module-wide fixtures of test_it.py"])


class TestTimeouts:
    """A test that pytest-timeout ends."""

    TEST = """
def test_hangs():
    async def main():
        for _ in range(3): leak_task()
        await asyncio.Event().wait()
    asyncio.run(main())
"""

    def test_started_service_is_not_a_leak(self, suite):  # noqa: F811
        """A loop that a timeout broke off accuses nobody: nothing in it was given the time to end."""
        needs("pytest_timeout")
        args = "--leaks=error", "--leaks-timeout=0.05", "--timeout=1", "--timeout-method=signal"
        result = suite.run(self.TEST, *args, plugins=["pytest_timeout"])
        assert outcomes(result) == {"failed": 1}


class TestOtherRunners:
    """The standard library's runner, and whole runs."""

    PROGRAM = """
import asyncio, unittest
from leaking import *
from opentelemetry.instrumentation.concurrency.testing import LeakTestMixin

class Plain(LeakTestMixin, unittest.TestCase):
    leak_options = {"timeout": 0.1}
    def test_clean(self): pass
    def test_leaks(self): leak_thread()
    def test_fails_too(self):
        leak_thread()
        self.fail("its own")
    @unittest.skip("not now")
    def test_skipped(self): leak_thread()

class Coroutines(LeakTestMixin, unittest.IsolatedAsyncioTestCase):
    leak_options = {"timeout": 0.1}
    def setUp(self):
        if self._testMethodName == "test_plain_set_up": leak_thread()
    async def asyncTearDown(self):
        if self._testMethodName == "test_tear_down": leak_task()
    async def test_clean(self): await asyncio.create_task(asyncio.sleep(0))
    async def test_leaks(self): leak_task()
    async def test_tear_down(self): pass
    def test_plain_set_up(self): pass
"""

    def test_unittest(self, suite):  # noqa: F811
        """The mixin fails what leaks, keeps the test's own failure, and leaves the rest alone."""
        suite.pytester.makepyfile(cases=self.PROGRAM)
        done = subprocess.run([sys.executable, "-m", "unittest", "-v", "cases"], capture_output=True, text=True)
        ended = {line.split(" (")[0]: line.rpartition("... ")[2] for line in done.stderr.splitlines() if "... " in line}
        assert (ended["test_clean"], ended["test_skipped"]) == ("ok", "skipped 'not now'")
        assert "FAILED (failures=6, skipped=1)" in done.stderr
        # A slow machine makes asyncio log the task of a test, with its error, while the tests run.
        failures = done.stderr[done.stderr.index("=====") :]
        assert failures.count("task left behind") == 2
        assert failures.count("thread left behind") == 3
        assert "AssertionError: its own" in done.stderr
