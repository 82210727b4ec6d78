"""Whoever runs a coroutine test: what it leaves is its own, what the runner cancels at the end included."""

import pytest
from suites import needs, outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python

ASYNC_TESTS = """
async def soon():
    await asyncio.sleep(0.02)

async def test_clean():
    await asyncio.gather(soon(), soon())

async def test_ends_soon():
    held.append(asyncio.ensure_future(soon()))

async def test_leaks():
    leak_task()

async def test_after_the_leak():
    await asyncio.sleep(0)

async def test_leaks_in_a_task():
    async def child():
        leak_task()
    await asyncio.create_task(child())

async def test_leaks_a_thread():
    leak_thread()

async def test_cancels_its_own():
    task = asyncio.ensure_future(stuck())
    await asyncio.sleep(0)
    task.cancel()

async def test_fixture_that_tidies(background):
    assert not background.done()

async def test_fixture_that_leaks(leaking):
    pass
"""

FIXTURES = """
@FIXTURE
async def background():
    task = asyncio.ensure_future(stuck())
    yield task
    task.cancel()

@FIXTURE
async def leaking():
    leak_task()
    yield
"""

LEAKING = {"test_leaks", "test_leaks_in_a_task", "test_leaks_a_thread", "test_fixture_that_leaks"}


def failed_at_teardown(result):
    """Return the names of the tests whose teardown failed."""
    lines = (line for line in result.outlines if line.startswith("ERROR test_it.py::"))
    return {line.split(" - ")[0].rpartition("::")[2].partition("[")[0] for line in lines}


class TestRunnersOfFunctions:
    """Plugins that run coroutine functions."""

    def check(self, result, passed=9):
        assert outcomes(result) == {"passed": passed, "errors": len(LEAKING)}
        assert failed_at_teardown(result) == LEAKING

    def test_pytest_asyncio(self, suite):  # noqa: F811
        """In its mode with a loop a test."""
        needs("pytest_asyncio")
        fixtures = "import pytest_asyncio\n" + FIXTURES.replace("@FIXTURE", "@pytest_asyncio.fixture")
        args = "--leaks=error", "--leaks-timeout=0.3", "--asyncio-mode=auto"
        result = suite.run(fixtures + ASYNC_TESTS, *args, plugins=["pytest_asyncio.plugin"])
        self.check(result)

    def test_pytest_asyncio_with_one_loop_for_a_module(self, suite):  # noqa: F811
        """The loop lives on after a test, and so does what leaked; it is blamed once, on the test that created it."""
        needs("pytest_asyncio")
        fixture = "@pytest_asyncio.fixture(loop_scope='module')"
        tests = (
            "import pytest_asyncio\npytestmark = pytest.mark.asyncio(loop_scope='module')\n"
            + FIXTURES.replace("@FIXTURE", fixture)
            + ASYNC_TESTS
            + WIDER.replace("@FIXTURE", "@pytest_asyncio.fixture(scope='module', loop_scope='module')")
        )
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3", plugins=["pytest_asyncio.plugin"])
        self.check(result, passed=11)

    def test_anyio(self, suite):  # noqa: F811
        """All tests and fixtures of one runner share a loop and, on new versions, a task and its context."""
        needs("anyio")
        tests = (
            "pytestmark = pytest.mark.anyio\n"
            "@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
            + FIXTURES.replace("@FIXTURE", "@pytest.fixture")
            + ASYNC_TESTS
        )
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3", plugins=["anyio.pytest_plugin"])
        self.check(result)

    def test_anyio_with_one_loop_for_a_module(self, suite):  # noqa: F811
        """What a wider fixture keeps belongs to the fixture."""
        needs("anyio")
        tests = (
            "pytestmark = pytest.mark.anyio\n"
            "@pytest.fixture(scope='module')\ndef anyio_backend(): return 'asyncio'\n"
            + FIXTURES.replace("@FIXTURE", "@pytest.fixture")
            + ASYNC_TESTS
            + WIDER.replace("@FIXTURE", "@pytest.fixture(scope='module')")
        )
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3", plugins=["anyio.pytest_plugin"])
        self.check(result, passed=11)

    @pytest.mark.parametrize("plugins", [["aiohttp.pytest_plugin"], ["pytest_asyncio.plugin", "pytest_aiohttp.plugin"]])
    def test_aiohttp(self, suite, plugins):  # noqa: F811
        """Its client and server are closed by their fixture; what a handler starts and leaves is the test's."""
        for plugin in plugins:
            needs(plugin.partition(".")[0])
        tests = """
from aiohttp import web

async def leaks(request):
    leak_task()
    return web.Response()

async def answers(request):
    return web.Response()

@pytest.fixture
async def client(aiohttp_client):
    app = web.Application()
    app.router.add_get("/leaks", leaks)
    app.router.add_get("/answers", answers)
    return await aiohttp_client(app)

async def test_answers(client):
    assert (await client.get("/answers")).status == 200

async def test_leaks(client):
    assert (await client.get("/leaks")).status == 200

async def test_again(client):
    assert (await client.get("/answers")).status == 200
"""
        mode = ["--asyncio-mode=auto"] if len(plugins) > 1 else []
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3", *mode, plugins=plugins)
        assert outcomes(result) == {"passed": 3, "errors": 1}
        assert failed_at_teardown(result) == {"test_leaks"}


WIDER = """
@FIXTURE
async def kept():
    task = asyncio.ensure_future(stuck())
    yield task
    task.cancel()

async def test_first_with_a_wider_fixture(kept):
    assert not kept.done()

async def test_second_with_a_wider_fixture(kept):
    assert not kept.done()
"""


class TestRunnersInTheTest:
    """Tests that run a loop themselves, and the standard library's test case."""

    def test_isolated_asyncio_test_case(self, suite):  # noqa: F811
        """Body, set-up and tear-down of the case belong to the test; a task that its cleanup cancels does not."""
        tests = """
import unittest

class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.task = asyncio.ensure_future(stuck())
        if self._testMethodName == "test_set_up": leak_task()

    async def asyncTearDown(self):
        self.task.cancel()
        if self._testMethodName == "test_tear_down": leak_task()

    async def test_clean(self): await asyncio.sleep(0)
    async def test_body(self): leak_task()
    async def test_set_up(self): pass
    async def test_tear_down(self): pass
    async def test_ends_soon(self): held.append(asyncio.ensure_future(asyncio.sleep(0.02)))
    def test_thread(self): leak_thread()
    def setUp(self):
        if self._testMethodName == "test_plain_set_up": leak_thread()
    def test_plain_set_up(self): pass
    @unittest.skip("not now")
    async def test_skipped(self): leak_task()
"""
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3")
        assert outcomes(result) == {"passed": 7, "skipped": 1, "errors": 5}
        leaking = {"test_body", "test_set_up", "test_plain_set_up", "test_tear_down", "test_thread"}
        assert failed_at_teardown(result) == leaking

    def test_asyncio_run(self, suite):  # noqa: F811
        """What is cancelled at its end had outlived main."""
        tests = """
def test_clean(): asyncio.run(asyncio.sleep(0))
def test_leaks():
    async def main(): leak_task()
    asyncio.run(main())
def test_cancels_its_own():
    async def main():
        task = asyncio.ensure_future(stuck())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    asyncio.run(main())
def test_to_thread():
    async def main(): await asyncio.get_running_loop().run_in_executor(None, int)
    asyncio.run(main())
def test_a_loop_left_open():
    held.append(asyncio.new_event_loop())
    held[-1].run_until_complete(asyncio.wait_for(asyncio.sleep(0), 5))
def test_a_leak_in_a_loop_left_open():
    async def main(): leak_task()
    held.append(asyncio.new_event_loop())
    held[-1].run_until_complete(main())
"""
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3")
        assert failed_at_teardown(result) == {"test_leaks", "test_a_leak_in_a_loop_left_open"}
        result.stdout.fnmatch_lines(["*still there when the runner ended its loop*"])

    def test_uvloop(self, suite):  # noqa: F811
        """Its loop and its own ``run`` as well."""
        needs("uvloop")
        tests = """
import uvloop
def test_clean(): uvloop.run(asyncio.sleep(0))
def test_leaks():
    async def main(): leak_task()
    uvloop.run(main())
def test_leaks_in_a_policy():
    async def main(): leak_task()
    loop = uvloop.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
"""
        result = suite.run(tests, "--leaks=error", "--leaks-timeout=0.3")
        assert failed_at_teardown(result) == {"test_leaks", "test_leaks_in_a_policy"}
