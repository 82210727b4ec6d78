"""Calls await futures that a weak dictionary finds by correlation number; the task that reads answers resolves them.

Only the waiting task itself holds its future, yet the reader can wake it.

Source: https://docs.python.org/3/library/weakref.html#weakref.WeakValueDictionary
"""

import asyncio
import weakref

EXPECTED = {}


class Channel:
    def __init__(self):
        self._waiting = weakref.WeakValueDictionary()
        self.answers = asyncio.Queue()
        self.reader = None
        self.subscriptions = []

    async def open(self):
        self.reader = asyncio.create_task(self._read())  # innocent
        self.subscriptions += [asyncio.create_task(self.call(number)) for number in range(5)]  # innocent

    async def _read(self):
        while (answer := await self.answers.get()) is not None:
            number, text = answer
            if number in self._waiting:
                self._waiting[number].set_result(text)

    async def call(self, number):
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        return await future


async def main(park):
    channel = Channel()
    await asyncio.create_task(channel.open())  # innocent
    await park()
    for number in range(5):
        channel.answers.put_nowait((number, f"price {number}"))
    assert await asyncio.gather(*channel.subscriptions) == [f"price {number}" for number in range(5)]
    channel.answers.put_nowait(None)
    await channel.reader
