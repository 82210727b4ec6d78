"""A wait group counts all plugins but is waited for in each round of the loop that starts them one by one.

Source: GoBench, GoKer moby#25384 | https://github.com/moby/moby/pull/25384
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


class WaitGroup:
    def __init__(self, count):
        self.count = count
        self.zero = asyncio.Event()

    def done(self):
        self.count -= 1
        if not self.count:
            self.zero.set()


async def enable(group):
    group.done()


async def start_plugins(plugins):
    group = WaitGroup(len(plugins))
    for _ in plugins:
        starting = asyncio.create_task(enable(group))  # innocent
        await group.zero.wait()
        await starting


async def handle(number):
    background.add(asyncio.create_task(start_plugins(["volume", "network"])))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
