"""``race`` returns the first result and forgets the losers; both of its callers leak through it.

The sites are the lines of the callers. That all of them leak points at the helper.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.wait (``wait`` does not cancel what is pending)
"""

import asyncio

EXPECTED = {"quote": "unwakeable", "search": "unwakeable"}
RUNS = {"quote": "ask_slow_shop", "search": "ask_lost_replica"}
COUNT = 5

tasks = set()


async def race(*coros):
    running = [asyncio.create_task(coro) for coro in coros]
    tasks.update(running)
    done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    tasks.difference_update(done)
    return done.pop().result()


async def answer(number):
    return number


async def ask_slow_shop(answered):
    await answered.wait()


async def ask_lost_replica(answered):
    await answered.wait()


async def quote(number):
    return await race(answer(number), ask_slow_shop(asyncio.Event()))  # guilty


async def search(number):
    return await race(ask_lost_replica(asyncio.Event()), answer(number))  # guilty


async def main(park):
    async def handle(number):
        assert await quote(number) == await search(number) == number

    await park.requests(handle)
    await park()
