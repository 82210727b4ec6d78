"""A request is cancelled after it joined the pool's queue and stays first in it: all later ones wait behind it.

Source: https://github.com/encode/httpcore/issues/830
"""

import asyncio

EXPECTED = {"accept_request": "growing"}
RUNS = {"accept_request": "handle"}
NO_ORPHAN = "the request itself hangs, and the server that made it lives"
COUNT = 40

requests = []


async def handle_request():
    turn = asyncio.get_running_loop().create_future()
    requests.append(turn)
    if requests[0] is not turn:
        await turn
    await asyncio.sleep(0)
    requests.remove(turn)


async def handle(number):
    request = asyncio.create_task(handle_request())
    if number == 0:
        await asyncio.sleep(0)
        request.cancel()
    await request


DRAGGED = {"handle"}


async def main(park):
    await park.requests(handle, 41, end=14 * 60, patience=0.001)
    await park(at=None)
