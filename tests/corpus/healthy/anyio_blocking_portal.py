"""A plain thread gets a portal into a loop of its own, and keeps a task there for as long as it needs the loop.

The portal's loop runs in another thread, its task waits for an event, and what asked for it came through a request.

Source: https://anyio.readthedocs.io/en/stable/threads.html#sharing-a-blocking-portal-on-demand
"""

import asyncio

import anyio
from anyio.from_thread import start_blocking_portal

EXPECTED = {}
NEEDS = ("anyio",)


async def main(park):
    portals = []

    async def listen(*, task_status):
        task_status.started()
        await anyio.sleep_forever()

    def connect():
        manager = start_blocking_portal()
        portal = manager.__enter__()  # innocent
        future, _ = portal.start_task(listen)  # innocent
        portals.append((manager, future))

    async def handle(number):
        if not portals:
            await asyncio.to_thread(connect)  # innocent

    await park.requests(handle, patience=1.0)
    await park()
    manager, future = portals.pop()
    future.cancel()
    await asyncio.to_thread(manager.__exit__, None, None, None)
