"""Each call makes an executor of its own, and something else keeps it from going away; its idle workers stay.

Source: https://github.com/mem0ai/mem0/issues/4586
"""

import concurrent.futures

EXPECTED = {"run_blocking": "growing"}
COUNT = 40
THREADS = True

executors = []


def run_blocking(function):
    executor = concurrent.futures.ThreadPoolExecutor(max_workers=4)  # guilty
    executors.append(executor)
    return executor.submit(function).result()


async def handle(number):
    run_blocking(int)


async def main(park):
    await park.requests(handle, 40, end=14 * 60)
    await park(at=None)
    for executor in executors:
        executor.shutdown()
