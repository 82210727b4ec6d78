"""anyio runs blocking calls in threads of its own, which wait ten idle seconds for more work before they end.

They were started by requests that are over, and sit in a queue.

Source: https://anyio.readthedocs.io/en/stable/threads.html
"""

import threading

import anyio
from anyio import to_thread

EXPECTED = {}
NEEDS = ("anyio",)


async def main(park):
    async def handle(number):
        together = threading.Barrier(3)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(to_thread.run_sync, together.wait)  # innocent

    await park.requests(handle, 6, patience=1.0)
    await park()
