"""The helper gets a bound method and its arguments; the method belongs to the caller's object, not to the helper's.

Source: https://docs.djangoproject.com/en/stable/topics/async/ and the ``run_in_background`` helpers of its users
"""

import asyncio

EXPECTED = {"Connection.accept": "unwakeable"}
RUNS = {"Connection.accept": "Connection.read_loop"}
COUNT = 5


class Background:
    def __init__(self):
        self.tasks = set()

    def run(self, method, *arguments):
        task = asyncio.ensure_future(method(*arguments))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


background = Background()


class Metrics:
    def __init__(self):
        self.samples = asyncio.Queue()

    async def push(self, target):
        while await self.samples.get():
            pass

    async def start(self):
        background.run(self.push, "collector")  # innocent


class Connection:
    def __init__(self):
        self.data = asyncio.Event()

    async def accept(self, number):
        background.run(self.read_loop, number)  # guilty

    async def read_loop(self, number):
        await self.data.wait()


async def main(park):
    metrics = Metrics()
    await asyncio.create_task(metrics.start())

    async def handle(number):
        metrics.samples.put_nowait(number + 1)
        await Connection().accept(number)

    await park.requests(handle)
    await park()
    metrics.samples.put_nowait(None)
