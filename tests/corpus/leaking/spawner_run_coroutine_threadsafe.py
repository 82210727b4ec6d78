"""A bridge for threads submits coroutines to the loop; a request's thread does not wait for one of them.

The task is made by a callback of the loop. The line that a person would name ran in the thread, before it.

Source: https://docs.python.org/3/library/asyncio-task.html#asyncio.run_coroutine_threadsafe
"""

import asyncio

EXPECTED = {"main.serve": "unwakeable"}
RUNS = {"main.serve": "audit"}
COUNT = 5

futures = []


class Bridge:
    def __init__(self, loop):
        self.loop = loop

    def submit(self, coro):
        return asyncio.run_coroutine_threadsafe(coro, self.loop)


async def load(number):
    await asyncio.sleep(0)
    return number


async def audit():
    await asyncio.Event().wait()


async def watch(stopped):
    await stopped.wait()


async def main(park):
    bridge, stopped = Bridge(asyncio.get_running_loop()), asyncio.Event()

    def boot():
        futures.append(bridge.submit(watch(stopped)))  # innocent

    def serve(number):
        assert bridge.submit(load(number)).result() == number  # innocent
        futures.append(bridge.submit(audit()))  # guilty

    await asyncio.to_thread(boot)  # innocent
    await park.requests(serve, patience=1.0)
    await park()
    stopped.set()
