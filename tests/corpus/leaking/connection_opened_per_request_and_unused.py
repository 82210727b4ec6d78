"""A request opens a connection, starts the task that reads it, and forgets both; nothing ever comes.

The service's own connection and its reader are at the same line of the class.

Source: https://github.com/aio-libs/aiomysql (a reader per connection); made for the corpus
"""

import asyncio

EXPECTED = {"Feed.open": "orphaned"}
RUNS = {"Feed.open": "Feed.read"}
COUNT = 40
# The other ends of the connections are in this process.
DRAGGED = {"hold"}

handlers = []


class Feed:
    async def open(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.task = asyncio.create_task(self.read())  # guilty
        return self

    async def read(self):
        while await self.reader.readline():
            pass


async def hold(reader, writer):
    handlers.append(asyncio.current_task())
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def main(park):
    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    left_open = []

    async def handle(number):
        left_open.append(await Feed().open(port))

    await park.requests(handle, 40, end=14 * 60, patience=1.0)
    await park()
    for feed in left_open:
        feed.writer.close()
        await feed.writer.wait_closed()
        await feed.task
    await asyncio.gather(*handlers)
    server.close()
    await server.wait_closed()
