"""A reconnect makes a new client and starts its network loop without stopping the loop of the client before.

Source: https://github.com/MetPX/sarracenia/pull/1622
"""

import asyncio
import threading

EXPECTED = {"Client.loop_start": "orphaned"}
COUNT = 5
THREADS = True

stops = []


class Client:
    def __init__(self):
        self.stop = threading.Event()
        stops.append(self.stop)

    def loop_start(self):
        self.thread = threading.Thread(target=self.stop.wait, daemon=True)
        self.thread.start()  # guilty


class Moth:
    client = None

    async def get_setup(self):
        self.client = Client()
        self.client.loop_start()
        await asyncio.sleep(0)


moth = Moth()


async def reconnect(number):
    await moth.get_setup()


async def main(park):
    await park.requests(reconnect, 6)
    # The loop of the last client is in use: the five before it leak.
    moth.client.stop.set()
    moth.client.thread.join()
    await park()
    for stop in stops:
        stop.set()
