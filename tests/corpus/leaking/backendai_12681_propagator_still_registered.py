"""An event stream ends with its client, but its propagator stays registered, and its pump waits for the next event.

The registry lives, so an event could still wake the pump: only nobody reads what it pumps.

Source: https://github.com/lablup/backend.ai/issues/12681
"""

import asyncio

EXPECTED = {"push_events": "orphaned"}
COUNT = 5

propagators = {}
pumps = set()


async def pump(propagator, response):
    while (event := await propagator.get()) is not None:
        response.append(event)


async def push_events(number, client_gone):
    propagator = propagators[number] = asyncio.Queue()
    task = asyncio.create_task(pump(propagator, []))  # guilty
    pumps.add(task)
    await client_gone


async def handle(number):
    client_gone = asyncio.get_running_loop().create_future()
    client_gone.set_result(None)
    await push_events(number, client_gone)


async def main(park):
    await park.requests(handle)
    await park()
    for propagator in propagators.values():
        propagator.put_nowait(None)
