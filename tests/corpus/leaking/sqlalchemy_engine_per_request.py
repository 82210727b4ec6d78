"""A request makes an async engine of SQLAlchemy and does not dispose of it: its pool keeps a thread of aiosqlite.

The driver connects inside a greenlet, many frames of two libraries away from the line that asked for a connection.

Source: https://github.com/topoteretes/cognee/issues/4328
"""

import asyncio

import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

EXPECTED = {"tenant_report": "orphaned"}
COUNT = 5
THREADS = True
NEEDS = ("sqlalchemy", "aiosqlite", "greenlet")

left_open = []


def new_engine():
    return create_async_engine("sqlite+aiosqlite://", poolclass=AsyncAdaptedQueuePool)


async def ask(connection):
    await connection.execute(sqlalchemy.text("SELECT 1"))


async def look_up(engine):
    async with engine.connect() as connection:  # innocent
        await ask(connection)


async def tenant_report(number):
    engine = new_engine()
    left_open.append(engine)
    async with engine.connect() as connection:  # guilty
        await ask(connection)


async def main(park):
    shared = new_engine()
    await asyncio.create_task(look_up(shared))

    async def handle(number):
        await look_up(shared)
        await tenant_report(number)

    await park.requests(handle, patience=2.0)
    await park()
    for engine in (shared, *left_open):
        await engine.dispose()
