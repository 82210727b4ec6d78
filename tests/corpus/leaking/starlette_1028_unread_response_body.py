"""A middleware drops the response that it got and returns another; the application waits to send the dropped body.

Source: https://github.com/Kludex/starlette/pull/1028
"""

import asyncio

EXPECTED = {"call_next": "unwakeable"}
COUNT = 5

background = set()


async def application(send):
    await send("start")
    await send("body")
    await send("end")


async def call_next():
    queue = asyncio.Queue(maxsize=1)
    background.add(asyncio.create_task(application(queue.put)))  # guilty
    await queue.get()

    async def body():
        while (part := await queue.get()) != "end":
            yield part

    return body()


async def handle(number):
    await call_next()
    return "another response"


async def main(park):
    await park.requests(handle)
    await park()
