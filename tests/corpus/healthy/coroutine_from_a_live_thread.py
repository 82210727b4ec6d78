"""A plain thread asks the loop for something with ``run_coroutine_threadsafe`` and waits for the answer, long.

No task created the coroutine's task and no task awaits it: a thread does, behind a concurrent future.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.run_coroutine_threadsafe
"""

import asyncio
import threading

EXPECTED = {}


async def next_job(jobs):
    return await jobs.get()


async def main(park):
    loop, jobs, done = asyncio.get_running_loop(), asyncio.Queue(), []

    def work():
        while (job := asyncio.run_coroutine_threadsafe(next_job(jobs), loop).result()) is not None:  # innocent
            done.append(job)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(3)]
    for worker in workers:
        worker.start()  # innocent

    async def handle(number):
        jobs.put_nowait(number)

    await park.requests(handle)
    await park()
    for _ in workers:
        jobs.put_nowait(None)
    for worker in workers:
        await asyncio.to_thread(worker.join)
    assert sorted(done) == list(range(5))
