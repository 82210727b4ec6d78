"""A worker must be stopped by whoever started it; here its user forgets.

Source: Uber, "Unveiling and Vanquishing Goroutine Leaks", contract | https://doi.org/10.1109/CGO57630.2024.10444835
"""

import asyncio

EXPECTED = {"Worker.start": "unwakeable"}
COUNT = 5

running = set()


class Worker:
    def __init__(self):
        self.items = asyncio.Queue()

    def start(self):
        task = asyncio.create_task(self.run())  # guilty
        running.add(task)
        task.add_done_callback(running.discard)

    async def run(self):
        while (await self.items.get()) is not None:
            self.items.task_done()

    def stop(self):
        self.items.put_nowait(None)


async def handle(number):
    worker = Worker()
    worker.start()
    worker.items.put_nowait(number)
    await worker.items.join()


async def main(park):
    await park.requests(handle)
    await park()
