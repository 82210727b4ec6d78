"""A client makes its thread, keeps it in an attribute and starts it: the thread did not come in, the client made it.

Source: https://github.com/Rapptz/discord.py/issues/309 (keep-alive threads that no one stops)
"""

import threading

EXPECTED = {"Client.connect": "orphaned"}
RUNS = {"Client.connect": "Client.keep_alive"}
COUNT = 5
THREADS = True

clients = []


class Client:
    def __init__(self):
        self.closed = threading.Event()
        self.thread = None

    def connect(self):
        self.thread = threading.Thread(target=self.keep_alive, daemon=True)
        self.thread.start()  # guilty

    def keep_alive(self):
        while not self.closed.wait(3600):
            pass


def handle(number):
    client = Client()
    clients.append(client)
    client.connect()


async def main(park):
    await park.requests(handle, patience=1.0)
    await park()
    for client in clients:
        client.closed.set()
