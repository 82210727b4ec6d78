"""Server-sent events from Starlette under uvicorn: each stream is a request that never ends, with tasks below it.

The stream waits in an async generator in a task group beside a task that waits for the client to leave.

Source: https://www.starlette.io/responses/#streamingresponse
"""

import asyncio
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

EXPECTED = {}
NEEDS = ("starlette", "uvicorn")


async def main(park):
    over, clients = asyncio.Event(), []

    async def events():
        yield "data: welcome\n\n"
        await over.wait()
        yield "data: goodbye\n\n"

    async def stream(request):
        return StreamingResponse(events(), media_type="text/event-stream")

    config = uvicorn.Config(Starlette(routes=[Route("/", stream)]), port=0, log_level="critical", lifespan="on")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())  # innocent
    while not server.started:
        await asyncio.sleep(0)
    port = server.servers[0].sockets[0].getsockname()[1]

    async def subscribe(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"welcome")
        clients.append((reader, writer))
        if number % 3 == 2:
            clients.pop(0)[1].close()

    await park.requests(subscribe, 33, patience=1.0)
    await park()
    over.set()
    for reader, writer in clients:
        await reader.readuntil(b"goodbye")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    server.should_exit = True
    await serving
