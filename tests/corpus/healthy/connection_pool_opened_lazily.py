"""A pool opens a connection when it has none free, so requests open them, and each has a reader task that stays.

The readers outlive the requests that opened their connections, at one line, more than at start: they wait for the
network, on open transports, and stop at the size of the pool.

Source: https://github.com/aio-libs/aiomysql, https://github.com/nats-io/nats.py (``Client._read_loop``)
"""

import asyncio

EXPECTED = {}


class Connection:
    async def open(self, port):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._answers = asyncio.Queue()
        self._task = asyncio.create_task(self._read())  # innocent
        return self

    async def _read(self):
        while line := await self._reader.readline():
            self._answers.put_nowait(line)

    async def ask(self, line):
        self._writer.write(line)
        return await self._answers.get()

    async def close(self):
        self._writer.close()
        await self._writer.wait_closed()
        await self._task


async def answer(reader, writer):  # innocent
    try:
        while line := await reader.readline():
            writer.write(line)
    finally:
        writer.close()


async def main(park):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connections = []

    async def handle(number):
        connections.append(await Connection().open(port))
        await connections[-1].ask(b"begin\n")

    await park.requests(handle, 8, patience=1.0)
    await park()
    for connection in connections:
        await connection.close()
    server.close()
    await server.wait_closed()
