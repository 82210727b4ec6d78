"""Many requests for one missing value share a single load; the first of them gives up, the rest wait on.

The load was started by a request that is gone; what the others await is a future, not the task that fills it.

Source: https://pkg.go.dev/golang.org/x/sync/singleflight
"""

import asyncio

EXPECTED = {}


class SingleFlight:
    def __init__(self):
        self._flights = {}
        self._tasks = set()

    async def do(self, key, load):
        if key not in self._flights:
            self._flights[key] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._load(key, load))  # innocent
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(self._flights[key])

    async def _load(self, key, load):
        value = await load()
        self._flights.pop(key).set_result(value)


async def main(park):
    loaded, answers = asyncio.Event(), []
    flights = SingleFlight()

    async def load():
        return await loaded.wait()

    async def handle(number):
        if number == 0:
            await asyncio.wait_for(flights.do("rates", load), 0.001)  # innocent
        answers.append(await flights.do("rates", load))

    await park.requests(handle, 6)
    await park()
    loaded.set()
    while len(answers) < 5:
        await asyncio.sleep(0)
