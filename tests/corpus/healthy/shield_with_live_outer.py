"""A client waits for a commit under ``shield``, so that its own cancellation would not tear the commit apart.

The commit is awaited by no task directly, only through the outer future of the shield, and takes minutes.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.shield
"""

import asyncio

EXPECTED = {}


async def main(park):
    written = asyncio.Event()
    starters = []

    async def commit():
        await written.wait()
        return "committed"

    async def begin():
        return asyncio.create_task(commit())  # innocent

    async def migrate(number):
        starters.append(asyncio.create_task(begin()))  # innocent
        assert await asyncio.shield(await starters[-1]) == "committed"

    await park.requests(migrate)
    await park()
    written.set()
