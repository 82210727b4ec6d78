"""Tasks and threads that stay until they are released, for tests of what finds them."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


async def stuck() -> None:
    """Wait for what nobody sets."""
    await asyncio.Event().wait()


class Kept:
    """Holds what is leaked, as a service's list of background tasks does, and ends it."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []
        self.threads: list[threading.Thread] = []
        self._released = threading.Event()

    def leak_task(self, name: str = "leaked") -> asyncio.Task[None]:
        """Start a task that never ends."""
        task = asyncio.create_task(stuck(), name=name)
        self.tasks.append(task)
        return task

    def leak_thread(self, name: str = "leaked") -> threading.Thread:
        """Start a thread that ends when it is released."""
        thread = threading.Thread(target=self._released.wait, name=name)
        thread.start()
        self.threads.append(thread)
        return thread

    def release(self) -> None:
        """End the threads, and cancel what tasks a living loop still has."""
        self._released.set()
        for thread in self.threads:
            thread.join()
        for task in self.tasks:
            if not task.done() and not task.get_loop().is_closed():
                task.cancel()


@contextmanager
def kept() -> Iterator[Kept]:
    """Give a `Kept` and release it at the end."""
    found = Kept()
    try:
        yield found
    finally:
        found.release()
