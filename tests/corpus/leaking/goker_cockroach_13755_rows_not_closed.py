"""The rows of a query are read but never closed, so the task that closes them with their context stays.

Source: GoBench, GoKer cockroach#13755 | https://github.com/cockroachdb/cockroach/pull/13755
"""

import asyncio

EXPECTED = {"query": "unwakeable"}
COUNT = 5

background = set()


class Rows:
    def __init__(self):
        self.closed = asyncio.get_running_loop().create_future()

    async def await_done(self):
        await self.closed

    def close(self):
        self.closed.set_result(None)

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration


async def query(statement):
    rows = Rows()
    background.add(asyncio.create_task(rows.await_done()))  # guilty
    return rows


async def handle(number):
    rows = await query("select 1")
    return [row async for row in rows]


async def main(park):
    await park.requests(handle)
    await park()
