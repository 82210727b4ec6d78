"""A pool of connections with threads fills in two rushes; a session store opens one per session and forgets it.

Source: https://github.com/omnilib/aiosqlite/issues/258 (a thread per connection); made for the corpus
"""

import queue
import threading

EXPECTED = {"Connection.open": "orphaned"}
RUNS = {"Connection.open": "Connection.work"}
COUNT = 5
THREADS = True


class Connection:
    def open(self):
        self.jobs = queue.SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()  # guilty
        return self

    def work(self):
        while self.jobs.get() is not None:
            pass


pool, sessions = [], {}


def widen(size):
    while len(pool) < size:
        pool.append(Connection().open())  # innocent
    for connection in pool:
        connection.jobs.put(0)


def open_session(number):
    sessions[number] = Connection().open()


def handle(number):
    widen(1 if number < 3 else 5)
    open_session(number)


async def main(park):
    await park.requests(handle, patience=1.0)
    await park()
    for connection in (*pool, *sessions.values()):
        connection.jobs.put(None)
