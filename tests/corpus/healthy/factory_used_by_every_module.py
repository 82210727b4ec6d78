"""Four modules of a service open a client each through one factory at the start; each keeps a task for its life.

One line creates all of them, for callers that are each content with one.

Source: https://docs.python.org/3/library/asyncio-task.html#creating-tasks; the form of client factories such as
https://github.com/aio-libs/aiokafka
"""

import asyncio

EXPECTED = {}


class Client:
    def __init__(self):
        self.updates = asyncio.Queue()

    async def fetch_metadata(self):
        while await self.updates.get():
            pass


def open_client():
    client = Client()
    client.task = asyncio.create_task(client.fetch_metadata())  # innocent
    return client


async def start_orders(clients):
    clients.append(open_client())


async def start_stock(clients):
    clients.append(open_client())


async def start_search(clients):
    clients.append(open_client())
    clients.append(open_client())


async def main(park):
    clients = []
    for start in (start_orders, start_stock, start_search):
        await asyncio.create_task(start(clients))

    async def handle(number):
        clients[number % 4].updates.put_nowait(number + 1)

    await park.requests(handle, 8)
    await park()
    for client in clients:
        client.updates.put_nowait(None)
