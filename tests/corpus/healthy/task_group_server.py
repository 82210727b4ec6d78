"""A server keeps each session in a task group that it never leaves; sessions wait for their clients for long.

The acceptor that created a session may be done; the group waits for each of them.

Source: https://docs.python.org/3/library/asyncio-task.html#task-groups
"""

import asyncio

EXPECTED = {}
SINCE = (3, 11)


async def session(closed):
    await closed.wait()


async def accept(group, sessions):
    sessions.append(asyncio.Event())
    group.create_task(session(sessions[-1]))  # innocent


async def serve(ready, requests, sessions):
    async with asyncio.TaskGroup() as group:
        ready.set()
        while (request := await requests.get()) is not None:
            group.create_task(accept(group, sessions))  # innocent
            request.set_result(None)


async def main(park):
    ready, requests, sessions = asyncio.Event(), asyncio.Queue(), []
    server = asyncio.create_task(serve(ready, requests, sessions))  # innocent
    await ready.wait()

    async def handle(number):
        accepted = asyncio.get_running_loop().create_future()
        requests.put_nowait(accepted)
        await accepted
        if number % 3 == 2:
            sessions.pop(0).set()

    await park.requests(handle, 36)
    await park()
    requests.put_nowait(None)
    for closed in sessions:
        closed.set()
    await server
