"""Each member of a task group keeps a context open and waits until the group cancels it, which ends the context.

Nothing holds what such a member waits for, and nothing needs to: its owner runs, and its purpose is to cancel.

Source: https://anyio.readthedocs.io/en/stable/api.html#anyio.sleep_forever
"""

import asyncio

import anyio

NEEDS = ("anyio",)


async def keep_open(connections, name, *, task_status):
    connections.add(name)
    try:
        task_status.started()
        await anyio.sleep_forever()
    finally:
        connections.discard(name)


async def main(park):
    ends, connections = asyncio.Event(), set()

    async def run_service():
        async with anyio.create_task_group() as group:
            for number in range(10):
                await group.start(keep_open, connections, number)  # innocent
            await ends.wait()
            group.cancel_scope.cancel()

    running = asyncio.ensure_future(run_service())  # innocent
    await park()
    ends.set()
    await running
    assert not connections
