"""``serve_forever`` runs in a task of its own, started by a boot task that is done.

Nobody awaits it before shutdown, and it waits for a future that only ``close`` ends.

Source: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server.serve_forever
"""

import asyncio
from contextlib import suppress

EXPECTED = {}

servers = []


async def answer(reader, writer):  # innocent
    writer.write(await reader.readline())
    writer.close()
    await writer.wait_closed()


async def boot():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    servers.append((server, asyncio.create_task(server.serve_forever())))  # innocent


async def main(park):
    await asyncio.create_task(boot())  # innocent
    server, task = servers.pop()
    port = server.sockets[0].getsockname()[1]

    async def handle(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"ping\n")
        assert await reader.readline() == b"ping\n"
        writer.close()
        await writer.wait_closed()

    await park.requests(handle, patience=1.0)
    await park()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
