"""A thread's callback hands a lambda to the loop, which starts the task: only the lambda's own line is on the stack.

Source: https://docs.python.org/3/library/asyncio-dev.html#concurrency-and-multithreading
"""

import asyncio

EXPECTED = {"Sensor.on_reading.<lambda>": "unwakeable"}
RUNS = {"Sensor.on_reading.<lambda>": "store"}
COUNT = 5

tasks = []


def start(coro):
    tasks.append(asyncio.ensure_future(coro))


async def store(reading):
    await asyncio.Event().wait()


async def show(readings):
    while await readings.get():
        pass


class Sensor:
    def __init__(self, loop, readings):
        self.loop = loop
        self.readings = readings

    def on_connect(self):
        self.loop.call_soon_threadsafe(lambda: start(show(self.readings)))  # innocent

    def on_reading(self, value):
        self.loop.call_soon_threadsafe(lambda: start(store(value)))  # guilty


async def main(park):
    readings = asyncio.Queue()
    sensor = Sensor(asyncio.get_running_loop(), readings)
    await asyncio.to_thread(sensor.on_connect)  # innocent

    async def handle(number):
        await asyncio.to_thread(sensor.on_reading, number)

    await park.requests(handle, patience=1.0)
    await park()
    readings.put_nowait(None)
