"""A scheduler appends each coroutine to its list of pending ones and then starts whatever is pending.

The method that starts them has no coroutine among its arguments; it came with the call outside it.

Source: https://github.com/aio-libs/aiojobs/blob/master/aiojobs/_scheduler.py (pending jobs)
"""

import asyncio
from collections import deque

EXPECTED = {"handle": "unwakeable"}
RUNS = {"handle": "settle"}
COUNT = 5


class Scheduler:
    def __init__(self, limit):
        self.limit = limit
        self.pending = deque()
        self.active = set()

    def add(self, coro):
        self.pending.append(coro)
        self.kick()

    def kick(self):
        while self.pending and len(self.active) < self.limit:
            task = asyncio.create_task(self.pending.popleft())
            self.active.add(task)
            task.add_done_callback(self.active.discard)


scheduler = Scheduler(limit=100)


async def reconcile(changes):
    while await changes.get():
        pass


async def settle(account):
    await account.wait()


async def boot(changes):
    scheduler.add(reconcile(changes))  # innocent


async def handle(number):
    scheduler.add(settle(asyncio.Event()))  # guilty


async def main(park):
    changes = asyncio.Queue()
    await asyncio.create_task(boot(changes))
    await park.requests(handle)
    await park()
    changes.put_nowait(None)
