"""A library's connection starts a reader thread; a pool keeps three of them, and a session store forgets its own.

Source: https://github.com/dpkp/kafka-python/issues/323 (a connection per request); made for the corpus
"""

from corpus_broker import Connection

EXPECTED = {"Sessions.open": "orphaned"}
RUNS = {"Sessions.open": "corpus_broker.Connection._read"}
COUNT = 5
THREADS = True


class Pool:
    def __init__(self, size):
        self.connections = [Connection().open() for _ in range(size)]  # innocent


class Sessions:
    def __init__(self):
        self.connections = {}

    def open(self, number):
        self.connections[number] = Connection().open()  # guilty


async def main(park):
    pool, sessions = Pool(3), Sessions()
    await park.requests(lambda number: sessions.open(number), patience=1.0)
    await park()
    for connection in (*pool.connections, *sessions.connections.values()):
        connection.close()
