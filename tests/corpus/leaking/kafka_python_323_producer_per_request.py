"""A request makes a producer, sends, and drops it; the producer's sender is a daemon that runs for ever.

Source: https://github.com/dpkp/kafka-python/issues/323
"""

import queue
import threading

EXPECTED = {"Producer.__init__": "orphaned"}
COUNT = 5
THREADS = True

queues = []


def send_all(messages):
    while messages.get() is not None:
        messages.task_done()


class Producer:
    def __init__(self):
        self.messages = queue.Queue()
        queues.append(self.messages)
        threading.Thread(target=send_all, args=(self.messages,), daemon=True).start()  # guilty

    def send(self, message):
        self.messages.put(message)
        self.messages.join()


def handle(number):
    Producer().send(b"test")


async def main(park):
    await park.requests(handle)
    await park()
    for messages in queues:
        messages.put(None)
