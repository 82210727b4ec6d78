"""A request waits until the connection can be written to; losing the connection wakes only registered streams.

Source: https://github.com/vmagamedov/grpclib/issues/216
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

requests = set()


class Connection:
    def __init__(self):
        self.write_ready = asyncio.Event()
        self.streams = []

    async def send_request(self):
        await self.write_ready.wait()
        answer = asyncio.get_running_loop().create_future()
        self.streams.append(answer)
        await answer

    def connection_lost(self):
        for answer in self.streams:
            answer.cancel()


async def handle(number):
    connection = Connection()
    requests.add(asyncio.create_task(connection.send_request()))  # guilty
    await asyncio.sleep(0)
    connection.connection_lost()


async def main(park):
    await park.requests(handle)
    await park()
