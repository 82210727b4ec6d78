"""Assigning a token sends to the keeper under the lock; the keeper takes the same lock to delete an expired one.

Source: GoBench, GoKer etcd#7492 | https://github.com/etcd-io/etcd/pull/7492
"""

import asyncio

EXPECTED = {"Tokens.enable": "unwakeable", "handle": "unwakeable"}
COUNT = {"Tokens.enable": 5, "handle": 15}

background = set()


class Tokens:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.added = asyncio.Queue(maxsize=1)

    def enable(self):
        background.add(asyncio.create_task(self.keep()))  # guilty

    async def keep(self):
        while True:
            await self.added.get()
            async with self.lock:
                pass

    async def assign(self):
        async with self.lock:
            await self.added.put("token")
            await self.added.put("its renewal")
            await self.added.put("its audit")


async def handle(number):
    tokens = Tokens()
    tokens.enable()
    for _ in range(3):
        background.add(asyncio.create_task(tokens.assign()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
