"""A loop for the whole session runs one short test after the other; between them a fixture's server task just stays.

The task was started by a task that is done, and for most of the time its loop does not even run.

Source: https://pytest-asyncio.readthedocs.io/en/stable/how-to-guides/run_session_tests_in_same_loop.html
"""

import asyncio
import queue
import threading

EXPECTED = {}


async def serve(stop):
    await stop.wait()


async def start_fixture(stop, tasks):
    tasks.append(asyncio.create_task(serve(stop)))  # innocent


async def case(seen):
    seen.append(len(asyncio.all_tasks()))


def session(tests, seen, done):
    loop = asyncio.new_event_loop()
    stop, tasks = asyncio.Event(), []
    loop.run_until_complete(start_fixture(stop, tasks))  # innocent
    while tests.get() is not None:
        loop.run_until_complete(case(seen))  # innocent
        done.release()
    stop.set()
    loop.run_until_complete(tasks[0])
    loop.close()


async def main(park):
    tests, seen, done = queue.SimpleQueue(), [], threading.Semaphore(0)
    runner = threading.Thread(target=session, args=(tests, seen, done), daemon=True)
    runner.start()  # innocent
    for _ in range(6):
        tests.put("test")
        await asyncio.to_thread(done.acquire)  # innocent
        await park.advance(40)
    await park()
    tests.put(None)
    await asyncio.to_thread(runner.join)
    assert seen == [2] * 6
