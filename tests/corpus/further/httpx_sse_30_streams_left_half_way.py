"""A client reads a stream of ``httpx`` up to the line that it wants; the generators behind the lines stay half way.

Leaving the response closes its connection. The generators are closed later, whenever the event loop gets to it. The
twin reads to the end.

Source: https://github.com/florimondmanca/httpx-sse/pull/30
"""

from httpx import ASGITransport, AsyncClient
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

FOUND = "generators"
AT = "httpx._models.Response.aiter_lines"
NEEDS = ("httpx", "starlette")
SINCE = (3, 11)  # code objects have no qualified name before


async def prices(request):
    return StreamingResponse(iter([f"data: {number}\n" for number in range(5)]))


async def run(park, last):
    app = Starlette(routes=[Route("/prices", prices)])
    async with AsyncClient(transport=ASGITransport(app)) as client:

        async def handle(number):
            async with client.stream("GET", "http://shop/prices") as response:
                async for line in response.aiter_lines():
                    if line == last:
                        break

        await park.requests(handle, 20, patience=5.0)
        await park()


async def main(park):
    await run(park, "data: 0")


async def twin(park):
    await run(park, "no such line")
