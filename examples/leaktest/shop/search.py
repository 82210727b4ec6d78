"""A search that queries all its backends and returns the first answer."""

import asyncio

running = set()


def keep(coro):
    task = asyncio.create_task(coro)
    running.add(task)
    task.add_done_callback(running.discard)


async def ask(backend, answers):
    reply = await backend.get()
    await answers.put(reply)


async def query(backends):
    answers = asyncio.Queue(maxsize=1)
    for backend in backends:
        keep(ask(backend, answers))
    return await answers.get()
