"""A library starts a task for each subscription; a request subscribes and leaves without closing.

The service's own subscription and those that are closed come from the same line of the library.

Source: https://github.com/nats-io/nats.py (a task per subscription); made for the corpus
"""

import asyncio

from corpus_broker import Client

EXPECTED = {"follow_order": "orphaned"}
RUNS = {"follow_order": "corpus_broker.Subscription._pump"}
COUNT = 5

client = Client()
left_open = []


async def boot(news):
    await client.subscribe(news)  # innocent


async def ping(number):
    messages = asyncio.Queue()
    subscription = await client.subscribe(messages)  # innocent
    messages.put_nowait(number)
    await subscription.close()


async def follow_order(number):
    left_open.append(asyncio.Queue())
    await client.subscribe(left_open[-1])  # guilty


async def main(park):
    news = asyncio.Queue()
    await asyncio.create_task(boot(news))

    async def handle(number):
        await ping(number)
        await follow_order(number)

    await park.requests(handle)
    await park()
    for messages in (news, *left_open):
        messages.put_nowait(None)
