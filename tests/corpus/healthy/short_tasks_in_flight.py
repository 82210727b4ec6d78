"""Each request starts twenty short tasks and awaits them all: whenever somebody looks, a few are in flight.

Their line has live tasks at every look and thousands were made there, but none is ever old.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.gather
"""

import asyncio

EXPECTED = {}


async def main(park):
    gates = []

    async def query(gate):
        await gate.wait()

    async def handle(number):
        gates.append(asyncio.Event())
        await asyncio.gather(*(query(gates[-1]) for _ in range(20)))  # innocent

    for second in range(120, 620, 25):
        await park.requests(handle, 1, begin=second, end=second, patience=0.001)
        await park.advance(20)
        gates[-1].set()
    await park()
