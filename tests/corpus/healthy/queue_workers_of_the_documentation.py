"""Three workers take from one queue, as in the documentation of asyncio; between bursts all of them wait.

They were started by a task that has ended and nobody awaits them. Three at start-up, three for ever.

Source: https://docs.python.org/3/library/asyncio-queue.html#examples
"""

import asyncio

EXPECTED = {}

workers = []


async def work(queue, done):
    while True:
        done.append(await queue.get())
        queue.task_done()


async def start(queue, done):
    for _ in range(3):
        workers.append(asyncio.create_task(work(queue, done)))  # innocent


async def main(park):
    queue, done = asyncio.Queue(), []
    await asyncio.create_task(start(queue, done))  # innocent

    async def handle(number):
        for item in range(10):
            queue.put_nowait(item)

    await park.requests(handle)
    await park()
    await queue.join()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert len(done) == 50
