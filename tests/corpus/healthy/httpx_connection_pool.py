"""One ``httpx.AsyncClient`` serves all requests; its pool keeps connections that earlier requests opened.

The server has a task for each connection that waits for a request which may never come.

Source: https://www.python-httpx.org/async/#opening-and-closing-clients
"""

import asyncio

import httpx

EXPECTED = {}
NEEDS = ("httpx",)


async def answer(reader, writer):  # innocent
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


async def main(park):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    limits = httpx.Limits(keepalive_expiry=3600)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:

        async def handle(number):
            answers = await asyncio.gather(*(client.get(url) for _ in range(number + 1)))  # innocent
            assert [each.text for each in answers] == ["ok"] * (number + 1)

        await park.requests(handle, 6, patience=2.0)
        await park()
    server.close()
    await server.wait_closed()
