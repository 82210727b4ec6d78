"""``PubSub.run`` listens for ever, in a task that a start-up hook made; messages arrive when somebody publishes.

Nobody awaits the listener, and for minutes it waits for a server that says nothing.

Source: https://redis.readthedocs.io/en/stable/examples/asyncio_examples.html#Pub/Sub-Mode
"""

import asyncio

import fakeredis

EXPECTED = {}
NEEDS = ("fakeredis", "redis")

tasks = []


async def boot(pubsub, seen):
    await pubsub.subscribe(prices=seen.append)
    tasks.append(asyncio.create_task(pubsub.run(poll_timeout=1)))  # innocent


async def main(park):
    server = fakeredis.FakeServer()
    listening, publishing = (fakeredis.FakeAsyncRedis(server=server) for _ in range(2))
    seen = []
    async with listening.pubsub() as pubsub:
        await asyncio.create_task(boot(pubsub, seen))  # innocent

        async def handle(number):
            await publishing.publish("prices", str(number))

        await park.requests(handle)
        await park()
        tasks[0].cancel()
        await asyncio.wait(tasks)
    await listening.aclose()
    await publishing.aclose()
