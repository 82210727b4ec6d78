"""The helper takes any awaitable and binds its parameter anew to a coroutine that awaits it.

Source: https://github.com/zauberzeug/nicegui/blob/main/nicegui/background_tasks.py
"""

import asyncio
import inspect

EXPECTED = {"render": "unwakeable"}
RUNS = {"render": "wait_for_answer"}
COUNT = 5

running = set()


async def _ensure_coroutine(awaitable):
    return await awaitable


def create(coroutine, *, name="unnamed task"):
    coroutine = coroutine if inspect.iscoroutine(coroutine) and not name else _ensure_coroutine(coroutine)
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    running.add(task)
    task.add_done_callback(running.discard)
    return task


async def update_clients(changes):
    while await changes.get():
        pass


async def wait_for_answer(answered):
    await answered.wait()


async def boot(changes):
    create(update_clients(changes), name="updates")  # innocent


async def render(number):
    create(wait_for_answer(asyncio.Event()), name=f"page {number}")  # guilty


async def main(park):
    changes = asyncio.Queue()
    await asyncio.create_task(boot(changes))
    await park.requests(render)
    await park()
    changes.put_nowait(None)
