"""``Connection.open`` starts the connection's own loop; a pool keeps three, and a session store forgets its own.

The line that creates the threads is the same for both and is named in both; only the callers tell them apart.

Source: https://github.com/dpkp/kafka-python/issues/323 (a connection per request); made for the corpus
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


def borrow(number):
    if len(pool) < 3:
        pool.append(Connection().open())  # innocent
    pool[number % len(pool)].jobs.put(number)


def open_session(number):
    sessions[number] = Connection().open()


def handle(number):
    borrow(number)
    open_session(number)


async def main(park):
    await park.requests(borrow, 3, begin=1, end=3, patience=1.0)
    await park.requests(handle, patience=1.0)
    await park()
    for connection in (*pool, *sessions.values()):
        connection.jobs.put(None)
