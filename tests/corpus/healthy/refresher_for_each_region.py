"""One task for each of six regions keeps the addresses of its hosts fresh; all begin with the first request.

Six tasks of one line that a request left behind, in one burst, and no more ever after.

Source: https://grpc.io/docs/guides/custom-name-resolution/ (resolvers that poll)
"""

import asyncio

EXPECTED = {}


class Resolver:
    def __init__(self, regions):
        self._regions = regions
        self.addresses = {}
        self.tasks = []

    async def resolve(self, region):
        if not self.tasks:
            self.tasks = [asyncio.create_task(self._refresh(name)) for name in self._regions]  # innocent
            await asyncio.sleep(0)
        return self.addresses[region]

    async def _refresh(self, region):
        while True:
            self.addresses[region] = f"{region}.example"
            await asyncio.sleep(3600)


async def main(park):
    regions = ["fra", "iad", "sin", "gru", "syd", "bom"]
    resolver = Resolver(regions)

    async def handle(number):
        assert await resolver.resolve(regions[number])

    await park.requests(handle)
    await park()
    for task in resolver.tasks:
        task.cancel()
    await asyncio.wait(resolver.tasks)
