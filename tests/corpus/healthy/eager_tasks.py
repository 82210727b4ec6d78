"""Under the eager factory most tasks end before ``create_task`` returns; those that wait go on as usual.

Thousands are recorded as created that never lived for anybody to see, and one consumer stays.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.eager_task_factory
"""

import asyncio

EXPECTED = {}
SINCE = (3, 12)
ASYNCIO_ONLY = True  # https://github.com/MagicStack/uvloop/issues/754

tasks = []


async def main(park):
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    queue, seen = asyncio.Queue(), []

    async def look_up(number):
        return number

    async def consume():
        while (item := await queue.get()) is not None:
            seen.append(item)

    async def boot():
        tasks.append(asyncio.create_task(consume()))  # innocent

    async def handle(number):
        queue.put_nowait(await asyncio.gather(*(asyncio.create_task(look_up(each)) for each in range(100))))  # innocent

    await asyncio.create_task(boot())  # innocent
    await park.requests(handle)
    await park()
    queue.put_nowait(None)
    await tasks.pop()
    asyncio.get_running_loop().set_task_factory(None)
    assert len(seen) == 5
