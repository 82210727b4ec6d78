"""A request's span is current when it opens a connection of the pool; the span ends, the connection's task stays.

Measured by spans the task outlives its request by far. It reads from an open connection that all requests share.

Source: https://github.com/open-telemetry/opentelemetry-python-contrib/issues/4251 (contexts that outlive their span)
"""

import asyncio

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

EXPECTED = {}
NEEDS = ("opentelemetry.sdk",)

tracer = TracerProvider(shutdown_on_exit=False).get_tracer("shop")


class Connection:
    async def open(self, port):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self.task = asyncio.create_task(self._read())  # innocent
        return self

    async def _read(self):
        while await self._reader.readline():
            pass

    async def close(self):
        self._writer.close()
        await self._writer.wait_closed()
        await self.task


async def hold(reader, writer):  # innocent
    try:
        await reader.read()
    finally:
        writer.close()


async def main(park):
    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = []

    async def handle(number):
        with tracer.start_as_current_span(f"GET /{number}", kind=SpanKind.SERVER):
            pool.append(await Connection().open(port))

    await park.requests(handle, 10, patience=1.0)
    await park()
    for connection in pool:
        await connection.close()
    server.close()
    await server.wait_closed()
