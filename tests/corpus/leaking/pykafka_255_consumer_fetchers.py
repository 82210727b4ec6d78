"""Stopping a consumer stops its manager, not the fetchers, which wait on a condition that is signalled no more.

Source: https://github.com/Parsely/pykafka/issues/255
"""

import threading

EXPECTED = {"Consumer.start": "orphaned"}
COUNT = 10
THREADS = True

consumers = []


class Consumer:
    def __init__(self):
        self.arrived = threading.Condition()
        self.running = True
        consumers.append(self)

    def start(self):
        for _ in range(2):
            threading.Thread(target=self.fetch, daemon=True).start()  # guilty

    def fetch(self):
        with self.arrived:
            while self.running:
                self.arrived.wait()

    def stop(self):
        self.running = False


async def handle(number):
    consumer = Consumer()
    consumer.start()
    consumer.stop() if number < 0 else None


async def main(park):
    await park.requests(handle)
    await park()
    for consumer in consumers:
        consumer.stop()
        with consumer.arrived:
            consumer.arrived.notify_all()
