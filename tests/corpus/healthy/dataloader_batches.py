"""Loads of one turn of the loop are gathered into one batch, sent by a task that a callback of the loop starts.

Requests await futures that the batch resolves; the batch has no creator among the requests and nobody awaits it.

Source: https://github.com/syrusakbary/aiodataloader, https://github.com/graphql/dataloader
"""

import asyncio

EXPECTED = {}


class DataLoader:
    def __init__(self, load_many):
        self._load_many = load_many
        self._waiting = []

    def load(self, key):
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._dispatch)
        self._waiting.append((key, loop.create_future()))
        return self._waiting[-1][1]

    def _dispatch(self):
        batch, self._waiting = self._waiting, []
        batches.add(asyncio.ensure_future(self._load(batch)))  # innocent

    async def _load(self, batch):
        values = await self._load_many([key for key, _ in batch])
        for (_, future), value in zip(batch, values, strict=True):
            future.set_result(value)


batches = set()


async def main(park):
    slow = asyncio.Event()

    async def load_many(keys):
        await slow.wait()
        return [key * key for key in keys]

    async def handle(number):
        loader = DataLoader(load_many)
        assert await asyncio.gather(*(loader.load(key) for key in range(10))) == [key * key for key in range(10)]
        answered.append(number)

    answered = []
    # The database is slow this quarter of an hour.
    await park.requests(handle, 5)
    await park()
    slow.set()
    while len(answered) < 5:
        await asyncio.sleep(0)
