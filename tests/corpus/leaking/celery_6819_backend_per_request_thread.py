"""The result backend lives in a thread local; a threading server uses a new thread a request, so each makes its own.

What stays behind is shown here as a thread that drains results; in the issue it is a connection.

Source: https://github.com/celery/celery/issues/6819
"""

import queue
import threading

EXPECTED = {"Backend.__init__": "orphaned"}
COUNT = 5
THREADS = True

local = threading.local()
backends = []


class Backend:
    def __init__(self):
        self.results = queue.Queue()
        self.drainer = threading.Thread(target=self.drain, daemon=True)
        self.drainer.start()  # guilty
        backends.append(self)

    def drain(self):
        while self.results.get() is not None:
            pass


def backend():
    if not hasattr(local, "backend"):
        local.backend = Backend()
    return local.backend


def handle(number):
    backend().results.put("done")


async def main(park):
    await park.requests(handle)
    await park()
    for each in backends:
        each.results.put(None)
        each.drainer.join()
