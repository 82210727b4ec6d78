"""``spawn(function, *arguments)`` calls the coroutine function itself; two of its callers pass the same function.

One passes a queue that is closed at the end of the call, the other one that is forgotten: only the line tells.

Source: https://github.com/ITISFoundation/osparc-simcore/pull/3120
"""

import asyncio

EXPECTED = {"subscribe": "unwakeable"}
RUNS = {"subscribe": "deliver"}
COUNT = 5

tasks = set()


def spawn(function, *arguments, **options):
    task = asyncio.create_task(function(*arguments, **options))
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def deliver(messages):
    while await messages.get() is not None:
        pass


async def subscribe(number):
    spawn(deliver, asyncio.Queue())  # guilty


async def notify(number):
    messages = asyncio.Queue()
    spawn(deliver, messages=messages)  # innocent
    messages.put_nowait(number)
    messages.put_nowait(None)


async def boot(news):
    spawn(deliver, news)  # innocent


async def main(park):
    news = asyncio.Queue()
    await asyncio.create_task(boot(news))

    async def handle(number):
        await notify(number)
        await subscribe(number)

    await park.requests(handle)
    await park()
    news.put_nowait(None)
