"""A library in C calls Python from threads of its own; `threading` invents a ``_DummyThread`` for each.

Up to 3.12 its entry stays in ``threading.enumerate()`` when the thread has ended.

Source: https://github.com/python/cpython/issues/81624
"""

import _thread
import asyncio
import threading

EXPECTED = {}


async def main(park):
    loop = asyncio.get_running_loop()

    async def handle(number):
        named = asyncio.Event()

        def call_back():
            threading.current_thread()
            loop.call_soon_threadsafe(named.set)

        _thread.start_new_thread(call_back, ())
        await named.wait()

    await park.requests(handle, 8)
    await park()
