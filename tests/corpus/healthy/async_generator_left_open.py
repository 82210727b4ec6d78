"""A request breaks out of ``async for``; the loop closes the abandoned generator in a task of its own.

The task was made by nobody's line, in the garbage collector's time, and the generator takes a moment to clean up.

Source: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens and PEP 525
"""

import asyncio
import gc

EXPECTED = {}


async def main(park):
    closings = []

    async def rows():  # innocent
        try:
            while True:
                yield "row"
        finally:
            closings.append(asyncio.Event())
            await closings[-1].wait()

    async def handle(number):
        async for _ in rows():
            break
        gc.collect()

    for minute in range(2, 8):
        await park.requests(handle, 1, begin=minute * 60, end=minute * 60)
        await park.advance(30)
        closings[-1].set()
    await park()
    assert len(closings) == 6
