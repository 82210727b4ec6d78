"""A chat service listens to a room from its first visitor on; thirty rooms are in use, each with an open connection.

Source: https://github.com/django/channels_redis (a receiver for each channel); made for the corpus
"""

import asyncio

EXPECTED = {}

ROOMS = 30


async def main(park):
    brokers, handlers, listeners, heard = [], [], {}, []

    async def broker(reader, writer):  # innocent
        brokers.append(writer)
        handlers.append(asyncio.current_task())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def listen(reader):
        while news := await reader.read(100):
            heard.append(news)

    async def enter(number):
        room = number % ROOMS
        if room not in listeners:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            listeners[room] = writer, asyncio.create_task(listen(reader))  # innocent
        for writer in brokers:
            writer.write(b"news")

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await park.requests(enter, 60, begin=120, end=900, patience=0.5)
    await park()
    for writer, task in listeners.values():
        writer.close()
        await writer.wait_closed()
        await task
    await asyncio.gather(*handlers)
    server.close()
    await server.wait_closed()
