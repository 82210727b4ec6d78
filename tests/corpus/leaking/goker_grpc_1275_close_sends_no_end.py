"""Closing a stream marks it closed but sends no end mark, so the reader of its buffer reads on for ever.

Source: GoBench, GoKer grpc#1275 | https://github.com/grpc/grpc-go/pull/1275
"""

import asyncio

EXPECTED = {"handle": "unwakeable"}
COUNT = 5

background = set()


class Stream:
    def __init__(self):
        self.received = asyncio.Queue()
        self.is_closed = False

    async def read(self):
        while (chunk := await self.received.get()) is not None:
            yield chunk

    def close(self):
        self.is_closed = True


async def consume(stream):
    return [chunk async for chunk in stream.read()]


async def handle(number):
    stream = Stream()
    stream.received.put_nowait(b"half")
    background.add(asyncio.create_task(consume(stream)))  # guilty
    await asyncio.sleep(0)
    stream.close()


async def main(park):
    await park.requests(handle)
    await park()
