"""``gather`` passes on the first error at once; the other calls go on with nobody waiting for them.

Source: https://github.com/pydantic/pydantic-ai/issues/5073
"""

import asyncio

EXPECTED = {"get_tools": "orphaned"}
COUNT = 10

calls = set()


class Toolset:
    def __init__(self, broken):
        self.broken = broken
        self.answer = asyncio.get_running_loop().create_future()

    async def get_tools(self):
        if self.broken:
            raise ConnectionError
        return await self.answer


async def get_tools(toolsets):
    tasks = [asyncio.create_task(toolset.get_tools()) for toolset in toolsets]  # guilty
    calls.update(tasks)
    return await asyncio.gather(*tasks)


async def handle(number):
    try:
        await get_tools([Toolset(False), Toolset(True), Toolset(False)])
    except ConnectionError:
        return


async def main(park):
    await park.requests(handle)
    await park()
