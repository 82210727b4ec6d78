"""A route opens an event stream of a web framework and never closes it; a middleware of the application passes it on.

The framework leaks a task of its own as well: no line of the application made it, least of all the middleware's.

Source: https://github.com/encode/starlette/issues/1029 (what a middleware around a stream sees); made for the corpus
"""

import asyncio

from corpus_framework import App, EventStream

EXPECTED = {"stream": "unwakeable", "App._respond": "unwakeable"}
RUNS = {"stream": "corpus_framework.EventStream._send_comments", "App._respond": "corpus_framework.App._log"}
COUNT = 5

log = []


async def timing(request, call_next):
    started = asyncio.get_running_loop().time()
    response = await call_next(request)  # innocent
    log.append(asyncio.get_running_loop().time() - started)
    return response


async def plain(request):
    return f"{request} seen"


async def stream(request):
    return await EventStream(asyncio.Event()).start()  # guilty


async def main(park):
    streaming, healthy = App(stream, [timing]), App(plain, [timing])
    logging = App(plain, [timing], access_log=True)

    async def handle(number):
        for app in (streaming, healthy, logging):
            await app(number)  # innocent

    await park.requests(handle)
    await park()
    assert log and len(log) % 3 == 0
