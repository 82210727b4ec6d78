"""Twenty tests that leak, each in another way; each leaves exactly one task or thread behind, and passes.

Threads are daemons only so that the process can end.
"""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

held = []


async def stuck():
    await asyncio.Event().wait()


def keep(found):
    held.append(found)
    return found


def start_thread(target, *args):
    thread = keep(threading.Thread(target=target, args=args, daemon=True))
    thread.start()
    return thread


# In a coroutine test.


async def test_event_that_nobody_sets():
    keep(asyncio.create_task(stuck()))


async def test_producer_of_a_full_queue():
    queue = asyncio.Queue(1)
    queue.put_nowait(0)
    keep(asyncio.create_task(queue.put(1)))
    await asyncio.sleep(0)


async def test_task_that_swallows_its_cancellation():
    async def stubborn():
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if held is None:
                    raise
                held_on.set()
                await asyncio.Event().wait()

    held_on = asyncio.Event()
    task = keep(asyncio.create_task(stubborn()))
    await asyncio.sleep(0)
    task.cancel()
    await held_on.wait()


async def test_inner_of_a_shield():
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(keep(asyncio.ensure_future(stuck()))), 0.001)


async def test_rest_of_a_wait_for_the_first():
    first = asyncio.create_task(asyncio.sleep(0))
    slow = keep(asyncio.create_task(stuck()))
    await asyncio.wait([first, slow], return_when=asyncio.FIRST_COMPLETED)


async def test_sibling_of_a_failed_gather():
    async def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await asyncio.gather(fails(), keep(asyncio.ensure_future(stuck())))


async def test_task_of_a_task():
    async def parent():
        keep(asyncio.create_task(stuck()))

    await asyncio.create_task(parent())


async def test_made_without_the_loop():
    keep(asyncio.Task(stuck(), loop=asyncio.get_running_loop()))
    await asyncio.sleep(0)


async def test_poller():
    async def poll():
        while True:
            await asyncio.sleep(0.005)

    keep(asyncio.create_task(poll()))
    await asyncio.sleep(0)


async def test_callback_starts_it():
    done = asyncio.Event()

    def later():
        keep(asyncio.ensure_future(stuck()))
        done.set()

    asyncio.get_running_loop().call_soon(later)
    await done.wait()


async def test_thread_of_a_coroutine():
    start_thread(threading.Event().wait)


async def test_destroyed_while_pending():
    # The name is dropped and the collector comes: nothing is left to compare, but the task never ran to its end.
    asyncio.ensure_future(stuck())
    await asyncio.sleep(0)
    gc.collect()


@pytest.fixture
async def connection():
    keep(asyncio.create_task(stuck()))
    await asyncio.sleep(0)


async def test_setup_of_a_fixture(connection):
    pass


@pytest.fixture
async def pool():
    yield
    keep(asyncio.create_task(stuck()))
    await asyncio.sleep(0)


async def test_teardown_of_a_fixture(pool):
    pass


# In a plain test.


def test_what_asyncio_run_cancels():
    async def main():
        keep(asyncio.create_task(stuck()))
        await asyncio.sleep(0)

    asyncio.run(main())


def test_thread():
    start_thread(threading.Event().wait)


def test_thread_of_a_thread():
    worker = threading.Thread(target=start_thread, args=(threading.Event().wait,))
    worker.start()
    worker.join()


def test_stuck_worker_of_a_pool():
    pool = keep(ThreadPoolExecutor(1))
    pool.submit(threading.Event().wait, 30)


def test_timer():
    timer = keep(threading.Timer(60, int))
    timer.daemon = True
    timer.start()


@pytest.fixture
def server():
    start_thread(threading.Event().wait)


def test_thread_of_a_fixture(server):
    pass
