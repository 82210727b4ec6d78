"""The service that ``demo`` starts: a search that queries three mirrors and returns the first answer.

Each request leaks a task that waits forever to deliver its answer. One helper starts all tasks.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine

background: set[asyncio.Task[None]] = set()


def keep(coroutine: Coroutine[object, object, None]) -> None:
    """Start a task and keep a reference to it until it ends, as the asyncio documentation advises."""
    task = asyncio.create_task(coroutine)
    background.add(task)
    task.add_done_callback(background.discard)


async def ask(mirror: str, answers: asyncio.Queue[str]) -> None:
    """Query a mirror and deliver its answer."""
    await asyncio.sleep(0)
    await answers.put(f"found by {mirror}")


async def search() -> str:
    """Return the first of three answers."""
    answers: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
    for mirror in ("one", "two", "three"):
        keep(ask(mirror, answers))
    return await answers.get()


async def main(requests: int) -> None:
    """Answer the requests, print that the service is ready, and wait."""
    for _ in range(requests):
        await asyncio.create_task(search())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
