"""A websocket's endpoint starts a reader of a subscription and leaves at a disconnect; the reader reads on.

The subscription hangs on the shared client, through which a message could come.

Source: https://github.com/redis/redis-py/issues/2523
"""

import asyncio

EXPECTED = {"endpoint": "orphaned"}
COUNT = 5

readers = set()


class Client:
    def __init__(self):
        self.subscriptions = []

    def subscribe(self):
        messages = asyncio.Queue()
        self.subscriptions.append(messages)
        return messages


client = Client()


async def read(messages):
    while await messages.get():
        pass


async def endpoint(websocket):
    readers.add(asyncio.create_task(read(client.subscribe())))  # guilty
    await websocket.receive()


class WebSocket:
    async def receive(self):
        raise ConnectionResetError


async def handle(number):
    await endpoint(WebSocket())


async def main(park):
    await park.requests(handle)
    await park()
    for messages in client.subscriptions:
        messages.put_nowait(None)
