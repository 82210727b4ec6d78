"""Timeouts of ``acquire`` lose connections until the pool has none; from then on every request waits for one.

The requests themselves hang: their line has ever more of them. The pool is the application's and lives.

Source: https://github.com/MagicStack/asyncpg/issues/467
"""

import asyncio

EXPECTED = {"accept_request": "growing"}
RUNS = {"accept_request": "handle"}
NO_ORPHAN = "the request itself hangs, and the server that made it lives"
COUNT = 40

connections = None


async def acquire(timeout):
    connection = await connections.get()
    if timeout:
        raise asyncio.TimeoutError
    return connection


async def handle(number):
    await acquire(timeout=number == 0)


async def main(park):
    global connections
    connections = asyncio.Queue()
    connections.put_nowait("connection")
    await park.requests(handle, 41, end=14 * 60, patience=0.001)
    await park(at=None)
