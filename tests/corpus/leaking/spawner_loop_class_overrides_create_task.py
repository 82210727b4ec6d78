"""The class of the loop overrides ``create_task`` to count, and calls ``super()``: every task goes through that line.

Source: https://docs.python.org/3/library/asyncio-extending.html
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "remind"}
COUNT = 5

tasks = []


def loop_class(plain):
    class CountingLoop(plain):
        created = 0

        def create_task(self, coro, **options):
            self.created += 1
            return super().create_task(coro, **options)

    return CountingLoop


async def work(jobs):
    while await jobs.get():
        pass


async def remind():
    await asyncio.Event().wait()


async def boot(jobs):
    tasks.append(asyncio.create_task(work(jobs)))  # innocent


async def handle(number):
    tasks.append(asyncio.create_task(remind()))  # guilty


async def main(park):
    jobs = asyncio.Queue()
    await asyncio.create_task(boot(jobs))
    await park.requests(handle)
    await park()
    jobs.put_nowait(None)
    assert asyncio.get_running_loop().created > 5
