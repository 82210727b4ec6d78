"""A scheduler waits for whichever download ends first, handles it, and waits for the rest again.

Between two waits nobody waits for the rest, and what created them has ended.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.wait
"""

import asyncio

EXPECTED = {}


async def download(arrived):
    return await arrived.get()


async def start(channels):
    return {asyncio.create_task(download(channel)) for channel in channels}  # innocent


async def crawl(pending, results):
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        results.extend(task.result() for task in done)


async def main(park):
    channels, results = [asyncio.Queue() for _ in range(12)], []
    pending = await asyncio.create_task(start(channels))  # innocent
    crawler = asyncio.create_task(crawl(pending, results))  # innocent
    for number in (3, 1, 4):
        channels[number].put_nowait(number)
        await park.advance(120)
    await park()
    for channel in channels:
        channel.put_nowait("rest")
    await crawler
    assert results[:3] == [3, 1, 4]
    assert len(results) == 12
