"""Reloading an integration makes a new coordinator; the subscribing task of the old one still waits for its device.

Source: https://github.com/home-assistant/core/pull/112790
"""

import asyncio

EXPECTED = {"Coordinator.setup": "unwakeable"}
COUNT = 5

tasks = set()


class Coordinator:
    def __init__(self):
        self.available = asyncio.Event()

    def setup(self):
        tasks.add(asyncio.create_task(self.subscribe()))  # guilty

    async def subscribe(self):
        await self.available.wait()

    async def unload(self):
        self.listeners = []


entry = {}


async def reload_entry(number):
    if entry:
        await entry.pop("coordinator").unload()
    coordinator = entry["coordinator"] = Coordinator()
    coordinator.setup()


async def main(park):
    await park.requests(reload_entry, 6)
    # The coordinator of the last reload is in use: only the five before it leak.
    entry["coordinator"].available.set()
    await park()
