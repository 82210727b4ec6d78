"""A FastAPI lifespan starts workers before its ``yield`` and ends them after it; uvicorn runs it in a task of its own.

The lifespan's task waits for shutdown for as long as the service lives, and the workers wait for work.

Source: https://fastapi.tiangolo.com/advanced/events/
"""

import asyncio
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

EXPECTED = {}
NEEDS = ("fastapi", "uvicorn")


async def work(queue):
    while await queue.get() is not None:
        pass


@asynccontextmanager
async def lifespan(app):
    queue = asyncio.Queue()
    workers = [asyncio.create_task(work(queue)) for _ in range(4)]  # innocent
    yield {"queue": queue}
    for _ in workers:
        queue.put_nowait(None)
    await asyncio.gather(*workers)


async def main(park):
    config = uvicorn.Config(FastAPI(lifespan=lifespan), port=0, log_level="critical")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())  # innocent
    while not server.started:
        await asyncio.sleep(0)
    await park()
    server.should_exit = True
    await serving
