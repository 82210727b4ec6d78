"""Layers of helpers each pass a coroutine to the next, twenty deep, until the last one starts it.

Source: https://docs.python.org/3/library/sys.html#sys.setrecursionlimit; made for the corpus
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "wait_for_callback"}
COUNT = 5

tasks = []


def layer_of(depth, inner):
    def start(coro):
        inner(coro)

    return start if depth == 0 else layer_of(depth - 1, start)


def start_task(coro):
    tasks.append(asyncio.get_running_loop().create_task(coro))


spawn = layer_of(18, start_task)


async def work(jobs):
    while await jobs.get():
        pass


async def wait_for_callback(called):
    await called.wait()


async def boot(jobs):
    spawn(work(jobs))  # innocent


async def handle(number):
    spawn(wait_for_callback(asyncio.Event()))  # guilty


async def main(park):
    jobs = asyncio.Queue()
    await asyncio.create_task(boot(jobs))
    await park.requests(handle)
    await park()
    jobs.put_nowait(None)
