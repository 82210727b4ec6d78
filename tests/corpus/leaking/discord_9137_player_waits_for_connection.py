"""A player is stopped while its connection is down: it waits for the connection, which is never made again.

Source: https://github.com/Rapptz/discord.py/issues/9137
"""

import threading

EXPECTED = {"play": "orphaned"}
COUNT = 5
THREADS = True

clients = []


class VoiceClient:
    def __init__(self):
        self.connected = threading.Event()
        self.end = threading.Event()

    def run(self):
        while not self.end.is_set():
            self.connected.wait()


def play(client):
    threading.Thread(target=client.run, daemon=True, name="player").start()  # guilty


async def handle(number):
    client = VoiceClient()
    clients.append(client)
    play(client)
    client.end.set()


async def main(park):
    await park.requests(handle)
    await park()
    for client in clients:
        client.connected.set()
