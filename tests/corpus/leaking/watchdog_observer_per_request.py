"""A request watches a folder with an observer of its own and does not stop it; the service's own observer is shared.

All threads start at lines of ``watchdog``: the observer, and the emitter of each folder.

Source: https://python-watchdog.readthedocs.io/en/stable/quickstart.html (the ``observer.stop()`` that is missing)
"""

import tempfile

from watchdog.events import FileSystemEventHandler
from watchdog.observers.polling import PollingObserver

EXPECTED = {"preview": "orphaned"}
RUNS = {"preview": ("watchdog.observers.api.EventDispatcher.run", "watchdog.observers.api.EventEmitter.run")}
COUNT = 10
THREADS = True
NEEDS = ("watchdog",)

left_running = []


def boot(folder):
    observer = PollingObserver(timeout=3600)
    observer.schedule(FileSystemEventHandler(), folder)
    observer.start()  # innocent
    return observer


def preview(number, folder):
    observer = PollingObserver(timeout=3600)
    left_running.append(observer)
    observer.schedule(FileSystemEventHandler(), folder)
    observer.start()  # guilty


async def main(park):
    with tempfile.TemporaryDirectory() as folder:
        shared = boot(folder)

        def handle(number):
            preview(number, folder)

        await park.requests(handle, patience=2.0)
        await park()
        for observer in (shared, *left_running):
            observer.stop()
