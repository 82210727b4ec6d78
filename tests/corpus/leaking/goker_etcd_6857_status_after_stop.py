"""A node answers status requests in its loop; a request that comes after the loop stopped has nobody to answer it.

Source: GoBench, GoKer etcd#6857 | https://github.com/etcd-io/etcd/pull/6857
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


class Node:
    def __init__(self):
        self.status_requests = asyncio.Queue()
        self.stopping = asyncio.Event()

    async def run(self):
        while not self.stopping.is_set():
            reply = await self.status_requests.get()
            if reply is not None:
                reply.set_result("leader")

    def stop(self):
        self.stopping.set()
        self.status_requests.put_nowait(None)

    async def status(self):
        reply = asyncio.get_running_loop().create_future()
        await self.status_requests.put(reply)
        return await reply


async def handle(number):
    node = Node()
    running = asyncio.create_task(node.run())  # innocent
    node.stop()
    await running
    background.add(asyncio.create_task(node.status()))  # guilty


async def main(park):
    await park.requests(handle)
    await park()
