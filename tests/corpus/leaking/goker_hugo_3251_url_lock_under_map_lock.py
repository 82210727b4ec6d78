"""The second request for a URL waits for that URL's lock while it holds the lock of the map, which the first needs.

Source: GoBench, GoKer hugo#3251 | https://github.com/gohugoio/hugo/pull/3251
"""

import asyncio

EXPECTED = {"build": "unwakeable"}
COUNT = 10

background = set()


class UrlLocks:
    def __init__(self):
        self.lock = asyncio.Lock()
        self.by_url = {}

    async def acquire(self, url):
        async with self.lock:
            await self.by_url.setdefault(url, asyncio.Lock()).acquire()

    async def release(self, url):
        async with self.lock:
            self.by_url[url].release()


async def fetch(locks, url):
    await locks.acquire(url)
    await asyncio.sleep(0)
    await locks.release(url)


async def build():
    locks = UrlLocks()
    for _ in range(2):
        background.add(asyncio.create_task(fetch(locks, "/data.json")))  # guilty


async def handle(number):
    await build()


async def main(park):
    await park.requests(handle)
    await park()
