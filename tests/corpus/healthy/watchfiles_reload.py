"""``watchfiles.awatch`` waits for changes in a thread of anyio, in a task that a boot task started.

The worker thread is inside a call to Rust, for as long as nothing changes, and the task looks stuck with it.

Source: https://watchfiles.helpmanual.io/api/watch/#watchfiles.awatch
"""

import asyncio
import tempfile
from pathlib import Path

from watchfiles import awatch

EXPECTED = {}
NEEDS = ("watchfiles",)

tasks = []


async def watch(folder, stop, seen):
    pace = {"step": 1, "debounce": 1, "rust_timeout": 10, "yield_on_timeout": True}
    async for changes in awatch(folder, stop_event=stop, **pace):  # innocent
        seen.append(changes)


async def boot(folder, stop, seen):
    tasks.append(asyncio.create_task(watch(folder, stop, seen)))  # innocent


async def main(park):
    stop, seen = asyncio.Event(), []
    with tempfile.TemporaryDirectory() as folder:
        await asyncio.create_task(boot(folder, stop, seen))  # innocent
        await park.advance(300)
        Path(folder, "settings.toml").touch()
        await park()
        stop.set()
        await tasks.pop()
