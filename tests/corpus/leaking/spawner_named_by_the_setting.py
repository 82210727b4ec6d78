"""A timer helper only passes a plain callback on to its own coroutine, so it is not recognised as a spawner.

The setting ``SPAWNERS`` names it, and the lines that call it are the sites.

Source: https://developer.mozilla.org/en-US/docs/Web/API/Window/setInterval, as written anew in many services
"""

import asyncio

EXPECTED = {"open_dashboard": "orphaned"}
RUNS = {"open_dashboard": "repeat"}
COUNT = 5
SETTINGS = {"spawners": "*.set_interval"}

timers = []


async def repeat(callback, seconds):
    while True:
        await asyncio.sleep(seconds)
        callback()


def set_interval(callback, seconds):
    timers.append(asyncio.create_task(repeat(callback, seconds)))


def collect():
    pass


def redraw():
    pass


async def boot():
    set_interval(collect, 3600)  # innocent


async def open_dashboard(number):
    set_interval(redraw, 3600)  # guilty


async def main(park):
    await asyncio.create_task(boot())
    await park.requests(open_dashboard)
    await park()
    for timer in timers:
        timer.cancel()
