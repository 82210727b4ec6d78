"""Clearing the addresses of a mapping notifies under its lock, and a subscriber reads the mapping under that lock.

Source: GoBench, GoKer syncthing#4829 | https://github.com/syncthing/syncthing/pull/4829
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


class Mapping:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.subscribers = [self.print_address]

    async def clear_addresses(self):
        async with self.lock:
            for notify in self.subscribers:
                await notify()

    async def print_address(self):
        async with self.lock:
            return str(self)


async def handle(number):
    background.add(asyncio.create_task(Mapping().clear_addresses()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
