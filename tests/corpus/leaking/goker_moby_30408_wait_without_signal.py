"""A plugin is waited for on a condition that no code path of a failed activation signals.

Source: GoBench, GoKer moby#30408 | https://github.com/moby/moby/pull/30408
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 10

background = set()


class Plugin:
    def __init__(self):
        self.activated = asyncio.Condition()
        self.error = None

    async def activate(self):
        self.error = ConnectionRefusedError()

    async def wait_active(self):
        async with self.activated:
            await self.activated.wait()


async def handle(number):
    plugin = Plugin()
    await plugin.activate()
    for _ in range(2):
        background.add(asyncio.create_task(plugin.wait_active()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
