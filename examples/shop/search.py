"""Ask three backends at once and answer with the two fastest: the leak, and the same without it."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable

background_tasks: set[asyncio.Task[None]] = set()
"""Holds running tasks, as the asyncio documentation advises; without it the garbage collector takes them."""


class HandOff:
    """An unbuffered queue: ``put`` waits until somebody has taken the item."""

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
    """The bug: the third backend hands its answer to nobody, and waits for ever."""
    answers = HandOff()
    for backend in ("east", "north", "southwest"):
        task = asyncio.create_task(ask(backend, answers))
        background_tasks.add(task)
        task.add_done_callback(background_tasks.discard)
    return [await answers.get(), await answers.get()]


async def query_unheld() -> list[str]:
    """The same bug without the set: the garbage collector destroys the third task while it waits."""
    answers = HandOff()
    for backend in ("east", "north", "southwest"):
        asyncio.create_task(ask(backend, answers))
    return [await answers.get(), await answers.get()]


async def query_fixed() -> list[str]:
    """The healthy twin: whoever is not needed any more is cancelled."""
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
    """The same bug with a thread: nobody ever says "end"."""
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=write_report, args=(orders,), daemon=True).start()
    return ["report under way"]


class Worker:
    """A healthy background worker: ``start()`` ends, what it started stays as long as the service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._jobs: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()

    async def start(self) -> None:
        task = asyncio.create_task(self._work(), name=self.name)
        background_tasks.add(task)

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            await job()
