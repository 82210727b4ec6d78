"""The pool of an async engine opens one connection for the first requests, and more in a rush minutes later.

Each connection of ``aiosqlite`` has a thread, started by a request that is over; the pool keeps them.

Source: https://docs.sqlalchemy.org/en/20/core/pooling.html#sqlalchemy.pool.QueuePool (``pool_size``)
"""

import asyncio

import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

EXPECTED = {}
NEEDS = ("sqlalchemy", "aiosqlite", "greenlet")


async def main(park):
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=AsyncAdaptedQueuePool)

    async def ask(number, together):
        async with engine.connect() as connection:  # innocent
            await connection.execute(sqlalchemy.text("SELECT 1"))
            await together.wait()

    async def handle(number):
        # In the third minute five requests come at once.
        rush = 5 if number == 1 else 1
        together = asyncio.Event()
        asked = [asyncio.create_task(ask(number, together)) for _ in range(rush)]  # innocent
        for _ in range(1000):
            if engine.pool.checkedout() == rush:
                break
            await asyncio.sleep(0.001)
        together.set()
        await asyncio.gather(*asked)

    await park.requests(handle, 5, begin=30, end=900, patience=5.0)
    await park()
    await engine.dispose()
