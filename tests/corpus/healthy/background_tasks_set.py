"""The documented idiom: a task is kept in a set and discards itself; each ends some seconds after its request.

The callback is bookkeeping and the creator is gone, so it is all alone, but younger than any leak.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task
"""

import asyncio

EXPECTED = {}

background_tasks = set()


async def send_mail(delivered):
    await delivered.wait()


async def main(park):
    replies = []

    async def sign_up(number):
        replies.append(asyncio.Event())
        task = asyncio.create_task(send_mail(replies[-1]))  # innocent
        background_tasks.add(task)
        task.add_done_callback(background_tasks.discard)

    for minute in range(2, 12):
        await park.requests(sign_up, 1, begin=minute * 60, end=minute * 60)
        await park.advance(20)
        replies[-1].set()
    await park()
    assert not background_tasks
