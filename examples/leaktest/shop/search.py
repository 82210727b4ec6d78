"""A search that asks all its backends and takes the first answer."""

import asyncio

running = set()


async def ask(backend, answers):
    reply = await backend.get()
    await answers.put(reply)


async def query(backends):
    answers = asyncio.Queue(maxsize=1)
    for backend in backends:
        task = asyncio.create_task(ask(backend, answers))
        running.add(task)
        task.add_done_callback(running.discard)
    return await answers.get()
