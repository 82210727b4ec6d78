"""A ``watchdog`` observer is a thread that waits for the file system, and each folder has emitter threads of its own.

A request opens a project, and its threads stay for as long as it is open: three projects, threads of one line each.

Source: https://python-watchdog.readthedocs.io/en/stable/quickstart.html
"""

import asyncio
import tempfile

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

EXPECTED = {}
NEEDS = ("watchdog",)


async def main(park):
    observer = Observer()  # innocent
    observer.start()  # innocent
    folders = []

    async def open_project(number):
        folders.append(tempfile.TemporaryDirectory())
        await asyncio.to_thread(observer.schedule, FileSystemEventHandler(), folders[-1].name)  # innocent

    await park.requests(open_project, 3, patience=1.0)
    await park()
    observer.stop()
    await asyncio.to_thread(observer.join)
    for folder in folders:
        folder.cleanup()
