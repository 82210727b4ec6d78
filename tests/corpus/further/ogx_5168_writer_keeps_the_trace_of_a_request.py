"""The first request of a FastAPI service starts the writer of its database, which inherits the span of that request.

All rows that the writer ever stores belong to the trace of the first request. The twin starts it with an empty context.

Source: https://github.com/ogx-ai/ogx/pull/5168
"""

import asyncio
import contextvars

import aiosqlite
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider

FOUND = "stale span"
AT = "Store.put"
NEEDS = ("fastapi", "httpx", "aiosqlite", "opentelemetry.instrumentation.fastapi", "opentelemetry.sdk")
SINCE = (3, 11)


class Store:
    def __init__(self, database, context):
        self.database, self.context = database, context
        self.rows, self.writer = asyncio.Queue(), None

    async def put(self, row):
        if self.writer is None:
            self.writer = asyncio.create_task(self._write(), context=self.context)
        await self.rows.put(row)

    async def _write(self):
        while (row := await self.rows.get()) is not None:
            await self.database.execute("insert into orders values (?)", (row,))
            self.rows.task_done()


async def run(park, context):
    app = FastAPI()
    FastAPIInstrumentor.instrument_app(app, tracer_provider=TracerProvider(shutdown_on_exit=False))
    async with aiosqlite.connect(":memory:") as database, AsyncClient(transport=ASGITransport(app)) as client:
        await database.execute("create table orders (number integer)")
        store = Store(database, context)

        @app.get("/order/{number}")
        async def order(number: int):
            await store.put(number)
            return {"number": number}

        async def handle(number):
            assert (await client.get(f"http://shop/order/{number}")).status_code == 200

        await park.requests(handle, 5, patience=5.0)
        await store.rows.join()
        await park()
        await store.rows.put(None)
        await store.writer


async def main(park):
    await run(park, None)


async def twin(park):
    await run(park, contextvars.Context())
