"""A dial that fails returns no connection, so nobody closes the one whose reset task already runs.

Source: GoBench, GoKer grpc#862 | https://github.com/grpc/grpc-go/pull/862
"""

import asyncio

EXPECTED = {"Connection.__init__": "unwakeable"}
COUNT = 5

background = set()


class Connection:
    def __init__(self):
        self.closed = asyncio.Event()
        background.add(asyncio.create_task(self.reset_address()))  # guilty

    async def reset_address(self):
        await self.closed.wait()

    def close(self):
        self.closed.set()


async def dial(address):
    connection = Connection()
    if not address:
        raise ConnectionRefusedError(address)
    return connection


async def handle(number):
    try:
        (await dial("")).close()
    except ConnectionRefusedError:
        return


async def main(park):
    await park.requests(handle)
    await park()
