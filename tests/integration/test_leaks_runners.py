"""The pytest plugin under every way to run coroutine tests: each leak is found and belongs to the test that made it."""

import sys

import pytest
from suites import errors_of, needs, outcomes, suite  # noqa: F401 (a fixture)

pytestmark = pytest.mark.every_python

ON = ("--leaks=error", "--leaks-timeout=0.1", "-ra")


class TestRunners:
    """One leaking and some tricky clean tests under each."""

    def test_asyncio_run_in_a_sync_test(self, suite):  # noqa: F811
        """What outlives main is found, although the runner cancels it; what main waits for is no leak."""
        result = suite.run(
            """
def test_leaks():
    async def main():
        leak_task()
    asyncio.run(main())

def test_clean():
    async def main():
        task = asyncio.create_task(asyncio.sleep(0.01))
        await task
        await asyncio.to_thread(int)
    asyncio.run(main())

def test_a_loop_of_its_own():
    loop = asyncio.new_event_loop()
    async def main():
        leak_task()
        await asyncio.sleep(0)
    loop.run_until_complete(main())
    loop.close()
    held[-1]._log_destroy_pending = False
""",
            *ON,
        )
        assert errors_of(result) == ["test_leaks", "test_a_loop_of_its_own"]

    def test_pytest_asyncio(self, suite):  # noqa: F811
        """In both modes of loop scope, with fixtures of all scopes; a task that ends soon is given its time."""
        needs("pytest_asyncio")
        suite.ini("asyncio_mode = auto\nasyncio_default_fixture_loop_scope = module")
        result = suite.run(
            """
import pytest_asyncio

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server():
    task = asyncio.create_task(stuck())
    yield task
    task.cancel()

@pytest_asyncio.fixture
async def client():
    task = asyncio.create_task(stuck())
    await asyncio.sleep(0)
    yield task
    task.cancel()

@pytest_asyncio.fixture
async def leaving():
    leak_task("of the fixture")
    yield

async def test_clean(client):
    await asyncio.sleep(0)

@pytest.mark.asyncio(loop_scope="module")
async def test_with_server(server):
    await asyncio.sleep(0)

@pytest.mark.asyncio(loop_scope="module")
async def test_with_server_leaks(server):
    leak_task()
    await asyncio.sleep(0)

@pytest.mark.asyncio(loop_scope="module")
async def test_after_it(server):
    await asyncio.sleep(0)

async def test_ends_soon():
    held.append(asyncio.create_task(asyncio.sleep(0.03)))

async def test_leaks():
    leak_task()

async def test_fixture_leaks(leaving):
    pass

async def test_generator_left_open():
    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
    async for _ in numbers():
        break
""",
            *ON,
            plugins=["pytest_asyncio.plugin"],
        )
        assert errors_of(result) == ["test_with_server_leaks", "test_leaks", "test_fixture_leaks"]
        assert outcomes(result) == {"passed": 8, "errors": 3}

    def test_anyio(self, suite):  # noqa: F811
        """anyio's plugin, with its worker threads, task groups and asynchronous fixtures."""
        needs("anyio")
        result = suite.run(
            """
import anyio, anyio.to_thread

pytestmark = pytest.mark.anyio

@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"

@pytest.fixture
async def client():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 60)
        yield
        group.cancel_scope.cancel()

@pytest.fixture(scope="module")
async def server():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 60)
        yield
        group.cancel_scope.cancel()

async def test_clean(client, server):
    await anyio.to_thread.run_sync(int)

async def test_leaks(server):
    leak_task()
    await anyio.sleep(0)

async def test_after_it(server):
    await anyio.sleep(0)

async def test_thread_leaks():
    leak_thread()
""",
            *ON,
            plugins=["anyio.pytest_plugin"],
        )
        assert errors_of(result) == ["test_leaks", "test_thread_leaks"]
        assert outcomes(result) == {"passed": 4, "errors": 2}

    def test_anyio_on_trio(self, suite):  # noqa: F811
        """Without an event loop of asyncio only threads are looked at; idle ones of trio end by themselves."""
        needs("anyio")
        needs("trio")
        result = suite.run(
            """
import anyio, anyio.to_thread, trio, threading

pytestmark = pytest.mark.anyio
busy = threading.Event()

@pytest.fixture
def anyio_backend():
    return "trio"

async def test_busy_worker_leaks():
    with trio.CancelScope() as scope:
        def work():
            trio.from_thread.run_sync(scope.cancel)
            busy.wait()
        await trio.to_thread.run_sync(work, abandon_on_cancel=True)

async def test_clean():
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
    await trio.to_thread.run_sync(int)

async def test_thread_leaks():
    leak_thread()

def test_end():
    busy.set()
""",
            *ON,
            plugins=["anyio.pytest_plugin"],
        )
        assert errors_of(result) == ["test_busy_worker_leaks", "test_thread_leaks"]
        assert outcomes(result) == {"passed": 4, "errors": 2}

    def test_isolated_asyncio_test_case(self, suite):  # noqa: F811
        """unittest's own: set-up, body, tear-down and cleanups are one scope, and debug mode changes nothing."""
        result = suite.run(
            """
import unittest

class TestIt(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.server = asyncio.create_task(stuck())

    async def asyncTearDown(self):
        self.server.cancel()

    async def test_a_clean(self):
        await asyncio.sleep(0)

    async def test_b_leaks(self):
        leak_task()
        await asyncio.sleep(0)

    async def test_c_cleanup_leaks(self):
        async def leaves():
            leak_task()
            await asyncio.sleep(0)
        self.addAsyncCleanup(leaves)

    async def test_d_ends_soon(self):
        held.append(asyncio.create_task(asyncio.sleep(0.03)))

    async def test_e_in_executor(self):
        await asyncio.to_thread(int)

class TestPlain(unittest.TestCase):
    def test_thread(self):
        leak_thread()

    def test_clean(self):
        pass
""",
            *ON,
        )
        assert errors_of(result) == ["TestIt::test_b_leaks", "TestIt::test_c_cleanup_leaks", "TestPlain::test_thread"]
        assert outcomes(result) == {"passed": 7, "errors": 3}

    def test_aiohttp(self, suite):  # noqa: F811
        """aiohttp's own plugin, whose loop ends without cancelling anything; a real server and client are clean."""
        needs("aiohttp")
        result = suite.run(
            """
from aiohttp import web

async def hello(request):
    return web.Response(text="hello")

async def leaks(request):
    leak_task()
    return web.Response(text="left one")

def app():
    made = web.Application()
    made.router.add_get("/", hello)
    made.router.add_get("/leaks", leaks)
    return made

async def test_clean(aiohttp_client):
    client = await aiohttp_client(app())
    assert await (await client.get("/")).text() == "hello"

async def test_handler_leaks(aiohttp_client):
    client = await aiohttp_client(app())
    assert (await client.get("/leaks")).status == 200
    held[-1]._log_destroy_pending = False

async def test_body_leaks(loop):
    leak_task()
    await asyncio.sleep(0)
    held[-1]._log_destroy_pending = False
""",
            *ON,
            "-W",
            "ignore::DeprecationWarning",
            plugins=["aiohttp.pytest_plugin"],
        )
        assert errors_of(result) == ["test_handler_leaks[pyloop]", "test_body_leaks[pyloop]"]

    def test_pytest_aiohttp(self, suite):  # noqa: F811
        """aiohttp's fixtures on pytest-asyncio's loop."""
        needs("pytest_aiohttp")
        suite.ini("asyncio_mode = auto")
        result = suite.run(
            """
from aiohttp import web

async def leaks(request):
    leak_task()
    return web.Response(text="left one")

async def hello(request):
    return web.Response(text="hello")

@pytest.fixture
async def client(aiohttp_client):
    made = web.Application()
    made.router.add_get("/", hello)
    made.router.add_get("/leaks", leaks)
    return await aiohttp_client(made)

async def test_clean(client):
    assert await (await client.get("/")).text() == "hello"

async def test_handler_leaks(client):
    assert (await client.get("/leaks")).status == 200
""",
            *ON,
            plugins=["pytest_asyncio.plugin", "pytest_aiohttp.plugin"],
        )
        assert errors_of(result) == ["test_handler_leaks"]

    @pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
    def test_uvloop(self, suite):  # noqa: F811
        """On uvloop the same."""
        needs("uvloop")
        result = suite.run(
            """
import uvloop

def run(main):
    loop = uvloop.new_event_loop()
    if hasattr(asyncio, "Runner"):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main())
    uvloop.install()
    asyncio.run(main())

def test_clean():
    run(lambda: asyncio.sleep(0))

def test_leaks():
    async def main():
        leak_task()
        await asyncio.sleep(0)
    run(main)
""",
            *ON,
            "-W",
            "ignore",
        )
        assert errors_of(result) == ["test_leaks"]
