"""A dispatcher gets an envelope and starts the coroutine that lies in it.

Source: https://docs.python.org/3/library/dataclasses.html; the form of job queues such as
https://github.com/taskiq-python/taskiq
"""

import asyncio
from dataclasses import dataclass
from typing import Any

EXPECTED = {"order": "unwakeable"}
RUNS = {"order": "confirm"}
COUNT = 5

tasks = []


@dataclass
class Envelope:
    topic: str
    work: Any


def dispatch(envelope):
    tasks.append(asyncio.create_task(envelope.work, name=envelope.topic))


async def consume(inbox):
    while await inbox.get():
        pass


async def confirm(answer):
    await answer.wait()


async def boot(inbox):
    dispatch(Envelope("inbox", consume(inbox)))  # innocent


async def order(number):
    envelope = Envelope(f"order {number}", confirm(asyncio.Event()))
    dispatch(envelope)  # guilty


async def main(park):
    inbox = asyncio.Queue()
    await asyncio.create_task(boot(inbox))
    await park.requests(order)
    await park()
    inbox.put_nowait(None)
