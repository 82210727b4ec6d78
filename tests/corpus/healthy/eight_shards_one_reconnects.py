"""Eight shards each run a gateway task; one loses its connection and is replaced by a new task of the same line.

The replacement is younger than start-up and its creator, the shard it replaces, has ended: eight old tasks, no ninth.

Source: https://discordpy.readthedocs.io/en/stable/api.html#autoshardedclient
"""

import asyncio

EXPECTED = {}


class Shard:
    def __init__(self, number):
        self.number = number
        self.events = asyncio.Queue()
        self.task = None

    def launch(self):
        self.task = asyncio.get_running_loop().create_task(self.run())  # innocent

    async def run(self):
        while (event := await self.events.get()) != "stop":
            if event == "reconnect":
                self.launch()
                return


async def connect(shards):
    for shard in shards:
        shard.launch()


async def main(park):
    shards = [Shard(number) for number in range(8)]
    await asyncio.create_task(connect(shards))  # innocent
    await park.advance(300)
    shards[3].events.put_nowait("reconnect")
    await park.advance(300)
    shards[5].events.put_nowait("reconnect")
    await park()
    for shard in shards:
        shard.events.put_nowait("stop")
    await asyncio.gather(*(shard.task for shard in shards))
