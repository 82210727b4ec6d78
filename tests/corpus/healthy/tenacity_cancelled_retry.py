"""A retry that names what it retries ends when its task is cancelled: the twin of tenacity #529.

Source: https://github.com/jd/tenacity/issues/529
"""

import asyncio

from tenacity import retry, retry_if_exception_type

EXPECTED = {}
NEEDS = ("tenacity",)

ended = []


@retry(retry=retry_if_exception_type(ConnectionError))
async def follow(messages):
    await messages.get()


async def handle(number):
    watcher = asyncio.create_task(follow(asyncio.Queue()))  # innocent
    watcher.add_done_callback(ended.append)
    await asyncio.sleep(0)
    watcher.cancel()
    await asyncio.wait([watcher])


async def main(park):
    await park.requests(handle, 5)
    await park()
    assert len(ended) == 5
