"""A scheduler takes jobs without arguments, so its callers bind theirs by ``functools.partial``.

Source: https://docs.python.org/3/library/asyncio-eventloop.html#scheduling-callbacks (pass arguments by ``partial``)
"""

import asyncio
import functools

EXPECTED = {"Shop.check_out": "unwakeable"}
RUNS = {"Shop.check_out": "Shop.await_payment"}
COUNT = 5


class Scheduler:
    def __init__(self):
        self.tasks = []

    def submit(self, job):
        self.tasks.append(asyncio.ensure_future(job()))


class Shop:
    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.orders = asyncio.Queue()

    async def pack(self, orders):
        while await orders.get():
            pass

    async def await_payment(self, paid):
        await paid.wait()

    async def open(self):
        self.scheduler.submit(functools.partial(self.pack, self.orders))  # innocent

    async def check_out(self, number):
        self.orders.put_nowait(number + 1)
        self.scheduler.submit(functools.partial(self.await_payment, asyncio.Event()))  # guilty


async def main(park):
    shop = Shop(Scheduler())
    await asyncio.create_task(shop.open())

    async def handle(number):
        await shop.check_out(number)

    await park.requests(handle)
    await park()
    shop.orders.put_nowait(None)
