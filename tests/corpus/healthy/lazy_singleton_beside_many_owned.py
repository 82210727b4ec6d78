"""A helper's line runs 25 workers that the service supervises, and one more that the first request starts.

The supervisor awaits the 25. The one of the request has no owner, but it is one.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task (the idiom of the helper)
"""

import asyncio

EXPECTED = {}

tasks, workers = set(), {}


async def work(queue):
    while await queue.get():
        pass


def spawn(coro):
    task = asyncio.create_task(coro)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def run_worker(queue):
    return spawn(work(queue))  # innocent


def worker_for(name, queue):
    workers[name] = run_worker(queue)  # innocent
    return workers[name]


async def supervise(queue):
    await asyncio.gather(*(worker_for(number, queue) for number in range(25)))


async def main(park):
    queue, started = asyncio.Queue(), []
    supervisor = asyncio.create_task(supervise(queue))  # innocent

    async def handle(number):
        if not started:
            started.append(worker_for("shared", queue))
        queue.put_nowait("job")

    await park.requests(handle)
    await park()
    for _ in range(26):
        queue.put_nowait(None)
    await asyncio.gather(supervisor, *started)
