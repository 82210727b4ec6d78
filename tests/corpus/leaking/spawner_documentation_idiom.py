"""The documented helper keeps each task in a set until it is done; one of its callers starts a task that never ends.

The worker and the short mail that go through the same helper are healthy.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "watch_payment"}
COUNT = 5

background_tasks = set()


def spawn(coro):
    task = asyncio.create_task(coro)
    background_tasks.add(task)
    task.add_done_callback(background_tasks.discard)
    return task


async def work(jobs):
    while True:
        await jobs.get()


async def send_mail():
    await asyncio.sleep(0)


async def watch_payment():
    await asyncio.Event().wait()


async def boot(jobs):
    spawn(work(jobs))  # innocent


async def handle(number):
    spawn(send_mail())  # innocent
    spawn(watch_payment())  # guilty


async def main(park):
    jobs = asyncio.Queue()
    await asyncio.create_task(boot(jobs))
    await park.requests(handle)
    await park()
    jobs.put_nowait(None)
