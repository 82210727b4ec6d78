"""A statement holds the configuration lock under one name and takes it again under another.

Source: GoBench, GoKer cockroach#16167 | https://github.com/cockroachdb/cockroach/pull/16167
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 10

background = set()


class Executor:
    def __init__(self):
        self.config_lock = asyncio.Lock()
        self.config_changed = asyncio.Condition(self.config_lock)

    async def execute(self):
        async with self.config_changed:
            await self.read_config()

    async def read_config(self):
        async with self.config_lock:
            pass

    async def update_config(self):
        async with self.config_lock:
            self.config_changed.notify_all()


async def handle(number):
    executor = Executor()
    background.add(asyncio.create_task(executor.execute()))  # guilty
    background.add(asyncio.create_task(executor.update_config()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
