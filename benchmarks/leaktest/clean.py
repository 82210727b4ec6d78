"""Twenty tests that leave nothing behind, each tricky in another way."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

held = []


async def stuck():
    await asyncio.Event().wait()


# What lives longer than one test, and is ended by its own scope.


@pytest.fixture(scope="module")
def worker():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield thread
    over.set()
    thread.join()


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture
async def server():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    serving = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield serving.sockets[0].getsockname()[1]
    serving.close()
    await serving.wait_closed()


@pytest.fixture
async def heartbeat():
    async def beat():
        while True:
            await asyncio.sleep(0.001)

    task = asyncio.create_task(beat())
    yield
    task.cancel()


def test_first_of_a_wider_fixture(worker):
    assert worker.is_alive()


def test_second_of_a_wider_fixture(worker):
    assert worker.is_alive()


def test_idle_pool(pool):
    assert pool.submit(int).result() == 0


def test_pool_grows_in_a_later_test(pool):
    assert list(pool.map(int, range(8))) == list(range(8))


async def test_connection(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    writer.close()
    await writer.wait_closed()


async def test_background_fixture(heartbeat):
    await asyncio.sleep(0)


# What ends a moment later.


async def test_task_that_ends_soon():
    held.append(asyncio.create_task(asyncio.sleep(0.05)))


async def test_task_just_cancelled():
    task = asyncio.create_task(stuck())
    await asyncio.sleep(0)
    task.cancel()


async def test_cancelled_task_that_cleans_up():
    async def closes():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.03)

    task = asyncio.create_task(closes())
    held.append(task)
    await asyncio.sleep(0)
    task.cancel()


def test_thread_that_ends_soon():
    threading.Thread(target=threading.Event().wait, args=(0.15,)).start()


def test_daemon_that_ends_soon():
    threading.Thread(target=threading.Event().wait, args=(0.15,), daemon=True).start()


async def test_thread_that_ends_soon_in_a_coroutine():
    threading.Thread(target=threading.Event().wait, args=(0.15,)).start()


def test_pool_shut_down_without_waiting():
    pool = ThreadPoolExecutor(1)
    pool.submit(threading.Event().wait, 0.15)
    pool.shutdown(wait=False)


# What belongs to the machinery.


async def test_default_executor():
    await asyncio.to_thread(int)


async def test_own_default_executor():
    pool = ThreadPoolExecutor(1, thread_name_prefix="shop")
    asyncio.get_running_loop().set_default_executor(pool)
    assert await asyncio.to_thread(int) == 0


async def test_generator_left_open():
    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)

    async for _ in numbers():
        break


async def test_subprocess():
    process = await asyncio.create_subprocess_exec("true")
    assert await process.wait() == 0


async def test_timeout():
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(stuck(), 0.001)


async def test_gather_with_failure_awaited():
    async def fails():
        raise ValueError("no")

    results = await asyncio.gather(fails(), asyncio.sleep(0), return_exceptions=True)
    assert isinstance(results[0], ValueError)


def test_run_with_threads_and_generators():
    async def main():
        async with asyncio.Lock():
            await asyncio.to_thread(int)
        task = asyncio.create_task(asyncio.sleep(0.002))
        await task

    asyncio.run(main())
