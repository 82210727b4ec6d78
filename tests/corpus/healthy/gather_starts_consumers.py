"""Two components are started by ``gather(a.start(), b.start())``; the starters end, the consumers stay for good.

Nobody awaits the consumers and the tasks that created them are done. But they are the service itself: one task for each
line, since start-up.

Source: https://aiokafka.readthedocs.io/en/stable/consumer.html (``start()`` of producer and consumer)
"""

import asyncio

EXPECTED = {}


class Consumer:
    def __init__(self, handle):
        self.messages = asyncio.Queue()
        self._handle = handle
        self._task = None

    async def start(self):
        await asyncio.sleep(0)
        self._task = asyncio.create_task(self._consume())  # innocent

    async def _consume(self):
        while True:
            self._handle(await self.messages.get())

    async def stop(self):
        self._task.cancel()
        await asyncio.wait([self._task])


async def main(park):
    handled = []
    orders, payments = Consumer(handled.append), Consumer(handled.append)
    await asyncio.gather(orders.start(), payments.start())  # innocent

    async def handle(number):
        orders.messages.put_nowait(number)
        payments.messages.put_nowait(number)

    await park.requests(handle)
    await park()
    await asyncio.gather(orders.stop(), payments.stop())
    assert len(handled) == 10
