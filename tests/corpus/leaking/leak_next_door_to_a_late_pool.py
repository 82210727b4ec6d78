"""A pool's workers come in two rushes, through the helper that a request's forgotten poller goes through as well.

The pool stays as it is; what leaks at the other line changes nothing for it.

Source: https://github.com/home-assistant/supervisor/issues/6768; made for the corpus
"""

import asyncio

EXPECTED = {"watch": "orphaned"}
RUNS = {"watch": "work"}
COUNT = 5

tasks, queues = set(), []


def keep(coro):
    task = asyncio.create_task(coro)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def work(queue):
    while await queue.get():
        pass


async def widen(queue, by):
    for _ in range(by):
        keep(work(queue))  # innocent


async def watch(number):
    queues.append(asyncio.Queue())
    keep(work(queues[-1]))  # guilty


async def main(park):
    jobs = asyncio.Queue()

    async def handle(number):
        if number in {0, 3}:
            await widen(jobs, 4)
        await watch(number)

    await park.requests(handle)
    await park()
    for queue in (*queues, *(jobs for _ in range(8))):
        queue.put_nowait(None)
