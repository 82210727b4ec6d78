"""The state of the one shutdown watcher sits in a context variable, so each connection believes there is none yet.

Source: https://github.com/sysid/sse-starlette/issues/152
"""

import asyncio
import contextvars

EXPECTED = {"ensure_watcher": "orphaned"}
COUNT = 5

watcher_started = contextvars.ContextVar("watcher_started", default=False)
watchers = set()


async def watch_for_shutdown():
    while True:
        await asyncio.sleep(3600)


def ensure_watcher():
    if not watcher_started.get():
        watcher_started.set(True)
        watchers.add(asyncio.create_task(watch_for_shutdown()))  # guilty


async def handle(number):
    ensure_watcher()
    ensure_watcher()
    await asyncio.sleep(0)


async def main(park):
    await park.requests(handle)
    await park()
