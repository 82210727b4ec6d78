"""``watch(path)`` makes a watcher and starts it, for the service's configuration and for uploads that nobody ends.

The creating line belongs to both; judged by its callers, only the uploads' watchers are accused.

Source: https://watchfiles.helpmanual.io/api/watch/ (a watcher per path); made for the corpus
"""

import asyncio

EXPECTED = {"watch": "orphaned"}
RUNS = {"watch": "Watcher.run"}
COUNT = 5

left_running = []


class Watcher:
    def __init__(self, path):
        self.path = path
        self.changes = asyncio.Queue()

    async def run(self):
        while await self.changes.get():
            pass


def watch(path):
    watcher = Watcher(path)
    watcher.task = asyncio.create_task(watcher.run())  # guilty
    return watcher


async def boot(watchers):
    watchers.append(watch("settings.toml"))  # innocent


async def upload(number):
    left_running.append(watch(f"upload-{number}"))


async def main(park):
    watchers = []
    await asyncio.create_task(boot(watchers))
    await park.requests(upload)
    await park()
    for watcher in (*watchers, *left_running):
        watcher.changes.put_nowait(None)
