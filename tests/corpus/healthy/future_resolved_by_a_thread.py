"""A driver thread reads from a device and resolves the loop's futures through ``call_soon_threadsafe``.

The waiting task's future is held by a local of the driver's frame alone; on the loop's side nothing leads to it.

Source: https://docs.python.org/3/library/asyncio-dev.html#concurrency-and-multithreading
"""

import asyncio
import queue
import threading

EXPECTED = {}

tasks = []


def drive(device, loop):
    while (asked := device.get()) is not None:
        future, released = asked
        del asked
        released.wait()
        loop.call_soon_threadsafe(future.set_result, 21.5)
        del future


async def measure(device, released):
    future = asyncio.get_running_loop().create_future()
    device.put((future, released))
    return await future


async def boot(device, released):
    tasks.append(asyncio.create_task(measure(device, released)))  # innocent


async def main(park):
    device, released = queue.SimpleQueue(), threading.Event()
    driver = threading.Thread(target=drive, args=(device, asyncio.get_running_loop()), daemon=True)
    driver.start()  # innocent
    await asyncio.create_task(boot(device, released))  # innocent
    await park()
    released.set()
    assert await tasks.pop() == 21.5
    device.put(None)
    driver.join()
