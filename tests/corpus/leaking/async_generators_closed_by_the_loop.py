"""Requests break out of ``async for``; the loop closes each abandoned generator in a task that no line creates.

One generator ends soon. The other waits in its ``finally`` for a commit that nothing will confirm. The first line of
each generator stands for its tasks.

Source: PEP 525 and https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.shutdown_asyncgens
"""

import asyncio
import gc

EXPECTED = {"Cursor.pages": "growing"}
COUNT = 40
NO_ORPHAN = "the loop created them, and it runs"


confirmations = []


class Cursor:
    async def pages(self):  # guilty
        try:
            yield "page"
            yield "page"
        finally:
            confirmations.append(asyncio.Event())
            await confirmations[-1].wait()


async def main(park):
    closing = asyncio.Event()

    async def rows():  # innocent
        try:
            yield "row"
            yield "row"
        finally:
            await closing.wait()

    async def handle(number):
        async for _ in Cursor().pages():
            break
        if number == 0:
            async for _ in rows():
                break
        gc.collect()

    await park.requests(handle, 40, end=14 * 60)
    await park(at=None)
    for event in [closing, *confirmations]:
        event.set()
