"""A FastAPI service with a leak, as somebody writes it."""

import asyncio
import os

from fastapi import FastAPI

app = FastAPI()
held = set()


async def wait_for_ever():
    await asyncio.get_running_loop().create_future()


async def short():
    await asyncio.sleep(0)


@app.get("/leak")
async def leak():
    held.add(asyncio.create_task(wait_for_ever()))  # the leak
    return os.getpid()


@app.get("/healthy")
async def healthy():
    await asyncio.gather(*(asyncio.create_task(short()) for _ in range(3)))
    await asyncio.to_thread(os.getpid)
    return os.getpid()
