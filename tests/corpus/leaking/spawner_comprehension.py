"""The helper starts a list of coroutines in a comprehension, which is a frame of its own up to Python 3.11.

Source: https://docs.python.org/3/library/asyncio-task.html#waiting-primitives
"""

import asyncio

EXPECTED = {"fan_out": "unwakeable"}
RUNS = {"fan_out": "ask"}
COUNT = 10

tasks = []


def spawn_all(coros):
    started = [asyncio.create_task(coro) for coro in coros]
    tasks.extend(started)
    return started


async def consume(jobs):
    while await jobs.get():
        pass


async def ask(replica, answered):
    await answered.wait()


async def boot(queues):
    spawn_all([consume(jobs) for jobs in queues])  # innocent


async def fan_out(number):
    answered = asyncio.Event()
    spawn_all([ask(replica, answered) for replica in range(2)])  # guilty


async def main(park):
    queues = [asyncio.Queue(), asyncio.Queue()]
    await asyncio.create_task(boot(queues))
    await park.requests(fan_out)
    await park()
    for jobs in queues:
        jobs.put_nowait(None)
