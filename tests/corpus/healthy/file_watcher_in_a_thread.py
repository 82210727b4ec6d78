"""A task watches files: a blocking wait runs in a thread, comes back after each change, and is sent out again.

The thread belongs to the pool and waits for hours; the task was started by a boot task that is done.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.to_thread
"""

import asyncio
import queue

EXPECTED = {}

watchers = []


async def watch(changes, reload):
    while (name := await asyncio.to_thread(changes.get)) is not None:  # innocent
        reload(name)


async def boot(changes, reload):
    watchers.append(asyncio.create_task(watch(changes, reload)))  # innocent


async def main(park):
    changes, reloaded = queue.SimpleQueue(), []
    await asyncio.create_task(boot(changes, reloaded.append))  # innocent
    changes.put("settings.toml")
    await park.advance(600)
    changes.put("routes.toml")
    await park()
    changes.put(None)
    await watchers.pop()
    assert reloaded == ["settings.toml", "routes.toml"]
