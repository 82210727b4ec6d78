"""A subclass of ``Thread`` starts itself at the end of ``__init__``: the line that makes the object is the one to name.

Source: https://docs.python.org/3/library/threading.html#threading.Thread
"""

import threading

EXPECTED = {"handle": "orphaned"}
RUNS = {"handle": "Poller.run"}
COUNT = 5
THREADS = True

pollers = []


class Poller(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        pollers.append(self)
        self.start()

    def run(self):
        while not self.stopped.wait(3600):
            pass


def boot():
    return Poller()  # innocent


def handle(number):
    Poller()  # guilty


async def main(park):
    boot()
    await park.requests(handle, patience=1.0)
    await park()
    for poller in pollers:
        poller.stopped.set()
