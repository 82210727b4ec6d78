"""The process is told to stop through an event; tasks that clean up wait for it from the first second to the last.

They do nothing for hours in ``event.wait``, and those that started them are done.

Source: https://docs.aiohttp.org/en/stable/web_advanced.html#graceful-shutdown and
https://hypercorn.readthedocs.io/en/latest/how_to_guides/api_usage.html (``shutdown_trigger``)
"""

import asyncio
import signal

EXPECTED = {}
POSIX = True

tasks = []


async def close_at_shutdown(stop, name, closed):
    await stop.wait()
    closed.append(name)


async def boot(stop, closed):
    for name in ("database", "broker", "cache"):
        tasks.append(asyncio.create_task(close_at_shutdown(stop, name, closed)))  # innocent


async def main(park):
    stop, closed = asyncio.Event(), []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR2, stop.set)
    await asyncio.create_task(boot(stop, closed))  # innocent
    await park()
    loop.remove_signal_handler(signal.SIGUSR2)
    stop.set()
    await asyncio.gather(*tasks)
    assert closed == ["database", "broker", "cache"]
