"""A component enters a task group at its start and leaves it at shutdown; sessions are started into it by requests.

The requests that started sessions are over. The group's host owns them, through anyio's own book-keeping.

Source: https://anyio.readthedocs.io/en/stable/tasks.html
"""

import asyncio

import anyio

EXPECTED = {}
NEEDS = ("anyio",)


async def host(sessions, started, stop):
    async with anyio.create_task_group() as group:
        sessions.append(group)
        started.set()
        await stop.wait()
        group.cancel_scope.cancel()


async def main(park):
    groups, started, stop, running = [], asyncio.Event(), asyncio.Event(), []
    hosting = asyncio.create_task(host(groups, started, stop))  # innocent
    await started.wait()

    async def session():
        running.append(anyio.Event())
        await running[-1].wait()

    async def handle(number):
        groups[0].start_soon(session)  # innocent
        if number % 3 == 2:
            running.pop(0).set()

    await park.requests(handle, 36)
    await park()
    stop.set()
    await hosting
    assert len(running) == 24
