"""A search that queries three backends and returns the two fastest answers, with and without the leak."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable

from .background import spawn


class HandOff:
    """An unbuffered queue: ``put`` waits until the item has been taken."""

    def __init__(self) -> None:
        self._slot: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        self._taken = asyncio.Semaphore(0)

    async def put(self, item: str) -> None:
        await self._slot.put(item)
        await self._taken.acquire()

    async def get(self) -> str:
        item = await self._slot.get()
        self._taken.release()
        return item


async def ask(backend: str, answers: HandOff) -> None:
    await asyncio.sleep(0.001 * len(backend))
    await answers.put(f"{backend}: found")


async def query() -> list[str]:
    """The bug: the answer of the third backend is never taken, so its task waits forever."""
    answers = HandOff()
    for backend in ("east", "north", "southwest"):
        spawn(ask(backend, answers))
    return [await answers.get(), await answers.get()]


async def query_unheld() -> list[str]:
    """The same bug with unreferenced tasks: the garbage collector destroys the third task while it is pending."""
    answers = HandOff()
    for backend in ("east", "north", "southwest"):
        asyncio.create_task(ask(backend, answers))
    return [await answers.get(), await answers.get()]


async def query_fixed() -> list[str]:
    """The fixed version: tasks that are no longer needed are cancelled."""
    answers = HandOff()
    tasks = [asyncio.create_task(ask(backend, answers)) for backend in ("east", "north", "southwest")]
    found = [await answers.get(), await answers.get()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def write_report(orders: "queue.Queue[str]") -> None:
    while orders.get() != "end":
        pass


async def report() -> list[str]:
    """The same bug with a thread: no code ever sends "end"."""
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=write_report, args=(orders,), daemon=True).start()
    return ["report under way"]


class Worker:
    """A healthy background worker: ``start()`` returns, and the task that it started runs as long as the service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._jobs: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    async def start(self) -> None:
        spawn(self._work(), name=self.name)

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            await job()
