"""A component wraps anyio's ``start_soon`` in a method; anyio runs all tasks through a coroutine of its own.

The group owns them, but the requests that started them have ended, and nothing else can wake them.

Source: https://anyio.readthedocs.io/en/stable/tasks.html
"""

import asyncio

import anyio

EXPECTED = {"open_tab": "unwakeable"}
RUNS = {"open_tab": "keep_tab"}
COUNT = 40
NEEDS = ("anyio",)
NO_ORPHAN = "the group waits for them"


class Component:
    def __init__(self):
        self.frames = asyncio.Queue()
        self.closing = asyncio.Event()

    async def run(self):
        async with anyio.create_task_group() as self.group:
            self.spawn(self.draw)  # innocent
            await self.closing.wait()
            self.group.cancel_scope.cancel()

    def spawn(self, function, *arguments):
        self.group.start_soon(function, *arguments)

    async def draw(self):
        while await self.frames.get():
            pass


async def keep_tab(closed):
    await closed.wait()


async def open_tab(component):
    component.spawn(keep_tab, asyncio.Event())  # guilty


async def main(park):
    component = Component()
    running = asyncio.create_task(component.run())  # innocent

    async def handle(number):
        component.frames.put_nowait(number + 1)
        await open_tab(component)

    await park.requests(handle, 40, end=14 * 60)
    await park(at=None)
    component.closing.set()
    await running
