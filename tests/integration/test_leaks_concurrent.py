"""The pytest plugin where tests run at once, in one loop, in threads and in processes; and on timeouts."""

import pytest
from suites import errors_of, needs, outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python

ON = ("--leaks=error", "--leaks-timeout=0.1", "-ra")


class TestAtOnce:
    """Where Go's leak tests cannot tell tests apart."""

    RUNNER = '''
import asyncio
import pytest

def pytest_runtestloop(session):
    """Run all coroutine tests at once in one loop, as plugins for that do: the hooks of each, but the core's own."""
    core = [session.config.pluginmanager.get_plugin("runner")]
    hooks = session.config.pluginmanager
    setup = hooks.subset_hook_caller("pytest_runtest_setup", core)
    teardown = hooks.subset_hook_caller("pytest_runtest_teardown", core)
    loop = asyncio.new_event_loop()

    async def main():
        await asyncio.gather(*(item.obj() for item in session.items))

    for item in session.items:
        report(item, "setup", lambda: setup(item=item))
    loop.run_until_complete(main())
    for item in session.items:
        report(item, "call", lambda: None)
        report(item, "teardown", lambda: teardown(item=item, nextitem=None))
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    return True

def report(item, when, call):
    info = pytest.CallInfo.from_call(call, when=when)
    made = item.ihook.pytest_runtest_makereport(item=item, call=info)
    item.ihook.pytest_runtest_logreport(report=made)
'''

    def test_tests_in_one_loop(self, suite):  # noqa: F811
        """Each leak belongs to the test in whose context it was made, whoever runs beside it."""
        suite.pytester.makeconftest(self.RUNNER)
        bodies = "\n".join(
            f"""
async def test_{number}():
    await asyncio.sleep(0)
    {"leak_task()" if number in (1, 4) else "await asyncio.sleep(0.001)"}
    await asyncio.sleep(0.002)
"""
            for number in range(6)
        )
        result = suite.run(bodies, *ON, "-W", "ignore")
        assert errors_of(result) == ["test_1", "test_4"]

    def test_checks_in_one_loop(self, suite):  # noqa: F811
        """So it is with ``check_leaks`` within one test."""
        result = suite.run(
            """
from opentelemetry.instrumentation.concurrency import LeakError, check_leaks

@check_leaks(0.05)
async def handler(number):
    await asyncio.sleep(0.001)
    if number % 3 == 0:
        leak_task()
    await asyncio.sleep(0.001)

def test_blame():
    async def main():
        results = await asyncio.gather(*(handler(number) for number in range(9)), return_exceptions=True)
        assert [isinstance(each, LeakError) for each in results] == [number % 3 == 0 for number in range(9)]
        assert all(len(each.leaks) == 1 for each in results if each)
    asyncio.run(main())
"""
        )
        assert outcomes(result) == {"passed": 1}

    def test_tests_in_threads(self, suite):  # noqa: F811
        """A thread that a test starts belongs to it, and so does what that thread creates."""
        result = suite.run(
            """
def test_leaks_through_a_thread():
    worker = threading.Thread(target=leak_thread)
    worker.start()
    worker.join()

def test_next():
    pass
""",
            *ON,
        )
        assert errors_of(result) == ["test_leaks_through_a_thread"]

    def test_the_offspring_of_a_leak(self, suite):  # noqa: F811
        """What a leaked thread does later is not the fault of the test that runs then."""
        result = suite.run(
            """
go, gone = threading.Event(), threading.Event()

def later():
    go.wait()
    leak_thread("offspring")
    gone.set()
    threading.Event().wait()

def test_leaks():
    threading.Thread(target=later, daemon=True).start()

def test_innocent():
    go.set()
    gone.wait()
""",
            *ON,
        )
        assert errors_of(result) == ["test_leaks"]

    def test_xdist(self, suite):  # noqa: F811
        """Workers check, the controller prints one table over all of them."""
        needs("xdist")
        result = suite.run(
            """
@pytest.mark.parametrize("number", range(4))
def test_thread(number):
    if number % 2:
        leak_thread()
""",
            *ON,
            "-n2",
            plugins=["xdist.plugin"],
        )
        assert sorted(errors_of(result)) == ["test_thread[1]", "test_thread[3]"]
        result.stdout.fnmatch_lines(["2 leaks in 2 tests", "*2  thread  leaking.leak_thread *"])

    def test_xdist_session_check(self, suite):  # noqa: F811
        """What a worker finds at its end reaches the controller and its exit status."""
        needs("xdist")
        result = suite.run(
            "def test_thread():\n    leak_thread()",
            "--leaks-session",
            "--leaks-timeout=0.1",
            "-n1",
            plugins=["xdist.plugin"],
        )
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*1 thread left behind, created by leaking.leak_thread*"])


class TestTimeouts:
    """A test that hangs shows what everything waits for."""

    @pytest.mark.parametrize("method", ["signal", "thread"])
    def test_a_dump(self, suite, method):  # noqa: F811
        """Tasks and threads, those alike together, with the lines that created them."""
        needs("pytest_timeout")
        result = suite.run(
            """
def test_hangs():
    async def main():
        for _ in range(3):
            leak_task()
        await asyncio.Event().wait()
    asyncio.run(main())
""",
            "--leaks=error",
            "--leaks-timeout=0",
            "--timeout=1",
            f"--timeout-method={method}",
            plugins=["pytest_timeout"],
        )
        assert result.ret != 0
        text = result.stdout.str() + result.stderr.str()
        assert "at the timeout: 4 tasks" in text
        assert "and 2 more like it" in text
        assert "created by leaking.leak_task" in text
