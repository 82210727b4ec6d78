"""A watchdog polls as long as a socket says it is connected, and the state only changes when somebody receives.

It sleeps and wakes for ever: no proof can hold, but its request has long gone.

Source: https://github.com/msei99/pbgui/issues/282
"""

import asyncio

EXPECTED = {"authenticate": "orphaned"}
COUNT = 5

watchdogs = set()


class WebSocket:
    state = "CONNECTED"

    async def receive(self):
        self.state = "DISCONNECTED"


async def watch(websocket, token):
    while websocket.state == "CONNECTED":
        await asyncio.sleep(3600)


def authenticate(websocket):
    watchdogs.add(asyncio.create_task(watch(websocket, "token")))  # guilty


async def handle(number):
    websocket = WebSocket()
    authenticate(websocket)
    await asyncio.sleep(0)


async def main(park):
    await park.requests(handle)
    await park()
