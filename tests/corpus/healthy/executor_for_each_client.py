"""Each of eight database clients has a single worker thread of its own; requests to new shards make them.

SQLite wants all calls from one thread. The executors live with their clients; eight threads of one line, all idle.

Source: https://github.com/encode/databases, https://docs.python.org/3/library/sqlite3.html (``check_same_thread``)
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor

EXPECTED = {}


class Client:
    def __init__(self):
        self._executor = ThreadPoolExecutor(max_workers=1)  # innocent
        self._database = None

    def _execute(self, statement):
        if self._database is None:
            self._database = sqlite3.connect(":memory:")
        return self._database.execute(statement).fetchone()

    async def fetch(self, statement):
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._execute, statement)

    async def close(self):
        await asyncio.get_running_loop().run_in_executor(self._executor, self._database.close)
        self._executor.shutdown()


async def main(park):
    clients = {}

    async def handle(number):
        client = clients.setdefault(number, Client())
        assert await client.fetch("SELECT 1") == (1,)

    await park.requests(handle, 8, patience=1.0)
    await park()
    for client in clients.values():
        await client.close()
