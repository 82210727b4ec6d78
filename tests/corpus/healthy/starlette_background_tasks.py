"""``BackgroundTasks`` run after the response, in the request's own task: the client has gone, the span has ended.

The request's task goes on for half a minute and then ends by itself.

Source: https://www.starlette.io/background/
"""

import asyncio

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse
from starlette.routing import Route

EXPECTED = {}
NEEDS = ("starlette",)


async def main(park):
    sent = []

    async def mail(delivered):
        await delivered.wait()

    async def sign_up(request):
        sent.append(asyncio.Event())
        return PlainTextResponse("welcome", background=BackgroundTask(mail, sent[-1]))

    app = Starlette(routes=[Route("/", sign_up)])
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def handle(number):
        answered = asyncio.Event()

        async def send(message):
            if message["type"] == "http.response.body":
                answered.set()

        connection = asyncio.ensure_future(app(scope, receive, send))  # innocent
        asyncio.get_running_loop().call_soon(connections.append, connection)
        await answered.wait()

    connections = []
    for minute in range(2, 9):
        await park.requests(handle, 1, begin=minute * 60, end=minute * 60)
        await park.advance(30)
        sent[-1].set()
    await park()
    await asyncio.gather(*connections)
