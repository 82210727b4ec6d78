"""Eight workers of the service go through the helper that a request's forgotten task goes through as well.

The workers are the oldest of the helper's tasks and run the same function; they are healthy all the same.

Source: https://docs.python.org/3/library/asyncio-queue.html#examples (workers) and the helper of
https://docs.astral.sh/ruff/rules/asyncio-dangling-task/
"""

import asyncio

EXPECTED = {"import_file": "unwakeable"}
RUNS = {"import_file": "work"}
COUNT = 5

tasks = set()


def keep(coro):
    task = asyncio.create_task(coro)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def work(queue):
    while await queue.get():
        pass


async def boot(queue):
    for _ in range(8):
        keep(work(queue))  # innocent


async def import_file(number):
    rows = asyncio.Queue()
    keep(work(rows))  # guilty
    rows.put_nowait(number + 1)


async def main(park):
    queue = asyncio.Queue()
    await asyncio.create_task(boot(queue))

    async def handle(number):
        queue.put_nowait(number + 1)
        await import_file(number)

    await park.requests(handle)
    await park()
    for _ in range(8):
        queue.put_nowait(None)
