"""A FastAPI service with four leaks, each at a line marked ``# guilty``, beside healthy machinery.

The tool that watches it is named in ``WATCHED_BY``; a tool that runs within the process writes what it flags to
standard output, a JSON document per line.
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path

import aiojobs
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

sys.path.insert(0, str(Path(__file__).parents[1]))

LIST_EVERY_S = 2.0
held = set()
subscriptions = {}
jobs = asyncio.Queue()


def spawn(coro):
    """Keep a task until it ends, as asyncio's documentation advises."""
    task = asyncio.create_task(coro)
    held.add(task)
    task.add_done_callback(held.discard)
    return task


async def work():
    while True:
        await jobs.get()


async def refresh():
    while True:
        await asyncio.sleep(1)


@contextlib.asynccontextmanager
async def lifespan(app):
    for _ in range(3):
        spawn(work())
    spawn(refresh())
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    app.state.scheduler = aiojobs.Scheduler(limit=None)
    await app.state.scheduler.spawn(refresh())
    await start_tool()
    print("ready", flush=True)
    yield
    await app.state.scheduler.close()


app = FastAPI(lifespan=lifespan)


async def audit(number):
    await asyncio.sleep(0.1)
    await jobs.put(number)


async def listen(key):
    event = subscriptions[key] = asyncio.Event()
    await event.wait()


@app.get("/healthy/{number}")
async def healthy(number: int):
    """Work in progress: a task through the helper, a call in a thread, a job of the library."""
    spawn(audit(number))
    await app.state.scheduler.spawn(audit(number))
    return await asyncio.to_thread(str, number)


@app.get("/stream")
async def stream():
    """A client that stays."""

    async def ticks():
        while True:
            yield b"tick\n"
            await asyncio.sleep(1)

    return StreamingResponse(ticks())


@app.get("/helper/{number}")
async def through_helper(number: int):
    spawn(listen(("helper", number)))  # guilty


@app.get("/library/{number}")
async def through_library(number: int):
    await app.state.scheduler.spawn(listen(("library", number)))  # guilty


@app.get("/rare/{number}")
async def one_in_thirty(number: int):
    if number % 30 == 0:
        spawn(listen(("rare", number)))  # guilty


@app.get("/thread/{number}")
async def thread(number: int):
    threading.Thread(target=threading.Event().wait, name=f"export-{number}", daemon=True).start()  # guilty


class WatchedRequests:
    """Middleware that has a tool watch each request, and writes what it complains about."""

    def __init__(self, app, tool):
        self.app, self.tool = app, tool

    async def __call__(self, scope, receive, send):
        """Serve one request within the tool's block."""
        if scope["type"] != "http" or scope["path"] == "/stream":
            await self.app(scope, receive, send)
            return
        watch = self.tool()
        await watch.start()
        try:
            await self.app(scope, receive, send)
        finally:
            write(watch, await watch.leaked())


def write(tool, flagged):
    """Write the frames that a tool shows of each task or thread that it flags, innermost first."""
    shown = [tool.shown_frames(each) for each in flagged]
    print(json.dumps({"at": time.time(), "flagged": shown}), flush=True)


async def start_tool():
    if os.environ["WATCHED_BY"] == "aiomonitor":
        from detection_peers import Aiomonitor

        tool = Aiomonitor()
        await tool.start()

        async def list_tasks():
            while True:
                await asyncio.sleep(LIST_EVERY_S)
                write(tool, await tool.leaked())

        asyncio.get_running_loop().create_task(list_tasks())


if os.environ["WATCHED_BY"] == "pyleak":
    from detection_peers import Pyleak

    app.add_middleware(WatchedRequests, tool=Pyleak)
