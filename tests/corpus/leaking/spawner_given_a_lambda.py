"""A service starts what it runs in the background through a helper that calls a factory, so that it can log failures.

The factory is a lambda, or a function that is as short. One of them makes a coroutine that nothing will wake.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

import asyncio

EXPECTED = {"subscribe": "unwakeable"}
RUNS = {"subscribe": "listen"}
COUNT = 5


class Background:
    def __init__(self):
        self.tasks = set()

    def start(self, make):
        task = asyncio.create_task(make())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


async def listen(topic):
    await asyncio.Event().wait()


async def refresh(stopped):
    await stopped.wait()


async def store(number):
    await asyncio.sleep(0)


def subscribe(background, topic):
    def make():
        return listen(topic)

    background.start(make)  # guilty


async def main(park):
    background, stopped = Background(), asyncio.Event()
    background.start(lambda: refresh(stopped))  # innocent

    async def handle(number):
        await background.start(lambda: store(number))  # innocent
        subscribe(background, f"orders/{number}")

    await park.requests(handle)
    await park()
    stopped.set()
