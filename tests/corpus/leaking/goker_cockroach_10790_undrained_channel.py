"""The reader of two result channels returns when the context is done; who still has to send waits for ever.

Source: GoBench, GoKer cockroach#10790 | https://github.com/cockroachdb/cockroach/pull/10790
"""

import asyncio

EXPECTED = {"begin_commands": "unwakeable"}
COUNT = 5

background = set()


async def send(channel, values):
    for value in values:
        await channel.put(value)
        await channel.join()


async def begin_commands(done):
    channel = asyncio.Queue()
    background.add(asyncio.create_task(send(channel, [1, 2])))  # guilty
    while not done.is_set():
        await channel.get()
        channel.task_done()
        done.set()


async def handle(number):
    await begin_commands(asyncio.Event())


async def main(park):
    await park.requests(handle)
    await park()
