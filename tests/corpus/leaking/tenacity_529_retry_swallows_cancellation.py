"""A retry of everything but one exception retries the cancellation of its own task as well, which waits again.

Source: https://github.com/jd/tenacity/issues/529
"""

import asyncio

from tenacity import retry, retry_if_not_exception_type, stop_after_attempt

EXPECTED = {"watch": "unwakeable"}
COUNT = 5
NEEDS = ("tenacity",)

watchers = set()


@retry(retry=retry_if_not_exception_type(ValueError), stop=stop_after_attempt(2), reraise=True)
async def follow(messages):
    await messages.get()


async def watch():
    watcher = asyncio.create_task(follow(asyncio.Queue()))  # guilty
    watchers.add(watcher)
    watcher.add_done_callback(watchers.discard)
    await asyncio.sleep(0)
    watcher.cancel()


async def handle(number):
    await watch()


async def main(park):
    await park.requests(handle)
    await park()
