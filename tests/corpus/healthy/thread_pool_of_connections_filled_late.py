"""A pool of five connections has a thread for each: the first request opens one, a rush minutes later the other four.

All stay in the pool and serve every later request; their creators are requests that are over.

Source: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#module-sqlalchemy.dialects.sqlite.aiosqlite
"""

import asyncio
import queue
import threading

EXPECTED = {}

SIZE = 5


class Connection:
    def open(self):
        self.jobs = queue.SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()  # innocent
        return self

    def work(self):
        while job := self.jobs.get():
            job()

    async def ask(self):
        loop, answered = asyncio.get_running_loop(), asyncio.Event()
        self.jobs.put(lambda: loop.call_soon_threadsafe(answered.set))
        await answered.wait()


async def main(park):
    idle, opened = [], []

    async def handle(number):
        if not idle and len(opened) < SIZE:
            opened.append(Connection().open())
            idle.append(opened[-1])
        connection = idle.pop()
        await connection.ask()
        idle.append(connection)

    await park.requests(handle, 3, begin=60, end=180, patience=1.0)
    busy, idle[:] = list(idle), []
    for _ in range(SIZE - 1):
        taken = len(idle)
        await park.requests(handle, 1, begin=0, end=0, patience=1.0)
        busy += idle[taken:]
        idle.clear()
    idle += busy
    assert len(opened) == SIZE
    await park.requests(handle, 5, begin=300, end=1000, patience=1.0)
    await park()
    for connection in opened:
        connection.jobs.put(None)
