"""The dispatcher's own callback closes the connection, and closing waits until the dispatcher has ended.

Source: GoBench, GoKer syncthing#5795 | https://github.com/syncthing/syncthing/pull/5795
"""

import asyncio

EXPECTED = {"Connection.start": "unwakeable"}
COUNT = 5

background = set()


class Connection:
    def __init__(self):
        self.inbox = asyncio.Queue()
        self.dispatcher_stopped = asyncio.Event()

    def start(self):
        background.add(asyncio.create_task(self.dispatch()))  # guilty

    async def dispatch(self):
        await self.inbox.get()
        await self.close()
        self.dispatcher_stopped.set()

    async def close(self):
        await self.dispatcher_stopped.wait()


async def handle(number):
    connection = Connection()
    connection.start()
    connection.inbox.put_nowait("cluster configuration")


async def main(park):
    await park.requests(handle)
    await park()
