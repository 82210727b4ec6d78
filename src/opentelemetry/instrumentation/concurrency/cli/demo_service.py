"""The service that ``demo`` starts, as a file of its own: a search that asks three mirrors and takes the first answer.

Each request leaves a task behind that waits for ever to hand over an answer nobody takes.
"""

from __future__ import annotations

import asyncio
import sys

background: set[asyncio.Task[None]] = set()


async def ask(mirror: str, answers: asyncio.Queue[str]) -> None:
    """Ask a mirror and hand over what it says."""
    await asyncio.sleep(0)
    await answers.put(f"found by {mirror}")


async def search() -> str:
    """Return the first of three answers."""
    answers: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
    for mirror in ("one", "two", "three"):
        task = asyncio.create_task(ask(mirror, answers))
        background.add(task)
        task.add_done_callback(background.discard)
    return await answers.get()


async def main(requests: int) -> None:
    """Answer so many requests, say so, and wait."""
    for _ in range(requests):
        await asyncio.create_task(search())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
