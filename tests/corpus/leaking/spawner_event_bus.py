"""An event bus starts every handler of a topic at one line; the handler that leaks was registered long before.

No frame of the registration is left. Only what runs tells the leak from its healthy neighbours.

Source: https://pyee.readthedocs.io/en/latest/ (``AsyncIOEventEmitter``)
"""

import asyncio
from collections import defaultdict

EXPECTED = {"Bus.publish": "unwakeable"}
RUNS = {"Bus.publish": "Mailer.on_order"}
COUNT = 5

tasks = set()


class Bus:
    def __init__(self):
        self.handlers = defaultdict(list)

    def on(self, topic, handler):
        self.handlers[topic].append(handler)

    def publish(self, topic, event):
        for handler in self.handlers[topic]:
            tasks.add(task := asyncio.create_task(handler(event)))  # guilty
            task.add_done_callback(tasks.discard)


class Mailer:
    async def on_order(self, event):
        await asyncio.Event().wait()


class Stock:
    def __init__(self):
        self.stop = asyncio.Event()

    async def on_order(self, event):
        if event == 0:
            await self.stop.wait()


async def main(park):
    bus, stock = Bus(), Stock()
    bus.on("order", stock.on_order)
    bus.on("order", Mailer().on_order)

    async def handle(number):
        bus.publish("order", number)

    await park.requests(handle)
    await park()
    stock.stop.set()
