"""A task waits for SIGHUP to read its settings again: a future that only a signal handler resolves.

Nothing in the program's objects leads to it but the table of signal handlers.

Source: https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.add_signal_handler
"""

import asyncio
import os
import signal

EXPECTED = {}
POSIX = True

tasks = []


class Settings:
    def __init__(self):
        self.reloads = 0

    async def reload_on_signal(self, count):
        loop = asyncio.get_running_loop()
        while self.reloads < count:
            asked = loop.create_future()
            loop.add_signal_handler(signal.SIGHUP, lambda future=asked: future.done() or future.set_result(None))
            await asked
            self.reloads += 1
        loop.remove_signal_handler(signal.SIGHUP)


async def boot(settings):
    tasks.append(asyncio.create_task(settings.reload_on_signal(2)))  # innocent


async def main(park):
    settings = Settings()
    await asyncio.create_task(boot(settings))  # innocent
    await park.advance(300)
    os.kill(os.getpid(), signal.SIGHUP)
    await park()
    while not tasks[0].done():
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait(tasks, timeout=0.01)
    assert settings.reloads == 2
