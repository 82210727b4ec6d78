"""A decorator turns coroutine functions into functions that start a guarded task: one line for all tasks, one wrapper.

Calls of three decorated functions start tasks. The one that listens to a room never ends.

Source: https://stackoverflow.com/questions/37278647/fire-and-forget-python-async-await
"""

import asyncio
import functools

EXPECTED = {"join": "unwakeable"}
RUNS = {"join": "listen"}
COUNT = 5

tasks = set()


async def guarded(coro):
    try:
        await coro
    except ConnectionError as error:
        print(error)


def fire_and_forget(function):
    @functools.wraps(function)
    def start(*args):
        task = asyncio.get_running_loop().create_task(guarded(function(*args)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return start


@fire_and_forget
async def tick(clock):
    while not await clock.get():
        pass


@fire_and_forget
async def greet(number):
    await asyncio.sleep(0)


@fire_and_forget
async def listen(messages):
    await messages.get()


async def boot(clocks):
    for clock in clocks:
        tick(clock)  # innocent


async def join(number):
    greet(number)  # innocent
    listen(asyncio.Queue())  # guilty


async def main(park):
    clocks = [asyncio.Queue(), asyncio.Queue()]
    await asyncio.create_task(boot(clocks))
    await park.requests(join)
    await park()
    for clock in clocks:
        clock.put_nowait("stop")
