"""Requests share the work on a key: the first one starts it in a method that awaits what a factory makes.

The factory is a lambda of the caller. What it makes for one kind of key waits for an answer that never comes.

Source: https://pkg.go.dev/golang.org/x/sync/singleflight, as many services write it in Python
"""

import asyncio

EXPECTED = {"price_of": "unwakeable"}
RUNS = {"price_of": "price_of.make"}
COUNT = 5


class Shared:
    def __init__(self):
        self.running = {}

    def start(self, key, make):
        if key not in self.running:
            self.running[key] = asyncio.create_task(self._run(key, make))
        return self.running[key]

    async def _run(self, key, make):
        try:
            return await make()
        finally:
            self.running.pop(key, None)


async def quote(key):
    await asyncio.Event().wait()


async def load(key):
    await asyncio.sleep(0)
    return key


async def watch(stopped):
    await stopped.wait()


def price_of(shared, number):
    def make():
        return quote(number)

    shared.start(("price", number), make)  # guilty: nothing awaits it


async def main(park):
    shared, stopped = Shared(), asyncio.Event()
    shared.start("watch", lambda: watch(stopped))  # innocent

    async def handle(number):
        await shared.start(number, lambda: load(number))  # innocent
        price_of(shared, number)

    await park.requests(handle)
    await park()
    stopped.set()
