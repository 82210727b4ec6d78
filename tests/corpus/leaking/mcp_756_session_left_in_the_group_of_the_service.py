"""A stateless server starts a session for each request in the task group of the whole service, and never ends it.

The session reads messages from a stream whose other end only its own two helpers hold. The group owns all of them until
the service ends.

Source: https://github.com/modelcontextprotocol/python-sdk/issues/756
"""

import asyncio

import anyio

EXPECTED = {"main.handle": "unwakeable"}
DRAGGED = {"serve_session"}
COUNT = 30
NEEDS = ("anyio",)
NO_ORPHAN = "the group waits for them"


async def pump(incoming, outgoing):
    async for message in incoming:
        await outgoing.send(message)


async def serve_session(answered, *, task_status):
    to_server, requests = anyio.create_memory_object_stream(1)
    to_client, answers = anyio.create_memory_object_stream(1)
    async with to_server, requests, to_client, answers, anyio.create_task_group() as group:
        group.start_soon(pump, answers, to_server)
        task_status.started()
        async for _ in requests:
            answered.set()


async def main(park):
    ends = asyncio.Event()

    async def run_service():
        async with anyio.create_task_group() as group:
            service.append(group)
            await ends.wait()
            group.cancel_scope.cancel()

    async def handle(number):
        await service[0].start(serve_session, asyncio.Event())  # guilty

    service = []
    running = asyncio.ensure_future(run_service())  # innocent
    await park.requests(handle, 30)
    await park()
    ends.set()
    await running
