"""A benchmark loop stops at its signal without taking the results of the calls in flight.

Source: GoBench, GoKer grpc#660 | https://github.com/grpc/grpc-go/pull/660
"""

import asyncio

EXPECTED = {"close_loop_unary": "unwakeable"}
COUNT = 15

calls = set()


async def call(done):
    await done.put("latency")


async def close_loop_unary(stop):
    done = asyncio.Queue(maxsize=1)
    for _ in range(4):
        calls.add(asyncio.create_task(call(done)))  # guilty
    await stop.wait()


async def handle(number):
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    await close_loop_unary(stop)


async def main(park):
    await park.requests(handle)
    await park()
