"""Thirty clients keep their connections open and silent; each has a task of ``start_server`` that reads.

No task created them and nobody awaits them, thirty of one line, ever more as clients come: a server at work.

Source: https://docs.python.org/3/library/asyncio-stream.html#tcp-echo-server-using-streams
"""

import asyncio

EXPECTED = {}


async def echo(reader, writer):  # innocent
    try:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
    finally:
        writer.close()


async def main(park):
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = []

    async def connect(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        clients.append(writer)

    await park.requests(connect, 30, patience=1.0)
    await park()
    for writer in clients:
        writer.close()
        await writer.wait_closed()
    server.close()
    await server.wait_closed()
