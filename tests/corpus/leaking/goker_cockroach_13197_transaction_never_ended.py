"""A transaction starts a task that rolls back when its context is done; nobody ends the transaction.

Source: GoBench, GoKer cockroach#13197 | https://github.com/cockroachdb/cockroach/pull/13197
"""

import asyncio

EXPECTED = {"Transaction.begin": "unwakeable"}
COUNT = 5


class Transaction:
    def __init__(self):
        self.done = asyncio.Event()

    def begin(self):
        self.waiting = asyncio.create_task(self.await_done())  # guilty
        open_transactions.add(self.waiting)
        return self

    async def await_done(self):
        await self.done.wait()

    def commit(self):
        self.done.set()


open_transactions = set()


async def handle(number):
    transaction = Transaction().begin()
    if number >= 0:
        return
    transaction.commit()


async def main(park):
    await park.requests(handle)
    await park()
