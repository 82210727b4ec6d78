"""A download is built by a thread that puts chunks into a bounded queue; the client leaves and nobody takes them.

Source: https://github.com/byte5ai/palaia/issues/368
"""

import queue
import threading

EXPECTED = {"download": "orphaned"}
COUNT = 5
THREADS = True

queues = []


def build(chunks):
    for _ in range(10):
        chunks.put(b"chunk")


def download():
    chunks = queue.Queue(maxsize=4)
    queues.append(chunks)
    builder = threading.Thread(target=build, args=(chunks,), daemon=True)
    builder.start()  # guilty
    try:
        while True:
            yield chunks.get()
    finally:
        builder.join(timeout=0.001)


def handle(number):
    body = download()
    next(body)
    body.close()


async def main(park):
    await park.requests(handle)
    await park()
    for chunks in queues:
        for _ in range(9):
            chunks.get(timeout=1)
