"""A request opens a connection of ``aiosqlite`` and does not close it; each has a worker thread of its own.

The connection that the service opened at its start, and those that are closed, start their threads at the same line
of the library.

Source: https://github.com/omnilib/aiosqlite/issues/258
"""

import asyncio

import aiosqlite

EXPECTED = {"report": "orphaned"}
COUNT = 5
THREADS = True
NEEDS = ("aiosqlite",)

left_open = []


async def boot(opened):
    opened.append(await aiosqlite.connect(":memory:"))  # innocent


async def look_up(number):
    async with aiosqlite.connect(":memory:") as database:  # innocent
        await database.execute("SELECT ?", [number])


async def report(number):
    database = await aiosqlite.connect(":memory:")  # guilty
    left_open.append(database)
    await database.execute("SELECT ?", [number])


async def main(park):
    opened = []
    await asyncio.create_task(boot(opened))

    async def handle(number):
        await opened[0].execute("SELECT 1")
        await look_up(number)
        await report(number)

    await park.requests(handle, patience=2.0)
    await park()
    for database in (*opened, *left_open):
        await database.close()
