"""anyio's test runner keeps one task for all tests; an async fixture of the module is set up and lives there.

Tests come and go for minutes, the runner's task and what the fixture started stay until the last test is done.

Source: https://anyio.readthedocs.io/en/stable/testing.html (higher-scoped fixtures)
"""

import asyncio
import threading

from anyio._backends._asyncio import TestRunner

EXPECTED = {}
NEEDS = ("anyio",)


async def server(stop):
    await stop.wait()


async def running_server():
    stop = asyncio.Event()
    task = asyncio.create_task(server(stop))  # innocent
    yield stop
    stop.set()
    await task


async def case(stop):
    assert not stop.is_set()


def run_tests(tests, progress):
    async def fixture():
        async for stop in running_server():
            yield stop

    with TestRunner(debug=None, use_uvloop=False, loop_factory=None) as runner:

        def run_fixture(stop):
            progress.wait()
            for _ in range(tests):
                runner.run_test(case, {"stop": stop})

        for stop in runner.run_asyncgen_fixture(fixture, {}):
            run_fixture(stop)


async def main(park):
    progress = threading.Event()
    tests = threading.Thread(target=run_tests, args=(3, progress), daemon=True)
    tests.start()  # innocent
    await park()
    progress.set()
    await asyncio.to_thread(tests.join)  # innocent
