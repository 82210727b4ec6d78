"""Whose leak it is when more than one thing runs; processes of pytest-xdist; timeouts; other runners."""

import subprocess
import sys

import pytest
from suites import outcomes, suite  # noqa: F401 (a fixture)

from opentelemetry.instrumentation.concurrency.testing import verify_main

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

    def test_the_offspring_of_a_leak(self, suite):  # noqa: F811
        """What a leaked thread starts during the next test is not that test's."""
        tests = """
wanted, made = threading.Event(), threading.Event()

def offspring():
    wanted.wait()
    leak_thread("offspring")
    made.set()

def test_leaks():
    threading.Thread(target=offspring).start()

def test_innocent():
    wanted.set()
    assert made.wait(30)
"""
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.1")
        assert outcomes(result) == {"passed": 2, "errors": 1}
        result.stdout.fnmatch_lines(["ERROR test_it.py::test_leaks - *"])

    def test_tests_that_run_at_the_same_time_in_one_loop(self, suite):  # noqa: F811
        """Each of three concurrent ones is told apart: two leak, one between them is clean."""
        tests = """
from opentelemetry.instrumentation.concurrency import LeakError, check_leaks

async def one(number, barrier):
    async with check_leaks(0.1, label=f"number {number}"):
        for step in range(3):
            await barrier()
            if number != 1 and step == 1:
                leak_task()

def test_all():
    async def main():
        arrived, turn = 0, asyncio.Condition()
        async def barrier():
            nonlocal arrived
            async with turn:
                arrived += 1
                target = -(-arrived // 3) * 3
                turn.notify_all()
                await turn.wait_for(lambda: arrived >= target)
        return await asyncio.gather(*(one(number, barrier) for number in range(3)), return_exceptions=True)
    first, second, third = asyncio.run(main())
    assert isinstance(first, LeakError) and isinstance(third, LeakError) and second is None
    assert first.label == "number 0" and len(first.leaks) == 1
"""
        # What a check inside the test has reported, the test's own check does not report again.
        assert outcomes(suite.run(tests, "--leaks=error", "--leaks-timeout=0.1")) == {"passed": 1}

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


class TestXdist:
    """Tests in worker processes."""

    def test_failures_and_the_summary_arrive(self, suite):  # noqa: F811
        """The tables count over all workers; what each finds at its own end is said as well."""
        pytest.importorskip("xdist")
        tests = """
@pytest.mark.parametrize("number", range(8))
def test_thread(number):
    leak_thread()
    assert True

def test_clean():
    pass
"""
        args = "--leaks=error", "--leaks-timeout=0.05", "-n2"
        result = suite.run(tests, *args, plugins=["xdist.plugin"])
        assert outcomes(result) == {"passed": 9, "errors": 8}
        result.stdout.fnmatch_lines(["8 leaks in 8 tests", "*8  thread  leaking.leak_thread *"])

    def test_the_end_of_a_worker(self, suite):  # noqa: F811
        """A worker that leaves something fails the run."""
        pytest.importorskip("xdist")
        args = "--leaks-session", "--leaks-timeout=0.05", "-n1"
        clean = suite.run("def test_clean(): pass", *args, plugins=["xdist.plugin"])
        assert (clean.ret, outcomes(clean)) == (0, {"passed": 1})
        fixture = "@pytest.fixture(scope='session', autouse=True)\ndef late(): leak_thread('late')\n"
        late = suite.run(fixture + "def test_clean(): pass", *args, plugins=["xdist.plugin"])
        assert late.ret == 1
        late.stdout.fnmatch_lines(["*1 thread left behind*"])


class TestTimeouts:
    """A test that pytest-timeout ends."""

    TEST = """
def test_hangs():
    async def main():
        for _ in range(3): leak_task()
        await asyncio.Event().wait()
    asyncio.run(main())
"""

    @pytest.mark.parametrize("method", ["signal", "thread"])
    def test_a_grouped_dump(self, suite, method):  # noqa: F811
        """Every task and thread, those alike together, with the line that created them."""
        pytest.importorskip("pytest_timeout")
        args = "--leaks=error", "--leaks-timeout=0.05", "--timeout=1", f"--timeout-method={method}"
        result = suite.run(self.TEST, *args, plugins=["pytest_timeout"])
        assert result.ret == 1
        lines = result.outlines if method == "signal" else result.errlines
        assert any("at the timeout: 4 tasks and " in line for line in lines)
        assert any("running stuck" in line and "and 2 more like it" in line for line in lines)
        assert any("created by leaking.leak_task" in line for line in lines)
        if method == "signal":
            # What main had started is left; main itself, which the timeout stopped, has left nothing behind.
            result.stdout.fnmatch_lines(["3 tasks left behind*"])


class TestOtherRunners:
    """The standard library's runner, and whole runs."""

    PROGRAM = """
import asyncio, sys, unittest
from leaking import *
from opentelemetry.instrumentation.concurrency.testing import LeakTestMixin, verify_main

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
        assert done.stderr.count("task left behind") == 2
        assert done.stderr.count("thread left behind") == 3
        assert "AssertionError: its own" in done.stderr

    @pytest.mark.parametrize(
        ("body", "status", "says"),
        [
            ("", 0, False),
            ("leak_thread()", 1, True),
            ("leak_thread(); sys.exit(3)", 3, False),
            ("sys.exit(3)", 3, False),
        ],
    )
    def test_a_whole_run(self, suite, body, status, says):  # noqa: F811
        """The exit code of the run is kept; 0 becomes 1 where something is left."""
        program = f"""
import sys
from leaking import *
from opentelemetry.instrumentation.concurrency.testing import verify_main
def run():
    {body or "pass"}
sys.exit(verify_main(run, timeout=0.05))
"""
        suite.pytester.makepyfile(whole=program)
        done = subprocess.run([sys.executable, "whole.py"], capture_output=True, text=True)
        assert (done.returncode, "1 thread left behind" in done.stderr) == (status, says)

    def test_wrong_options_are_refused_before_the_run(self):
        """Not after it."""
        ran = []
        with pytest.raises(TypeError):
            verify_main(lambda: ran.append(1), unknown=3)
        assert ran == []
