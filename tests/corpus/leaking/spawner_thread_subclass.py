"""Subclasses of ``Thread`` are started by a registry, so that all threads start at its line.

Source: https://docs.python.org/3/library/threading.html#thread-objects
"""

import threading

EXPECTED = {"handle": "orphaned"}
RUNS = {"handle": "Upload.run"}
COUNT = 5
THREADS = True

released = []


class Heartbeat(threading.Thread):
    def __init__(self, stop):
        super().__init__(daemon=True)
        self.stop = stop

    def run(self):
        while not self.stop.wait(3600):
            pass


class Upload(threading.Thread):
    def __init__(self, accepted):
        super().__init__(daemon=True)
        self.accepted = accepted

    def run(self):
        self.accepted.wait()


class Registry:
    def __init__(self):
        self.threads = []

    def launch(self, thread):
        self.threads.append(thread)
        thread.start()


registry = Registry()


def boot(stop):
    registry.launch(Heartbeat(stop))  # innocent


def handle(number):
    released.append(threading.Event())
    registry.launch(Upload(released[-1]))  # guilty


async def main(park):
    stop = threading.Event()
    boot(stop)
    await park.requests(handle, patience=1.0)
    await park()
    for each in (stop, *released):
        each.set()
