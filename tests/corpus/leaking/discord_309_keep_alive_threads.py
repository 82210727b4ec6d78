"""Each reconnect starts a thread that keeps the socket alive; a resumed connection forgets to stop the one before.

Source: https://github.com/Rapptz/discord.py/issues/309
"""

import threading

EXPECTED = {"resume": "orphaned"}
COUNT = 5
THREADS = True

handlers = []


class KeepAlive(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(41.25):
            pass


async def resume(number):
    handler = KeepAlive()
    handlers.append(handler)
    handler.start()  # guilty


async def main(park):
    await park.requests(resume)
    await park()
    for handler in handlers:
        handler.stopped.set()
        handler.join()
